"""An estimator in one pass: all training objects in memory, one row in the table."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import torch

from cortado.splits import TRAIN, VALIDATION
from cortado.tasks import Batch
from cortado.training.preparing import stream
from cortado.training.progress import Epoch, EpochTable
from cortado.training.study import Study
from cortado.training.survey import Survey

__all__ = ["fit"]

_JUDGED = 10_000  # training objects whose loss is measured: neighbours of all of them would take as long as the square


def fit(study: Study, known: Survey, held_out: int | None, table: EpochTable) -> Any:
    """The model of a study with the task `Fit`, which says its own `arguments`.

    Args:
        study: What is fitted.
        known: Survey of its files.
        held_out: The fold that is not trained on.
        table: Gets the header and one row.
    Raises:
        ValueError: See `Fit.fit`.
        FloatingPointError: If what the model says of a validation object is not finite.
    """
    begin = time.perf_counter()
    table.begin()
    train = _joined(stream(study, known, TRAIN, held_out=held_out))
    task: Any = known.task
    read = time.perf_counter()
    model = task.fit(train, study.model.func, study.recipe.seed)
    fitted = time.perf_counter()
    some = _first(train, _JUDGED)
    size = study.recipe.batch_size
    train_loss = _judged(task, model, (_cut(some, i, size) for i in range(0, len(some.weight), size)))["loss"]
    judged = _judged(task, model, stream(study, known, VALIDATION, held_out=held_out))
    table.add(
        Epoch(
            epoch=1,
            train_loss=train_loss,
            validation_loss=judged.pop("loss"),
            merits=judged,
            learning_rate=0.0,
            seconds=time.perf_counter() - begin,
            objects_per_second=len(train.weight) / (fitted - read),
        )
    )
    return model


def _judged(task: Any, model: torch.nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
    with torch.inference_mode():
        rows = torch.cat([task.rows({"model": model}, batch).double() for batch in batches])
    if bad := int((~torch.isfinite(rows)).any(dim=1).sum()):
        raise FloatingPointError(f"the outputs of the fitted model for {bad} of {len(rows)} objects are not finite")
    return dict(task.judged(rows))


def _joined(batches: Iterable[Batch]) -> Batch:
    """All batches as one.

    Raises:
        ValueError: If their inputs have different widths: they are padded to the longest object of each.
    """
    every = list(batches)
    shapes = {tuple(tensor.shape[1:] for tensor in batch.inputs) for batch in every}
    if len(shapes) > 1:
        raise ValueError(
            f"Fit: the representation gives {' and '.join(map(str, sorted(shapes)[:2]))} for different objects, "
            "required: features (n, f) alone, as of Columns or HighLevel"
        )
    inputs, target = (
        type(parts[0])(*(torch.cat(tensors) for tensors in zip(*parts)))
        for parts in ([batch.inputs for batch in every], [batch.target for batch in every])
    )
    return Batch(inputs, target, torch.cat([batch.weight for batch in every]))


def _first(batch: Batch, number: int) -> Batch:
    return _cut(batch, 0, number)


def _cut(batch: Batch, start: int, size: int) -> Batch:
    inputs, target = (
        type(arrays)(*(tensor[start : start + size] for tensor in arrays)) for arrays in (batch.inputs, batch.target)
    )
    return Batch(inputs, target, batch.weight[start : start + size])
