"""Generators: by a loss of their own (likelihoods, their bounds, velocities of a flow), or against a critic.

Shapes: n objects, f features.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cortado import metrics
from cortado.tasks.checks import require
from cortado.tasks.task import Answers, Batch, Columns, Evaluation, Measured, Merit, Move, Rival

__all__ = ["Generate", "GenerateAgainst", "Showers"]


class NoTarget(NamedTuple):
    """What is generated is what is shown: nothing else is to be learned."""


class Drawn(NamedTuple):
    """What a generator makes n objects of."""

    energy: Any  # (n,) GeV
    noise: Any  # (n, latent) standard normal


@dataclasses.dataclass(frozen=True, kw_only=True)
class Showers:
    """The outputs are features (n, f) of showers, made of their energies (n,) and noise (n, latent).

    Attributes:
        energy_range: Incident energies of the training [GeV].
        latent: Random numbers of a shower.
    """

    energy_range: tuple[float, float]
    latent: int

    of_constituents: ClassVar[bool] = False
    fields: ClassVar[tuple[str, ...]] = ()

    @property
    def meaning(self) -> tuple[Any, ...]:
        """Everything."""
        return self.energy_range, self.latent

    def check(self, path: str) -> None:
        """Energies in rising order, and some noise.

        Raises:
            ValueError: If not.
        """
        if len(self.energy_range) != 2 or not 0 < self.energy_range[0] < self.energy_range[1] < np.inf:
            raise ValueError(f"{path}: a generator needs two positive energies in rising order, got {self}")
        if self.latent < 1:
            raise ValueError(f"{path}: a generator needs noise, got {self}")

    def inputs(self, prepared: Any, rng: np.random.Generator) -> Drawn:
        """The energies, and noise in the place of the features."""
        return Drawn(prepared.energy, rng.standard_normal((len(prepared.energy), self.latent), np.float32))

    def shape(self, prepared: Any) -> tuple[int, ...]:
        """(n, f)."""
        return tuple(prepared.features.shape)

    def answers(self, outputs: Tensor, inputs: Any) -> Answers:
        """The features, as the network gives them: still scaled."""
        return {"features": outputs}

    def columns(self, answers: Answers, objects: ak.Array) -> Columns:
        """The same, shape (n, f)."""
        return {"features": ak.from_numpy(answers["features"].numpy(), regulararray=True)}

    def combined(self, members: Sequence[ak.Array]) -> ak.Array:
        """Not defined.

        Raises:
            ValueError: Always.
        """
        raise ValueError("showers of several generators cannot be averaged: use one bundle")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Generate:
    """Learn to generate what is shown, by the network's `loss(energy, features)` of each object, shape (n,)."""

    gives: ClassVar[type] = Showers
    merits: ClassVar[Mapping[str, Merit]] = {}
    loss_title: ClassVar[str] = "Loss"
    invertible: ClassVar[bool] = True
    fields: ClassVar[tuple[str, ...]] = ()
    categories: ClassVar[tuple[str, ...]] = ()

    def target(self, objects: ak.Array, category: NDArray[np.int64], inputs: Any) -> NoTarget:
        """Nothing."""
        return NoTarget()

    def moves(self, networks: Mapping[str, nn.Module], batch: Batch) -> Iterator[Move]:
        """Mean weighted loss."""
        yield Move("model", (batch.weight * _own_loss(networks["model"], batch)).mean())

    def rows(self, networks: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        """Loss and weight, shape (n, 2)."""
        return torch.stack([_own_loss(networks["model"], batch).double(), batch.weight.double()], dim=1)

    def judged(self, rows: Tensor) -> dict[str, float]:
        """Mean weighted loss."""
        loss, weight = rows.T
        return {"loss": float((loss * weight).sum() / weight.sum())}

    def use(self, representation: Any, model: nn.Module) -> Showers:
        """Showers of the energies of the representation."""
        return _showers(representation, model)

    def measured(self, evaluate: Callable[[], Evaluation]) -> Measured:
        """Nothing but the loss, which the training knows."""
        return Measured({})


@dataclasses.dataclass(frozen=True, kw_only=True)
class GenerateAgainst:
    """Learn to generate what a critic takes for real: for each batch steps of the critic, then of the generator.

    As in the code of CaloGAN the critic sees simulated and generated objects in turn, never mixed, and those of the
    generator as it is in evaluation. Deviation: incident energies are those of the simulated showers.

    Neither loss tells how good the objects are. The validation loss is the mean distance (Wasserstein, in widths of
    the simulated distribution) of three numbers of an object: the sum of its features over the incident energy, the
    largest one, and how many are above zero.

    Attributes:
        critic: `functools.partial(Network, **arguments)`, whose `loss(energy, features, real=...)` of each object,
            shape (n,), it lowers with `real` as it is, and the generator on its own objects with `real=True`.
        critic_rate: Learning rate of the critic, over that of the recipe.
        critic_steps: Steps of the critic for each batch, on simulated and then on generated objects each.
        generator_steps: Steps of the generator for each batch.

    References:
        Goodfellow et al., Generative Adversarial Networks (2014), arXiv:1406.2661.
        Paganini et al., CaloGAN (2017), arXiv:1712.10321, section 4.
    """

    critic: functools.partial[Any]
    critic_rate: float = 0.1
    critic_steps: int = 1
    generator_steps: int = 2

    gives: ClassVar[type] = Showers
    merits: ClassVar[Mapping[str, Merit]] = {"critic": Merit("critic loss", ".4f")}
    loss_title: ClassVar[str] = "Distance of simulated and generated"
    invertible: ClassVar[bool] = True
    fields: ClassVar[tuple[str, ...]] = ()
    categories: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        is_partial = isinstance(self.critic, functools.partial) and not self.critic.args
        require(is_partial, self, "critic", "functools.partial(Network, **arguments)")
        require(self.critic_rate > 0, self, "critic_rate", "a positive number")
        for field in ("critic_steps", "generator_steps"):
            require(getattr(self, field) >= 1, self, field, "at least 1")

    def rivals(self) -> Mapping[str, Rival]:
        """The critic."""
        return {"critic": Rival(self.critic, self.critic_rate)}

    def target(self, objects: ak.Array, category: NDArray[np.int64], inputs: Any) -> NoTarget:
        """Nothing."""
        return NoTarget()

    def moves(self, networks: Mapping[str, nn.Module], batch: Batch) -> Iterator[Move]:
        """Steps of the critic, then of the generator."""
        energy, features = batch.inputs
        model: Any = networks["model"]
        critic: Any = networks["critic"]
        for _ in range(self.critic_steps):
            model.eval()
            with torch.no_grad():
                made = _made(model, energy)
            model.train()
            yield Move("critic", (batch.weight * critic.loss(energy, features, real=True)).mean())
            yield Move("critic", critic.loss(energy, made, real=False).mean())
        for _ in range(self.generator_steps):
            yield Move("model", critic.loss(energy, _made(model, energy), real=True).mean())

    def rows(self, networks: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        """Three numbers of each simulated and each generated object, and the critic's loss of both: shape (n, 7)."""
        energy, features = batch.inputs
        critic: Any = networks["critic"]
        made = _made(networks["model"], energy)
        seen_through = batch.weight * critic.loss(energy, features, real=True) + critic.loss(energy, made, real=False)
        columns = (*(_summary(energy, each.float()) for each in (features, made)), seen_through[:, None] / 2)
        return torch.cat([column.double() for column in columns], dim=1)

    def judged(self, rows: Tensor) -> dict[str, float]:
        """Distance of generated and simulated objects, and loss of the critic."""
        simulated, generated = rows[:, :3].numpy(), rows[:, 3:6].numpy()
        if not np.isfinite(generated).all():
            return {"loss": np.nan, "critic": float(rows[:, 6].mean())}
        distances = [metrics.wasserstein_distance(*pair).distance.value for pair in zip(simulated.T, generated.T)]
        return {"loss": float(np.mean(distances)), "critic": float(rows[:, 6].mean())}

    def use(self, representation: Any, model: nn.Module) -> Showers:
        """Showers of the energies of the representation."""
        return _showers(representation, model)

    def measured(self, evaluate: Callable[[], Evaluation]) -> Measured:
        """Nothing but the loss, which the training knows."""
        return Measured({})


def _own_loss(model: Any, batch: Batch) -> Tensor:
    loss: Tensor = model.loss(*batch.inputs).float()
    return loss


def _made(model: Any, energy: Tensor) -> Tensor:
    made: Tensor = model(energy, torch.randn(len(energy), model.latent, device=energy.device))
    return made


def _summary(energy: Tensor, features: Tensor) -> Tensor:
    """Three numbers of each object, shape (n, 3)."""
    columns = (features.sum(1) / energy, features.amax(1), (features > 0).sum(1).float())
    return torch.stack(columns, dim=1)


def _showers(representation: Any, model: Any) -> Showers:
    return Showers(energy_range=tuple(representation.energy_range), latent=int(model.latent))
