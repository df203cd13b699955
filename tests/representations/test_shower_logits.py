"""Laws of the logits of shares: cells and layers come back, and energy is kept."""

import itertools
import math
import struct

import awkward as ak
import h5py
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
from toy_showers import toy_showers

from cortado.calorimeter import CALOCHALLENGE_2, CALOGAN, GEOMETRIES, as_geometry, cells
from cortado.representations import ShowerLogits
from cortado.scaling import fit

every_calorimeter = pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda geometry: geometry.name)


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
