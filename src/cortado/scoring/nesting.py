"""Arrays of jets of any nesting to flat ones, and back."""

import awkward as ak
import numpy as np


def flatten(jets: ak.Array) -> ak.Array:
    """The jets that there are, shape (n,): lists are joined, missing ones (None) left out.

    Raises:
        ValueError: If it is not an array of records.
    """
    if not ak.fields(jets):
        raise ValueError(f"jets must be an array of records with fields such as pt, got {ak.type(jets)}")
    return flatten_values(jets)


def flatten_values(values: ak.Array) -> ak.Array:
    """`flatten` for any array."""
    while values.ndim > 1:
        values = ak.flatten(values, axis=1)
    return ak.drop_none(values, axis=0)


def restore(flat: ak.Array, jets: ak.Array) -> ak.Array:
    """Inverse of `flatten`: the values of `flat` in the nesting of `jets`, None where there is no jet."""
    # Only a layout tells an option type without any None from a plain array.
    if isinstance(ak.type(jets).content, ak.types.OptionType):
        missing = np.asarray(ak.is_none(jets, axis=0))
        index = np.where(missing, -1, np.cumsum(~missing) - 1)
        inner = restore(flat, ak.drop_none(jets, axis=0))
        return ak.Array(ak.contents.IndexedOptionArray(ak.index.Index64(index), inner.layout))
    if jets.ndim == 1:
        return flat
    inner = restore(flat, ak.flatten(jets, axis=1))
    if isinstance(ak.type(jets).content, ak.types.RegularType):
        size = ak.type(jets).content.size
        return ak.Array(ak.contents.RegularArray(inner.layout, size, zeros_length=len(jets)))
    return ak.unflatten(inner, ak.to_numpy(ak.num(jets, axis=1)))
