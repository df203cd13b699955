"""What classifiers see of showers: cells and shapes."""

import awkward as ak
import numpy as np
import pytest
from toy_showers import toy_showers

from cortado.calorimeter import CALOCHALLENGE_2, shape_names, shower_shapes
from cortado.representations import ShowerCells, ShowerShapes
from cortado.representations.shower_cells import NORMS
from cortado.scaling import fit

SHOWERS = toy_showers(100, seed=8)
LAYERS = ("layer_0", "layer_1", "layer_2")


def in_order(showers):
    return [[cell for name in LAYERS for row in shower[name] for cell in row] for shower in showers.tolist()]


def scaled(showers, factor):
    return ak.zip({name: showers[name] * np.float32(factor) for name in ("energy", *LAYERS)}, depth_limit=1)


def test_cells_as_in_caloflow_shower_by_shower():
    """With energies in units of 100 GeV, as in the paper's code."""
    features = ShowerCells()(SHOWERS).features
    for row, shower, cells in zip(features, SHOWERS.tolist(), in_order(SHOWERS)):
        energies = [sum(map(sum, shower[name])) for name in LAYERS]
        expected = [np.log10(10 * shower["energy"] / 100) + 1]
        expected += [np.log10(energy / 100 + 1e-8) + 2 for energy in energies]
        expected += [cell / shower["energy"] for cell in cells]
        np.testing.assert_allclose(row, expected, rtol=1e-5, atol=1e-6)


def test_cells_add_up_to_what_they_are_divided_by():
    total = sum(ak.to_numpy(ak.sum(ak.flatten(SHOWERS[name], axis=2), axis=1)) for name in LAYERS)
    shares = ShowerCells()(SHOWERS).features[:, 4:]
    np.testing.assert_allclose(shares.sum(axis=1), total / SHOWERS.energy, rtol=1e-5)
    empty = ak.with_field(SHOWERS, ak.zeros_like(SHOWERS.layer_2), "layer_2")
    features = ShowerCells(normalise="layer")(empty).features
    sums = [part.sum(axis=1) for part in np.split(features, [4, 292, 436], axis=1)[1:]]
    np.testing.assert_allclose(sums, np.repeat([[1], [1], [0]], 100, axis=1), rtol=1e-5)
    np.testing.assert_allclose(features[:, 3], -6)


@pytest.mark.parametrize("normalise", ["incident", "layer"])
def test_shares_do_not_depend_on_the_unit_of_energy(normalise):
    representation = ShowerCells(normalise=normalise)
    before, after = representation(SHOWERS).features, representation(scaled(SHOWERS, 8)).features
    np.testing.assert_array_equal(after[:, 4:], before[:, 4:])
    np.testing.assert_allclose(after[:, :4] - before[:, :4], np.log10(8), rtol=1e-3)


def test_logarithms_of_cells_show_the_weak_ones():
    features = ShowerCells(normalise="logarithm", threshold=0.01)(SHOWERS).features
    for row, cells in zip(features, in_order(SHOWERS)):
        expected = [np.log10(1 + cell / 0.01) if cell > 0.01 else 0 for cell in cells]
        np.testing.assert_allclose(row[4:], expected, rtol=1e-5)
    assert 0.3 < features[:, 4:][features[:, 4:] > 0].min() < 0.5


@pytest.mark.parametrize("normalise", NORMS)
def test_cells_up_to_the_threshold_are_empty(normalise):
    cut = SHOWERS
    for name in LAYERS:
        cut = ak.with_field(cut, ak.where(cut[name] > 0.02, cut[name], 0), name)
    representation = ShowerCells(normalise=normalise, threshold=0.02)
    np.testing.assert_allclose(representation(SHOWERS).features, representation(cut).features, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"normalise": "total"}, "normalise = 'total', required: one of incident, layer, logarithm"),
        ({"normalise": "logarithm"}, r"the logarithm needs a threshold \[GeV\] above 0"),
        ({"threshold": -1.0}, "threshold must be finite and not negative, got -1.0 GeV"),
        ({"threshold": np.nan}, "threshold must be finite and not negative, got nan GeV"),
    ],
)
def test_impossible_cells(arguments, message):
    with pytest.raises(ValueError, match=message):
        ShowerCells(**arguments)


def test_shapes_are_those_of_the_calorimeter():
    shapes = shower_shapes(SHOWERS, ShowerShapes().geometry)
    features = dict(zip(ShowerShapes().features, ShowerShapes()(SHOWERS).features.T))
    assert set(features) == {"log10_energy", *shapes} - {"depth"}
    np.testing.assert_allclose(features.pop("log10_energy"), np.log10(SHOWERS.energy), rtol=1e-6)
    for name, column in features.items():
        np.testing.assert_allclose(column, shapes[name], rtol=1e-6, err_msg=name)


def test_shapes_that_were_asked_for_in_their_order_above_the_threshold():
    representation = ShowerShapes(shapes=("occupancy_1", "depth", "total_energy"), threshold=0.05)
    assert representation.features == ("log10_energy", "occupancy_1", "depth", "total_energy")
    features = representation(SHOWERS).features
    above = ak.to_numpy(SHOWERS.layer_1) > 0.05
    np.testing.assert_allclose(features[:, 1], above.mean(axis=(1, 2)), rtol=1e-6)
    assert (features[:, 3] < ShowerShapes(shapes=("total_energy",))(SHOWERS).features[:, 1]).all()


def test_logarithms_of_layers_follow_the_shapes():
    representation = ShowerShapes(shapes=("depth",), threshold=0.05, logarithms=True)
    features = dict(zip(representation.features, representation(SHOWERS).features.T))
    assert list(features)[:2] == ["log10_energy", "depth"]
    assert len(features) == 8
    for number in range(3):
        layer = ak.to_numpy(SHOWERS[f"layer_{number}"])
        energy, hits = np.where(layer > 0.05, layer, 0).sum(axis=(1, 2)), (layer > 0.05).sum(axis=(1, 2))
        np.testing.assert_allclose(features[f"log10_energy_{number}"], np.log10(energy + 1e-6), rtol=1e-5)
        np.testing.assert_allclose(features[f"log10_hits_{number}"], np.log10(1 + hits), rtol=1e-5)


@pytest.mark.parametrize("representation", [ShowerShapes(), ShowerShapes(geometry=CALOCHALLENGE_2)])
def test_default_shapes_can_be_standardised(representation):
    inputs = representation(toy_showers(60, geometry=representation.geometry))
    assert np.isfinite(fit([inputs], representation.features)(inputs).features).all()


def test_unknown_shape_names_the_nearest():
    with pytest.raises(ValueError, match=r"ShowerShapes knows no 'width_0'; nearest: .*width_[xy]_0"):
        ShowerShapes(shapes=("width_0",))
    with pytest.raises(ValueError, match="ShowerShapes needs one or more different names"):
        ShowerShapes(shapes=())
    assert "energy_44" in shape_names(CALOCHALLENGE_2)
    with pytest.raises(ValueError, match="knows no 'energy_44'"):
        ShowerShapes(shapes=("energy_44",))


@pytest.mark.parametrize("threshold", [-1.0, np.inf, np.nan])
def test_impossible_threshold(threshold):
    with pytest.raises(ValueError, match=f"threshold must be finite and not negative, got {threshold} GeV"):
        ShowerShapes(threshold=threshold)
