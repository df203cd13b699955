"""`cortado run analyses/showers`: every stage on few showers; and `--files`, which compares showers of others."""

import json
from pathlib import Path

import numpy as np
import pytest
from commands import fail, succeed
from toy_showers import toy_showers

from cortado import calorimeter, ntuples

STUDY = Path(__file__).parents[2] / "analyses" / "showers"
GEOMETRY = calorimeter.CALOCHALLENGE_1_PHOTONS
GENERATORS = ("calogan", "wgan", "flow_matching")  # of the preset tiny

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Folder of a run."""
    pytest.importorskip("numba")
    folder = tmp_path_factory.mktemp("showers")
    succeed("run", STUDY, "--preset", "tiny", "--executor", "iterative", "--accelerator", "cpu", "--out", folder)
    return folder


@pytest.fixture(scope="module")
def results(out):
    return json.loads((out / "results.json").read_text())


def test_merits_are_within_their_bounds(results):
    assert set(results["generators"]) == set(GENERATORS)
    for merits in results["generators"].values():
        for view in ("low", "high"):
            assert 0 <= merits[view]["AUC"][0] <= 1
            assert merits[view]["JSD"][0] <= 1
        assert all(0 <= value[0] <= 1 for value in merits["separation"].values())
        assert 0 < merits["effective"] <= 1
        assert 0 <= merits["clipped"] <= 1
        assert all(0 <= number <= 30 for number in merits["agreement"])
        for kind, (closed, tested, greatest, worst, p_value) in merits["closure"].items():
            assert 0 <= closed <= tested <= 30
            assert greatest == pytest.approx(np.divide(*merits["chi2"][kind][worst]))
            assert 0 <= p_value <= 1
    assert results["generators"]["calogan"]["low"]["AUC"][0] > 0.9  # it has learned nothing


def test_every_test_shower_is_in_every_histogram_with_its_weight(out, results):
    histograms = ntuples.read_histograms(out / "histograms.json")
    assert set(histograms) == set(calorimeter.shape_names(calorimeter.CALOGAN))
    all_showers = pytest.approx(results["tested"] / results["split"]["test"])  # scaled up by their share
    for histogram in histograms.values():
        nominal = histogram[{"variation": "nominal"}]
        assert summed(nominal, "simulation", "simulated") == all_showers
        for name in GENERATORS:
            assert summed(nominal, name, "generated") == all_showers
            mean = results["generators"][name]["mean weight"]
            assert summed(nominal, name, "reweighted") == pytest.approx(mean * all_showers.expected)


def summed(histogram, dataset, origin):
    return histogram[{"dataset": dataset, "origin": origin}].values(flow=True).sum()


def test_figures_are_those_of_the_generators_that_were_trained(out):
    names = {path.stem for path in (out / "plots").iterdir()}
    common = {"average_showers", "neighbours", "roc", "training_time", "speed"}
    assert names == common | {f"shapes_{name}" for name in GENERATORS}


def test_an_unknown_preset_names_those_that_there_are(tmp_path):
    message = fail("run", STUDY, "--preset", "long", "--out", tmp_path)
    assert "unknown preset 'long'; there are quick, full, published, tiny" in message


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
    assert "several of ['x']" in fail("run", STUDY, "--files", one, "--files", same, "--out", tmp_path)
    assert "empty.hdf5 has no showers" in fail("run", STUDY, "--files", empty, "--out", tmp_path)
