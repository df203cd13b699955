"""Cuts on a score that pass stated parts of the background: bins of an anomaly search."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from cortado.masks import unmasked
from cortado.statistics import Estimate, require_finite
from cortado.weights.working_points import efficiency, passed_by

__all__ = ["ScoreCut", "score_cuts"]


class ScoreCut(NamedTuple):
    """A cut, score >= threshold.

    Attributes:
        name: How it is asked for, such as "1%".
        threshold: Smallest score that passes.
        efficiency: Part that passes, as measured.
    """

    name: str
    threshold: float
    efficiency: Estimate


def score_cuts(
    scores: ArrayLike, efficiencies: Iterable[float] = (0.1, 0.01), weights: ArrayLike | None = None
) -> tuple[ScoreCut, ...]:
    """Thresholds that at most stated parts of a sample pass, lowest first.

    Where both classes are labelled, `working_points` also tells the efficiency of the signal. Measure the thresholds
    on other events than those that are searched (sidebands, another fold, simulation), or a cut follows their
    fluctuations.

    Args:
        scores: Of background, or of data that are nearly all background, shape (n,); larger is more anomalous.
        efficiencies: Parts that shall pass, each in (0, 1); 0.01 is named "1%".
        weights: Shape (n,).
    Raises:
        ValueError: If there are no scores, one is not finite, an efficiency is not in (0, 1) or given twice, or not
            a single event may pass.
    """
    score = unmasked(scores)
    if score.ndim != 1 or not len(score):
        raise ValueError(f"scores have shape {score.shape}; needed is (n,), of at least one event")
    require_finite("scores", score)
    w = np.ones(len(score)) if weights is None else unmasked(weights, np.float64)
    wanted = sorted(efficiencies, reverse=True)
    if not wanted or len(set(wanted)) < len(wanted):
        raise ValueError(f"efficiencies are {wanted}; needed is one or more, each once")
    cuts = []
    for part in wanted:
        threshold = float(passed_by(part, score, w))
        measured = Estimate(*efficiency(score >= threshold, w))
        cuts.append(ScoreCut(f"{100 * part:g}%", threshold, measured))
    return tuple(cuts)
