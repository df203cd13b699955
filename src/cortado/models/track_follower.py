"""Recurrent network that follows a particle through a detector: where its next hit will be, and how sure that is."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from cortado.models.layers import perceptron, require_positive
from cortado.models.recurrent import LSTM

_SCALE = 0.1  # mm, above which differences of extrapolations are compressed
_LOG_WIDTH = 6.0  # widths are between exp(-6) and exp(6) mm
_LARGEST_CORRELATION = 0.99


class Extrapolation(NamedTuple):
    """From three hits to a radius, by a circle in the transverse plane and a straight line of z against the path.

    Attributes:
        phi: Azimuth there [rad], shape (n, p).
        z: Shape (n, p) [mm].
        curvature: Of the circle [1/mm], shape (n, p).
        slope: dz over transverse path, shape (n, p).
        path: Transverse, from the last of the hits [mm], shape (n, p).
    """

    phi: Tensor
    z: Tensor
    curvature: Tensor
    slope: Tensor
    path: Tensor


class TrackFollower(nn.Module):
    """An LSTM over the hits so far corrects a helix through three of them, and says how sure that is.

    After each hit, from the third on, the next one is predicted at its radius, which is known: that of the layer, or of
    a hit that is tried (on a disc, where z is known and the radius is not, z is predicted for the radius, just so). The
    helix goes through the first hit, the one in the middle, and the last. The network sees the radii, the helix, how
    far it is from one through the last three hits, and by how much the last hit was missed. It does not see azimuths:
    a turn of a particle about the beam line turns the predictions. The default size has 24,455 parameters.

    Args:
        hidden: Units of the LSTM.
        head: Widths of the layers after it.

    Raises:
        ValueError: If a size is below 1.

    References:
        Farrell et al., Novel deep learning methods for track reconstruction (2018), arXiv:1810.06111, section 3: hits
        predicted with a Gaussian likelihood, there without a helix.
    """

    def __init__(self, *, hidden: int = 64, head: tuple[int, ...] = (64,)) -> None:
        super().__init__()
        require_positive("TrackFollower", hidden=hidden, head=min(head, default=1))
        self.recurrent = LSTM(_FEATURES, hidden)
        self.head = perceptron(hidden + _FEATURES, head, 7)

    def forward(self, hits: Tensor, mask: Tensor) -> Tensor:
        """Predictions (n, p, 5) of the next hit after each of the hits (n, p, 3) [mm], mask (n, p).

        They are its azimuth [rad], z [mm], the logarithms of the standard deviations [mm] of both, that of the azimuth
        times the radius, and their correlation. 0 before the third hit, and where there is none.
        """
        place = torch.arange(hits.shape[1], device=hits.device)
        begun = mask & (place >= 2)
        radius = torch.linalg.vector_norm(hits[..., :2], dim=-1)
        following = torch.where(_next(mask.to(radius.dtype)) > 0, _next(radius), radius)
        wide = extrapolated(hits[:, :1], hits[:, place // 2], hits, following)
        short = extrapolated(hits[:, (place - 2).clamp(min=0)], hits[:, (place - 1).clamp(min=0)], hits, following)
        apart = _difference(short, wide, following)
        features = _features(hits, radius, following, wide, apart).masked_fill(~begun.unsqueeze(-1), 0.0)
        given = self.head(torch.cat([self.recurrent(features), features], dim=-1))
        moved, log_width = given[..., :2], _LOG_WIDTH * torch.tanh(given[..., 2:4] / _LOG_WIDTH)
        # A part of the way from one extrapolation to the other, and of what is left in units of its uncertainty.
        moved = given[..., 5:] * apart + moved * log_width.exp()
        phi = wide.phi + moved[..., 0] / following.clamp(min=1.0)
        correlation = _LARGEST_CORRELATION * torch.tanh(given[..., 4])
        outputs = torch.stack([phi, wide.z + moved[..., 1], *log_width.unbind(-1), correlation], dim=-1)
        return torch.where(begun.unsqueeze(-1), outputs, 0.0)


_FEATURES = 10


def extrapolated(first: Tensor, middle: Tensor, last: Tensor, radius: Tensor) -> Extrapolation:
    """Extrapolate helices through three hits to a radius; finite, but without meaning, where hits coincide.

    Args:
        first: x, y, z [mm], shape (n, p or 1, 3).
        middle: Shape (n, p, 3).
        last: Shape (n, p, 3).
        radius: Distance from the z axis to go to [mm], shape (n, p).
    """
    x, y = (first - last)[..., :2], (middle - last)[..., :2]
    # The circle through the last hit and q: curvature q.q + 2 normal.q = 0.
    along = y / _square(y).unsqueeze(-1) - x / _square(x).unsqueeze(-1)
    along = along / _square(along, 1e-18).sqrt().unsqueeze(-1)
    normal = torch.stack([-along[..., 1], along[..., 0]], dim=-1)
    normal = torch.where(_dot(along, -x).unsqueeze(-1) < 0, -normal, normal)
    tangent = torch.stack([normal[..., 1], -normal[..., 0]], dim=-1)
    curvature = -2 * _dot(normal, x) / _square(x)
    chord = _chord(last[..., :2], tangent, normal, curvature, radius)
    sine = (curvature * chord / 2).clamp(-0.99, 0.99)
    moved = tangent * (chord * (1 - sine**2).sqrt()).unsqueeze(-1) - normal * (chord * sine).unsqueeze(-1)
    there = last[..., :2] + moved
    slope = (last - first)[..., 2] / _arc(curvature, _square(x).sqrt())
    path = _arc(curvature, chord)
    phi = torch.atan2(there[..., 1], torch.where(_square(there, 0.0) > 0, there[..., 0], 1.0))
    return Extrapolation(phi, last[..., 2] + slope * path, curvature, slope, path)


def _chord(start: Tensor, tangent: Tensor, normal: Tensor, curvature: Tensor, radius: Tensor) -> Tensor:
    """Length of the chord from a start to where the circle reaches a radius, shape (n, p); by iteration."""
    outward, side = _dot(start, tangent), 1 - curvature * _dot(start, normal)
    needed = radius**2 - _square(start, 0.0)
    cosine = torch.ones_like(needed)
    for _ in range(4):
        root = ((outward * cosine) ** 2 + side * needed).clamp(min=1e-6).sqrt()
        chord = needed / (outward * cosine + root).clamp(min=1e-3)
        cosine = (1 - (curvature * chord / 2).clamp(-0.99, 0.99) ** 2).sqrt()
    return chord


def _arc(curvature: Tensor, chord: Tensor) -> Tensor:
    sine = (curvature * chord / 2).clamp(-0.99, 0.99)
    is_small = sine.abs() < 1e-3
    safe = torch.where(is_small, 0.5, sine)
    return chord * torch.where(is_small, 1 + sine**2 / 6, torch.asin(safe) / safe)


def _features(hits: Tensor, radius: Tensor, following: Tensor, helix: Extrapolation, apart: Tensor) -> Tensor:
    """What the LSTM sees after each hit, shape (n, p, 10), numbers of order one."""
    missed = _before(_missed(hits, radius, helix))
    columns = [
        radius / 500,
        hits[..., 2] / 1000,
        (following - radius) / 100,
        helix.curvature * 1000,
        torch.asinh(helix.slope),
        torch.asinh(helix.path / 100),
        *torch.asinh(apart / _SCALE).unbind(-1),
        *torch.asinh(missed / _SCALE).unbind(-1),
    ]
    return torch.stack(columns, dim=-1).clamp(-20, 20)


def _missed(hits: Tensor, radius: Tensor, helix: Extrapolation) -> Tensor:
    """How far the hit after each is from its extrapolation, across and along z [mm], shape (n, p, 2)."""
    turn = _wrapped(_next(torch.atan2(hits[..., 1], hits[..., 0] + (radius == 0))) - helix.phi)
    return torch.stack([_next(radius) * turn, _next(hits[..., 2]) - helix.z], dim=-1)


def _difference(one: Extrapolation, other: Extrapolation, radius: Tensor) -> Tensor:
    return torch.stack([radius * _wrapped(one.phi - other.phi), one.z - other.z], dim=-1)


def _next(values: Tensor) -> Tensor:
    """Of the step after each, shape (n, p, ...); 0 after the last."""
    return _moved(values, 1)


def _before(values: Tensor) -> Tensor:
    return _moved(values, -1)


def _moved(values: Tensor, by: int) -> Tensor:
    # By index: a slice of length p - 1 makes torch.export refuse p = 2.
    steps = values.shape[1]
    place = torch.arange(steps, device=values.device) + by
    outside = ((place < 0) | (place >= steps)).view(1, -1, *[1] * (values.ndim - 2))
    return values[:, place.clamp(0, steps - 1)].masked_fill(outside, 0)


def _wrapped(angle: Tensor) -> Tensor:
    return torch.remainder(angle + torch.pi, 2 * torch.pi) - torch.pi


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum(-1)


def _square(vector: Tensor, least: float = 1e-6) -> Tensor:
    return _dot(vector, vector).clamp(min=least)
