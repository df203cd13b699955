import json

import h5py
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
    assert "has 32 x 32 bins, the bundle is made for 8 x 12" in fail(
        "monitor", watcher, tmp_path / "maps.root", "--out", tmp_path
    )
    assert "maps are written to NAME.root" in fail("simulate", "maps", "--out", tmp_path / "maps.h5")


def hdf5(path, **elements):
    with h5py.File(path, "w") as file:
        for name, values in elements.items():
            file[name] = values
    return path


def changed(value):
    values = toy_values(4).astype(float)
    values[2, 3, 4] = value
    return values


@pytest.mark.parametrize(
    "elements, message",
    [
        ({"digis": changed(np.nan)}, "lumisection 3, 'digis': nan in cell (3, 4) is no count"),
        ({"digis": changed(np.inf)}, "lumisection 3, 'digis': inf in cell (3, 4) is no count"),
        ({"digis": changed(-2)}, "lumisection 3, 'digis': -2 in cell (3, 4) is no count"),
        ({"digis": toy_values(4)[:, :, :5]}, "'digis' has 8 x 5 bins, the bundle is made for 8 x 12; choose elements"),
        ({"digis": toy_values(4)[:, 0]}, "'digis' has 12 bins, the bundle is made for 8 x 12"),
        ({"a": toy_values(4), "b": toy_values(4)[:, :4]}, "'b' has 4 x 12 bins, required are those of the first, 'a'"),
        ({"digis": toy_values(4)[:0]}, "the files hold none"),
        ({"digis": np.array([[b"a", b"b"]])}, "no histogram matches 'numbers (lumisections, rows, columns)'"),
        ({}, "the first of 0: none"),
    ],
)
def test_what_is_no_map_is_refused_by_name(watcher, tmp_path, elements, message):
    path = hdf5(tmp_path / "m.h5", **elements)
    # The terminal breaks lines.
    assert message in " ".join(fail("monitor", watcher, path, "--out", tmp_path / "report").split())
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("values", [np.zeros((4, 8, 12)), toy_values(4, hits=50)], ids=["empty", "few hits"])
def test_maps_without_statistics_are_listed_and_nothing_is_claimed(watcher, tmp_path, values):
    lines = succeed("monitor", watcher, hdf5(tmp_path / "m.h5", digis=values), "--out", tmp_path)
    assert "no map could be judged: that takes 1000 hits" in lines
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["faults"] == []
    assert len(content["not_good"]) == 4


def test_regions_go_over_the_seam_by_request(watcher, tmp_path):
    values = toy_values(10, seed=4)
    values[5:, 2:4, [11, 0, 1]] = 0
    path = write(tmp_path / "maps.root", values)
    one, two = (invoke("monitor", watcher, path, "--out", tmp_path, *more) for more in (("--cyclic", "x"), ()))
    assert "rows 2-3, columns 11-1: dead" in one.stdout
    assert one.stdout.rstrip().endswith("report.html: 1 faults")
    assert two.stdout.rstrip().endswith("report.html: 2 faults")
    assert "--cyclic is 'phi', required: x, y or xy" in fail(
        "monitor", watcher, path, "--out", tmp_path, "--cyclic", "phi"
    )
