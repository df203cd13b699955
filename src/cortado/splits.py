"""Training, validation and test by event: the same event always falls in the same part, on any machine.

Decisions are made from the key of the event (see `event_keys`), mixed with a seed, never from the position in a file:
they survive skimming, reordering and merging of the files, and all jets of an event share them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np

from cortado.event_keys import unsigned
from cortado.splitmix import mixed

__all__ = ["TEST", "TRAIN", "VALIDATION", "Split", "fold", "fraction"]

TRAIN, VALIDATION, TEST = 0, 1, 2
"""Values of `Split.subset`."""

_FOLD_SALT = np.uint64(0xF01D)


def fraction(event_key: Any, seed: int = 0) -> Any:
    """Map keys to numbers uniform in [0, 1), independent for each seed.

    Args:
        event_key: Keys, uint64, any shape.
        seed: Chooses one of 2^64 independent maps.

    Returns:
        Numbers in [0, 1), float64, same shape.
    """
    bits = mixed(unsigned(event_key, "event_key") ^ mixed(unsigned(seed, "seed")))
    return (bits >> np.uint64(11)) * 2.0**-53


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
    numbers = np.floor(fraction(mixed(unsigned(event_key, "event_key") ^ _FOLD_SALT), seed) * folds)
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
