"""A function of each feature, added up: what a perceptron that sees all of them together learns last.

References:
    Hastie, Tibshirani, Generalized additive models (1986), doi:10.1214/ss/1177013604.
"""

import torch
from torch import Tensor, nn

from cortado.models.layers import require_positive


class Additive(nn.Module):
    """Sum over the features of a function of each, linear between knots and constant beyond them.

    The knots are at quantiles of a normal distribution, for features that are distributed like one
    (`fit_quantiles`). All functions begin as 0.

    Args:
        features: Number f of features.
        outputs: Number of sums.
        knots: Of each function, two or more: few make it smooth.

    Raises:
        ValueError: If a size is too small.
    """

    knots: Tensor

    def __init__(self, features: int, outputs: int, knots: int) -> None:
        super().__init__()
        require_positive("Additive", features=features, outputs=outputs, **{"knots - 1": knots - 1})
        places = torch.distributions.Normal(0.0, 1.0).icdf((torch.arange(knots) + 0.5) / knots)
        self.register_buffer("knots", places)
        self.heights = nn.Linear(features * knots, outputs, bias=False)
        nn.init.zeros_(self.heights.weight)

    def forward(self, features: Tensor) -> Tensor:
        """Sums (n, outputs) for features (n, f)."""
        inside = features.clamp(self.knots[0], self.knots[-1])[..., None]
        steps = self.knots.diff()
        rising = nn.functional.pad((inside - self.knots[:-1]) / steps, (1, 0), value=1.0)
        falling = nn.functional.pad((self.knots[1:] - inside) / steps, (0, 1), value=1.0)
        share_of_knots = torch.minimum(rising, falling).clamp(min=0)
        sums: Tensor = self.heights(share_of_knots.flatten(1))
        return sums
