"""The pages in docs: their code runs, their commands and links exist, and they say what the code says."""

import importlib.util
import re
import shlex
import shutil
import sys
from functools import partial
from pathlib import Path

import pytest
from commands import succeed
from samples import write_nanoaod
from toy_showers import toy_showers
from toy_tracks import write_tracks
from typer.main import get_command

import cortado
from cortado import ntuples, representations
from cortado.calorimeter import CALOGAN, shape_names
from cortado.cli.app import app
from cortado.readers import calogan
from cortado.representations import deepjet, features, high_level, track_features
from cortado.simulation import simulate_hits

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if not {"_build", "rooms"} & set(path.parts))
README = ROOT / "README.md"
START = DOCS / "guide" / "start.md"


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def run_page(page, folder, monkeypatch):
    """Run the Python of a page as one module, its trainings for one epoch, after the commands that read files."""
    monkeypatch.chdir(folder)
    code = "\n".join(blocks(page, "python"))
    program = folder / f"{page.stem}_page.py"  # a study describes its functions by their source
    program.write_text(re.sub(r"jets\.pt > 500", "jets.pt > 0", re.sub(r"epochs=\d+", "epochs=1", code)))
    for command in commands_of(page):
        if command[1] in ("score", "inspect"):
            succeed(*command[1:])
    spec = importlib.util.spec_from_file_location(program.stem, program)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, program.stem, module)
    spec.loader.exec_module(module)


def commands_of(page):
    """Words of each command in the console blocks of a page."""
    lines = "".join(blocks(page, "console")).splitlines()
    return [shlex.split(line.removeprefix("$ ")) for line in lines if line.startswith("$ ")]


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """Folder with the files of the guide, and what its first page has made of them."""
    folder = tmp_path_factory.mktemp("docs")
    for seed, name in enumerate(("wprime.root", "qcd.root"), start=1):
        write_nanoaod(folder / name, n_events=150, seed=seed)
    with pytest.MonkeyPatch.context() as patch:
        run_page(START, folder, patch)
    shutil.copy(folder / "output" / "w_tagger.cortado", folder / "w_tagger.cortado")
    return folder


def write_showers(path):
    ntuples.write(path, "showers", [calogan.columns_of(toy_showers(150), is_generated=False)])


# Small samples of the recipes that begin with others than NanoAOD.
SAMPLES = {
    "flavour.root": partial(write_tracks, number=200),
    "hits.root": partial(simulate_hits, events=6, mu=0.0, seed=1, workers=1),
    "photons.root": write_showers,
}


def test_the_first_page_makes_what_it_says(started):
    made = ("output/w_tagger.cortado", "output/history.csv", "roc.png", "mass.png", "histograms.root")
    assert all((started / name).stat().st_size > 0 for name in made)


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page not in (START, DOCS / "study.md") and blocks(page, "python")],
    ids=lambda page: str(page.relative_to(DOCS)),
)
def test_the_code_of_a_page_runs(page, started, tmp_path, monkeypatch):
    for name in ("wprime.root", "qcd.root", "w_tagger.cortado"):
        shutil.copy(started / name, tmp_path / name)
    for name, write in SAMPLES.items():
        if name in page.read_text():
            write(tmp_path / name)
    run_page(page, tmp_path, monkeypatch)


def test_the_smallest_study_runs_and_is_drawn_again(started, tmp_path, monkeypatch):
    folder = tmp_path / "my_study"
    folder.mkdir()
    (folder / "study.py").write_text(blocks(DOCS / "study.md", "python")[0])
    for name in ("wprime.root", "qcd.root"):
        shutil.copy(started / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for command in commands_of(DOCS / "study.md"):
        succeed(*command[1:])
    made = tmp_path / "output" / "my_study" / "tiny"
    assert {path.name for path in made.iterdir()} >= {"network", "histograms.root", "plots"}
    assert (made / "plots" / "mass.png").stat().st_size > 0


@pytest.mark.parametrize("page", [*PAGES, README], ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_their_options_exist(page):
    known = get_command(app).commands
    text = "".join(blocks(page, "console") + blocks(page, "text")) + "\n".join(
        re.findall(r"`(cortado .*?)`", page.read_text())
    )
    for line in re.findall(r"cortado (?!--)[a-z].*", text):
        name, *words = shlex.split(line)[1:]
        assert name in known, line
        command = known[name]
        while hasattr(command, "commands"):  # such as import weaver
            assert words[0] in command.commands, line
            command = command.commands[words.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("--")} <= options, line


@pytest.mark.parametrize("page", [*PAGES, README], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_page_is_in_the_contents():
    listed = set()
    for page in PAGES:
        for contents in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(), re.DOTALL):
            names = [line for line in contents.splitlines() if line and not line.startswith(":")]
            listed |= {(page.parent / f"{name}.md").resolve() for name in names}
    assert listed == {page.resolve() for page in PAGES} - {DOCS / "index.md"}


def test_every_room_has_a_page_in_the_reference():
    listed = re.findall(r"^   cortado\.(\w+)$", (DOCS / "api" / "index.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(set(dir(cortado)) - set(cortado.__all__) - {"cli"})


def load_feature_page():
    spec = importlib.util.spec_from_file_location("feature_page", DOCS / "feature_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_features_says_what_the_docstrings_say():
    assert (DOCS / "features.md").read_text() == load_feature_page().page(), (
        "python docs/feature_page.py writes it anew"
    )


def test_every_feature_is_in_the_page():
    text = (DOCS / "features.md").read_text()
    listed = (features.FEATURES, high_level.OBSERVABLES, high_level.RATIOS, track_features.TRACK_FEATURES)
    listed += (deepjet.JET_FEATURES, deepjet.CHARGED_FEATURES, deepjet.NEUTRAL_FEATURES, deepjet.VERTEX_FEATURES)
    assert [name for names in listed for name in names if f"| `{name}` |" not in text] == []
    shapes = {re.sub(r"_\d$", "_0", name) for name in shape_names(CALOGAN)}
    assert [name for name in shapes if f"`{name}`" not in text] == []
    assert [name for name in representations.__all__ if f"### {name}\n" not in text] == []


def test_a_feature_without_explanation_is_refused():
    page = load_feature_page()
    table = [("log_..._error", "of an error"), ("..._error", "an error"), ("pt", "momentum")]
    assert page.meaning_of("log_d0_error", table) == "of an error"
    assert page.meaning_of("d0_error", table) == "an error"
    with pytest.raises(ValueError, match=r"no table says what 'eta' is; there are log_\.\.\._error, .*pt"):
        page.meaning_of("eta", table)
    with pytest.raises(ValueError, match=r"cortado\.splits\.TRAINING has no docstring"):
        page.docstring(cortado.splits, "TRAINING")
