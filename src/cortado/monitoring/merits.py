"""Whether a stated rate of false alarms holds, and what is found at it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cortado import metrics
from cortado.weights import AlarmThreshold, binomial_interval, efficiency, false_alarms

__all__ = ["alarm_merits"]


def alarm_merits(
    alarms: Iterable[AlarmThreshold], good: ArrayLike, faulty: Mapping[str, ArrayLike]
) -> dict[str, dict[str, Any]]:
    """False alarms among good maps beside those to expect; AUC of each kind of fault and what is found of it.

    Args:
        alarms: Thresholds, such as those of a bundle from `calibrated`.
        good: Scores of good maps that calibrated nothing, shape (n,).
        faulty: Scores of maps with faults by their kind, shape (m,) each.

    Returns:
        JSON-able. `alarms` by name: the threshold, false alarms `seen` `of` the good maps, the exact 95 % `interval` of
        their rate, those `to_expect`, and whether what was seen `holds` with them. `kinds`: number of `maps`, `auc`,
        and the part `found` by alarm.
    """
    points, ordinary = tuple(alarms), np.asarray(good)
    rates, kinds = {}, {}
    for alarm in points:
        above, expected = int((ordinary > alarm.threshold).sum()), false_alarms(alarm, len(ordinary))
        rates[alarm.name] = {
            **asdict(alarm),
            "seen": above,
            "of": len(ordinary),
            "interval": binomial_interval(above, len(ordinary)),
            "to_expect": expected._asdict(),
            "holds": expected.low <= above <= expected.high,
        }
    for kind, each in faulty.items():
        scores = np.asarray(each)
        labels = np.repeat([0, 1], [len(ordinary), len(scores)])
        kinds[kind] = {
            "maps": len(scores),
            "auc": metrics.auc(labels, np.concatenate([ordinary, scores])),
            "found": {alarm.name: metrics.Estimate(*efficiency(scores > alarm.threshold)) for alarm in points},
        }
    return {"alarms": rates, "kinds": kinds}
