"""Recurrent network of the HEP.TrkX project: reads a detector layer by layer and says where the track is in each."""

from __future__ import annotations

from torch import Tensor, nn

from cortado.models.layers import require_positive
from cortado.models.recurrent import LSTM


class TrkXLSTM(nn.Module):
    """One LSTM over the layers, from inside out, and one linear layer for its state in each: logits of the pixels.

    The state in a layer knows the picture up to that layer, itself included. Each gate has one bias, as in the
    published code, so that there are 22,750 parameters for 50 pixels and 50 hidden units, 65,450 for 100.

    Args:
        pixels: Number of pixels of a layer.
        hidden: Hidden units: 50 for a track in noise, 100 for a track among others.

    Raises:
        ValueError: If a number is below 1.

    References:
        Farrell et al., The HEP.TrkX project (2017), EPJ Web Conf. 150, 00003, section 3.
        Farrell et al., Novel deep learning methods for track reconstruction (2018), arXiv:1810.06111, section 3.
    """

    def __init__(self, *, pixels: int = 50, hidden: int = 50) -> None:
        super().__init__()
        require_positive("TrkXLSTM", pixels=pixels, hidden=hidden)
        self.pixels = pixels
        self.recurrent = LSTM(pixels, hidden)
        self.output = nn.Linear(hidden, pixels)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (n, layers, pixels) of the place of the track in each layer, of pictures (n, layers, pixels).

        Raises:
            ValueError: If the pictures have another number of pixels.
        """
        if image.shape[-1] != self.pixels:
            raise ValueError(
                f"TrkXLSTM was made with pixels={self.pixels}, but the pictures have {image.shape[-1]} in a layer"
            )
        logits: Tensor = self.output(self.recurrent(image.to(self.output.weight.dtype)))
        return logits
