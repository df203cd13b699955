"""The command line: what it prints, what it writes, and what it says when it cannot."""

import re
import subprocess
import sys

import awkward as ak
import numpy as np
import pytest
import torch
import uproot
from samples import cms_columns, separated_event_jets, write_jetclass, write_nanoaod, write_pfnano, write_tree
from toys import toy_jets
from typer.testing import CliRunner

import cortado
from cortado import bundle, cli, ntuples, reading
from cortado.models import PFN
from cortado.representations import ParticleList
from cortado.weights import WorkingPoint

COMMANDS = ("simulate", "fetch", "train", "score", "run", "plot", "inspect")


def invoke(*arguments):
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments], terminal_width=200)


def succeed(*arguments):
    result = invoke(*arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout.strip().splitlines()


def fail(*arguments):
    """What is printed of an error."""
    result = invoke(*arguments)
    assert result.exit_code == 1, result.stdout
    assert "Traceback" not in result.stderr
    return result.stderr


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    """Path of an untrained PFN with a working point."""
    arguments = {"phi": (4, 4), "hidden": (4,)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = PFN(**arguments)
    half = {"name": "50%", "threshold": 0.5, "efficiency": 0.5123, "efficiency_err": 0.01}
    point = WorkingPoint(**half, mistag=0.04, mistag_err=0.002, n_signal=100, n_background=100)
    made = bundle.Bundle(
        representation=ParticleList(),
        model=model,
        arguments=arguments,
        classes=("qcd", "w"),
        signal="w",
        working_points=(point,),
        provenance={"seed": 7},
    )
    return bundle.save(made, tmp_path_factory.mktemp("bundle") / "w.cortado", canary_jets=toy_jets(4))


# ------------------------------------------------------------------------------------------- the command itself


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command):
    text = " ".join(succeed(command, "--help"))
    assert re.search(rf"Example:.*cortado {command} ", text)


def test_help_lists_all_commands_and_imports_nothing_heavy():
    code = (
        "import sys; from cortado import cli; sys.argv = ['cortado', '--help']\n"
        "try: cli.main()\n"
        "finally: print('HEAVY', sorted({'torch', 'numpy', 'awkward', 'coffea', 'matplotlib'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "HEAVY []" in printed
    assert all(command in printed for command in COMMANDS)


def test_version():
    assert succeed("--version") == [f"cortado {cortado.__version__}"]


def test_an_error_in_a_real_process_is_one_line_and_exit_code_1(tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "cortado.cli", "inspect", str(tmp_path / "no.root")], capture_output=True, text=True
    )
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr == f"FileNotFoundError: {tmp_path / 'no.root'} does not exist\n"


def test_the_traceback_is_there_for_those_who_ask(tmp_path, monkeypatch):
    monkeypatch.setenv("CORTADO_TRACEBACK", "1")
    assert isinstance(invoke("inspect", tmp_path / "no.root").exception, FileNotFoundError)


def test_an_error_with_brackets_is_printed_as_it_is(tmp_path):
    assert "[red]no.root does not exist" in fail("inspect", tmp_path / "[red]no.root")


# ------------------------------------------------------------------------------------------------------ inspect


def test_inspect_tells_the_making_of_a_bundle(tagger):
    lines = succeed("inspect", tagger)
    assert lines[0] == f"{tagger}: PFN, {sum(p.numel() for p in bundle.load(tagger).model.parameters())} parameters"
    text = "\n".join(lines)
    for expected in ("ParticleList(", "qcd, w; signal w", "0.5123 ± 0.0100", "0.04000 ± 0.00200", "seed             7"):
        assert expected in text
    assert lines[-1] == f"{tagger} is sound: its canary jets score as they did when it was written"


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


# -------------------------------------------------------------------------------------------------------- score


def test_scores_are_those_of_the_scorer_in_a_friend_tree(tagger, tmp_path):
    write_pfnano(tmp_path / "nano.root", n_events=50)
    out = tmp_path / "scores.root"
    lines = succeed("score", tagger, tmp_path / "nano.root", "--out", out, "--step", 20)
    jets = cortado.read(tmp_path / "nano.root").jets
    expected = cortado.load(tagger).probabilities(jets)
    assert lines[-1] == f"wrote {out}: scores of {ak.count(jets.pt)} jets in 50 entries"
    with uproot.open(out) as file:
        tree = file["scores"]
        assert tree.keys() == ["run", "luminosityBlock", "event", "njet", "jet_qcd", "jet_w"]
        scores = tree.arrays()
    assert ak.num(scores.jet_w).to_list() == ak.num(jets).to_list()
    np.testing.assert_allclose(ak.flatten(scores.jet_w), ak.flatten(expected.w), atol=1e-5)
    beside = [ntuples.friend(step, out, ["jet_w"]) for step in ntuples.steps(tmp_path / "nano.root", size=15)]
    assert ak.all(ak.concatenate(beside).jet_w == scores.jet_w)


def test_jet_ntuples_are_scored_without_labels_and_event_numbers(tagger, tmp_path):
    write_jetclass(tmp_path / "labelled.root", n=30)
    with uproot.open(tmp_path / "labelled.root") as file:
        columns = file["tree"].arrays()
    unlabelled = [name for name in columns.fields if not name.startswith(("label_", "npart"))]
    part = ak.zip({name[5:]: columns[name] for name in unlabelled if name.startswith("part_")})
    rest = {name: columns[name] for name in unlabelled if not name.startswith("part_")}
    write_tree(tmp_path / "bare.root", {"part": part, **rest}, tree="tree")
    succeed("score", tagger, tmp_path / "labelled.root", tmp_path / "bare.root", "--out", tmp_path / "scores")
    stored = [ntuples.arrays(step, ["entry", "jet_w"]) for step in ntuples.steps(f"{tmp_path}/scores/*.root")]
    assert ak.array_equal(*stored)
    assert stored[0].entry.to_list() == list(range(30))
    (step,) = ntuples.steps(tmp_path / "bare.root")
    friend = ntuples.friend(step, tmp_path / "scores" / "bare.root", ["jet_w"], keys=ntuples.ENTRY_KEY)
    assert ak.all(ak.num(friend.jet_w) == 1)


def test_jets_without_constituents_score_nan_and_are_counted(tagger, test_data, tmp_path):
    lines = succeed("score", tagger, test_data / "jets" / "nano_tt_v15.root", "--out", tmp_path / "scores.root")
    assert lines == [
        "2 of 64 jets have no constituents: their score is NaN",
        f"wrote {tmp_path / 'scores.root'}: scores of 64 jets in 200 entries",
    ]
    with uproot.open(tmp_path / "scores.root") as file:
        assert np.isnan(ak.flatten(file["scores/jet_w"].array())).to_list().count(True) == 2


def test_a_file_without_entries_gives_scores_without_entries(tagger, tmp_path):
    columns = cms_columns(separated_event_jets(20, seed=1))
    write_tree(tmp_path / "empty.root", {name: column[:0] for name, column in columns.items()})
    succeed("score", tagger, tmp_path / "empty.root", "--out", tmp_path / "scores.root")
    with uproot.open(tmp_path / "scores.root") as file:
        assert file["scores"].num_entries == 0
        assert "jet_w" in file["scores"]


@pytest.mark.parametrize("stop, code", [(KeyboardInterrupt("stopped"), 130), (OSError(28, "No space left"), 1)])
def test_what_was_there_stays_if_scoring_ends_early(tagger, tmp_path, monkeypatch, stop, code):
    write_nanoaod(tmp_path / "nano.root", n_events=20)
    (tmp_path / "scores.root").write_text("old")

    def interrupted(*arguments, **options):
        yield reading.read(tmp_path / "nano.root", stop=10)
        raise stop

    monkeypatch.setattr(reading, "iterate", interrupted)
    result = invoke("score", tagger, tmp_path / "nano.root", "--out", tmp_path / "scores.root")
    assert result.exit_code == code
    assert str(stop) in result.stderr
    assert (tmp_path / "scores.root").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nano.root", "scores.root"]


def test_score_refuses_to_mix_or_overwrite_files(tagger, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_nanoaod(tmp_path / folder / "nano.root", n_events=5)
    both = (tmp_path / "a" / "nano.root", tmp_path / "b" / "nano.root")
    assert "cannot hold the scores of 2 files" in fail("score", tagger, *both, "--out", tmp_path / "scores.root")
    assert "would hold the scores of several files" in fail("score", tagger, *both, "--out", tmp_path / "scores")
    for out in (both[0], tmp_path / "a"):
        assert "is an ntuple to be scored" in fail("score", tagger, both[0], "--out", out)
    assert not (tmp_path / "scores").exists()


def test_score_names_the_file_that_it_cannot_read(tagger, tmp_path):
    write_nanoaod(tmp_path / "nano.root", n_events=5)
    assert "nano_1.root does not exist; similar names in that folder: nano.root" in fail(
        "score", tagger, tmp_path / "nano_1.root", "--out", tmp_path / "scores.root"
    )


# ------------------------------------------------------------------------------------------ train, run and plot

STUDY = """
from pathlib import Path

def studies(preset, folder):
    return {"small": preset, "large": folder}

def run(**options):
    print(sorted(options.items(), key=str))

def plot(folder, plots):
    return [Path(plots) / "a.png", Path(plots) / "b.png"]
"""


@pytest.fixture
def analysis(tmp_path, monkeypatch):
    """An analysis folder, in a working folder of its own; its module has a name of its own in each test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    folder = tmp_path / f"analyses_of_{tmp_path.name}" / "tagging"
    folder.mkdir(parents=True)
    (folder / "study.py").write_text(STUDY)
    return folder


def test_run_hands_its_options_to_the_study(analysis):
    printed = succeed("run", analysis, "--preset", "full", "--files", "a.root", "--files", "b.root", "--workers", 3)
    assert printed == [
        "[('accelerator', 'auto'), ('executor', 'futures'), ('files', ('a.root', 'b.root')), "
        "('folder', PosixPath('output/tagging/full')), ('preset', 'full'), ('scheduler', None), ('workers', 3)]"
    ]


def test_plot_says_what_was_written_where(analysis, tmp_path):
    assert "`cortado run" in fail("plot", analysis)
    (tmp_path / "out").mkdir()
    assert succeed("plot", analysis, "--out", "out")[-1] == "wrote 2 figures to out/plots"


def test_train_trains_the_networks_of_the_study(analysis, monkeypatch):
    from cortado import training

    trained = []
    monkeypatch.setattr(training, "train", lambda study, output, **options: trained.append((study, output, options)))
    printed = succeed("train", analysis, "--out", "folder", "--only", "small", "--resume")
    assert printed[-1] == "wrote 1 bundles to folder: small"
    ((study, output, options),) = trained
    assert (study, str(output), options["resume"]) == ("quick", "folder/small", True)
    assert "no network 'smal'" in fail("train", analysis, "--only", "smal")


def test_a_folder_without_study_names_the_nearest(analysis):
    other = analysis.parent / "taging"
    other.mkdir()
    message = fail("run", other)
    assert f"no study.py in {other}" in message
    assert str(analysis) in message


def test_a_study_that_lacks_a_function_is_named(analysis):
    (analysis / "study.py").write_text("studies = None\n")
    assert f"{analysis / 'study.py'} has no function 'run'" in fail("run", analysis)


def test_a_folder_with_the_name_of_a_package_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    installed = tmp_path / "analysis_package" / "tagging"
    installed.mkdir(parents=True)
    for folder in (installed.parent, installed):
        (folder / "__init__.py").touch()
    (installed / "study.py").touch()
    mine = tmp_path / "mine" / "analysis_package" / "tagging"
    mine.mkdir(parents=True)
    (mine / "study.py").write_text(STUDY)
    assert "has the name of an installed package" in fail("run", mine)


# ------------------------------------------------------------------------------------------- fetch and simulate


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
    assert re.fullmatch(rf"wrote {out}: \d+ jets of qcd in \d+ of \d+ generated events", lines[-1])
    assert succeed("inspect", out)[1].startswith("NanoAOD v15")
    assert "qdc" in fail("simulate", "qdc", "--out", out)


def test_simulate_writes_jets_with_tracks(tmp_path):
    pytest.importorskip("pythia8mc")
    out = tmp_path / "flavour.root"
    lines = succeed("simulate", "flavour", "--out", out, "--jets", 6, "--no-mpi", "--workers", 1)
    assert re.fullmatch(rf"wrote {out}: 6 jets of flavour in \d+ of \d+ generated events", lines[-1])
    assert succeed("inspect", out)[1].startswith("Set2Graph")
    assert "flavour has all jets above 20 GeV" in fail("simulate", "flavour", "--out", out, "--pt", 20, 50)
