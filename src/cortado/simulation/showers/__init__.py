"""Calorimeter showers: a compact cascade of photons, electrons and (roughly) pions in lead and liquid argon.

`simulate` writes samples; `cascade` follows one shower with the interactions of `processes`, `sampling` and `hadrons`
through the calorimeter of `readout`.
"""

from __future__ import annotations

from cortado.simulation.showers.simulate import PARTICLES, READOUTS, SPECTRA, ShowerSummary, simulate_showers

__all__ = ["PARTICLES", "READOUTS", "SPECTRA", "ShowerSummary", "simulate_showers"]
