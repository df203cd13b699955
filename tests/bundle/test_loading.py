"""Bundles that are damaged, edited or none are refused, and nothing in a file is executed."""

import dataclasses
import json
import pickle
import platform
import zipfile

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from toy_taggers import (
    OWN,
    Prongs,
    ProngsInputs,
    forge,
    members_of,
    save_toy,
    write_members,
)
from toys import toy_jets

from cortado import bundle
from cortado.tasks import Classes


def load(path, **classes):
    return bundle.load(path, **(OWN | classes))


def logits(tagger, jets):
    return bundle.run(tagger.model.eval(), tagger.prepare(jets)).numpy()


def classes(*names, signal="w"):
    return Classes(classes=names, signal=signal)


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
        (set_in("format_version", to=4), r"format 4 of cortado .* is newer than 3, update cortado"),
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
    with pytest.raises(ValueError, match=rf"toy.cortado: {member}.safetensors cannot be read"):
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
