"""Dijet events as columns of numbers: the mass of two jets, and what each looks like.

What `simulation.simulate_dijets` and `simulation.cluster_dijets` give; `columns_of_signal_region` makes it of the
arrays of the CATHODE paper. Jet 1 is the heavier one. Masses are in GeV.

References:
    Hallin et al., Classifying anomalies through outer density estimation (2021), arXiv:2109.00546, section 2.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.event_keys import event_key, event_key_of_momenta
from cortado.readers import columns

__all__ = ["FORMS", "NAME", "branches", "columns_of", "columns_of_signal_region", "record"]

NAME = "dijets"
_REQUIRED = ("mjj", "mj1", "mj2", "tau21_1", "tau21_2")
_NUMBERS = ("run", "luminosityBlock", "event")
_OPTIONAL = {
    "delta_eta": "delta_eta",
    "weight": "weight",
    "is_signal": "label",
    "sample": "sample",
    "run": "run",
    "luminosity_block": "luminosityBlock",
    "event": "event",
}
FORMS = (_REQUIRED,)
_TEV = 1000.0  # GeV
_WIDTH = 6


def branches(available: Iterable[str]) -> list[str]:
    """Choose the branches that `record` uses, of those that are available."""
    there = set(available)
    return [name for name in (*_REQUIRED, *_OPTIONAL.values()) if name in there]


def record(events: ak.Array) -> ak.Array:
    """Events in the form of the package, without jets: columns that are features as they are.

    Args:
        events: Entries, shape (n_events,).

    Returns:
        Events with mjj, mj1 >= mj2, delta_mj = mj1 - mj2 [GeV], tau21_1, tau21_2, event_key (of the event numbers, or
        else of the masses), and where the file has them delta_eta, weight, is_signal (1 signal, 0 background), sample
        (which one, counted by who wrote it), run, luminosity_block, event.

    Raises:
        KeyError: If a required column is missing.
        ValueError: If a first jet is lighter than the second.
    """
    columns.require(_REQUIRED, columns.names(events), NAME)
    fields: dict[str, Any] = {name: columns.flat(columns.column(events, name)) for name in _REQUIRED}
    if lighter := int(np.sum(fields["mj1"] < fields["mj2"])):
        raise ValueError(f"{NAME}: mj1 < mj2 in {lighter} of {len(events)} events, required: jet 1 is the heavier one")
    fields["delta_mj"] = fields["mj1"] - fields["mj2"]
    fields |= columns.chosen(events, _OPTIONAL)
    if all(name in columns.names(events) for name in _NUMBERS):
        fields["event_key"] = event_key(*(columns.column(events, name) for name in _NUMBERS))
    else:
        fields["event_key"] = event_key_of_momenta(*(fields[name] for name in ("mjj", "mj1", "mj2", "tau21_1")))
    return columns.records(fields)


def columns_of(events: ak.Array, *, sample: int = 0) -> dict[str, npt.NDArray[Any]]:
    """Columns of this dialect, ready to be written, from events of `record`, or from sampled ones.

    Args:
        events: With mjj, mj2, delta_mj, tau21_1, tau21_2, shape (n,). Those without numbers of their own get their
            place as event number, in run 0.
        sample: Number by which a study knows these events.

    Returns:
        mjj, mj1, mj2, tau21_1, tau21_2, run, luminosityBlock, event, sample; shape (n,) each.
    """
    numbers = {name: ak.to_numpy(events[name]) for name in ("mjj", "mj2", "tau21_1", "tau21_2")}
    numbers["mj1"] = numbers["mj2"] + np.maximum(ak.to_numpy(events.delta_mj), 0)
    nothing = np.zeros(len(events), np.uint64)
    own = {"run": nothing, "luminosity_block": nothing, "event": np.arange(len(events), dtype=np.uint64)}
    if "event" in events.fields:
        own = {name: ak.to_numpy(events[name]) for name in own}
    columns = {name: column.astype(np.float32) for name, column in numbers.items()}
    columns |= {_OPTIONAL[name]: column.astype(np.uint64) for name, column in own.items()}
    return columns | {"sample": np.full(len(events), sample, np.int32)}


def columns_of_signal_region(features: npt.ArrayLike, *, sample: int = 0) -> dict[str, npt.NDArray[Any]]:
    """Columns of this dialect from the arrays that the CATHODE paper published, ready to be written.

    Args:
        features: Shape (n, 6): mjj, mass of the lighter jet, difference of the masses [TeV], tau21 of the lighter and
            of the heavier jet, label; `np.load("innerdata_train.npy")`.
        sample: Number by which a study knows the events of this array.

    Returns:
        mjj, mj1, mj2, tau21_1, tau21_2, label, sample; shape (n,) each.

    Raises:
        ValueError: If the shape is another one, or labels are neither 0 nor 1.

    Example:
        >>> columns = columns_of_signal_region([[3.5, 0.1, 0.4, 0.2, 0.3, 1.0]])
        >>> {name: round(column[0].item(), 3) for name, column in columns.items()}
        {'mjj': 3500.0, 'mj1': 500.0, 'mj2': 100.0, 'tau21_1': 0.3, 'tau21_2': 0.2, 'label': 1, 'sample': 0}
    """
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != _WIDTH:
        raise ValueError(f"{NAME}: features have shape {rows.shape}, required: (n, {_WIDTH})")
    mjj, lighter, difference, tau_lighter, tau_heavier, label = rows.T
    if len(wrong := np.setdiff1d(label, [0, 1])):
        raise ValueError(f"{NAME}: labels (last column) must be 0 or 1, but there are {wrong[:5].tolist()}")
    numbers = {
        "mjj": _TEV * mjj,
        "mj1": _TEV * (lighter + difference),
        "mj2": _TEV * lighter,
        "tau21_1": tau_heavier,
        "tau21_2": tau_lighter,
    }
    whole = {"label": label.astype(np.int32), "sample": np.full(len(rows), sample, np.int32)}
    return {name: column.astype(np.float32) for name, column in numbers.items()} | whole
