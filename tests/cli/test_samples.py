"""`cortado fetch` and `simulate`: what they write and print."""

import re

import pytest
from commands import fail, succeed


def test_fetch_says_what_is_where(tmp_path):
    (tmp_path / "toys.toml").write_text(
        'name = "toys"\ndescription = "d"\nlicence = "CC0-1.0"\ncitation = "c"\n'
        '[samples.qcd]\ntree = "tree"\nfiles = [{ path = "a.root", url = "http://127.0.0.1:9/a.root" }]\n'
    )
    assert "127.0.0.1:9/a.root" in fail("fetch", tmp_path / "toys.toml", "--folder", tmp_path / "files")
    assert f"{tmp_path / 'toys.tml'}" in fail("fetch", tmp_path / "toys.tml")


def test_simulate_writes_a_file_that_inspect_knows(tmp_path):
    pytest.importorskip("pythia8mc")
    out = tmp_path / "qcd.root"
    lines = succeed("simulate", "qcd", "--out", out, "--jets", 2, "--no-mpi", "--workers", 1)
    assert re.fullmatch(
        rf"wrote {out}: \d+ jets of qcd in \d+ of \d+ generated events(, more than .* stay whole)?", lines[-1]
    )
    assert succeed("inspect", out)[1].startswith("NanoAOD v15")
    assert "qdc" in fail("simulate", "qdc", "--out", out)


def test_simulate_writes_dijets(tmp_path):
    out = tmp_path / "dijets.root"
    lines = succeed("simulate", "dijets", "--out", out, "--events", 2000, "--signal", 50, "--mass", 4000)
    assert lines[-1] == f"wrote {out}: 2,000 dijets, 50 of a resonance at 4000 GeV"
    assert "signal is 11" in fail("simulate", "dijets", "--out", out, "--events", 10, "--signal", 11)
    assert "dijets are written to NAME.root" in fail("simulate", "dijets", "--out", tmp_path / "dijets.h5")


def test_simulate_writes_jets_with_tracks(tmp_path):
    pytest.importorskip("pythia8mc")
    out = tmp_path / "flavour.root"
    lines = succeed("simulate", "flavour", "--out", out, "--jets", 6, "--no-mpi", "--workers", 1)
    assert re.fullmatch(rf"wrote {out}: 6 jets of flavour in \d+ of \d+ generated events", lines[-1])
    assert succeed("inspect", out)[1].startswith("Set2Graph")
    assert "flavour has all jets above 20 GeV" in fail("simulate", "flavour", "--out", out, "--pt", 20, 50)
