"""Hits of charged particles in trackers, as ROOT files of one dialect.

`simulate` makes bunch crossings in a compact detector (`detector`, `particles`, `transport`, `measurement`) or, with
ACTS, in its generic detector (`generic`); `toy` makes straight tracks in a square of pixels. `acts_tracks` finds tracks
with the Kalman filter of ACTS.
"""

from __future__ import annotations

from cortado.simulation.hits.acts_settings import CkfSettings
from cortado.simulation.hits.acts_tracks import ActsTracks, acts_tracks
from cortado.simulation.hits.detector import COMPACT, Detector, Volume
from cortado.simulation.hits.simulate import DETECTORS, GENERATORS, HitSummary, simulate_hits
from cortado.simulation.hits.toy import ToyHitSummary, simulate_toy_hits

__all__ = [
    "COMPACT",
    "DETECTORS",
    "GENERATORS",
    "ActsTracks",
    "CkfSettings",
    "Detector",
    "HitSummary",
    "ToyHitSummary",
    "Volume",
    "acts_tracks",
    "simulate_hits",
    "simulate_toy_hits",
]
