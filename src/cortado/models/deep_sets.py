"""Particle flow and energy flow networks: a jet is a set, its observables are sums over the constituents.

References:
    Komiske, Metodiev, Thaler, Energy Flow Networks: Deep Sets for Particle Jets (2019), arXiv:1810.05165.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from cortado.models.layers import pack, perceptron, require_positive, require_width, sum_per_jet


def _he_uniform(network: nn.Module) -> None:
    """Draw the weights as the published code does (Keras `he_uniform`, zero biases)."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)


class PFN(nn.Module):
    r"""Particle flow network, :math:`F(\sum_i \Phi(p_i))`, eq. (1.2).

    The published size has 82,458 parameters at 3 features.

    Args:
        features: Number f of features of a constituent.
        phi: Widths of the per-constituent network; the last one is the latent dimension.
        hidden: Widths of the network on the sums.
        classes: Number of classes.
        dropout: Probability of dropping a hidden unit of the network on the sums in training.

    Raises:
        ValueError: If a size is below 1, or there is no per-constituent layer.
    """

    def __init__(
        self,
        *,
        features: int = 3,
        phi: Sequence[int] = (100, 100, 256),
        hidden: Sequence[int] = (100, 100, 100),
        classes: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        require_positive("PFN", features=features, classes=classes)
        require_positive("PFN", phi=min(phi, default=0), hidden=min(hidden, default=1))
        self.features = features
        self.phi = perceptron(features, phi)
        self.head = perceptron(phi[-1], hidden, classes, dropout)
        _he_uniform(self)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Logits (n, classes) of jets with constituents (n, p, f), mask (n, p).

        Raises:
            ValueError: If f is not the number of features that the model was made with.
        """
        require_width("PFN", features, self.features)
        nodes = self.phi(pack(features, mask))
        logits: Tensor = self.head(sum_per_jet(nodes, mask))
        return logits


class EFN(nn.Module):
    r"""Energy flow network, :math:`F(\sum_i z_i \Phi(\hat p_i))`, eq. (1.3): infrared and collinear safe.

    The first feature is the energy weight z, the others are angles. The published size has 82,358 parameters at
    3 features (z and two angles).

    Args:
        features: Number f of features of a constituent, the weight included.
        phi: Widths of the per-constituent network; the last one is the latent dimension.
        hidden: Widths of the network on the sums.
        classes: Number of classes.
        dropout: Probability of dropping a hidden unit of the network on the sums in training.

    Raises:
        ValueError: If a size is below 1, there is no angle, or no per-constituent layer.
    """

    def __init__(
        self,
        *,
        features: int = 3,
        phi: Sequence[int] = (100, 100, 256),
        hidden: Sequence[int] = (100, 100, 100),
        classes: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        require_positive("EFN", features=features, classes=classes)
        require_positive("EFN", phi=min(phi, default=0), hidden=min(hidden, default=1))
        if features < 2:
            raise ValueError("EFN: features must be at least 2, the energy weight and one angle, got 1")
        self.features = features
        self.phi = perceptron(features - 1, phi)
        self.head = perceptron(phi[-1], hidden, classes, dropout)
        _he_uniform(self)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Logits (n, classes) of jets with constituents (n, p, f) = (z, angles...), mask (n, p).

        Raises:
            ValueError: If f is not the number of features that the model was made with.
        """
        require_width("EFN", features, self.features)
        nodes = pack(features, mask)
        weighted = nodes[:, :1] * self.phi(nodes[:, 1:])
        logits: Tensor = self.head(sum_per_jet(weighted, mask))
        return logits
