"""Multilayer perceptron on jet observables: the baseline that networks on constituents have to beat."""

from collections.abc import Sequence

from torch import Tensor, nn

from cortado.models.layers import perceptron, require_positive, require_width


class MLP(nn.Module):
    """Perceptron with ReLU on high-level features (n, f), standardised by a `Scaling`.

    Args:
        features: Number f of observables.
        hidden: Widths of the hidden layers; none gives logistic regression.
        classes: Number of classes.
        dropout: Probability of dropping a hidden unit in training.

    Raises:
        ValueError: If a size is below 1.
    """

    def __init__(
        self, *, features: int, hidden: Sequence[int] = (64, 64, 64), classes: int = 2, dropout: float = 0.0
    ) -> None:
        super().__init__()
        require_positive("MLP", features=features, classes=classes, **{f"hidden[{i}]": w for i, w in enumerate(hidden)})
        self.features = features
        self.network = perceptron(features, hidden, classes, dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Logits (n, classes) of jets with observables (n, f).

        Raises:
            ValueError: If f is not the number of features that the model was made with.
        """
        require_width("MLP", features, self.features)
        logits: Tensor = self.network(features)
        return logits
