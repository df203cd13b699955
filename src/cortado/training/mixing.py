"""Objects of many steps into mixed batches: every one once, whatever the sizes of steps, pool and batches."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import awkward as ak
import numpy as np

from cortado import bundle

__all__ = ["Examples", "Kept", "batches", "even", "joined", "shares", "spread"]


class Kept(NamedTuple):
    """What a network sees of n objects and should say of them: NamedTuples of arrays (n, ...)."""

    inputs: Any
    target: Any


class Examples(NamedTuple):
    """Objects with their category, their weight and their subset: everything of shape (n,)."""

    objects: Any  # ak.Array, or `Kept`
    category: np.ndarray  # index, NO_CATEGORY for none
    weight: np.ndarray
    subset: np.ndarray
    balance: np.ndarray  # what `Balance` bins, 0 without it

    def take(self, index: Any) -> Examples:
        """The objects of an index array, mask or slice."""
        return Examples(_each(lambda array: array[index], self.objects), *(column[index] for column in self[1:]))


def _each(function: Any, arrays: Any) -> Any:
    """The function of an array, or of each in nested NamedTuples."""
    if isinstance(arrays, tuple):
        return type(arrays)(*(_each(function, array) for array in arrays))
    return function(arrays)


def joined(parts: Sequence[Examples]) -> Examples:
    """The objects of all parts, in their order."""
    objects, *columns = zip(*parts)
    return Examples(_together(objects), *map(np.concatenate, columns))


def _together(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], tuple):
        return type(parts[0])(*map(_together, zip(*parts)))
    return ak.concatenate(parts) if isinstance(parts[0], ak.Array) else np.concatenate(parts)


def shares(counts: Sequence[int], number: int, rng: np.random.Generator) -> list[list[int]]:
    """Deal steps in random order, each to the share that has fewest objects so far."""
    shares: list[list[int]] = [[] for _ in range(number)]
    sizes = np.zeros(number)
    for index in rng.permutation(len(counts)):
        smallest = int(np.argmin(sizes))
        shares[smallest].append(int(index))
        sizes[smallest] += counts[index]
    return shares


def spread(groups: Sequence[Any], rng: np.random.Generator) -> np.ndarray:
    """A random order of steps in which those of each group, such as a file, are spread evenly: indices, shape (n,).

    Where each file holds a class of its own, a part of a random order has more of one than of the other by chance, and
    a network learns for a while that this class is the more frequent one.
    """
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    places = np.empty(len(groups))
    for number, size in enumerate(sizes):
        places[group == number] = (rng.permutation(size) + rng.random(size)) / size
    return np.argsort(places)


def even(total: int, number: int) -> list[int]:
    """Cut `total` into `number` sizes that differ by one at most: no batch is left with a single object."""
    return [total * (i + 1) // number - total * i // number for i in range(number)]


def batches(
    chunks: Iterable[Examples],
    sizes: Iterable[int],
    *,
    pool: int,
    rng: np.random.Generator | None,
    bucket: bool,
) -> Iterator[Examples]:
    """Cut a stream of objects into batches of the given sizes, mixed in a pool unless `rng` is None.

    Raises:
        RuntimeError: If the chunks do not hold as many objects as the batches.
    """
    wanted, held = deque(sizes), list[Examples]()
    for chunk, last in _with_last(chunks):
        held.append(chunk)
        number = sum(len(x.category) for x in held)
        if number < pool and not last:
            continue
        mixed = joined(held)
        if rng is not None:
            mixed = mixed.take(rng.permutation(number))
        # Half of the pool stays behind, to be mixed with what comes next.
        stay, ready = 0 if last or rng is None else number // 2, list[int]()
        while wanted and number - sum(ready) - wanted[0] >= stay:
            ready.append(wanted.popleft())
        yield from _cut(mixed.take(slice(0, sum(ready))), ready, bucket, rng)
        held = [mixed.take(slice(sum(ready), None))]
    left = sum(len(x.category) for x in held)
    if left or wanted:
        raise RuntimeError(
            f"{left} objects too many and {sum(wanted)} too few were read: the files changed after the survey"
        )


def _with_last(items: Iterable[Any]) -> Iterator[tuple[Any, bool]]:
    """Each item, and whether it is the last one."""
    iterator = iter(items)
    for item in iterator:
        for following in iterator:
            yield item, False
            item = following
        yield item, True


def _cut(examples: Examples, sizes: list[int], bucket: bool, rng: np.random.Generator | None) -> Iterator[Examples]:
    edges = [0, *itertools.accumulate(sizes)]
    order = np.arange(len(sizes))
    if bucket and isinstance(examples.objects, ak.Array):
        examples = examples.take(np.argsort(bundle.lengths(examples.objects), kind="stable"))
    if bucket and rng is not None:
        order = rng.permutation(len(sizes))
    for i in order:
        yield examples.take(slice(edges[i], edges[i + 1]))
