"""Where the next hit of a particle will be, with its covariance: networks on sequences of hits.

Shapes: n particles, p hits of the one with most. *Across* is along the azimuth, radius times its difference; *along* is
along z, both at the radius of the next hit.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cortado import metrics
from cortado.tasks.checks import require
from cortado.tasks.task import Answers, Batch, Columns, Evaluation, Measured, Merit, Move

__all__ = ["Follow", "Followed"]

_NAMES = ("phi", "z", "across_width", "along_width", "correlation")
_THREE_SIGMA = 11.829  # of a chi2 with two degrees of freedom: 99.73 %
_PER_MEAN = math.sqrt(math.pi / 2)  # standard deviation of a normal distribution over its mean absolute value
_LEAST_SLACK = 1e-4


class NextTarget(NamedTuple):
    """What a network should say after each hit of n particles."""

    following: Any  # (n, p, 3) float32: radius [mm], azimuth [rad], z [mm] of the next hit
    there: Any  # (n, p) bool: whether it is to be predicted


@dataclasses.dataclass(frozen=True, kw_only=True)
class Followed:
    """The outputs are what is said of the next hit after each hit, (n, p, 5).

    They are its azimuth [rad], z [mm], the logarithms of the standard deviations across and along [mm], and their
    correlation. This is what `reconstruction.beam_search` wants: with a bundle, as
    ``lambda hits, mask: cortado.bundle.run(bundle.model, (hits, mask)).numpy()``.

    Attributes:
        seed_hits: Number of first hits that are given, after which predictions begin.
    """

    seed_hits: int = 3

    of_constituents: ClassVar[bool] = True
    fields: ClassVar[tuple[str, ...]] = ("hits.x",)

    @property
    def meaning(self) -> tuple[Any, ...]:
        """Where predictions begin."""
        return (self.seed_hits,)

    def check(self, path: str) -> None:
        """A number of hits that make a helix.

        Raises:
            ValueError: If it is below 3.
        """
        if not isinstance(self.seed_hits, int) or self.seed_hits < 3:
            raise ValueError(f"{path}: seed_hits must be an integer of at least 3, got {self.seed_hits!r}")

    def inputs(self, prepared: Any, rng: np.random.Generator) -> Any:
        """What was prepared."""
        return prepared

    def shape(self, prepared: Any) -> tuple[int, ...]:
        """(n, p, 5)."""
        n, p = prepared.mask.shape
        return n, p, len(_NAMES)

    def answers(self, outputs: Tensor, inputs: Any) -> Answers:
        """`phi`, `z`, `across_width`, `along_width` [mm], `correlation`: (n, p), 0 where nothing is predicted."""
        said = inputs.mask & (torch.arange(outputs.shape[1], device=outputs.device) >= self.seed_hits - 1)
        phi, z, *log_widths, correlation = outputs.unbind(-1)
        columns = (phi, z, *(log_width.exp() for log_width in log_widths), correlation)
        return {name: torch.where(said, column, 0.0) for name, column in zip(_NAMES, columns)}

    def columns(self, answers: Answers, objects: ak.Array) -> Columns:
        """`next`: a record of the same after each hit, (n, var); there is no next hit of the last: its own radius."""
        counts = ak.to_numpy(ak.num(objects.hits))
        counts = np.minimum(counts, answers["z"].shape[1])
        inside = np.arange(answers["z"].shape[1]) < counts[:, None]
        return {"next": ak.unflatten(ak.zip({name: answers[name].numpy()[inside] for name in _NAMES}), counts)}

    def combined(self, members: Sequence[ak.Array]) -> ak.Array:
        """Not defined.

        Raises:
            ValueError: Always.
        """
        raise ValueError("followers cannot be averaged, as tracks would branch: use one bundle, or folds")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Follow:
    """Learn where the next hit of a particle will be, by a Gaussian likelihood.

    The loss of a particle is the mean over its hits after the seed of the negative logarithm of the density of the
    hit, across and along, in 1/mm^2. It wants `gradient_clip=1.0` of the recipe: particles that decay or interact are
    far from where they are expected.

    Merits, of all such hits: width of the pulls, from their mean absolute value, which for a normal distribution gives
    the standard deviation; share of hits within 3 sigma, that is chi2 < 11.83 with both coordinates; and mean absolute
    residual. `measured` has quantiles in the place of means.

    Attributes:
        seed_hits: Number of first hits that are given.

    References:
        Farrell et al., Novel deep learning methods for track reconstruction (2018), arXiv:1810.06111, section 3.
    """

    seed_hits: int = 3

    gives: ClassVar[type] = Followed
    merits: ClassVar[Mapping[str, Merit]] = {
        "across_pull": Merit("Pull across", ".3f"),
        "along_pull": Merit("Pull along", ".3f"),
        "within": Merit("Within 3 sigma", ".4f"),
        "across": Merit("Residual across [mm]", ".4f"),
        "along": Merit("Residual along [mm]", ".4f"),
    }
    loss_title: ClassVar[str] = "Negative log-likelihood"
    invertible: ClassVar[bool] = False
    fields: ClassVar[tuple[str, ...]] = ("hits.x", "hits.y", "hits.z")
    categories: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        require(self.seed_hits >= 3, self, "seed_hits", "at least 3, which make a helix")

    def category(self, objects: ak.Array) -> NDArray[np.int64]:
        """0 for all; particles without a hit after the seed are left out."""
        return np.where(ak.to_numpy(ak.num(objects.hits)) > self.seed_hits, 0, -1)

    def target(self, objects: ak.Array, category: NDArray[np.int64], inputs: Any) -> NextTarget:
        """The next hits."""
        x, y, z = np.moveaxis(np.asarray(inputs.hits, dtype=np.float64), -1, 0)
        place = np.stack([np.hypot(x, y), np.arctan2(y, x), z], axis=-1).astype(np.float32)
        following, there = np.zeros_like(place), np.zeros_like(inputs.mask)
        following[:, :-1], there[:, :-1] = place[:, 1:], inputs.mask[:, 1:]
        there[:, : self.seed_hits - 1] = False
        return NextTarget(following, there)

    def moves(self, networks: Mapping[str, nn.Module], batch: Batch) -> Iterator[Move]:
        """Mean weighted loss."""
        judged = _judged(networks["model"](*batch.inputs).float(), batch.target)
        yield Move("model", (batch.weight * judged.loss).mean())

    def rows(self, networks: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        """Loss, weight, number of hits, and sums over them of what the merits are means of, shape (n, 8)."""
        judged = _judged(networks["model"](*batch.inputs).float(), batch.target)
        each = [*judged.pulls.abs().unbind(-1), judged.chi2 < _THREE_SIGMA, *judged.residuals.abs().unbind(-1)]
        sums = [torch.where(batch.target.there, column, 0).sum(1) for column in each]
        columns = (judged.loss, batch.weight, batch.target.there.sum(1), *sums)
        return torch.stack([column.double() for column in columns], dim=1)

    def judged(self, rows: Tensor) -> dict[str, float]:
        """Mean weighted loss, and the merits of all hits."""
        loss, weight = rows[:, 0], rows[:, 1]
        number, *sums = rows[:, 2:].sum(0).tolist()
        means = {name: total / number for name, total in zip(self.merits, sums)}
        pulls = {name: _PER_MEAN * means[name] for name in ("across_pull", "along_pull")}
        return {"loss": float((loss * weight).sum() / weight.sum())} | means | pulls

    def use(self, representation: Any, model: nn.Module) -> Followed:
        """The same seed."""
        return Followed(seed_hits=self.seed_hits)

    def measured(self, evaluate: Callable[[], Evaluation]) -> Measured:
        """Pulls and residuals by quantiles, and the share within 3 sigma, with errors."""
        evaluation = evaluate()
        answers, hits = evaluation.answers.next, evaluation.objects.hits
        hits = hits[ak.local_index(hits) < ak.num(answers)]  # those that the representation has kept
        said = {name: _flat(answers[name][:, self.seed_hits - 1 : -1]) for name in answers.fields}
        x, y, z = (_flat(hits[name][:, self.seed_hits :]) for name in "xyz")
        turn = (np.arctan2(y, x) - said["phi"] + np.pi) % (2 * np.pi) - np.pi
        across, along = np.hypot(x, y) * turn, z - said["z"]
        pulls = across / said["across_width"], along / said["along_width"]
        chi2 = _chi2(*pulls, said["correlation"])
        merits: dict[str, float | None] = {}
        for name, values in zip(("across_pull", "along_pull", "across", "along"), (*pulls, across, along)):
            resolution = metrics.residuals(values).resolution
            merits |= {name: resolution.value, f"{name}_error": resolution.error}
        within = metrics.coverage(chi2 < _THREE_SIGMA)
        return Measured(merits | {"within": within.value, "within_error": within.error})


class _Judged(NamedTuple):
    loss: Tensor  # (n,)
    residuals: Tensor  # (n, p, 2), across and along [mm]
    pulls: Tensor  # (n, p, 2)
    chi2: Tensor  # (n, p)


def _judged(outputs: Tensor, target: NextTarget) -> _Judged:
    """Compare outputs (n, p, 5) with the hits."""
    radius, phi, z = target.following.unbind(-1)
    turn = torch.remainder(phi - outputs[..., 0] + math.pi, 2 * math.pi) - math.pi
    residuals = torch.stack([radius * turn, z - outputs[..., 1]], dim=-1)
    log_widths, correlation = outputs[..., 2:4], outputs[..., 4]
    pulls = residuals / log_widths.exp()
    chi2 = _chi2(pulls[..., 0], pulls[..., 1], correlation)
    slack = (1 - correlation**2).clamp(min=_LEAST_SLACK)
    density = chi2 / 2 + log_widths.sum(-1) + slack.log() / 2 + math.log(2 * math.pi)
    there = target.there
    loss = torch.where(there, density, 0.0).sum(1) / there.sum(1).clamp(min=1)
    return _Judged(loss, residuals, pulls, chi2)


def _chi2(across: Any, along: Any, correlation: Any) -> Any:
    """Of pulls with a correlation, arrays or tensors of one shape."""
    slack = (1 - correlation**2).clip(min=_LEAST_SLACK)
    return (across**2 - 2 * correlation * across * along + along**2) / slack


def _flat(jagged: ak.Array) -> NDArray[np.float64]:
    return np.asarray(ak.to_numpy(ak.flatten(jagged)), dtype=np.float64)
