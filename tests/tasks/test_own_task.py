"""A task of a user's own, in a file of his own: it trains, resumes, is saved, loaded and exported like ours."""

import dataclasses
from functools import partial
from typing import ClassVar, NamedTuple

import awkward as ak
import numpy as np
import pytest
import torch

import cortado
from cortado import bundle, export, scoring
from cortado.models import MLP
from cortado.representations import HighLevel
from cortado.splits import Split
from cortado.tasks import Batch, Measured, Merit, Move
from cortado.training import Objects, Recipe, Study, evaluate, train
from cortado.training.lightning import Training


class CountTarget(NamedTuple):
    number: object


@dataclasses.dataclass(frozen=True, kw_only=True)
class Counts:
    """The output is the logarithm of a mean number."""

    name: str
    of_constituents: ClassVar[bool] = False
    fields: ClassVar[tuple[str, ...]] = ()
    meaning = property(lambda self: (self.name,))
    check = lambda self, path: None  # noqa: E731
    inputs = lambda self, prepared, rng: prepared  # noqa: E731
    shape = lambda self, prepared: (len(prepared[0]), 1)  # noqa: E731
    combined = lambda self, members: members[0]  # noqa: E731

    def answers(self, outputs, inputs):
        return {self.name: outputs[:, 0].exp()}

    def columns(self, answers, objects):
        return {name: ak.Array(answer.numpy()) for name, answer in answers.items()}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Count:
    """Learn a number by Poisson's likelihood: how many constituents a jet has."""

    field: str = "constituents"
    gives: ClassVar[type] = Counts
    merits: ClassVar = {"mean": Merit("mean", ".2f")}
    loss_title: ClassVar[str] = "Poisson loss"
    invertible: ClassVar[bool] = False
    categories: ClassVar[tuple[str, ...]] = ()
    fields = property(lambda self: (f"{self.field}.pt",))
    arguments = lambda self: {"classes": 1}  # noqa: E731
    use = lambda self, representation, model: Counts(name="number")  # noqa: E731

    def target(self, objects, category, inputs):
        return CountTarget(ak.to_numpy(ak.num(objects[self.field])).astype(np.float32))

    def _each(self, networks, batch):
        log_mean = networks["model"](*batch.inputs)[:, 0].float()
        return torch.nn.functional.poisson_nll_loss(log_mean, batch.target.number, reduction="none"), log_mean.exp()

    def moves(self, networks, batch):
        yield Move("model", (batch.weight * self._each(networks, batch)[0]).mean())

    def rows(self, networks, batch: Batch):
        return torch.stack([*self._each(networks, batch), batch.weight], dim=1)

    def judged(self, rows):
        loss, mean, weight = rows.T
        return {"loss": float((loss * weight).sum() / weight.sum()), "mean": float(mean.mean())}

    def measured(self, evaluate):
        return Measured({"mean": float(np.mean(evaluate().answers.number))})


@pytest.fixture
def study(toy_files):
    return Study(
        name="count",
        objects=Objects(files=toy_files, split=Split(validation=0.2, test=0.2)),
        representation=HighLevel(features=("multiplicity", "mass")),
        scaling="fit",
        model=partial(MLP, features=2, hidden=(16,)),
        task=Count(),
        recipe=Recipe(epochs=4, batch_size=32, learning_rate=1e-2, workers=0),
    )


def test_a_task_of_ones_own_trains_resumes_and_is_used(study, tmp_path, monkeypatch):
    whole = train(study, tmp_path / "whole", progress=False)
    begin = Training.on_train_epoch_start

    def killed(module):
        if module.current_epoch == 2:
            raise RuntimeError("killed")
        begin(module)

    monkeypatch.setattr(Training, "on_train_epoch_start", killed)
    with pytest.raises(RuntimeError, match="killed"):
        train(study, tmp_path / "cut", progress=False)
    monkeypatch.undo()
    resumed = train(study, tmp_path / "cut", resume=True, progress=False)
    assert [row.train_loss for row in resumed.epochs] == [row.train_loss for row in whole.epochs]
    assert whole.epochs[-1].validation_loss < whole.epochs[0].validation_loss
    assert f"mean {whole.metrics['mean']:.2f}" in str(whole)

    predictor = cortado.load(whole.bundle, uses=(Counts,))
    assert isinstance(predictor, scoring.Predictor)
    judged = evaluate(whole.bundle, study, columns=("pt",))
    jets = ak.flatten(cortado.read(study.objects.files[0]).jets)
    test = study.objects.split.subset(jets.event_key) == 2
    np.testing.assert_allclose(predictor(jets[test]).number, judged.answers.number[: int(np.sum(test))], rtol=1e-5)
    assert np.corrcoef(judged.answers.number, ak.num(judged.objects.constituents))[0, 1] > 0.7

    exported = export.to_torch_export(whole.bundle, tmp_path / "count.pt2", uses=(Counts,))
    assert exported.difference < 1e-4
    with pytest.raises(ValueError, match=r"unknown use 'Counts'; there are .*; or pass uses=\(Counts,\)"):
        bundle.load(whole.bundle)
