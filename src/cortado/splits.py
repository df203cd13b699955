"""Training, validation and test by event: the same event always falls in the same part, on any machine.

Decisions are made from a 64-bit key of the event, mixed with a seed (the finaliser of SplitMix64), never from
the position in a file: they survive skimming, reordering and merging of the files, and all jets of an event
share them.

References:
    Steele, Lea, Flood, Fast splittable pseudorandom number generators (2014), doi:10.1145/2660193.2660195.
"""

from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np

TRAIN, VALIDATION, TEST = 0, 1, 2
"""Values of `Split.subset`."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FOLD_SALT = np.uint64(0xF01D)


def _unsigned(numbers: Any, name: str) -> Any:
    """Integers as uint64, numpy or awkward of any nesting; negative ones wrap around."""
    numbers = numbers if isinstance(numbers, ak.Array) else np.asarray(numbers)
    example = ak.to_numpy(ak.flatten(numbers, axis=None)) if isinstance(numbers, ak.Array) else numbers
    if example.dtype.kind not in "iu" and example.size:
        raise TypeError(f"{name} must be integers, got {example.dtype}")
    return ak.values_astype(numbers, np.uint64) if isinstance(numbers, ak.Array) else numbers.astype(np.uint64)


def _mix(bits: Any) -> Any:
    """Scramble 64 bits, one to one: each input bit changes every output bit with probability one half."""
    with np.errstate(over="ignore"):
        bits = bits + _GOLDEN
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return bits ^ (bits >> np.uint64(31))


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
    key = _mix(_unsigned(run, "run"))
    key = _mix(key ^ _unsigned(luminosity_block, "luminosity_block"))
    return _mix(key ^ _unsigned(event, "event"))


def event_key_of_momenta(px: Any, py: Any, pz: Any, energy: Any) -> Any:
    """Give each entry of a file without event numbers a 64-bit key, from the bits of four float32 numbers.

    Any four numbers that tell the entries apart will do; equal ones (duplicated jets) share their key, and so
    their part of the split.

    Args:
        px: First component, shape (n,).
        py: Second component, shape (n,).
        pz: Third component, shape (n,).
        energy: Fourth component, shape (n,).

    Returns:
        Keys, uint64, shape (n,).
    """
    key = np.uint64(0)
    for component in (px, py, pz, energy):
        positive_zero = np.asarray(component, dtype=np.float32) + np.float32(0)
        key = _mix(key ^ positive_zero.view(np.uint32).astype(np.uint64))
    return key


def fraction(event_key: Any, seed: int = 0) -> Any:
    """Map keys to numbers uniform in [0, 1), independent for each seed.

    Args:
        event_key: Keys, uint64, any shape.
        seed: Chooses one of 2^64 independent maps.

    Returns:
        Numbers in [0, 1), float64, same shape.
    """
    mixed = _mix(_unsigned(event_key, "event_key") ^ _mix(_unsigned(seed, "seed")))
    return (mixed >> np.uint64(11)) * 2.0**-53


def fold(event_key: Any, folds: int, seed: int = 0) -> Any:
    """Map keys to one of k folds of equal size, independent of the `fraction` with the same seed.

    Args:
        event_key: Keys, uint64, any shape.
        folds: Number of folds k.
        seed: Chooses the assignment.

    Returns:
        Fold of each event, 0 to k - 1, int64, same shape.

    Raises:
        ValueError: If `folds` is less than 2.
    """
    if folds < 2:
        raise ValueError(f"folds = {folds}; at least 2 are needed to train on one part and score the other")
    numbers = np.floor(fraction(_mix(_unsigned(event_key, "event_key") ^ _FOLD_SALT), seed) * folds)
    if isinstance(numbers, ak.Array):
        return ak.values_astype(numbers, np.int64)
    return np.asarray(numbers).astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class Split:
    """Shares of the events that are kept for validation and for the test; the rest is for training.

    Args:
        validation: Share of the events on which a training chooses its best epoch.
        test: Share of the events that a training never sees.
        seed: Chooses which events.

    Raises:
        ValueError: If a share is negative, or nothing would be left for training.
    """

    validation: float = 0.1
    test: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if not (self.validation >= 0 and self.test >= 0 and self.validation + self.test < 1):
            raise ValueError(
                f"validation = {self.validation}, test = {self.test}: shares must not be negative "
                "and must leave some events for training (sum below 1)"
            )

    def subset(self, event_key: Any) -> Any:
        """Say for each event where it belongs: TRAIN, VALIDATION or TEST.

        The test events are the same whatever the validation share.

        Args:
            event_key: Keys, uint64, any shape.

        Returns:
            0, 1 or 2, int8, same shape.
        """
        place = fraction(event_key, self.seed)
        kept = (place < self.test + self.validation) * np.int8(VALIDATION)
        return kept + (place < self.test) * np.int8(TEST - VALIDATION)
