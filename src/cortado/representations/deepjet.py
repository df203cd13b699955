"""Jets with charged candidates, neutral candidates and vertices, each in its order of importance: the input of DeepJet.

The published lists, as far as the public ntuples have them. Long tails are made short, so that the batch norm of the
network meets numbers of order one:

=============================  ===========================================================================
feature                        value
=============================  ===========================================================================
log_pt, log_mass               natural logarithm of the value in GeV
log_pt_relative                logarithm of the ratio to the jet's pT
delta_r                        distance from the axis of the jet
d0, dz, flight_distance(_2d)   sign(x) ln(1 + |x| / 10 um)
..._significance               sign(s) ln(1 + |s|) of value over error
n_charged, n_neutral           number of these candidates in the jet
n_vertices                     number of its secondary vertices
chi2                           sign(x) ln(1 + |x|)
reduced_chi2                   the same of chi2 / ndf, cut off at +-1000
all others                     as in the record
=============================  ===========================================================================

References:
    Bols et al., Jet Flavour Classification Using DeepJet (2020), arXiv:2008.10519, tables 1 to 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.representations.constituents import (
    Constituents,
    as_float32,
    descending,
    flat,
    longest,
    mask_of,
    padded,
)
from cortado.representations.features import require_known

__all__ = [
    "CHARGED_FEATURES",
    "JET_FEATURES",
    "NEUTRAL_FEATURES",
    "VERTEX_FEATURES",
    "DeepJetFeatures",
    "DeepJetInputs",
]

Floats = NDArray[np.float64]

_SHORT = 1e-2  # mm, the resolution of impact parameters
_COLLECTIONS = ("charged", "neutral", "vertices")


class DeepJetInputs(NamedTuple):
    """Features of n jets and of their candidates and vertices; p differs between the collections.

    Attributes:
        jet: Shape (n, f).
        charged: Shape (n, p, f); 0 where there is no candidate, as in the others.
        charged_mask: True where there is a candidate, shape (n, p).
        neutral: Shape (n, p, f).
        neutral_mask: Shape (n, p).
        vertices: Shape (n, p, f).
        vertices_mask: Shape (n, p).
    """

    jet: NDArray[np.float32]
    charged: NDArray[np.float32]
    charged_mask: NDArray[np.bool_]
    neutral: NDArray[np.float32]
    neutral_mask: NDArray[np.bool_]
    vertices: NDArray[np.float32]
    vertices_mask: NDArray[np.bool_]


class JetFeature(NamedTuple):
    """One number of each jet: the fields it is made of, and how; the numbers of objects are always there."""

    fields: tuple[str, ...]
    compute: Callable[[Mapping[str, Floats]], Floats]


class ObjectFeature(NamedTuple):
    """One number of each object of a collection: its fields, the jet's fields, and how."""

    fields: tuple[str, ...]
    jet_fields: tuple[str, ...]
    compute: Callable[[Constituents], Floats]


def _signed_log(values: Floats) -> Floats:
    return np.copysign(np.log1p(np.abs(values)), values)


def _of_jet(name: str) -> JetFeature:
    return JetFeature((name,), lambda jet: jet[name])


def _number_of(collection: str) -> JetFeature:
    return JetFeature((), lambda jet: jet[f"n_{collection}"])


def _own(name: str, change: Callable[[Floats], Floats] = np.positive) -> ObjectFeature:
    return ObjectFeature((name,), (), lambda objects: change(objects.own(name)))


def _ratio(above: str, below: str, change: Callable[[Floats], Floats] = _signed_log) -> ObjectFeature:
    return ObjectFeature((above, below), (), lambda objects: change(objects.own(above) / objects.own(below)))


def _length(name: str) -> ObjectFeature:
    return _own(name, lambda values: _signed_log(values / _SHORT))


_DELTA_R = ObjectFeature(
    ("delta_eta", "delta_phi"), (), lambda objects: np.hypot(objects.own("delta_eta"), objects.own("delta_phi"))
)
_PT_RELATIVE = ObjectFeature(("pt",), ("pt",), lambda objects: np.log(objects.own("pt") / objects.jet("pt")))

JET_FEATURES = {
    "log_pt": JetFeature(("pt",), lambda jet: np.log(jet["pt"])),
    "eta": _of_jet("eta"),
    **{f"n_{collection}": _number_of(collection) for collection in _COLLECTIONS},
    "n_primary_vertices": _of_jet("n_primary_vertices"),
}
"""Features of a jet by name."""

CHARGED_FEATURES = {
    "log_pt_relative": _PT_RELATIVE,
    "delta_r": _DELTA_R,
    "d0": _length("d0"),
    "dz": _length("dz"),
    "vertex_association": _own("vertex_association"),
    "puppi_weight": _own("puppi_weight"),
    "chi2": _own("chi2", _signed_log),
    "quality": _own("quality"),
    "is_electron": _own("is_electron"),
    "is_muon": _own("is_muon"),
}
"""Features of a charged candidate by name.

The ntuples have d0 and dz in place of the signed impact parameters of the paper, and the flags of leptons beside them.
"""

NEUTRAL_FEATURES = {
    "log_pt_relative": _PT_RELATIVE,
    "delta_r": _DELTA_R,
    "is_photon": _own("is_photon"),
    "hadronic_fraction": _own("hadronic_fraction"),
}
"""Features of a neutral candidate by name."""

VERTEX_FEATURES = {
    "log_pt": _own("pt", np.log),
    "log_mass": _own("mass", np.log),
    "n_tracks": _own("n_tracks"),
    "chi2": _own("chi2", _signed_log),
    "reduced_chi2": _ratio("chi2", "ndf", lambda values: _signed_log(np.clip(values, -1000.0, 1000.0))),
    "flight_distance_2d": _length("flight_distance_2d"),
    "flight_distance_2d_significance": _ratio("flight_distance_2d", "flight_distance_2d_err"),
    "flight_distance": _length("flight_distance"),
    "flight_distance_significance": _ratio("flight_distance", "flight_distance_err"),
    "cos_pointing": _own("cos_pointing"),
}
"""Features of a vertex by name."""

_FEATURES = {"charged": CHARGED_FEATURES, "neutral": NEUTRAL_FEATURES, "vertices": VERTEX_FEATURES}
_IMPORTANCE = {
    "charged": _own("d0", np.abs),
    "neutral": _own("pt"),
    "vertices": _ratio("flight_distance", "flight_distance_err"),
}


@dataclass(frozen=True, kw_only=True)
class DeepJetFeatures:
    """Jets with their candidates and vertices, the most important of each collection first.

    Charged candidates come in the order of falling |d0|, neutral ones of falling pT, vertices of falling significance
    of their flight distance. The paper orders the former two by what the ntuples lack: the significance of the impact
    parameter, and the distance from the nearest vertex. As published, those beyond 25, 25 and 4 are left out.

    Attributes:
        jet: Names of `JET_FEATURES`.
        charged: Names of `CHARGED_FEATURES`.
        neutral: Names of `NEUTRAL_FEATURES`.
        vertices: Names of `VERTEX_FEATURES`.
        max_charged: Most charged candidates of a jet.
        max_neutral: Most neutral candidates of a jet.
        max_vertices: Most vertices of a jet.

    Raises:
        ValueError: If a feature is unknown, or there is room for no object.
    """

    jet: tuple[str, ...] = tuple(JET_FEATURES)
    charged: tuple[str, ...] = tuple(CHARGED_FEATURES)
    neutral: tuple[str, ...] = tuple(NEUTRAL_FEATURES)
    vertices: tuple[str, ...] = tuple(VERTEX_FEATURES)
    max_charged: int = 25
    max_neutral: int = 25
    max_vertices: int = 4

    def __post_init__(self) -> None:
        require_known(self.jet, JET_FEATURES, "DeepJetFeatures")
        for collection in _COLLECTIONS:
            require_known(getattr(self, collection), _FEATURES[collection], "DeepJetFeatures")
            if (most := getattr(self, f"max_{collection}")) < 1:
                raise ValueError(f"DeepJetFeatures: max_{collection} must be at least 1, got {most}")

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of a jet that this needs."""
        fields = [field for name in self.jet for field in JET_FEATURES[name].fields]
        for collection in _COLLECTIONS:
            fields += _fields(collection, getattr(self, collection))
        return tuple(dict.fromkeys(fields))

    def __call__(self, jets: ak.Array) -> DeepJetInputs:
        """Make the arrays of jets.

        Args:
            jets: Jets with `fields`, shape (n,).

        Returns:
            Features of the jets, and features and mask of each collection.

        Raises:
            KeyError: If a field is missing.
            ValueError: If a feature is not finite, or the jets are nested.
        """
        charged, neutral, vertices = (self._objects(jets, collection) for collection in _COLLECTIONS)
        counts = {f"n_{objects.collection}": objects.counts for objects in (charged, neutral, vertices)}
        return DeepJetInputs(
            _jet_array(jets, self.jet, counts),
            *_object_arrays(charged, self.charged, self.max_charged),
            *_object_arrays(neutral, self.neutral, self.max_neutral),
            *_object_arrays(vertices, self.vertices, self.max_vertices),
        )

    def _objects(self, jets: ak.Array, collection: str) -> Constituents:
        fields = _fields(collection, getattr(self, collection))
        return flat(jets, fields, caller="DeepJetFeatures", collection=collection, by_pt=False)


def _fields(collection: str, names: Iterable[str]) -> list[str]:
    """Fields that features of a collection, and its order, are made of."""
    features = [_IMPORTANCE[collection], *(_FEATURES[collection][name] for name in names)]
    own = [f"{collection}.{field}" for feature in features for field in feature.fields]
    return [*(field for feature in features for field in feature.jet_fields), *own]


def _jet_array(jets: ak.Array, names: tuple[str, ...], counts: Mapping[str, NDArray[np.int64]]) -> NDArray[np.float32]:
    fields = [field for name in names for field in JET_FEATURES[name].fields]
    columns = flat(jets, fields, caller="DeepJetFeatures").columns
    columns |= {name: number.astype(np.float64) for name, number in counts.items()}
    with np.errstate(divide="ignore", invalid="ignore"):
        values = [JET_FEATURES[name].compute(columns) for name in names]
    return as_float32(values, names, np.arange(len(jets)), "DeepJetFeatures")


def _object_arrays(
    objects: Constituents, names: tuple[str, ...], most: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Features (n, p, f) and mask (n, p) of a collection, the most important objects first."""
    features = [_FEATURES[objects.collection][name] for name in names] + [_IMPORTANCE[objects.collection]]
    with np.errstate(divide="ignore", invalid="ignore"):
        values = [feature.compute(objects) for feature in features]
    labels = [*names, f"the importance of {objects.collection}"]
    stacked = as_float32(values, labels, objects.owner, "DeepJetFeatures")
    order = descending(values[-1], objects.counts)
    length = longest(objects.counts, most)
    return padded(stacked[order, :-1], objects.counts, length), mask_of(objects.counts, length)
