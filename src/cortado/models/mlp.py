"""Multilayer perceptron on jet observables: the baseline that networks on constituents have to beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from cortado.models.layers import perceptron, require_positive, require_width
from cortado.models.piecewise_linear import PiecewiseLinear

_UNITS = 8  # of each feature, where these are encoded
_ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU}


class MLP(nn.Module):
    """Perceptron on high-level features (n, f), standardised by a `Scaling`.

    Args:
        features: Number f of observables.
        hidden: Widths of the hidden layers; none gives logistic regression.
        classes: Number of classes.
        dropout: Probability of dropping a hidden unit in training.
        activation: "relu", or the smooth "gelu" (arXiv:1606.08415).
        bins: Number of intervals of a piecewise linear encoding (arXiv:2203.05556) of each feature between -3.5 and
            3.5, with eight units: for regions of few events, of features scaled by quantiles. None for no encoding.

    Raises:
        ValueError: If a size is below 1, or there is no such activation.
    """

    def __init__(
        self,
        *,
        features: int,
        hidden: Sequence[int] = (64, 64, 64),
        classes: int = 2,
        dropout: float = 0.0,
        activation: Literal["relu", "gelu"] = "relu",
        bins: int | None = None,
    ) -> None:
        super().__init__()
        sizes = {f"hidden[{i}]": width for i, width in enumerate(hidden)} | ({} if bins is None else {"bins": bins})
        require_positive("MLP", features=features, classes=classes, **sizes)
        if activation not in _ACTIVATIONS:
            raise ValueError(f"MLP: activation must be {' or '.join(_ACTIVATIONS)}, got {activation!r}")
        self.features = features
        self.encoding = None if bins is None else PiecewiseLinear(features, bins, _UNITS)
        inputs = features if bins is None else features * (1 + _UNITS)
        self.network = perceptron(inputs, hidden, classes, dropout, _ACTIVATIONS[activation])

    def forward(self, features: Tensor) -> Tensor:
        """Logits (n, classes) of jets with observables (n, f).

        Raises:
            ValueError: If f is not the number of features that the model was made with.
        """
        require_width("MLP", features, self.features)
        logits: Tensor = self.network(features if self.encoding is None else self.encoding(features))
        return logits
