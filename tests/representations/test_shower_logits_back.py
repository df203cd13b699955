"""From logits of shares back to cells: slow twins, hits, and empty cells."""

import math

import awkward as ak
import numpy as np
import pytest
from representations.shower_logits_toys import (
    LAYERS,
    LOGITS,
    clean_showers,
    energies_of_layers,
    every_kind,
    logit,
    shares_of,
    showers_of,
)
from scipy import special

from cortado.calorimeter import CALOGAN, cells
from cortado.representations import ShowerLogits


def slow_cells(logits, energy, threshold):
    """Cells of a layer: the largest set of those of greatest shares that stay at or above the threshold."""
    shares = shares_of(logits).tolist()
    order = sorted(range(len(shares)), key=lambda index: -shares[index])
    for size in range(len(order), 0, -1):
        together = sum(shares[index] for index in order[:size])
        if shares[order[size - 1]] * energy >= threshold * together:
            return [shares[i] / together * energy if i in order[:size] else 0.0 for i in range(len(shares))]
    return [0.0] * len(shares)


def slow_hits(logits, energy, threshold, hits):
    """Cells of a layer with so many hits: the weakest are raised to the threshold until all others are above it."""
    shares = shares_of(logits).tolist()
    hits = min(max(hits, 1), math.floor(energy / threshold))
    chosen = sorted(range(len(shares)), key=lambda index: -shares[index])[:hits]
    for free in range(hits, -1, -1):
        left, together = energy - (hits - free) * threshold, sum(shares[index] for index in chosen[:free])
        if free == 0 or shares[chosen[free - 1]] * left >= threshold * together:
            break
    energies = {index: shares[index] / together * left for index in chosen[:free]}
    energies |= dict.fromkeys(chosen[free:], threshold)
    return [energies.get(index, 0.0) for index in range(len(shares))]


def test_features_come_back_from_showers_made_of_them():
    """If the shares of cells are normalised, as those of showers are."""
    rng, quiet = np.random.default_rng(1), ShowerLogits(noise=0.0)
    energy = rng.uniform(1, 100, 30).astype(np.float32)
    features = rng.normal([0] * 3 + [-6] * 504, [2] * 3 + [3] * 504, (30, 507))
    first = quiet(quiet.inverse(energy, features)).features
    np.testing.assert_allclose(first[:, :3], features[:, :3], atol=1e-5)
    assert 0.01 < (first < -13.8).mean() < 0.9
    np.testing.assert_allclose(quiet(quiet.inverse(energy, first)).features, first, atol=1e-5)


@pytest.mark.parametrize("energy, threshold", [(1.0, 1e-5), (1e-3, 1e-5), (1e-4, 1e-5), (3e-5, 1e-5), (9e-6, 1e-5)])
def test_cells_equal_those_of_the_slow_twin(energy, threshold):
    rng = np.random.default_rng(4)
    features = rng.normal(-5, 4, (15, 507)).astype(np.float32)
    features[:, :3] = logit(energy / 1.5), 20, 0  # of a particle of 1 GeV, all in layer 0
    layer = ak.to_numpy(LOGITS.inverse(np.ones(15), features).layer_0).reshape(15, 288)
    expected = [slow_cells(row[3:291].tolist(), energy, threshold) for row in features]
    np.testing.assert_allclose(layer, expected, rtol=1e-4)


@every_kind
def test_a_cell_is_empty_or_above_the_threshold_and_a_layer_keeps_its_energy_whatever_comes(kind):
    rng, representation = np.random.default_rng(6), ShowerLogits(**kind)
    number = len(representation.features)
    features = rng.normal(0, 10.0 ** rng.uniform(-1, 3, (300, 1)), (300, number)).astype(np.float32)
    features[:6, 3:] = np.array([[0.0], [100.0], [-100.0], [-13.8155], [-13.0], [13.8]])
    features[:, :3] = rng.normal(0, 4, (300, 3))
    energy = rng.uniform(1, 100, 300)
    showers = representation.inverse(energy, features)
    values = cells(showers, CALOGAN)
    assert values[values > 0].min() > 1e-5 * (1 - 1e-6)
    first, second, third = shares_of(features[:, :3]).T
    layers_of_total = np.stack([second, (1 - second) * third, (1 - second) * (1 - third)], axis=1)
    expected = (energy * 1.5 * first)[:, None] * layers_of_total
    np.testing.assert_allclose(energies_of_layers(showers), np.where(expected < 1e-5, 0, expected), rtol=1e-5)


def test_as_many_cells_are_hit_as_their_feature_says():
    """Whatever their shares, where the energy of the layer is enough for as many."""
    rng, representation = np.random.default_rng(7), ShowerLogits(hits=True)
    features = rng.normal(-5, 6, (200, 510)).astype(np.float32)
    features[:, 0] = special.logit(10.0 ** rng.uniform(-4, 0, 200) / 1.5)
    wanted = np.stack([rng.integers(0, size + 1, 200) for size in CALOGAN.sizes], axis=1)
    features[:, 3:6] = special.logit((wanted + 0.5) / (np.array(CALOGAN.sizes) + 1))
    showers = representation.inverse(np.ones(200), features)
    hits = np.stack([(ak.to_numpy(showers[name]) > 0).sum(axis=(1, 2)) for name in LAYERS], axis=1)
    possible = energies_of_layers(showers) / 1e-5
    expected = np.minimum(np.maximum(wanted, 1), np.floor(possible * (1 + 1e-6)))
    np.testing.assert_array_equal(hits, np.where(possible < 0.999, 0, expected))
    assert 0.2 < (hits == wanted).mean() < 0.9


@pytest.mark.parametrize("energy", [1.0, 1e-3, 1e-4, 2.9e-5])
def test_hit_cells_equal_those_of_the_slow_twin(energy):
    rng, representation = np.random.default_rng(4), ShowerLogits(hits=True)
    features = rng.normal(-5, 4, (15, 510)).astype(np.float32)
    features[:, :3] = logit(energy / 1.5), 20, 0  # of a particle of 1 GeV, all in layer 0
    features[:, 3] = special.logit((np.arange(0, 60, 4) + 0.5) / 289)
    layer = ak.to_numpy(representation.inverse(np.ones(15), features).layer_0).reshape(15, 288)
    expected = [slow_hits(row[6:294].tolist(), energy, 1e-5, 4 * number) for number, row in enumerate(features)]
    np.testing.assert_allclose(layer, expected, rtol=1e-4)


def test_hits_are_counted_and_spread_evenly():
    """Cells below the threshold are none."""
    values = np.zeros((500, 504))
    values[:, :7], values[:, 7], values[:, 300] = 1 + np.linspace(0, 1, 500)[:, np.newaxis], 0.9e-5, 1
    hits = shares_of(ShowerLogits(hits=True)(showers_of(values, energy=50.0)).features[:, 3:6]) * [289, 145, 73]
    for column, number in zip(hits.T, (7, 1, 0)):
        assert number < column.min() < number + 0.02
        assert number + 0.98 < column.max() < number + 1
        assert column.mean() == pytest.approx(number + 0.5, abs=0.05)
    assert np.abs(np.corrcoef(hits.T) - np.eye(3)).max() < 0.15


def test_the_greatest_of_hopeless_cells_has_all_the_energy():
    features = np.full((1, 507), -50, np.float32)
    features[0, [0, 1, 2]] = 0
    features[0, [100, 300, 500]] = -40
    showers = LOGITS.inverse([2.0], features)
    assert np.flatnonzero(cells(showers, CALOGAN)[0]).tolist() == [97, 297, 497]
    np.testing.assert_allclose(cells(showers, CALOGAN).sum(), 1.5, rtol=1e-5)


def test_equal_cells_share_until_the_threshold():
    features = np.zeros((1, 507), np.float32)
    features[0, :2] = logit(1.005e-3 / 1.5), 20
    cells_of_layer = ak.to_numpy(LOGITS.inverse([1.0], features).layer_0).ravel()
    np.testing.assert_allclose(cells_of_layer[:100], 1.005e-5, rtol=1e-4)
    assert not cells_of_layer[100:].any()


def test_weak_layers_survive_the_noise_of_their_empty_cells():
    """One cell of 20 keV, in 36 keV of noise."""
    values = np.zeros((40, 504))
    values[:, 20] = 5
    values[np.arange(40), 432 + np.arange(40)] = 2e-5
    after = cells(LOGITS.inverse(*LOGITS(showers_of(values))), CALOGAN)
    np.testing.assert_array_equal(after > 0, values > 0)
    np.testing.assert_allclose(after, values, rtol=1e-4)


@every_kind
@pytest.mark.parametrize("noise", [0.0, 1e-6])
def test_layers_and_showers_without_energy(noise, kind):
    representation = ShowerLogits(noise=noise, **kind)
    values = np.zeros((8, 504))
    for row in range(8):  # all combinations of layers with and without energy
        for index, cell in enumerate((7, 300, 465)):  # the last of them on the axis
            values[row, cell] = 0.5 * (row >> index & 1)
    inputs = representation(showers_of(values))
    assert np.isfinite(inputs.features).all()
    after = cells(representation.inverse(*inputs), CALOGAN)
    assert not after[values == 0].any()
    np.testing.assert_allclose(after, values, rtol=1e-5)


def test_noise_is_uniform_below_its_limit_and_its_own_in_each_shower_and_cell():
    """Also of particles of one energy; taken from the shares beside one full cell of 1 GeV."""
    values = np.zeros((400, 504))
    values[:, 0] = 1 + np.linspace(0, 0.1, 400)
    shares = 1 / (1 + np.exp(-LOGITS(showers_of(values)).features[:, 3:291].astype(float))) - 1e-6
    noise = shares[:, 1:] / shares[:, :1] * values[:, :1] / 1e-6
    assert 0 < noise.min() < 0.001 < 0.999 < noise.max() < 1 + 1e-5
    assert noise.mean() == pytest.approx(0.5, abs=0.005)
    assert noise.var() == pytest.approx(1 / 12, abs=0.002)
    for matrix in (np.corrcoef(noise[:40]), np.corrcoef(noise[:, :40].T)):
        assert np.abs(matrix - np.eye(40)).max() < 5 / math.sqrt(len(noise))


def test_a_small_alpha_tells_weak_cells_from_empty_ones_beside_strong_ones():
    """100 keV in a layer of 80 GeV: CaloFlow's alpha leaves half a logit."""
    values = np.zeros((1, 504))
    values[0, [300, 301]] = 80, 1e-4
    coarse, fine = (
        ShowerLogits(max_response=10.0, alpha=alpha)(showers_of(values)).features[0, 304:306] for alpha in (1e-6, 1e-9)
    )
    assert coarse[0] - coarse[1] < 1
    assert fine[0] - fine[1] > 4


def test_cells_with_energy_and_layers_feel_no_noise():
    showers = clean_showers(20)
    quiet, noisy = ShowerLogits(noise=0.0)(showers).features, LOGITS(showers).features
    np.testing.assert_array_equal(noisy[:, :3], quiet[:, :3])
    full = cells(showers, CALOGAN) > 0
    np.testing.assert_allclose(noisy[:, 3:][full], quiet[:, 3:][full], atol=1e-2)
    assert (noisy[:, 3:][~full] > quiet[:, 3:][~full]).mean() > 0.99
