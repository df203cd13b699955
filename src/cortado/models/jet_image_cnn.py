"""Convolutional network on jet images.

References:
    de Oliveira, Kagan, Mackey, Nachman, Schwartzman, Jet-images: Deep Learning Edition (2016), arXiv:1511.05190.
"""

from __future__ import annotations

from torch import Tensor, nn

from cortado.models.layers import require_positive

_KERNELS = (11, 3, 3)
_POOLS = (2, 3, 3)
_SMALLEST = 18  # 18 -> 9 -> 3 -> 1 pixels: every pooling has a full window


class JetImageCNN(nn.Module):
    """Three times convolution, max pooling and dropout, then local response norm and a hidden layer.

    Filters 11x11, 3x3, 3x3 and poolings 2x2, 3x3, 3x3 are those of the paper (section 4.2). Deviations: the
    convolutions are padded, without which a 25x25 image is too small for three of them; the last layer gives one
    logit a class, and the dropout probability and the constants of the response norm, which the paper does not
    print, are ours.

    Args:
        channels: Number c of image channels.
        pixels: Side of the square image.
        classes: Number of classes.
        filters: Number of filters in each convolution.
        hidden: Width of the hidden layer.
        dropout: Probability of dropping a unit in training.

    Raises:
        ValueError: If a size is below 1, or the image too small for the three poolings.
    """

    def __init__(
        self,
        *,
        channels: int = 1,
        pixels: int = 25,
        classes: int = 2,
        filters: int = 32,
        hidden: int = 64,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        require_positive(
            "JetImageCNN", channels=channels, pixels=pixels, classes=classes, filters=filters, hidden=hidden
        )
        if pixels < _SMALLEST:
            raise ValueError(
                f"JetImageCNN: pixels must be at least {_SMALLEST} for poolings by 2, 3 and 3, got {pixels}"
            )
        self.shape = (channels, pixels, pixels)
        layers: list[nn.Module] = []
        for before, kernel, pool in zip((channels, filters, filters), _KERNELS, _POOLS):
            convolution = nn.Conv2d(before, filters, kernel, padding="same")
            layers += [convolution, nn.ReLU(), nn.MaxPool2d(pool), nn.Dropout(dropout)]
            pixels //= pool
        self.image = nn.Sequential(*layers, nn.LocalResponseNorm(5), nn.Flatten())
        self.head = nn.Sequential(
            nn.Linear(filters * pixels**2, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, classes)
        )

    def forward(self, image: Tensor) -> Tensor:
        """Logits (n, classes) of jet images (n, c, eta, phi).

        Raises:
            ValueError: If the images have other channels or pixels than the model was made for.
        """
        if tuple(image.shape[1:]) != self.shape:
            raise ValueError(
                f"JetImageCNN was made with channels={self.shape[0]}, pixels={self.shape[1]}, but the representation "
                f"gives images of shape {tuple(image.shape[1:])} (channels, eta, phi)"
            )
        logits: Tensor = self.head(self.image(image))
        return logits
