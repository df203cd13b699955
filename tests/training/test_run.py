"""Trainings end to end: they learn, repeat, go on after a kill, and leave bundles that others can use."""

import csv
import functools
import hashlib
import multiprocessing
import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from cortado import bundle as bundles
from cortado import metrics, reading, scoring
from cortado.models import PFN
from cortado.splits import TEST, TRAIN, fold
from cortado.training import evaluate, train, train_folds
from cortado.training.lightning import Training
from cortado.training.loading import examples, parts_of

LONG = {"epochs": 6, "workers": 1, "learning_rate": 0.01, "name": "long"}


@pytest.fixture(scope="module")
def trained(study, tmp_path_factory):
    """One training that several tests look at: its study, its folder and its result."""
    folder = tmp_path_factory.mktemp("trained")
    return study(**LONG), folder, train(study(**LONG), folder, progress=False)


@pytest.fixture(scope="module")
def plain(study, tmp_path_factory):
    """One epoch with the default recipe."""
    return train(study(epochs=1), tmp_path_factory.mktemp("plain"), progress=False)


def weights_of(path):
    return {name: value.numpy() for name, value in bundles.load(path).model.state_dict().items()}


def assert_same_weights(first, second):
    first, second = weights_of(first), weights_of(second)
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


# ---------------------------------------------------------------- what it gives


def test_working_points_at_mistag_rates_are_kept(study, tmp_path):
    result = train(study(epochs=1, mistags=(0.2, 0.1), mistag_class="QCD"), tmp_path, progress=False)
    points = {point.name: point for point in bundles.load(result.bundle).working_points}
    assert list(points) == ["30%", "50%", "70%", "20% mistag", "10% mistag"]
    assert 0 < points["10% mistag"].mistag <= 0.1 < points["20% mistag"].mistag <= 0.2


@pytest.mark.parametrize(
    ("change", "message"),
    [({"mistags": (0.0,)}, "required: mistag rates in"), ({"mistag_class": "top"}, "mistag_class = 'top', required")],
)
def test_mistag_rates_of_a_study_are_checked(study, change, message):
    with pytest.raises(ValueError, match=message):
        study(**change)


def test_training_separates_the_toys(trained):
    study, _, result = trained
    judged = evaluate(result.bundle, study, subset="test")
    assert metrics.auc(judged.members("top"), judged.answers.top).value > 0.9
    assert result.epochs[-1].validation_loss < 0.8 * result.epochs[0].validation_loss


def test_the_table_is_in_the_history_too(trained):
    _, folder, result = trained
    with open(folder / "history.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(1, 7))
    assert [float(row["validation_auc"]) for row in rows] == [row.merits["auc"] for row in result.epochs]


def test_the_best_epoch_is_kept(trained):
    study, _, result = trained
    judged = evaluate(result.bundle, study, subset="validation")
    p = np.where(judged.members("top"), *(np.asarray(judged.answers[name]) for name in ("top", "QCD")))
    training = {name: counts[0] for name, counts in bundles.load(result.bundle).provenance["objects"].items()}
    alike = np.where(judged.members("top"), 1 / training["top"], 1 / training["QCD"])  # as in the training
    loss = -np.average(np.log(p), weights=alike)
    assert loss == pytest.approx(min(row.validation_loss for row in result.epochs), rel=1e-4)


def test_the_bundle_scores_as_the_evaluation(trained):
    study, _, result = trained
    judged = evaluate(result.bundle, study, files=study.objects.files[1:2], subset="all", columns=("pt",))
    jets = reading.read(study.objects.files[1]).jets
    np.testing.assert_allclose(judged.answers.top, np.asarray(scoring.load(result.bundle)(jets))[:, 0], atol=1e-5)
    np.testing.assert_array_equal(judged.objects.pt, np.asarray(jets.pt)[:, 0])


def test_working_points_are_those_of_the_validation_jets(trained):
    study, _, result = trained
    judged = evaluate(result.bundle, study, subset="validation")
    points = bundles.load(result.bundle).working_points
    assert [point.name for point in points] == ["30%", "50%", "70%"]
    for point, wanted in zip(points, study.task.working_points):
        passes = np.asarray(judged.answers.top) >= point.threshold
        assert point.efficiency == pytest.approx(passes[judged.members("top")].mean(), abs=0.02)
        assert point.efficiency >= wanted * (1 - 1e-9)
        assert point.mistag == pytest.approx(passes[~judged.members("top")].mean(), abs=0.02)


def test_provenance_says_where_it_comes_from(trained):
    study, _, result = trained
    provenance = bundles.load(result.bundle).provenance
    digests = {sample["file"]: sample["sha256"] for sample in provenance["samples"]}
    for path in study.objects.files:
        assert digests[os.path.basename(path)] == hashlib.sha256(Path(path).read_bytes()).hexdigest()
    assert provenance["split"] == {"validation": 0.2, "test": 0.2, "seed": 0}
    assert provenance["study"]["recipe"]["learning_rate"] == 0.01
    assert provenance["metrics"]["auc"] == result.metrics["auc"]


def test_only_what_a_person_reads_is_printed(study, tmp_path, capfd):
    train(study(balance=None), tmp_path)
    out, err = capfd.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0].split() == ["class", "training", "validation", "test"]
    assert lines[3].split()[0] == "epoch"
    assert [line.split()[0] for line in lines[4:6]] == ["1/2", "2/2"]
    assert lines[6].startswith(f"wrote {tmp_path / 'toy.cortado'}: epoch")
    assert len(lines) == 7


# ---------------------------------------------------------------- recipes


def test_equal_seeds_give_equal_trainings(plain, study, tmp_path):
    assert_same_weights(train(study(epochs=1), tmp_path / "again", progress=False).bundle, plain.bundle)
    other = train(study(epochs=1, seed=2), tmp_path / "other", progress=False)
    assert other.epochs[0].train_loss != plain.epochs[0].train_loss


def test_patience_ends_a_training_that_does_not_get_better(study, tmp_path):
    stuck = study(epochs=20, patience=2, learning_rate=1e-12, schedule="constant")
    assert len(train(stuck, tmp_path, progress=False).epochs) <= 4


@pytest.mark.parametrize(
    "change", [{"averaging": 0.9}, {"precision": "bfloat16"}, {"gradient_clip": 1e-3}, {"bucket": True}]
)
def test_every_way_of_training_gives_a_bundle_of_its_own(study, plain, tmp_path, change):
    changed = weights_of(train(study(epochs=1, **change), tmp_path, progress=False).bundle)
    assert all(np.all(np.isfinite(values)) for values in changed.values())
    assert any(np.any(changed[name] != values) for name, values in weights_of(plain.bundle).items())


def test_more_than_two_classes(study, tmp_path):
    classes = {
        "QCD": lambda jets: (jets.is_signal == 0) & (jets.eta > 0),
        "other": lambda jets: (jets.is_signal == 0) & (jets.eta <= 0),
        "top": lambda jets: jets.is_signal == 1,
    }
    three = study(classes=classes)
    judged = evaluate(train(three, tmp_path, progress=False).bundle, three)
    assert judged.answers.fields == list(judged.categories) == ["QCD", "other", "top"]
    np.testing.assert_allclose(sum(judged.answers[name] for name in classes), 1, rtol=1e-5)


def test_each_epoch_has_all_jets_in_an_order_of_its_own(study, tmp_path, monkeypatch):
    step, seen = Training.training_step, {0: [], 1: []}

    def spied(module, batch, index):
        seen[module.current_epoch] += batch.inputs.features.sum(dim=(1, 2)).tolist()
        return step(module, batch, index)

    monkeypatch.setattr(Training, "training_step", spied)
    train(study(workers=2), tmp_path, progress=False)
    assert seen[0] != seen[1]
    np.testing.assert_allclose(sorted(seen[0]), sorted(seen[1]), rtol=1e-3, atol=1e-3)


# ---------------------------------------------------------------- kill and resume


def slowly(step):
    """The same step, so long that a training can be caught in the middle of an epoch."""
    return lambda *args: time.sleep(0.03) or step(*args)


def stopped(study, folder, number):
    """Train in another process and send it a signal in its third epoch or so; what it said when it ended."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def body():
        Training.training_step = slowly(Training.training_step)
        try:
            train(study, folder, progress=False)
        except BaseException as error:
            theirs.send(repr(error))

    process = context.Process(target=body)
    process.start()
    history, last = folder / "history.csv", folder / "checkpoints" / "last.ckpt"
    while process.is_alive() and not (last.exists() and len(history.read_text().splitlines()) >= 3):
        time.sleep(0.01)
    os.kill(process.pid, number)
    process.join(60)
    assert not (folder / f"{study.name}.cortado").exists(), "the training had ended before it was stopped"
    return process.exitcode, ours.recv() if ours.poll() else ""


def test_a_killed_training_goes_on_to_the_same_end(trained, study, tmp_path):
    code, _ = stopped(study(**LONG), tmp_path, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert 1 <= torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] + 1 < 6
    result = train(study(**LONG), tmp_path, resume=True, progress=False)
    assert [row.epoch for row in result.epochs] == list(range(1, 7))
    assert [row.validation_loss for row in result.epochs] == [row.validation_loss for row in trained[2].epochs]
    assert_same_weights(result.bundle, trained[2].bundle)


def test_averaged_weights_are_resumed_too(study, tmp_path):
    averaged = study(**LONG, averaging=0.9)
    whole = train(averaged, tmp_path / "whole", progress=False)
    code, _ = stopped(averaged, tmp_path / "killed", signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert_same_weights(train(averaged, tmp_path / "killed", resume=True, progress=False).bundle, whole.bundle)


def test_tensorboard_gets_the_figures_of_merit(study, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    result = train(study(epochs=2), tmp_path, tensorboard=True, progress=False)
    logs = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    logged = [event.value for event in logs.Scalars("validation_auc")]
    np.testing.assert_allclose(logged, [row.merits["auc"] for row in result.epochs], rtol=1e-6)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_training_says_how_to_go_on(trained, study, tmp_path, number):
    _, said = stopped(study(**LONG), tmp_path, number)
    assert "KeyboardInterrupt" in said
    assert re.search("[123] of 6 epochs are kept", said)
    assert "resume=True goes on" in said
    result = train(study(**LONG), tmp_path, resume=True, progress=False)
    assert_same_weights(result.bundle, trained[2].bundle)


def test_a_training_that_is_ended_in_its_last_validation_ends(study, tmp_path, monkeypatch):
    judged = Training.on_validation_epoch_end

    def ended(module):
        judged(module)
        if module.current_epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(Training, "on_validation_epoch_end", ended)
    with pytest.raises(KeyboardInterrupt, match=r"2 of 2 epochs are kept in .*resume=True goes on"):
        train(study(epochs=2), tmp_path, progress=False)
    assert signal.getsignal(signal.SIGTERM) == before
    assert not list(tmp_path.glob("*.cortado"))
    monkeypatch.undo()
    assert len(train(study(epochs=2), tmp_path, resume=True, progress=False).epochs) == 2


def test_a_training_whose_workers_are_ended_first_says_how_to_go_on(study, tmp_path, monkeypatch):
    step = Training.training_step

    def ended(module, batch, index):
        if module.current_epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)
            raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Terminated.")
        return step(module, batch, index)

    monkeypatch.setattr(Training, "training_step", ended)
    with pytest.raises(KeyboardInterrupt, match=r"1 of 2 epochs are kept in .*resume=True goes on"):
        train(study(epochs=2), tmp_path, progress=False)


def test_a_finished_training_is_not_repeated(trained, capsys):
    study, folder, result = trained
    before = result.bundle.stat().st_mtime_ns
    again = train(study, folder, resume=True)
    assert "nothing is left to do" in capsys.readouterr().out
    assert result.bundle.stat().st_mtime_ns == before
    assert again.epochs == result.epochs
    assert again.metrics == result.metrics


def test_a_training_is_not_overwritten(trained):
    study, folder, _ = trained
    with pytest.raises(FileExistsError, match=r"holds a training: resume=True \(--resume\) goes on"):
        train(study, folder, progress=False)


def test_another_study_is_not_resumed(trained, study):
    with pytest.raises(ValueError, match=r"holds the training of another study: recipe.seed was 1, is 2"):
        train(study(**LONG, seed=2), trained[1], resume=True, progress=False)


# ---------------------------------------------------------------- folds


def test_no_fold_is_trained_on_its_own_events(study):
    chosen = study(folds=3)
    for part in parts_of(chosen)[:3]:
        key = np.asarray(reading.records(part.step).jets.event_key)[:, 0]
        for held_out in range(3):
            subset = examples(chosen, part, held_out=held_out).subset
            assert not np.any((fold(key, 3) == held_out) & (subset != TEST))
            assert not np.any((fold(key, 3) != held_out) & (subset == TEST))
            assert np.any(subset == TRAIN)


def test_fold_bundles_score_only_what_they_have_not_seen(study, tmp_path):
    chosen = study(folds=2)
    results = train_folds(chosen, tmp_path, progress=False)
    jets = reading.read(chosen.objects.files[0]).jets
    score = np.asarray(scoring.folds([result.bundle for result in results])(jets))[:, 0]
    key = np.asarray(jets.event_key)[:, 0]
    for number, result in enumerate(results):
        unseen = evaluate(result.bundle, chosen, files=chosen.objects.files[:1], subset="test")
        np.testing.assert_allclose(score[fold(key, 2) == number], unseen.answers.top, atol=1e-5)


def test_folds_need_folds(study, tmp_path):
    with pytest.raises(ValueError, match=r"folds = None, required: at least 2"):
        train_folds(study(), tmp_path)
    with pytest.raises(ValueError, match=r"fold = 3, required: 0 to folds - 1 of a study with folds = 3"):
        train(study(folds=3), tmp_path, fold=3)


# ---------------------------------------------------------------- evaluation


def test_an_unknown_subset_is_refused(trained):
    with pytest.raises(ValueError, match=r"subset = 'tests', required: .*nearest: test"):
        evaluate(trained[2].bundle, trained[0], subset="tests")


def test_a_bundle_of_other_classes_is_refused(trained, study):
    renamed = dict(zip(("light", "top"), trained[0].task.classes.values()))
    with pytest.raises(ValueError, match=r"the bundle gives .*'QCD', 'top'.* asks for .*'light', 'top'"):
        evaluate(trained[2].bundle, study(classes=renamed))


def test_an_empty_subset_is_refused(trained, study):
    nothing = study(mask=lambda jets: jets.pt < 0)
    with pytest.raises(ValueError, match=r"the subset 'test' of .*toys0.root.* has no jets"):
        evaluate(trained[2].bundle, nothing)


def test_the_random_state_of_the_caller_does_not_matter(study, tmp_path):
    torch.manual_seed(5)
    dropout = functools.partial(PFN, features=3, phi=(16, 16), hidden=(16,), dropout=0.3)
    first = train(study(model=dropout, epochs=1), tmp_path / "first", progress=False)
    torch.manual_seed(6)
    second = train(study(model=dropout, epochs=1), tmp_path / "second", progress=False)
    assert_same_weights(first.bundle, second.bundle)
