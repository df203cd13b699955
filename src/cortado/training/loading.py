"""Objects out of ntuples larger than memory: read in steps, mixed in pools, batched for the network.

The steps of all files are put in random order and dealt to the loader processes (and to the devices). Each
process pours its steps into a pool of objects, mixes the pool, and cuts half of it into batches before it pours
on. Every object is given exactly once an epoch, whatever the number of processes, devices and the size of the
pool; the order depends only on the seed, the epoch and the number of processes.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from cortado import bundle, ntuples, reading
from cortado.names import placed
from cortado.tasks import Batch, optional
from cortado.tasks.checks import mask_of
from cortado.training.mixing import Examples, batches, even, shares, spread
from cortado.training.study import Study, subset_of

__all__ = ["INVALID", "NO_CATEGORY", "Part", "Stream", "examples", "loader", "parts_of"]

NO_CATEGORY, INVALID = -1, -2


class Part(NamedTuple):
    """A step of a file, and whether the file is for validation only."""

    step: ntuples.Step
    validation_only: bool


def parts_of(study: Study) -> list[Part]:
    """All steps of the files of a study.

    Raises:
        ValueError: If two of the paths name the same file: its objects would count twice, or be validated on in
            training.
    """
    chosen = study.objects
    parts = [
        Part(step, validation_only)
        for files, validation_only in ((chosen.files, False), (chosen.validation_files, True))
        if files
        for step in ntuples.steps(files, tree=chosen.tree, size=study.recipe.step_size)
    ]
    files: dict[tuple[str, str], str] = {}
    for step in (part.step for part in parts if part.step.start == 0):
        real = step.path if "://" in step.path else os.path.realpath(step.path)
        if other := files.get((real, step.tree)):
            also = f", also as {other}" if other != step.path else ""
            raise ValueError(f"study {study.name!r}: {step.path} is named twice by files and validation_files{also}")
        files[real, step.tree] = step.path
    return parts


def examples(study: Study, part: Part, *, held_out: int | None = None, columns: Sequence[str] = ()) -> Examples:
    """Chosen objects of one step, with the columns that representation, task and balance need, and those named.

    Objects of no category have `NO_CATEGORY`, those that are dropped because of a number `INVALID`; without categories
    all others are of the first.

    Raises:
        ValueError: If the file lacks the collection, an object is in two classes, a value is not finite, or an event
            weight is not; names the file.
    """
    chosen = study.objects
    record = reading.records(part.step, dialect=chosen.dialect, collection=chosen.collection)
    where = f"{part.step.path}, entries {part.step.start} to {part.step.stop}"
    objects, event = _of_events(record, chosen.collection, where)
    weight = np.ones(len(objects))
    if chosen.event_weight and "weight" in ak.fields(record):
        weight = np.asarray(record.weight, dtype=np.float64)[event]
    if (sample := chosen.sample(part.step.path)) is not None:
        objects = ak.with_field(objects, np.full(len(objects), sample), "sample")
        weight = weight * chosen.scales.get(sample, 1.0)
    with placed(where):
        if chosen.mask is not None:
            inside = mask_of("mask", chosen.mask, objects)
            objects, weight = objects[inside], weight[inside]
        category = optional.category(study.task, objects)
        key = ak.to_numpy(objects.event_key)
        balanced = () if chosen.balance is None else (chosen.balance.field,)
        fields = dict.fromkeys((*balanced, *study.representation.fields, *study.task.fields, *columns))  # type: ignore[attr-defined]
        objects = ak.to_packed(bundle.columns(objects, fields))
    subset = subset_of(chosen, key, validation_only=part.validation_only, held_out=held_out)
    if chosen.invalid == "drop":
        category = np.where(_valid(objects, study.representation), category, INVALID)
    else:
        _require_finite(objects, where, chosen.collection)
    _require_weights(weight, where)
    balance = ak.to_numpy(objects[balanced[0]]) if balanced else np.zeros(len(objects), dtype=np.float32)
    return Examples(objects, category, weight, subset, balance)


def _of_events(record: ak.Array, collection: str, where: str) -> tuple[ak.Array, np.ndarray]:
    """The objects of all events in a row, with their event keys, and the index of the event of each."""
    if collection == "events":
        return record, np.arange(len(record))
    if collection not in ak.fields(record):
        raise ValueError(f"{where}: no {collection}, only {', '.join(ak.fields(record))}")
    event = np.repeat(np.arange(len(record)), ak.to_numpy(ak.num(record[collection])))
    objects = ak.flatten(record[collection], axis=1)
    if "event_key" not in objects.fields:
        objects = ak.with_field(objects, record.event_key[event], "event_key")
    return objects, event


def _require_finite(objects: ak.Array, where: str, name: str) -> None:
    for field in ak.fields(objects):
        column = objects[field]
        if ak.parameters(column).get("__array__") == "string":
            continue
        if ak.fields(column):
            _require_finite(column, where, f"{name}.{field}")
        elif bad := int(np.sum(~np.isfinite(ak.to_numpy(ak.flatten(column, axis=None))))):
            raise ValueError(
                f"{where}: {bad} values of {name}.{field} are not finite; deselect such objects by the mask, or leave "
                'them out and count them, Objects(invalid="drop")'
            )


def _valid(objects: ak.Array, representation: Any) -> np.ndarray:
    """Whether all numbers of objects are finite, and the representation takes them, shape (n,)."""
    good = np.ones(len(objects), dtype=bool)
    for field in ak.fields(objects):
        column = objects[field]
        for inner in [column[name] for name in ak.fields(column)] or [column]:
            if ak.parameters(inner).get("__array__") != "string":
                finite = np.isfinite(inner)
                good &= ak.to_numpy(ak.all(finite, axis=-1) if inner.ndim > 1 else finite)
    places = np.flatnonzero(good)
    good[:] = False
    good[places[bundle.accepted(representation, objects[places]).places]] = True
    return good


def _require_weights(weight: np.ndarray, where: str) -> None:
    if bad := int(np.sum(~np.isfinite(weight))):
        raise ValueError(
            f"{where}: {bad} of {len(weight)} event weights are not finite: event_weight=False ignores them"
        )


class Stream(IterableDataset[Batch]):
    """Batches of one subset of a study.

    Attributes:
        epoch: Number of the epoch that the next iteration gives, in memory that the loader processes share.
    """

    def __init__(
        self,
        study: Study,
        parts: Sequence[Part],
        counts: Sequence[int],
        *,
        subset: int,
        finish: Callable[[Examples], Batch],
        shuffle: bool,
        keep: Callable[[Examples], Any] | None,
        held_out: int | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """Hold what loader processes need.

        Args:
            study: What is read.
            parts: Steps that hold at least one object of the subset.
            counts: Number of the subset's objects in each part.
            subset: TRAIN, VALIDATION or TEST.
            finish: Examples, or what is kept of them, -> batch, with representation, scaling, target and weights.
            shuffle: Random order, new in each epoch; otherwise the order of the files, by length within a
                pool.
            keep: Examples -> what is kept of their objects after the first epoch; None reads them anew in each.
            held_out: The fold that is not trained on.
            rank: Number of this device.
            world_size: Number of devices.
        """
        self.study, self.parts, self.counts, self.subset = study, list(parts), list(counts), subset
        self.finish, self.shuffle, self.keep, self.held_out = finish, shuffle, keep, held_out
        self.rank, self.world_size = rank, world_size
        self.epoch: torch.Tensor = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
        self._kept: dict[int, Examples] = {}

    def __iter__(self) -> Iterator[Batch]:
        """Batches of this process's share of the epoch."""
        info, recipe = get_worker_info(), self.study.recipe
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        epoch = int(self.epoch)
        # Kept objects stay in their process, so that only the order changes; otherwise all is dealt anew.
        deal = np.random.default_rng((recipe.seed, 0 if self.keep or not self.shuffle else epoch))
        dealt = shares(self.counts, workers * self.world_size, deal)
        mine = dealt[self.rank * workers + worker]
        totals = [sum(self.counts[i] for i in dealt[r * workers + worker]) for r in range(self.world_size)]
        sizes = even(totals[self.rank], self._number_of_batches(totals))
        rng = np.random.default_rng((recipe.seed, epoch, self.rank, worker)) if self.shuffle else None
        order = mine if rng is None else np.asarray(mine)[spread([self.parts[i].step.path for i in mine], rng)]
        chunks = (self._chunk(int(index)) for index in order)
        bucket = recipe.bucket or not self.shuffle
        for mixed in batches(chunks, sizes, pool=recipe.shuffle_pool, rng=rng, bucket=bucket):
            yield self.finish(mixed)

    def _number_of_batches(self, totals: list[int]) -> int:
        """Batches of one loader process: as many on each device, since devices step together.

        Raises:
            ValueError: If one of them has fewer objects than batches.
        """
        number = math.ceil(max(totals) / self.study.recipe.batch_size)
        if min(totals) < number:
            raise ValueError(
                f"{len(self.counts)} steps cannot be dealt to {self.world_size} devices: one would have "
                f"{min(totals)} {self.study.objects.collection} for {number} batches; lower step_size or workers"
            )
        return number

    def _chunk(self, index: int) -> Examples:
        if index in self._kept:
            return self._kept[index]
        read = examples(self.study, self.parts[index], held_out=self.held_out)
        chunk = read.take((read.subset == self.subset) & (read.category >= 0))
        if self.keep:
            self._kept[index] = chunk = chunk._replace(objects=self.keep(chunk))
        return chunk


def loader(stream: Stream, workers: int, *, pin_memory: bool = False) -> DataLoader[Batch]:
    """A loader of ready-made batches; its processes live on between epochs and keep what they have read.

    Raises:
        ValueError: If processes are started such that they must get the study as a pickle, and it has none.
    """
    if workers:
        _require_pickle(stream)
    return DataLoader(
        stream,
        batch_size=None,
        num_workers=workers,
        persistent_workers=workers > 0,
        prefetch_factor=4 if workers else None,
        pin_memory=pin_memory,
    )


def _require_pickle(stream: Stream) -> None:
    """Whether loader processes can get what they need; those that are forked have it already."""
    method = multiprocessing.get_start_method()
    if method == "fork":
        return
    try:
        pickle.dumps((stream.study, stream.finish))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            f"study {stream.study.name!r} cannot be given to loader processes, which are started by {method!r} here: "
            f"{error}; use functions of a module in place of lambdas, or Recipe(workers=0)"
        ) from error
