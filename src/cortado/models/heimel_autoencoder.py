"""Small convolutional autoencoder of jet images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cortado.models.layers import require_positive


class HeimelAutoencoder(nn.Module):
    """Convolutions 4 x 4 of 10 and 5 filters, an average over 2 x 2 pixels, two more of 5, then linear layers.

    These have 400, 100 and `latent` units and are mirrored, all with PReLU. The text of the paper leaves open how 2,000
    numbers become 400, here by a linear layer, and how pixels are doubled, here by copies. The default has 1,687,785
    parameters.

    Args:
        pixels: Of an image along each side, an even number.
        latent: How many numbers describe an image.
        softmax: Whether the pixels of a reproduced image add up to 1, as those of an image normalised to its sum do.

    Raises:
        ValueError: If a size is below 1, or the number of pixels is odd.

    References:
        Heimel, Kasieczka, Plehn, Thompson, QCD or What? (2019), arXiv:1808.08979, section 2.2.
    """

    def __init__(self, *, pixels: int = 40, latent: int = 6, softmax: bool = True) -> None:
        super().__init__()
        require_positive("HeimelAutoencoder", pixels=pixels, latent=latent)
        if pixels % 2:
            raise ValueError(f"HeimelAutoencoder: pixels must be an even number, got {pixels}")
        self.pixels, self.softmax, half = pixels, softmax, pixels // 2
        self.encoder = nn.Sequential(
            *_convolution(1, 10), *_convolution(10, 5), nn.AvgPool2d(2), *_convolution(5, 5), *_convolution(5, 5),
            nn.Flatten(), *_linear(5 * half**2, 400), *_linear(400, 100), nn.Linear(100, latent),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.PReLU(), *_linear(latent, 100), *_linear(100, 400), *_linear(400, 5 * half**2),
            nn.Unflatten(1, (5, half, half)), *_convolution(5, 5), *_convolution(5, 5), nn.Upsample(scale_factor=2),
            *_convolution(5, 10), *_convolution(10, 1)[:2],
        )  # fmt: skip

    def forward(self, image: Tensor) -> Tensor:
        """Images (n, 1, h, w) as they are reproduced.

        Raises:
            ValueError: If they have another shape than the model was made for.
        """
        expected = (1, self.pixels, self.pixels)
        if tuple(image.shape[1:]) != expected:
            raise ValueError(f"HeimelAutoencoder was made for images of {expected}, got {tuple(image.shape[1:])}")
        made: Tensor = self.decoder(self.encoder(image))
        return torch.softmax(made.flatten(1), dim=1).view_as(made) if self.softmax else made


def _convolution(inputs: int, outputs: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    return nn.ZeroPad2d((1, 2, 1, 2)), nn.Conv2d(inputs, outputs, 4), nn.PReLU()


def _linear(inputs: int, outputs: int) -> tuple[nn.Module, nn.Module]:
    return nn.Linear(inputs, outputs), nn.PReLU()
