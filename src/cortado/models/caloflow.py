"""CaloFlow: showers as noise that two autoregressive flows shape, one for the layers, one for the cells.

References:
    Krause, Shih, CaloFlow: Fast and Accurate Generation of Calorimeter Showers with Normalizing Flows (2021),
    arXiv:2106.05285.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cortado.models.autoregressive import AutoregressiveFlow
from cortado.models.layers import require_positive


class CaloFlow(nn.Module):
    """Flow I makes the features of layers from the energy, flow II those of cells from the energy and the layers.

    The published sizes, those of the authors' code, have 79,134 parameters in flow I and 37,835,280 in flow II. Its
    loss takes one pass through each block; generating takes one step for each feature and block. Deviations: features
    are standardised, flow II sees those of the layers instead of the logarithms of their energies, the hidden units of
    a block see evenly spaced numbers of features, and dropout follows each hidden layer of flow II.

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

    Raises:
        ValueError: If a size is below 1, a spline has fewer than 2 bins, or the bound is not positive.
    """

    def __init__(
        self,
        *,
        layers: Sequence[int] = (288, 144, 72),
        layer_features: int = 1,
        layer_blocks: int = 6,
        layer_hidden: Sequence[int] = (64, 64, 64),
        blocks: int = 8,
        hidden: Sequence[int] = (378, 378),
        bins: int = 8,
        bound: float = 14.0,
        dropout: float = 0.05,
        seed: int = 0,
    ) -> None:
        super().__init__()
        sizes = {"layers": min(layers, default=0), "layer_features": layer_features, "layer_blocks": layer_blocks}
        sizes |= {"blocks": blocks, "layer_hidden": min(layer_hidden, default=0), "hidden": min(hidden, default=0)}
        require_positive("CaloFlow", **sizes)
        if isinstance(bins, bool) or not isinstance(bins, int) or bins < 2:
            raise ValueError(f"CaloFlow: bins must be an integer of at least 2, got {bins!r}")
        if not bound > 0:
            raise ValueError(f"CaloFlow: bound must be positive, got {bound!r}")
        self.layers = layer_features * len(layers)
        self.latent = self.layers + sum(layers)
        self.layer_flow = AutoregressiveFlow(
            [self.layers], 1, blocks=layer_blocks, hidden=layer_hidden, bins=bins, bound=bound, seed=seed
        )
        self.cell_flow = AutoregressiveFlow(
            layers, 1 + self.layers, blocks=blocks, hidden=hidden, bins=bins, bound=bound, dropout=dropout, seed=seed
        )

    def forward(self, energy: Tensor, noise: Tensor) -> Tensor:
        """Features (n, latent) of showers of incident energies (n,) [GeV], from noise (n, latent); without gradients.

        Raises:
            ValueError: If the noise has another width than the model was made for.
        """
        of_layers, of_cells = parts("CaloFlow", noise, self.layers, self.latent, "noise")
        of_layers = self.layer_flow.invert(of_layers, scaled(energy))
        return torch.cat([of_layers, self.cell_flow.invert(of_cells, conditions(energy, of_layers))], dim=1)

    def latents(self, energy: Tensor, features: Tensor) -> Tensor:
        """The noise (n, latent) from which `forward` makes these features (n, latent).

        Raises:
            ValueError: If the features have another width than the model was made for.
        """
        of_layers, of_cells = parts("CaloFlow", features, self.layers, self.latent, "features")
        noise, _ = self.layer_flow(of_layers, scaled(energy))
        return torch.cat([noise, self.cell_flow(of_cells, conditions(energy, of_layers))[0]], dim=1)

    def loss(self, energy: Tensor, features: Tensor) -> Tensor:
        """Minus the logarithm of the density (n,) of features (n, latent) at incident energies (n,) [GeV].

        Raises:
            ValueError: If the features have another width than the model was made for.
        """
        of_layers, of_cells = parts("CaloFlow", features, self.layers, self.latent, "features")
        density = self.layer_flow.log_density(of_layers, scaled(energy))
        return -density - self.cell_flow.log_density(of_cells, conditions(energy, of_layers))


def parts(model: str, values: Tensor, layers: int, latent: int, name: str) -> tuple[Tensor, Tensor]:
    """Values (n, latent) of the layers and of the cells.

    Raises:
        ValueError: If the values have another width.
    """
    if values.shape[1] != latent:
        raise ValueError(
            f"{model} was made with {layers} features of layers, {latent - layers} of cells, so latent={latent}, "
            f"got {name} of shape {tuple(values.shape)}"
        )
    return values[:, :layers], values[:, layers:]


def scaled(energy: Tensor) -> Tensor:
    """Condition (n, 1) of the layers: -1 to 1 for incident energies (n,) from 1 to 100 GeV."""
    return (energy / 10).log10().unsqueeze(1)


def conditions(energy: Tensor, of_layers: Tensor) -> Tensor:
    """Condition (n, 1 + L) of the cells: that of the layers, and their features (n, L)."""
    return torch.cat([scaled(energy), of_layers], dim=1)
