"""Flow matching: a network learns the velocity that carries noise to showers, few steps along it make a shower.

References:
    Lipman et al., Flow Matching for Generative Modeling (2022), arXiv:2210.02747.
    Favaro et al., CaloDREAM: Detector Response Emulation via Attentive flow Matching (2024), arXiv:2405.09629.
    Karras et al., Elucidating the Design Space of Diffusion-Based Generative Models (2022), arXiv:2206.00364, sec. 5.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from cortado.models.caloflow import parts, scaled
from cortado.models.draws import draws
from cortado.models.layers import require_positive
from cortado.models.velocity import Velocity


class CaloFlowMatching(nn.Module):
    r"""One flow makes the features of layers from the energy, one those of cells from the energy and the layers.

    Noise :math:`x_0` and a shower :math:`x_1` are joined by the straight path :math:`x_t = (1 - t) x_0 + t x_1`: the
    optimal-transport path of the paper with no width left at its end. The networks learn the mean of the velocity
    :math:`x_1 - x_0` at each point and time.

    As in CaloDREAM, layers and cells have networks of their own. These are not its transformers, but perceptrons whose
    outputs are hidden units of a small perceptron of each feature: at equal time on a CPU that learns far more than
    a perceptron on all features, or on patches of cells, since most of a cell's fluctuation is its own. The sizes are
    ours.

    A few features decide most shapes of a shower: those of layers, how the cells on the axis share what is theirs, and
    how those around them follow. Among hundreds of cells these would hardly count, so that groups of cells may have
    flows of their own, between both. Small networks are quick: those of layers and of groups learn from several points
    of the path of each shower, and take finer steps along it.

    Args:
        layers: Number of cells of each layer of the calorimeter.
        layer_features: Number of features of each layer; the L of all layers come first, then those of cells.
        groups: Places, among all features, of those of cells that are made before the others, group after group.
        layer_hidden: Width of the networks of layers and of groups.
        hidden: Width of the network of cells.
        blocks: Number of residual blocks of each network.
        units: Number of hidden units of each feature.
        layer_steps: Number of steps from noise to features of layers and of groups, each of two evaluations.
        steps: Likewise to those of cells.
        layer_draws: Number of points of a shower's path at which the networks of layers and of groups learn.

    Raises:
        ValueError: If a size is below 1, or the groups are not some of the features of cells, each once.
    """

    order: Tensor
    place: Tensor

    def __init__(
        self,
        *,
        layers: Sequence[int] = (288, 144, 72),
        layer_features: int = 1,
        groups: Sequence[Sequence[int]] = (),
        layer_hidden: int = 128,
        hidden: int = 512,
        blocks: int = 2,
        units: int = 16,
        layer_steps: int = 16,
        steps: int = 5,
        layer_draws: int = 4,
    ) -> None:
        super().__init__()
        sizes = {"layer_hidden": layer_hidden, "hidden": hidden, "blocks": blocks, "units": units, "steps": steps}
        sizes |= {"layer_steps": layer_steps, "layer_draws": layer_draws}
        require_positive("CaloFlowMatching", layers=min(layers, default=0), layer_features=layer_features, **sizes)
        self.layers = layer_features * len(layers)
        self.latent = self.layers + sum(layers)
        grouped = [place for group in groups for place in group]
        cells = [place for place in range(self.layers, self.latent) if place not in grouped]
        if not cells or len(cells) + len(grouped) != sum(layers) or not all(groups):
            raise ValueError(
                "CaloFlowMatching: groups must have some of the features of cells, each once, so of "
                f"{self.layers} to {self.latent - 1}, and not all of them, got {tuple(map(tuple, groups))}"
            )
        order = torch.tensor([*range(self.layers), *grouped, *cells])
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("place", order.argsort(), persistent=False)
        self.layer_velocity = Velocity(self.layers, 1, layer_hidden, blocks, units)
        self.group_velocities, known = nn.ModuleList(), 1 + self.layers
        for group in groups:
            self.group_velocities.append(Velocity(len(group), known, layer_hidden, blocks, units))
            known += len(group)
        self.cell_velocity = Velocity(len(cells), known, hidden, blocks, units)
        self.steps, self.layer_steps, self.layer_draws = steps, layer_steps, layer_draws

    def forward(self, energy: Tensor, noise: Tensor) -> Tensor:
        """Features (n, latent) of showers of incident energies (n,) [GeV], from noise (n, latent).

        Raises:
            ValueError: If the noise has another width than the model was made for.
        """
        known = scaled(energy)
        for velocity, its_noise in self._flows(noise, "noise"):
            steps = self.steps if velocity is self.cell_velocity else self.layer_steps
            known = torch.cat([known, carried(velocity, its_noise, known, steps)], dim=1)
        return known[:, 1:][:, self.place]

    def loss(self, energy: Tensor, features: Tensor) -> Tensor:
        """Squared errors (n,) of the velocities: for each network the mean of its features, summed over networks.

        In training at random points of each shower's path, else at one that follows from the shower.

        Raises:
            ValueError: If the features have another width than the model was made for.
        """
        known, loss = scaled(energy), torch.zeros_like(energy)
        for velocity, its_features in self._flows(features, "features"):
            number = self.layer_draws if self.training and velocity is not self.cell_velocity else 1
            loss = loss + _error(velocity, its_features, known, number, training=self.training)
            known = torch.cat([known, its_features], dim=1)
        return loss

    def _flows(self, values: Tensor, name: str) -> Iterator[tuple[Velocity, Tensor]]:
        """Networks in the order in which they make features, each with its part of values (n, latent)."""
        parts("CaloFlowMatching", values, self.layers, self.latent, name)
        begin, ordered = 0, values[:, self.order]
        for velocity in (self.layer_velocity, *self.group_velocities, self.cell_velocity):
            yield velocity, ordered[:, begin : (begin := begin + velocity.features)]


def carried(velocity: Velocity, noise: Tensor, condition: Tensor, steps: int) -> Tensor:
    """Features (n, f) to which the velocity carries noise (n, f), for conditions (n, c); midpoint rule."""
    place = noise
    for step in range(steps):
        begin, middle = (noise.new_full((noise.shape[0], 1), (step + part) / steps) for part in (0, 0.5))
        half_way = place + velocity(begin, place, condition) / (2 * steps)
        place = place + velocity(middle, half_way, condition) / steps
    return place


def _error(velocity: Velocity, features: Tensor, condition: Tensor, number: int, *, training: bool) -> Tensor:
    """Mean squared error (n,) of the velocity towards features (n, f), at `number` points of the path of each."""
    wanted, condition = features.repeat(number, 1), condition.repeat(number, 1)
    time, noise = draws(wanted, wanted.shape[1], training=training)
    place = torch.lerp(noise, wanted, time.unsqueeze(1))
    error: Tensor = (velocity(time.unsqueeze(1), place, condition) - (wanted - noise)).square().mean(1)
    return error.view(number, len(features)).mean(0)
