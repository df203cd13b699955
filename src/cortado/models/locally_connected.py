"""Locally connected layer: a convolution whose weights differ from place to place."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class LocallyConnected(nn.Module):
    """Linear map of the window around each place of an image, with weights of its own for each place.

    Images have the batch last. So the places are one batch of products of matrices whose long side is the batch, which
    costs a CPU a third of what it costs with the batch first. Weights start as Keras's do, uniform with the places
    counted in the fans: smaller by the root of their number than those of a convolution.

    Args:
        shape: Rows and columns of the images.
        inputs: Number of channels before.
        outputs: Number of channels after.
        kernel: Rows and columns of the window.
        stride: Rows and columns from one window to the next.
        padding: Rows and columns of zeros on each side.
        bias: Whether a bias is added, one for each place and channel.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        inputs: int,
        outputs: int,
        *,
        kernel: tuple[int, int] = (2, 2),
        stride: tuple[int, int] = (1, 1),
        padding: int = 0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.padding = kernel, stride, padding
        rows, columns = ((size + 2 * padding - window) // step + 1 for size, window, step in zip(shape, kernel, stride))
        self.shape = (rows, columns)
        self.weight = nn.Parameter(torch.empty(rows * columns, outputs, inputs * kernel[0] * kernel[1]))
        nn.init.xavier_uniform_(with_places_as_pixels(self.weight))
        self.bias = nn.Parameter(torch.zeros(rows * columns, outputs, 1)) if bias else None

    def forward(self, images: Tensor) -> Tensor:
        """Images (rows, columns, inputs, n) to (rows, columns, outputs, n)."""
        side = self.padding
        padded = functional.pad(images, (0, 0, 0, 0, side, side, side, side))
        spans = [step * (size - 1) + 1 for step, size in zip(self.stride, self.shape)]
        taps = [
            padded[i : i + spans[0] : self.stride[0], j : j + spans[1] : self.stride[1]]
            for i in range(self.kernel[0])
            for j in range(self.kernel[1])
        ]
        windows = torch.cat(taps, dim=2).flatten(0, 1)  # (places, taps x inputs, n)
        outputs = self.weight @ windows if self.bias is None else torch.baddbmm(self.bias, self.weight, windows)
        return torch.unflatten(outputs, 0, self.shape)


def with_places_as_pixels(weight: Tensor) -> Tensor:
    """View of weights (places, outputs, inputs) from which `torch.nn.init` takes the fans that Keras takes."""
    return weight.detach().permute(1, 2, 0)
