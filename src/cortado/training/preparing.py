"""The last step of loading: objects as a network sees them, in each epoch or once for a training."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal

import awkward as ak
import numpy as np
import torch

from cortado.splits import TRAIN
from cortado.tasks import Batch, Task
from cortado.training.loading import Stream
from cortado.training.mixing import Examples, Kept
from cortado.training.study import Study
from cortado.training.survey import Scaling, Survey, Weighting

__all__ = ["Preparation", "preparation", "stream"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preparation:
    """Examples -> batch, by representation, scaling, task and weights.

    Attributes:
        representation: What the network sees.
        scaling: Of its features.
        task: What the network should say, fitted.
        weighting: By category and balance.
        keeps: What of a sample stays in memory between epochs: the "inputs" of the network and their target, where they
            are of the same shape for each object, else the "objects", padded anew in each batch; None where neither is
            small enough.
    """

    representation: Any
    scaling: Scaling
    task: Task
    weighting: Weighting
    keeps: Literal["inputs", "objects"] | None

    def __call__(self, examples: Examples) -> Batch:
        """Batch of examples, or of what `keep` has made of them."""
        inputs, target = self._seen(examples) if isinstance(examples.objects, ak.Array) else examples.objects
        weight = self.weighting(examples.category, examples.balance, examples.weight)
        return Batch(_tensors(inputs), _tensors(target), torch.from_numpy(weight))

    def keep(self, examples: Examples) -> Any:
        """What stays in memory of the objects (n,)."""
        return self._seen(examples) if self.keeps == "inputs" else ak.to_packed(examples.objects)

    def _seen(self, examples: Examples) -> Kept:
        inputs = self.representation(examples.objects)
        inputs = inputs if self.scaling is None else self.scaling(inputs)
        return Kept(inputs, self.task.target(examples.objects, examples.category, inputs))


def preparation(study: Study, survey: Survey) -> Preparation:
    """How the objects of a study are prepared, and what of them is kept."""
    most = study.recipe.cache_bytes
    one = Preparation(
        representation=study.representation,
        scaling=survey.scaling,
        task=survey.task,
        weighting=survey.weighting,
        keeps="objects" if survey.nbytes <= most else None,
    )
    of_an_object = _bytes_of_an_object(one, survey.canary)
    if of_an_object is not None and of_an_object * int(survey.objects.sum()) <= most:
        return dataclasses.replace(one, keeps="inputs")
    return one


def stream(
    study: Study, survey: Survey, subset: int, *, held_out: int | None, rank: int = 0, world_size: int = 1
) -> Stream:
    """Batches of one subset of a study; training objects in random order, which is new in each epoch.

    Args:
        study: What is read.
        survey: Of its files.
        subset: TRAIN, VALIDATION or TEST.
        held_out: The fold that is not trained on.
        rank: Number of this device.
        world_size: Number of devices.
    """
    prepare, filled = preparation(study, survey), np.flatnonzero(survey.counts[:, subset])
    return Stream(
        study,
        [survey.parts[i] for i in filled],
        [int(survey.counts[i, subset]) for i in filled],
        subset=subset,
        finish=prepare,
        shuffle=subset == TRAIN,
        keep=prepare.keep if prepare.keeps else None,
        held_out=held_out,
        rank=rank,
        world_size=world_size,
    )


def _bytes_of_an_object(prepare: Preparation, examples: Examples) -> int | None:
    """Size of an object as the network sees it; None where that is no row of an array, or depends on the others."""
    inputs = dataclasses.replace(prepare, keeps="inputs")
    each = [inputs.keep(examples.take(slice(i, i + 1))) for i in range(len(examples.category))]
    shapes = {tuple(array.shape for array in _flat(kept)) for kept in each}
    padded = len(shapes) > 1 or any("mask" in name for name in each[0].inputs._fields)
    in_rows = all(len(array) == 1 for array in _flat(each[0]))
    return None if padded or not in_rows else sum(array.nbytes for array in _flat(each[0]))


def _flat(arrays: Any) -> Iterator[np.ndarray]:
    """The arrays of nested NamedTuples."""
    if isinstance(arrays, tuple):
        for each in arrays:
            yield from _flat(each)
    else:
        yield arrays


def _tensors(arrays: Any) -> Any:
    """The same NamedTuple, nested or not, of tensors."""
    if isinstance(arrays, tuple):
        return type(arrays)(*map(_tensors, arrays))
    return torch.from_numpy(np.require(arrays, requirements=("C", "W")))
