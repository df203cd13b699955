"""Autoencoders of linear layers: of a few numbers, plain and variational, and of the pixels of images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cortado.models.layers import perceptron, require_positive, require_width

_GAIN = 10.0  # of the roots of pixels, of which most are far below 1


class DenseAutoencoder(nn.Module):
    """Perceptrons to a few latent numbers and back, on features (n, f) that are standardised by a `Scaling`.

    Args:
        features: Number f of features.
        hidden: Widths of the hidden layers of the encoder; the decoder has them in reverse.
        latent: How many numbers describe an object.

    Raises:
        ValueError: If a size is below 1.

    References:
        Farina, Nakai, Shih, Searching for New Physics with Deep Autoencoders (2018), arXiv:1808.08992, section 3.
    """

    def __init__(self, *, features: int, hidden: Sequence[int] = (32, 16), latent: int = 3) -> None:
        super().__init__()
        sizes = {f"hidden[{i}]": width for i, width in enumerate(hidden)}
        require_positive("DenseAutoencoder", features=features, latent=latent, **sizes)
        self.features = features
        self.encoder = perceptron(features, hidden, latent, activation=nn.GELU)
        self.decoder = perceptron(latent, hidden[::-1], features, activation=nn.GELU)

    def forward(self, features: Tensor) -> Tensor:
        """Features (n, f) as they are reproduced.

        Raises:
            ValueError: If f is not the number that the model was made with.
        """
        require_width("DenseAutoencoder", features, self.features)
        made: Tensor = self.decoder(self.encoder(features))
        return made


class VariationalAutoencoder(nn.Module):
    """An autoencoder whose latent numbers are normal distributions, one for each object, close to a standard one.

    In training the decoder sees draws of them, and `beta` times the divergence from the standard normal distribution
    is the penalty. For scores it sees their means, so that they are no random numbers.

    Args:
        features: Number f of features.
        hidden: Widths of the hidden layers of the encoder; the decoder has them in reverse.
        latent: How many numbers describe an object.
        beta: Weight of the divergence, beside the squared differences of all features.

    Raises:
        ValueError: If a size is below 1, or beta is negative.

    References:
        Kingma, Welling, Auto-Encoding Variational Bayes (2013), arXiv:1312.6114, eq. (10).
    """

    def __init__(self, *, features: int, hidden: Sequence[int] = (32, 16), latent: int = 3, beta: float = 0.1) -> None:
        super().__init__()
        sizes = {f"hidden[{i}]": width for i, width in enumerate(hidden)}
        require_positive("VariationalAutoencoder", features=features, latent=latent, **sizes)
        if not beta >= 0:
            raise ValueError(f"VariationalAutoencoder: beta must be a number of at least 0, got {beta!r}")
        self.features, self.beta = features, beta
        self.encoder = perceptron(features, hidden, 2 * latent, activation=nn.GELU)
        self.decoder = perceptron(latent, hidden[::-1], features, activation=nn.GELU)

    def forward(self, features: Tensor) -> Tensor:
        """Features (n, f) as they are reproduced from the means.

        Raises:
            ValueError: If f is not the number that the model was made with.
        """
        require_width("VariationalAutoencoder", features, self.features)
        mean, _ = self.encoder(features).chunk(2, dim=1)
        made: Tensor = self.decoder(mean)
        return made

    def penalised(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features (n, f) as reproduced, from draws in training, and the penalty (n,)."""
        mean, log_variance = self.encoder(features).chunk(2, dim=1)
        log_variance = log_variance.clamp(-20, 20)
        code = mean + torch.exp(log_variance / 2) * torch.randn_like(mean) if self.training else mean
        divergence = (torch.square(mean) + log_variance.exp() - 1 - log_variance).sum(1) / 2
        return self.decoder(code), self.beta * divergence


class DenseImageAutoencoder(nn.Module):
    """Perceptrons on all pixels of an image that is normalised to its sum; those of the output add up to 1 as well.

    Not in the paper: the network sees the roots of the pixels, which are a hundred times more alike than the pixels
    themselves; it learns several times faster. The default has 1,363,806 parameters. Without `softmax` it sees the
    pixels as they are, for images that are roots already (`JetImage(power=0.5)`), and its output is free.

    Args:
        pixels: Of an image along each side.
        hidden: Widths of the hidden layers of the encoder; the decoder has them in reverse.
        latent: How many numbers describe an image.
        softmax: Whether the pixels of an output add up to 1.

    Raises:
        ValueError: If a size is below 1.

    References:
        Farina, Nakai, Shih, Searching for New Physics with Deep Autoencoders (2018), arXiv:1808.08992, section 3, has
        a network of this kind beside the convolutional one.
    """

    def __init__(
        self, *, pixels: int = 40, hidden: Sequence[int] = (400, 100), latent: int = 6, softmax: bool = True
    ) -> None:
        super().__init__()
        sizes = {f"hidden[{i}]": width for i, width in enumerate(hidden)}
        require_positive("DenseImageAutoencoder", pixels=pixels, latent=latent, **sizes)
        self.pixels, self.softmax = pixels, softmax
        self.encoder = perceptron(pixels**2, hidden, latent, activation=nn.GELU)
        self.decoder = perceptron(latent, hidden[::-1], pixels**2, activation=nn.GELU)

    def forward(self, image: Tensor) -> Tensor:
        """Images (n, 1, h, w) as they are reproduced.

        Raises:
            ValueError: If they have another shape than the model was made for.
        """
        expected = (1, self.pixels, self.pixels)
        if tuple(image.shape[1:]) != expected:
            raise ValueError(f"DenseImageAutoencoder was made for images of {expected}, got {tuple(image.shape[1:])}")
        flat = image.flatten(1)
        made: Tensor = self.decoder(self.encoder(_GAIN * (flat.clamp(min=0).sqrt() if self.softmax else flat)))
        return (torch.softmax(made, dim=1) if self.softmax else made / _GAIN).view_as(image)
