"""Calorimeters: cells and layers are inverse, shower shapes are what loops over cells say, and the laws they obey."""

import json
from itertools import pairwise

import awkward as ak
import numpy as np
import pytest
from toy_showers import toy_showers

import cortado
from cortado.calorimeter import (
    CALOCHALLENGE_1_PHOTONS,
    CALOCHALLENGE_1_PIONS,
    CALOCHALLENGE_2,
    CALOCHALLENGE_3,
    CALOGAN,
    GEOMETRIES,
    as_geometry,
    cells,
    geometry_of,
    layer_names,
    layers,
    read_xml,
    require_valid,
    shape_label,
    shape_names,
    shower_shapes,
)

EACH = pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda geometry: geometry.name)
SMALL = pytest.mark.parametrize("geometry", [CALOGAN, CALOCHALLENGE_1_PIONS], ids=lambda geometry: geometry.name)
REAL = "calorimeter/calogan_showers.h5"
BINNING = {
    "1_photons": CALOCHALLENGE_1_PHOTONS,
    "1_pions": CALOCHALLENGE_1_PIONS,
    "2": CALOCHALLENGE_2,
    "3": CALOCHALLENGE_3,
}


def changed(showers, change):
    """Showers with other cells: `change(cells of a layer)` instead of each layer."""
    names = [name for name in showers.fields if name.startswith("layer_")]
    return ak.zip(
        {"energy": showers.energy} | {name: change(np.asarray(showers[name])) for name in names}, depth_limit=1
    )


# ---- geometries


def test_published_sizes():
    assert [sum(geometry.sizes) for geometry in GEOMETRIES] == [504, 368, 533, 6480, 40500]
    assert CALOGAN.shapes == ((3, 96), (12, 12), (12, 6))
    assert [layer.number for layer in CALOCHALLENGE_1_PHOTONS.layers] == [0, 1, 2, 3, 12]
    assert [layer.number for layer in CALOCHALLENGE_1_PIONS.layers] == [0, 1, 2, 3, 12, 13, 14]
    assert [rows for rows, _ in CALOCHALLENGE_1_PIONS.shapes] == [1, 10, 10, 1, 10, 10, 1]
    assert set(CALOCHALLENGE_2.shapes) == {(16, 9)}
    assert set(CALOCHALLENGE_3.shapes) == {(50, 18)}


def test_cells_of_calogan_have_the_published_widths():
    for layer, (along_x, along_y) in zip(CALOGAN.layers, [(160, 5), (40, 40), (40, 80)]):
        np.testing.assert_allclose(np.diff(layer.rows), along_x)
        np.testing.assert_allclose(np.diff(layer.columns), along_y)
        assert layer.rows[0] == layer.columns[0] == -240
        assert layer.rows[-1] == layer.columns[-1] == 240


@pytest.mark.parametrize("name", BINNING)
def test_cells_of_the_challenge_are_those_of_its_files(name, test_data):
    (geometry,) = read_xml(test_data / f"calorimeter/binning_dataset_{name}.xml")
    assert (geometry.coordinates, geometry.layers) == (BINNING[name].coordinates, BINNING[name].layers)


def test_centres_of_a_cartesian_layer_against_a_loop():
    x, y = CALOGAN.centres(2)
    for row, (left, right) in enumerate(pairwise(CALOGAN.layers[2].rows)):
        for column, (low, high) in enumerate(pairwise(CALOGAN.layers[2].columns)):
            assert (x[row, column], y[row, column]) == ((left + right) / 2, (low + high) / 2)


def test_centres_of_a_polar_layer_against_a_loop():
    """The azimuth begins at -pi, x is along azimuth 0."""
    x, y = CALOCHALLENGE_2.centres(7)
    for alpha in range(16):
        for ring in range(9):
            angle, radius = -np.pi + (alpha + 0.5) * np.pi / 8, (ring + 0.5) * 4.65
            assert x[alpha, ring] == pytest.approx(radius * np.cos(angle))
            assert y[alpha, ring] == pytest.approx(radius * np.sin(angle))


@EACH
def test_a_geometry_survives_json(geometry):
    assert as_geometry(json.loads(json.dumps(geometry))) == geometry


@EACH
def test_a_geometry_is_known_by_its_shapes(geometry):
    assert geometry_of(geometry.shapes) is geometry
    assert geometry_of([list(shape) for shape in geometry.shapes]) is geometry


def test_unknown_shapes():
    message = (
        r"no known calorimeter has layers of 3 x 96, 12 x 12; known are\n  CaloGAN: 3 x 96, 12 x 12, 12 x 6\n"
        r"(.*\n)*  CaloChallenge 3: 50 x 18, .*, \.\.\. \(45 layers\)$"
    )
    with pytest.raises(ValueError, match=message):
        geometry_of([(3, 96), (12, 12)])


EDGES = (0, 1)


@pytest.mark.parametrize(
    "plain, message",
    [
        (
            ("toy", "polar"),
            r"a geometry is \(name, coordinates, layers\), got \"\('toy', 'polar'\)\": not enough values",
        ),
        (3, r"a geometry is \(name, coordinates, layers\), got '3': cannot unpack"),
        (("toy", "polar", [(0, EDGES)]), r"a geometry is \(name, coordinates, layers\), got"),
        (("toy", "polar", [(0, ["a", "b"], EDGES)]), "could not convert string to float: 'a'"),
        (("toy", "round", [(0, EDGES, EDGES)]), "'toy': coordinates must be 'cartesian' or 'polar', got 'round'"),
        (("toy", "polar", []), "geometry 'toy' has no layers"),
        (("toy", "polar", [(4, EDGES, (0, 2, 1))]), r"edges of columns of layer 4 must rise, got \(0.0, 2.0, 1.0\)"),
        (("toy", "polar", [(4, (1,), EDGES)]), r"edges of rows of layer 4 must rise, got \(1.0,\)"),
        (("toy", "polar", [(4, (0, float("nan")), EDGES)]), "edges of rows of layer 4 must rise, got"),
    ],
)
def test_what_is_no_geometry(plain, message):
    with pytest.raises(ValueError, match=message):
        as_geometry(plain)


def test_binning_files_with_several_particles(tmp_path):
    """Layers of one edge have no cells and are left out; the others keep their numbers."""
    layer = '<Layer id="{}" r_edges="{}" n_bin_alpha="2" />'
    cells = "".join(layer.format(*row) for row in [(0, "0"), (1, "0,5,10"), (12, "0, 7")])
    (tmp_path / "toy.xml").write_text(f'<Bins><Bin name="photon">{cells}</Bin><Bin name="pion">{cells}</Bin></Bins>')
    photon, pion = read_xml(tmp_path / "toy.xml")
    assert (photon.name, pion.name) == ("toy photon", "toy pion")
    assert photon.layers == pion.layers
    assert [layer.number for layer in photon.layers] == [1, 12]
    assert photon.shapes == ((2, 2), (2, 1))
    assert photon.layers[0].rows == pytest.approx((-np.pi, 0, np.pi))


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "toy.xml is not a binning file of the CaloChallenge: no element found"),
        ("<Bins/>", "toy.xml is not a binning file of the CaloChallenge: it has no <Bin>"),
        ("<Bins><Bin/></Bins>", "toy.xml is not a binning file of the CaloChallenge: 'name'"),
        ('<Bins><Bin name="a"><Layer id="0" r_edges="0,1"/></Bin></Bins>', "CaloChallenge: 'n_bin_alpha'"),
        ('<Bins><Bin name="a"><Layer id="0" r_edges="0,b" n_bin_alpha="1"/></Bin></Bins>', "could not convert string"),
        ('<Bins><Bin name="a"><Layer id="0" r_edges="0" n_bin_alpha="1"/></Bin></Bins>', "'toy a' has no layers"),
        ('<Bins><Bin name="a"><Layer id="3" r_edges="2,1" n_bin_alpha="1"/></Bin></Bins>', "columns of layer 3 must"),
    ],
)
def test_what_is_no_binning_file(tmp_path, text, message):
    (tmp_path / "toy.xml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_xml(tmp_path / "toy.xml")


def test_no_binning_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.xml"):
        read_xml(tmp_path / "none.xml")


# ---- cells


@EACH
def test_cells_and_layers_are_inverse(geometry):
    values = np.random.default_rng(1).random((3, sum(geometry.sizes)))
    showers = ak.zip({"energy": np.ones(3)} | layers(values, geometry), depth_limit=1)
    np.testing.assert_array_equal(cells(showers, geometry), values)
    assert layer_names(geometry) == tuple(showers.fields[1:])
    assert [np.shape(showers[name])[1:] for name in layer_names(geometry)] == list(geometry.shapes)


def test_cells_are_layer_after_layer_row_after_row():
    showers = toy_showers(2)
    row = [energy for name in layer_names(CALOGAN) for line in showers[0, name].to_list() for energy in line]
    assert cells(showers, CALOGAN)[0].tolist() == row


def test_no_showers():
    assert cells(toy_showers(5)[:0], CALOGAN).shape == (0, 504)
    assert all(values.shape == (0,) for values in shower_shapes(toy_showers(5)[:0], CALOGAN).values())


@pytest.mark.parametrize(
    "change, message",
    [
        ({"layer_2": None}, "showers in CaloGAN have layer_0, layer_1, layer_2; these have layer_0, layer_1$"),
        ({"layer_3": np.ones((4, 1, 1))}, "have layer_0, layer_1, layer_2; these have .*, layer_2, layer_3"),
        (dict.fromkeys(("layer_0", "layer_1", "layer_2")), "these have none"),
        ({"layer_1": np.ones((4, 12, 6))}, r"layer_1 in CaloGAN has \(12, 12\) cells, here it has \(12, 6\)"),
        ({"layer_1": np.ones((4, 144))}, r"layer_1 in CaloGAN has \(12, 12\) cells, here it has \(144,\)"),
        ({"layer_1": ak.Array([[1.0], []] * 2)}, "layer_1 must have the same number of cells in each shower, got 4"),
        ({"layer_1": ak.Array([[1.0], None] * 2)}, "layer_1 must have the same number of cells in each shower, got 4"),
    ],
)
def test_layers_of_another_calorimeter(change, message):
    showers = toy_showers(4)
    columns = {name: showers[name] for name in showers.fields} | change
    wrong = ak.zip({name: column for name, column in columns.items() if column is not None}, depth_limit=1)
    for refuses in (cells, shower_shapes):
        with pytest.raises(ValueError, match=message):
            refuses(wrong, CALOGAN)


@pytest.mark.parametrize("shape", [(4, 503), (504,), (4, 3, 168)])
def test_rows_of_another_length(shape):
    with pytest.raises(ValueError, match=r"CaloGAN has 504 cells, got an array of shape \("):
        layers(np.ones(shape), CALOGAN)


def test_valid_showers_are_accepted():
    require_valid(np.array([1e-3, 1e4]), np.array([[0.0, 1.0], [0.0, 0.0]]), "toy")
    require_valid(np.empty(0), np.empty((0, 3)), "toy")


@pytest.mark.parametrize(
    "energy, row, message",
    [
        (
            0,
            [1, 1],
            "incident energies are refused, positive and finite are required; the first is number 2, with 0 GeV",
        ),
        (-3, [1, 1], "number 2, with -3 GeV"),
        (np.nan, [1, 1], "toy: 2 of 5 incident energies are refused, .* number 2, with nan GeV"),
        (np.inf, [1, 1], "number 2, with inf GeV"),
        (1, [1, np.nan], "toy: 2 of 5 showers are refused, cells of finite energies are required; .* 2, with nan GeV"),
        (1, [-1, np.inf], "cells of finite energies are required; the first is number 2, with inf GeV"),
        (1, [0, -0.5], "2 of 5 showers are refused, cells of energies of at least 0 are required; .* with -0.5 GeV"),
    ],
)
def test_numbers_that_are_no_energies(energy, row, message):
    energies, values = np.ones(5), np.ones((5, 2))
    energies[[2, 4]], values[[2, 4]] = energy, row
    with pytest.raises(ValueError, match=message):
        require_valid(energies, values, "toy")


@EACH
def test_the_core_of_a_layer_is_all_cells_nearest_to_the_axis(geometry):
    for index, (rows, columns) in enumerate(geometry.shapes):
        core = np.zeros(rows * columns, bool)
        core[geometry.core(index)] = True
        distance = np.hypot(*geometry.centres(index)).ravel()
        assert distance[core].max() == pytest.approx(distance.min())
        assert distance[~core].min() > 1.1 * distance.min()


@EACH
@pytest.mark.parametrize("margin", [1, 2, 50])
def test_a_margin_adds_the_neighbours_of_the_core(geometry, margin):
    """Step by step; the rows of polar coordinates all touch the axis."""
    for index, (rows, columns) in enumerate(geometry.shapes):
        near = np.zeros((rows + 2, columns + 2), bool)
        near[1:-1, 1:-1].flat[geometry.core(index)] = True
        for _ in range(margin):
            near[1:-1, 1:-1] = sum(near[i : i + rows, j : j + columns] for i in range(3) for j in range(3))
        assert geometry.core(index, margin) == np.flatnonzero(near[1:-1, 1:-1]).tolist()


def test_a_cell_around_the_axis_is_the_core_and_a_layer_beside_the_axis_has_none():
    edges = ((-3, -1, 1, 3), (-1.5, -0.5, 0.5, 1.5))
    odd = as_geometry(("odd", "cartesian", ((0, *edges), (1, edges[0], (10, 20, 30)))))
    assert (odd.core(0), odd.core(1)) == ([4], [])


# ---- shower shapes


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
