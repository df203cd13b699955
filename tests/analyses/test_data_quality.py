"""`cortado run analyses/data_quality`: on simulated maps, on histograms, and on maps of a calorimeter."""

import json
from pathlib import Path

import numpy as np
import pytest
from commands import fail, succeed
from toy_maps import shares

from cortado import bundle, ntuples, reading
from cortado.readers.occupancy import columns_of, map_record

FOLDER = Path(__file__).parents[2] / "analyses" / "data_quality"
FIXED = ("--preset", "tiny", "--executor", "iterative", "--accelerator", "cpu")
WAYS = {"autoencoder", "linear", "classical"}

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps")
    succeed("run", FOLDER, *FIXED, "--out", folder)
    return folder


def test_false_alarms_are_counted_and_faults_found(out):
    results = json.loads((out / "results.json").read_text())
    maps = {name: reading.read_maps(out / "samples" / f"{name}.root") for name in ("good", "faulty")}
    assert set(results) == WAYS
    for name, each in results.items():
        for alarm in each["alarms"].values():
            assert 0 <= alarm["seen"] <= alarm["of"] == len(maps["good"])
            assert alarm["interval"][0] <= alarm["seen"] / alarm["of"] <= alarm["interval"][1]
            assert alarm["to_expect"]["low"] <= alarm["to_expect"]["high"]
        thresholds = [alarm["threshold"] for alarm in each["alarms"].values()]
        assert thresholds == sorted(thresholds)  # the rarer, the higher
        assert sum(kind["maps"] for kind in each["kinds"].values()) == len(maps["faulty"])
        for kind in each["kinds"].values():
            often, rarely = (value for value, *_ in kind["found"].values())
            assert 0 <= rarely <= often <= 1
            assert 0.9 < kind["auc"][0] <= 1, name


def test_bundles_score_as_the_run_did(out):
    good = reading.read_maps(out / "samples" / "good.root")
    with np.load(out / "scores.npz") as stored:
        for name in WAYS:
            scores = bundle.answers(bundle.load(out / f"{name}.cortado"), good).anomaly
            np.testing.assert_allclose(np.asarray(scores), stored[f"{name}_good"], rtol=1e-5)


def test_the_report_has_all_monitored_maps(out):
    report = json.loads((out / "report" / "report.json").read_text())
    assert sum(report["maps"].values()) == len(reading.read_maps(out / "samples" / "monitored.root"))
    assert report["alarm"]["rate"] == 0.001
    assert {path.stem for path in (out / "plots").iterdir()} == {"map", "learning", *(f"scores_{way}" for way in WAYS)}


def written(path, values, names, lumis=10):
    number = np.arange(len(values))
    maps = map_record(7 + number // lumis, number % lumis + 1, names, values)
    ntuples.write(path, "maps", [columns_of(maps)])
    return path


def test_histograms_of_files_are_learned_calibrated_and_judged(tmp_path):
    rng = np.random.default_rng(1)
    peak = 20 * np.exp(-0.5 * ((np.arange(30) - rng.normal(15, 0.3, (1200, 1))) / 4) ** 2)
    path = written(tmp_path / "digi.root", rng.poisson(peak), ["digi"] * 1200)
    succeed("run", FOLDER, *FIXED, "--out", tmp_path / "out", "--files", path)
    out = tmp_path / "out" / "histograms"
    results = json.loads((out / "results.json").read_text())
    assert sum(part["histograms"] for part in results["parts"].values()) == 1200
    assert sum(part["runs"] for part in results["parts"].values()) == 120
    judged = results["parts"]["to judge"]["histograms"]
    assert set(results["ways"]) == WAYS
    for way in results["ways"].values():
        assert way["golden"]["histograms"] == judged == way["judged"] + way["few entries"]
        for kind in (way["golden"], *way["faults"].values()):
            for value, _, low, high in kind["found"]:
                assert 0 <= low <= value <= high <= 1
    missing = results["ways"]["classical"]["faults"]["half missing"]
    assert missing["auc"][0] > 0.99
    assert missing["found"][0][0] > 0.9
    assert len(list((out / "plots").iterdir())) == 4
    assert (out / "report" / "report.html").is_file()


def test_maps_of_a_calorimeter_are_judged_by_each_other(tmp_path):
    expected = np.concatenate([200_000 * shares((12, 40)), 400 * shares((12, 40))]).reshape(2, 1, 12, 40)
    values = np.random.default_rng(2).poisson(np.broadcast_to(expected, (2, 10, 12, 40))).reshape(20, 12, 40)
    path = written(tmp_path / "calorimeter.root", values, ["Digi"] * 10 + ["RecHit"] * 10)
    succeed("run", FOLDER, *FIXED, "--out", tmp_path / "out", "--files", path)
    out = tmp_path / "out" / "calorimeter"
    results = json.loads((out / "results.json").read_text())
    assert {name: each["judged"] for name, each in results["elements"].items()} == {"Digi": True, "RecHit": False}
    for fault, each in results["all"].items():
        assert each["faults"] == 10 * 40  # of one element
        assert each["found"] == pytest.approx(results["elements"]["Digi"]["faults"][fault]["found"][0])
        assert each["lumisections in which all are found"] <= each["of"] == 10
    assert results["all"]["dead tower"]["found"] > 0.99
    assert {path.stem for path in out.glob("*.cortado")} == {"Digi"}
    report = json.loads((out / "report" / "report.json").read_text())
    assert report["maps"]["fault"] >= 4
    assert any(fault["rows"] == [11, 0] for fault in report["faults"])  # over the seam


def test_a_calorimeter_without_hits_is_refused(tmp_path):
    path = written(tmp_path / "few.root", np.ones((3, 12, 40)), ["Digi"] * 3)
    message = fail("run", FOLDER, *FIXED, "--out", tmp_path / "out", "--files", path)
    assert "no element has 1000 hits a map, required: at least one; there are Digi" in message


def test_an_unknown_preset_is_refused(tmp_path):
    for files in ([], ["--files", tmp_path / "none.root"]):
        message = fail("run", FOLDER, "--preset", "long", "--out", tmp_path, *files)
        assert "unknown preset 'long'; there are quick, full, tiny" in message
