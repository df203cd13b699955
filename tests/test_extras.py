"""Packages that only parts need: where one is missing the error names it and its extra, and a worker needs none."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from samples import write_nanoaod
from toy_taggers import save_toy

from cortado import metrics
from cortado.extras import extra

ROOT = Path(__file__).resolve().parents[1]
WORKER = """
import sys
sys.modules.update(dict.fromkeys({missing}))
sys.path.insert(0, {tests!r})

import cortado
from cortado import processors
from toy_taggers import OWN, load_toy

scorer = load_toy({bundle!r})
files = {{"qcd": {{"files": {{{nano!r}: "Events"}}}}}}
output = processors.run(files, processors.TaggingProcessor({{"a": scorer}}), executor="iterative", progress=False)
print(output["mass"].sum().value > 0)
for room in ("training", "plotting"):
    try:
        getattr(cortado, room)
    except ImportError as error:
        print(error)
"""


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_every_extra_that_a_message_names_exists():
    named = {
        name
        for path in (ROOT / "src").rglob("*.py")
        for name in re.findall(r'extra\("(\w+)", |\.\[(\w+)\]"', path.read_text())
        for name in name
        if name
    }
    extras = project()["optional-dependencies"]
    assert {"train", "plot", "sim", "dask", "export", "fit"} <= named <= set(extras)
    (every,) = extras["all"]
    assert set(re.search(r"\[(.*)\]", every)[1].split(",")) == set(extras) - {"all"}


def test_a_worker_needs_no_extra_and_others_say_which_they_need(tmp_path):
    """Scores in a processor without anything that only extras install."""
    write_nanoaod(tmp_path / "nano.root", n_events=30)
    bundle = save_toy(tmp_path / "a.cortado")
    missing = ["lightning", "torchmetrics", "sklearn", "pooch", "pyhf", "zuko", "captum", "torch_geometric", "fastjet"]
    names = {"missing": missing, "bundle": str(bundle), "nano": str(tmp_path / "nano.root")}
    command = [sys.executable, "-c", WORKER.format(tests=str(ROOT / "tests" / "toys"), **names)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert printed == [
        "True",
        'cortado.training needs lightning, of the extra `train`: pip install ".[train]" in your clone of cortado',
    ]


def test_figures_without_matplotlib_name_their_extra():
    code = "import sys; sys.modules['mplhep'] = None; from cortado import plotting"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ImportError: cortado.plotting needs mplhep, of the extra `plot`: pip install" in result.stderr


@pytest.mark.parametrize(
    "module, measure",
    [
        ("sklearn.metrics", lambda: metrics.roc([0, 1], [0.2, 0.8])),
        ("sklearn.metrics", lambda: metrics.confusion_counts([0, 1], [0, 1], classes=2)),
        ("sklearn.isotonic", lambda: metrics.calibrate([0, 1], [0.2, 0.8], [0.5])),
    ],
)
def test_metrics_that_need_an_extra_name_it(monkeypatch, module, measure):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"\w needs sklearn, of the extra `train`: pip install"):
        measure()


def test_a_module_of_ours_that_is_missing_is_no_matter_of_extras():
    with pytest.raises(ModuleNotFoundError, match=r"No module named .cortado\.nothing."), extra("train", "a training"):
        import cortado.nothing  # noqa: F401
