"""Flow matching: a network learns the velocity that carries noise to showers, few steps along it make a shower.

References:
    Lipman et al., Flow Matching for Generative Modeling (2022), arXiv:2210.02747.
    Favaro et al., CaloDREAM: Detector Response Emulation via Attentive flow Matching (2024), arXiv:2405.09629.
    Karras et al., Elucidating the Design Space of Diffusion-Based Generative Models (2022), arXiv:2206.00364, sec. 5.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cortado.models.caloflow import conditions, parts, scaled
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

    Args:
        layers: Number of cells of each layer of the calorimeter.
        layer_features: Number of features of each layer; the L of all layers come first, then those of cells.
        layer_hidden: Width of the network of layers.
        hidden: Width of the network of cells.
        blocks: Number of residual blocks of each network.
        units: Number of hidden units of each feature.
        steps: Number of steps from noise to showers, each of two evaluations.

    Raises:
        ValueError: If a size is below 1.
    """

    def __init__(
        self,
        *,
        layers: Sequence[int] = (288, 144, 72),
        layer_features: int = 1,
        layer_hidden: int = 256,
        hidden: int = 512,
        blocks: int = 2,
        units: int = 16,
        steps: int = 8,
    ) -> None:
        super().__init__()
        sizes = {"layer_hidden": layer_hidden, "hidden": hidden, "blocks": blocks, "units": units, "steps": steps}
        require_positive("CaloFlowMatching", layers=min(layers, default=0), layer_features=layer_features, **sizes)
        self.layers, self.steps = layer_features * len(layers), steps
        self.latent = self.layers + sum(layers)
        self.layer_velocity = Velocity(self.layers, 1, layer_hidden, blocks, units)
        self.cell_velocity = Velocity(sum(layers), 1 + self.layers, hidden, blocks, units)

    def forward(self, energy: Tensor, noise: Tensor) -> Tensor:
        """Features (n, latent) of showers of incident energies (n,) [GeV], from noise (n, latent).

        Raises:
            ValueError: If the noise has another width than the model was made for.
        """
        of_layers, of_cells = parts("CaloFlowMatching", noise, self.layers, self.latent, "noise")
        of_layers = carried(self.layer_velocity, of_layers, scaled(energy), self.steps)
        of_cells = carried(self.cell_velocity, of_cells, conditions(energy, of_layers), self.steps)
        return torch.cat([of_layers, of_cells], dim=1)

    def loss(self, energy: Tensor, features: Tensor) -> Tensor:
        """Squared error (n,) of the velocity, per feature of layers plus per feature of cells, at one time a shower.

        Raises:
            ValueError: If the features have another width than the model was made for.
        """
        of_layers, of_cells = parts("CaloFlowMatching", features, self.layers, self.latent, "features")
        time, noise = draws(features, self.latent, training=self.training)
        time, noise_of_layers, noise_of_cells = time.unsqueeze(1), noise[:, : self.layers], noise[:, self.layers :]
        return _error(self.layer_velocity, time, noise_of_layers, of_layers, scaled(energy)) + _error(
            self.cell_velocity, time, noise_of_cells, of_cells, conditions(energy, of_layers)
        )


def carried(velocity: Velocity, noise: Tensor, condition: Tensor, steps: int) -> Tensor:
    """Features (n, f) to which the velocity carries noise (n, f), for conditions (n, c); midpoint rule."""
    place = noise
    for step in range(steps):
        begin, middle = (noise.new_full((len(noise), 1), (step + part) / steps) for part in (0, 0.5))
        half_way = place + velocity(begin, place, condition) / (2 * steps)
        place = place + velocity(middle, half_way, condition) / steps
    return place


def _error(velocity: Velocity, time: Tensor, noise: Tensor, features: Tensor, condition: Tensor) -> Tensor:
    """Mean squared error (n,) of the velocity at times (n, 1) between noise (n, f) and features (n, f)."""
    place = (1 - time) * noise + time * features
    error: Tensor = (velocity(time, place, condition) - (features - noise)).square().mean(1)
    return error
