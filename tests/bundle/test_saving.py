"""Bundles come back as they were saved, or are not written."""

import dataclasses
import errno
import os

import awkward as ak
import numpy as np
import pytest
import torch
from toy_taggers import (
    OWN,
    Kinematics,
    Linear,
    Prongs,
    Sum,
    save_toy,
    toy_bundle,
)
from toys import toy_jets

from cortado import bundle
from cortado.tasks import Classes


def load(path, **classes):
    return bundle.load(path, **(OWN | classes))


def logits(tagger, jets):
    return bundle.run(tagger.model.eval(), tagger.prepare(jets)).numpy()


@pytest.mark.parametrize("directory", [False, True])
def test_what_is_saved_comes_back(tmp_path, directory):
    original = toy_bundle(representation=Prongs(max_constituents=7, offsets=(0.1, 0.0)))
    path = bundle.save(original, tmp_path / "a.cortado", canary=toy_jets(20), directory=directory)
    assert path.is_dir() is directory
    back = load(path)
    for field in (
        "representation",
        "scaling",
        "arguments",
        "use",
        "working_points",
        "provenance",
    ):
        assert getattr(back, field) == getattr(original, field)
    assert not back.model.training
    np.testing.assert_array_equal(logits(back, toy_jets(50)), logits(original, toy_jets(50)))


def test_a_trailing_slash_makes_a_directory_and_an_existing_one_is_replaced(tmp_path):
    where = f"{tmp_path}/a.cortado/"
    first = bundle.fingerprint(save_toy(where))
    second = bundle.fingerprint(save_toy(tmp_path / "a.cortado", seed=2))
    assert sorted(os.listdir(where)) == ["bundle.json", "canary.safetensors", "weights.safetensors"]
    assert first != second
    assert os.listdir(tmp_path) == ["a.cortado"]


def test_equal_bundles_are_equal_files(tmp_path):
    first, second = save_toy(tmp_path / "a.cortado"), save_toy(tmp_path / "b.cortado")
    assert first.read_bytes() == second.read_bytes()
    assert bundle.fingerprint(first) == bundle.fingerprint(save_toy(f"{tmp_path}/c/"))


def test_saving_and_loading_leave_model_and_random_numbers_alone(tmp_path):
    tagger = toy_bundle()
    tagger.model.train()
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    load(bundle.save(tagger, tmp_path / "a.cortado", canary=toy_jets(4)))
    assert tagger.model.training
    assert torch.equal(torch.rand(3), expected)


def test_canary_objects_are_the_first_of_those_given(saved):
    stored, given = bundle.canary_objects(saved), toy_jets(8, seed=3)
    assert set(stored.fields) == {"pt", "eta", "phi", "constituents"}
    assert ak.all(stored.pt == given.pt)
    assert ak.all(stored.constituents.phi == given.constituents.phi, axis=None)


def test_canary_keeps_jets_without_constituents_and_of_no_constituent_fields(tmp_path):
    jets = toy_jets(3)
    empty = ak.with_field(jets, jets.constituents[:, :0], "constituents")
    path = bundle.save(toy_bundle(), tmp_path / "a.cortado", canary=empty)
    assert ak.num(bundle.canary_objects(path).constituents).tolist() == [0, 0, 0]
    load(path)
    flat = toy_bundle(representation=Kinematics(), model=Linear(), arguments={})
    load(bundle.save(flat, tmp_path / "b.cortado", canary=jets))


def test_description_is_readable_without_the_classes(saved):
    description = bundle.describe(saved)
    assert description["model"] == {"name": "Sum", "arguments": {"hidden": 6}}
    assert description["versions"]["torch"] == torch.__version__


def test_columns_keep_what_is_named_and_nothing_else():
    jets = ak.with_name(toy_jets(5), "Momentum4D")
    columns = bundle.columns(jets, ("mass", "constituents.charge"))
    assert columns.fields == ["mass", "constituents"]
    assert columns.constituents.fields == ["charge"]
    assert ak.parameters(columns) == {}


@pytest.mark.parametrize(
    "field, nearest", [("msas", "'msas'; nearest: .*mass"), ("constituents.carge", "constituents.charge")]
)
def test_columns_names_the_nearest_field(field, nearest):
    with pytest.raises(ValueError, match=nearest):
        bundle.columns(toy_jets(2), (field,))


def classes(*names, signal="w"):
    return Classes(classes=names, signal=signal)


class Swapped(Sum):
    def forward(self, mask, features):
        return super().forward(features, mask)


class Fickle(Sum):
    """Other logits for each instance."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.shift = float(torch.rand(()))

    def forward(self, features, mask):
        return super().forward(features, mask) + self.shift


def not_finite():
    model = Sum(hidden=6)
    torch.nn.init.constant_(model.all.bias, torch.nan)
    return model


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"model": Swapped(hidden=6)},
            r"Prongs gives \('features', 'mask'\) but Swapped.forward takes \('mask'",
        ),
        (
            {"model": Linear(features=3), "arguments": {"features": 3}},
            r"but Linear.forward takes \('features',\)",
        ),
        ({"model": Sum(features=4)}, r"features \(8, \d+, 3\), mask \(8, \d+\), which does not fit Sum"),
        (
            {"use": classes("qcd", "w", "top")},
            r"outputs of shape \(8, 2\).*needed for .*'qcd', 'w', 'top'",
        ),
        ({"use": classes("w", "w")}, "two or more different classes"),
        ({"use": classes("qcd", "w", signal="z")}, "signal 'z' is none of the classes qcd, w"),
        ({"model": not_finite()}, "16 of the canary's outputs are not finite"),
        ({"arguments": {"hidden": 7}}, r"weights do not fit Sum\({'hidden': 7}\)"),
        ({"arguments": {"hiden": 6}}, r"Sum cannot be made of {'hiden': 6}"),
        ({"arguments": {"hidden": 6j}}, "Sum hidden=.* cannot be written as JSON"),
        ({"arguments": {"hidden": {1: 2}}}, "Sum hidden=.* would come back from JSON as {'1': 2}"),
        ({"provenance": {"auc": float("nan")}}, "provenance auc=nan cannot be written as JSON"),
        ({"model": Fickle(hidden=6)}, "canary: outputs of Fickle differs from training by up to"),
    ],
)
def test_a_bundle_that_does_not_fit_is_not_written(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        save_toy(tmp_path / "a.cortado", **changes)
    assert os.listdir(tmp_path) == []


def test_a_representation_must_tell_its_arguments(tmp_path):
    class Plain:
        fields = Prongs().fields

        def __call__(self, jets):
            return Prongs()(jets)

    with pytest.raises(ValueError, match="Plain is no dataclass"):
        save_toy(tmp_path / "a.cortado", representation=Plain())


def test_a_bundle_needs_a_canary(tmp_path):
    with pytest.raises(ValueError, match="at least one canary object"):
        bundle.save(toy_bundle(), tmp_path / "a.cortado", canary=toy_jets(0))


def test_a_directory_with_other_files_is_not_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(FileExistsError, match=r"holds thesis.tex, so it is not replaced"):
        save_toy(tmp_path)
    assert os.listdir(tmp_path) == ["thesis.tex"]


def disk_full(on_call):
    """Stands for a function of `os` and fails once, on that call."""
    calls = iter(range(1, 100))

    def instead(original):
        def call(*arguments):
            if next(calls) == on_call:
                raise OSError(errno.ENOSPC, "No space left on device")
            return original(*arguments)

        return call

    return instead


@pytest.mark.parametrize(
    "directory, step, call",
    [
        (False, "fsync", 1),
        (False, "replace", 1),
        (True, "fsync", 3),
        (True, "rename", 1),
        (True, "rename", 2),
    ],
)
def test_disk_full_keeps_the_former_bundle_and_nothing_else(tmp_path, monkeypatch, directory, step, call):
    path = bundle.save(toy_bundle(1), tmp_path / "a.cortado", canary=toy_jets(4), directory=directory)
    before = bundle.fingerprint(path)
    monkeypatch.setattr(os, step, disk_full(call)(getattr(os, step)))
    with pytest.raises(OSError, match="No space left"):
        bundle.save(toy_bundle(2), path, canary=toy_jets(4))
    assert bundle.fingerprint(path) == before
    assert os.listdir(tmp_path) == ["a.cortado"]


def test_numbers_of_numpy_are_arguments_too(tmp_path):
    """As they come out of a shape or an optimisation; NaN and arrays are still refused."""
    from cortado.models import PFN
    from cortado.representations import ParticleList

    arguments = {"features": np.int64(3), "phi": (np.int32(4),), "hidden": [np.int64(4)], "dropout": np.float32(0.1)}
    tagger = bundle.Bundle(
        representation=ParticleList(max_constituents=np.int64(7)),
        model=PFN(**arguments),
        arguments=arguments,
        use=Classes(classes=("qcd", "w"), signal="w"),
        provenance={"events": np.int64(5), "seed": np.uint8(1)},
    )
    back = bundle.load(bundle.save(tagger, tmp_path / "a.cortado", canary=toy_jets(4)))
    assert back.arguments["features"] == 3
    assert back.representation.max_constituents == 7
    assert back.provenance["events"] == 5
    with pytest.raises(
        ValueError, match=r"features=array\(\[3\]\) cannot be written as JSON: a ndarray is no plain value"
    ):
        bundle.save(
            dataclasses.replace(tagger, arguments={"features": np.array([3])}),
            tmp_path / "b.cortado",
            canary=toy_jets(4),
        )
