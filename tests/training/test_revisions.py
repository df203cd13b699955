"""Which code made a bundle: that of the study's own file, not of the folder where the command ran."""

import importlib.util
import subprocess

import cortado
from cortado.training.revisions import revision_of, revisions


def git(folder, *arguments):
    own = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *own, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def module_of(path):
    path.write_text(
        "def is_signal(jets):\n    return jets.is_signal == 1\n\ndef is_other(jets):\n    return jets.is_signal == 0\n"
    )
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_revision_is_that_of_the_repository_of_the_study(tmp_path, study, monkeypatch):
    for name in ("mine", "elsewhere"):
        (tmp_path / name).mkdir()
        git(tmp_path / name, "init")
        (tmp_path / name / "a.txt").touch()
        git(tmp_path / name, "add", ".")
        git(tmp_path / name, "commit", "-m", name)
    module = module_of(tmp_path / "mine" / "a_study_of_its_own.py")
    own = study(classes={"QCD": module.is_other, "top": module.is_signal})
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert revision_of(tmp_path / "mine" / "a_study_of_its_own.py") is None  # it merely lies there
    git(tmp_path / "mine", "add", ".")
    git(tmp_path / "mine", "commit", "-m", "study")
    found = revisions(own)
    assert found["git_revision"] == git(tmp_path / "mine", "rev-parse", "HEAD")
    assert found["cortado"]["version"] == cortado.__version__
    (tmp_path / "mine" / "a.txt").write_text("changed")
    assert revisions(own)["git_revision"].endswith("-dirty")


def test_a_file_outside_of_any_repository_has_none(tmp_path):
    module_of(tmp_path / "nowhere.py")
    assert revision_of(tmp_path / "nowhere.py") is None
