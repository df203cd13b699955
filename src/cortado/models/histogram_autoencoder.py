"""Autoencoder of counts in histograms, with Poisson rates for outputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cortado.models.layers import perceptron, require_positive


class HistogramAutoencoder(nn.Module):
    """Perceptrons on the shape of a histogram, to a few numbers and back to rates that add up to its entries.

    It sees the roots of the shares of the bins, each with the same uncertainty, so that a histogram of few entries
    looks as one of many; its outputs are the logarithms of the rates, for the loss "poisson". An own design, with
    31,006 parameters by default.

    Args:
        size: Rows and columns of the bins; a histogram of one dimension has one row.
        hidden: Widths of the hidden layers of the encoder; the decoder has them in reverse.
        latent: How many numbers describe a shape.

    Raises:
        ValueError: If a size is below 1.
    """

    def __init__(self, *, size: Sequence[int] = (1, 100), hidden: Sequence[int] = (100, 50), latent: int = 6) -> None:
        super().__init__()
        rows, columns = size
        sizes = {f"hidden[{i}]": width for i, width in enumerate(hidden)}
        require_positive("HistogramAutoencoder", rows=rows, columns=columns, latent=latent, **sizes)
        self.shape = (1, rows, columns)
        self.encoder = perceptron(rows * columns, hidden, latent, activation=nn.GELU)
        self.decoder = perceptron(latent, hidden[::-1], rows * columns, activation=nn.GELU)

    def forward(self, image: Tensor) -> Tensor:
        """Logarithms of the rates of counts (n, 1, h, w), of their shape; an empty map has the rates of one entry.

        Raises:
            ValueError: If the maps have another shape than the model was made for.
        """
        if tuple(image.shape[1:]) != self.shape:
            raise ValueError(f"HistogramAutoencoder was made for maps of {self.shape}, got {tuple(image.shape[1:])}")
        counts = image.flatten(1)
        entries = counts.sum(1, keepdim=True).clamp(min=1)
        # Times the root of the number of bins, so that a flat histogram is 1 everywhere.
        roots = torch.sqrt(counts / entries * counts.shape[1])
        made: Tensor = torch.log(entries) + torch.log_softmax(self.decoder(self.encoder(roots)), dim=1)
        return made.view_as(image)
