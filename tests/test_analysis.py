"""Samples that studies share: as the manifest lists them, and only once."""

import pytest

from cortado import manifest, metrics
from cortado.analysis import results_table, sample_paths, simulate_samples

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
