"""An adversary that cannot read the mass, nor where an object is from: toys whose answers are known."""

import dataclasses
import functools
from collections import deque
from typing import NamedTuple

import awkward as ak
import numpy as np
import pytest
import torch
import uproot
from tasks.cases import CASES, batch_of, made, tensors
from torch import nn
from toy_ising import CRITICAL, ising

from cortado import metrics
from cortado.models import MLP
from cortado.splits import Split
from cortado.tasks import Batch, Classify, Decorrelate, GenerateAgainst, Reconstruct, optional
from cortado.training import Objects, Recipe, Study, evaluate, train

CLASSES = {"background": lambda each: each.kind == 0, "signal": lambda each: each.kind == 1}


class Features(NamedTuple):
    features: object


def learned(task, objects, *, seed=1, epochs=30, batch_size=200):
    """Network of two features that has learned a task, and what it says of all objects, (n, 2)."""
    torch.manual_seed(seed)
    networks = {"model": MLP(features=2, hidden=(32, 32))}
    networks |= {name: rival.network() for name, rival in task.rivals().items()}
    steps = {name: torch.optim.Adam(network.parameters(), 3e-3) for name, network in networks.items()}
    features = torch.from_numpy(ak.to_numpy(objects.features).astype(np.float32))
    target = tensors(task.target(objects, task.category(objects), None))
    for _ in range(epochs):
        for index in torch.randperm(len(features)).split(batch_size):
            chosen = taken(target, index)
            for move in task.moves(networks, Batch(Features(features[index]), chosen, torch.ones(len(index)))):
                steps[move.network].zero_grad()
                move.loss.backward()
                steps[move.network].step()
    with torch.inference_mode():
        return networks["model"](features).softmax(1).numpy()


def taken(arrays, index):
    return type(arrays)(*(taken(a, index) for a in arrays)) if isinstance(arrays, tuple) else arrays[index]


def pivoted(number, seed=3):
    """The toy of Louppe et al., section 5.1: signal moves with a nuisance parameter z that is in both classes."""
    rng = np.random.default_rng(seed)
    kind, z = np.arange(number) % 2, rng.normal(0, 1, number)
    background = rng.multivariate_normal((0, 0), ((1, -0.5), (-0.5, 1)), number)
    signal = rng.normal(0, 1, (number, 2)) + np.stack([np.ones(number), 1 + z], axis=1)
    return ak.zip({"kind": kind, "z": z, "features": np.where(kind[:, None], signal, background)}, depth_limit=1)


def of_signal(objects, answers):
    """Distance correlation of score and z of signal objects, and the AUC."""
    score, signal = answers[:, 1], ak.to_numpy(objects.kind) == 1
    z = ak.to_numpy(objects.z)
    return metrics.distance_correlation(score[signal], z[signal]).distance.value, metrics.auc(signal, score).value


def test_a_score_does_not_know_what_the_adversary_looks_for():
    """Half of the distance correlation and more goes, the separation does not."""
    objects = pivoted(6_000)
    edges = (-6.0, -1.0, -0.5, 0.0, 0.5, 1.0, 6.0)
    task = Decorrelate(
        task=Classify(classes=CLASSES, signal="signal"),
        adversary=functools.partial(MLP, hidden=(32,)),
        field="z",
        bins=edges,
        only=("signal",),
        strength=10.0,
        adversary_steps=2,
    )
    plain = dataclasses.replace(task, strength=0.0, adversary_steps=1)
    knows, separates = of_signal(objects, learned(plain, objects))
    knows_less, still = of_signal(objects, learned(task, objects))
    assert knows > 0.3
    assert knows_less < knows / 2
    assert still > separates - 0.1


def mismodelled(number, seed=4):
    """Simulation with a variable that gives the class away, which in data without labels it does not."""
    rng = np.random.default_rng(seed)
    kind, is_data = np.arange(number) % 2, rng.random(number) < 0.5
    robust = rng.normal(np.where(kind, 1.0, -1.0), 1)
    spurious = rng.normal(np.where(is_data, 0.0, np.where(kind, 1.5, -1.5)), 0.5)
    truth = np.where(is_data, -1, kind)
    features = np.stack([robust, spurious], axis=1)
    return ak.zip({"kind": truth, "true": kind, "data": is_data, "features": features}, depth_limit=1)


def test_adaptation_builds_on_what_data_and_simulation_share():
    objects = mismodelled(6_000)
    task = Decorrelate(
        task=Classify(classes=CLASSES, signal="signal"),
        adversary=functools.partial(MLP, features=32, hidden=(32,)),
        unlabelled=lambda each: each.data,
        layer="network.3",
        adversary_steps=3,
    )
    is_data, is_signal = ak.to_numpy(objects.data), ak.to_numpy(objects.true) == 1

    def in_data(answers):
        return metrics.auc(is_signal[is_data], answers[is_data, 1]).value

    best = metrics.auc(is_signal[is_data], ak.to_numpy(objects.features)[is_data, 0]).value
    plain, adaptive = (
        dataclasses.replace(task, strength=0.0, adversary_steps=1),
        dataclasses.replace(task, strength=3.0),
    )
    without, adapted = (in_data(learned(each, objects)) for each in (plain, adaptive))
    assert without < best - 0.15
    assert adapted > best - 0.04


def test_the_gradient_is_that_of_the_task_minus_that_of_the_adversary():
    """Slow twin: two backward passes, the second one with reversed sign."""
    one = made(CASES["decorrelate"])
    task = dataclasses.replace(one.task, strength=0.7)
    batch = batch_of(one, one.objects)
    model, adversary = one.networks["model"], one.networks["adversary"]
    (inner_move,) = task.task.moves({"model": model}, batch._replace(target=batch.target.inner))
    of_task = gradients(inner_move.loss, model)
    seen = model(*batch.inputs).log_softmax(1)
    shown = batch.target.group >= 0
    each = nn.functional.cross_entropy(adversary(seen[shown]), batch.target.group[shown], reduction="sum")
    of_adversary = gradients(each / len(batch.weight), model)
    *_, move = task.moves(one.networks, batch)
    for whole, inner, other in zip(gradients(move.loss, model), of_task, of_adversary):
        torch.testing.assert_close(whole, inner - 0.7 * other, rtol=1e-4, atol=1e-6)


def gradients(loss, model):
    return torch.autograd.grad(loss, tuple(model.parameters()))


def test_groups_are_bins_of_the_field_of_the_categories_to_be_seen():
    task = CASES["decorrelate"].task
    objects = ak.Array({"mass": [-1.0, 0.0, 39.9, 40.0, 149.0, 150.0, 50.0], "truth_pdg_id": [0, 0, 0, 0, 0, 0, 24]})
    target = task.target(objects, task.category(objects), None)
    assert target.group.tolist() == [-1, 0, 0, 1, 2, -1, -1]
    assert target.labelled.all()


def test_information_is_that_of_a_perfect_adversary_and_of_a_blind_one():
    """An adversary that is sure knows the entropy of the groups; one that knows their shares alone knows nothing."""
    task, group = CASES["decorrelate"].task, torch.tensor([0.0, 0, 1, 2, -1])
    shares = torch.tensor([0.5, 0.5, 0.25, 0.25, 1.0])
    inner = torch.tensor([[0.0, 1, 2, -1], [1, 1, -1, 2], [0, 1, 1, 0], [1, 1, 0, 1], [1, 1, 0, 1]])
    for each, expected in ((torch.zeros(5), 1.5 * np.log(2)), (-shares.log(), 0.0)):
        rows = torch.cat([torch.stack([torch.ones(5), group, torch.ones(5), each], 1), inner], 1).double()
        assert task.judged(rows)["information"] == pytest.approx(expected, abs=1e-6)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spins:
    fields = ("values",)

    def __call__(self, maps):
        return Features(2 * ak.to_numpy(maps["values"]).astype(np.float32)[:, None] - 1)


class SpinNetwork(nn.Module):
    def __init__(self, *, channels=8, classes=2):
        super().__init__()
        torus = {"kernel_size": 3, "padding": 1, "padding_mode": "circular"}
        layers = [nn.Conv2d(1, channels, **torus), nn.ReLU(), nn.AvgPool2d(2)]
        layers += [nn.Conv2d(channels, channels, **torus), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten()]
        self.hidden = nn.Sequential(*layers, nn.Linear(16 * channels, 32), nn.ReLU())
        self.head = nn.Linear(32, classes)

    def forward(self, features):
        return self.head(self.hidden(features))


def is_labelled(maps):
    return maps.lumi == 1


def is_cold(maps):
    return is_labelled(maps) & (maps.label < 1.2)


def is_hot(maps):
    return is_labelled(maps) & (maps.label > 3.8)


@pytest.mark.timeout(300)
def test_the_ising_model_is_ordered_below_its_critical_temperature(tmp_path):
    """Labels far from the transition alone, and configurations of all temperatures without: arXiv:1710.08382."""
    rng = np.random.default_rng(1)
    temperature = np.concatenate([rng.uniform(1, 1.2, 150), rng.uniform(3.8, 4, 150), rng.uniform(1, 4, 1_200)])
    spins = ising(temperature, sweeps=200)
    np.testing.assert_allclose(np.abs(spins[:150].mean(axis=(1, 2))).mean(), 0.998, atol=0.002)  # Yang 1952, T = 1.1
    number, lumi = np.arange(len(spins)), np.where(np.arange(len(spins)) < 300, 1, 2)
    with uproot.recreate(tmp_path / "spins.root") as file:
        columns = {"run": number, "luminosityBlock": lumi, "map_label": temperature.astype(np.float32)}
        file["maps"] = {**columns, "map_values": ((spins + 1) // 2).astype(np.int32)}
    adversary = functools.partial(MLP, features=32, hidden=(32,))
    study = Study(
        name="ising",
        objects=Objects(files=(tmp_path / "spins.root",), collection="maps", split=Split(validation=0.2, test=0.0)),
        representation=Spins(),
        model=functools.partial(SpinNetwork),
        task=Decorrelate(
            task=Classify(classes={"cold": is_cold, "hot": is_hot}, signal="hot"),
            adversary=adversary,
            unlabelled=lambda maps: maps.lumi == 2,
            layer="hidden",
            strength=0.1,
        ),
        recipe=Recipe(epochs=20, batch_size=64, learning_rate=1e-3, workers=0),
    )
    trained = train(study, tmp_path / "out")
    every = evaluate(trained.bundle, study, subset="all", columns=("label",))
    assert every.categories == ("cold", "hot", "unlabelled")
    chosen = every.members("unlabelled")
    temperatures, hot = (ak.to_numpy(column)[chosen] for column in (every.objects.label, every.answers.hot))
    assert abs(crossing(temperatures, hot) - CRITICAL) < 0.15
    with pytest.raises(ValueError, match="category = 'hott', required: one of cold, hot, unlabelled; nearest: hot"):
        every.members("hott")


def crossing(temperature, probability):
    """Where the mean probability of bins of temperature first passes one half, by a line between their centres."""
    edges = np.linspace(1, 4, 31)
    place = np.digitize(temperature, edges) - 1
    mean = np.bincount(place, probability, 30) / np.bincount(place, minlength=30)
    first = int(np.flatnonzero((mean[:-1] < 0.5) & (mean[1:] >= 0.5))[0])
    return edges[first] + 0.05 + 0.1 * (0.5 - mean[first]) / (mean[first + 1] - mean[first])


GOOD = {
    "task": Classify(classes=CLASSES, signal="signal"),
    "adversary": functools.partial(MLP, hidden=(8,)),
    "field": "z",
    "bins": (0.0, 1.0, 2.0),
}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"adversary": MLP}, r"adversary = .*, required: functools.partial\(Network"),
        ({"strength": -1.0}, "strength = -1.0, required: a number of at least 0"),
        ({"field": None, "bins": ()}, "field = None, required: a name, or None with `unlabelled`"),
        ({"unlabelled": len}, "field = 'z', required: a name, or None with `unlabelled`"),
        ({"field": None, "unlabelled": len}, r"bins = \(0.0, 1.0, 2.0\), required: \(\) with `unlabelled`"),
        ({"bins": (0.0, 1.0)}, "bins = .*, required: three or more increasing edges"),
        ({"bins": (0.0, 2.0, 1.0)}, "bins = .*, required: three or more increasing edges"),
        ({"only": "signal"}, "only = 'signal', required: a tuple of names, not one string"),
        ({"only": ("signl",)}, "only = .*nearest: signal"),
        ({"task": GenerateAgainst(critic=functools.partial(MLP))}, "task = .*, required: a task of one network"),
        ({"task": Reconstruct()}, r"adversary = .*, required: partial\(Network, features=...\)"),
        ({"layer": "head"}, r"adversary = .*, required: partial\(Network, features=...\)"),
        ({"adversary_rate": 0.0}, "adversary_rate = 0.0, required: a positive number"),
        ({"adversary_steps": 0}, "adversary_steps = 0, required: at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Decorrelate(**{**GOOD, **wrong})


def test_a_layer_that_is_not_there_is_named():
    one = made(CASES["adapt"])
    near = "PFN has no layer 'head.7'.*nearest: head.*"
    for layer, message in (("head.7", near), ("phi", "gives .* no row each")):
        task = dataclasses.replace(one.task, layer=layer)
        with pytest.raises(ValueError, match=message):
            deque(task.moves(one.networks, batch_of(one, one.objects)))


def test_an_object_with_and_without_a_label_is_refused():
    objects = ak.Array({"kind": [0, 1, 1], "data": [False, True, False]})
    task = Decorrelate(**{**GOOD, "field": None, "bins": (), "unlabelled": lambda each: each.data})
    with pytest.raises(ValueError, match="1 objects are unlabelled, but also in a category, the first in signal"):
        task.category(objects)


def test_a_scaling_is_that_of_the_objects_that_are_learned_from():
    """Normal ones and those without labels, not the anomalies."""
    inner = Reconstruct(normal=CLASSES["background"], anomalies={"signal": CLASSES["signal"]})
    adversary = functools.partial(MLP, hidden=(8,), features=1)
    task = Decorrelate(task=inner, adversary=adversary, unlabelled=lambda each: each.data)
    assert optional.learned(task, np.array([0, 1, 2, -1])).tolist() == [True, False, True, False]
