"""CMS DeepNTuples: one jet an entry, with charged (Cpfcan) and neutral (Npfcan) candidates and vertices (sv).

The candidates and vertices are fields of the jet, `charged`, `neutral` and `vertices`, in the order of the file and
with its numbers, but for lengths, which it has in cm: they are in mm. The file has neither azimuth nor mass of the jet,
so the jets are no vectors; the angles of the candidates, delta_eta and delta_phi, are relative to the jet. The test
file of DeepJetCore counts eta of jets and vertices outwards (it is never negative for a jet), and gives no charge of
the candidates.

The truth is one flag for each class of DeepJet, `label_b` (one b hadron, hadronic decay), `label_bb` (two),
`label_lepb` (leptonic decay), `label_c`, `label_uds`, `label_g`, as far as the file tells them apart, and the `flavour`
(5, 4, 0) that follows. A jet of none of these classes has flavour 0 and no label.

References:
    Bols et al., Jet Flavour Classification Using DeepJet (2020), arXiv:2008.10519; github.com/DL4Jets/DeepNTuples.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.event_keys import event_key
from cortado.readers import columns
from cortado.readers.cartesian import one_jet_an_entry, one_jet_record
from cortado.units import MM_PER_CM

__all__ = ["FORMS", "NAME", "branches", "jets", "record"]

NAME = "DeepNTuple"
_JETS = {
    "pt": "jet_pt",
    "eta": "jet_eta",
    "n_primary_vertices": "npv",
    "gen_pt": "gen_pt",
    "quark_gluon_likelihood": "jet_qgl",
}
_CHARGED = {
    "pt": "pt",
    "delta_eta": "etarel",
    "delta_phi": "phirel",
    "puppi_weight": "puppiw",
    "d0": "dxy",
    "dz": "dz",
    "vertex_association": "VTX_ass",
    "chi2": "chi2",
    "quality": "highPurity",
    "is_muon": "isMu",
    "is_electron": "isEl",
}
_NEUTRAL = {
    "pt": "pt",
    "delta_eta": "etarel",
    "delta_phi": "phirel",
    "is_photon": "isGamma",
    "hadronic_fraction": "HadFrac",
}
_VERTICES = {
    "pt": "pt",
    "eta": "eta",
    "phi": "phi",
    "mass": "mass",
    "n_tracks": "ntracks",
    "chi2": "chi2",
    "ndf": "ndf",
    "flight_distance_2d": "dxy",
    "flight_distance_2d_err": "dxyerr",
    "flight_distance": "d3d",
    "flight_distance_err": "d3derr",
    "cos_pointing": "costhetasvpv",
}
_LENGTHS = (
    "d0",
    "dz",
    "flight_distance_2d",
    "flight_distance_2d_err",
    "flight_distance",
    "flight_distance_err",
)
# field of the jet -> prefix of the branches, counter, names
_COLLECTIONS = {
    "charged": ("Cpfcan_", "n_Cpfcand", _CHARGED),
    "neutral": ("Npfcan_", "n_Npfcand", _NEUTRAL),
    "vertices": ("sv_", "n_sv", _VERTICES),
}
# class -> flags of which one names it, and its flavour; github.com/DL4Jets/DeepJet, TrainData_deepFlavour.py
_LABELS = {
    "b": (("isB",), 5),
    "bb": (("isBB", "isGBB"), 5),
    "lepb": (("isLeptonicB", "isLeptonicB_C"), 5),
    "c": (("isC", "isCC", "isGCC"), 4),
    "uds": (("isUDS", "isUD", "isS"), 0),
    "g": (("isG",), 0),
}
_EVENT = ("event_no",)
_REQUIRED = ("jet_pt", "jet_eta", *_EVENT, *(f"{prefix}pt" for prefix, _, _ in _COLLECTIONS.values()))
FORMS = (_REQUIRED,)
"""Branches by which the dialect is recognised, and without which it cannot be read."""


def branches(available: Iterable[str]) -> list[str]:
    """Choose the branches that `record` uses, of those that are available."""
    wanted = [*_REQUIRED, *_JETS.values(), *(flag for flags, _ in _LABELS.values() for flag in flags)]
    for prefix, counter, names in _COLLECTIONS.values():
        wanted += [counter, *(prefix + name for name in names.values())]
    there = set(available)
    return [name for name in dict.fromkeys(wanted) if name in there]


def jets(events: ak.Array) -> ak.Array:
    """Jets with their candidates and vertices.

    Args:
        events: Entries, shape (n,).

    Returns:
        One jet an entry, shape (n, var), with pt, eta, event_key, `charged`, `neutral` and `vertices` (var) and, where
        the file has them, n_primary_vertices, gen_pt, quark_gluon_likelihood, flavour and labels.

    Raises:
        KeyError: If a required column is missing.
        ValueError: If a counter or a column of a collection has another number of elements than the others.
    """
    available = columns.names(events)
    columns.require(_REQUIRED, available, NAME)
    fields: dict[str, Any] = columns.chosen(events, _JETS)
    fields |= _truth(events, available)
    fields["event_key"] = _event_keys(events)
    for collection in _COLLECTIONS:
        fields[collection] = _collection(events, collection)
    return one_jet_an_entry(columns.records(fields))


def record(events: ak.Array) -> ak.Array:
    """Entries in the form of the package: events of one jet, shape (n,), with jets and event_key.

    Jets of one event are several entries with one event_key.

    Args:
        events: Entries, shape (n,).

    Returns:
        Events, shape (n,).

    Raises:
        KeyError: If a required column is missing.
        ValueError: If a counter or a column of a collection has another number of elements than the others.
    """
    return one_jet_record(jets(events))


def _event_keys(events: ak.Array) -> npt.NDArray[np.uint64]:
    """Key of each entry from its event number, the only one in the file, shape (n,)."""
    return np.asarray(event_key(0, 0, columns.flat(columns.column(events, "event_no"))))


def _truth(events: ak.Array, available: Collection[str]) -> dict[str, Any]:
    """Columns label_b, ... and flavour, shape (n,); none of them in recorded data."""
    there = {name: [flag for flag in flags if flag in available] for name, (flags, _) in _LABELS.items()}
    labels = {
        f"label_{name}": np.any([columns.flat(columns.column(events, flag)) != 0 for flag in flags], axis=0)
        for name, flags in there.items()
        if flags
    }
    if not labels:
        return {}
    flavours = [_LABELS[name.removeprefix("label_")][1] for name in labels]
    return labels | {"flavour": np.select(list(labels.values()), flavours, default=0).astype(np.int32)}


def _collection(events: ak.Array, name: str) -> ak.Array:
    prefix, counter, names = _COLLECTIONS[name]
    fields = columns.chosen(events, names, prefix)
    fields |= {name: columns.scaled(fields[name], MM_PER_CM) for name in _LENGTHS if name in fields}
    counts = {prefix + names[field]: columns.flat(ak.num(column)) for field, column in fields.items()}
    counts |= {each: columns.flat(column) for each, column in columns.chosen(events, {counter: counter}).items()}
    first = f"{prefix}pt"
    for branch, numbers in counts.items():
        different = np.flatnonzero(numbers != counts[first])
        if len(different):
            at = different[0]
            raise ValueError(f"{branch} counts {numbers[at]} in entry {at}, but {first} has {counts[first][at]}")
    return ak.zip(fields)
