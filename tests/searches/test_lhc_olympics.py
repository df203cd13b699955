"""Simulated dijets that are not ours: the LHC Olympics' background has no bump, and its resonance is found."""

import h5py
import numpy as np
import pytest

from cortado.searches import SignalShape, bump_hunt, choose_function

EDGES = np.arange(3000.0, 7001.0, 100.0)
SHAPE = SignalShape(resolution=0.04)


@pytest.fixture(scope="module")
def masses(test_data):
    with h5py.File(test_data / "anomaly" / "lhco_features_01-02.h5") as file:
        return {name: file[name][:, 0].astype(float) for name in ("bkg", "sig")}  # mjj [GeV]


def test_background_of_the_lhc_olympics_has_no_bump(masses):
    counts = np.histogram(masses["bkg"], EDGES)[0]
    choice = choose_function(counts, EDGES, collision_energy=13_000.0)
    assert choice.function.parameters == 3
    assert choice.fits[0].p_value > 0.01
    assert bump_hunt(counts, EDGES, function=choice.function, shape=SHAPE, toys=100).global_p.value > 0.05


def test_the_resonance_of_the_lhc_olympics_is_found(masses):
    """W' of 3.5 TeV, 300 events among 8,700."""
    counts = np.histogram(np.append(masses["bkg"], masses["sig"][:300]), EDGES)[0]
    function = choose_function(counts, EDGES, collision_energy=13_000.0, window=(3300, 3900)).function
    found = bump_hunt(counts, EDGES, function=function, shape=SHAPE, widths=(3.0,), toys=100)
    assert abs(found.mass - 3500) < 2 * SHAPE.width(3500)
    assert found.global_p.value < 0.03
