"""Minibatch discrimination: a critic sees how much the samples of a batch are alike.

References:
    Salimans et al., Improved Techniques for Training GANs (2016), arXiv:1606.03498, section 3.2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cortado.models.locally_connected import with_places_as_pixels


class MinibatchDiscrimination(nn.Module):
    """Sums over the batch of exp(-distance) in several learned spaces, through tanh.

    The sum has the sample itself. It saturates, and gives no gradient, where more than about ten samples are alike.

    Args:
        inputs: Number of values of a sample.
        kernels: Number of spaces.
        dimensions: Number of dimensions of each.
    """

    def __init__(self, inputs: int, kernels: int = 10, dimensions: int = 10) -> None:
        super().__init__()
        self.kernels, self.dimensions = kernels, dimensions
        self.project = nn.Linear(inputs, kernels * dimensions)
        nn.init.zeros_(self.project.bias)
        nn.init.xavier_uniform_(with_places_as_pixels(torch.unflatten(self.project.weight, 0, (kernels, dimensions))))

    def forward(self, values: Tensor) -> Tensor:
        """Similarities (n, kernels) of samples (n, inputs); tanh(1) for one that is like no other."""
        points = torch.unflatten(self.project(values), 1, (self.kernels, self.dimensions)).transpose(0, 1).float()
        return torch.cdist(points, points, p=1.0).neg().exp().sum(2).tanh().T
