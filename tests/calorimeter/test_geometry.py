"""Geometries of calorimeters: the published ones, and what is none."""

import json
from itertools import pairwise

import numpy as np
import pytest

from cortado.calorimeter import (
    CALOCHALLENGE_1_PHOTONS,
    CALOCHALLENGE_1_PIONS,
    CALOCHALLENGE_2,
    CALOCHALLENGE_3,
    CALOGAN,
    GEOMETRIES,
    as_geometry,
    geometry_of,
    read_xml,
)

EACH = pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda geometry: geometry.name)
BINNING = {
    "1_photons": CALOCHALLENGE_1_PHOTONS,
    "1_pions": CALOCHALLENGE_1_PIONS,
    "2": CALOCHALLENGE_2,
    "3": CALOCHALLENGE_3,
}


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
