import dataclasses
import errno
import json
import os
import pickle
import platform
import zipfile

import awkward as ak
import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from toy_taggers import (
    OWN,
    Kinematics,
    Linear,
    Prongs,
    ProngsInputs,
    Sum,
    forge,
    members_of,
    save_toy,
    toy_bundle,
    write_members,
)
from toys import toy_jets

from cortado import bundle
from cortado.tasks import Classes


@pytest.fixture
def saved(tmp_path):
    return save_toy(tmp_path / "toy.cortado")


def load(path, **classes):
    return bundle.load(path, **(OWN | classes))


def logits(tagger, jets):
    return bundle.run(tagger.model.eval(), tagger.prepare(jets)).numpy()


# Round trip


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


# What must not be saved


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


class Undescribed(Prongs):
    pass


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
        ({"arguments": {"hidden": np.float32(6)}}, "Sum hidden=.* cannot be written as JSON"),
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


# Damage


def test_cut_short_anywhere(saved):
    content = saved.read_bytes()
    for length in np.linspace(10, len(content) - 1, 25).astype(int):
        saved.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"toy.cortado: cut short or damaged"):
            load(saved)


def test_any_flipped_byte_is_found_or_harmless(saved):
    content = bytearray(saved.read_bytes())
    jets = toy_jets(5)
    expected = logits(load(saved), jets)
    found = 0
    for position in np.random.default_rng(1).integers(0, len(content), 150):
        damaged = content.copy()
        damaged[position] ^= 0xFF
        saved.write_bytes(damaged)
        try:
            same = np.array_equal(logits(load(saved), jets), expected)  # a date in the zip's directory
        except ValueError:
            found += 1
        else:
            assert same
    assert found > 130


@pytest.mark.parametrize("member", ["weights.safetensors", "canary.safetensors", "bundle.json"])
def test_members_of_a_directory_cut_short_or_edited(tmp_path, member):
    file = save_toy(f"{tmp_path}/a.cortado/") / member
    content = file.read_bytes()
    file.write_bytes(content[:-20])
    with pytest.raises(ValueError, match=rf"{member} is cut short"):
        load(tmp_path / "a.cortado")
    file.write_bytes(content.replace(b"qcd", b"QCD") if b"qcd" in content else content[:-1] + b"\x01")
    with pytest.raises(ValueError, match=rf"{member} was edited"):
        load(tmp_path / "a.cortado")
    file.unlink()
    with pytest.raises(ValueError, match=rf"not a bundle, it lacks {member}"):
        load(tmp_path / "a.cortado")


def set_in(*keys, to):
    def change(content):
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = to

    return change


@pytest.mark.parametrize(
    "change, message",
    [
        (set_in("format_version", to=3), r"format 3 of cortado .* is newer than 2, update cortado"),
        (set_in("model", "arguments", to={"hidden": 5}), r"weights do not fit Sum\({'hidden': 5}\)"),
        (set_in("model", "name", to="Sun"), r"unknown model 'Sun'; nearest: Sum.*pass models=\(Sun,\)"),
        (set_in("representation", "name", to="Prong"), r"unknown representation 'Prong'; nearest: Prongs"),
        (set_in("representation", "arguments", to={"max_constituents": 3}), "features of Prongs has shape"),
        (
            set_in("representation", "arguments", to={"offsets": [0.5, 0]}),
            "features of Prongs differs .* 0.5 ",
        ),
        (set_in("representation", "arguments", to={"colour": 3}), "Prongs cannot be made of {'colour': 3}"),
        (set_in("representation", "name", to="Kinematics"), "Kinematics cannot be made of"),
        (
            set_in("use", "arguments", "classes", to=["qcd", "w", "z"]),
            "needed for Classes.*'qcd', 'w', 'z'",
        ),
        (set_in("use", "arguments", "signal", to="z"), "signal 'z' is none of the classes"),
        (lambda content: content.pop("use"), "bundle.json lacks 'use'"),
        (set_in("working_points", to=[{"name": "50%"}]), "WorkingPoint cannot be made of"),
    ],
)
def test_an_edited_description_with_new_checksums(saved, change, message):
    forge(saved, change)
    with pytest.raises(ValueError, match=message):
        load(saved)


def test_exchanged_weights_with_new_checksums(saved):
    state = safetensors.torch.load(members_of(saved)["weights.safetensors"])
    state["all.bias"] = state["all.bias"] + 0.25
    forge(saved, weights_safetensors=safetensors.torch.save(state))
    with pytest.raises(ValueError, match=r"outputs of Sum differs from training by up to 0.25 \(allowed: 0.0001\)"):
        load(saved)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda arrays: arrays.pop("outputs"), "outputs of Sum has shape .* at training it was not there"),
        (lambda arrays: arrays.pop("objects/eta"), "canary: Prongs cannot prepare its objects: no field named 'eta'"),
        (lambda arrays: arrays.update({"objects/constituents:counts": np.array([1, 2])}), "Prongs cannot prepare"),
        (lambda arrays: arrays.update({"objects/pt": arrays["objects/pt"] * 1.1}), "features of Prongs differs"),
    ],
)
def test_an_edited_canary_with_new_checksums(saved, change, message):
    arrays = safetensors.numpy.load(members_of(saved)["canary.safetensors"])
    change(arrays)
    forge(saved, canary_safetensors=safetensors.numpy.save(arrays))
    with pytest.raises(ValueError, match=message):
        load(saved)


@pytest.mark.parametrize("member", ["weights", "canary"])
def test_members_that_are_no_safetensors_with_new_checksums(saved, member):
    forge(saved, **{f"{member}_safetensors": b"x" * 100})
    with pytest.raises(ValueError, match=r"toy.cortado: (weights do not fit|canary.safetensors cannot be read)"):
        load(saved)


def test_a_representation_that_changed_since_the_training(saved):
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Changed(Prongs):
        def __call__(self, jets):
            inputs = super().__call__(jets)
            return ProngsInputs(inputs.features[..., ::-1], inputs.mask)

    Changed.__name__ = "Prongs"
    with pytest.raises(ValueError, match="canary: features of Prongs differs from training"):
        load(saved, representations=(Changed,))


def test_other_versions_are_a_warning(saved):
    forge(saved, set_in("versions", "numpy", to="1.26.4"))
    with pytest.warns(UserWarning, match=r"written with numpy 1.26.4 \(here "):
        load(saved)


# Files that are none of ours


class Witness:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_no_pickle_is_ever_opened(tmp_path, saved):
    witness = tmp_path / "executed"
    torch.save({"w": Witness(witness)}, tmp_path / "torch.cortado")
    (tmp_path / "plain.cortado").write_bytes(pickle.dumps(Witness(witness)))
    write_members(tmp_path / "inside.cortado", {**members_of(saved), "weights.pkl": pickle.dumps(Witness(witness))})
    directory = save_toy(f"{tmp_path}/directory.cortado/")
    (directory / "weights.pkl").write_bytes(pickle.dumps(Witness(witness)))
    for name in ("torch", "plain", "inside", "directory"):
        with pytest.raises(ValueError, match=rf"{name}.cortado: .*pickle.* can run any code, so it is refused"):
            load(tmp_path / f"{name}.cortado")
    assert not witness.exists()


@pytest.mark.parametrize("content", [b"", b"root\x00\x00", b"hello, this is a text"])
def test_not_a_bundle(tmp_path, content):
    path = tmp_path / "a.cortado"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a.cortado: not a bundle: neither a zip file nor a directory"):
        load(path)


def test_a_zip_of_something_else(tmp_path):
    write_members(tmp_path / "a.zip", {"readme.txt": b"x"})
    with pytest.raises(ValueError, match=r"not a bundle, it lacks bundle.json, .* \(it holds readme.txt\)"):
        load(tmp_path / "a.zip")


@pytest.mark.parametrize("name", ["../../evil.txt", "/etc/passwd", "notes.txt"])
def test_members_beside_ours_are_refused(tmp_path, saved, name):
    write_members(saved, {**members_of(saved), name: b"x"})
    with pytest.raises(ValueError, match=r"holds .* beside bundle.json, canary.safetensors, weights.safetensors"):
        load(saved)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_is_refused(saved):
    with zipfile.ZipFile(saved, "a") as archive:
        archive.writestr("bundle.json", "{}")
    with pytest.raises(ValueError, match=r"holds one name twice"):
        load(saved)


def test_compressed_members_are_refused(saved):
    write_members(saved, members_of(saved), zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match=r"bundle.json.* compressed; a bundle stores its members as they are"):
        load(saved)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"format_version": "x"}', b"[" * 100_000])
def test_a_description_that_is_no_description(saved, content):
    write_members(saved, {**members_of(saved), "bundle.json": content})
    with pytest.raises(ValueError, match=r"bundle.json is cut short or not ours"):
        load(saved)


def test_a_missing_bundle_names_the_nearest_and_the_host(saved):
    with pytest.raises(FileNotFoundError, match=f"toi.cortado on host {platform.node()}; nearest: toy.cortado"):
        load(saved.with_name("toi.cortado"))
    with pytest.raises(FileNotFoundError, match=r"no bundle in .*nowhere"):
        load(saved.parent / "nowhere" / "toy.cortado")


def test_description_in_the_file_is_plain_json(saved):
    assert json.loads(members_of(saved)["bundle.json"])["format"] == "cortado bundle"
