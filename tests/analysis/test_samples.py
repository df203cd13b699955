"""Samples that studies share: as the manifest lists them, and only once."""

import pytest

from cortado import manifest
from cortado.analysis import sample_paths, simulate_samples

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
