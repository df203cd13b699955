"""Estimators under the same training as networks: bundles, weights, folds, histories, resuming."""

import csv
import json
from functools import partial

import awkward as ak
import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest
from sklearn.neighbors import NearestNeighbors

import cortado
from cortado import bundle as bundles
from cortado import export, models, reading
from cortado.models import MLP, BoostedTrees
from cortado.representations import HighLevel, ParticleList
from cortado.scoring import Predictor, Scorer
from cortado.splits import TRAIN, fold
from cortado.tasks import Classify, FindAnomalies, Fit
from cortado.training import Balance, evaluate, train, train_folds
from cortado.training.loading import examples, parts_of

FEATURES = HighLevel(features=("pt", "mass", "multiplicity"))
CLASSES = {"QCD": lambda jets: jets.is_signal == 0, "top": lambda jets: jets.is_signal == 1}
TREES = {
    "representation": FEATURES,
    "scaling": None,
    "model": partial(BoostedTrees),
    "task": Fit(
        estimator=partial(HistGradientBoostingClassifier, max_iter=20, min_samples_leaf=5),
        task=Classify(classes=CLASSES, signal="top"),
    ),
}
FOREST = TREES | {
    "model": partial(models.IsolationForest),
    "task": Fit(
        estimator=partial(IsolationForest, n_estimators=20),
        task=FindAnomalies(normal=CLASSES["QCD"], anomalies={"top": CLASSES["top"]}),
    ),
}


@pytest.fixture(scope="module")
def trained(study, tmp_path_factory):
    chosen, folder = study(**TREES), tmp_path_factory.mktemp("trees")
    return chosen, folder, train(chosen, folder, progress=False)


def training_jets(study):
    """Objects and categories of all training objects, read one step after the other."""
    read = [examples(study, part) for part in parts_of(study)]
    chosen = [each.take(each.subset == TRAIN) for each in read]
    return ak.concatenate([each.objects for each in chosen]), np.concatenate([each.category for each in chosen])


def test_scores_are_those_of_scikit_learn(trained):
    study, _, result = trained
    jets, label = training_jets(study)
    order = np.argsort(ak.to_numpy(jets.pt), kind="stable")  # not that of the training
    twin = HistGradientBoostingClassifier(max_iter=20, min_samples_leaf=5, random_state=1)
    alike = (len(label) / 2 / np.bincount(label))[label]  # both classes weigh the same
    twin.fit(FEATURES(jets[order]).features, label[order], sample_weight=alike[order])
    scorer = cortado.load(result.bundle)
    assert isinstance(scorer, Scorer)
    every = ak.flatten(reading.read(study.objects.files[0]).jets)
    expected = twin.predict_proba(FEATURES(every).features)[:, 1]
    np.testing.assert_allclose(ak.to_numpy(scorer(every)), expected, atol=1e-6)


def test_a_bundle_has_merits_working_points_and_provenance(trained):
    study, _, result = trained
    bundle = bundles.load(result.bundle)
    judged = evaluate(result.bundle, study, subset="validation")
    assert {point.name for point in bundle.working_points} == {"30%", "50%", "70%"}
    assert result.metrics["auc"] == pytest.approx(study.task.measured(lambda: judged).merits["auc"])
    assert result.metrics["auc"] > 0.8
    assert bundle.provenance["seed"] == 1
    assert set(bundle.provenance) >= {"samples", "split", "scikit-learn", "study"}
    estimator = bundle.provenance["study"]["task"]["estimator"]
    assert estimator == {
        "kind": "HistGradientBoostingClassifier",
        "arguments": {"max_iter": 20, "min_samples_leaf": 5},
    }


def test_the_history_has_one_row(trained):
    _, folder, result = trained
    with open(folder / "history.csv") as file:
        (row,) = csv.DictReader(file)
    assert float(row["validation_auc"]) == pytest.approx(result.metrics["auc"], abs=1e-6)
    assert 0 < float(row["train_loss"]) < float(row["validation_loss"])
    assert float(row["learning_rate"]) == 0
    assert len(result.epochs) == 1


def test_nothing_in_a_bundle_is_a_pickle(trained):
    members = bundles.archive.read(trained[2].bundle, ("bundle.json", "weights.safetensors", "canary.safetensors"))
    assert json.loads(members["bundle.json"])["model"]["name"] == "BoostedTrees"
    thresholds = bundles.load(trained[2].bundle).model.state_dict()["forest.threshold"]
    assert thresholds.dtype == torch.float64


def test_a_finished_training_is_not_repeated(trained):
    study, folder, result = trained
    before = result.bundle.stat().st_mtime_ns
    assert train(study, folder, resume=True, progress=False).metrics == result.metrics
    assert result.bundle.stat().st_mtime_ns == before
    with pytest.raises(FileExistsError, match="resume=True"):
        train(study, folder, progress=False)


def test_another_estimator_is_another_study(study, trained):
    other = Fit(estimator=partial(TREES["task"].estimator, max_iter=21), task=TREES["task"].task)
    with pytest.raises(ValueError, match=r"max_iter was 20, is 21"):
        train(study(**TREES | {"task": other}), trained[1], resume=True, progress=False)


def test_an_interrupted_training_begins_again(study, tmp_path, trained, monkeypatch):
    """What was killed between its first line and its bundle leaves study.json."""
    with monkeypatch.context() as patch:
        patch.setattr(BoostedTrees, "of", classmethod(lambda cls, estimator: 1 / 0))
        with pytest.raises(ZeroDivisionError):
            train(study(**TREES), tmp_path, progress=False)
    again = train(study(**TREES), tmp_path, resume=True, progress=False)
    assert again.metrics == trained[2].metrics


def test_no_event_is_scored_by_what_it_trained(study, tmp_path):
    """The bundle of each fold is that of an estimator which saw the other folds alone."""
    chosen = study(**TREES, folds=2)
    results = train_folds(chosen, tmp_path, progress=False)
    for index, result in enumerate(results):
        held_out = evaluate(result.bundle, chosen, subset="test", columns=("event_key",))
        assert not set(held_out.objects.event_key) & set(_keys(chosen, index))
        assert np.all(fold(ak.to_numpy(held_out.objects.event_key), 2, chosen.objects.split.seed) == index)
        assert bundles.load(result.bundle).provenance["fold"]["index"] == index


def _keys(study, held_out):
    read = [examples(study, part, held_out=held_out, columns=("event_key",)) for part in parts_of(study)]
    return ak.concatenate([each.take(each.subset == TRAIN).objects.event_key for each in read])


def test_balanced_weights_reach_the_estimator(study, tmp_path, monkeypatch):
    seen = {}
    original = HistGradientBoostingClassifier.fit

    def spy(self, X, y, sample_weight=None):
        seen.update(label=y, weight=sample_weight)
        return original(self, X, y, sample_weight=sample_weight)

    monkeypatch.setattr(HistGradientBoostingClassifier, "fit", spy)
    train(study(**TREES, balance=Balance(field="pt", bins=(0.0, 1e5))), tmp_path, progress=False)
    totals = [seen["weight"][seen["label"] == index].sum() for index in (0, 1)]
    assert totals[0] == pytest.approx(totals[1], rel=1e-5)
    assert seen["weight"].mean() == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize(
    ("model", "estimator", "score"),
    [
        (models.IsolationForest, partial(IsolationForest, n_estimators=20), lambda e, x: -e.score_samples(x)),
        (models.NearestNeighbours, partial(NearestNeighbors), lambda e, x: e.kneighbors(x)[0].mean(1)),
    ],
    ids=["forest", "neighbours"],
)
def test_anomalies_are_those_of_scikit_learn(study, tmp_path, model, estimator, score):
    chosen = study(**FOREST | {"model": partial(model), "task": Fit(estimator=estimator, task=FOREST["task"].task)})
    result = train(chosen, tmp_path, progress=False)
    predictor = cortado.load(result.bundle)
    assert isinstance(predictor, Predictor)
    events = reading.read(chosen.objects.files[0]).jets
    anomaly = predictor(events).anomaly
    assert ak.num(anomaly).tolist() == ak.num(events).tolist()
    assert str(ak.type(ak.flatten(anomaly)).content) == "float32"
    if model is models.NearestNeighbours:
        jets, label = training_jets(chosen)
        twin = estimator().fit(FEATURES(jets[label == 0]).features)
        expected = score(twin, FEATURES(ak.flatten(events)).features)
        np.testing.assert_allclose(ak.to_numpy(ak.flatten(anomaly)), expected, rtol=1e-5)
    assert set(result.metrics) == {"loss", "auc_top", "auc_top_error"}
    assert result.metrics["auc_top"] > 0.5


def test_data_without_labels_can_be_learned(study, tmp_path):
    task = Fit(estimator=FOREST["task"].estimator, task=FindAnomalies())
    result = train(study(**FOREST | {"task": task}), tmp_path, progress=False)
    assert set(result.metrics) == {"loss"}
    assert "val AUC" not in str(result)


@pytest.mark.filterwarnings("ignore:.*torch.jit", "ignore:.*isinstance.treespec")
@pytest.mark.parametrize("which", ["trees", "forest", "neighbours"])
def test_exports_answer_alike(study, tmp_path, which):
    neighbours = Fit(estimator=partial(NearestNeighbors), task=FOREST["task"].task)
    settings = {
        "trees": TREES,
        "forest": FOREST,
        "neighbours": FOREST | {"model": partial(models.NearestNeighbours), "task": neighbours, "scaling": "fit"},
    }
    result = train(study(**settings[which]), tmp_path, progress=False)
    assert export.to_onnx(result.bundle, tmp_path / "one.onnx").difference < 1e-5


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": partial(MLP, features=3)}, "model = .*, required: .* made of HistGradientBoostingClassifier"),
        ({"model": partial(BoostedTrees, trees=3)}, "without arguments"),
        ({"model": partial(models.IsolationForest)}, "made of HistGradientBoostingClassifier"),
        ({"task": TREES["task"].task}, r"task = .*, required: Fit\(estimator=partial\(HistGradient"),
        ({"task": FOREST["task"].task}, "an instance of a task with moves"),
        ({"frozen": {"finder": "finder.cortado"}}, "frozen = .*, required: {} for Fit"),
    ],
)
def test_studies_that_cannot_be_fitted_are_refused(study, change, message):
    with pytest.raises(ValueError, match=message):
        study(**TREES | change)


def test_several_devices_are_refused(study, tmp_path):
    with pytest.raises(ValueError, match="devices = 2, required: 1 for Fit"):
        train(study(**TREES), tmp_path, devices=2, progress=False)


@pytest.mark.parametrize("batch_size", [64, 1_000_000], ids=["different lengths", "one length"])
def test_constituents_are_refused(study, tmp_path, batch_size):
    chosen = study(**TREES | {"representation": ParticleList()}, batch_size=batch_size)
    with pytest.raises(ValueError, match=r"required: features \(n, f\) alone"):
        train(chosen, tmp_path, progress=False)


def test_a_model_that_says_nan_is_refused(study, tmp_path, monkeypatch):
    monkeypatch.setattr(IsolationForest, "score_samples", lambda self, x: np.full(len(x), 0.0))
    monkeypatch.setattr("cortado.tasks.fit._require_same", lambda *_: None)
    monkeypatch.setattr(models.IsolationForest, "forward", lambda self, features: features[:, 0] * torch.nan)
    with pytest.raises(FloatingPointError, match=r"for \d+ of \d+ objects are not finite"):
        train(study(**FOREST), tmp_path, progress=False)
