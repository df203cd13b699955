"""Edges, pixels and track parameters."""

import awkward as ak
import numpy as np
import pytest

from cortado.metrics import (
    edge_finding,
    hit_accuracy,
    match_tracks,
    matched_pulls,
    parameter_residuals,
    proportion,
    track_pulls,
    track_residuals,
    true_edges,
)


def test_edges_by_hand():
    score, target = ak.Array([[0.9, 0.4, 0.6], [], [0.8]]), ak.Array([[True, True, False], [], [True]])
    finding = edge_finding(score, target)
    assert finding.efficiency == proportion(2, 1, 2, 1)
    assert finding.purity == proportion(2, 1, 2, 1)
    assert edge_finding(ak.flatten(score), ak.flatten(target)) == finding
    assert edge_finding(score, target, threshold=0.7).purity == proportion(2, 0, 2, 0)
    assert edge_finding(score, target, segments=5).efficiency == proportion(2, 3, 2, 3)


def test_true_edges_join_hits_of_one_particle_and_no_noise():
    particle = ak.Array([[7, 0, 7, 5, 0], [], [7, 7]])
    edges = ak.zip({"inner": [[0, 1, 0, 1], [], [0]], "outer": [[2, 4, 3, 0], [], [1]]})
    assert true_edges(edges, particle).to_list() == [[True, False, False, False], [], [True]]


def test_no_edge_kept():
    finding = edge_finding([0.1, 0.2], [1, 0])
    assert finding.efficiency.value == 0
    assert str(finding.purity) == "undefined"


def test_unfit_edges_are_refused():
    with pytest.raises(ValueError, match=r"score \(2,\) and target \(1,\) must be of the same edges"):
        edge_finding([0.1, 0.2], [1])
    with pytest.raises(ValueError, match="must be of the same edges"):
        edge_finding(ak.Array([[0.1], [0.2]]), ak.Array([[0, 1], []]))
    with pytest.raises(ValueError, match="1 of 2 scores of edges are not finite, the first is nan at 1"):
        edge_finding([0.1, np.nan], [1, 0])
    with pytest.raises(ValueError, match="segments must be 2 or more, the number of true edges, got 1"):
        edge_finding([0.1, 0.3], [1, 1], segments=1)


def toy_pixels(seed=0, n=200, layers=6, pixels=5):
    rng = np.random.default_rng(seed)
    return rng.random((n, layers, pixels)), rng.integers(0, pixels, (n, layers)), rng.random((n, layers, pixels)) < 0.5


@pytest.mark.parametrize("first_layer", [0, 2])
@pytest.mark.parametrize("with_image", [True, False])
def test_hit_accuracy_layer_by_layer(first_layer, with_image):
    scores, pixel, image = toy_pixels()
    np.put_along_axis(image, pixel[:, :, None], True, axis=2)
    pixel[:, 3] = -1
    right = []
    for event, (outputs, true, lit) in enumerate(zip(scores, pixel, image)):
        for layer in range(first_layer, 6):
            if true[layer] >= 0:
                choice = [p for p in range(5) if lit[layer, p] or not with_image]
                right.append((event, max(choice, key=lambda p: outputs[layer, p]) == true[layer]))
    accuracy = hit_accuracy(scores, pixel, first_layer=first_layer, image=image if with_image else None)
    assert accuracy.value == pytest.approx(np.mean([good for _, good in right]))
    shares = [np.mean([good for e, good in right if e == event]) for event in range(len(scores))]
    assert accuracy.error == pytest.approx(np.std(shares) / np.sqrt(len(shares)))


def test_no_layer_counts():
    scores, pixel, _ = toy_pixels(n=3)
    assert str(hit_accuracy(scores, pixel * 0 - 1)) == "undefined"
    assert str(hit_accuracy(scores[:0], pixel[:0])) == "undefined"


def test_unfit_pixels_are_refused():
    scores, pixel, image = toy_pixels(n=3)
    with pytest.raises(ValueError, match=r"scores \(3, 6, 5\), pixel \(3, 5\): must be of shapes"):
        hit_accuracy(scores, pixel[:, 1:])
    with pytest.raises(ValueError, match="scores of pixels are not finite"):
        hit_accuracy(scores * np.nan, pixel)
    with pytest.raises(ValueError, match="pixels must be below 5 and the first layer below 6, got 9 and 0"):
        hit_accuracy(scores, pixel * 0 + 9)
    with pytest.raises(ValueError, match="and the first layer below 6, got 4 and 6"):
        hit_accuracy(scores, pixel * 0 + 4, first_layer=6)
    with pytest.raises(ValueError, match=r"image \(3, 6, 4\) must have the shape of the scores \(3, 6, 5\)"):
        hit_accuracy(scores, pixel, image=image[:, :, 1:])


def test_pulls_have_width_one_across_the_seam():
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(4000, 5, 5)) * 0.01
    covariance = factor @ np.swapaxes(factor, 1, 2)
    true = np.tile([0.1, 5.0, np.pi - 1e-3, 1.0, 0.3], (4000, 1))
    fitted = true + (factor @ rng.normal(size=(4000, 5, 1)))[..., 0]
    fitted[:, 2] = np.arctan2(np.sin(fitted[:, 2]), np.cos(fitted[:, 2]))
    assert np.abs(track_residuals(fitted, true)).max() < 0.2
    widths = parameter_residuals(track_pulls(fitted, covariance, true))
    for pull in widths:
        assert pull.resolution.value == pytest.approx(1, abs=4 * pull.resolution.error)
        assert pull.bias.value == pytest.approx(0, abs=4 * pull.bias.error)
    assert widths._fields == ("d0", "z0", "phi", "theta", "q_over_p")


def test_parameters_of_other_tracks_are_refused():
    with pytest.raises(ValueError, match=r"parameters \(3, 5\) and true \(2, 5\) must have one shape \(t, 5\)"):
        track_residuals(np.zeros((3, 5)), np.zeros((2, 5)))


NAMES = ("d0", "z0", "phi", "theta", "q_over_p")
LABELS = ak.Array([[0, 0, 0, 1, 1, 1, 2, -1], [0, 0, 0, 1, 1]])
OF_PARTICLE = ak.Array([[1, 1, 1, 2, 2, 2, 0, 0], [1, 1, 1, 1, 1]])
PARTICLES = ak.Array([[{"particle_id": 1}, {"particle_id": 2}], [{"particle_id": 1}]])


def fitted_tracks(true, sigma, pulls, converged):
    """Two tracks of the particles of the first event and one of noise, then two of the particle of the second."""
    parameters = true[[0, 1, 0, 2, 2]] + sigma * pulls
    fields = dict(zip(NAMES, parameters.T))
    fields |= {f"cov_{name}_{name}": np.full(5, width**2) for name, width in zip(NAMES, sigma)}
    return ak.unflatten(ak.zip(fields | {"converged": converged}), [3, 2])


@pytest.mark.parametrize(
    ("selected", "converged", "kept"),
    [
        ([[True, True], [True]], [True] * 5, [0, 1, 3]),  # neither noise nor the smaller part of a track
        ([[True, False], [True]], [True] * 5, [0, 3]),
        ([[True, True], [True]], [False, True, True, True, True], [1, 3]),
        ([[False, False], [False]], [True] * 5, []),
    ],
)
def test_pulls_are_those_of_matched_tracks_whose_fits_converged(selected, converged, kept):
    rng = np.random.default_rng(2)
    true, pulls = rng.normal(size=(3, 5)), rng.normal(size=(5, 5))
    tracks = fitted_tracks(true, np.array([0.1, 0.2, 1e-3, 2e-3, 0.01]), pulls, np.array(converged))
    found = matched_pulls(tracks, true, match_tracks(LABELS, OF_PARTICLE), PARTICLES, ak.Array(selected))
    np.testing.assert_allclose(found, pulls[kept], rtol=1e-9)


def test_tracks_of_other_labels_are_refused():
    tracks = fitted_tracks(np.zeros((3, 5)), np.ones(5), np.zeros((5, 5)), np.ones(5, bool))[:, :2]
    with pytest.raises(ValueError, match="there are 4 fitted tracks and 5 that were matched"):
        matched_pulls(tracks, np.zeros((3, 5)), match_tracks(LABELS, OF_PARTICLE), PARTICLES, PARTICLES.particle_id > 0)
