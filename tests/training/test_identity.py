"""A training is known by what its functions do, not by their names."""

import dataclasses
import functools
import importlib
import importlib.util
import linecache
import sys

import numpy as np
import pytest

from cortado import bundle as bundles
from cortado.readers import nanoaod
from cortado.representations import ParticleList
from cortado.tasks import Classify
from cortado.training import Balance, train
from cortado.training.identity import describe, first_difference
from cortado.training.lightning import Training

CUT = 0.5
LOW, HIGH = lambda jets: jets.pt < 600, lambda jets: jets.pt >= 600  # two functions of one line and one name


def above(cut):
    return lambda jets: jets.eta > cut


def uses_a_constant(jets):
    return jets.eta > CUT


def uses_a_function(jets):
    return ~uses_a_constant(jets)


def described(study, **changes):
    return describe(study(**changes))


def module_of(path, source):
    """A module of that source, as a user's `study.py` would be imported."""
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def test_two_studies_are_described_alike_only_if_they_train_alike(study):
    assert described(study) == described(study)
    changes = ({"seed": 2}, {"signal": "QCD"}, {"balance": Balance(bins=(0.0, 1e4))}, {"scaling": None})
    assert all(described(study, **change) != described(study) for change in changes)


def test_a_description_says_where_it_differs(study):
    difference = first_difference(described(study), described(study, seed=2))
    assert difference == "recipe.seed was 1, is 2"


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (LOW, HIGH),
        (above(0.1), above(0.2)),
        (functools.partial(np.greater, 1), functools.partial(np.greater, 2)),
        (functools.partial(above, 0.1), functools.partial(above, 0.2)),
    ],
    ids=["one line", "closure", "partial of a ufunc", "partial"],
)
def test_functions_of_one_name_are_told_apart(study, before, now):
    one, same, other = (described(study, mask=mask) for mask in (before, before, now))
    assert one == same
    assert first_difference(one, other).startswith("objects.mask")


def test_constants_and_functions_that_a_function_uses_belong_to_it(study, monkeypatch):
    before = described(study, mask=uses_a_function)
    monkeypatch.setitem(globals(), "CUT", 0.7)
    assert described(study, mask=uses_a_function) != before


def test_layout_and_comments_do_not_matter_but_code_does(study, tmp_path):
    sources = (
        "def mask(jets):\n    return jets.pt > 600\n",
        "# a comment\n\n\ndef mask(jets):\n    # another\n    return (jets.pt  >  600)\n",
        "def mask(jets):\n    return jets.pt > 601\n",
    )
    modules = [module_of(tmp_path / f"own_study_{i}.py", source) for i, source in enumerate(sources)]
    one, same, other = (described(study, mask=module.mask) for module in modules)
    assert one == same
    assert one != other


def test_a_network_of_ones_own_is_known_by_its_source(study, tmp_path):
    source = "import torch\n\nclass Own(torch.nn.Module):\n    width = {}\n"
    one, other = (module_of(tmp_path / f"own_model_{i}.py", source.format(i)) for i in (1, 2))
    first, second = (described(study, model=functools.partial(module.Own)) for module in (one, other))
    assert first_difference(first, second).startswith("model.kind was 'Own")


def test_swapped_classes_are_not_resumed(study, tmp_path):
    chosen = study(epochs=1)
    train(chosen, tmp_path, progress=False)
    qcd, top = chosen.task.classes.values()
    swapped = Classify(classes={"QCD": top, "top": qcd}, signal="top")
    with pytest.raises(ValueError, match=r"another study: task.classes.QCD was '<lambda> \w+', is '<lambda> \w+'"):
        train(dataclasses.replace(chosen, task=swapped), tmp_path, resume=True, progress=False)
    reordered = Classify(classes={"top": top, "QCD": qcd}, signal="top")
    with pytest.raises(ValueError, match=r"another study: task.classes was .*'QCD'.*, is .*'top'"):
        train(dataclasses.replace(chosen, task=reordered), tmp_path, resume=True, progress=False)


def test_a_function_without_source_is_refused(study):
    mask = eval("lambda jets: jets.pt > 0")
    with pytest.raises(ValueError, match=r"objects.mask: <lambda> has no source .* put it into a module"):
        described(study, mask=mask)


def test_what_cannot_be_described_is_refused(study):
    class Mask:
        def __call__(self, jets):
            return jets.pt > 0

    with pytest.raises(ValueError, match=r"objects.mask = <.*Mask object.* cannot be described.*required: a function"):
        described(study, mask=Mask())


def test_trainings_on_lengths_know_their_unit(study):
    """One that was begun when they were in cm is not resumed."""
    now = described(study, representation=ParticleList(features=("delta_eta", "d0")))
    assert now["lengths"] == "mm"
    assert "lengths" not in described(study)
    before = {name: value for name, value in now.items() if name != "lengths"}
    assert first_difference(before, now) == "lengths was None, is 'mm'"


def test_frozen_bundles_are_known_by_their_content(study, tmp_path):
    paths = [train(study(epochs=1, seed=seed), tmp_path / str(seed), progress=False).bundle for seed in (1, 2)]
    one, other = (described(study, frozen={"part": str(path)}) for path in paths)
    assert dict(one["frozen"])["part"] == bundles.fingerprint(paths[0])[:12]
    assert one != other
    with pytest.raises(FileNotFoundError, match="no bundle"):
        described(study, frozen={"part": str(tmp_path / "none.cortado")})


@pytest.mark.parametrize("edited", [{"cut": 600}, {"low": 520}], ids=["constant", "function"])
def test_code_in_other_files_of_the_user_belongs_to_a_function(study, tmp_path, monkeypatch, edited):
    """A mask in one file that calls a function, and reads a constant, of another."""
    monkeypatch.syspath_prepend(str(tmp_path))
    helper = "CUT = {cut}\n\ndef window(jets):\n    return jets.pt > {low}\n"
    user = "import own_helper\nfrom own_helper import window\n\n"
    user += "def mask(jets):\n    return window(jets) & (jets.pt < own_helper.CUT)\n"
    masks = []
    for values in ({}, {}, edited):
        (tmp_path / "own_helper.py").write_text(helper.format(**{"cut": 700, "low": 500} | values))
        for name in ("own_helper", "own_user"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        linecache.checkcache()
        masks.append(described(study, mask=module_of(tmp_path / "own_user.py", user).mask))
    assert masks[0] == masks[1]
    assert first_difference(masks[1], masks[2]).startswith("objects.mask")


def test_files_that_were_changed_are_not_resumed(study, tmp_path):
    import shutil

    import samples

    path = tmp_path / "jets.root"
    shutil.copy(study().objects.files[0], path)
    train(study(epochs=1, files=(str(path),)), tmp_path / "out", progress=False)
    samples.write_toptagging(path, 400, 7)
    with pytest.raises(ValueError, match=r"another study: bytes.* was \d+, is \d+; take another folder"):
        train(study(epochs=1, files=(str(path),)), tmp_path / "out", resume=True, progress=False)


def test_a_failed_start_leaves_nothing_behind(study, tmp_path):
    with pytest.raises(ValueError, match="lie outside the bins of the balance"):
        train(study(epochs=1, balance=Balance(bins=(600.0, 650.0))), tmp_path / "out", progress=False)
    train(study(epochs=1), tmp_path / "out", progress=False)


def test_a_file_may_be_edited_while_it_is_trained(study, tmp_path, monkeypatch):
    """The bundle says what was trained, as it was when it began."""
    source = "def mask(jets):\n    return jets.pt > {}\n"
    module = module_of(tmp_path / "own_edited.py", source.format(600))
    chosen = study(epochs=1, mask=module.mask)
    before = described(study, epochs=1, mask=module.mask)
    step = Training.training_step

    def edits(*arguments):
        (tmp_path / "own_edited.py").write_text("\n\n" + source.format(601))
        linecache.checkcache()
        return step(*arguments)

    monkeypatch.setattr(Training, "training_step", edits)
    result = train(chosen, tmp_path / "out", progress=False)
    assert bundles.load(result.bundle).provenance["study"]["objects"]["mask"] == before["objects"]["mask"]


def test_a_reader_of_the_users_own_counts_with_its_source(study, tmp_path):
    path = tmp_path / "own_reader_of_test.py"
    before = read_by(study, module_of(path, "NAME = 'mine'\nFORMS = (('x',),)\n"))
    assert before.startswith("own_reader_of_test ")
    reader = module_of(path, "NAME = 'mine'\nFORMS = (('y',),)\n")
    linecache.clearcache()
    assert read_by(study, reader) != before
    assert read_by(study, nanoaod) == "cortado.readers.nanoaod"


def read_by(study, reader):
    objects = dataclasses.replace(study().objects, dialect=reader)
    return describe(dataclasses.replace(study(), objects=objects))["objects"]["dialect"]
