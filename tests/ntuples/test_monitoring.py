"""Histograms of a monitoring system, as files of it."""

import gzip

import awkward as ak
import h5py
import hist
import numpy as np
import pytest

from cortado import ntuples, reading

MAPS = np.arange(2 * 3 * 4).reshape(2, 3, 4)  # lumisection, y, x


def histogram(values, low=0.0):
    """TH2 of values (y, x), or TH1."""
    values = np.asarray(values, float)
    axes = [hist.axis.Regular(size, low, 1, name=name) for size, name in zip(values.T.shape, "xy")]
    made = hist.Hist(*axes, storage=hist.storage.Double())
    made.values()[...] = values.T
    return made


def write(path, stored):
    ntuples.write_histograms(path, stored)
    return path


@pytest.fixture
def folders(tmp_path):
    stored = {f"Run_355374/Lumi_{k + 1}/PixelPhase1/digi_occupancy": histogram(MAPS[k]) for k in range(2)}
    stored |= {f"Run_355374/Lumi_{k + 1}/PixelPhase1/charge": histogram(MAPS[k, 0]) for k in range(2)}
    return write(tmp_path / "monitoring.root", {**stored, "other/thing": histogram([1, 2])})


def test_folders_of_root_files_are_maps(folders):
    maps = reading.read_maps(folders, name=".*digi_occupancy")
    assert maps.run.tolist() == [355374, 355374]
    assert maps.lumi.tolist() == [1, 2]
    assert maps.name.tolist() == ["PixelPhase1/digi_occupancy"] * 2
    np.testing.assert_array_equal(ak.to_numpy(maps["values"]), MAPS)
    histograms = reading.read_maps(folders, name="PixelPhase1/charge")
    np.testing.assert_array_equal(ak.to_numpy(histograms["values"]), MAPS[:, 0])


@pytest.mark.parametrize(
    "path",
    [
        "DQMData/Run 7/PixelPhase1/By Lumi Section 3-3/digis",
        "Run_7/Lumi_3/digis",
        "Run7/PixelPhase1/LumiSection_3/digis",
    ],
)
def test_usual_names_of_folders_are_known(tmp_path, path):
    maps = reading.read_maps(write(tmp_path / "m.root", {path: histogram(MAPS[1])}))
    assert (maps.run[0], maps.lumi[0], maps.name[0]) == (7, 3, "digis")


def test_patterns_are_the_users_own(tmp_path):
    path = write(tmp_path / "m.root", {"ls5_of_12/occ": histogram(MAPS[1])})
    maps = reading.read_maps(path, pattern=r"ls(?P<lumi>\d+)_of_(?P<run>\d+)/(?P<name>.*)")
    assert (maps.run[0], maps.lumi[0], maps.name[0]) == (12, 5, "occ")
    with pytest.raises(ValueError, match=r"lacks the named groups \['name', 'run'\]"):
        reading.read_maps(path, pattern=r"ls(?P<lumi>\d+).*")
    with pytest.raises(ValueError, match=r"no histogram matches .*the first of 1: ls5_of_12/occ"):
        reading.read_maps(path)


def test_elements_that_are_not_there_are_named(folders):
    with pytest.raises(
        ValueError, match=r"no element matches 'PixelPhase1/digi'; nearest: .*PixelPhase1/digi_occupancy"
    ):
        reading.read_maps(folders, name="PixelPhase1/digi")


def test_elements_of_several_shapes_are_refused(folders):
    with pytest.raises(
        ValueError,
        match=r"/(digi_occupancy' has 3 x 4|charge' has 4) bins, required are those of the first.*choose elements",
    ):
        reading.read_maps(folders)


def test_other_binning_is_refused_by_name(tmp_path):
    stored = {f"Run_1/Lumi_{k}/occ": histogram(MAPS[0], low) for k, low in ((1, 0.0), (2, -1.0))}
    with pytest.raises(ValueError, match=r"lumisection 2, 'occ' has 3 bins from -1 to 1 along y.*: 3 from 0 to 1"):
        reading.read_maps(write(tmp_path / "m.root", stored))


def test_a_negative_count_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"m.root: run 1, lumisection 2, 'occ': -3 in cell \(0, 1\) is no count"):
        reading.read_maps(write(tmp_path / "m.root", {"Run_1/Lumi_2/occ": histogram([[1, -3], [0, 0]])}))


def test_hdf5_has_an_element_a_dataset(tmp_path):
    with h5py.File(tmp_path / "m.hdf5", "w") as file:
        file["depth1"], file["depth2"] = MAPS, MAPS + 1
    maps = reading.read_maps(tmp_path / "m.hdf5")
    assert maps.name.tolist() == ["depth1", "depth1", "depth2", "depth2"]
    assert maps.lumi.tolist() == [1, 2, 1, 2]
    np.testing.assert_array_equal(ak.to_numpy(maps["values"]), [*MAPS, *(MAPS + 1)])
    (tmp_path / "broken.h5").write_text("no")
    with pytest.raises(OSError, match=r"cannot open .*broken.h5 as HDF5"):
        reading.read_maps(tmp_path / "broken.h5")


ROWS = """fromrun,fromlumi,fromrun,hname,histo,entries,Json

7,3,7,Position,"[9, 1, 2, 8]",20,True
7,4,7,Position,"[0, 0, 0, 0]",0,False
"""


def test_csv_has_a_histogram_a_row(tmp_path):
    with gzip.open(tmp_path / "m.csv.gz", "wt") as file:
        file.write(ROWS)
    maps = reading.read_maps(tmp_path / "m.csv.gz")
    assert maps["values"].tolist() == [[1, 2], [0, 0]]
    assert maps.entries.tolist() == [20, 0]
    assert maps.golden.tolist() == [True, False]
    assert maps.lumi.tolist() == [3, 4]


@pytest.mark.parametrize(
    "text, message",
    [
        (ROWS.replace("8]", "x]"), "m.csv, histogram 0"),
        (ROWS.replace("histo,", "histogram,"), "lacks the columns histo; it has fromrun"),
        (ROWS.replace("Position", "Charge"), "no element matches 'Position'; .*Charge"),
    ],
)
def test_broken_csv_is_refused(tmp_path, text, message):
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        reading.read_maps(tmp_path / "m.csv", name="Position")


def test_chunks_are_the_same_as_all_at_once(folders):
    chunks = list(reading.iterate_maps(folders, name=".*charge", size=1))
    assert [len(chunk) for chunk in chunks] == [1, 1]
    assert ak.concatenate(chunks).tolist() == reading.read_maps(folders, name=".*charge").tolist()


def test_real_pixel_histograms(test_data):
    maps = reading.read_maps(test_data / "anomaly" / "cms_pixel_dqm_maindiagonal_runs_a.csv.gz")
    assert len(maps) == 4771
    assert len(set(maps.run.tolist())) == 254
    assert ak.sum(maps.golden) == 4228
    assert ak.sum(ak.sum(maps["values"], axis=1) == 0) == 215
    assert ak.to_numpy(maps["values"]).shape == (4771, 100)


def test_real_calorimeter_maps(test_data):
    maps = reading.read_maps(test_data / "anomaly" / "HCAL_digi+rechit_occ.hdf5", name="Digi.*depth1")
    assert ak.to_numpy(maps["values"]).shape == (10, 72, 84)
    assert maps.entries[0] == 3274355
