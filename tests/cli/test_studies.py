"""`cortado train`, `run` and `plot`: what they ask of a study, and studies that cannot be found."""

import sys

import pytest
from commands import fail, succeed

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
    assert "= 'smal', required: one of small, large; nearest: small" in fail("train", analysis, "--only", "smal")


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
