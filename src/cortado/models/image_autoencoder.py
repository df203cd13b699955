"""Convolutional autoencoder of images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cortado.models.layers import perceptron, require_positive

_POOLINGS = 2


class ImageAutoencoder(nn.Module):
    """Convolutions and poolings to a few numbers, and back.

    Three convolutions 3 x 3 with ReLU, the first two followed by a maximum over 2 x 2 pixels; linear layers to `hidden`
    and `latent` numbers and back; then the same convolutions after the pixels were doubled, and a last one to the
    channels of the image. The default is that of the paper, with 1,425,223 parameters. The paper ends with a softmax
    over all pixels; with `softmax=False` the outputs are any numbers, as logarithms of rates must be.

    Args:
        size: Pixels of an image along both sides, multiples of 4.
        channels: Of the image.
        filters: Of the convolutions.
        hidden: Width of the layer between convolutions and latent numbers.
        latent: How many numbers describe an image.
        softmax: Whether the pixels of a reproduced image add up to 1, as those of an image normalised to its sum do.

    Raises:
        ValueError: If a size is below 1, or no multiple of 4.

    References:
        Farina, Nakai, Shih, Searching for New Physics with Deep Autoencoders (2018), arXiv:1808.08992, section 3.
    """

    def __init__(
        self,
        *,
        size: Sequence[int] = (40, 40),
        channels: int = 1,
        filters: int = 128,
        hidden: int = 32,
        latent: int = 6,
        softmax: bool = True,
    ) -> None:
        super().__init__()
        height, width = size
        require_positive(
            "ImageAutoencoder", height=height, width=width, channels=channels, filters=filters, hidden=hidden,
            latent=latent,
        )  # fmt: skip
        if height % 2**_POOLINGS or width % 2**_POOLINGS:
            raise ValueError(f"ImageAutoencoder: size must be multiples of {2**_POOLINGS}, got {tuple(size)}")
        small = (filters, height // 2**_POOLINGS, width // 2**_POOLINGS)
        flat = small[0] * small[1] * small[2]
        self.shape = (channels, height, width)
        self.softmax = softmax
        self.encoder = nn.Sequential(
            _convolution(channels, filters), nn.ReLU(), nn.MaxPool2d(2),
            _convolution(filters, filters), nn.ReLU(), nn.MaxPool2d(2),
            _convolution(filters, filters), nn.ReLU(),
            nn.Flatten(), perceptron(flat, (hidden,), latent),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            perceptron(latent, (hidden, flat)), nn.Unflatten(1, small),
            _convolution(filters, filters), nn.ReLU(), nn.Upsample(scale_factor=2),
            _convolution(filters, filters), nn.ReLU(), nn.Upsample(scale_factor=2),
            _convolution(filters, channels),
        )  # fmt: skip

    def forward(self, image: Tensor) -> Tensor:
        """Images (n, c, h, w) as they are reproduced.

        Raises:
            ValueError: If they have another shape than the model was made for.
        """
        if tuple(image.shape[1:]) != self.shape:
            raise ValueError(f"ImageAutoencoder was made for images of {self.shape}, got {tuple(image.shape[1:])}")
        made: Tensor = self.decoder(self.encoder(image))
        return torch.softmax(made.flatten(1), dim=1).view_as(made) if self.softmax else made


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)
