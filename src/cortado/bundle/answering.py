"""What a bundle answers of any number of objects: one loop for evaluation, scoring and exports.

Objects of like length go together, the shortest first, so that little is padded and memory is bounded.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray

from cortado.bundle import cores
from cortado.bundle.chain import Bundle, lengths, tensors
from cortado.bundle.cores import Precision
from cortado.refused import RefusedObjects
from cortado.tasks import Answers, Use
from cortado.tasks.task import Columns

__all__ = ["Accepted", "accepted", "answers", "batches", "in_batches", "numbered", "sizes_of"]

_FEWEST = 64  # objects of which it pays to make two batches
_BATCH_CONSTITUENTS = 32  # a batch is never larger than batch_size objects of so many constituents


class Accepted(NamedTuple):
    """What could be made of objects.

    Attributes:
        made: Of those that were accepted.
        places: Their indices among all, shape (k,).
        refused: Why the others were not, with how many: "a log_pt that is not finite".
    """

    made: Any
    places: NDArray[np.int64]
    refused: Counter[str]


def accepted(make: Callable[[ak.Array], Any], objects: ak.Array) -> Accepted:
    """Make something of objects (n,), without those that are refused because of a number of theirs.

    Args:
        make: Of objects; raises `RefusedObjects`.
        objects: Shape (n,).
    """
    places, refused = np.arange(len(objects)), Counter[str]()
    while True:
        try:
            return Accepted(make(objects[places] if refused else objects), places, refused)
        except RefusedObjects as error:
            if not len(error.objects):
                raise
            refused[error.reason] += len(error.objects)
            places = np.delete(places, error.objects)


def answers(
    bundle: Bundle,
    objects: ak.Array,
    *,
    use: Use | None = None,
    network: torch.nn.Module | None = None,
    skip_empty: bool = False,
    skip_refused: bool = False,
    batch_size: int = 512,
    device: str = "cpu",
    threads: int | None = None,
    precision: Precision = "float32",
) -> ak.Array:
    """What a bundle says of objects, in their order: record of the columns of its use, shape (n,).

    Args:
        bundle: Prepares the objects.
        objects: With `bundle.fields`, shape (n,).
        use: In the place of the bundle's.
        network: In the place of the bundle's, such as a copy on another device.
        skip_empty: Do not show objects without constituents to the network: their numbers are NaN, their lists empty.
        skip_refused: The same for objects with a number that the representation refuses, such as NaN.
        batch_size: Most objects given to the network at once; fewer where they have more than 32 constituents.
        device: Where the network is.
        threads: Batches that are shown to the network at once, on a CPU; see `cores.each`.
        precision: Of products.
    """
    use = use or bundle.use
    network = bundle.model.to(device).eval() if network is None else network

    def columns(batch: ak.Array) -> Columns:
        if not len(batch):
            return _nothing(bundle, use, batch)
        return use.columns(_answer(bundle, use, network, batch, device), batch)

    return in_batches(
        bundle,
        objects,
        columns,
        skip_empty=skip_empty,
        skip_refused=skip_refused,
        batch_size=batch_size,
        device=device,
        threads=threads,
        precision=precision,
    )


def in_batches(
    bundle: Bundle,
    objects: ak.Array,
    columns: Callable[[ak.Array], Columns],
    *,
    skip_empty: bool = False,
    skip_refused: bool = False,
    batch_size: int = 512,
    device: str = "cpu",
    threads: int | None = None,
    precision: Precision = "float32",
) -> ak.Array:
    """Columns of objects, in their order, which are made batch by batch: record of shape (n,).

    Args:
        bundle: Says how long its objects are.
        objects: With `bundle.fields`, shape (n,).
        columns: Of a batch; also of one without objects, where there are none.
        skip_empty: As of `answers`; so are the others.
        skip_refused: Likewise.
        batch_size: Most objects of a batch.
        device: Where the network is.
        threads: Batches at once, on a CPU.
        precision: Of products.
    """
    sizes = sizes_of(bundle, objects)
    shown = np.flatnonzero(sizes) if skip_empty else np.arange(len(sizes))
    if not len(shown):
        return in_order(ak.zip(columns(objects[:0]), depth_limit=1), shown, len(objects))

    def part(batch: NDArray[np.int64]) -> ak.Array:
        with numbered(batch):
            if not skip_refused:
                return ak.zip(columns(objects[batch]), depth_limit=1)
            done = accepted(columns, objects[batch])
            made = ak.zip(done.made, depth_limit=1)
            return in_order(made, done.places, len(batch)) if done.refused else made

    share = math.ceil(len(shown) / cores.wanted(threads))
    order = list(batches(shown, sizes, min(batch_size, max(share, _FEWEST))))[::-1]  # what takes longest begins
    parts = list(cores.each(part, order, threads=threads, device=device, precision=precision))
    return in_order(ak.concatenate(parts), np.concatenate(order), len(objects))


def batches(shown: NDArray[np.int64], sizes: NDArray[np.int64], batch_size: int) -> Iterator[NDArray[np.int64]]:
    """Indices of objects to go together.

    Args:
        shown: Indices of all of them.
        sizes: Constituents of each object.
        batch_size: As of `answers`.
    """
    order = shown[np.argsort(sizes[shown], kind="stable")]
    start = 0
    while start < len(order):
        batch = order[start : start + batch_size]
        # The objects rise in length: keep those at which a batch that ends there still fits.
        padded = np.arange(1, len(batch) + 1) * sizes[batch]
        fits = max(1, int(np.count_nonzero(padded <= batch_size * _BATCH_CONSTITUENTS)))
        yield batch[:fits]
        start += fits


def sizes_of(bundle: Bundle, objects: ak.Array) -> NDArray[np.int64]:
    """Constituents that each object takes in a batch, shape (n,); 1 for representations that do not use them."""
    if getattr(bundle.representation, "whole", False):
        return np.ones(len(objects), np.int64)
    longest = getattr(bundle.representation, "max_constituents", None)
    sizes = lengths(objects)
    return sizes if longest is None else np.minimum(sizes, longest)


def _answer(bundle: Bundle, use: Use, network: torch.nn.Module, objects: ak.Array, device: str) -> Answers:
    """Answers of one batch, on the CPU."""
    inputs = use.inputs(bundle.prepare(objects), np.random.default_rng(1))
    given = type(inputs)(*tensors(inputs, device))
    with torch.inference_mode():
        named = use.answers(network(*given).float(), given)
    return {name: tensor.cpu() for name, tensor in named.items()}


def _nothing(bundle: Bundle, use: Use, none: ak.Array) -> Columns:
    """The columns of no objects, which have the types of those of some."""
    prepared = bundle.prepare(none)
    inputs = use.inputs(prepared, np.random.default_rng(1))
    named = use.answers(torch.zeros(use.shape(prepared)), type(inputs)(*tensors(inputs)))
    return use.columns(named, none)


def in_order(columns: ak.Array, places: NDArray[np.int64], number: int) -> ak.Array:
    """Columns of the objects at `places` (m,) as those of all `number` objects: of the others NaN, or empty lists."""
    index = np.full(number, -1, np.int64)
    index[places] = np.arange(len(places))
    if len(places) == number:
        return columns[index]
    layout = ak.contents.IndexedOptionArray(ak.index.Index64(index), ak.to_layout(columns))
    known = ak.Array(layout)
    return ak.zip({name: _filled(known[name]) for name in ak.fields(columns)}, depth_limit=1)


def _filled(column: ak.Array) -> ak.Array:
    return ak.fill_none(column, np.float32(np.nan) if column.ndim == 1 else [], axis=0)


@contextlib.contextmanager
def numbered(batch: NDArray[np.int64]) -> Iterator[None]:
    """Have errors about an object of a batch, which count there, name it by its number among all objects.

    Args:
        batch: Indices of the objects among all.

    Raises:
        ValueError, RefusedObjects: The same with the other number.
    """
    try:
        yield
    except ValueError as error:
        of_all = re.sub(
            r"\b(jet|event|particle|object) (\d+)", lambda match: f"{match[1]} {batch[int(match[2])]}", str(error)
        )
        if isinstance(error, RefusedObjects):
            raise RefusedObjects(of_all, batch[error.objects], error.reason) from error
        raise ValueError(of_all) from error
