"""Multilayer perceptron on jet observables: the baseline that networks on constituents have to beat."""

from collections.abc import Sequence

from torch import Tensor, nn

from cortado.models.additive import Additive
from cortado.models.layers import perceptron, require_positive, require_width


class MLP(nn.Module):
    """Perceptron with ReLU on high-level features (n, f), standardised by a `Scaling`.

    Args:
        features: Number f of observables.
        hidden: Widths of the hidden layers; none gives logistic regression.
        classes: Number of classes.
        dropout: Probability of dropping a hidden unit in training.
        knots: If given, a smooth function of each feature with so many knots is added to the logits: weights of a
            likelihood ratio then bring one-dimensional distributions together, which the perceptron alone, with its
            many parameters, does last. For features scaled by their quantiles.

    Raises:
        ValueError: If a size is below 1, or there is one knot.
    """

    def __init__(
        self,
        *,
        features: int,
        hidden: Sequence[int] = (64, 64, 64),
        classes: int = 2,
        dropout: float = 0.0,
        knots: int | None = None,
    ) -> None:
        super().__init__()
        require_positive("MLP", features=features, classes=classes, **{f"hidden[{i}]": w for i, w in enumerate(hidden)})
        self.features = features
        self.network = perceptron(features, hidden, classes, dropout)
        self.additive = None if knots is None else Additive(features, classes, knots)

    def forward(self, features: Tensor) -> Tensor:
        """Logits (n, classes) of jets with observables (n, f).

        Raises:
            ValueError: If f is not the number of features that the model was made with.
        """
        require_width("MLP", features, self.features)
        logits: Tensor = self.network(features)
        return logits if self.additive is None else logits + self.additive(features)
