"""SplitMix64: 64 bits scrambled, for keys and for random numbers that follow from what they are of.

References:
    Steele, Lea, Flood, Fast splittable pseudorandom number generators (2014), doi:10.1145/2660193.2660195.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["GOLDEN", "mixed", "scrambled"]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""From one state of the generator to the next."""


def mixed(bits: Any) -> Any:
    """Scramble 64 bits, one to one: each input bit changes every output bit with probability one half.

    Args:
        bits: uint64, numpy or awkward, any shape.

    Returns:
        The output of SplitMix64 in the state `bits`, uint64, same shape.
    """
    with np.errstate(over="ignore"):
        return scrambled(bits + GOLDEN)


def scrambled(bits: Any) -> Any:
    """The finaliser alone, one to one; it leaves 0 as it is.

    Args:
        bits: uint64, numpy or awkward, any shape.
    """
    with np.errstate(over="ignore"):
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
