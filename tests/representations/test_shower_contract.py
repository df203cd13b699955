"""Laws that hold for every representation of showers."""

import dataclasses
import json
import pickle

import awkward as ak
import numpy as np
import pytest
from toy_showers import toy_showers

import cortado.representations
from cortado.calorimeter import CALOCHALLENGE_1_PHOTONS, CALOGAN, GEOMETRIES
from cortado.representations import ShowerCells, ShowerImages, ShowerLogits, ShowerShapes

GENERATED = {
    "images": ShowerImages(),
    "logits": ShowerLogits(),
    "logits-sharp": ShowerLogits(noise=0.0, threshold=1e-3, max_response=3.1),
    "logits-deep": ShowerLogits(noise=1e-5, threshold=3e-5, alpha=1e-8),
    "logits-hits": ShowerLogits(noise=1e-5, threshold=1e-5, alpha=1e-8, core=True, hits=True),
}
CASES = GENERATED | {
    "cells": ShowerCells(),
    "cells-in-layers": ShowerCells(normalise="layer"),
    "cells-logarithms": ShowerCells(normalise="logarithm", threshold=1e-5),
    "shapes": ShowerShapes(),
    "shapes-logarithms": ShowerShapes(threshold=1e-5, logarithms=True),
    "shapes-few": ShowerShapes(shapes=("width_x_1", "energy_0", "depth"), threshold=1e-3),
}
SHOWERS = toy_showers(60, seed=5)

every = pytest.mark.parametrize("representation", CASES.values(), ids=CASES.keys())
generated = pytest.mark.parametrize("representation", GENERATED.values(), ids=GENERATED.keys())
geometries = pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda geometry: geometry.name)


def assert_equal(found, expected, **tolerance):
    for name, first, second in zip(expected._fields, found, expected):
        np.testing.assert_allclose(first, second, err_msg=name, **({"rtol": 0, "atol": 0} | tolerance))


def of_blas(representation):
    """Tolerance where sums are products of matrices, which are not the same to the last bit in any batch [mm]."""
    return {"rtol": 1e-5, "atol": 1e-4} if isinstance(representation, ShowerShapes) else {}


def changed(showers, name, index, value):
    """The showers with one number of a field replaced."""
    column = np.array(ak.to_numpy(showers[name]))
    column[index] = value
    return ak.with_field(showers, column, name)


def extreme_features(representation, n, seed=3):
    """Any finite numbers, many of them huge, and showers in which all are the same."""
    rng = np.random.default_rng(seed)
    features = rng.normal(0, 10.0 ** rng.uniform(-1, 4, (n, 1)), (n, len(representation.features))).astype(np.float32)
    features[:4] = np.array([[0.0], [3e38], [-3e38], [-20.0]])
    return np.geomspace(0.01, 1e4, n).astype(np.float32), features


@every
def test_it_is_in_the_list_of_representations(representation):
    assert type(representation).__name__ in cortado.representations.__all__


@every
def test_arrays_are_float32_finite_and_as_wide_as_the_names(representation):
    inputs = representation(SHOWERS)
    for array in inputs:
        assert array.dtype == np.float32
        assert np.isfinite(array).all()
        assert array.flags.c_contiguous
    assert inputs.features.shape == (60, len(representation.features))
    assert len(set(representation.features)) == len(representation.features)
    if "energy" in inputs._fields:
        np.testing.assert_array_equal(inputs.energy, SHOWERS.energy)


@geometries
@pytest.mark.parametrize("kind", [ShowerImages, ShowerLogits, ShowerCells, ShowerShapes])
def test_it_knows_every_calorimeter(kind, geometry):
    representation = kind(geometry=geometry)
    features = representation(toy_showers(3, geometry=geometry)).features
    assert features.shape == (3, len(representation.features))
    assert np.isfinite(features).all()


@every
def test_it_is_not_blind(representation):
    assert len(np.unique(representation(SHOWERS).features, axis=0)) == 60


@every
@pytest.mark.parametrize("size", [1, 59])
def test_chunks_do_not_matter(representation, size):
    whole = representation(SHOWERS)
    for start in (0, size):
        part = slice(start, start + size)
        expected = type(whole)(*(array[part] for array in whole))
        assert_equal(representation(SHOWERS[part]), expected, **of_blas(representation))


@every
def test_order_and_layout_do_not_matter(representation):
    whole = representation(SHOWERS)
    order = np.random.default_rng(0).permutation(60)
    expected, tolerance = type(whole)(*(array[order] for array in whole)), of_blas(representation)
    assert_equal(representation(SHOWERS[order]), expected, **tolerance)
    assert_equal(representation(ak.concatenate([SHOWERS, SHOWERS])[60:]), whole, **tolerance)
    ragged = ak.from_regular(SHOWERS.layer_1, axis=None)
    assert_equal(representation(ak.with_field(SHOWERS, ragged, "layer_1")), whole, **tolerance)


@every
def test_inputs_are_not_changed(representation):
    showers = toy_showers(20, seed=9)
    before = [buffer.copy() for buffer in ak.to_buffers(showers)[2].values()]
    representation(showers)
    assert all((now == then).all() for now, then in zip(ak.to_buffers(showers)[2].values(), before))


@every
def test_results_are_writable_and_not_shared(representation):
    first, second = representation(SHOWERS), representation(SHOWERS)
    for array in first:
        array[...] = 1
    assert_equal(representation(SHOWERS), second)


@every
def test_no_showers(representation):
    for array, full in zip(representation(SHOWERS[:0]), representation(SHOWERS)):
        assert array.shape == (0, *full.shape[1:])
        assert array.dtype == full.dtype


@every
def test_showers_without_energy_in_the_calorimeter(representation):
    empty = toy_showers(4)
    for name in representation.fields[1:]:
        empty = ak.with_field(empty, ak.zeros_like(empty[name]), name)
    assert np.isfinite(representation(empty).features).all()


@every
def test_only_the_stated_fields_are_needed(representation):
    bare = ak.zip({name: SHOWERS[name] for name in representation.fields}, depth_limit=1)
    assert_equal(representation(bare), representation(SHOWERS))
    with pytest.raises(KeyError, match=f"{type(representation).__name__} needs the field 'energy', .* have layer_0, "):
        representation(ak.without_field(bare, "energy"))
    with pytest.raises(ValueError, match=r"CaloGAN have layer_0, layer_1, layer_2; these have layer_0, layer_1$"):
        representation(ak.without_field(bare, "layer_2"))


@every
def test_showers_of_another_calorimeter_are_refused(representation):
    with pytest.raises(ValueError, match=r"CaloGAN have layer_0, .*these have .*layer_4"):
        representation(toy_showers(3, geometry=CALOCHALLENGE_1_PHOTONS))
    other = ak.with_field(SHOWERS, np.zeros((60, 96, 3), np.float32), "layer_0")
    with pytest.raises(ValueError, match=r"layer_0 in CaloGAN has \(3, 96\) cells, here it has \(96, 3\)"):
        representation(other)


@every
@pytest.mark.parametrize(
    "name, index, value, message",
    [
        ("energy", 4, np.nan, "1 of 60 incident energies are refused, positive and finite .*number 4"),
        ("energy", 4, 0.0, "1 of 60 incident energies are refused, positive and finite .*number 4, with 0 GeV"),
        ("energy", slice(2, 5), -3.0, "3 of 60 incident energies are refused.*number 2, with -3 GeV"),
        ("layer_1", (4, 0, 0), np.nan, "1 of 60 showers are refused, cells of finite energies .*number 4"),
        ("layer_2", (7, 1, 1), -0.5, "1 of 60 showers are refused, .*at least 0 .*number 7, with -0.5 GeV"),
    ],
)
def test_what_cannot_be_an_energy_is_refused(representation, name, index, value, message):
    with pytest.raises(ValueError, match=f"^{type(representation).__name__}: {message}"):
        representation(changed(SHOWERS, name, index, value))


@every
def test_missing_and_nested_numbers_are_refused(representation):
    with pytest.raises(ValueError, match=r"takes showers of shape \(n,\), got 30 \*.*flatten"):
        representation(ak.unflatten(SHOWERS, np.full(30, 2)))
    with pytest.raises(ValueError, match="energy must be one number of each shower, got an array of shape"):
        representation(ak.with_field(SHOWERS, np.asarray(SHOWERS.energy)[:, None], "energy"))
    with pytest.raises(ValueError, match="None"):
        representation(ak.with_field(SHOWERS, ak.mask(SHOWERS.energy, np.arange(60) > 0), "energy"))


@every
def test_it_pickles_and_survives_json(representation):
    def tuples(value):
        return tuple(map(tuples, value)) if isinstance(value, list) else value

    assert pickle.loads(pickle.dumps(representation)) == representation
    arguments = {field.name: getattr(representation, field.name) for field in dataclasses.fields(representation)}
    back = type(representation)(**{name: tuples(x) for name, x in json.loads(json.dumps(arguments)).items()})
    assert back == representation
    assert back.geometry.sizes == CALOGAN.sizes
    assert_equal(back(SHOWERS), representation(SHOWERS))


@pytest.mark.parametrize("kind", [ShowerImages, ShowerLogits, ShowerCells, ShowerShapes])
def test_what_is_no_geometry_is_refused(kind):
    with pytest.raises(ValueError, match=r"a geometry is \(name, coordinates, layers\), got"):
        kind(geometry=("CaloGAN", 3))


@generated
def test_energies_outside_of_the_range_are_refused(representation):
    few = dataclasses.replace(representation, energy_range=(10.0, 50.0))
    energy = np.asarray(SHOWERS.energy)
    outside = (energy < 10) | (energy > 50)
    message = (
        f"{type(few).__name__}: {outside.sum()} of 60 incident energies are outside of energy_range = 10 to 50 GeV, "
        f"such as {energy[outside][0]:g} GeV"
    )
    with pytest.raises(ValueError, match=message):
        few(SHOWERS)
    assert len(few(SHOWERS[~outside]).energy) == (~outside).sum()


@generated
def test_the_ends_of_the_range_belong_to_it_in_float32(representation):
    """0.7 in float32 is a little less than 0.7."""
    showers = changed(changed(SHOWERS[:2], "energy", 0, 0.7), "energy", 1, 100.1)
    whole = dataclasses.replace(representation, energy_range=(0.7, 100.1))
    for name in whole.fields[1:]:
        showers = ak.with_field(showers, showers[name] * 0.01, name)
    assert whole(showers).energy.tolist() == [np.float32(0.7), np.float32(100.1)]


@generated
@pytest.mark.parametrize("ends", [(0.0, 10.0), (10.0, 10.0), (-1.0, 1.0), (1.0, np.inf), (np.nan, 3.0), (1.0,)])
def test_impossible_ranges(representation, ends):
    with pytest.raises(ValueError, match="energy_range must be two rising, positive energies"):
        dataclasses.replace(representation, energy_range=ends)


@generated
def test_inverse_gives_records_in_the_form_of_the_readers(representation):
    back = representation.inverse(*representation(SHOWERS))
    assert tuple(back.fields) == representation.fields
    assert ak.type(back) == ak.type(SHOWERS[list(representation.fields)])
    np.testing.assert_array_equal(back.energy, SHOWERS.energy)
    assert representation(back).features.shape == (60, len(representation.features))


@generated
def test_whatever_a_generator_makes_is_a_shower(representation):
    energy, features = extreme_features(representation, 50)
    showers = representation.inverse(energy, features)
    for name in representation.fields[1:]:
        cells = ak.to_numpy(showers[name])
        assert np.isfinite(cells).all()
        assert (cells >= 0).all()


@generated
@pytest.mark.parametrize("size", [1, 7])
def test_chunks_of_features_do_not_matter(representation, size):
    energy, features = extreme_features(representation, 20)
    whole = representation.inverse(energy, features)
    parts = [representation.inverse(energy[i : i + size], features[i : i + size]) for i in range(0, 20, size)]
    for name in representation.fields:
        np.testing.assert_array_equal(ak.to_numpy(ak.concatenate(parts)[name]), ak.to_numpy(whole[name]))


@generated
def test_no_features(representation):
    nothing = representation.inverse([], np.empty((0, len(representation.features))))
    assert ak.type(nothing) == ak.type(representation.inverse(*representation(SHOWERS))[:0])


@generated
def test_inverse_leaves_its_arguments_alone(representation):
    energy, features = extreme_features(representation, 9)
    before = features.copy()
    representation.inverse(energy, features)
    np.testing.assert_array_equal(features, before)


@generated
def test_features_that_are_none_are_refused(representation):
    energy, features = representation(SHOWERS)
    width = len(representation.features)
    with pytest.raises(ValueError, match=rf"\(n, {width}\) are needed, got \(60,\) and \(60, {width - 1}\)"):
        representation.inverse(energy, features[:, 1:])
    with pytest.raises(ValueError, match=r"are needed, got \(59,\) and \(60, "):
        representation.inverse(energy[1:], features)
    features[[8, 11], 5] = np.nan, np.inf
    with pytest.raises(ValueError, match=r"2 of 60 showers are refused, finite features .*the first is number 8"):
        representation.inverse(energy, features)
    energy[3] = 0
    with pytest.raises(ValueError, match=r"1 of 60 energies are refused, positive and finite .*the first is number 3"):
        representation.inverse(energy, features)
