"""Jets of many steps into mixed batches: every jet once, whatever the sizes of steps, pool and batches."""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import awkward as ak
import numpy as np

from cortado import bundle

__all__ = ["Labelled", "batches", "even", "shares", "spread"]


class Labelled(NamedTuple):
    """Jets with their class, their weight and their subset: everything of shape (n,)."""

    jets: Any  # ak.Array, or what a network sees of them: NamedTuple of arrays (n, ...)
    target: np.ndarray  # index of the class, NO_CLASS for none
    weight: np.ndarray
    subset: np.ndarray
    pt: np.ndarray  # GeV, 0 for what has none

    def take(self, index: Any) -> "Labelled":
        """The jets of an index array, mask or slice."""
        jets, *columns = self
        if isinstance(jets, tuple):
            taken = type(jets)(*(array[index] for array in jets))
        else:
            taken = jets[index]
        return Labelled(taken, *(column[index] for column in columns))


def _joined(parts: Sequence[Labelled]) -> Labelled:
    """The jets of all parts, in their order."""
    jets, *columns = zip(*parts)
    if isinstance(jets[0], tuple):
        together = type(jets[0])(*map(np.concatenate, zip(*jets)))
    else:
        together = ak.concatenate(jets)
    return Labelled(together, *map(np.concatenate, columns))


def shares(counts: Sequence[int], number: int, rng: np.random.Generator) -> list[list[int]]:
    """Deal steps in random order, each to the share that has fewest jets so far."""
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
    """Cut `total` into `number` sizes that differ by one at most: no batch is left with a single jet."""
    return [total * (i + 1) // number - total * i // number for i in range(number)]


def batches(
    chunks: Iterable[Labelled],
    sizes: Iterable[int],
    *,
    pool: int,
    rng: np.random.Generator | None,
    bucket: bool,
) -> Iterator[Labelled]:
    """Cut a stream of jets into batches of the given sizes, mixed in a pool unless `rng` is None.

    Raises:
        RuntimeError: If the chunks do not hold as many jets as the batches.
    """
    wanted, held = deque(sizes), list[Labelled]()
    for chunk, last in _with_last(chunks):
        held.append(chunk)
        number = sum(len(x.target) for x in held)
        if number < pool and not last:
            continue
        mixed = _joined(held)
        if rng is not None:
            mixed = mixed.take(rng.permutation(number))
        # Half of the pool stays behind, to be mixed with what comes next.
        stay, ready = 0 if last or rng is None else number // 2, list[int]()
        while wanted and number - sum(ready) - wanted[0] >= stay:
            ready.append(wanted.popleft())
        yield from _cut(mixed.take(slice(0, sum(ready))), ready, bucket, rng)
        held = [mixed.take(slice(sum(ready), None))]
    left = sum(len(x.target) for x in held)
    if left or wanted:
        raise RuntimeError(
            f"{left} jets too many and {sum(wanted)} too few were read: the files changed after the survey"
        )


def _with_last(items: Iterable[Any]) -> Iterator[tuple[Any, bool]]:
    """Each item, and whether it is the last one."""
    iterator = iter(items)
    for item in iterator:
        for following in iterator:
            yield item, False
            item = following
        yield item, True


def _cut(jets: Labelled, sizes: list[int], bucket: bool, rng: np.random.Generator | None) -> Iterator[Labelled]:
    edges = [0, *itertools.accumulate(sizes)]
    order = np.arange(len(sizes))
    if bucket and isinstance(jets.jets, ak.Array):
        jets = jets.take(np.argsort(bundle.lengths(jets.jets), kind="stable"))
    if bucket and rng is not None:
        order = rng.permutation(len(sizes))
    for i in order:
        yield jets.take(slice(edges[i], edges[i + 1]))
