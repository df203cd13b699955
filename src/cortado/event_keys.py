"""The 64 bits that name an event: made from its numbers or, where a file has none, from its momenta.

Bits are mixed by SplitMix64, never taken from the position in a file: keys survive skimming,
reordering and merging of the files, and all jets of an event share theirs.
"""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np

from cortado.splitmix import mixed

__all__ = ["event_key", "event_key_of_lists", "event_key_of_momenta", "unsigned"]


def event_key(run: Any, luminosity_block: Any, event: Any) -> Any:
    """Give each event a 64-bit key from the numbers that name it.

    Args:
        run: Run number, integers of any shape.
        luminosity_block: Luminosity block, same shape.
        event: Event number, same shape.

    Returns:
        Keys, uint64, same shape. Two of a million events share one with probability 3e-8.

    Raises:
        TypeError: If one of the numbers is not an integer.

    Example:
        >>> int(event_key(1, 2, 3))
        15020427595393229491
    """
    key = mixed(unsigned(run, "run"))
    key = mixed(key ^ unsigned(luminosity_block, "luminosity_block"))
    return mixed(key ^ unsigned(event, "event"))


def event_key_of_momenta(*components: Any) -> Any:
    """Give each entry of a file without event numbers a 64-bit key, from the bits of float32 numbers.

    Any numbers that tell the entries apart will do, such as a four-momentum; equal ones (duplicated jets) share their
    key, and so their part of the split.

    Args:
        *components: Numbers, shape (n,) each.

    Returns:
        Keys, uint64, shape (n,).
    """
    key = np.uint64(0)
    for component in components:
        positive_zero = np.asarray(component, dtype=np.float32) + np.float32(0)
        key = mixed(key ^ positive_zero.view(np.uint32).astype(np.uint64))
    return key


def event_key_of_lists(*columns: ak.Array) -> Any:
    """Give each event of a file without event numbers a 64-bit key, from the float32 numbers in its lists.

    Equal events, such as those whose lists are all empty, share their key, and so their part of the split.

    Args:
        *columns: Lists of numbers, shape (n, var) each; their order counts, as does that in a list.

    Returns:
        Keys, uint64, shape (n,).
    """
    key: Any = np.uint64(0)
    for column in columns:
        position = ak.to_numpy(ak.flatten(ak.local_index(column))).astype(np.uint64)
        inside = event_key_of_momenta(ak.to_numpy(ak.flatten(column))) ^ mixed(position)
        counts = ak.to_numpy(ak.num(column))
        event = np.repeat(np.arange(len(counts)), counts)
        sums = np.zeros(len(counts), dtype=np.uint64)
        np.add.at(sums, event, mixed(inside))  # wraps around
        key = mixed(mixed(key ^ sums) ^ counts.astype(np.uint64))
    return key


def unsigned(numbers: Any, name: str) -> Any:
    """Integers as uint64; negative ones wrap around.

    Args:
        numbers: Integers, numpy or awkward of any nesting.
        name: What they are, for the message.

    Returns:
        The same integers, uint64, same shape.

    Raises:
        TypeError: If they are not integers.
    """
    numbers = numbers if isinstance(numbers, ak.Array) else np.asarray(numbers)
    example = ak.to_numpy(ak.flatten(numbers, axis=None)) if isinstance(numbers, ak.Array) else numbers
    if example.dtype.kind not in "iu" and example.size:
        raise TypeError(f"{name} must be integers, got {example.dtype}")
    return ak.values_astype(numbers, np.uint64) if isinstance(numbers, ak.Array) else numbers.astype(np.uint64)
