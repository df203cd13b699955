"""Dense Wasserstein GAN of showers, with a penalty on the gradient of its critic.

References:
    Gulrajani et al., Improved Training of Wasserstein GANs (2017), arXiv:1704.00028.
    ATLAS, Fast simulation of the ATLAS calorimeter system with Generative Adversarial Networks (2020),
    ATL-SOFT-PUB-2020-006 (FastCaloGAN).
    Krause et al., CaloChallenge 2022 (2024), arXiv:2410.21611, describes its successor BoloGAN.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cortado.models.caloflow import scaled
from cortado.models.layers import perceptron, require_positive, require_width

_NARROW = -1.0  # logarithm of the first widths of the features


class CaloWGAN(nn.Module):
    """Features of showers from noise and the incident energy, by dense layers with batch norm and swish.

    Trains against `CaloWGANCritic` in `tasks.GenerateAgainst` with a penalty. The random numbers that all features
    share have, as published, mean and width 0.5.

    Deviation: fifty numbers cannot make hundreds of cells fluctuate each on its own, as weak ones do, and a critic
    sees that at once. Each feature has therefore one more random number, whose width is learned, as a function of the
    others and of the energy. So a shower has k + f random numbers.

    Args:
        features: Number f of features.
        latent: Number k of random numbers that all features share.
        hidden: Widths of the hidden layers.

    Raises:
        ValueError: If a size is below 1.
    """

    def __init__(self, *, features: int = 504, latent: int = 50, hidden: Sequence[int] = (50, 100, 200)) -> None:
        super().__init__()
        require_positive("CaloWGAN", features=features, latent=latent, **_named(hidden))
        self.features, self.shared = features, latent
        self.latent = latent + features
        layers: list[nn.Module] = []
        for before, after in zip([latent + 1, *hidden], hidden):
            layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.SiLU()]
        self.hidden = nn.Sequential(*layers)
        self.place = nn.Linear([latent + 1, *hidden][-1], features)
        self.log_width = nn.Linear(self.place.in_features, features)
        nn.init.zeros_(self.log_width.weight)
        nn.init.constant_(self.log_width.bias, _NARROW)

    def forward(self, energy: Tensor, noise: Tensor) -> Tensor:
        """Features (n, f) of showers of incident energies (n,) [GeV], from noise (n, k + f).

        Raises:
            ValueError: If the noise has another width.
        """
        if noise.shape[1] != self.latent:
            raise ValueError(
                f"CaloWGAN was made with latent={self.shared} and features={self.features}, that is {self.latent} "
                f"random numbers a shower, got noise of shape {tuple(noise.shape)}"
            )
        shared, own = torch.split(noise, [self.shared, self.features], dim=1)
        hidden = self.hidden(torch.cat([0.5 + 0.5 * shared, scaled(energy)], dim=1))
        made: Tensor = self.place(hidden) + self.log_width(hidden).exp() * own
        return made


class CaloWGANCritic(nn.Module):
    """Score of a shower: greater, the more it seems simulated; by dense layers with ReLU.

    Args:
        features: Number f of features.
        hidden: Widths of the hidden layers; as many as there are cells, as published.

    Raises:
        ValueError: If a size is below 1.
    """

    def __init__(self, *, features: int = 504, hidden: Sequence[int] = (504, 504, 504)) -> None:
        super().__init__()
        require_positive("CaloWGANCritic", features=features, **_named(hidden))
        self.features = features
        self.network = perceptron(features + 1, hidden, 1)

    def forward(self, energy: Tensor, features: Tensor) -> Tensor:
        """Scores (n,) of showers of incident energies (n,) [GeV] with features (n, f).

        Raises:
            ValueError: If f is not the number of features that the critic was made for.
        """
        require_width("CaloWGANCritic", features, self.features)
        score: Tensor = self.network(torch.cat([features, scaled(energy)], dim=1)).squeeze(1)
        return score

    score = forward

    def loss(self, energy: Tensor, features: Tensor, *, real: bool) -> Tensor:
        """Loss (n,) of each shower: its score, with a minus where the critic shall take it for simulated."""
        score: Tensor = self(energy, features).float()
        return -score if real else score

    def summary(self, energy: Tensor, features: Tensor) -> Tensor:
        """All features."""
        return features


def _named(hidden: Sequence[int]) -> dict[str, int]:
    return {f"hidden[{index}]": width for index, width in enumerate(hidden)}
