"""Jets as pictures: the constituents' pT in the pixels of a grid in eta and phi."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.names import require_one_of
from cortado.refused import RefusedObjects
from cortado.representations.constituents import (
    CENTRES,
    Constituents,
    centred,
    flat,
    from_mean,
    jet_mean,
    jet_sum,
    selected,
)
from cortado.representations.features import require_centre, require_known
from cortado.representations.subjets import hardest_two, kt_subjets, subjet_pt

__all__ = ["CHANNELS", "TOP_40", "TOP_64", "W_PAPER", "JetImage", "JetImageInputs"]

Floats = NDArray[np.float64]

CHANNELS = ("pt", "charged_pt", "neutral_pt", "multiplicity")
_CENTRES = (*CENTRES, "leading_subjet")
_ROTATIONS = (None, "principal_axis", "second_subjet")
_NORMS = (None, "sum", "l2", "jet_pt")


class JetImageInputs(NamedTuple):
    """Pictures of n jets.

    Attributes:
        image: Shape (n, c, eta, phi), eta and phi from lowest to highest.
    """

    image: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class JetImage:
    """Constituents trimmed, centred, rotated, flipped, summed in pixels and normalised, in this order.

    These steps act on the constituents, not on pixels. Deviation from arXiv:1511.05190, which rotates the
    pixelised image with cubic splines: here nothing is interpolated and no pT is lost. Constituents outside
    the frame do not enter the image; `contained_fraction` says how much of the jet is inside.

    Attributes:
        pixels: Number of pixels on each side.
        half_width: Half the width of the frame, the same in eta and phi [rad] or one for each.
        channels: Of "pt", "charged_pt", "neutral_pt" [GeV], and "multiplicity", the number of constituents.
        subjet_radius: Radius of the kT subjets, of which trimming and the choices "..._subjet" speak.
        trim_fraction: Remove subjets with less than this share of the pT of all constituents; None trims
            nothing.
        centre: What is moved to the origin: the jet's "axis", the pT-weighted "centroid" of the
            constituents that are left, or that of the "leading_subjet".
        rotate: What is turned to -pi/2, towards negative phi: the "second_subjet", or the "principal_axis" of
            the pT, the side with more of it; None does not rotate. Of a jet with one subjet it is always the
            axis.
        flip: Axes, "eta" and "phi", to mirror such that the positive side has more pT.
        normalise: Divide the channels in GeV by the "sum" over the pixels of all pT, by the root of its sum
            of squares ("l2"), or by the pT of the jet ("jet_pt"); None leaves GeV. The multiplicity is
            never divided.
        power: Exponent of all pixels, after they were normalised. Below 1, as 0.5, it lifts dim pixels, which an
            autoencoder then has to reproduce as well (arXiv:2104.09051, section 4.1).

    Raises:
        ValueError: If a choice is unknown, or a number is not positive.

    References:
        de Oliveira et al., Jet-Images: Deep Learning Edition (2015), arXiv:1511.05190, sec. 3.
    """

    pixels: int = 25
    half_width: float | tuple[float, float] = 1.25
    channels: tuple[str, ...] = ("pt",)
    subjet_radius: float = 0.3
    trim_fraction: float | None = None
    centre: str = "centroid"
    rotate: str | None = "principal_axis"
    flip: tuple[str, ...] = ("eta", "phi")
    normalise: str | None = "sum"
    power: float = 1.0

    def __post_init__(self) -> None:
        require_known(self.channels, CHANNELS, "JetImage")
        require_centre(self.centre, "JetImage", _CENTRES)
        require_one_of("JetImage: rotate", self.rotate, _ROTATIONS)
        require_one_of("JetImage: normalise", self.normalise, _NORMS)
        if not set(self.flip) <= {"eta", "phi"}:
            raise ValueError(f"JetImage: flip must hold none, one or both of 'eta' and 'phi', got {self.flip!r}")
        if not min(self.pixels, self.subjet_radius, *_half_widths(self.half_width), self.power) > 0:
            raise ValueError(
                "JetImage: pixels, subjet_radius, half_width and power must be positive, "
                f"got {self.pixels}, {self.subjet_radius}, {self.half_width}, {self.power}"
            )
        if self.trim_fraction is not None and not 0 < self.trim_fraction < 1:
            raise ValueError(f"JetImage: trim_fraction must lie between 0 and 1, got {self.trim_fraction}")

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of a jet that this needs."""
        fields = [*CENTRES.get(self.centre, ()), "constituents.pt", "constituents.eta", "constituents.phi"]
        if self.normalise == "jet_pt":
            fields.insert(0, "pt")
        if self._uses_subjets:
            fields.append("constituents.mass")
        if {"charged_pt", "neutral_pt"} & set(self.channels):
            fields.append("constituents.charge")
        return tuple(fields)

    def __call__(self, jets: ak.Array) -> JetImageInputs:
        """Make the images of jets.

        Args:
            jets: Jets with `fields`, shape (n,).

        Returns:
            The image; all its pixels are 0 for a jet without constituents.

        Raises:
            KeyError: If a field is missing.
            ValueError: If a number is not finite, the pT that divides is not positive, or the jets are
                nested.
        """
        constituents, x, y = self._placed(jets)
        n = len(constituents.counts)
        pixel, inside = _pixel_of(x, y, self.pixels, self.half_width)
        cell = (constituents.owner * self.pixels**2 + pixel)[inside]
        image = np.empty((n, len(self.channels), self.pixels, self.pixels), dtype=np.float32)
        for index, channel in enumerate(self.channels):
            image[:, index] = _summed(_intensity(constituents, channel)[inside], cell, image[:, index].shape)
        if self.normalise is not None:
            total = _summed(constituents.own("pt")[inside], cell, (n, self.pixels**2))
            image[:, [name != "multiplicity" for name in self.channels]] /= self._norm(constituents, total)
        return JetImageInputs(image if self.power == 1 else image**self.power)

    def contained_fraction(self, jets: ak.Array) -> Floats:
        """Share of the pT that trimming leaves which lies in the frame, shape (n,); 1 where there is none.

        Args:
            jets: Jets with `fields`, shape (n,).
        """
        constituents, x, y = self._placed(jets)
        _, inside = _pixel_of(x, y, self.pixels, self.half_width)
        has_pt = jet_sum(constituents.own("pt"), constituents) > 0
        return np.where(has_pt, jet_mean(inside.astype(np.float64), constituents.own("pt"), constituents), 1.0)

    @property
    def _uses_subjets(self) -> bool:
        return self.trim_fraction is not None or self.centre == "leading_subjet" or self.rotate == "second_subjet"

    def _placed(self, jets: ak.Array) -> tuple[Constituents, Floats, Floats]:
        """The constituents that trimming leaves, and their positions in the frame, shape (m,) each."""
        constituents = flat(jets, self.fields, caller="JetImage")
        first = second = np.zeros(len(constituents.owner), dtype=np.bool_)
        if self._uses_subjets:
            subjet = kt_subjets(constituents, self.subjet_radius)
            if self.trim_fraction is not None:
                total = jet_sum(constituents.own("pt"), constituents)[constituents.owner]
                keep = subjet_pt(constituents, subjet) >= self.trim_fraction * total
                constituents, subjet = selected(constituents, keep), subjet[keep]
            first, second = hardest_two(constituents, subjet)
        if self.centre == "leading_subjet":
            x, y = from_mean(constituents, np.where(first, constituents.own("pt"), 0.0))
        else:
            x, y = centred(constituents, self.centre)
        if self.rotate is not None:
            x, y = _rotated(constituents, x, y, second if self.rotate == "second_subjet" else None)
        x = _flipped(constituents, x) if "eta" in self.flip else x
        y = _flipped(constituents, y) if "phi" in self.flip else y
        return constituents, x, y

    def _norm(self, constituents: Constituents, total: NDArray[np.float32]) -> NDArray[np.float32]:
        """What to divide the images by, shape (n, 1, 1, 1); `total` has shape (n, pixels), in GeV."""
        if self.normalise == "jet_pt":
            norm = constituents.columns["pt"].astype(np.float32)
            if not (norm > 0).all():
                bad = np.flatnonzero(~(norm > 0))
                raise RefusedObjects(
                    f"JetImage: pt of jet {bad[0]} is {norm[bad[0]]}, must be positive to divide by it",
                    bad,
                    "a pt that is not positive",
                )
        else:
            norm = total.sum(axis=1) if self.normalise == "sum" else np.sqrt(np.square(total).sum(axis=1))
        return np.where(norm > 0, norm, 1)[:, np.newaxis, np.newaxis, np.newaxis]


def _half_widths(half_width: float | tuple[float, float]) -> tuple[float, float]:
    return half_width if isinstance(half_width, tuple) else (half_width, half_width)


def _intensity(constituents: Constituents, channel: str) -> Floats:
    pt = constituents.own("pt")
    if channel == "pt":
        return pt
    if channel == "multiplicity":
        return np.ones_like(pt)
    return np.where((constituents.own("charge") != 0) == (channel == "charged_pt"), pt, 0.0)


def _rotated(
    constituents: Constituents, x: Floats, y: Floats, second: NDArray[np.bool_] | None
) -> tuple[Floats, Floats]:
    """Positions after the turn that brings the second subjet, or else the principal axis, to -pi/2."""
    pt = constituents.own("pt")
    angle = _principal_angle(constituents, x, y)
    if second is not None:
        weight = np.where(second, pt, 0.0)
        direction = np.arctan2(jet_mean(y, weight, constituents), jet_mean(x, weight, constituents))
        angle = np.where(jet_sum(weight, constituents) > 0, direction, angle)
    turn = (-np.pi / 2 - angle)[constituents.owner]
    return x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)


def _principal_angle(constituents: Constituents, x: Floats, y: Floats) -> Floats:
    """Direction of the greatest pT-weighted second moment, towards the side with more pT, shape (n,)."""
    pt = constituents.own("pt")
    xx, xy, yy = (jet_sum(pt * square, constituents) for square in (x * x, x * y, y * y))
    angle = np.arctan2(2 * xy, xx - yy) / 2
    along = x * np.cos(angle)[constituents.owner] + y * np.sin(angle)[constituents.owner]
    return np.where(jet_sum(pt * np.sign(along), constituents) < 0, angle + np.pi, angle)


def _flipped(constituents: Constituents, x: Floats) -> Floats:
    """Positions along one axis, mirrored where the negative side has more pT."""
    asymmetry = jet_sum(constituents.own("pt") * np.sign(x), constituents)
    return np.where(asymmetry < 0, -1.0, 1.0)[constituents.owner] * x


def _pixel_of(
    x: Floats, y: Floats, pixels: int, half_width: float | tuple[float, float]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Number of each constituent's pixel, and whether it lies in the frame, shape (m,) each."""
    wide, high = _half_widths(half_width)
    column = np.floor((x / wide + 1) * pixels / 2).astype(np.int64)
    row = np.floor((y / high + 1) * pixels / 2).astype(np.int64)
    return column * pixels + row, (column >= 0) & (column < pixels) & (row >= 0) & (row < pixels)


def _summed(values: Floats, cell: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.float32]:
    image = np.zeros(shape, dtype=np.float32)
    np.add.at(image.reshape(-1), cell, values.astype(np.float32))
    return image


W_PAPER = JetImage(
    trim_fraction=0.05, centre="leading_subjet", rotate="second_subjet", flip=("eta",), normalise="jet_pt"
)
"""25 x 25 pixels of 0.1 of arXiv:1511.05190, trimmed; for anti-kT jets of R = 1.0 and pT of 250-300 GeV.

The paper's intensities are in GeV; here they are divided by the jet's pT, which spoils no mass as an L2
norm would."""

TOP_40 = JetImage(pixels=40, half_width=(0.58, 0.70), centre="centroid", rotate="principal_axis", normalise="sum")
"""40 x 40 pixels of 0.029 x 0.035 of arXiv:1808.08979, up to its choice of the signs of both axes.

The published script keeps one of the constituents that share a pixel; here they are summed."""

TOP_64 = JetImage(pixels=64, half_width=0.8, centre="axis", rotate=None, flip=(), normalise="jet_pt")
"""64 x 64 pixels of the ResNeXt-50 of arXiv:1902.08570, without rotation."""
