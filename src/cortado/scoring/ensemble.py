"""Trainings that differ by their seed alone as one function of jets: their mean, and how far they disagree."""

import dataclasses
import os
from collections.abc import Iterable
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.scoring.loading import load
from cortado.scoring.nesting import flatten, restore
from cortado.scoring.scorer import Scorer, add_per_event
from cortado.weights import WeightVariations, ratio_weights


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnsembleScorer:
    """Scorers of the same classes; what they say is averaged as the logarithm of the likelihood ratio.

    Attributes:
        scorers: Two or more, with the same classes and signal.
    """

    scorers: tuple[Scorer, ...]

    def __post_init__(self) -> None:
        kinds = {(scorer.classes, scorer.signal) for scorer in self.scorers}
        if len(self.scorers) < 2 or len(kinds) != 1:
            raise ValueError(
                f"an ensemble needs two or more scorers of the same classes and signal, got {len(self.scorers)} with "
                f"{len(kinds)} kinds: {sorted(kinds)}"
            )

    def __call__(self, jets: ak.Array) -> ak.Array:
        """Probability of the signal, float64, of the nesting of `jets`."""
        return restore(ak.Array(1 / (1 + np.exp(-self._log_ratios(flatten(jets)).mean(axis=0)))), jets)

    def weights(
        self, jets: ak.Array, *, prior: float = 1.0, clip: tuple[float, float] | None = None
    ) -> WeightVariations:
        """Likelihood ratio of the signal to the rest of each jet; up and down by the spread of the ensemble.

        Args:
            jets: Shape (n,), jets or showers of the sample that is to be turned into the signal's.
            prior: Sum of training weights of the signal over that of the rest.
            clip: Smallest and largest weight.

        Returns:
            Weights, float64, shape (n,). Up and down vary all jets together.
        """
        ratios = self._log_ratios(flatten(jets)) - np.log(prior)
        return ratio_weights(ratios.mean(axis=0), ratios.std(axis=0, ddof=1), clip=clip)

    def add_likelihood_ratio(
        self,
        weights: Any,
        jets: ak.Array,
        *,
        prior: float = 1.0,
        clip: tuple[float, float] | None = None,
        name: str = "likelihood_ratio",
    ) -> None:
        """Add the product over the jets of each event to coffea `Weights`: nominal, up and down; see `weights`."""
        varied = self.weights(jets, prior=prior, clip=clip)
        add_per_event(weights, name, restore(ak.zip(varied._asdict()), jets))

    def _log_ratios(self, flat: ak.Array) -> NDArray[np.float64]:
        """Logarithm of the ratio by scorer, shape (scorers, n)."""
        return np.stack([_log_ratio(scorer, flat) for scorer in self.scorers])


def ensemble(paths: Iterable[str | os.PathLike[str]], **settings: Any) -> EnsembleScorer:
    """Scorer of several bundles of one study with different seeds.

    Args:
        paths: The bundles.
        **settings: As `load`.
    Raises:
        ValueError: If there are fewer than two, or they differ in classes or signal.
    """
    return EnsembleScorer(scorers=tuple(load(path, **settings) for path in paths))


def _log_ratio(scorer: Scorer, flat: ak.Array) -> NDArray[np.float64]:
    """Of the probabilities of both, not of one: 1 - p of a probability near 1 has no digits left."""
    probabilities = scorer.probabilities(flat)
    columns = {name: np.asarray(probabilities[name], dtype=np.float64) for name in scorer.classes}
    signal = columns.pop(scorer.signal)
    tiny = np.finfo(np.float32).tiny
    found: NDArray[np.float64] = np.log(np.maximum(signal, tiny)) - np.log(np.maximum(sum(columns.values()), tiny))
    return found
