"""Conditional variational autoencoder of showers.

References:
    Kingma, Welling, Auto-Encoding Variational Bayes (2013), arXiv:1312.6114.
    Krause et al., CaloChallenge 2022 (2024), arXiv:2410.21611, compares autoencoders of showers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cortado.models.caloflow import scaled
from cortado.models.draws import draws
from cortado.models.layers import perceptron, require_positive, require_width


class CaloVAE(nn.Module):
    """Showers as decoded codes: a code is standard normal, and given a code and the energy all features are normal.

    The decoder gives the means of the features; the width of each, the same for all showers, is learned too. A shower
    is the means and these widths times noise, since the means alone are averages over showers, without the fluctuations
    of cells. Its random numbers are therefore k + f: the code, then one for each feature. No size is published for
    this geometry; these are ours, and have 1,096,758 parameters.

    Args:
        features: Number f of features.
        code: Number k of numbers in a code.
        hidden: Widths of the hidden layers of the encoder; the decoder has them in reverse.
        beta: Weight of the divergence between the encoder's codes and standard normal ones; 1 gives the bound on the
            likelihood.

    Raises:
        ValueError: If a size is below 1, or beta is negative.
    """

    def __init__(
        self, *, features: int = 507, code: int = 32, hidden: Sequence[int] = (512, 512), beta: float = 1.0
    ) -> None:
        super().__init__()
        require_positive("CaloVAE", features=features, code=code, **{f"hidden[{i}]": w for i, w in enumerate(hidden)})
        if not 0 <= beta < math.inf:
            raise ValueError(f"CaloVAE: beta must be a number of at least 0, got {beta!r}")
        self.features, self.code, self.beta = features, code, beta
        self.latent = code + features
        self.encoder = perceptron(features + 1, hidden, 2 * code)
        self.decoder = perceptron(code + 1, hidden[::-1], features)
        self.log_width = nn.Parameter(torch.zeros(features))

    def forward(self, energy: Tensor, noise: Tensor) -> Tensor:
        """Features (n, f) of showers of incident energies (n,) [GeV], from noise (n, k + f).

        Raises:
            ValueError: If the noise has another width.
        """
        if noise.shape[1] != self.latent:
            raise ValueError(
                f"CaloVAE was made with code={self.code} and features={self.features}, that is {self.latent} random "
                f"numbers a shower, got noise of shape {tuple(noise.shape)}"
            )
        code, fluctuation = torch.split(noise, [self.code, self.features], dim=1)
        made: Tensor = self.decode(energy, code) + self.log_width.exp() * fluctuation
        return made

    def encode(self, energy: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Means and logarithms of variances (n, k) of the codes of showers with features (n, f)."""
        means, log_variances = self.encoder(torch.cat([features, scaled(energy)], dim=1)).float().chunk(2, dim=1)
        return means, log_variances

    def decode(self, energy: Tensor, code: Tensor) -> Tensor:
        """Means (n, f) of the features of showers with codes (n, k)."""
        means: Tensor = self.decoder(torch.cat([code, scaled(energy)], dim=1))
        return means.float()

    def loss(self, energy: Tensor, features: Tensor) -> Tensor:
        """Minus the bound (n,) on the logarithm of the density of features (n, f), with one drawn code a shower.

        Raises:
            ValueError: If f is not the number of features that the model was made with.
        """
        require_width("CaloVAE", features, self.features)
        means, log_variances = self.encode(energy, features)
        _, normal = draws(features, self.code, training=self.training)
        code = means + (log_variances / 2).exp() * normal
        density = torch.distributions.Normal(self.decode(energy, code), self.log_width.exp(), validate_args=False)
        divergence = (means.square() + log_variances.exp() - log_variances - 1).sum(1) / 2
        loss: Tensor = self.beta * divergence - density.log_prob(features).sum(1)  # type: ignore[no-untyped-call]
        return loss
