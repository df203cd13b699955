"""Features of a constituent, each defined once for all representations that use it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cortado import kinematics
from cortado.names import nearest, require_one_of
from cortado.representations.constituents import CENTRES, Constituents, as_float32, centred, jet_sum

__all__ = [
    "FEATURES",
    "PARTICLENET_FEATURES",
    "Feature",
    "Geometry",
    "fields_of",
    "flat_features",
    "require_centre",
    "require_known",
]

Floats = NDArray[np.float64]


class Geometry(NamedTuple):
    """Angles of the constituents relative to the centre of their jet, shape (m,) each."""

    delta_eta: Floats
    delta_phi: Floats


class Feature(NamedTuple):
    """One number of each constituent: the fields it is made of, beside the angles, and how."""

    fields: tuple[str, ...]
    compute: Callable[[Constituents, Geometry], Floats]


# The codes of EnergyFlow, arXiv:1810.05165: "small floats", the same for a particle in all samples.
_PARTICLE_CODES = {
    22: 0.0,
    211: 0.1,
    -211: 0.2,
    321: 0.3,
    -321: 0.4,
    130: 0.5,
    2112: 0.6,
    -2112: 0.7,
    2212: 0.8,
    -2212: 0.9,
    11: 1.0,
    -11: 1.1,
    13: 1.2,
    -13: 1.3,
}
# Hadrons that live long enough to reach a detector; particle-flow candidates use 211 and 130 for all of them.
_CHARGED_HADRONS = (211, 321, 2212, 3112, 3222, 3312, 3334)
_NEUTRAL_HADRONS = (130, 310, 2112, 3122, 3322)


def _is_one_of(*pdg_ids: int) -> Feature:
    def compute(constituents: Constituents, geometry: Geometry) -> Floats:
        return np.isin(np.abs(constituents.own("pdg_id")), pdg_ids).astype(np.float64)

    return Feature(("constituents.pdg_id",), compute)


def _as_read(name: str) -> Feature:
    return Feature((f"constituents.{name}",), lambda constituents, geometry: constituents.own(name))


def _tanh(name: str) -> Feature:
    return Feature((f"constituents.{name}",), lambda constituents, geometry: np.tanh(constituents.own(name)))


def _clipped(name: str) -> Feature:
    return Feature((f"constituents.{name}",), lambda constituents, geometry: np.clip(constituents.own(name), 0.0, 1.0))


def _energy(constituents: Constituents) -> Floats:
    energy: Floats = kinematics.energy(*(constituents.own(name) for name in ("pt", "eta", "mass")))
    return energy


def _jet_energy(constituents: Constituents) -> Floats:
    energy: Floats = kinematics.energy(*(constituents.columns[name] for name in ("pt", "eta", "mass")))
    return energy[constituents.owner]


def _pt_fraction(constituents: Constituents, geometry: Geometry) -> Floats:
    pt = constituents.own("pt")
    fraction: Floats = pt / jet_sum(pt, constituents)[constituents.owner]
    return fraction


def _particle_code(constituents: Constituents, geometry: Geometry) -> Floats:
    pdg_id = constituents.own("pdg_id")
    known = np.array(sorted(_PARTICLE_CODES))
    index = np.minimum(np.searchsorted(known, pdg_id), len(known) - 1)
    unknown = known[index] != pdg_id
    if unknown.any():
        bad = int(np.flatnonzero(unknown)[0])
        raise ValueError(
            f"particle_code: jet {constituents.owner[bad]} has a constituent of pdg_id {pdg_id[bad]:.0f}, "
            f"known are {', '.join(map(str, known))}"
        )
    return np.array([_PARTICLE_CODES[code] for code in known.tolist()])[index]


_MOMENTUM = ("constituents.pt", "constituents.eta", "constituents.mass")

FEATURES = {
    "delta_eta": Feature((), lambda constituents, geometry: geometry.delta_eta),
    "delta_phi": Feature((), lambda constituents, geometry: geometry.delta_phi),
    "delta_r": Feature((), lambda constituents, geometry: np.hypot(geometry.delta_eta, geometry.delta_phi)),
    "log_pt": Feature((), lambda constituents, geometry: np.log(constituents.own("pt"))),
    "log_energy": Feature(_MOMENTUM, lambda constituents, geometry: np.log(_energy(constituents))),
    "log_pt_relative": Feature(
        ("pt",), lambda constituents, geometry: np.log(constituents.own("pt") / constituents.jet("pt"))
    ),
    "log_energy_relative": Feature(
        ("pt", "eta", "mass", *_MOMENTUM),
        lambda constituents, geometry: np.log(_energy(constituents) / _jet_energy(constituents)),
    ),
    "pt_fraction": Feature((), _pt_fraction),
    "charge": _as_read("charge"),
    "is_charged_hadron": _is_one_of(*_CHARGED_HADRONS),
    "is_neutral_hadron": _is_one_of(*_NEUTRAL_HADRONS),
    "is_photon": _is_one_of(22),
    "is_electron": _is_one_of(11),
    "is_muon": _is_one_of(13),
    "particle_code": Feature(("constituents.pdg_id",), _particle_code),
    "d0": _tanh("d0"),
    "d0_err": _clipped("d0_err"),
    "dz": _tanh("dz"),
    "dz_err": _clipped("dz_err"),
    "puppi_weight": _as_read("puppi_weight"),
}
"""All features by name.

====================  ======================================================================================
delta_eta, delta_phi  angles from the centre that the representation chooses [rad]
delta_r               distance from that centre
log_pt, log_energy    natural logarithm of the value in GeV
log_pt_relative       natural logarithm of the ratio to the jet's own pT
log_energy_relative   the same of the energy
pt_fraction           pT over the sum of the constituents' pT
charge                in units of e
is_..._hadron         1 or 0 by PDG code; hadrons are those that reach a detector (pi, K, p, ..., K0L, n, ...)
is_...                1 or 0 by PDG code
particle_code         the PDG code as a number from 0 to 1.3, as in EnergyFlow
d0, dz                tanh of the impact parameter in mm, as in JetClass
d0_err, dz_err        its uncertainty in mm, cut off at 0 and 1
puppi_weight          as in the file
====================  ======================================================================================
"""

PARTICLENET_FEATURES = (
    "delta_eta",
    "delta_phi",
    "log_pt",
    "log_energy",
    "log_pt_relative",
    "log_energy_relative",
    "delta_r",
)
"""The seven features of arXiv:1902.08570, table 1, without those of particle identification."""


def require_known(names: Iterable[str], known: Iterable[str], caller: str) -> None:
    """Refuse a choice of features that is empty, repeats one, or names one that does not exist.

    Args:
        names: The choice.
        known: All there are.
        caller: The representation, for messages.

    Raises:
        ValueError: If so; names the nearest.
    """
    names, known = tuple(names), tuple(known)
    if not names or len(set(names)) < len(names):
        raise ValueError(f"{caller} needs one or more different names, got {names}")
    for name in names:
        if name not in known:
            raise ValueError(f"{caller} knows no {name!r}; {nearest(name, known)}")


def require_centre(centre: str, caller: str, centres: Iterable[str] = tuple(CENTRES)) -> None:
    """Refuse an unknown centre.

    Args:
        centre: The choice.
        caller: The representation, for messages.
        centres: All there are.

    Raises:
        ValueError: If it is none of them.
    """
    require_one_of(f"{caller}: centre", centre, centres)


def fields_of(names: Iterable[str], *, centre: str, mirror_eta: bool) -> tuple[str, ...]:
    """Fields of a record that the features and their angles are made of."""
    angles = ("constituents.pt", "constituents.eta", "constituents.phi", *CENTRES[centre])
    mirror = ("eta",) if mirror_eta else ()
    return tuple(dict.fromkeys((*angles, *mirror, *(field for name in names for field in FEATURES[name].fields))))


def flat_features(
    constituents: Constituents, names: tuple[str, ...], *, centre: str, mirror_eta: bool, caller: str
) -> NDArray[np.float32]:
    """Features of flat constituents, shape (m, f).

    Args:
        constituents: With the columns that `fields_of` names.
        names: The features.
        centre: Origin of the angles, see `constituents.centred`.
        mirror_eta: Whether to count delta_eta from the centre of the detector outwards (times the sign of
            the jet's eta): the two sides of a symmetric detector then look alike.
        caller: The representation, for messages.

    Raises:
        ValueError: If a feature is not finite.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        delta_eta, delta_phi = centred(constituents, centre)
        if mirror_eta:
            delta_eta = delta_eta * np.where(constituents.columns["eta"] < 0, -1.0, 1.0)[constituents.owner]
        geometry = Geometry(delta_eta, delta_phi)
        values = [FEATURES[name].compute(constituents, geometry) for name in names]
    return as_float32(values, names, constituents.owner, caller)
