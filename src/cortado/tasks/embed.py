"""Places of hits, such that those which follow one another on a track are near each other: metric learning.

Shapes: n objects (events), N hits of all of them, d dimensions of the space, P pairs of hits, E pairs that are near.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cortado.reconstruction.near_pairs import near_pairs
from cortado.tasks.checks import require
from cortado.tasks.edges import NOISE
from cortado.tasks.task import Answers, Batch, Columns, Evaluation, Measured, Merit, Move

__all__ = ["Embed", "Embedded"]

_LEAST = 1e-12  # of a squared distance: its root has no gradient at 0
_BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))


class PairTarget(NamedTuple):
    """What a network should place near, and what apart."""

    true: Any  # (2, P) int64: hits that follow one another on a particle
    random: Any  # (2, R) int64: pairs of hits of one event, drawn at random
    particle: Any  # (N,) int64: a number of the particle, another one for each hit of noise


@dataclasses.dataclass(frozen=True, kw_only=True)
class Embedded:
    """The outputs are places (N, d); hits that are near each other there are joined by an edge.

    Attributes:
        collection: Field of the objects whose members are placed.
        dimensions: Of the space.
        radius: Hits are joined if they are nearer than that.
        neighbours: Most neighbours that a hit asks for.
    """

    collection: str = "hits"
    dimensions: int = 8
    radius: float = 1.0
    neighbours: int = 30

    of_constituents: ClassVar[bool] = True

    @property
    def fields(self) -> tuple[str, ...]:
        """What tells the inner hit from the outer."""
        return (f"{self.collection}.x", f"{self.collection}.y")

    @property
    def meaning(self) -> tuple[Any, ...]:
        """What is joined."""
        return (self.collection, self.dimensions)

    def check(self, path: str) -> None:
        """A field, a radius and positive numbers of dimensions and neighbours.

        Raises:
            ValueError: If not.
        """
        if not isinstance(self.collection, str) or not self.collection:
            raise ValueError(f"{path}: collection must be a field such as 'hits', got {self.collection!r}")
        if not 0 < self.radius < np.inf:
            raise ValueError(f"{path}: radius must be a positive number, got {self.radius!r}")
        for name in ("dimensions", "neighbours"):
            if not isinstance(number := getattr(self, name), int) or number < 1:
                raise ValueError(f"{path}: {name} must be an integer of at least 1, got {number!r}")

    def inputs(self, prepared: Any, rng: np.random.Generator) -> Any:
        """What was prepared."""
        return prepared

    def shape(self, prepared: Any) -> tuple[int, ...]:
        """(N, d)."""
        return (len(prepared.nodes), self.dimensions)

    def answers(self, outputs: Tensor, inputs: Any) -> Answers:
        """The `embedding` (N, d), and the event of each hit, (N,)."""
        return {"embedding": outputs, "event_index": inputs.event}

    def columns(self, answers: Answers, objects: ak.Array) -> Columns:
        """Edges of each event, (n, var) records: inner and outer hit, by their index in the event, and the score.

        The inner hit is the one nearer to the beam line. The score is 1 where both hits are at one place, and 1/2 at
        the radius.
        """
        places, event = answers["embedding"].numpy(), answers["event_index"].numpy()
        first, second = near_pairs(places, event, radius=self.radius, neighbours=self.neighbours)
        distance = np.linalg.norm(places[first] - places[second], axis=1)
        score = (self.radius / (self.radius + distance)).astype(np.float32).clip(max=_BELOW_ONE)
        r = _from_beam_line(objects[self.collection])
        turned = r[first] > r[second]
        ends = np.where(turned, second, first), np.where(turned, first, second)
        order, counts = np.lexsort(ends[::-1]), np.bincount(event, minlength=len(objects))
        starts = (np.cumsum(counts) - counts)[event[first]]
        edges = {"inner": ends[0] - starts, "outer": ends[1] - starts, "score": score}
        edges = {name: column[order] for name, column in edges.items()}
        return {"edges": ak.unflatten(ak.zip(edges), np.bincount(event[first], minlength=len(objects)))}

    def combined(self, members: Sequence[ak.Array]) -> ak.Array:
        """Not defined.

        Raises:
            ValueError: Always.
        """
        raise ValueError("embeddings cannot be averaged, as each has neighbours of its own: use one bundle, or folds")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Embed:
    """Learn to place hits of a particle that follow one another, by their distance from the beam line, near each other.

    The loss is the mean squared distance of true pairs, and the sum of (margin - distance)^2 of false pairs within the
    margin for each hit, by `weights`; both have the weights of their events. False pairs are drawn at random, for each
    hit as many, and those that the use would join in the space as it is: their number changes with the space, and a
    mean of them would not tell a better one. Hits of a particle that do not follow one another may be
    near or not. Merits count the edges that the use would give: the share of the true pairs that are among them, and
    the share of them of which both hits are of one particle.

    Attributes:
        truth: Number of the particle of each hit, 0 for none.
        dimensions: Of the space.
        radius: Hits that are nearer than that are joined.
        neighbours: Most neighbours that a hit asks for.
        margin: Distance that false pairs should have.
        random: Number of random pairs for each hit.
        weights: Of true and of false pairs; a hit has about ten times as many false pairs.
        min_pt: Least transverse momentum of the particles that count [GeV]; above 0 it needs `particles`. Hits of
            others may be near each other or not.

    References:
        Ju et al., Performance of a geometric deep learning pipeline for HL-LHC particle tracking (2021),
        arXiv:2103.06995, section 4.2.
    """

    truth: str = "hits.particle_id"
    dimensions: int = 8
    radius: float = 1.0
    neighbours: int = 30
    margin: float = 1.0
    random: int = 1
    weights: tuple[float, float] = (1.0, 0.1)
    min_pt: float = 0.0

    gives: ClassVar[type] = Embedded
    merits: ClassVar[Mapping[str, Merit]] = {
        "efficiency": Merit("Efficiency", ".4f"),
        "purity": Merit("Purity", ".4f"),
    }
    loss_title: ClassVar[str] = "Contrastive loss"
    invertible: ClassVar[bool] = False
    categories: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        require(len(self.truth.split(".")) == 2, self, "truth", 'a field of hits, "hits.particle_id"')
        for field in ("radius", "margin"):
            require(0 < getattr(self, field) < np.inf, self, field, "a positive number")
        for field in ("dimensions", "neighbours", "random"):
            require(getattr(self, field) >= 1, self, field, "at least 1")
        positive = len(self.weights) == 2 and all(weight > 0 for weight in self.weights)
        require(positive, self, "weights", "two positive numbers, of true and of false pairs")
        require(self.min_pt >= 0, self, "min_pt", "at least 0")

    @property
    def collection(self) -> str:
        """Field of the objects whose members are placed."""
        return self.truth.partition(".")[0]

    @property
    def fields(self) -> tuple[str, ...]:
        """The truth, what hits are ordered by, and the momenta."""
        momenta = ("particles.particle_id", "particles.px", "particles.py") if self.min_pt else ()
        return (self.truth, f"{self.collection}.x", f"{self.collection}.y", *momenta)

    def arguments(self) -> dict[str, Any]:
        """The dimensions of the space."""
        return {"dimensions": self.dimensions}

    def target(self, objects: ak.Array, category: NDArray[np.int64], inputs: Any) -> PairTarget:
        """The pairs that follow from the truth, and random ones, which are the same for an event in each epoch."""
        particle, counts = self._particles(objects)
        return PairTarget(self._true_pairs(objects, particle), _random_pairs(counts, self.random), particle)

    def moves(self, networks: Mapping[str, nn.Module], batch: Batch) -> Iterator[Move]:
        """Mean loss of the true pairs and of the false pairs."""
        places = networks["model"](*batch.inputs).float()
        yield Move("model", _loss(self._losses(places, batch, self._near(places, batch)).sum(0)))

    def rows(self, networks: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        """Sums over the pairs of each event, shape (n, 8).

        Weights and losses of true pairs, weights of hits and losses of false pairs; the number of true pairs that are
        edges and of all; the number of edges of one particle and of all.
        """
        places = networks["model"](*batch.inputs).float()
        near, (true, _, particle) = self._near(places, batch), batch.target
        linked = torch.isin(_numbers(true, len(places)), _numbers(near, len(places)))
        alike = particle[near[0]] == particle[near[1]]
        counted = [(true, linked), (true, torch.ones_like(linked)), (near, alike), (near, torch.ones_like(alike))]
        counts = [_per_event(flag.double(), pairs, batch) for pairs, flag in counted]
        return torch.cat([self._losses(places, batch, near).double(), torch.stack(counts, dim=1)], dim=1)

    def judged(self, rows: Tensor) -> dict[str, float]:
        """Loss, and efficiency and purity of the edges of all events; NaN where there is none to count."""
        sums = rows.sum(0)
        both, true, alike, edges = sums[4:]
        return {"loss": float(_loss(sums)), "efficiency": float(both / true), "purity": float(alike / edges)}

    def use(self, representation: Any, model: nn.Module) -> Embedded:
        """Which hits are near each other."""
        return Embedded(
            collection=self.collection,
            dimensions=self.dimensions,
            radius=self.radius,
            neighbours=self.neighbours,
        )

    def measured(self, evaluate: Callable[[], Evaluation]) -> Measured:
        """Efficiency and purity of the edges of the validation events."""
        evaluation = evaluate()
        objects, edges = evaluation.objects, evaluation.answers.edges
        particle, counts = self._particles(objects)
        starts = np.repeat(np.cumsum(counts) - counts, ak.to_numpy(ak.num(edges)))
        near = np.stack([ak.to_numpy(ak.flatten(edges[end])) + starts for end in ("inner", "outer")])
        true = self._true_pairs(objects, particle)
        number = len(particle)
        linked = np.isin(*(np.array([number, 1]) @ np.sort(pairs, axis=0) for pairs in (true, near)))
        alike = particle[near[0]] == particle[near[1]]
        merits = {"efficiency": linked, "purity": alike}
        return Measured({name: float(each.mean()) if len(each) else None for name, each in merits.items()})

    def _near(self, places: Tensor, batch: Batch) -> Tensor:
        """Pairs of hits (2, E) that are near each other in the space as it is."""
        arrays = places.detach().cpu().numpy(), batch.inputs.event.cpu().numpy()
        pairs = near_pairs(*arrays, radius=self.radius, neighbours=self.neighbours)
        return torch.from_numpy(pairs).to(places.device)

    def _losses(self, places: Tensor, batch: Batch, near: Tensor) -> Tensor:
        """Weights and losses of true pairs, weights of hits and losses of false pairs, of each event, shape (n, 4)."""
        true, random, particle = batch.target
        pairs = torch.cat([random, near], dim=1)
        false = pairs[:, particle[pairs[0]] != particle[pairs[1]]]
        close, apart = _squared(places, true), (self.margin - _squared(places, false).sqrt()).clamp(min=0) ** 2
        hits = torch.bincount(batch.inputs.event, minlength=len(batch.weight))
        sums = [
            _per_event(torch.ones_like(close), true, batch),
            self.weights[0] * _per_event(close, true, batch),
            hits.to(close.dtype),
            self.weights[1] * _per_event(apart, false, batch),
        ]
        return batch.weight.unsqueeze(1) * torch.stack(sums, dim=1)

    def _particles(self, objects: ak.Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """A number of the particle of each hit of all events, and the number of hits of each event.

        Hits of noise have numbers of their own, below 0.
        """
        identity = objects[self.collection][self.truth.partition(".")[2]]
        (number,) = _numbered(identity)
        is_noise = ak.to_numpy(ak.flatten(identity)) == NOISE
        return np.where(is_noise, -1 - np.arange(len(number)), number), ak.to_numpy(ak.num(identity))

    def _true_pairs(self, objects: ak.Array, particle: NDArray[np.int64]) -> NDArray[np.int64]:
        """Hits of a particle that follow one another, the inner and the outer, shape (2, P)."""
        hit = np.flatnonzero((particle >= 0) & self._is_hard(objects))
        hit = hit[np.lexsort((_from_beam_line(objects[self.collection])[hit], particle[hit]))]
        inner, outer = hit[:-1], hit[1:]
        follows = particle[inner] == particle[outer]
        return np.stack([inner[follows], outer[follows]])

    def _is_hard(self, objects: ak.Array) -> Any:
        """Whether the particle of each hit counts, shape (N,)."""
        if not self.min_pt:
            return True
        of_hit, of_particle = _numbered(
            objects[self.collection][self.truth.partition(".")[2]], objects.particles.particle_id
        )
        pt = np.hypot(*(ak.to_numpy(ak.flatten(objects.particles[name])) for name in ("px", "py")))
        return np.isin(of_hit, of_particle[pt >= self.min_pt])


def _numbered(*identities: ak.Array) -> list[NDArray[np.int64]]:
    """The same number for the same particle of the same event, of each of the columns (n, var), flat."""
    counts = [ak.to_numpy(ak.num(identity)) for identity in identities]
    event = np.concatenate([np.repeat(np.arange(len(each)), each) for each in counts])
    of_all, rank = np.unique(
        np.concatenate([ak.to_numpy(ak.flatten(each)) for each in identities]), return_inverse=True
    )
    return np.split(event * len(of_all) + rank, np.cumsum([each.sum() for each in counts])[:-1])


def _from_beam_line(hits: ak.Array) -> NDArray[np.float64]:
    x, y = (ak.to_numpy(ak.flatten(hits[name])).astype(np.float64) for name in "xy")
    r: NDArray[np.float64] = np.hypot(x, y)
    return r


def _random_pairs(counts: NDArray[np.int64], number: int) -> NDArray[np.int64]:
    """Each hit with other hits of its event, shape (2, R); what is drawn depends on the event alone."""
    starts = np.cumsum(counts) - counts
    drawn = [np.random.default_rng(count).integers(0, max(count, 1), number * count) for count in counts]
    first = np.repeat(np.arange(int(counts.sum())), number)
    second = np.concatenate([np.zeros(0, np.int64), *drawn]) + np.repeat(starts, number * counts)
    apart = first != second
    return np.stack([first[apart], second[apart]])


def _loss(sums: Tensor) -> Tensor:
    """Loss of true pairs for each of them and of false pairs for each hit, by the sums of weights and losses."""
    true, close, hits, apart = sums[:4]
    loss: Tensor = close / true.clamp(min=1e-9) + apart / hits.clamp(min=1e-9)
    return loss


def _squared(places: Tensor, pairs: Tensor) -> Tensor:
    """Squared distances of pairs (2, P), shape (P,)."""
    return (places[pairs[0]] - places[pairs[1]]).square().sum(1).clamp(min=_LEAST)


def _per_event(values: Tensor, pairs: Tensor, batch: Batch) -> Tensor:
    """Sums of the values of pairs (2, P) in each event, shape (n,)."""
    return values.new_zeros(len(batch.weight)).index_add(0, batch.inputs.event[pairs[0]], values)


def _numbers(pairs: Tensor, number: int) -> Tensor:
    """One number for each pair (2, P), whatever the order of its hits."""
    first, second = pairs.sort(dim=0).values
    numbers: Tensor = first * number + second
    return numbers
