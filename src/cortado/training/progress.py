"""What a person sees of a training: a row for each epoch, a bar within it, and the rows in history.csv."""

import csv
import io
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["Epoch", "EpochTable", "write_text"]

_MERITS = {
    "auc": ("val AUC", "8.4f"),
    "rejection": ("1/mistag at 50%", "16.1f"),
    "f1": ("val F1", "8.4f"),
    "ari": ("val ARI", "8.4f"),
    "critic": ("critic loss", "11.4f"),
}
"""Figures of merit, how they are called and written in the table."""


class Epoch(NamedTuple):
    """One row of the table: an epoch and how it went."""

    epoch: int
    train_loss: float
    validation_loss: float
    merits: dict[str, float]  # of the validation jets: those of the task
    learning_rate: float  # of the last step
    seconds: float  # with validation
    jets_per_second: float  # training alone


class EpochTable(Callback):  # type: ignore[misc]
    """Prints a row for each epoch; keeps all rows in checkpoints, so that a resumed training has them too."""

    def __init__(self, path: Path, console: Console, *, epochs: int, jets: int) -> None:
        """Begin a table.

        Args:
            path: The CSV file of all rows, written anew after each epoch.
            console: Where the rows are printed.
            epochs: Epochs to be trained.
            jets: Training jets in an epoch.
        """
        self.path, self.console, self.epochs, self.jets = path, console, epochs, jets
        self.rows: list[Epoch] = []
        self._bar: Progress | None = None
        self._begin = self._trained = 0.0

    def state_dict(self) -> dict[str, Any]:
        """Rows as plain tuples."""
        return {"rows": [tuple(row) for row in self.rows]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Rows of the epochs before an interruption."""
        self.rows = [Epoch(*row) for row in state_dict["rows"]]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the header, and the rows of a resumed training."""
        if trainer.is_global_zero:
            self.console.print(_header(pl_module.merits), style="bold")
            for index in range(len(self.rows)):
                self._print(index)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock and the bar."""
        self._begin = time.perf_counter()
        if trainer.is_global_zero and self.console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=self.console, transient=True)
            self._bar.start()
            self._bar.add_task(f"epoch {trainer.current_epoch + 1} of {self.epochs}", total=self.jets)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        """Advance the bar."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=pl_module.seen)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock of the training jets."""
        self._trained = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the row of this epoch."""
        self._stop()
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        row = Epoch(
            epoch=trainer.current_epoch + 1,
            train_loss=values["train_loss"],
            validation_loss=values["validation_loss"],
            merits={name: values[f"validation_{name}"] for name in pl_module.merits},
            learning_rate=trainer.optimizers[0].param_groups[0]["lr"],
            seconds=time.perf_counter() - self._begin,
            jets_per_second=self.jets / (self._trained - self._begin),
        )
        self.rows.append(row)
        if trainer.is_global_zero:
            self._print(len(self.rows) - 1)
            write_text(self.path, _csv(self.rows))

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave the terminal as it was."""
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _print(self, index: int) -> None:
        row = self.rows[index]
        best = row.validation_loss <= min(other.validation_loss for other in self.rows[: index + 1])
        merits = " ".join(f"{value:>{_MERITS[name][1]}}" for name, value in row.merits.items())
        text = (
            f"{f'{row.epoch}/{self.epochs}':>7} {row.train_loss:>11.4f} {row.validation_loss:>9.4f} "
            f"{merits} {row.learning_rate:>9.1e} "
            f"{row.seconds:>8.1f} {row.jets_per_second:>8.0f}{'  best' if best else ''}"
        )
        self.console.print(text, highlight=False, style="green" if best else None)


def _header(merits: Iterable[str]) -> str:
    titles = " ".join(f"{title:>{int(float(form[:-1]))}}" for title, form in (_MERITS[name] for name in merits))
    return f"{'epoch':>7} {'train loss':>11} {'val loss':>9} {titles} {'rate':>9} {'seconds':>8} {'jets/s':>8}"


def _csv(rows: list[Epoch]) -> str:
    """A line for each epoch, the figures of merit as `validation_auc`, ..."""
    flat = [_flat(row) for row in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, flat[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()


def _flat(row: Epoch) -> dict[str, float]:
    merits = {f"validation_{name}": value for name, value in row.merits.items()}
    before, after = row._fields[:3], row._fields[4:]
    return {name: getattr(row, name) for name in before} | merits | {name: getattr(row, name) for name in after}


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text)
    os.replace(partial, path)
