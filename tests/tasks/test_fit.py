"""Estimators of scikit-learn as models: the same scores, and refusals."""

import functools
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors

from cortado import models
from cortado.models import BoostedTrees
from cortado.representations.columns import ColumnsInputs
from cortado.representations.particle_list import ParticleListInputs
from cortado.tasks import Batch, Classify, FindAnomalies, Fit
from cortado.tasks.classify import ClassTarget
from cortado.tasks.reconstruct import NormalTarget

CLASSES = Classify(classes={"a": lambda x: x.label == 0, "b": lambda x: x.label == 1}, signal="b")

TREES = partial(HistGradientBoostingClassifier, max_iter=20)


def sample(number=600, features=4, classes=2, seed=1):
    """Gaussian features, shifted by the class, in float32 as representations give them."""
    rng = np.random.default_rng(seed)
    label = rng.integers(classes, size=number)
    return (rng.normal(size=(number, features)) + 0.7 * label[:, None]).astype(np.float32), label


def batch_of(features, label, weight=None, target=ClassTarget):
    weight = np.ones(len(label), np.float32) if weight is None else weight
    return Batch(ColumnsInputs(torch.from_numpy(features)), target(torch.from_numpy(label)), torch.from_numpy(weight))


def said(model, features):
    with torch.inference_mode():
        return model(torch.from_numpy(features))


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("missing", [False, True])
def test_boosted_trees_are_those_of_scikit_learn(classes, missing):
    features, label = sample(classes=classes)
    others, _ = sample(number=300, seed=2)
    if missing:
        for each in (features, others):
            each[np.random.default_rng(3).random(each.shape) < 0.2] = np.nan
    estimator = HistGradientBoostingClassifier(max_iter=15, random_state=1).fit(features, label)
    model = BoostedTrees.of(estimator)
    probabilities = said(model, others).double().softmax(1).numpy()
    np.testing.assert_allclose(probabilities, estimator.predict_proba(others), rtol=1e-6, atol=1e-7)
    assert said(model, others).shape == (300, classes)


def test_thresholds_are_not_rounded():
    """Features at the float32 numbers next to a threshold go to the leaf to which scikit-learn sends them."""
    features, label = sample()
    estimator = HistGradientBoostingClassifier(max_iter=15, random_state=1).fit(features, label)
    model = BoostedTrees.of(estimator)
    thresholds = model.forest.threshold[model.forest.left != model.forest.right].numpy()
    assert np.any(thresholds != thresholds.astype(np.float32))
    near = thresholds.astype(np.float32)
    points = np.concatenate([np.nextafter(near, np.float32(side)) for side in (-np.inf, np.inf)] + [near])
    points = np.repeat(points[:, None], 4, axis=1)
    raw = said(model, points)[:, 1].double().numpy()
    np.testing.assert_allclose(raw, estimator.decision_function(points), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"max_features": 2}, {"max_samples": 50, "bootstrap": True}], ids=str)
def test_an_isolation_forest_is_that_of_scikit_learn(options):
    features, _ = sample()
    others, _ = sample(number=200, seed=2)
    estimator = IsolationForest(n_estimators=30, random_state=1, **options).fit(features)
    anomaly = said(models.IsolationForest.of(estimator), others).numpy()
    np.testing.assert_allclose(anomaly, -estimator.score_samples(others), rtol=1e-6)


@pytest.mark.parametrize("at_once", [8_192, 7], ids=["together", "in parts"])
@pytest.mark.parametrize("neighbours", [1, 5])
def test_distances_to_neighbours_are_those_of_scikit_learn(neighbours, at_once, monkeypatch):
    monkeypatch.setattr("cortado.models.nearest_neighbours._AT_ONCE", at_once)
    features, _ = sample()
    others, _ = sample(number=200, seed=2)
    estimator = NearestNeighbors(n_neighbors=neighbours).fit(features)
    anomaly = said(models.NearestNeighbours.of(estimator), others).numpy()
    np.testing.assert_allclose(anomaly, estimator.kneighbors(others)[0].mean(1), rtol=1e-6)


@pytest.mark.parametrize(
    ("estimator", "model", "task"),
    [
        (TREES, BoostedTrees, CLASSES),
        (partial(IsolationForest, n_estimators=20), models.IsolationForest, FindAnomalies()),
        (partial(NearestNeighbors, n_neighbors=3), models.NearestNeighbours, FindAnomalies()),
    ],
    ids=["trees", "forest", "neighbours"],
)
def test_a_model_comes_back_from_arguments_and_arrays(estimator, model, task):
    features, label = sample()
    target = ClassTarget if task is CLASSES else NormalTarget
    fitted = Fit(estimator=estimator, task=task).fit(batch_of(features, label, target=target), model, seed=3)
    back = model(**fitted.arguments)
    back.load_state_dict(fitted.state_dict())
    torch.testing.assert_close(said(back, features), said(fitted, features), rtol=0, atol=0)


def test_weights_count():
    """An object of weight nought is as if it were not there, but for the bins of the features."""
    features, label = sample()
    weight = np.ones(len(label), np.float32)
    weight[label == 1] = 9
    task = Fit(estimator=TREES, task=CLASSES)
    plain, weighted = (
        said(task.fit(batch_of(features, label, each), BoostedTrees, 1), features).softmax(1)[:, 1].mean()
        for each in (None, weight)
    )
    assert plain == pytest.approx(label.mean(), abs=0.02)
    assert weighted > plain + 0.1


def test_only_normal_objects_are_learned():
    features, label = sample()
    task = Fit(
        estimator=partial(IsolationForest, n_estimators=20), task=FindAnomalies(anomalies={"b": lambda x: x.label == 1})
    )
    with_anomalies = task.fit(batch_of(features, label, target=NormalTarget), models.IsolationForest, 1)
    without = task.fit(
        batch_of(features[label == 0], label[label == 0], target=NormalTarget), models.IsolationForest, 1
    )
    torch.testing.assert_close(said(with_anomalies, features), said(without, features), rtol=0, atol=0)


def test_the_seed_is_that_of_the_recipe_unless_one_is_given():
    features, label = sample()
    batch = batch_of(features, label, target=NormalTarget)

    def anomalies(seed, **options):
        task = Fit(estimator=partial(IsolationForest, n_estimators=20, **options), task=FindAnomalies())
        return said(task.fit(batch, models.IsolationForest, seed), features)

    assert not torch.equal(anomalies(1), anomalies(2))
    assert torch.equal(anomalies(1), anomalies(1))
    assert torch.equal(anomalies(1, random_state=7), anomalies(2, random_state=7))


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("estimator", "task", "message"),
    [
        (HistGradientBoostingClassifier(), CLASSES, r"estimator = .*, required: functools\.partial"),
        (partial(BoostedTrees), CLASSES, r"estimator = .*, required: functools\.partial"),
        (partial(TREES, max_itr=3), CLASSES, "no parameter 'max_itr'; nearest: max_iter"),
        (TREES, FindAnomalies(), r"required: Classify\(...\) with a classifier"),
        (partial(IsolationForest), CLASSES, r"FindAnomalies\(...\) with other estimators"),
    ],
)
def test_what_cannot_be_fitted_is_refused(estimator, task, message):
    with pytest.raises(ValueError, match=message):
        Fit(estimator=estimator, task=task)


def test_smooth_labels_are_refused():
    smooth = Classify(classes=CLASSES.classes, signal="b", label_smoothing=0.1)
    with pytest.raises(ValueError, match="label_smoothing = 0"):
        Fit(estimator=TREES, task=smooth)


def test_a_representation_of_constituents_is_refused():
    inputs = ParticleListInputs(torch.zeros(4, 3, 2), torch.ones(4, 3, dtype=torch.bool))
    batch = Batch(inputs, ClassTarget(torch.tensor([0, 1, 0, 1])), torch.ones(4))
    with pytest.raises(ValueError, match=r"gives features \(4, 3, 2\), mask \(4, 3\), required: features \(n, f\)"):
        Fit(estimator=TREES, task=CLASSES).fit(batch, BoostedTrees, 1)


def test_an_estimator_without_weights_refuses_different_ones():
    features, label = sample()
    weight = np.linspace(1, 2, len(label), dtype=np.float32)
    task = Fit(estimator=partial(NearestNeighbors), task=FindAnomalies(normal=lambda x: x.label >= 0))
    batch = batch_of(features, np.zeros_like(label), weight, target=NormalTarget)
    with pytest.raises(ValueError, match=r"NearestNeighbors takes no weights, and those .* go from 1 to 2"):
        task.fit(batch, models.NearestNeighbours, 1)


def test_a_model_that_says_something_else_is_refused():
    class Wrong(torch.nn.Module):
        @classmethod
        def of(cls, estimator):
            return cls()

        def forward(self, features):
            return torch.zeros(len(features), 2)

    with pytest.raises(RuntimeError, match=r"Wrong differs from HistGradientBoostingClassifier by 0\.\d+"):
        Fit(estimator=TREES, task=CLASSES).fit(batch_of(*sample()), Wrong, 1)


def test_classes_of_categories_are_refused():
    features, label = sample()
    features[:, 0] = label
    estimator = HistGradientBoostingClassifier(categorical_features=[0], max_iter=2).fit(features, label)
    with pytest.raises(ValueError, match="categorical_features are not supported"):
        BoostedTrees.of(estimator)


def test_other_distances_are_refused():
    estimator = NearestNeighbors(p=1).fit(sample()[0])
    with pytest.raises(ValueError, match="metric = 'manhattan', required: 'euclidean'"):
        models.NearestNeighbours.of(estimator)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (partial(BoostedTrees, features=2, trees=4, nodes=4, depth=1, classes=3), "4 trees cannot be shared out"),
        (partial(BoostedTrees, features=2, trees=0, nodes=4, depth=1), "trees must be an integer of at least 1"),
        (
            partial(models.IsolationForest, features=2, trees=1, nodes=1, depth=1, samples=1),
            "samples must be at least 2",
        ),
        (
            partial(models.NearestNeighbours, features=2, references=3, neighbours=4),
            "4 neighbours of 3 references: they are too few",
        ),
    ],
)
def test_sizes_that_make_no_sense_are_refused(model, message):
    with pytest.raises(ValueError, match=message):
        model()


def test_anomalies_have_other_names_than_normal():
    with pytest.raises(ValueError, match="other names than 'normal'"):
        FindAnomalies(anomalies={"normal": lambda x: x.label == 1})


def test_a_partial_of_a_function_is_refused():
    with pytest.raises(ValueError, match=r"required: functools\.partial\(HistGradientBoostingClassifier"):
        Fit(estimator=functools.partial(sample), task=CLASSES)


def test_a_classifier_without_a_model_of_ours_can_have_one_of_the_users():
    """Any class with `of` will do."""

    class Logistic(torch.nn.Linear):
        @classmethod
        def of(cls, estimator):
            model = cls(estimator.n_features_in_, 2)
            with torch.no_grad():
                model.weight.copy_(torch.from_numpy(np.concatenate([0 * estimator.coef_, estimator.coef_])))
                model.bias.copy_(torch.tensor([0.0, estimator.intercept_[0]]))
            return model

    features, label = sample()
    model = Fit(estimator=partial(LogisticRegression), task=CLASSES).fit(batch_of(features, label), Logistic, 1)
    assert said(model, features)[label == 1, 1].mean() > said(model, features)[label == 0, 1].mean()
