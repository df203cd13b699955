"""Multilayer perceptron on jet observables: the baseline that networks on constituents have to beat."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from cortado.models.layers import perceptron, require_positive, require_width

_ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU}


class MLP(nn.Module):
    """Perceptron on high-level features (n, f), standardised by a `Scaling`.

    Args:
        features: Number f of observables.
        hidden: Widths of the hidden layers; none gives logistic regression.
        classes: Number of classes.
        dropout: Probability of dropping a hidden unit in training.
        activation: "relu", or the smooth "gelu" (arXiv:1606.08415).

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
    ) -> None:
        super().__init__()
        require_positive("MLP", features=features, classes=classes, **{f"hidden[{i}]": w for i, w in enumerate(hidden)})
        if activation not in _ACTIVATIONS:
            raise ValueError(f"MLP: activation must be {' or '.join(_ACTIVATIONS)}, got {activation!r}")
        self.features = features
        self.network = perceptron(features, hidden, classes, dropout, _ACTIVATIONS[activation])

    def forward(self, features: Tensor) -> Tensor:
        """Logits (n, classes) of jets with observables (n, f).

        Raises:
            ValueError: If f is not the number of features that the model was made with.
        """
        require_width("MLP", features, self.features)
        logits: Tensor = self.network(features)
        return logits
