"""Events as pictures of a detector: a row for each layer, from inside out, and a column for each pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.representations.constituents import flat

__all__ = ["LayerImage", "LayerImageInputs"]


class LayerImageInputs(NamedTuple):
    """Pictures of n events.

    Attributes:
        image: Whether the pixel of the layer is hit, shape (n, layers, pixels).
    """

    image: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class LayerImage:
    """Which pixels of which layer are hit; twice is as good as once.

    The defaults are those of the toy of HEP.TrkX, in which the first five layers, the seed, hold the track to be
    followed and nothing else.

    Attributes:
        layers: Number of layers; theirs go from 0 to `layers` - 1.
        pixels: Number of pixels of each layer.
        pixel: Field of the hits that is the number of the pixel, from 0 to `pixels` - 1.

    Raises:
        ValueError: If a number is below 1.

    References:
        Farrell et al., The HEP.TrkX project (2017), EPJ Web Conf. 150, 00003, section 3.
    """

    layers: int = 50
    pixels: int = 50
    pixel: str = "module"

    def __post_init__(self) -> None:
        if min(self.layers, self.pixels) < 1:
            raise ValueError(f"LayerImage: layers and pixels must be at least 1, got {self.layers} and {self.pixels}")

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of an event that this needs."""
        return ("hits.layer", f"hits.{self.pixel}")

    def __call__(self, events: ak.Array) -> LayerImageInputs:
        """Make the pictures of events.

        Args:
            events: With `fields`, shape (n,).

        Returns:
            The pictures; all pixels are off where there are no hits.

        Raises:
            KeyError: If a field is missing.
            ValueError: If the events are nested, or a hit lies outside the picture.
        """
        hits = flat(events, self.fields, caller="LayerImage", collection="hits", by_pt=False, of="event")
        place = {}
        for name, size in (("layer", self.layers), (self.pixel, self.pixels)):
            place[name] = np.floor(hits.own(name)).astype(np.int64)
            outside = np.flatnonzero((place[name] < 0) | (place[name] >= size))
            if len(outside):
                raise ValueError(
                    f"LayerImage: {len(outside)} hits lie outside, the first in event {hits.owner[outside[0]]} with "
                    f"{name} {place[name][outside[0]]}, must be from 0 to {size - 1}: drop them"
                )
        image = np.zeros((len(hits.counts), self.layers, self.pixels), dtype=np.bool_)
        image[hits.owner, place["layer"], place[self.pixel]] = True
        return LayerImageInputs(image)
