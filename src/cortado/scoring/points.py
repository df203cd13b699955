"""Working points of several bundles as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cortado.weights import WorkingPoint


def averaged(points: Sequence[tuple[WorkingPoint, ...]]) -> tuple[WorkingPoint, ...]:
    """Those that all bundles have by name: means of thresholds, efficiencies and mistag rates, and of their errors.

    Args:
        points: Of each bundle.
    """
    if len(set(points)) == 1:
        return points[0]
    named = [{point.name: point for point in each} for each in points]
    common = [name for name in named[0] if all(name in each for each in named)]
    return tuple(_mean([each[name] for each in named]) for name in common)


def _mean(points: Sequence[WorkingPoint]) -> WorkingPoint:
    def mean(field: str) -> float:
        return float(np.mean([getattr(point, field) for point in points]))

    return WorkingPoint(
        name=points[0].name,
        threshold=mean("threshold"),
        efficiency=mean("efficiency"),
        efficiency_err=mean("efficiency_err"),
        mistag=mean("mistag"),
        mistag_err=mean("mistag_err"),
        n_signal=round(mean("n_signal")),
        n_background=round(mean("n_background")),
    )
