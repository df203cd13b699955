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

    Without a penalty, as in the code of CaloGAN, the critic sees simulated and generated objects in turn, never mixed;
    with one it takes its step on both together. Deviations: incident energies are those of the simulated showers, and
    the critic sees what the generator makes in training, not in evaluation: until the running statistics of its batch
    norms have followed, some thousand steps, both are not the same, and a critic learns no more than that.

    Neither loss tells how good the objects are. The validation loss is the mean distance (Wasserstein, in widths of
    the simulated distribution where it has one) of the numbers of an object that the critic's `summary` gives.

    Attributes:
        critic: `functools.partial(Network, **arguments)`, whose `loss(energy, features, real=...)` of each object,
            shape (n,), it lowers with `real` as it is, and the generator on its own objects with `real=True`. Its
            `summary(energy, features)` has shape (n, k).
        critic_rate: Learning rate of the critic, over that of the recipe.
        critic_steps: Steps of the critic for each batch.
        generator_steps: Steps of the generator for each batch.
        penalty: Weight of (gradient - 1)^2 in the loss of a critic, where the gradient is that of its
            `score(energy, features)`, shape (n,), with respect to the features, between a simulated and a generated
            object. A critic that compares objects of a batch has no such score.

    References:
        Goodfellow et al., Generative Adversarial Networks (2014), arXiv:1406.2661.
        Paganini et al., CaloGAN (2017), arXiv:1712.10321, section 4.
        Gulrajani et al., Improved Training of Wasserstein GANs (2017), arXiv:1704.00028, eq. (3).
    """

    critic: functools.partial[Any]
    critic_rate: float = 0.1
    critic_steps: int = 1
    generator_steps: int = 2
    penalty: float = 0.0

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
        require(0 <= self.penalty < np.inf, self, "penalty", "0 or a positive number")
        scores = self.penalty == 0 or hasattr(self.critic.func, "score")
        require(scores, self, "critic", "with a penalty a network that has score(energy, features)")

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
            with torch.no_grad():
                made = _made(model, energy)
            if self.penalty:
                loss = batch.weight * critic.loss(energy, features, real=True) + critic.loss(energy, made, real=False)
                yield Move("critic", (loss + self.penalty * _penalty(critic, energy, features, made)).mean())
            else:
                yield Move("critic", (batch.weight * critic.loss(energy, features, real=True)).mean())
                yield Move("critic", critic.loss(energy, made, real=False).mean())
        for _ in range(self.generator_steps):
            yield Move("model", critic.loss(energy, _made(model, energy), real=True).mean())

    def rows(self, networks: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        """Numbers of each simulated and each generated object, and the critic's loss of both: shape (n, 2 k + 1)."""
        energy, features = batch.inputs
        critic: Any = networks["critic"]
        made = _made(networks["model"], energy)
        seen_through = batch.weight * critic.loss(energy, features, real=True) + critic.loss(energy, made, real=False)
        columns = (*(critic.summary(energy, each.float()) for each in (features, made)), seen_through[:, None] / 2)
        return torch.cat([column.double() for column in columns], dim=1)

    def judged(self, rows: Tensor) -> dict[str, float]:
        """Distance of generated and simulated objects, and loss of the critic."""
        numbers, critic = rows[:, :-1].numpy(), float(rows[:, -1].mean())
        simulated, generated = np.split(numbers, 2, axis=1)
        if not np.isfinite(generated).all():
            return {"loss": np.nan, "critic": critic}
        width = simulated.std(axis=0)
        # Of equally many: the area between their cumulative distributions.
        distance = np.abs(np.sort(simulated, axis=0) - np.sort(generated, axis=0)).mean(axis=0)
        return {"loss": float((distance / np.where(width > 0, width, 1)).mean()), "critic": critic}

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


def _penalty(critic: Any, energy: Tensor, features: Tensor, made: Tensor) -> Tensor:
    """How far the critic's gradient is from 1, squared, at a random place between each pair of objects: shape (n,)."""
    part = torch.rand(len(features), 1, device=features.device)
    between = torch.lerp(features, made, part).requires_grad_()
    (gradient,) = torch.autograd.grad(critic.score(energy, between).sum(), between, create_graph=True)
    too_steep: Tensor = (gradient.norm(dim=1) - 1).square()
    return too_steep


def _showers(representation: Any, model: Any) -> Showers:
    return Showers(energy_range=tuple(representation.energy_range), latent=int(model.latent))
