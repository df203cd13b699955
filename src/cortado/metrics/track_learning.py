"""What networks for tracks are judged by before there are tracks (edges, pixels), and fits of tracks after it."""

from __future__ import annotations

from typing import NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.metrics.regression import Residuals, residuals
from cortado.metrics.track_matching import TrackMatches
from cortado.metrics.tracking import classify_tracks, matched_particles
from cortado.statistics import Estimate, proportion, require_finite

__all__ = [
    "EdgeFinding",
    "ParameterResiduals",
    "edge_finding",
    "hit_accuracy",
    "matched_pulls",
    "parameter_residuals",
    "track_pulls",
    "track_residuals",
    "true_edges",
]

Floats = NDArray[np.float64]


class EdgeFinding(NamedTuple):
    """Of the edges of graphs at one threshold, with Wilson errors."""

    efficiency: Estimate  # true edges that are kept, of all true ones
    purity: Estimate  # true ones among those that are kept; undefined if none is


class ParameterResiduals(NamedTuple):
    """Bias and resolution of each track parameter, or those of its pull."""

    d0: Residuals
    z0: Residuals
    phi: Residuals
    theta: Residuals
    q_over_p: Residuals


def edge_finding(
    score: ArrayLike, target: ArrayLike, *, threshold: float = 0.5, segments: int | None = None
) -> EdgeFinding:
    """Efficiency (recall) and purity (precision) of edges above a threshold.

    Args:
        score: Of each edge, shape (e,) or (n, var).
        target: Whether both hits are of one particle, same shape.
        threshold: An edge is kept above it.
        segments: Number of true segments, with those that the graph does not have; efficiency is then of all of them.
            If not given, of those in the graph, as most publications have it.
    Raises:
        ValueError: If shapes differ, a score is not finite, or there are fewer segments than true edges.
    """
    (scores, counts), (truth, true_counts) = _flat(score), _flat(target)
    if counts != true_counts or scores.shape != truth.shape:
        raise ValueError(f"score {scores.shape} and target {truth.shape} must be of the same edges")
    require_finite("scores of edges", scores)
    true, kept = truth.astype(bool), scores > threshold
    total = int(true.sum()) if segments is None else segments
    if total < true.sum():
        raise ValueError(f"segments must be {true.sum()} or more, the number of true edges, got {segments}")
    both, either = int((true & kept).sum()), int(kept.sum())
    return EdgeFinding(*(proportion(both, other, both, other) for other in (total - both, either - both)))


def true_edges(edges: ak.Array, particle_id: ak.Array) -> ak.Array:
    """Whether both hits of each edge are of one particle, shape (n, var).

    Args:
        edges: `inner` and `outer`, indices of hits in their event, shape (n, var).
        particle_id: Of each hit, 0 for noise, shape (n, var).
    """
    inner = particle_id[edges["inner"]]
    return (inner == particle_id[edges["outer"]]) & (inner != 0)


def hit_accuracy(
    scores: ArrayLike, pixel: ArrayLike, *, first_layer: int = 0, image: ArrayLike | None = None
) -> Estimate:
    """Share of layers in which the highest output pixel is the one that the track has hit.

    The error is that of the mean over tracks, as layers of one track are not independent.

    Args:
        scores: Outputs, larger where the track is, shape (n, layers, pixels).
        pixel: Index of the true pixel, negative where a layer does not count, shape (n, layers).
        first_layer: Layers before it do not count: the seed, which the network is shown without background.
        image: Hits of all, 0 where there is none, shape (n, layers, pixels): only pixels that are hit can be chosen,
            the "hit classification accuracy" of the paper. If not given, any can ("pixel accuracy").
    Raises:
        ValueError: If shapes do not fit together, a score is not finite, or a pixel or the first layer is not there.
    References:
        Farrell et al., Particle Track Reconstruction with Deep Learning, Connecting the Dots (2017).
    """
    outputs, true = np.asarray(scores, dtype=np.float64), np.asarray(pixel)
    if outputs.ndim != 3 or outputs.shape[:2] != true.shape:
        raise ValueError(
            f"scores {outputs.shape}, pixel {true.shape}: must be of shapes (n, layers, pixels), (n, layers)"
        )
    require_finite("scores of pixels", outputs.ravel())
    if true.max(initial=-1) >= outputs.shape[2] or not 0 <= first_layer <= max(true.shape[1] - 1, 0):
        raise ValueError(
            f"pixels must be below {outputs.shape[2]} and the first layer below {true.shape[1]}, "
            f"got {true.max(initial=-1)} and {first_layer}"
        )
    if image is not None:
        lit = np.asarray(image)
        if lit.shape != outputs.shape:
            raise ValueError(f"image {lit.shape} must have the shape of the scores {outputs.shape}")
        outputs = np.where(lit > 0, outputs, -np.inf)
    right, counted = outputs.argmax(axis=2) == true, true >= 0
    right, counted = right[:, first_layer:], counted[:, first_layer:]
    return _mean_share((right & counted).sum(axis=1), counted.sum(axis=1))


def track_residuals(parameters: Floats, true: Floats) -> Floats:
    """Fitted less true parameters d0, z0, phi, theta, q/p, phi by the shorter way, shape (t, 5).

    Args:
        parameters: Fitted, shape (t, 5).
        true: Of the matched particles, shape (t, 5).
    Raises:
        ValueError: If the shapes are not (t, 5).
    """
    if parameters.shape != true.shape or parameters.shape[1:] != (5,):
        raise ValueError(f"parameters {parameters.shape} and true {true.shape} must have one shape (t, 5)")
    difference = parameters - true
    difference[:, 2] -= 2 * np.pi * np.round(difference[:, 2] / (2 * np.pi))
    return difference


def track_pulls(parameters: Floats, covariance: Floats, true: Floats) -> Floats:
    """Residuals over their standard deviations, of width 1 if the covariance is right, shape (t, 5).

    Args:
        parameters: Fitted, shape (t, 5).
        covariance: Of them, shape (t, 5, 5).
        true: Of the matched particles, shape (t, 5).
    Raises:
        ValueError: If the shapes are not (t, 5).
    """
    return np.asarray(track_residuals(parameters, true) / np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)))


def matched_pulls(
    tracks: ak.Array, true: Floats, matches: TrackMatches, particles: ak.Array, selected: ArrayLike
) -> Floats:
    """Pulls of the tracks that match a selected particle, its best, as far as their fits converged, shape (m, 5).

    Args:
        tracks: Fitted, in the order of the matches (`reconstruction.fit_tracks` of the same labels), shape (n, var).
        true: Parameters of all particles (`reconstruction.true_tracks`), shape (p, 5).
        matches: From `match_tracks`, of the same events.
        particles: With `particle_id`, shape (n, var).
        selected: Whether a particle counts (`reconstructable`), shape (n, var).
    Raises:
        ValueError: As `classify_tracks`; or if there are not as many tracks as matches.
    """
    flat = ak.flatten(tracks)
    if len(flat) != len(matches.label):
        raise ValueError(f"there are {len(flat)} fitted tracks and {len(matches.label)} that were matched")
    chosen = classify_tracks(matches, particles, selected).matched & ak.to_numpy(flat.converged)
    names = ParameterResiduals._fields
    fitted, variances = (
        np.stack([ak.to_numpy(flat[name])[chosen] for name in columns], axis=1)
        for columns in (names, [f"cov_{name}_{name}" for name in names])
    )
    differences = track_residuals(fitted, true[matched_particles(matches, particles)[chosen]])
    return np.asarray(differences / np.sqrt(variances))


def parameter_residuals(differences: Floats) -> ParameterResiduals:
    """Bias and resolution of each parameter by quantiles, from residuals or from pulls.

    Args:
        differences: From `track_residuals` or `track_pulls`, shape (t, 5).
    Raises:
        ValueError: If there are none, or one is not finite, as of tracks that could not be fitted.
    """
    return ParameterResiduals(*(residuals(column) for column in differences.T))


def _flat(values: ArrayLike) -> tuple[Floats, list[int]]:
    """Flat values, and how many there are in each event, if these are apart."""
    array = ak.Array(values)
    if array.ndim == 1:
        return ak.to_numpy(array), []
    return ak.to_numpy(ak.flatten(array)), ak.num(array).tolist()


def _mean_share(right: NDArray[np.int64], counted: NDArray[np.int64]) -> Estimate:
    """Ratio of sums, with the error of a ratio of means."""
    total = int(counted.sum())
    if not total:
        return Estimate(np.nan, np.nan)
    share = right.sum() / total
    spread = np.sqrt(np.sum((right - share * counted) ** 2.0)) / total
    return Estimate(float(share), float(spread))
