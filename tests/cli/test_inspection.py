"""`cortado inspect`: what it prints of bundles, ntuples and other files."""

import dataclasses
import re

import numpy as np
import pytest
import toy_taggers
from commands import fail, invoke, succeed
from samples import cms_columns, separated_event_jets, write_nanoaod, write_tree
from toy_track_finder import save_track_finder

from cortado import bundle
from cortado.bundle import domain


def test_inspect_tells_the_making_of_a_bundle(tagger):
    lines = succeed("inspect", tagger)
    assert lines[0] == f"{tagger}: PFN, {sum(p.numel() for p in bundle.load(tagger).model.parameters())} parameters"
    text = "\n".join(lines)
    use = "Classes(classes=('qcd', 'w'), signal='w')"
    for expected in (
        "ParticleList(",
        use,
        "0.5123 ± 0.0100",
        "0.04000 ± 0.00200",
        "seed             7",
    ):
        assert expected in text
    assert lines[-1] == f"{tagger} is sound: its canary is answered as it was when it was written"


def test_inspect_shows_what_the_training_has_seen(tagger, tmp_path):
    watched = {"pt": np.linspace(500, 700, 2001), "number of constituents": np.repeat([10.0, 20.0, 30.0], 667)}
    known = domain.domain_of(watched, np.arange(2001) % 2, 2)
    made = bundle.load(tagger)
    kept = dataclasses.replace(made, provenance={"domain": domain.to_json(known)})
    path = bundle.save(kept, tmp_path / "w.cortado", canary=bundle.canary_objects(tagger))
    rows = [line.replace("│", "").split() for line in succeed("inspect", path)]
    assert ["pt", "500", "510", "600", "690", "700"] in rows
    assert ["number", "of", "constituents", "10", "10", "20", "30", "30"] in rows


def test_inspect_cuts_long_values(tmp_path):
    path = save_track_finder(tmp_path / "tracks.cortado")
    described = next(line for line in succeed("inspect", path) if line.startswith("representation"))
    whole = repr(bundle.load(path).representation)
    assert len(whole) > 1000
    assert len(described) < 500
    assert re.search(r"HitGraph\(pairs=\(\(.* \.\.\., windows=.* \.\.\., bends=\(\), chain=3\)$", described)


def test_what_a_bundle_says_is_shown_as_text(tmp_path):
    """Neither markup nor escape sequences, which could retitle the terminal or hide lines, are obeyed."""
    name = "[/]\x1b[2J"
    point, seed = dataclasses.replace(toy_taggers.HALF, name=name), "[bold]\x1b]0;title\x07\x9b8m"
    path = toy_taggers.save_toy(tmp_path / "own.cortado", working_points=(point,), provenance={"seed": seed})
    text = "\n".join(succeed("inspect", path, "--module", toy_taggers.__file__))
    assert r"[/]\x1b[2J" in text
    assert r"seed             [bold]\x1b]0;title\x07\x9b8m" in text
    assert not set("\x1b\x07\x9b") & set(text)


def test_inspect_refuses_a_bundle_that_was_cut(tagger, tmp_path):
    (tmp_path / "cut.cortado").write_bytes(tagger.read_bytes()[:500])
    assert "cut.cortado" in fail("inspect", tmp_path / "cut.cortado")


def test_inspect_recognises_the_dialect_of_an_ntuple(tmp_path):
    write_nanoaod(tmp_path / "nano.root", n_events=30)
    lines = succeed("inspect", tmp_path / "nano.root")
    assert lines[0].startswith(f"{tmp_path / 'nano.root'}: tree Events, 30 entries, ")
    assert re.match("NanoAOD v15; read are .*PFCand_pt", lines[1])


def test_inspect_says_what_an_ntuple_of_no_dialect_is_and_lacks(tmp_path):
    columns = cms_columns(separated_event_jets(20, seed=1))
    write_tree(tmp_path / "nano.root", {name: column for name, column in columns.items() if "PFCand" not in name})
    result = invoke("inspect", tmp_path / "nano.root")
    assert result.exit_code == 1
    assert "tree Events, 20 entries" in result.stdout
    assert "NanoAOD without particle-flow candidates" in result.stderr


@pytest.mark.parametrize("content, message", [(b"", "empty"), (b"junk" * 99, "junk.root")])
def test_inspect_refuses_junk(tmp_path, content, message):
    (tmp_path / "junk.root").write_bytes(content)
    assert message in fail("inspect", tmp_path / "junk.root")
