"""Checkpoints of a training: of its last epoch, of the one before, and of the best; each is a whole file or none.

`last.ckpt` is written after every epoch, the one before stays as `previous.ckpt`; `best-3.ckpt` is the third epoch.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from cortado.files import replacing
from cortado.training.progress import Epoch, EpochTable
from cortado.training.study import Recipe

__all__ = ["Checkpoints", "Kept", "WholeFiles", "best_epoch", "best_weights", "is_complete", "kept"]

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"
_PARTS = {"epoch", "state_dict", "callbacks", "loops"}


class Kept(NamedTuple):
    """A checkpoint from which a training can go on.

    Attributes:
        path: Of the file.
        rows: The epochs that are complete in it.
    """

    path: Path
    rows: tuple[Epoch, ...]


class Checkpoints(Checkpoint):  # type: ignore[misc]
    """Keeps every epoch when it is complete, and the best one."""

    def __init__(self, folder: Path, table: EpochTable) -> None:
        """Take the folder, and the table that knows the losses."""
        self.folder, self.table = folder, table

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the best epoch first: the last one names it by its rows."""
        rows = self.table.rows
        if best_epoch(rows) == len(rows):
            trainer.save_checkpoint(_best(self.folder, len(rows)))
        trainer.save_checkpoint(self.folder / LAST)
        if trainer.is_global_zero:
            needed = {_best(self.folder, best_epoch(each)) for each in (rows, rows[:-1]) if each}
            for old in {*self.folder.glob(_best(self.folder, "*").name)} - needed:
                old.unlink()


class WholeFiles(TorchCheckpointIO):  # type: ignore[misc]
    """Writes checkpoints beside the one that they replace: Lightning's own move them from another file system."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint, and keep the last one as the one before.

        Raises:
            OSError: If the disk is full, or the folder cannot be written to; the checkpoints that are there stay.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with replacing(path) as partial:
                torch.save(checkpoint, partial)
                if path.name == LAST and path.exists():
                    os.replace(path, path.with_name(PREVIOUS))
        except (OSError, RuntimeError) as error:
            said = str(error).strip().partition("\n")[0]
            raise OSError(f"cannot write {path}: {said}; the epochs before it are kept") from error


def best_epoch(rows: Sequence[Epoch]) -> int:
    """Number of the epoch with the lowest loss of the validation objects, of several the first."""
    return min(rows, key=lambda row: row.validation_loss).epoch


def is_complete(rows: Sequence[Epoch], recipe: Recipe) -> bool:
    """Whether no epoch is left: a training may have been killed after its last one."""
    waited = len(rows) - best_epoch(rows) if rows else 0
    return len(rows) >= recipe.epochs or (recipe.patience is not None and waited >= recipe.patience)


def kept(folder: Path, say: Callable[[str], None]) -> Kept | None:
    """The last complete epoch of a training whose checkpoints are whole; None if there are none.

    A damaged last one is removed: the next epoch must not replace the one before by it.

    Args:
        folder: Of the checkpoints.
        say: Gets a line about what is damaged.

    Raises:
        ValueError: If no checkpoint that is there can be used; names them.
    """
    problems = []
    for path in (folder / LAST, folder / PREVIOUS):
        if not path.exists():
            continue
        try:
            rows = _rows(_read(path))
            best_weights(folder, rows)
        except ValueError as error:
            problems.append(str(error))
            continue
        if problems:
            say(f"{problems[0]}: going on from the epoch before, {len(rows)}")
            (folder / LAST).unlink(missing_ok=True)
        return Kept(path, rows)
    if problems:
        raise ValueError(f"{'; '.join(problems)}: nothing to go on from, delete {folder.parent} to begin anew")
    return None


def best_weights(folder: Path, rows: Sequence[Epoch]) -> Mapping[str, torch.Tensor]:
    """The weights of the best epoch.

    Args:
        folder: Of the checkpoints.
        rows: The epochs.

    Raises:
        ValueError: If the checkpoint is missing or damaged; names it.
    """
    weights: Mapping[str, torch.Tensor] = _read(_best(folder, best_epoch(rows)))["state_dict"]
    return weights


def _best(folder: Path, epoch: int | str) -> Path:
    return folder / f"best-{epoch}.ckpt"


def _rows(checkpoint: Mapping[str, Any]) -> tuple[Epoch, ...]:
    return tuple(Epoch(*row) for row in checkpoint["callbacks"][EpochTable.__qualname__]["rows"])


def _read(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, after a check of its checksums, which torch leaves out.

    Raises:
        ValueError: If it is missing, damaged or no checkpoint.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if (member := archive.testzip()) is not None:
                raise ValueError(f"its part {member} has another checksum")
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if missing := _PARTS - checkpoint.keys():
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    except Exception as error:  # zipfile, torch and pickle have many
        said = str(error).strip().partition("\n")[0]
        raise ValueError(f"{path} is damaged ({path.stat().st_size if path.exists() else 0} bytes: {said})") from error
    return checkpoint
