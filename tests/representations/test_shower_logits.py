"""Laws of the logits of shares: energy is kept, cells and layers come back, and empty cells stay empty."""

import itertools
import math
import struct

import awkward as ak
import h5py
import numpy as np
import pytest
from scipy import special
from toy_showers import toy_showers

from cortado.calorimeter import CALOCHALLENGE_2, CALOGAN, GEOMETRIES, as_geometry, cells, layers
from cortado.representations import ShowerLogits
from cortado.scaling import fit

LOGITS = ShowerLogits()
LAYERS = ("layer_0", "layer_1", "layer_2")
KINDS = {"cells": {}, "core": {"core": True}, "hits": {"hits": True}, "core and hits": {"core": True, "hits": True}}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
every_calorimeter = pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda geometry: geometry.name)


def showers_of(values, energy=10.0, geometry=CALOGAN):
    """Showers of cells (n, cells) [GeV]."""
    values = np.asarray(values, np.float32)
    return ak.zip({"energy": np.full(len(values), energy, np.float32), **layers(values, geometry)}, depth_limit=1)


def clean_showers(n, seed=2, geometry=CALOGAN):
    """Toy showers without cells between 0 and the threshold."""
    showers = toy_showers(n, seed, geometry)
    values = cells(showers, geometry)
    return ak.zip({"energy": showers.energy, **layers(np.where(values > 1.001e-5, values, 0), geometry)}, depth_limit=1)


def splitmix64(seed):
    """The generator, number by number, in Python's integers."""
    state = seed
    while True:
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        yield scrambled(state)


def scrambled(bits):
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB % 2**64
    return bits ^ (bits >> 31)


def bits_of(number):
    return struct.unpack("<I", struct.pack("<f", number))[0]


def logit(share):
    x = 1e-6 + (1 - 2e-6) * share
    return math.log(x / (1 - x))


def shares_of(logits):
    return np.clip((1 / (1 + np.exp(-np.asarray(logits, float))) - 1e-6) / (1 - 2e-6), 0, 1)


def energies_of_layers(showers):
    """Shape (n, layers)."""
    names = [name for name in showers.fields if name.startswith("layer_")]
    return np.stack([ak.to_numpy(showers[name]).sum(axis=(1, 2), dtype=float) for name in names], axis=1)


def slow_logits(shower, max_response=1.5, noise=1e-6):
    """The logits of one shower of CaloGAN, cell by cell."""
    in_layers = [list(itertools.chain(*shower[name])) for name in LAYERS]
    energies = [math.fsum(layer) for layer in in_layers]
    shares = [sum(energies) / shower["energy"] / max_response]
    shares += [energies[index] / sum(energies[index:]) for index in (0, 1)]
    all_cells = sum(bits_of(cell) for layer in in_layers for cell in layer)
    numbers = splitmix64(scrambled(scrambled(bits_of(shower["energy"])) ^ all_cells))
    for layer in in_layers:
        drawn = [noise * (next(numbers) >> 12) / 2**52 for _ in layer]
        filled = [cell if cell > 0 else extra for cell, extra in zip(layer, drawn)]
        shares += [cell / sum(filled) for cell in filled]
    return [logit(share) for share in shares]


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


def test_random_numbers_are_those_of_the_published_generator():
    """First outputs for the seed 1234567, as in the reference implementation."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert list(itertools.islice(splitmix64(1234567), 4)) == published


def test_logits_equal_their_formulas_cell_by_cell():
    showers = toy_showers(4, seed=3)
    expected = [slow_logits(shower) for shower in showers[["energy", *LAYERS]].tolist()]
    np.testing.assert_allclose(LOGITS(showers).features, expected, atol=3e-6)


def test_layers_by_hand():
    """8 GeV of 10 in the calorimeter: 2, 4 and 2 in the layers; 12 could be."""
    values = np.zeros((1, 504))
    values[0, [0, 288, 289, 432]] = 2
    representation = ShowerLogits(max_response=1.2, noise=0.0)
    features = dict(zip(representation.features, representation(showers_of(values)).features[0].tolist()))
    shares = {"u_0": 8 / 12, "u_1": 2 / 8, "u_2": 4 / 6, "layer_0[0,0]": 1, "layer_1[0,0]": 0.5, "layer_1[0,1]": 0.5}
    for name, share in shares.items():
        assert features[name] == pytest.approx(logit(share), abs=1e-5)
    assert {features[name] for name in list(features)[4:291]} == {np.float32(logit(0))}


def test_the_core_by_hand():
    """In layer 1 the four cells on the axis have 1, 2, 3 and 4 GeV of 16, two others 2 and 4."""
    values = np.zeros((1, 504))
    values[0, 288 + np.array([65, 66, 77, 78, 0, 143])] = 1, 2, 3, 4, 2, 4
    representation = ShowerLogits(noise=0.0, max_response=2.0, core=True)
    features = dict(zip(representation.features, representation(showers_of(values)).features[0].tolist()))
    shares = {"[5,5]": 10 / 16, "[6,5]": 3 / 10, "[5,6]": 1 / 3, "[6,6]": 3 / 7, "[0,0]": 2 / 6, "[11,11]": 4 / 6}
    for cell, share in shares.items():
        assert features[f"layer_1{cell}"] == pytest.approx(logit(share), abs=1e-5)


def test_a_layer_of_nothing_but_its_core_keeps_its_energy_whatever_the_share_of_the_core():
    ring = as_geometry(("ring", "polar", ((0, (-3.0, 0.0, 3.0), (0.0, 1.0)),)))
    representation = ShowerLogits(geometry=ring, core=True)
    features = np.array([[0, -50, 0], [0, 0, 0], [0, 50, 0]], np.float32)
    np.testing.assert_allclose(cells(representation.inverse([4.0] * 3, features), ring), 1.5, rtol=1e-6)


def test_with_a_core_one_feature_alone_says_how_the_two_cells_on_the_axis_compare():
    energy, features = ShowerLogits(core=True)(toy_showers(20))
    rng, pair = np.random.default_rng(8), 3 + 144  # layer_0[1,48]
    others = np.delete(np.arange(507), pair)
    features[:, others] += rng.normal(0, 0.1, (20, 506))
    strips = ak.to_numpy(ShowerLogits(core=True).inverse(energy, features).layer_0)[:, 1]
    np.testing.assert_allclose(strips[:, 47] / strips[:, 48], np.exp(features[:, pair]), rtol=1e-4)


def test_features_of_the_core_alone_say_how_its_cells_share_what_is_theirs():
    values = 0.1 + np.random.default_rng(9).random((20, 504))
    core = np.concatenate([begin + np.array(CALOGAN.core(index)) for index, begin in enumerate((0, 288, 432))])
    permuted = values.copy()
    for cells_of_layer in (core[:2], core[2:6], core[6:]):
        permuted[:, cells_of_layer] = values[:, cells_of_layer[::-1]]
    representation = ShowerLogits(core=True, hits=True, noise=0.0, max_response=1e3)
    features, others = (representation(showers_of(each)).features for each in (values, permuted))
    changed = np.flatnonzero(np.abs(features - others).max(axis=0) > 1e-5)
    assert set(changed) < set(representation.rings()[0])
    assert [representation.features[place] for place in representation.rings()[0]] == [
        "layer_0[1,47]",
        "layer_0[1,48]",
        *(f"layer_1[{row},{column}]" for row in (5, 6) for column in (5, 6)),
        *(f"layer_2[{row},{column}]" for row in (5, 6) for column in (2, 3)),
    ]
    core, around = ([representation.features[place] for place in ring] for ring in representation.rings(1))
    square = {f"layer_1[{row},{column}]" for row in (4, 5, 6, 7) for column in (4, 5, 6, 7)}
    assert {name for name in around if "_1[" in name} == square - set(core)


@every_kind
@every_calorimeter
def test_there_and_back_is_the_same_shower(geometry, kind):
    showers = clean_showers(5, geometry=geometry)
    representation = ShowerLogits(geometry=geometry, **kind)
    back = representation.inverse(*representation(showers))
    before, after = cells(showers, geometry), cells(back, geometry)
    np.testing.assert_array_equal(after > 0, before > 0)
    np.testing.assert_allclose(after, before, rtol=1e-4)


@every_kind
@every_calorimeter
def test_energy_of_each_layer_is_kept(geometry, kind):
    showers = toy_showers(5, geometry=geometry)
    representation = ShowerLogits(geometry=geometry, **kind)
    before, after = map(energies_of_layers, (showers, representation.inverse(*representation(showers))))
    np.testing.assert_allclose(after, np.where(before < 1e-5, 0, before), rtol=2e-5)


def test_showers_of_geant4_come_back(test_data):
    """Their cells below the threshold are lost, and their energy is given to the others of their layer."""
    with h5py.File(test_data / "calorimeter" / "calogan_showers.h5") as file:
        values = np.concatenate([file[name][:].reshape(25, -1) for name in LAYERS], axis=1) / 1000
        energy = file["energy"][:, 0]
    showers = ak.with_field(showers_of(values), energy.astype(np.float32), "energy")
    after = cells(LOGITS.inverse(*LOGITS(showers)), CALOGAN)
    np.testing.assert_allclose(after.sum(axis=1), values.sum(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(after > 0, values > 1e-5)
    np.testing.assert_allclose(after[values > 1e-5], values[values > 1e-5], rtol=1e-3)


def test_total_energy_follows_from_the_first_feature_alone():
    energy, features = LOGITS(toy_showers(50))
    features[:, 0] = np.linspace(-5, 20, 50)
    total = cells(LOGITS.inverse(energy, features), CALOGAN).sum(axis=1)
    np.testing.assert_allclose(total, shares_of(features[:, 0]) * energy * 1.5, rtol=1e-5)


@pytest.mark.parametrize("index", [0, 1, 2, 147, 400, 480])
def test_a_greater_feature_gives_more_energy(index):
    """To the whole shower, to the first layer, to the second, to the cell."""
    energy, features = (np.repeat(array[:1], 30, axis=0) for array in LOGITS(toy_showers(1)))
    features[:, index] = np.linspace(-12, 12, 30)
    showers = LOGITS.inverse(energy, features)
    by_layer, values = energies_of_layers(showers), cells(showers, CALOGAN)
    energies = np.concatenate([by_layer.sum(axis=1, keepdims=True), by_layer[:, :2], values], axis=1)
    assert (np.diff(energies[:, index]) > 0).all()


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


def test_the_way_back_leads_through_a_scaling():
    showers = clean_showers(100)
    inputs = LOGITS(showers)
    scaling = fit([inputs], LOGITS.features, clip=None)
    after = cells(LOGITS.inverse(inputs.energy, scaling.inverse(scaling(inputs).features)), CALOGAN)
    np.testing.assert_array_equal(after > 0, cells(showers, CALOGAN) > 0)
    np.testing.assert_allclose(after, cells(showers, CALOGAN), rtol=1e-3)


def test_more_energy_than_the_greatest_response_is_refused():
    showers = toy_showers(30)
    with pytest.raises(
        ValueError, match=r"in 30 of 30 showers the calorimeter has more than max_response = 0.5 times .* up to 0.99"
    ):
        ShowerLogits(max_response=0.5)(showers)
    response = cells(showers, CALOGAN).sum(axis=1) / np.asarray(showers.energy)
    just = ShowerLogits(max_response=response.max())
    np.testing.assert_allclose(cells(just.inverse(*just(showers)), CALOGAN).sum(), cells(showers, CALOGAN).sum())


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"max_response": 0.0}, "max_response must be positive and finite, got 0.0"),
        ({"max_response": np.inf}, "max_response must be positive and finite, got inf"),
        ({"noise": -1e-9}, "0 <= noise <= threshold .* got noise = -1e-09 and threshold = 1e-05 GeV"),
        ({"noise": 1e-4}, "got noise = 0.0001 and threshold = 1e-05 GeV"),
        ({"noise": 0.0, "threshold": 0.0}, "got noise = 0.0 and threshold = 0.0 GeV"),
        ({"threshold": np.nan}, "and threshold = nan GeV"),
        ({"alpha": 0.0}, "alpha must be between 0 and 0.5, got 0.0"),
        ({"alpha": 0.5}, "alpha must be between 0 and 0.5, got 0.5"),
    ],
)
def test_impossible_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ShowerLogits(**arguments)


def test_names_of_many_layers():
    names = ShowerLogits(geometry=CALOCHALLENGE_2).features
    assert len(names) == 45 + 6480
    assert names[44:46] == ("u_44", "layer_0[0,0]")
    assert names[-1] == "layer_44[15,8]"
