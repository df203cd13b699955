"""A representation, a network and bundles of them, as small as can be; importable by worker processes."""

import dataclasses
import json
import os
import zipfile
from hashlib import sha256
from typing import NamedTuple

import awkward as ak
import numpy as np
import safetensors.numpy
import torch
from toys import toy_jets

from cortado import bundle, scoring
from cortado.tasks import Classes
from cortado.weights import WorkingPoint


class ProngsInputs(NamedTuple):
    features: np.ndarray  # (n, p, 3)
    mask: np.ndarray  # (n, p)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prongs:
    """Momentum fraction and offsets of the constituents, padded to the longest jet."""

    max_constituents: int = 40
    offsets: tuple[float, ...] = (0.0, 0.0)

    @property
    def fields(self):
        return ("pt", "eta", "phi", "constituents.pt", "constituents.eta", "constituents.phi")

    def __call__(self, jets):
        constituents = jets.constituents[:, : self.max_constituents]
        counts = ak.to_numpy(ak.num(constituents))
        length = max(1, int(counts.max(initial=0)))
        delta_phi = (constituents.phi - jets.phi + np.pi) % (2 * np.pi) - np.pi
        columns = (
            constituents.pt / jets.pt,
            constituents.eta - jets.eta - self.offsets[0],
            delta_phi - self.offsets[1],
        )
        padded = [ak.to_numpy(ak.fill_none(ak.pad_none(x, length, clip=True), 0.0)) for x in columns]
        features = np.stack(padded, axis=-1).astype(np.float32).reshape(len(jets), length, 3)
        return ProngsInputs(features, np.arange(length) < counts[:, None])


class KinematicsInputs(NamedTuple):
    features: np.ndarray  # (n, 2)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kinematics:
    """Two numbers of the jet, none of its constituents."""

    fields = ("pt", "mass")

    def __call__(self, jets):
        columns = [ak.to_numpy(jets[name]) / np.float32(100) for name in self.fields]
        return KinematicsInputs(np.stack(columns, axis=-1).astype(np.float32))


class Sum(torch.nn.Module):
    """Deep set of one layer."""

    def __init__(self, *, features=3, hidden=8, classes=2):
        super().__init__()
        self.each = torch.nn.Sequential(
            torch.nn.Linear(features, hidden), torch.nn.BatchNorm1d(hidden), torch.nn.ReLU()
        )
        self.all = torch.nn.Linear(hidden, classes)

    def forward(self, features, mask):
        nodes = self.each(features.flatten(0, 1)).unflatten(0, mask.shape)
        return self.all((nodes * mask.unsqueeze(-1)).sum(1))


class Linear(torch.nn.Module):
    def __init__(self, *, features=2, classes=2):
        super().__init__()
        self.layer = torch.nn.Linear(features, classes)

    def forward(self, features):
        return self.layer(features)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Winner:
    """A use of our own: the index of the largest output, and by how much it is larger than the mean."""

    labels: tuple[str, ...]

    of_constituents = False
    fields = ()

    @property
    def meaning(self):
        return (self.labels,)

    def check(self, path):
        if not self.labels:
            raise ValueError(f"{path}: no labels")

    def inputs(self, prepared, rng):
        return prepared

    def shape(self, prepared):
        return len(prepared[0]), len(self.labels)

    def answers(self, outputs, inputs):
        return {"winner": outputs.argmax(1), "margin": outputs.amax(1) - outputs.mean(1)}

    def columns(self, answers, objects):
        return {name: ak.from_numpy(values.numpy()) for name, values in answers.items()}

    def combined(self, members):
        raise ValueError("winners cannot be averaged")


OWN = {"representations": (Prongs, Kinematics), "models": (Sum, Linear)}
QCD_OR_W = Classes(classes=("qcd", "w"), signal="w")
HALF = WorkingPoint(
    name="50%",
    threshold=0.5,
    efficiency=0.6,
    efficiency_err=0.03,
    mistag=0.2,
    mistag_err=0.02,
    n_signal=100,
    n_background=100,
)


def toy_bundle(seed=1, **changes):
    """An untrained tagger whose scores spread around one half."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Sum(hidden=6)
        torch.nn.init.normal_(model.each[1].running_mean, std=0.1)  # a batch norm that does something
    chain = {"representation": Prongs(), "model": model, "arguments": {"hidden": 6}}
    about = {"use": QCD_OR_W, "working_points": (HALF,), "provenance": {"seed": seed}}
    return bundle.Bundle(**(chain | about | changes))


def save_toy(path, seed=1, **changes):
    return bundle.save(toy_bundle(seed, **changes), path, canary=toy_jets(8, seed=3))


def load_toy(path, **settings):
    return scoring.load(path, **OWN, **settings)


def changed(scorer, **settings):
    """The scorer, or what else was loaded, with other settings of its one predictor."""
    return dataclasses.replace(scorer, predictor=dataclasses.replace(scorer.predictor, **settings))


def fold_bundles(folder, folds=3, save=save_toy, is_fold=True, **changes):
    """Bundles of a k-fold training, each with a threshold of its own; or the same networks, of all events."""
    return [
        save(
            folder / f"{fold}.cortado",
            seed=fold,
            provenance={"fold": {"index": fold, "folds": folds, "seed": 11} if is_fold else None},
            working_points=(dataclasses.replace(HALF, threshold=0.4 + 0.05 * fold, efficiency=0.6 + 0.1 * fold),),
            **changes,
        )
        for fold in range(folds)
    ]


def members_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_members(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def forge(path, change=lambda content: None, **members):
    """Change the description or other members of a bundle, and all checksums with them."""
    there = members_of(path) | {name.replace("_", "."): content for name, content in members.items()}
    content = json.loads(there["bundle.json"])
    content.pop("sha256")
    for name in content["members"]:
        content["members"][name] = {"bytes": len(there[name]), "sha256": sha256(there[name]).hexdigest()}
    change(content)
    content["sha256"] = sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    write_members(path, there | {"bundle.json": json.dumps(content).encode()})


def to_format_1(path, **about):
    """Write the bundle as the former format did, which had a task and classes in the place of the use."""
    names = {"outputs": "logits", "drawn/noise": "noise"}
    arrays = safetensors.numpy.load(members_of(path)["canary.safetensors"])
    former = {names.get(name, name.replace("objects/", "jets/", 1)): array for name, array in arrays.items()}

    def change(content):
        content.pop("use")
        content.pop("lengths")
        content.update(format_version=1, **about)

    forge(path, change, canary_safetensors=safetensors.numpy.save(former))


def score_chunk(scorer, jets):
    """For worker processes: scores, the process, and how often it has read a bundle."""
    return ak.to_list(scorer(jets)), os.getpid(), scoring.loads()
