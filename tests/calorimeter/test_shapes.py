"""Shower shapes: what loops over cells say, and the laws that they obey."""

import awkward as ak
import numpy as np
import pytest
from toy_showers import toy_showers

import cortado
from cortado.calorimeter import (
    CALOCHALLENGE_1_PIONS,
    CALOGAN,
    GEOMETRIES,
    layer_names,
    layers,
    shape_label,
    shape_names,
    shower_shapes,
)

EACH = pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda geometry: geometry.name)
SMALL = pytest.mark.parametrize("geometry", [CALOGAN, CALOCHALLENGE_1_PIONS], ids=lambda geometry: geometry.name)
REAL = "calorimeter/calogan_showers.h5"


def changed(showers, change):
    """Showers with other cells: `change(cells of a layer)` instead of each layer."""
    names = [name for name in showers.fields if name.startswith("layer_")]
    return ak.zip(
        {"energy": showers.energy} | {name: change(np.asarray(showers[name])) for name in names}, depth_limit=1
    )


def slow_shapes(shower, geometry, threshold):
    """Shower shapes of one shower, cell by cell."""
    place = [
        list(zip(*(axis.ravel() for axis in geometry.centres(k)), strict=True)) for k in range(len(geometry.layers))
    ]
    deposits = [[e if e > threshold else 0.0 for line in shower[name] for e in line] for name in layer_names(geometry)]
    sums = [sum(layer) for layer in deposits]
    total = sum(sums)
    shapes = {"total_energy": total, "response": total / shower["energy"], "depth": 0.0}
    shapes["lateral_depth"] = sum(k * energy for k, energy in enumerate(sums))
    shapes["shower_depth"] = shapes["lateral_depth"] / total if total else 0.0
    square = sum(k**2 * energy for k, energy in enumerate(sums)) / total if total else 0.0
    shapes["shower_depth_width"] = max(square - shapes["shower_depth"] ** 2, 0.0) ** 0.5
    for k, (layer, energy) in enumerate(zip(deposits, sums, strict=True)):
        if energy > 0:
            shapes["depth"] = float(k)
        shapes[f"energy_{k}"] = energy
        shapes[f"fraction_{k}"] = energy / total if total else 0.0
        shapes[f"occupancy_{k}"] = sum(e > 0 for e in layer) / len(layer)
        if geometry.coordinates == "cartesian" or geometry.shapes[k][0] > 1:
            for number, axis in enumerate("xy"):
                moments = [sum(e * at[number] ** n for e, at in zip(layer, place[k], strict=True)) for n in (1, 2)]
                mean, mean_square = (moment / energy if energy else 0.0 for moment in moments)
                shapes[f"centre_{axis}_{k}"] = mean
                shapes[f"width_{axis}_{k}"] = max(mean_square - mean**2, 0.0) ** 0.5
        *_, second, first = sorted(layer)
        shapes[f"ratio_{k}"] = (first - second) / (first + second) if first else 0.0
    return shapes


def check_against_loops(showers, geometry, threshold=0.0):
    shapes = shower_shapes(showers, geometry, threshold=threshold)
    assert tuple(shapes) == shape_names(geometry)
    for row, shower in enumerate(showers.to_list()):
        expected = slow_shapes(shower, geometry, threshold)
        assert expected.keys() == shapes.keys()
        for name, value in expected.items():
            assert shapes[name][row] == pytest.approx(value, rel=1e-6, abs=1e-4), name


@SMALL
@pytest.mark.parametrize("threshold", [0.0, 0.05])
def test_shapes_against_loops(geometry, threshold):
    check_against_loops(toy_showers(6, 1, geometry), geometry, threshold)


def test_shapes_of_real_showers_against_loops(test_data):
    check_against_loops(ak.flatten(cortado.read(test_data / REAL, stop=3).showers), CALOGAN)


def test_real_showers(test_data):
    """Positrons of 2 to 97 GeV on the axis: Moliere radius of lead and argon, most energy in the middle layer."""
    shapes = shower_shapes(ak.flatten(cortado.read(test_data / REAL).showers), CALOGAN)
    means = {name: values.mean() for name, values in shapes.items()}
    assert means["response"] == pytest.approx(0.994, abs=5e-4)
    assert means["fraction_0"] == pytest.approx(0.193, abs=5e-4)
    assert means["fraction_1"] == pytest.approx(0.805, abs=5e-4)
    assert means["width_x_1"] == pytest.approx(29.50, abs=0.01)
    assert means["width_y_1"] == pytest.approx(29.66, abs=0.01)
    assert np.all(abs(shapes["centre_y_0"]) < 1.1)
    assert sorted(set(shapes["depth"])) == [1, 2]


@EACH
def test_shapes_have_names_labels_and_values(geometry):
    shapes = shower_shapes(toy_showers(3, 1, geometry), geometry)
    assert tuple(shapes) == shape_names(geometry)
    assert len({shape_label(name) for name in shapes}) == len(shapes)
    for name, values in shapes.items():
        assert values.shape == (3,), name
        assert values.dtype == np.float64, name
        assert np.all(np.isfinite(values)), name


@pytest.mark.parametrize("name", ["widht_x_0", "energy", "energy_a"])
def test_unknown_shapes_have_no_label(name):
    with pytest.raises(ValueError, match=f"no shower shape '{name}'; there are total_energy, .*, occupancy_0"):
        shape_label(name)


@SMALL
def test_energies_of_layers_add_up(geometry):
    shapes = shower_shapes(toy_showers(50, 1, geometry), geometry)
    numbers = range(len(geometry.layers))
    np.testing.assert_allclose(sum(shapes[f"energy_{k}"] for k in numbers), shapes["total_energy"])
    np.testing.assert_allclose(sum(shapes[f"fraction_{k}"] for k in numbers), 1)


def energetic(name):
    return name in ("total_energy", "response", "lateral_depth") or name.startswith("energy_")


@SMALL
def test_shapes_of_scaled_showers(geometry):
    """Energies follow the scale; fractions, centres, widths, depths, ratios and occupancies do not."""
    showers = toy_showers(50, 1, geometry)
    shapes, scaled = (shower_shapes(s, geometry) for s in (showers, changed(showers, lambda layer: 4 * layer)))
    for name, values in shapes.items():
        np.testing.assert_allclose(scaled[name], values * (4 if energetic(name) else 1), rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("axis", "xy")
def test_mirrored_showers_have_mirrored_centres(axis):
    showers = toy_showers(50)
    shapes = shower_shapes(showers, CALOGAN)
    mirrored = shower_shapes(changed(showers, lambda layer: np.flip(layer, axis=1 + "xy".index(axis))), CALOGAN)
    for name, values in shapes.items():
        sign = -1 if name.startswith(f"centre_{axis}") else 1
        np.testing.assert_allclose(mirrored[name], sign * values, rtol=1e-6, atol=1e-3, err_msg=name)


def test_turned_square_layers_swap_x_and_y():
    showers = toy_showers(50)
    turned = ak.with_field(showers, np.asarray(showers.layer_1).swapaxes(1, 2), "layer_1")
    shapes, other = shower_shapes(showers, CALOGAN), shower_shapes(turned, CALOGAN)
    for kind in ("centre", "width"):
        np.testing.assert_allclose(other[f"{kind}_x_1"], shapes[f"{kind}_y_1"], rtol=1e-9, atol=1e-6)
        np.testing.assert_allclose(other[f"{kind}_y_1"], shapes[f"{kind}_x_1"], rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("bins", [1, 5, 9])
def test_turned_polar_showers_have_turned_centres(bins):
    """Rotation by whole cells turns the centre, and keeps the sum of the squared widths."""
    showers = toy_showers(50, 1, CALOCHALLENGE_1_PIONS)
    turn = changed(showers, lambda layer: np.roll(layer, bins, axis=1) if layer.shape[1] > 1 else layer)
    plain, other = (shower_shapes(s, CALOCHALLENGE_1_PIONS) for s in (showers, turn))
    angle = bins * 2 * np.pi / 10
    for k in (1, 2, 4, 5):
        turned = np.exp(1j * angle) * (plain[f"centre_x_{k}"] + 1j * plain[f"centre_y_{k}"])
        np.testing.assert_allclose(other[f"centre_x_{k}"] + 1j * other[f"centre_y_{k}"], turned, rtol=1e-6, atol=1e-4)
        before, after = (shapes[f"width_x_{k}"] ** 2 + shapes[f"width_y_{k}"] ** 2 for shapes in (plain, other))
        np.testing.assert_allclose(after, before, rtol=1e-6)


@SMALL
def test_shapes_of_a_shower_do_not_depend_on_the_others(geometry):
    showers = toy_showers(20, 1, geometry)
    order = np.random.default_rng(1).permutation(20)
    shapes, other = shower_shapes(showers, geometry), shower_shapes(showers[order], geometry)
    for name, values in shapes.items():
        np.testing.assert_allclose(other[name], values[order], rtol=1e-12, atol=1e-12)


def test_shapes_of_one_cell():
    """All the energy in one cell: the centre is that of the cell, nothing is wide, the ratio is one."""
    values = np.zeros((1, 504))
    values[0, 288 + 12 * 3 + 7] = 20.0  # layer 1, row 3, column 7
    showers = ak.zip({"energy": [25.0]} | layers(values, CALOGAN), depth_limit=1)
    shapes = {name: value[0] for name, value in shower_shapes(showers, CALOGAN).items()}
    assert (shapes["centre_x_1"], shapes["centre_y_1"]) == (-100, 60)
    assert (shapes["width_x_1"], shapes["width_y_1"]) == (0, 0)
    assert (shapes["response"], shapes["fraction_1"], shapes["ratio_1"]) == (0.8, 1, 1)
    assert (shapes["depth"], shapes["shower_depth"], shapes["shower_depth_width"]) == (1, 1, 0)
    assert (shapes["occupancy_1"], shapes["occupancy_0"]) == (1 / 144, 0)


@pytest.mark.filterwarnings("error")
@EACH
def test_showers_without_energy_have_shapes_of_zero(geometry):
    values = np.zeros((2, sum(geometry.sizes)))
    showers = ak.zip({"energy": [1.0, 50.0]} | layers(values, geometry), depth_limit=1)
    for name, shape in shower_shapes(showers, geometry).items():
        assert shape.tolist() == [0, 0], name


@pytest.mark.parametrize("threshold", [0.0, 0.01])
def test_a_cell_that_is_no_number_is_not_hidden(threshold):
    showers = toy_showers(2)
    broken = np.array(showers.layer_1)
    broken[1, 3, 3] = np.nan
    shapes = shower_shapes(ak.with_field(showers, broken, "layer_1"), CALOGAN, threshold=threshold)
    hidden = [name for name, values in shapes.items() if not np.isnan(values[1])]
    assert not [name for name, values in shapes.items() if np.isnan(values[0])]
    assert all(name.endswith(("_0", "_2")) or name == "occupancy_1" for name in hidden)
    assert not [name for name in hidden if name.startswith("fraction")]
