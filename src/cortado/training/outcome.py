"""What a training leaves: the bundle of its best epoch, with working points and provenance."""

import dataclasses
import hashlib
import importlib.metadata
import math
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from cortado import metrics, weights
from cortado.bundle import Bundle
from cortado.training.evaluation import Evaluation, evaluate, load_bundle, pairing_merits
from cortado.training.progress import Epoch
from cortado.training.study import Study, describe
from cortado.training.survey import Survey

__all__ = ["TrainingResult", "arguments", "finished", "measured", "unmeasured"]

PAIRS = ("different", "same")
"""Classes of a pair of constituents."""


class TrainingResult(NamedTuple):
    """What a training gave."""

    bundle: Path
    metrics: dict[
        str, float | None
    ]  # of the saved weights, on the validation jets; an error that is not defined is None
    epochs: tuple[Epoch, ...]
    seconds: float

    def __str__(self) -> str:
        best = min(self.epochs, key=lambda epoch: epoch.validation_loss)
        if "auc" in self.metrics:
            found = f"AUC {self.metrics['auc']:.4f}, 1/mistag {self.metrics['rejection']:.1f} at 50 %"
        elif "loss" in self.metrics:
            found = f"loss {self.metrics['loss']:.4f}"
        else:
            found = f"F1 {self.metrics['f1']:.4f}, adjusted Rand index {self.metrics['ari']:.4f}"
        return (
            f"wrote {self.bundle}: epoch {best.epoch} of {len(self.epochs)}, validation {found}, {self.seconds:.0f} s"
        )


def arguments(study: Study) -> dict[str, Any]:
    """Keyword arguments that make the network of a study."""
    classes = {"classes": len(study.classes)} if study.task == "tagging" else {}
    return {**study.model.keywords, **classes}


def unmeasured(
    study: Study, found: Survey, model: torch.nn.Module, epochs: Sequence[Epoch], fold: int | None
) -> Bundle:
    """The bundle of a trained network, before its efficiencies are measured."""
    paths = dict.fromkeys(part.step.path for part in found.parts)
    model, needed = _in_use(model, arguments(study))
    return Bundle(
        representation=study.representation,
        scaling=found.scaling,
        model=model,
        arguments=needed,
        classes=PAIRS if study.task == "pairing" else tuple(study.classes),
        signal=PAIRS[1] if study.task == "pairing" else study.signal,
        task=study.task,
        provenance={
            "study": describe(study),
            "samples": [_sample(path) for path in paths],
            "jets": {name: found.jets[:, i].tolist() for i, name in enumerate(found.classes)},
            "split": dataclasses.asdict(study.split),
            "fold": None if fold is None else {"index": fold, "folds": study.folds, "seed": study.split.seed},
            "seed": study.recipe.seed,
            "epochs": [row._asdict() for row in epochs],
            "lightning": importlib.metadata.version("lightning"),
            "git_revision": _git_revision(),
        },
    )


def _in_use(model: torch.nn.Module, needed: dict[str, Any]) -> tuple[torch.nn.Module, dict[str, Any]]:
    """A network without the parts that only its training needs (`training_only`), and the arguments that make it."""
    extra = [name for name in getattr(model, "training_only", ()) if name in needed]
    if not extra:
        return model, needed
    kept = {name: value for name, value in needed.items() if name not in extra}
    used = type(model)(**kept)
    used.load_state_dict({name: model.state_dict()[name] for name in used.state_dict()})
    return used, kept


def measured(tagger: Bundle, study: Study, device: str) -> Bundle:
    """The bundle with figures of merit and working points of the validation jets."""
    if study.task == "pairing":
        of_pairs = pairing_merits(tagger, study, subset="validation", device=device)
        return dataclasses.replace(tagger, provenance={**tagger.provenance, "metrics": of_pairs})
    if study.task == "generation":
        best = min(row["validation_loss"] for row in tagger.provenance["epochs"])
        return dataclasses.replace(tagger, provenance={**tagger.provenance, "metrics": {"loss": best}})
    found = evaluate(tagger, study, subset="validation", device=device)
    jets = (found.is_signal, found.score)
    area, rejection = metrics.auc(*jets, found.weight), metrics.rejection(*jets, 0.5, found.weight)
    merits = {
        "auc": area.value,
        "auc_error": _finite(area.error),
        "rejection": rejection.value,
        "rejection_error": _finite(rejection.error),
    }
    return dataclasses.replace(
        tagger,
        working_points=(
            *weights.working_points(found.score, found.is_signal, found.weight, study.working_points),
            *_at_mistags(found, study),
        ),
        provenance={**tagger.provenance, "metrics": merits},
    )


def _at_mistags(found: Evaluation, study: Study) -> tuple[weights.WorkingPoint, ...]:
    """Working points at the mistag rates of one class, or of all but the signal."""
    chosen = np.ones(len(found.target), dtype=bool)
    if study.mistag_class is not None:
        chosen = found.is_signal | (found.target == found.classes.index(study.mistag_class))
    score, is_signal, weight = (column[chosen] for column in (found.score, found.is_signal, found.weight))
    return weights.working_points(score, is_signal, weight, efficiencies=(), mistags=study.mistags)


def finished(path: Path, study: Study, seconds: float) -> TrainingResult:
    """The result of a training whose bundle is there."""
    provenance = load_bundle(path, study).provenance
    epochs = tuple(Epoch(**row) for row in provenance["epochs"])
    return TrainingResult(path, dict(provenance["metrics"]), epochs, seconds)


def _sample(path: str) -> dict[str, Any]:
    if "://" in path:
        return {"file": path, "sha256": None}
    with open(path, "rb") as file:
        return {"file": os.path.basename(path), "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _finite(value: float) -> float | None:
    """JSON has no NaN: an error that is not defined is None."""
    return value if math.isfinite(value) else None


def _git_revision() -> str | None:
    """Revision of the code in the working folder; None outside a repository."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
