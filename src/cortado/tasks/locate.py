"""Where one track is in each layer of a detector: networks on layer-ordered pictures.

Shapes: n events, l layers, c pixels of a layer.
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
from torch.nn.functional import cross_entropy

from cortado.tasks.checks import require
from cortado.tasks.task import Answers, Batch, Columns, Evaluation, Measured, Merit, Move

__all__ = ["NOWHERE", "Locate", "Located"]

NOWHERE = -1
"""Pixel of a track in a layer that it has not hit."""


class PixelTarget(NamedTuple):
    """What a network should say of n events."""

    pixel: Any  # (n, l) int64; NOWHERE in layers without a hit of the track


@dataclasses.dataclass(frozen=True, kw_only=True)
class Located:
    """The outputs are logits (n, l, c) of the pixel in which the track is.

    Attributes:
        pixel: Field of the hits that is the number of the pixel, "hits.module".
    """

    pixel: str = "hits.module"

    of_constituents: ClassVar[bool] = True

    @property
    def fields(self) -> tuple[str, ...]:
        """Where the hits are."""
        return ("hits.layer", self.pixel)

    @property
    def meaning(self) -> tuple[Any, ...]:
        """What numbers the pixels."""
        return (self.pixel,)

    def check(self, path: str) -> None:
        """A field of the hits.

        Raises:
            ValueError: If not.
        """
        if not isinstance(self.pixel, str) or not self.pixel.startswith("hits."):
            raise ValueError(f"{path}: pixel must be a field of the hits such as 'hits.module', got {self.pixel!r}")

    def inputs(self, prepared: Any, rng: np.random.Generator) -> Any:
        """What was prepared."""
        return prepared

    def shape(self, prepared: Any) -> tuple[int, ...]:
        """(n, l, c)."""
        n, layers, pixels = prepared.image.shape
        return n, layers, pixels

    def answers(self, outputs: Tensor, inputs: Any) -> Answers:
        """Logits, and probabilities that add up to 1 in each layer: (n, l, c)."""
        return {"logits": outputs, "probabilities": torch.softmax(outputs, dim=-1)}

    def columns(self, answers: Answers, objects: ak.Array) -> Columns:
        """Probability of its pixel for each hit, and whether it is the highest of the hits of its layer: (n, var).

        `score` is float32; `label` is int32, 0 of the hits of the track and -1 of others.
        """
        counts = ak.to_numpy(ak.num(objects.hits))
        event = np.repeat(np.arange(len(counts)), counts)
        layer, pixel = (_flat(objects, field) for field in self.fields)
        probability = answers["probabilities"].numpy()
        score = probability[event, layer, pixel]
        best = np.zeros(probability.shape[:2], dtype=np.float32)
        np.maximum.at(best, (event, layer), score)
        label = np.where(score == best[event, layer], 0, -1).astype(np.int32)
        return {"score": ak.unflatten(score, counts), "label": ak.unflatten(label, counts)}

    def combined(self, members: Sequence[ak.Array]) -> ak.Array:
        """Not defined.

        Raises:
            ValueError: Always.
        """
        raise ValueError("pixels of several trainings cannot be averaged: use one bundle, or folds")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Locate:
    """Learn in which pixel of each layer a track is; the network gives logits (n, l, c).

    The track is that of the particle with a hit in the first layer: the representation must show no other hits there.
    The loss is the mean cross-entropy of the pixels of a layer, over all layers that the track has hit.

    Two shares of layers are its merits, and both have been published. *Hit accuracy*: the network's highest output
    among the pixels that are hit is the true one, over all layers, the seed among them (where the track is alone, so
    that these are right). *Pixel accuracy*: the highest output of all pixels is the true one, over the layers after
    the seed. Layers that the track has not hit are in neither.

    Attributes:
        particle: Field of the hits that says which particle made them; 0 for noise.
        pixel: Field of the hits that is the number of the pixel.
        seed_layers: Number of first layers in which the track is alone.

    References:
        Farrell et al., The HEP.TrkX project (2017), EPJ Web Conf. 150, 00003, section 3.
    """

    particle: str = "hits.particle_id"
    pixel: str = "hits.module"
    seed_layers: int = 5

    gives: ClassVar[type] = Located
    merits: ClassVar[Mapping[str, Merit]] = {
        "hit_accuracy": Merit("Hit accuracy", ".4f"),
        "pixel_accuracy": Merit("Pixel accuracy", ".4f"),
    }
    loss_title: ClassVar[str] = "Cross entropy"
    invertible: ClassVar[bool] = False
    categories: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for field in ("particle", "pixel"):
            require(getattr(self, field).startswith("hits."), self, field, "a field of the hits, 'hits. ...'")
        require(self.seed_layers >= 1, self, "seed_layers", "at least 1")

    @property
    def fields(self) -> tuple[str, ...]:
        """The truth, and where the hits are."""
        return ("hits.layer", self.pixel, self.particle)

    def target(self, objects: ak.Array, category: NDArray[np.int64], inputs: Any) -> PixelTarget:
        """Pixel of the track in each layer.

        Raises:
            ValueError: If an event has hits of none or of several particles in its first layer.
        """
        event, own, layer = self._track(objects)
        target = np.full(inputs.image.shape[:2], NOWHERE, dtype=np.int64)
        target[event[own], layer[own]] = _flat(objects, self.pixel)[own]
        return PixelTarget(target)

    def moves(self, networks: Mapping[str, nn.Module], batch: Batch) -> Iterator[Move]:
        """Mean weighted loss."""
        loss = _entropy(networks["model"](*batch.inputs).float(), batch.target.pixel)
        yield Move("model", (batch.weight * loss).mean())

    def rows(self, networks: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        """Loss, weight, and layers that are right and all of them for both accuracies, shape (n, 6)."""
        logits, pixel = networks["model"](*batch.inputs).float(), batch.target.pixel
        of_hits = logits.masked_fill(~batch.inputs.image, -torch.inf)
        there = pixel != NOWHERE
        after = there & (torch.arange(pixel.shape[1], device=pixel.device) >= self.seed_layers)
        right = ((each.argmax(dim=-1) == pixel) & chosen for each, chosen in ((of_hits, there), (logits, after)))
        shares = [mask.sum(1) for mask in (*right, there, after)]
        columns = (_entropy(logits, pixel), batch.weight, *shares)
        return torch.stack([column.double() for column in columns], dim=1)

    def judged(self, rows: Tensor) -> dict[str, float]:
        """Mean weighted loss, and shares of all layers of all events."""
        loss, weight = rows[:, 0], rows[:, 1]
        hit, pixel, layers, after = rows[:, 2:].sum(0).tolist()
        merits = {"hit_accuracy": hit / layers, "pixel_accuracy": pixel / after}
        return {"loss": float((loss * weight).sum() / weight.sum()), **merits}

    def use(self, representation: Any, model: nn.Module) -> Located:
        """Which hits the network takes for the track."""
        return Located(pixel=self.pixel)

    def measured(self, evaluate: Callable[[], Evaluation]) -> Measured:
        """Hit accuracy of what the bundle says, with the error of a mean over events."""
        evaluation = evaluate()
        event, own, _ = self._track(evaluation.objects)
        chosen = ak.to_numpy(ak.flatten(evaluation.answers.label)) == 0
        right, all_of_them = (
            np.bincount(event[mask], minlength=len(evaluation.objects)) for mask in (own & chosen, own)
        )
        share = right / all_of_them
        error = float(share.std(ddof=1) / np.sqrt(len(share))) if len(share) > 1 else None
        return Measured({"hit_accuracy": float(right.sum() / all_of_them.sum()), "hit_accuracy_error": error})

    def _track(self, objects: ak.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
        """Event of each hit, whether it is one of the track, and its layer, shape (h,) each."""
        event = np.repeat(np.arange(len(objects)), ak.to_numpy(ak.num(objects.hits)))
        layer, particle = _flat(objects, "hits.layer"), _flat(objects, self.particle)
        return event, particle == _followed(event, np.where(layer == 0, particle, 0), len(objects))[event], layer


def _entropy(logits: Tensor, pixel: Tensor) -> Tensor:
    """Mean cross-entropy over the layers of each event that its track has hit, shape (n,)."""
    entropy = cross_entropy(logits.transpose(1, 2), pixel, ignore_index=NOWHERE, reduction="none")
    mean: Tensor = entropy.sum(1) / (pixel != NOWHERE).sum(1).clamp(min=1)
    return mean


def _flat(objects: ak.Array, field: str) -> NDArray[np.int64]:
    outer, inner = field.split(".")
    return np.asarray(ak.to_numpy(ak.flatten(objects[outer][inner])), dtype=np.int64)


def _followed(event: NDArray[np.int64], particle: NDArray[np.int64], events: int) -> NDArray[np.int64]:
    """The one particle that is not 0 of each event, shape (n,)."""
    owner, first = event[particle != 0], particle[particle != 0]
    followed = np.zeros(events, dtype=np.int64)
    followed[owner] = first
    several = np.zeros(events, dtype=np.bool_)
    several[owner[followed[owner] != first]] = True
    if len(bad := np.flatnonzero(several | (followed == 0))):
        number = "several particles have" if several[bad[0]] else "no particle has"
        raise ValueError(
            f"event {bad[0]}: {number} hits in layer 0, one is required, the track to be followed; "
            f"{len(bad)} of {events} events are like this"
        )
    return followed
