"""Arrays of jets of any nesting to flat ones, and back."""

from __future__ import annotations

import awkward as ak
import numpy as np
from numpy.typing import NDArray


def flatten(jets: ak.Array) -> ak.Array:
    """The jets that there are, shape (n,): lists are joined, missing ones (None) left out.

    Raises:
        ValueError: If it is not an array of records.
    """
    if isinstance(jets, ak.Record):
        raise ValueError("jets must be an array of records, got one record: jets[0:1] in the place of jets[0]")
    if not isinstance(jets, ak.Array):
        raise ValueError(f"jets must be an array of records, got a {type(jets).__name__}: ak.Array(jets) makes one")
    if not ak.fields(jets):
        raise ValueError(f"jets must be an array of records with fields such as pt, got {ak.type(jets)}")
    return flatten_values(jets)


def flatten_values(values: ak.Array) -> ak.Array:
    """`flatten` for any array."""
    while values.ndim > 1:
        values = ak.flatten(values, axis=1)
    return ak.drop_none(values, axis=0)


def entries(jets: ak.Array) -> NDArray[np.int64]:
    """Index of the entry of `jets` in which each jet of `flatten` is, shape (n,)."""
    entry = np.arange(len(jets))
    while jets.ndim > 1:
        entry = np.repeat(entry, ak.to_numpy(ak.fill_none(ak.num(jets, axis=1), 0)))
        jets = ak.flatten(jets, axis=1)
    return entry[~np.asarray(ak.is_none(jets, axis=0))] if _may_be_missing(jets) else entry


def restore(flat: ak.Array, jets: ak.Array) -> ak.Array:
    """Inverse of `flatten`: the values of `flat` in the nesting of `jets`, None where there is no jet."""
    if _may_be_missing(jets):
        missing = np.asarray(ak.is_none(jets, axis=0))
        index = np.where(missing, -1, np.cumsum(~missing) - 1)
        inner = restore(flat, ak.drop_none(jets, axis=0))
        return ak.Array(ak.contents.IndexedOptionArray.simplified(ak.index.Index64(index), inner.layout))
    if jets.ndim == 1:
        return flat
    inner = restore(flat, ak.flatten(jets, axis=1))
    if isinstance(ak.type(jets).content, ak.types.RegularType):
        size = ak.type(jets).content.size
        return ak.Array(ak.contents.RegularArray(inner.layout, size, zeros_length=len(jets)))
    return ak.unflatten(inner, ak.to_numpy(ak.num(jets, axis=1)))


def _may_be_missing(jets: ak.Array) -> bool:
    """Whether the type allows None; only the layout tells this from a plain array."""
    return isinstance(ak.type(jets).content, ak.types.OptionType)
