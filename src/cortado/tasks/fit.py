"""Estimators of scikit-learn in the place of networks: fitted in one pass, kept as arrays, never as a pickle.

Shapes: n objects, f features.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cortado.names import nearest
from cortado.tasks import optional
from cortado.tasks.anomaly import FindAnomalies
from cortado.tasks.checks import require
from cortado.tasks.classify import Classify
from cortado.tasks.reconstruct import NORMAL
from cortado.tasks.task import Batch, Evaluation, Measured, Merit, Move

__all__ = ["Fit"]

_COMPARED = 1_000  # objects
_TOLERANCE = 1e-5  # float32 of logits and distances


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fit:
    """Learn a task by fitting an estimator of scikit-learn, where others take gradient steps.

    The estimator becomes the model of the study, whose buffers are its arrays: `model=partial(BoostedTrees)`. Bundle,
    scoring and evaluation are those of the inner task. All training objects are in memory as the representation gives
    them, features (n, f). Of the recipe count `seed` and what concerns reading; an estimator takes the seed as its
    `random_state` unless it has one.

    Attributes:
        estimator: `functools.partial(HistGradientBoostingClassifier, **arguments)`, or of an `IsolationForest` or
            `NearestNeighbors`.
        task: What is learned: `Classify` with classifiers, `FindAnomalies` with the others.

    Example:
        >>> from functools import partial
        >>> from sklearn.ensemble import IsolationForest
        >>> from cortado.tasks import FindAnomalies
        >>> Fit(estimator=partial(IsolationForest, n_estimators=50), task=FindAnomalies()).categories
        ('normal',)
    """

    estimator: functools.partial[Any]
    task: Classify | FindAnomalies

    invertible: ClassVar[bool] = False

    def __post_init__(self) -> None:
        given = self.estimator
        is_class = isinstance(given, functools.partial) and hasattr(given.func, "fit")
        required = "functools.partial(HistGradientBoostingClassifier, ...) or of another estimator"
        require(is_class and not given.args, self, "estimator", required)
        _require_parameters(given)
        matches = isinstance(self.task, Classify) == _is_classifier(given())
        kind = "Classify(...) with a classifier, FindAnomalies(...) with other estimators"
        require(isinstance(self.task, Classify | FindAnomalies) and matches, self, "task", kind)
        smooth = isinstance(self.task, Classify) and self.task.label_smoothing > 0
        require(not smooth, self, "task", "label_smoothing = 0: an estimator takes the labels as they are")

    def fit(self, batch: Batch, model: Callable[..., Any], seed: int) -> nn.Module:
        """The model of the estimator that was fitted to all training objects.

        Args:
            batch: All of them.
            model: Class with `of(estimator)`, which makes a module of a fitted one, in evaluation mode.
            seed: The `random_state`, where the estimator takes one and has none.
        Raises:
            ValueError: If the representation gives something else than features (n, f), or the estimator does not take
                weights and these are not all alike.
            RuntimeError: If the module does not say what the estimator says.
        """
        features, weight = _features(batch.inputs), batch.weight.numpy().astype(np.float64)
        supervised = {"y": batch.target.label.numpy()} if isinstance(self.task, Classify) else {}
        if isinstance(self.task, FindAnomalies):
            normal = batch.target.category.numpy() == NORMAL
            features, weight = features[normal], weight[normal]
        estimator = self.estimator(**self._random_state(seed))
        estimator.fit(features, **supervised, **_weights(estimator, weight))
        fitted: nn.Module = model.of(estimator)  # type: ignore[attr-defined]
        _require_same(estimator, fitted, features[:_COMPARED])
        return fitted

    def _random_state(self, seed: int) -> dict[str, int]:
        free = "random_state" in inspect.signature(self.estimator.func).parameters
        return {"random_state": seed} if free and self.estimator.keywords.get("random_state") is None else {}

    @property
    def _inner(self) -> Any:
        """The inner task, which need not be one that is learned step by step."""
        return self.task

    @property
    def gives(self) -> type:
        """Class of the use of the inner task."""
        return self.task.gives

    @property
    def merits(self) -> Mapping[str, Merit]:
        """As the inner task."""
        return self.task.merits

    @property
    def loss_title(self) -> str:
        """As the inner task."""
        return self.task.loss_title

    @property
    def fields(self) -> tuple[str, ...]:
        """As the inner task."""
        return self.task.fields

    @property
    def categories(self) -> tuple[str, ...]:
        """As the inner task."""
        return self.task.categories

    def category(self, objects: ak.Array) -> NDArray[np.int64]:
        """As the inner task."""
        return optional.category(self._inner, objects)

    def learned(self, category: NDArray[np.int64]) -> NDArray[np.bool_]:
        """As the inner task."""
        return optional.learned(self._inner, category)

    def sums(self, objects: ak.Array, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """As the inner task."""
        return optional.sums(self._inner, objects, weight)

    def fitted(self, sums: NDArray[np.float64]) -> Fit:
        """With the inner task fitted."""
        return dataclasses.replace(self, task=optional.fitted(self._inner, sums))

    def target(self, objects: ak.Array, category: NDArray[np.int64], inputs: Any) -> Any:
        """As the inner task."""
        return self.task.target(objects, category, inputs)

    def moves(self, networks: Mapping[str, nn.Module], batch: Batch) -> Iterator[Move]:
        """None: nothing is learned step by step."""
        return iter(())

    def rows(self, networks: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        """As the inner task."""
        return self.task.rows(networks, batch)

    def judged(self, rows: Tensor) -> dict[str, float]:
        """As the inner task."""
        return self.task.judged(rows)

    def use(self, representation: Any, model: nn.Module) -> Any:
        """That of the inner task."""
        return self.task.use(representation, model)

    def measured(self, evaluate: Callable[[], Evaluation]) -> Measured:
        """As the inner task."""
        return self.task.measured(evaluate)


def _require_parameters(estimator: functools.partial[Any]) -> None:
    """Refuse parameters that the estimator does not have, before anything is read.

    Raises:
        ValueError: If so; names the nearest.
    """
    known = inspect.signature(estimator.func).parameters
    for name in estimator.keywords:
        if name not in known:
            raise ValueError(f"Fit: {estimator.func.__name__} has no parameter {name!r}; {nearest(name, known)}")


def _features(inputs: Any) -> NDArray[np.float32]:
    """Features (n, f) of what a representation gives.

    Raises:
        ValueError: If it gives something else.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in zip(inputs._fields, inputs)}
    if list(shapes) != ["features"] or len(shapes["features"]) != 2:
        given = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(
            f"Fit: the representation gives {given}, required: features (n, f) alone, as of Columns or HighLevel"
        )
    features: NDArray[np.float32] = inputs.features.numpy()
    return features


def _weights(estimator: Any, weight: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """The weights, where they are not all alike: scikit-learn takes several times as long with them.

    Raises:
        ValueError: If an estimator takes none and they are not all alike.
    """
    are_alike = np.ptp(weight) <= 1e-6 * weight.max()
    if "sample_weight" in inspect.signature(estimator.fit).parameters:
        return {} if are_alike else {"sample_weight": weight}
    if not are_alike:
        raise ValueError(
            f"Fit: {type(estimator).__name__} takes no weights, and those of the objects go from {weight.min():g} to "
            f"{weight.max():g}: set event_weight=False and no balance"
        )
    return {}


def _is_classifier(estimator: Any) -> bool:
    from sklearn.base import is_classifier  # comes with the estimator; who only scores needs no scikit-learn

    return bool(is_classifier(estimator))


def _require_same(estimator: Any, model: nn.Module, features: NDArray[np.float32]) -> None:
    """Compare a model with the estimator that it was made of: another version of scikit-learn may have other arrays.

    Raises:
        RuntimeError: If they differ.
    """
    with torch.inference_mode():
        said = model(torch.from_numpy(features))
    if _is_classifier(estimator):
        said, expected = said.double().softmax(dim=1), estimator.predict_proba(features)
    elif hasattr(estimator, "score_samples"):
        expected = -estimator.score_samples(features)
    else:
        expected = estimator.kneighbors(features)[0].mean(axis=1)
    difference = np.abs(said.numpy() - expected) / (1 + np.abs(expected))
    if not np.all(difference <= _TOLERANCE):
        raise RuntimeError(
            f"{type(model).__name__} differs from {type(estimator).__name__} by {difference.max():.3g} (allowed: "
            f"{_TOLERANCE:g}): this version of scikit-learn is not supported"
        )
