"""Bundles made by somebody, all checksums right: refused with a reason in one line, within little memory and time."""

import dataclasses
import os
import shutil
import time

import awkward as ak
import numpy as np
import pytest
import safetensors.numpy
import torch
from toy_taggers import HALF, OWN, Prongs, ProngsInputs, Sum, forge, load_toy, members_of, save_toy
from toys import toy_jets

from cortado import bundle
from cortado.bundle import archive, making
from cortado.models import ConditionalFlow


def set_in(*keys, to):
    def change(content):
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = to

    return change


def refused(path, match, **own):
    with pytest.raises(ValueError, match=match) as caught:
        bundle.load(path, **OWN | own)
    assert str(path) in str(caught.value)
    return str(caught.value)


POINT = dataclasses.asdict(HALF)
ALARM = dict.fromkeys(("rate", "threshold", "low", "high", "effective"), 0.5) | {"name": "a", "n_good": 3}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_in("model", "arguments", to=[1, 2]), r"model.arguments = \[1, 2\], required: an object"),
        (set_in("model", to="Sum"), "model = 'Sum', required: an object"),
        (set_in("model", "name", to=["Sum"]), r"model.name = \['Sum'\], required: a text"),
        (set_in("representation", to=None), "representation = None, required: an object"),
        (set_in("use", "arguments", to=3), "use.arguments = 3, required: an object"),
        (set_in("scaling", to=[1]), r"scaling = \[1\], required: an object"),
        (set_in("working_points", to={}), "working_points = {}, required: a list"),
        (set_in("working_points", to=[3]), "WorkingPoint cannot be made of 3"),
        (set_in("provenance", to=[]), r"provenance = \[\], required: an object"),
        (set_in("provenance", to={"fold": {"index": "a"}}), "fold = .*, required: whole numbers index, folds and seed"),
        (set_in("provenance", to={"fold": 3}), "fold = 3, required: whole numbers index, folds and seed"),
        (set_in("provenance", to={"domain": {"edges": 1}}), "provenance has a domain that is none"),
        (set_in("versions", to=[]), "bundle.json is cut short or not ours"),
        (set_in("members", to=[]), r"members = \[\], required: an object"),
        (set_in("members", to={}), "bundle.json does not seal canary.safetensors: it has None, required: bytes and"),
        (set_in("members", "weights.safetensors", to=7), "does not seal weights.safetensors: it has 7, required"),
        (set_in("members", "weights.safetensors", to={"bytes": "7"}), "does not seal weights.safetensors"),
        (set_in("working_points", to=[POINT | {"threshold": "0.5"}]), "threshold = '0.5', required: a finite number"),
        (set_in("working_points", to=[POINT | {"mistag": None}]), "'50%' has mistag = None, required: a finite number"),
        (set_in("working_points", to=[POINT | {"name": 3}]), "WorkingPoint 3 has name = 3, required: a text"),
        (set_in("working_points", to=[POINT | {"threshold": float("nan")}]), "not ours: .*NaN is no finite number"),
        (set_in("alarms", to=[ALARM | {"threshold": float("-inf")}]), "not ours: .*-Infinity is no finite number"),
        (set_in("alarms", to=[ALARM | {"n_good": True}]), "'a' has n_good = True, required: a finite number"),
        (set_in("representation", "arguments", to={"offsets": 3}), r"toy.cortado: canary: Prongs cannot prepare"),
        (set_in("representation", "arguments", to={"max_constituents": "3"}), "canary: Prongs cannot prepare"),
        (set_in("model", "arguments", to={"hidden": "x"}), "Sum cannot be made of {'hidden': 'x'}"),
        (set_in("model", "arguments", to={"hidden": -1}), "Sum cannot be made of {'hidden': -1}"),
        (set_in("scaling", to={"shift": [1]}), "cannot be made of"),
    ],
)
def test_wrong_types_are_told_with_the_field(tmp_path, change, message):
    forge(path := save_toy(tmp_path / "toy.cortado"), change)
    assert len(refused(path, message).splitlines()) == 1


def test_numbers_too_large_for_a_float_are_refused(tmp_path):
    """1e999 is right JSON, and an infinity to Python."""
    path = save_toy(tmp_path / "toy.cortado")
    members = members_of(path)
    archive.write(path, members | {"bundle.json": members["bundle.json"].replace(b"0.5", b"1e999", 1)})
    refused(path, "1e999 is no finite number")


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("name", ["outputs", "inputs/features"])
def test_a_canary_that_would_accept_anything_is_refused(tmp_path, name, value):
    path = save_toy(tmp_path / "toy.cortado")
    arrays = safetensors.numpy.load(members_of(path)["canary.safetensors"])
    arrays[name] = np.full_like(arrays[name], value)
    forge(path, canary_safetensors=safetensors.numpy.save(arrays))
    refused(path, "of (Sum|Prongs) was stored with .* values that are not finite")


def test_a_canary_without_objects_is_refused(tmp_path):
    path = save_toy(tmp_path / "toy.cortado")
    arrays = safetensors.numpy.load(members_of(path)["canary.safetensors"])
    none = {name: array[:0] for name, array in arrays.items()}
    forge(path, canary_safetensors=safetensors.numpy.save(none))
    refused(path, "canary: it has no objects, so it would accept any weights")


@pytest.mark.parametrize("position", range(4, 30))
def test_flags_of_the_zip_file_are_told_with_the_name(tmp_path, position):
    """Flags of a member say that it is encrypted, of a newer version, or compressed in another way."""
    path = save_toy(tmp_path / "toy.cortado")
    content = bytearray(path.read_bytes())
    entry = content.find(b"PK\x01\x02")
    for bit in range(8):
        flipped = content.copy()
        flipped[entry + position] ^= 1 << bit
        path.write_bytes(flipped)
        told = error_of(lambda: bundle.load(path, **OWN))
        assert told is None or told.startswith(f"{path}: ")


def error_of(function):
    """What a call says is wrong; None if nothing is."""
    try:
        function()
    except ValueError as error:
        return str(error)
    return None


# ---- memory and time


def seconds_and_bytes(function):
    """Time [s] and the growth of the peak of memory [bytes] of a call."""
    import resource

    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    function()
    return time.perf_counter() - begin, 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"features": 200_000_000}, "weights do not fit Sum"),
        ({"hidden": 1 << 40}, "weights do not fit Sum|cannot be made"),
        ({"hidden": [20_000_000]}, "weights do not fit Sum: the argument 20000000 is none of their sizes"),
    ],
)
def test_shapes_are_compared_before_memory_is_taken(tmp_path, arguments, message):
    forge(path := save_toy(tmp_path / "toy.cortado"), set_in("model", "arguments", to=arguments))
    seconds, grown = seconds_and_bytes(lambda: refused(path, message))
    assert seconds < 10
    assert grown < 300_000_000


class Deep(torch.nn.Module):
    """As many layers as it is told to have, and a grid that is no weight."""

    def __init__(self, *, depth=1, grid=2):
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Linear(2, 2) for _ in range(depth))
        self.register_buffer("grid", torch.zeros(grid, grid), persistent=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 90_000}, r"Deep cannot be made of {'depth': 90000}: it has more than 1040 parts, for 2 tensors"),
        ({"grid": 100_000}, r"weights do not fit Deep, which would take 40,000,000,0\d\d bytes, they \d+"),
    ],
)
def test_networks_without_end_are_not_made(arguments, message):
    weights = safetensors.torch.save(Deep().state_dict())
    assert isinstance(making.model_of("a.cortado", Deep, {}, weights), Deep)
    seconds, grown = seconds_and_bytes(lambda: refuse_to_make(arguments, weights, message))
    assert seconds < 10
    assert grown < 300_000_000


def refuse_to_make(arguments, weights, message):
    with pytest.raises(ValueError, match=f"a.cortado: .*{message}|a.cortado: {message}"):
        making.model_of("a.cortado", Deep, arguments, weights)


class Asking(torch.nn.Module):
    """Asks for a value while it is made, which the meta device does not have."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)
        self.sum = float(torch.ones(3).sum())


def test_a_network_of_the_callers_own_may_ask_for_values():
    weights = safetensors.torch.save(Asking().state_dict())
    assert making.model_of("a.cortado", Asking, {}, weights, own=True).sum == 3
    with pytest.raises(ValueError, match="Asking cannot be made of"):
        making.model_of("a.cortado", Asking, {}, weights)


def test_a_flow_which_cannot_be_sketched_is_as_large_as_its_weights():
    arguments = {"features": 2, "transforms": 1, "hidden": (4,)}
    weights = safetensors.torch.save(ConditionalFlow(**arguments).state_dict())
    assert isinstance(making.model_of("a.cortado", ConditionalFlow, arguments, weights), ConditionalFlow)
    with pytest.raises(ValueError, match="do not fit ConditionalFlow: the argument 40000 is none of their sizes"):
        making.model_of("a.cortado", ConditionalFlow, arguments | {"hidden": (4, 40_000)}, weights)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wide(Prongs):
    """Prongs padded to a length that the file names."""

    length: int = 40

    def __call__(self, jets):
        given = super().__call__(jets)
        added = self.length - given.mask.shape[1]
        return ProngsInputs(*(np.pad(x, ((0, 0), (0, added), (0, 0))[: x.ndim]) for x in given))


def test_a_representation_does_not_prepare_more_than_was_stored(tmp_path):
    path = save_toy(tmp_path / "wide.cortado", representation=Wide())
    own = {"representations": (Wide,)}
    assert bundle.load(path, **OWN | own).representation.length == 40
    forge(path, set_in("representation", "arguments", "length", to=100_000_000))
    message = r"canary: features of Wide has shape \('n', 100000000, 3\), at training it had \(8, 40, 3\)"
    seconds, grown = seconds_and_bytes(lambda: refused(path, message, **own))
    assert seconds < 5
    assert grown < 300_000_000


# ---- directories


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
@pytest.mark.parametrize("name", ["bundle.json", "weights.safetensors"])
def test_a_member_that_is_no_regular_file_is_refused(tmp_path, name, kind):
    path = save_toy(f"{tmp_path}/a.cortado/")
    member = path / name
    member.unlink()
    {"pipe": os.mkfifo, "device": lambda path: path.symlink_to("/dev/zero"), "folder": os.mkdir}[kind](member)
    seconds, _ = seconds_and_bytes(
        lambda: refused(path, rf"a.cortado: {name} is no regular file but a device, pipe or folder; refused")
    )
    assert seconds < 5


def test_a_bundle_that_is_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "a.cortado")
    refused(tmp_path / "a.cortado", "not a bundle: neither a file nor a directory but a device or pipe")


# ---- one reading


@pytest.mark.parametrize("ending", ["", "/"])
def test_a_bundle_that_is_exchanged_while_it_is_read_is_one_or_the_other(tmp_path, monkeypatch, ending):
    jets, path = toy_jets(10), tmp_path / "a.cortado"
    saved = [save_toy(f"{tmp_path}/{seed}.cortado{ending}", seed=seed) for seed in (21, 22)]
    expected = {bundle.fingerprint(each): load_toy(each)(jets).tolist() for each in saved}
    read, turns = archive.read, iter([1, 0] * 10)

    def exchange(number):
        if path.is_dir():
            shutil.rmtree(path)
        copy = shutil.copytree if ending else shutil.copy
        copy(saved[number], path)

    def exchanging(*arguments):
        content = read(*arguments)
        exchange(next(turns))
        return content

    from cortado.scoring import process

    exchange(0)
    monkeypatch.setattr(process, "_networks", {})
    monkeypatch.setattr(archive, "read", exchanging)
    for _ in range(3):
        scorer = load_toy(path)
        assert scorer(jets).tolist() == expected[scorer.predictor.sha256]
    assert next(turns) == 0  # three readings: one a load


def test_what_was_read_once_says_all_of_one_bundle(tmp_path):
    path = save_toy(tmp_path / "a.cortado")
    content = bundle.read(path)
    save_toy(path, seed=2)
    own = bundle.Own(**OWN)
    first = save_toy(tmp_path / "b.cortado")
    assert content.sha256 == bundle.fingerprint(first) != bundle.fingerprint(path)
    assert content.description() == bundle.describe(first)
    assert ak.array_equal(content.canary_objects(), bundle.canary_objects(first))
    for name, tensor in content.bundle(own).model.state_dict().items():
        assert torch.equal(tensor, bundle.load(first, **OWN).model.state_dict()[name])
    assert type(content.bundle(own).model) is Sum
