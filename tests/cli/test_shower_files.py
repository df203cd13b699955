"""`cortado run analyses/showers --files`: showers of others are read, compared with those of the first, and drawn."""

from pathlib import Path

import numpy as np
import pytest
from commands import fail, succeed
from toy_showers import toy_showers

from cortado import calorimeter, ntuples

STUDY = Path(__file__).parents[2] / "analyses" / "showers"
GEOMETRY = calorimeter.CALOCHALLENGE_1_PHOTONS


def challenge_file(path, *, seed, stretch=1.0, n=400):
    """In the layout of the CaloChallenge, MeV."""
    showers = toy_showers(n, seed, GEOMETRY)
    columns = {"incident_energies": np.asarray(showers.energy)[:, np.newaxis] * 1000}
    ntuples.write_hdf5(path, [columns | {"showers": calorimeter.cells(showers, GEOMETRY) * 1000 * stretch}])
    return path


def rows_of(lines, name):
    """Of the tables of files and of comparisons."""
    return [line.split() for line in lines if line.split()[:1] == [name]]


def test_files_of_one_calorimeter_are_compared_with_the_first(tmp_path, monkeypatch, test_data):
    monkeypatch.setenv("COLUMNS", "120")
    first = challenge_file(tmp_path / "first.hdf5", seed=1)
    off = challenge_file(tmp_path / "off.hdf5", seed=2, stretch=1.3)
    files = (first, off, test_data / "calorimeter" / "calogan_showers.h5")
    lines = succeed("run", STUDY, *(part for file in files for part in ("--files", file)), "--out", tmp_path / "out")
    pictures = {path.name for path in (tmp_path / "out" / "files").iterdir()}
    averages = {f"{path.stem}.png" for path in files}
    assert pictures == averages | {"off_shapes.png"}
    ((*_, response, _, _),) = rows_of(lines, "first.hdf5")
    (*_, stretched, _, _), (_, _, _, _, worst, *_) = rows_of(lines, "off.hdf5")
    assert float(stretched) == pytest.approx(1.3 * float(response), rel=0.02)
    assert float(worst) > 20  # chi2/ndf


def test_a_file_without_showers_is_named(tmp_path):
    ntuples.write_hdf5(tmp_path / "other.hdf5", [{"showers": np.ones((3, 7))}])
    assert "other.hdf5" in fail("run", STUDY, "--files", tmp_path / "other.hdf5", "--out", tmp_path)


def test_files_of_one_name_and_files_without_entries_are_refused(tmp_path):
    (tmp_path / "other").mkdir()
    one, same = (challenge_file(folder / "x.hdf5", seed=1, n=3) for folder in (tmp_path, tmp_path / "other"))
    empty = challenge_file(tmp_path / "empty.hdf5", seed=1, n=0)
    assert "several of x" in fail("run", STUDY, "--files", one, "--files", same, "--out", tmp_path)
    assert "empty.hdf5 has no showers" in fail("run", STUDY, "--files", empty, "--out", tmp_path)
