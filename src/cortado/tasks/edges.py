"""Edges of a graph that belong to one track: networks on graphs of hits.

Shapes: n objects (events), N hits and E edges of all of them.
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
from torch.nn.functional import binary_cross_entropy_with_logits

from cortado import metrics
from cortado.tasks.checks import require
from cortado.tasks.task import Answers, Batch, Columns, Evaluation, Measured, Merit, Move

__all__ = ["NOISE", "ClassifyEdges", "Edges"]

NOISE = 0
_LABEL = "edges.label"
_BINS = 200  # of the logits, for the area under the curve of any number of edges
_LARGEST = 10.0


class EdgeTarget(NamedTuple):
    """What a network should say of E edges."""

    joined: Any  # (E,) float32: 1 where both hits are of one particle
    event: Any  # (E,) int64: index of the object of the edge


@dataclasses.dataclass(frozen=True, kw_only=True)
class Edges:
    """The outputs are logits (E,) that both hits of an edge are of one track.

    Attributes:
        collection: Field of the objects whose members are joined.
    """

    collection: str = "hits"

    of_constituents: ClassVar[bool] = True
    fields: ClassVar[tuple[str, ...]] = ()

    @property
    def meaning(self) -> tuple[Any, ...]:
        """What is joined."""
        return (self.collection,)

    def check(self, path: str) -> None:
        """A field.

        Raises:
            ValueError: If not.
        """
        if not isinstance(self.collection, str) or not self.collection:
            raise ValueError(f"{path}: collection must be a field such as 'hits', got {self.collection!r}")

    def inputs(self, prepared: Any, rng: np.random.Generator) -> Any:
        """What was prepared."""
        return prepared

    def shape(self, prepared: Any) -> tuple[int, ...]:
        """(E,)."""
        return (prepared.edge_index.shape[1],)

    def answers(self, outputs: Tensor, inputs: Any) -> Answers:
        """Logits and probabilities (E,), and the hits of the edges, (E, 2), counted over all events."""
        return {"logits": outputs, "probabilities": torch.sigmoid(outputs), "edges": inputs.edge_index.T}

    def columns(self, answers: Answers, objects: ak.Array) -> Columns:
        """Edges of each event, (n, var) records: inner and outer hit, by their index in the event, and the score."""
        event, ends = _in_events(objects[self.collection], answers["edges"].numpy().T)
        edges = {"inner": ends[0], "outer": ends[1], "score": answers["probabilities"].numpy()}
        return {"edges": ak.unflatten(ak.zip(edges), np.bincount(event, minlength=len(objects)))}

    def combined(self, members: Sequence[ak.Array]) -> ak.Array:
        """Mean score of each edge.

        Raises:
            ValueError: If the trainings judge other edges: their graphs differ.
        """
        first, *others = (each.edges for each in members)
        for other in others:
            alike = ak.all(ak.num(first) == ak.num(other)) and all(
                ak.all(first[end] == other[end], axis=None) for end in ("inner", "outer")
            )
            if not alike:
                raise ValueError("edges of different graphs cannot be averaged: use trainings on one representation")
        score = sum(each.edges.score for each in members) / np.float32(len(members))
        return ak.zip({"edges": ak.with_field(first, score, "score")}, depth_limit=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassifyEdges:
    """Learn which edges of a graph join hits of one particle; the network gives logits (E,).

    The loss is the weighted mean binary cross-entropy of the edges of a batch; every edge has the weight of its event.

    Attributes:
        truth: "hits.particle_id", the number of the particle of each hit, 0 for none; or "edges.label", for edges that
            the record brings with 1 for those that are true and 0 for all others.
        weights: Of true and of false edges; HEP.TrkX (arXiv:1810.06111) takes (2.5, 0.625) where few edges are true.
        threshold: Probability above which efficiency and purity count an edge.
    """

    truth: str = "hits.particle_id"
    weights: tuple[float, float] = (1.0, 1.0)
    threshold: float = 0.5

    gives: ClassVar[type] = Edges
    merits: ClassVar[Mapping[str, Merit]] = {
        "efficiency": Merit("Efficiency", ".4f"),
        "purity": Merit("Purity", ".4f"),
        "auc": Merit("AUC", ".4f"),
    }
    loss_title: ClassVar[str] = "Cross entropy"
    invertible: ClassVar[bool] = False
    categories: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        require(len(self.truth.split(".")) == 2, self, "truth", f'a field of hits, "hits.particle_id", or "{_LABEL}"')
        positive = len(self.weights) == 2 and all(weight > 0 for weight in self.weights)
        require(positive, self, "weights", "two positive numbers, of true and of false edges")
        require(0 < self.threshold < 1, self, "threshold", "a probability in (0, 1)")

    @property
    def fields(self) -> tuple[str, ...]:
        """The truth."""
        return (self.truth,)

    def target(self, objects: ak.Array, category: NDArray[np.int64], inputs: Any) -> EdgeTarget:
        """Whether the edges of the inputs are true.

        Raises:
            ValueError: If the record does not bring the edges that it has labels for.
        """
        collection, _, field = self.truth.partition(".")
        column = objects[collection][field]
        if self.truth == _LABEL:
            counts = ak.to_numpy(ak.num(column))
            joined, event = ak.to_numpy(ak.flatten(column)) != 0, np.repeat(np.arange(len(counts)), counts)
            if len(joined) != inputs.edge_index.shape[1]:
                raise ValueError(
                    f"{len(joined)} edges have a label, but the graph has {inputs.edge_index.shape[1]}: {_LABEL} is "
                    'for the representation `GivenGraph`; truth="hits.particle_id" is for all'
                )
        else:
            event, _ = _in_events(column, inputs.edge_index)
            inner, outer = ak.to_numpy(ak.flatten(column))[inputs.edge_index]
            joined = (inner == outer) & (inner != NOISE)
        return EdgeTarget(joined.astype(np.float32), event)

    def moves(self, networks: Mapping[str, nn.Module], batch: Batch) -> Iterator[Move]:
        """Weighted mean binary cross-entropy of the edges."""
        weight, entropy = self._entropy(networks["model"](*batch.inputs).float(), batch)
        yield Move("model", entropy.sum() / weight.sum().clamp(min=1e-9))

    def rows(self, networks: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        """Sums over the edges of each event, shape (n, 5 + 2 b).

        Weights and cross-entropy for the loss; the number of edges that are true and accepted, accepted, and true;
        those that are false, then those that are true, in bins of the logit.
        """
        logits = networks["model"](*batch.inputs).float()
        joined, event = batch.target.joined > 0, batch.target.event
        weight, entropy = self._entropy(logits, batch)
        accepted = logits.sigmoid() > self.threshold
        each = torch.stack([weight, entropy, accepted & joined, accepted, joined], dim=1).double()
        sums = each.new_zeros(len(batch.weight), 5).index_add(0, event, each)
        place = ((logits.nan_to_num(0.0) / _LARGEST).clamp(-1, 1) + 1) * (0.5 * _BINS)
        place = place.long().clamp(max=_BINS - 1) + _BINS * joined
        histogram = each.new_zeros(len(batch.weight) * 2 * _BINS)
        histogram = histogram.index_add(0, event * 2 * _BINS + place, torch.ones_like(weight).double())
        return torch.cat([sums, histogram.view(-1, 2 * _BINS)], dim=1)

    def judged(self, rows: Tensor) -> dict[str, float]:
        """Loss, and efficiency, purity and AUC of the edges of all events; NaN where there is none to count."""
        weight, entropy, both, accepted, true = rows[:, :5].sum(0)
        below, joined = rows[:, 5:].sum(0).view(2, _BINS)
        won = (joined * (below.cumsum(0) - below / 2)).sum()
        return {
            "loss": float(entropy / weight),
            "efficiency": float(both / true),
            "purity": float(both / accepted),
            "auc": float(won / (below.sum() * joined.sum())),
        }

    def use(self, representation: Any, model: nn.Module) -> Edges:
        """Which edges the network accepts."""
        return Edges()

    def measured(self, evaluate: Callable[[], Evaluation]) -> Measured:
        """Efficiency and purity at the threshold, and AUC, of the validation events."""
        evaluation = evaluate()
        edges = evaluation.answers.edges
        score = ak.to_numpy(ak.flatten(edges.score))
        joined = ak.to_numpy(ak.flatten(self._is_joined(evaluation.objects, edges)))
        accepted = score > self.threshold
        both = np.count_nonzero(accepted & joined)
        area = metrics.auc(joined, score).value if 0 < np.count_nonzero(joined) < len(joined) else None
        return Measured(
            {
                "efficiency": _share(both, np.count_nonzero(joined)),
                "purity": _share(both, np.count_nonzero(accepted)),
                "auc": area,
            }
        )

    def _is_joined(self, objects: ak.Array, edges: ak.Array) -> ak.Array:
        """Truth of the edges of each event, (n, var)."""
        collection, _, field = self.truth.partition(".")
        column = objects[collection][field]
        if self.truth == _LABEL:
            return column != 0
        inner, outer = column[edges.inner], column[edges.outer]
        return (inner == outer) & (inner != NOISE)

    def _entropy(self, logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Weights of the edges, and their weighted cross-entropies, (E,) each."""
        joined, event = batch.target
        true, false = self.weights
        weight = batch.weight[event] * torch.where(joined > 0, true, false)
        return weight, weight * binary_cross_entropy_with_logits(logits, joined, reduction="none")


def _in_events(members: ak.Array, edges: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Event of each edge (E,), and the same edges (2, E) with their ends counted in the event."""
    counts = ak.to_numpy(ak.num(members))
    ends = np.cumsum(counts)
    event = np.searchsorted(ends, edges[0], side="right")
    return event, edges - (ends - counts)[event] if len(counts) else edges


def _share(part: Any, whole: Any) -> float | None:
    return float(part / whole) if whole else None
