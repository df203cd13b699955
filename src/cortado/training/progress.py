"""What a person sees of a training: a row for each epoch, a bar within it, and the rows in history.csv."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from cortado.files import replacing
from cortado.tasks import Merit

__all__ = ["Epoch", "EpochTable"]


class Epoch(NamedTuple):
    """One row of the table: an epoch and how it went."""

    epoch: int
    train_loss: float
    validation_loss: float
    merits: dict[str, float]  # of the validation objects: those of the task
    learning_rate: float  # of the last step; 0 where none were taken
    seconds: float  # with validation
    objects_per_second: float  # training alone


class EpochTable(Callback):  # type: ignore[misc]
    """Prints a row for each epoch; keeps all rows in checkpoints, so that a resumed training has them too."""

    def __init__(
        self, path: Path, console: Console, merits: Mapping[str, Merit], *, epochs: int, objects: int, what: str
    ) -> None:
        """Begin a table.

        Args:
            path: The CSV file of all rows, written anew after each epoch.
            console: Where the rows are printed.
            merits: Figures of merit of the task.
            epochs: Epochs to be trained.
            objects: Training objects in an epoch.
            what: What these are called, "jets".
        """
        self.path, self.console, self.merits = path, console, merits
        self.epochs, self.objects, self.what = epochs, objects, what
        self.rows: list[Epoch] = []
        self._bar: Progress | None = None
        self._begin = self._trained = 0.0

    def state_dict(self) -> dict[str, Any]:
        """Rows as plain tuples."""
        return {"rows": [tuple(row) for row in self.rows]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Rows of the epochs before an interruption."""
        self.rows = [Epoch(*row) for row in state_dict["rows"]]

    def begin(self) -> None:
        """Print the header, and the rows that are there."""
        self.console.print(self._header(), style="bold")
        for index in range(len(self.rows)):
            self._print(index)

    def add(self, row: Epoch) -> None:
        """Print a row, and write all rows."""
        self.rows.append(row)
        self._print(len(self.rows) - 1)
        with replacing(self.path) as partial:
            partial.write_text(_csv(self.rows))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the header, and the rows of a resumed training."""
        if trainer.is_global_zero:
            self.begin()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock and the bar."""
        self._begin = time.perf_counter()
        if trainer.is_global_zero and self.console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=self.console, transient=True)
            self._bar.start()
            self._bar.add_task(f"epoch {trainer.current_epoch + 1} of {self.epochs}", total=self.objects)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        """Advance the bar."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=pl_module.seen)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock of the training objects."""
        self._trained = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the row of this epoch."""
        self._stop()
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        row = Epoch(
            epoch=trainer.current_epoch + 1,
            train_loss=values["train_loss"],
            validation_loss=values["validation_loss"],
            merits={name: values[f"validation_{name}"] for name in self.merits},
            learning_rate=trainer.optimizers[0].param_groups[0]["lr"],
            seconds=time.perf_counter() - self._begin,
            objects_per_second=self.objects / (self._trained - self._begin),
        )
        if trainer.is_global_zero:
            self.add(row)
        else:
            self.rows.append(row)

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
        widths = map(len, self._titles())
        merits = " ".join(
            f"{value:>{width}{self.merits[name].form}}" for width, (name, value) in zip(widths, row.merits.items())
        )
        text = (
            f"{f'{row.epoch}/{self.epochs}':>7} {row.train_loss:>11.4f} {row.validation_loss:>9.4f} "
            f"{merits} {row.learning_rate:>9.1e} "
            f"{row.seconds:>8.1f} {row.objects_per_second:>9.0f}{'  best' if best else ''}"
        )
        self.console.print(text, highlight=False, style="green" if best else None)

    def _header(self) -> str:
        titles = " ".join(self._titles())
        per_second = f"{self.what}/s"
        return f"{'epoch':>7} {'train loss':>11} {'val loss':>9} {titles} {'rate':>9} {'seconds':>8} {per_second:>9}"

    def _titles(self) -> list[str]:
        return [f"{merit.title:>11}" for merit in self.merits.values()]


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
