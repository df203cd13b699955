"""What a training leaves: the bundle of its best epoch, with working points and provenance."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import torch

from cortado.bundle import Bundle, WorkingPoint
from cortado.bundle import describe as describe_bundle
from cortado.bundle import domain as domains
from cortado.tasks import Merit, optional
from cortado.training.evaluation import Evaluation, evaluate
from cortado.training.progress import Epoch
from cortado.training.revisions import revisions
from cortado.training.study import Study
from cortado.training.survey import Survey

__all__ = ["TrainingResult", "measured_bundle", "model_arguments", "result_of", "trained_bundle"]


class TrainingResult(NamedTuple):
    """What a training gave."""

    bundle: Path
    metrics: dict[str, float | None]  # of the saved weights, on the validation objects; None for undefined errors
    epochs: tuple[Epoch, ...]
    seconds: float
    merits: Mapping[str, Merit]  # how the metrics are called and written

    def __str__(self) -> str:
        best = min(self.epochs, key=lambda epoch: epoch.validation_loss)
        shown = {"loss": Merit("loss", ".4f"), **self.merits}
        values = [
            f"{merit.title} {self.metrics[name]:{merit.form}}"
            for name, merit in shown.items()
            if self.metrics.get(name) is not None
        ]
        return (
            f"wrote {self.bundle}: epoch {best.epoch} of {len(self.epochs)}, validation {', '.join(values)}, "
            f"{self.seconds:.0f} s"
        )


def model_arguments(study: Study) -> dict[str, Any]:
    """Keyword arguments that make the network of a study."""
    return {**study.model.keywords, **optional.arguments(study.task)}


def trained_bundle(
    study: Study,
    survey: Survey,
    model: torch.nn.Module,
    arguments: Mapping[str, Any],
    epochs: Sequence[Epoch],
    description: Mapping[str, Any],
    fold: int | None,
) -> Bundle:
    """The bundle of a trained network, before anything is measured with it.

    Args:
        study: What was trained.
        survey: Of its files.
        model: With its best weights.
        arguments: Keyword arguments that make it anew.
        epochs: Rows of the table.
        description: Of the study when the training began, see `describe`.
        fold: The fold that was held out.
    """
    paths = dict.fromkeys(part.step.path for part in survey.parts)
    model, arguments = _in_use(model, dict(arguments))
    split = study.objects.split
    return Bundle(
        representation=study.representation,
        scaling=survey.scaling,
        model=model,
        arguments=arguments,
        use=optional.scaled(survey.task.use(study.representation, model), survey.scaling),
        provenance={
            "study": dict(description),
            "samples": [_sample(path) for path in paths],
            "objects": {name: survey.objects[:, i].tolist() for i, name in enumerate(survey.categories)},
            "invalid": survey.invalid,
            **_dialect(study.objects.dialect),
            "split": dataclasses.asdict(split),
            "fold": None if fold is None else {"index": fold, "folds": study.objects.folds, "seed": split.seed},
            "seed": study.recipe.seed,
            "epochs": [_written(row) for row in epochs],
            "lightning": importlib.metadata.version("lightning"),
            "scikit-learn": importlib.metadata.version("scikit-learn"),
            **revisions(study),
        },
    )


def _dialect(dialect: Any) -> dict[str, Any]:
    """A mapping of the user's own branches, so that files of its kind can be scored with the bundle alone."""
    is_mapping = dataclasses.is_dataclass(dialect) and not isinstance(dialect, type)
    return {"dialect": dataclasses.asdict(dialect)} if is_mapping else {}


def _in_use(model: torch.nn.Module, arguments: dict[str, Any]) -> tuple[torch.nn.Module, dict[str, Any]]:
    """A network without the parts that only its training needs (`training_only`), and the arguments that make it."""
    extra = [name for name in getattr(model, "training_only", ()) if name in arguments]
    if not extra:
        return model, arguments
    kept = {name: value for name, value in arguments.items() if name not in extra}
    used = type(model)(**kept)
    used.load_state_dict({name: model.state_dict()[name] for name in used.state_dict()})
    return used, kept


def measured_bundle(bundle: Bundle, study: Study, device: str) -> Bundle:
    """The bundle with loss, figures of merit and working points of the validation objects."""
    loss = min(row["validation_loss"] for row in bundle.provenance["epochs"])
    seen = _Seen(bundle, study, device)
    measured = study.task.measured(seen)
    provenance = {**bundle.provenance, "metrics": {"loss": loss, **measured.merits}}
    if (domain := seen.domain(measured.working_points)) is not None:
        provenance["domain"] = domains.to_json(domain)
    return dataclasses.replace(bundle, working_points=measured.working_points, provenance=provenance)


class _Seen:
    """Evaluates the validation objects when it is asked to, and watches what they are like."""

    def __init__(self, bundle: Bundle, study: Study, device: str) -> None:
        self.bundle, self.study, self.device = bundle, study, device
        self.watched: list[dict[str, Any]] = []
        self.evaluation: Evaluation | None = None

    def __call__(self) -> Evaluation:
        self.watched = []
        options: dict[str, Any] = {"subset": "validation", "device": self.device, "watch": self._watch}
        self.evaluation = evaluate(self.bundle, self.study, **options)
        return self.evaluation

    def _watch(self, objects: ak.Array) -> None:
        prepared = self.bundle.representation(objects)
        self.watched.append(domains.quantities(self.bundle.representation, objects, prepared))

    def domain(self, points: Sequence[WorkingPoint]) -> domains.Domain | None:
        """What the validation objects are like by class; None where the task has not looked at them."""
        if self.evaluation is None or not self.watched:
            return None
        watched = {name: np.concatenate([each[name] for each in self.watched]) for name in self.watched[0]}
        signal = getattr(self.bundle.use, "signal", None)
        passes = {point.name: np.asarray(self.evaluation.answers[signal]) >= point.threshold for point in points}
        categories = list(self.evaluation.categories)
        index = categories.index(signal) if signal in categories else 0
        return domains.domain_of(watched, self.evaluation.category, len(categories), signal=index, passes=passes)


def result_of(path: Path, study: Study, seconds: float) -> TrainingResult:
    """The result of a training whose bundle is there."""
    provenance = describe_bundle(path)["provenance"]
    epochs = tuple(map(_read, provenance["epochs"]))
    return TrainingResult(path, dict(provenance["metrics"]), epochs, seconds, study.task.merits)


def _written(epoch: Epoch) -> dict[str, Any]:
    """A row as JSON has it: merits that are not defined, as a purity of nothing, are None."""
    merits = {name: value if math.isfinite(value) else None for name, value in epoch.merits.items()}
    return {**epoch._asdict(), "merits": merits}


def _read(row: Mapping[str, Any]) -> Epoch:
    """Inverse of `_written`."""
    merits = {name: math.nan if value is None else value for name, value in row["merits"].items()}
    return Epoch(**{**row, "merits": merits})


def _sample(path: str) -> dict[str, Any]:
    if "://" in path:
        return {"file": path, "sha256": None}
    with open(path, "rb") as file:
        return {"file": os.path.basename(path), "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
