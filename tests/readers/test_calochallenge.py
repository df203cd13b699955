"""Showers of the CaloChallenge, in files of its layout that are made here."""

import awkward as ak
import h5py
import numpy as np
import pytest
from toy_showers import toy_showers

import cortado
from cortado import calorimeter, readers
from cortado.readers import calochallenge, calogan

GEOMETRIES = [geometry for geometry in calorimeter.GEOMETRIES if geometry.name.startswith("CaloChallenge")]
EACH = pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda geometry: geometry.name)
SMALL = calorimeter.as_geometry(("toy", "polar", [(0, (-3.1, 0.0, 3.1), (0, 1, 2, 5)), (1, (-3.1, 3.1), (0, 4))]))


def entries(n=6, geometry=GEOMETRIES[0]):
    """Columns of a file, in MeV, and the showers that it must give back."""
    showers = toy_showers(n, 1, geometry)
    energy = np.asarray(showers.energy, np.float64)[:, np.newaxis]
    return {"incident_energies": energy * 1000, "showers": calorimeter.cells(showers, geometry) * 1000}, showers


def write(path, columns):
    with h5py.File(path, "w") as file:
        for name, column in columns.items():
            file.create_dataset(name, data=column, compression="gzip")


@pytest.fixture
def events():
    return ak.Array(entries()[0])


@EACH
def test_what_was_written_is_read(tmp_path, geometry):
    columns, showers = entries(geometry=geometry)
    write(tmp_path / "dataset.hdf5", columns)
    record = cortado.read(tmp_path / "dataset.hdf5")
    read = ak.flatten(record.showers)
    assert ak.num(record.showers).to_list() == [1] * 6
    assert read.fields == ["energy", *calorimeter.layer_names(geometry), "event_key"]
    for name in read.fields[:-1]:
        assert ak.almost_equal(read[name], showers[name], rtol=1e-6), name
    assert calorimeter.cells(read, geometry).dtype == np.float64  # the layers are those of the geometry
    assert record.event_key.to_list() == read.event_key.to_list()
    assert len(set(record.event_key.to_list())) == 6


def test_cells_against_a_loop():
    """Layer after layer, in each one azimuth after the other, the innermost cell first."""
    row = np.arange(7.0)
    events = ak.Array({"incident_energies": [[1000.0]], "showers": 1000 * row[np.newaxis]})
    (shower,) = ak.flatten(calochallenge.showers(events, SMALL))
    cell = 0
    for index, (alphas, rings) in enumerate(SMALL.shapes):
        for alpha in range(alphas):
            for ring in range(rings):
                assert shower[f"layer_{index}"][alpha, ring] == row[cell]
                cell += 1


def test_the_calorimeter_may_be_given(events):
    named = calochallenge.showers(events, calorimeter.CALOCHALLENGE_1_PHOTONS)
    assert ak.array_equal(named, calochallenge.showers(events))


def test_both_dialects_of_a_shower_give_the_same(events):
    showers = ak.flatten(calochallenge.showers(events))
    columns = {name: showers[name] * np.float32(1000 if name.startswith("layer") else 1) for name in showers.fields}
    read = ak.flatten(calogan.showers(ak.zip(columns, depth_limit=1)))
    for name in showers.fields[:-1]:
        assert ak.almost_equal(read[name], showers[name], rtol=1e-6)


def test_any_dialect(events):
    assert readers.dialect(events.fields) is calochallenge
    assert calochallenge.branches(["mask", "showers", "incident_energies"]) == ["incident_energies", "showers"]
    assert ak.array_equal(readers.showers(events), calochallenge.showers(events))
    with pytest.raises(ValueError, match=r"CaloChallenge events have no jets, they have showers: use readers.showers"):
        readers.jets(events)


def test_no_entries(events):
    assert len(calochallenge.record(ak.Array({name: np.asarray(events[name])[:0] for name in events.fields}))) == 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf, -5.0, 0.0])
def test_numbers_are_passed_on(value):
    columns, _ = entries()
    columns["showers"][2, 3:] = value
    columns["incident_energies"][4] = value
    showers = ak.flatten(calochallenge.showers(ak.Array(columns)))
    cells = calorimeter.cells(showers, GEOMETRIES[0])
    np.testing.assert_array_equal(cells[2, 3:], np.float32(value / 1000))
    np.testing.assert_array_equal(showers.energy[4], np.float32(value / 1000))


# ---- bad input


def test_missing_column(events):
    message = r"CaloChallenge needs columns that are missing: \['incident_energies'\]; there are showers"
    with pytest.raises(KeyError, match=message):
        calochallenge.record(events[["showers"]])


@pytest.mark.parametrize(
    "column, message",
    [
        (
            np.ones((6, 504)),
            r"no calorimeter of the CaloChallenge has 504 cells; known are 368 \(CaloChallenge 1, photons\), "
            r"533 \(CaloChallenge 1, pions\), 6480 \(CaloChallenge 2\), 40500 \(CaloChallenge 3\)",
        ),
        (np.ones((6, 45, 16, 9)), r"showers must have the shape \(n, cells\), here it has \(6, 45, 16, 9\)"),
        (ak.Array([[1.0], []] * 3), "showers must have the same size for all showers, here it is 6 . var . float64"),
    ],
)
def test_wrong_shapes(events, column, message):
    with pytest.raises(ValueError, match=message):
        calochallenge.showers(ak.with_field(events, column, "showers"))


def test_another_calorimeter(events):
    with pytest.raises(ValueError, match=r"toy has 7 cells, got an array of shape \(6, 368\)"):
        calochallenge.showers(events, SMALL)


def test_several_energies_a_shower(events):
    with pytest.raises(ValueError, match=r"incident_energies must be one number for each shower, .* \(6, 2\)"):
        calochallenge.showers(ak.with_field(events, np.ones((6, 2)), "incident_energies"))


def test_an_unknown_calorimeter_names_the_file(tmp_path):
    write(tmp_path / "a.h5", {"incident_energies": np.ones((3, 1)), "showers": np.ones((3, 10))})
    with pytest.raises(ValueError, match=r"a.h5, tree '/', .*: no calorimeter of the CaloChallenge has 10 cells"):
        cortado.read(tmp_path / "a.h5")
