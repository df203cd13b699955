"""CaloFlow's student: an inverse autoregressive flow that repeats what its teacher does, at one pass a block.

References:
    Krause, Shih, CaloFlow II: Even Faster and Still Accurate Generation of Calorimeter Showers with Normalizing Flows
    (2021), arXiv:2110.11377.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from cortado.models.caloflow import CaloFlow, conditions, parts, scaled

Step = tuple[Tensor, Tensor]  # parameters of the splines (n, 3 K - 1, cells), values (n, cells)


class CaloFlowStudent(nn.Module):
    r"""Flow I as in `CaloFlow`, and a flow II that is fast in the direction of generating.

    Flow II learns from a trained `CaloFlow`, its teacher, block by block ("fully guided"): the loss is
    :math:`(1 - \beta) L_z + \beta L_x`, where :math:`L_z` maps noise to showers with the student and these back with
    the teacher, and :math:`L_x` maps showers to noise with the teacher and this back with the student. Both are squared
    distances of the flows, of all values before, between and after the blocks, and of all parameters of splines. Flow I
    learns by likelihood.

    The published size, that of the authors' code, has 50,924,160 parameters in flow II. Deviations: those of
    `CaloFlow`; distances are divided by the number of cells, and the noise of :math:`L_z` has the conditions of the
    showers of the batch.

    The teacher is not needed to generate. It has no gradients and stays in evaluation; whoever trains loads its weights
    into `teacher`.

    Args:
        layers: Number of cells of each layer of the calorimeter.
        layer_features: Number of features of each layer; the L of all layers come first, then those of cells.
        layer_blocks: Number of blocks of flow I.
        layer_hidden: Widths of the hidden layers of a block of flow I.
        blocks: Number of blocks of flow II.
        hidden: Widths of the hidden layers of a block of flow II.
        bins: Number of bins of a spline.
        bound: Features beyond it stay as they are.
        dropout: Probability of dropping a hidden unit of flow II in training.
        seed: Seed of the orders of features in the blocks.
        beta: Weight of :math:`L_x`; 1 saves the time for :math:`L_z`.
        teacher: Arguments of the teacher; its layers, their features, blocks, bins, bound and seed are those here.
            None: the student can generate, but not learn.

    Raises:
        ValueError: If `CaloFlow` refuses an argument, beta is not in [0, 1], or the teacher is to have other
            layers, features, blocks, bins, bound or seed.
    """

    training_only: ClassVar[tuple[str, ...]] = ("teacher",)

    def __init__(
        self,
        *,
        layers: Sequence[int] = (288, 144, 72),
        layer_features: int = 1,
        layer_blocks: int = 6,
        layer_hidden: Sequence[int] = (64, 64, 64),
        blocks: int = 8,
        hidden: Sequence[int] = (504, 504),
        bins: int = 8,
        bound: float = 14.0,
        dropout: float = 0.05,
        seed: int = 0,
        beta: float = 0.5,
        teacher: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= beta <= 1:
            raise ValueError(f"CaloFlowStudent: beta must be in [0, 1], got {beta!r}")
        shared: dict[str, Any] = {"layers": list(layers), "layer_features": layer_features, "blocks": blocks}
        shared |= {"bins": bins, "bound": bound, "seed": seed}
        self.beta = beta
        self.flows = CaloFlow(
            **shared, layer_blocks=layer_blocks, layer_hidden=layer_hidden, hidden=hidden, dropout=dropout
        )
        self.latent = self.flows.latent
        self.teacher: CaloFlow | None = None
        if teacher is not None:
            self.teacher = CaloFlow(**_teacher(teacher, shared)).requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """As in any module, but for the teacher, which stays in evaluation."""
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    def forward(self, energy: Tensor, noise: Tensor) -> Tensor:
        """Features (n, latent) of showers of incident energies (n,) [GeV], from noise (n, latent).

        Raises:
            ValueError: If the noise has another width than the model was made for.
        """
        of_layers, of_cells = parts("CaloFlowStudent", noise, self.flows.layers, self.latent, "noise")
        of_layers = self.flows.layer_flow.invert(of_layers, scaled(energy))
        of_cells = self.flows.cell_flow.quick(of_cells, conditions(energy, of_layers))
        return torch.cat([of_layers, of_cells], dim=1)

    def loss(self, energy: Tensor, features: Tensor) -> Tensor:
        """Loss (n,) of showers with features (n, latent), incident energies (n,) [GeV]; draws noise unless beta is 1.

        Raises:
            ValueError: If there is no teacher, or the features have another width than the model was made for.
        """
        if self.teacher is None:
            raise ValueError("CaloFlowStudent: loss needs a teacher, make the model with its arguments as teacher")
        of_layers, of_cells = parts("CaloFlowStudent", features, self.flows.layers, self.latent, "features")
        condition = conditions(energy, of_layers)
        loss = -self.flows.layer_flow.log_density(of_layers, scaled(energy))
        if self.beta > 0:
            with torch.no_grad():
                seen = _there(self.teacher, of_cells, condition)
            noise = seen[-1][1]
            loss = loss + self.beta * _distance(of_cells, seen, _back(self.flows, noise, condition), noise)
        if self.beta < 1:
            noise = torch.randn_like(of_cells)
            made = _back(self.flows, noise, condition)
            of_cells = made[0][1]
            loss = loss + (1 - self.beta) * _distance(of_cells, _there(self.teacher, of_cells, condition), made, noise)
        return loss


def _there(teacher: CaloFlow, cells: Tensor, condition: Tensor) -> list[Step]:
    """Each block of the teacher, on the way from cells to noise."""
    return [(parameters, values) for parameters, values, _ in teacher.cell_flow.steps(cells, condition)]


def _back(student: CaloFlow, noise: Tensor, condition: Tensor) -> list[Step]:
    """Each block of the student, on the way from noise to cells, in the teacher's order."""
    return list(student.cell_flow.quick_steps(noise, condition))[::-1]


def _distance(cells: Tensor, there: Sequence[Step], back: Sequence[Step], noise: Tensor) -> Tensor:
    """Squared distance (n,) of both ways between cells and noise, per cell."""
    parameters, values = zip(*there)
    other_parameters, other_values = zip(*back)
    pairs = zip((cells, *values, *parameters), (*other_values, noise, *other_parameters))
    return torch.stack([(one - other).square().flatten(1).sum(1) for one, other in pairs]).sum(0) / cells.shape[1]


def _teacher(arguments: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a teacher that a student can follow block by block.

    Raises:
        ValueError: If some differ from those that it shares with the student.
    """
    for name, value in shared.items():
        given = arguments.get(name, value)
        if (list(given) if name == "layers" else given) != value:
            raise ValueError(f"CaloFlowStudent: the teacher must have the student's {name} = {value}, got {given}")
    return {**shared, **arguments}
