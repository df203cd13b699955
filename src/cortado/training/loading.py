"""Labelled jets out of ntuples larger than memory: read in steps, mixed in pools, batched for the network.

The steps of all files are put in random order and dealt to the loader processes (and to the devices). Each
process pours its steps into a pool of jets, mixes the pool, and cuts half of it into batches before it pours
on. Every jet is given exactly once an epoch, whatever the number of processes, devices and the size of the
pool; the order depends only on the seed, the epoch and the number of processes.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from cortado import bundle, ntuples, reading
from cortado.training.mixing import Labelled, batches, even, shares, spread
from cortado.training.study import Study, subset_of

__all__ = ["Batch", "Part", "Stream", "labelled", "loader", "padded_partition", "parts_of"]

NO_CLASS = -1
NO_PARTITION = -1


class Part(NamedTuple):
    """A step of a file, and whether the file is for validation only."""

    step: ntuples.Step
    validation_only: bool


class Batch(NamedTuple):
    """What a network is given, and what it should say."""

    inputs: Any  # NamedTuple of tensors, as the representation names them
    target: torch.Tensor  # (n,) int64
    weight: torch.Tensor  # (n,) float32
    partition: Any = None  # (n, p) int64, NO_PARTITION where there is no constituent; of networks on pairs


def parts_of(study: Study) -> list[Part]:
    """All steps of the files of a study.

    Raises:
        ValueError: If two of the paths name the same file: its jets would count twice, or be validated on in
            training.
    """
    found = [
        Part(step, validation_only)
        for files, validation_only in ((study.files, False), (study.validation_files, True))
        if files
        for step in ntuples.steps(files, tree=study.tree, size=study.recipe.step_size)
    ]
    steps = [part.step for part in found]
    doubled = next((step for step in steps if steps.count(step) > 1), None) if len(set(steps)) < len(steps) else None
    if doubled is not None:
        raise ValueError(f"study {study.name!r}: {doubled.path} is named twice by files and validation_files")
    return found


def labelled(study: Study, part: Part, *, held_out: int | None = None) -> Labelled:
    """Selected jets of one step, with the columns that the representation needs, and `pt` if they have it.

    Jets of no class have the target -1; without classes all are of the first.

    Raises:
        ValueError: If the file lacks the collection, a jet is in two classes, a value is not finite, or an event
            weight is negative; names the file.
    """
    record = reading.records(part.step)
    where = f"{part.step.path}, entries {part.step.start} to {part.step.stop}"
    if study.collection not in ak.fields(record):
        raise ValueError(f"{where}: no {study.collection}, only {', '.join(ak.fields(record))}")
    nested = record[study.collection]
    jets = ak.flatten(nested, axis=1)
    weight = np.ones(len(jets))
    if study.event_weight and "weight" in ak.fields(record):
        weight = np.repeat(np.asarray(record.weight, dtype=np.float64), ak.to_numpy(ak.num(nested)))
    if study.selection is not None:
        chosen = np.asarray(study.selection(jets), dtype=bool)
        jets, weight = jets[chosen], weight[chosen]
    target = _targets(study, jets, where)
    subset = subset_of(study, ak.to_numpy(jets.event_key), validation_only=part.validation_only, held_out=held_out)
    truth = () if study.partition is None else (study.partition,)
    pt = ("pt",) if "pt" in jets.fields else ()
    fields = dict.fromkeys((*pt, *study.representation.fields, *truth))  # type: ignore[attr-defined]
    jets = ak.to_packed(bundle.columns(jets, fields))
    _require_finite(jets, where)
    _require_weights(weight, where)
    momenta = ak.to_numpy(jets.pt) if pt else np.zeros(len(jets), dtype=np.float32)
    return Labelled(jets, target, weight, subset, momenta)


def _targets(study: Study, jets: ak.Array, where: str) -> np.ndarray:
    if not study.classes:
        return np.zeros(len(jets), dtype=np.int64)
    members = np.stack([np.asarray(mask(jets), dtype=bool) for mask in study.classes.values()])
    twice = np.flatnonzero(members.sum(axis=0) > 1)
    if len(twice):
        both = [name for name, inside in zip(study.classes, members[:, twice[0]]) if inside]
        raise ValueError(
            f"{where}: {len(twice)} jets are in more than one class, the first in {' and '.join(both)}; "
            "the classes of a study must exclude each other"
        )
    return np.where(members.any(axis=0), members.argmax(axis=0), NO_CLASS)


def _require_finite(jets: ak.Array, where: str, prefix: str = "") -> None:
    for field in ak.fields(jets):
        column = jets[field]
        if ak.fields(column):
            _require_finite(column, where, f"{field}.")
        elif bad := int(np.sum(~np.isfinite(ak.to_numpy(ak.flatten(column, axis=None))))):
            raise ValueError(f"{where}: {bad} values of jets.{prefix}{field} are not finite; deselect such jets")


def _require_weights(weight: np.ndarray, where: str) -> None:
    if np.all(weight >= 0):
        return
    raise ValueError(
        f"{where}: {np.sum(~(weight >= 0))} of {len(weight)} event weights are negative or not a number, "
        f"the lowest {np.nanmin(weight):g}; a cross-entropy needs weights of at least 0: event_weight=False "
        "ignores them"
    )


def padded_partition(jets: ak.Array, field: str) -> np.ndarray:
    """The partition of the constituents of each jet, (n, p) int64; p of the longest jet, at least 1."""
    outer, _, inner = field.partition(".")
    column = jets[outer, inner]
    longest = max(int(ak.max(ak.num(column), initial=0)), 1)
    padded = ak.fill_none(ak.pad_none(column, longest, clip=True), NO_PARTITION)
    numbers: np.ndarray = ak.to_numpy(padded, allow_missing=False).astype(np.int64)
    return numbers


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
        finish: Callable[[Labelled], Batch],
        shuffle: bool,
        keep: Callable[[ak.Array], Any] | None,
        held_out: int | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """Hold what loader processes need.

        Args:
            study: What is read.
            parts: Steps that hold at least one jet of the subset.
            counts: Number of the subset's jets in each part.
            subset: TRAIN, VALIDATION or TEST.
            finish: Labelled jets, or what is kept of them, -> batch, with representation, scaling and weights.
            shuffle: Random order, new in each epoch; otherwise the order of the files, by length within a
                pool.
            keep: Decoded jets -> what is kept of them after the first epoch; None reads them anew in each.
            held_out: The fold that is not trained on.
            rank: Number of this device.
            world_size: Number of devices.
        """
        self.study, self.parts, self.counts, self.subset = study, list(parts), list(counts), subset
        self.finish, self.shuffle, self.keep, self.held_out = finish, shuffle, keep, held_out
        self.rank, self.world_size = rank, world_size
        self.epoch: torch.Tensor = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
        self._kept: dict[int, Labelled] = {}

    def __iter__(self) -> Iterator[Batch]:
        """Batches of this process's share of the epoch."""
        info, recipe = get_worker_info(), self.study.recipe
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        epoch = int(self.epoch)
        # Kept jets stay in their process, so that only the order changes; otherwise all is dealt anew.
        deal = np.random.default_rng((recipe.seed, 0 if self.keep or not self.shuffle else epoch))
        dealt = shares(self.counts, workers * self.world_size, deal)
        mine = dealt[self.rank * workers + worker]
        totals = [sum(self.counts[i] for i in dealt[r * workers + worker]) for r in range(self.world_size)]
        sizes = even(totals[self.rank], self._number_of_batches(totals))
        rng = np.random.default_rng((recipe.seed, epoch, self.rank, worker)) if self.shuffle else None
        order = mine if rng is None else np.asarray(mine)[spread([self.parts[i].step.path for i in mine], rng)]
        chunks = (self._chunk(int(index)) for index in order)
        bucket = recipe.bucket or not self.shuffle
        for jets in batches(chunks, sizes, pool=recipe.shuffle_pool, rng=rng, bucket=bucket):
            yield self.finish(jets)

    def _number_of_batches(self, totals: list[int]) -> int:
        """Batches of one loader process: as many on each device, since devices step together.

        Raises:
            ValueError: If one of them has fewer jets than batches.
        """
        number = math.ceil(max(totals) / self.study.recipe.batch_size)
        if min(totals) < number:
            raise ValueError(
                f"{len(self.counts)} steps cannot be dealt to {self.world_size} devices: one would have "
                f"{min(totals)} jets for {number} batches; lower step_size or workers"
            )
        return number

    def _chunk(self, index: int) -> Labelled:
        if index in self._kept:
            return self._kept[index]
        found = labelled(self.study, self.parts[index], held_out=self.held_out)
        wanted = (found.subset == self.subset) & (found.target != NO_CLASS)
        chunk = found.take(wanted)
        if self.keep:
            self._kept[index] = chunk = chunk._replace(jets=self.keep(chunk.jets))
        return chunk


def loader(stream: Stream, workers: int, *, pin_memory: bool = False) -> DataLoader[Batch]:
    """A loader of ready-made batches; its processes live on between epochs and keep what they have read."""
    return DataLoader(
        stream,
        batch_size=None,
        num_workers=workers,
        persistent_workers=workers > 0,
        prefetch_factor=4 if workers else None,
        pin_memory=pin_memory,
    )
