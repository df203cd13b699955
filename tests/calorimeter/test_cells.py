"""Cells and layers are inverse, and what is neither is refused."""

import awkward as ak
import numpy as np
import pytest
from toy_showers import toy_showers

from cortado.calorimeter import (
    CALOGAN,
    GEOMETRIES,
    as_geometry,
    cells,
    layer_names,
    layers,
    require_valid,
    shower_shapes,
)

EACH = pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda geometry: geometry.name)


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
