"""Efficiency, resolution and noise of the layers, as asked for."""

from dataclasses import replace

import numpy as np
import pytest

from cortado.simulation.hits.detector import COMPACT, layers
from cortado.simulation.hits.measurement import joined, measured, noise, ordered
from cortado.simulation.hits.transport import Crossings

TABLE = layers(COMPACT)
N = 40_000


def crossed(layer):
    """Many crossings of one layer, in its middle, at an azimuth of 3 rad."""
    middle = (TABLE.low[layer] + TABLE.high[layer]) / 2
    radius, z = (TABLE.place[layer], middle) if TABLE.cylinder[layer] else (middle, TABLE.place[layer])
    position = np.tile([radius * np.cos(3.0), radius * np.sin(3.0), z], (N, 1))
    return Crossings(np.arange(N), np.full(N, layer), position), radius, z


@pytest.mark.parametrize("efficiency", [0.0, 0.7, 0.98, 1.0])
def test_efficiency(efficiency):
    made, *_ = crossed(8)
    event = np.zeros(N, np.int64)
    hits = measured(made, event, 1 + event, replace(COMPACT, efficiency=efficiency), np.random.default_rng(1))
    spread = np.sqrt(efficiency * (1 - efficiency) / N)
    assert len(hits.layer) / N == pytest.approx(efficiency, abs=4 * spread)


@pytest.mark.parametrize("layer", [2, 9, 25, 40])
def test_resolution(layer):
    made, radius, z = crossed(layer)
    event = np.zeros(N, np.int64)
    hits = measured(made, event, 1 + event, replace(COMPACT, efficiency=1.0), np.random.default_rng(1))
    x, y, measured_z = hits.position.T
    along = measured_z - z if TABLE.cylinder[layer] else np.hypot(x, y) - radius
    across = (np.arctan2(y, x) - 3.0) * radius
    assert np.std(across) == pytest.approx(TABLE.sigma[layer, 0], rel=0.03)
    assert np.std(along) == pytest.approx(TABLE.sigma[layer, 1], rel=0.03)
    on_layer = np.hypot(x, y) if TABLE.cylinder[layer] else measured_z
    assert on_layer == pytest.approx(TABLE.place[layer], abs=1e-9)


def test_noise_is_as_much_as_asked_for_in_each_layer_and_even_over_it():
    hits = noise(100, replace(COMPACT, noise=20.0), np.random.default_rng(1))
    counts = np.bincount(hits.layer, minlength=48)
    assert len(counts) == 48
    assert np.all(np.abs(counts - 2000) < 5 * np.sqrt(2000))
    assert np.all(hits.particle_id == 0)
    assert np.all(np.diff(hits.event) >= 0)
    assert np.bincount(hits.event, minlength=100).mean() == pytest.approx(960, abs=4 * np.sqrt(960 / 100))
    disc = hits.position[hits.layer == 0]
    square = disc[:, 0] ** 2 + disc[:, 1] ** 2  # even over the surface: even in the square of the radius
    assert square.mean() == pytest.approx((30**2 + 176**2) / 2, rel=0.03)
    assert disc[:, 2] == pytest.approx(-600)


def test_volumes_and_modules():
    hits = noise(20, replace(COMPACT, noise=100.0), np.random.default_rng(1))
    assert np.array_equal(hits.volume, TABLE.volume[hits.layer])
    assert np.all(hits.module >= 0)
    inner = hits.layer == 7  # 2 pi 32 mm in 5 sectors, 1 m in 10 rows
    assert set(hits.module[inner].tolist()) == set(range(50))
    phi, z = np.arctan2(hits.position[inner, 1], hits.position[inner, 0]), hits.position[inner, 2]
    slow = [int((b + 500) // 100) * 5 + int((a + np.pi) // (2 * np.pi / 5)) for a, b in zip(phi, z, strict=True)]
    assert hits.module[inner].tolist() == slow


def test_the_order_of_hits_is_that_of_layers_and_azimuths():
    first, second = (noise(3, COMPACT, np.random.default_rng(seed)) for seed in (1, 2))
    one, other = ordered(joined(first, second)), ordered(joined(second, first))
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a, b)
    phi = np.arctan2(one.position[:, 1], one.position[:, 0])
    assert sorted(zip(one.event, one.layer, phi, strict=True)) == list(zip(one.event, one.layer, phi, strict=True))
