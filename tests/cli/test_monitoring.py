import json

import numpy as np
import pytest
from commands import fail, invoke, succeed
from toy_maps import toy_maps, toy_values

from cortado import bundle as bundles
from cortado import monitoring, ntuples


@pytest.fixture(scope="module")
def watcher(tmp_path_factory):
    bundle = monitoring.calibrated(monitoring.classical(toy_maps(300)), toy_maps(1200, seed=2, lumis=1), (0.001, 0.1))
    return bundles.save(bundle, tmp_path_factory.mktemp("bundle") / "m.cortado", canary=toy_maps(4))


def write(path, values, seed=7):
    names = np.frombuffer(b"digis", np.uint8)
    columns = {"run": np.full(len(values), seed, np.uint32), "luminosityBlock": np.arange(len(values), dtype=np.uint32)}
    columns |= {"map_values": values.astype(np.int32), "map_name": np.tile(names, len(values)).reshape(-1, 5)}
    ntuples.write(path, "maps", [columns])
    return path


def test_nothing_found_is_success(watcher, tmp_path):
    path = write(tmp_path / "maps.root", toy_values(10, seed=4))
    lines = succeed("monitor", watcher, path, "--out", tmp_path / "report")
    assert lines[0] == "10 maps: 10 good, 0 fault, 0 few hits, 0 empty"
    assert lines[-1].endswith("report.html: 0 faults")
    assert json.loads((tmp_path / "report" / "report.json").read_text())["faults"] == []


def test_faults_have_an_exit_status_of_their_own(watcher, tmp_path):
    values = toy_values(10, seed=4)
    values[5:, 2:4, 5:8] = 0
    values[0] = 0
    path = write(tmp_path / "maps.root", values)
    result = invoke("monitor", watcher, path, "--out", tmp_path / "report", "--simulated")
    assert result.exit_code == 3, result.stderr
    assert "10 maps: 4 good, 5 fault, 0 few hits, 1 empty" in result.stdout
    assert "run 7, lumisections 5 to 9, digis, rows 2-3, columns 5-7: dead" in result.stdout
    content = json.loads((tmp_path / "report" / "report.json").read_text())
    assert content["source"]["files"] == [str(path)]
    assert "data:image/png" in (tmp_path / "report" / "report.html").read_text()


def test_the_rate_can_be_chosen(watcher, tmp_path):
    path = write(tmp_path / "maps.root", toy_values(10, seed=4))
    assert "no threshold for a rate of false alarms of 0.2; the bundle has 0.001, 0.1" in fail(
        "monitor", watcher, path, "--out", tmp_path, "--rate", 0.2
    )
    invoke("monitor", watcher, path, "--out", tmp_path, "--rate", 0.1)
    assert json.loads((tmp_path / "report.json").read_text())["alarm"]["rate"] == 0.1


def test_other_bundles_are_refused(tagger, tmp_path):
    path = write(tmp_path / "maps.root", toy_values(2))
    assert "of the use Watched, got Classes" in fail("monitor", tagger, path, "--out", tmp_path)


def test_simulated_maps_can_be_monitored(watcher, tmp_path):
    lines = succeed("simulate", "maps", "--maps", 50, "--mean-hits", 1000, "--out", tmp_path / "maps.root")
    assert "50 maps" in lines[-1]
    assert "maps of shape (32, 32), the reference has (8, 12)" in fail(
        "monitor", watcher, tmp_path / "maps.root", "--out", tmp_path
    )
    assert "maps are written to NAME.root" in fail("simulate", "maps", "--out", tmp_path / "maps.h5")
