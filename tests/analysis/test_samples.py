"""Samples that studies share: as the manifest lists them, and only once."""

from collections import namedtuple

import pytest

from cortado import manifest, metrics
from cortado.analysis import results_table, sample_paths, simulate_samples, training_seconds

LISTED = """
name = "two"
description = "Two small samples"
licence = "CC0-1.0"
citation = "nobody"

[samples.qcd]
label = "QCD"
cross_section = 1.0
recipe = { process = "qcd", jets = 4, pt_range = [550.0, 650.0], seed = 1, mpi = false }
"""


@pytest.fixture
def listed(tmp_path):
    (tmp_path / "two.toml").write_text(LISTED)
    return manifest.load(tmp_path / "two.toml")


def test_what_is_there_is_kept(listed, tmp_path, capsys):
    pytest.importorskip("pythia8mc")
    paths = simulate_samples(listed, tmp_path / "samples")
    assert paths == sample_paths(listed, tmp_path / "samples") == [tmp_path / "samples" / "qcd.root"]
    assert " jets, " in " ".join(capsys.readouterr().out.split())
    before = paths[0].stat()
    simulate_samples(listed, tmp_path / "samples")
    assert "is there" in " ".join(capsys.readouterr().out.split())
    assert paths[0].stat().st_mtime_ns == before.st_mtime_ns


def test_what_is_asked_for_goes_before_the_recipe(listed, tmp_path):
    asked = {}

    def simulate(path, *, progress, **recipe):
        asked.update(recipe)
        return namedtuple("Made", "jets")(recipe["jets"])

    simulate_samples(listed, tmp_path, simulate=simulate, most=3, pt_range=(1.0, 2.0), workers=1)
    assert asked == {"process": "qcd", "jets": 3, "pt_range": (1.0, 2.0), "seed": 1, "mpi": False, "workers": 1}


def test_the_time_of_a_training_is_that_of_all_its_epochs(tmp_path):
    (tmp_path / "network").mkdir()
    (tmp_path / "network" / "history.csv").write_text("epoch,train_loss,seconds\n1,0.7,2.5\n2,0.6,1.25\n")
    assert training_seconds(tmp_path, "network") == 3.75


def test_tables_show_errors_of_pairs_and_records_as_they_say():
    interval = metrics.Interval(0.912, 0.02, 0.874, 0.946)
    rows = {
        "a": {"AUC": metrics.Estimate(0.75, 0.01), "found": interval},
        "b": {"AUC": [0.75, 0.01, False], "maps": 1234},
    }
    table = results_table(rows, title="two", titles={"a": "A"})
    cells = {str(column.header): list(column.cells) for column in table.columns}
    assert cells[""] == ["A", "b"]
    assert cells["AUC"] == ["0.750 ± 0.010"] * 2
    assert cells["found"] == ["0.912 (0.874 to 0.946)", ""]
    assert cells["maps"] == ["", "1,234"]
