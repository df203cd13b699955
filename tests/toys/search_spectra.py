"""Spectra for tests of searches: 3,245 events of a falling background, and a resonance."""

import numpy as np

from cortado.searches import DijetFunction, SignalShape

EDGES = np.linspace(2000.0, 6000.0, 41)
FUNCTION = DijetFunction(collision_energy=13_000.0, parameters=3)
TRUTH = (-7.5, 8.0, 6.0)
BACKGROUND = FUNCTION.expected(EDGES, TRUTH)
SHAPE = SignalShape(resolution=0.04)


def background_only(samples, seed):
    return np.random.default_rng(seed).poisson(BACKGROUND, (samples, len(BACKGROUND))).astype(float)


def with_signal(events, mass, seed):
    expected = BACKGROUND + events * SHAPE.parts(EDGES, mass)
    return np.random.default_rng(seed).poisson(expected).astype(float)
