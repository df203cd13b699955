"""Features of the LHC Olympics, computed by others from clustered jets: a table of pandas, or plain columns.

Two forms: the table that is published beside the R&D set (`events_anomalydetection_v2.features.h5`: pxj1, pyj1, pzj1,
mj1, tau1j1, ..., label), and one of more columns (mjj, pt_1, ..., mass_1, tau1_1, ..., eRing0_1, ...), in which
background and signal are two datasets of a file, `features.h5:bkg` and `features.h5:sig`.

Ratios of N-subjettiness are computed here. Those of the second form are not read: its tau21 is a copy of its tau32, and
where tau1 or tau2 is 0 they are infinite. A ratio over 0 is NaN in the record, which every representation refuses:
select without these events, and say so.

References:
    Kasieczka et al., The LHC Olympics 2020 (2021), arXiv:2101.08320; data: doi:10.5281/zenodo.4536377.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.event_keys import event_key_of_momenta
from cortado.readers import columns

__all__ = ["FORMS", "NAME", "branches", "columns_of", "record"]

NAME = "LHC Olympics features"
Numbers = npt.NDArray[np.float32]
_TAUS = ("tau1", "tau2", "tau3")
_PUBLISHED = tuple(f"{name}j{jet}" for jet in (1, 2) for name in ("px", "py", "pz", "m", *_TAUS))
_OF_A_JET = ("pt", "eta", "phi", "mass", *_TAUS)
_MORE_OF_A_JET = ("nisj", "nesj", *(f"eRing{ring}" for ring in range(10)))
_WIDER = ("mjj", *(f"{name}_{jet}" for jet in (1, 2) for name in _OF_A_JET))
_LABEL = "label"
FORMS = (_PUBLISHED, _WIDER)
_RATIOS = {"tau21": ("tau2", "tau1"), "tau32": ("tau3", "tau2")}


def branches(available: Iterable[str]) -> list[str]:
    """Choose the branches that `record` uses, of those that are available."""
    there = set(available)
    further = [f"{name}_{jet}" for jet in (1, 2) for name in _MORE_OF_A_JET]
    return [name for name in (*_PUBLISHED, *_WIDER, *further, _LABEL) if name in there]


def record(events: ak.Array) -> ak.Array:
    """Events in the form of the package, without jets: columns that are features as they are.

    Args:
        events: Entries, shape (n_events,), of either form.

    Returns:
        Events with mjj, mj1 >= mj2, delta_mj = mj1 - mj2 [GeV], delta_eta, event_key (of the momenta), and of each jet
        (jet 1 is the heavier one, whatever the file counts) pt_1 [GeV], eta_1, phi_1, tau1_1 to tau3_1, tau21_1,
        tau32_1 (NaN where they divide by 0), and where the file has them nisj_1, nesj_1, eRing0_1 to eRing9_1; and
        is_signal where the file has labels.

    Raises:
        KeyError: If a column is missing.
    """
    there = columns.names(events)
    published = not columns.missing(_PUBLISHED, there)
    columns.require(_PUBLISHED if published else _WIDER, there, NAME)
    jets = [_published_jet(events, jet) if published else _wider_jet(events, jet) for jet in (1, 2)]
    fields: dict[str, Any] = {"mjj": _mass(*jets) if published else _column(events, "mjj")}
    key = event_key_of_momenta(jets[0]["pt"], jets[0]["eta"], jets[0]["phi"], jets[1]["pt"])
    heavier = jets[0]["mass"] >= jets[1]["mass"]
    ordered = [{name: np.where(heavier, jets[a][name], jets[b][name]) for name in jets[0]} for a, b in ((0, 1), (1, 0))]
    fields |= {f"mj{jet}": each.pop("mass") for jet, each in enumerate(ordered, start=1)}
    fields["delta_mj"] = fields["mj1"] - fields["mj2"]
    fields["delta_eta"] = np.abs(ordered[0]["eta"] - ordered[1]["eta"])
    for jet, each in enumerate(ordered, start=1):
        fields |= {f"{name}_{jet}": column for name, column in each.items()}
        fields |= {f"{name}_{jet}": _ratio(*(each[tau] for tau in taus)) for name, taus in _RATIOS.items()}
    fields["event_key"] = key
    if _LABEL in there:
        fields["is_signal"] = _column(events, _LABEL).astype(np.int32)
    return columns.records(fields)


def columns_of(events: ak.Array, *, run: int, first: int = 0) -> dict[str, npt.NDArray[Any]]:
    """Columns of the dialect of dijets from events of `record`, ready to be written: (n,) each.

    Args:
        events: Of this dialect, shape (n,).
        run: Number that they get: these files have none, and no two files should share it.
        first: Event number of the first.
    """
    kept = ("mjj", "mj1", "mj2", "tau21_1", "tau21_2", "delta_eta")
    written: dict[str, npt.NDArray[Any]] = {name: np.asarray(events[name], np.float32) for name in kept}
    numbers = {"run": np.full(len(events), run), "luminosityBlock": np.ones(len(events), np.int64)}
    written |= {name: column.astype(np.uint32) for name, column in numbers.items()}
    written |= {"event": first + np.arange(len(events), dtype=np.uint64)}
    if "is_signal" in events.fields:
        written["label"] = np.asarray(events.is_signal, np.int32)
    return written


def _column(events: ak.Array, name: str) -> Numbers:
    column: Numbers = columns.flat(columns.column(events, name)).astype(np.float32)
    return column


def _wider_jet(events: ak.Array, jet: int) -> dict[str, Numbers]:
    there = columns.names(events)
    names = [name for name in (*_OF_A_JET, *_MORE_OF_A_JET) if f"{name}_{jet}" in there]
    return {name: _column(events, f"{name}_{jet}") for name in names}


def _published_jet(events: ak.Array, jet: int) -> dict[str, Numbers]:
    px, py, pz, mass, *taus = (_column(events, f"{name}j{jet}") for name in ("px", "py", "pz", "m", *_TAUS))
    pt = np.hypot(px, py)
    with np.errstate(divide="ignore", invalid="ignore"):
        eta = np.arcsinh(pz / pt)
    return {"pt": pt, "eta": eta, "phi": np.arctan2(py, px), "mass": mass} | dict(zip(_TAUS, taus))


def _mass(first: Mapping[str, Numbers], second: Mapping[str, Numbers]) -> Numbers:
    """Invariant mass of two jets [GeV], shape (n,)."""
    sums = np.zeros((4, len(first["pt"])))
    for jet in (first, second):
        pt, eta, phi, mass = (jet[name].astype(np.float64) for name in ("pt", "eta", "phi", "mass"))
        energy = np.sqrt((pt * np.cosh(eta)) ** 2 + mass**2)
        sums += np.stack([energy, pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])
    invariant: Numbers = np.sqrt(np.maximum(sums[0] ** 2 - (sums[1:] ** 2).sum(axis=0), 0)).astype(np.float32)
    return invariant


def _ratio(over: Numbers, under: Numbers) -> Numbers:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Numbers = np.where(under > 0, over / under, np.float32(np.nan)).astype(np.float32)
    return ratio
