"""Standardisations of the literature, for the features of its representations."""

from __future__ import annotations

from cortado.representations.features import PARTICLENET_FEATURES
from cortado.representations.track_features import SET2GRAPH_FEATURES
from cortado.scaling.standard import Scaling

__all__ = ["DEEP_SETS_SCALING", "PARTICLENET_SCALING", "SET2GRAPH_SCALING"]

PARTICLENET_SCALING = Scaling(
    names=PARTICLENET_FEATURES,
    center=(0.0, 0.0, 1.7, 2.0, -4.7, -4.7, 0.2),
    scale=(1.0, 1.0, 0.7, 0.7, 0.7, 0.7, 4.0),
    clip=5.0,
)
"""The constants of weaver for the default features of `PointCloud`; the angles stay as they are."""

DEEP_SETS_SCALING = Scaling(
    names=PARTICLENET_FEATURES,
    center=PARTICLENET_SCALING.center,
    scale=(0.5, 0.5, 0.07, 0.07, 0.07, 0.07, 0.4),
)
"""The same features for networks that add up some fifty constituents (`PFN`).

A tenth of the size, the angles half, keep the sums of the untrained network of order one; with features of order one,
much of a training goes into undoing that.
"""

_SET2GRAPH_SPREADS = (
    (6.078152e-4, 14.128961),
    (3.8490593e-3, 10.688491),
    (-2.6713554e-3, 1.8167108),
    (4.7640945e-3, 1.889725),
    (5.237357, 7.4841413),
    (-1.5662189e-4, 1.0),
    (75.95093, 49.134453),
    (2.2607117e-3, 1.2152709),
    (-2.3569583e-3, 1.8164033),
    (9.437994, 6.765137),
)
SET2GRAPH_SCALING = Scaling(
    names=SET2GRAPH_FEATURES,
    center=tuple(mean for mean, _ in _SET2GRAPH_SPREADS),
    scale=tuple(1 / spread for _, spread in _SET2GRAPH_SPREADS),
)
"""Mean and spread of the training sample of arXiv:2008.02831 (doi:10.5281/zenodo.4044628), as in its code.

The impact parameters of that sample spread over a centimetre; fit a scaling where yours do not.
"""
