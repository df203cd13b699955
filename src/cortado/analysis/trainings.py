"""Trainings of a study, their bundles and their histories, each in a folder of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortado import scoring, training
from cortado.analysis.terminal import console

__all__ = ["bundle_path", "history", "load", "train", "training_seconds"]


def train(
    studies: Mapping[str, training.Study], folder: Path, *, titles: Mapping[str, str] | None = None, **options: Any
) -> None:
    """Train each study of a run, or go on with it; one that is finished is kept.

    Args:
        studies: By name, in the order in which they need each other.
        folder: Of the run.
        titles: What the terminal calls them, if not by their names.
        options: For `training.train`, such as `accelerator`.
    """
    for name, study in studies.items():
        console.print(f"\n[bold]{(titles or {}).get(name, name)}[/]")
        training.train(study, folder / name, resume=True, **options)


def bundle_path(folder: str | Path, name: str) -> Path:
    """Where a run keeps the bundle of a training."""
    return Path(folder) / name / f"{Path(name).name}.cortado"


def load(folder: str | Path, name: str, **settings: Any) -> Any:
    """The bundle of a training of a run, in use; see `cortado.load`."""
    return scoring.load(bundle_path(folder, name), **settings)


def history(folder: str | Path, name: str, *, skip: int = 0) -> dict[str, NDArray[np.float64]]:
    """Losses and merits of a training by epoch, as `plotting.learning_curves` draws them.

    Args:
        folder: Of the run.
        name: Of the training.
        skip: Epochs at the beginning to leave out.
    """
    table = _table(folder, name)
    drawn = ("epoch", "train_", "validation_", "learning_rate")
    names = [column for column in table.dtype.names or () if column.startswith(drawn)]
    return {column: np.atleast_1d(table[column])[skip:] for column in names}


def training_seconds(folder: str | Path, name: str) -> float:
    """Time that all epochs of a training took."""
    return float(_table(folder, name)["seconds"].sum())


def _table(folder: str | Path, name: str) -> NDArray[Any]:
    return np.genfromtxt(Path(folder) / name / "history.csv", delimiter=",", names=True)
