"""Vertex fits: pulls and chi2 of toys, a slow twin with all parameters free, and the laws of least squares."""

import numpy as np
import pytest
from reconstruction.helix_toys import toy_directions, toy_tracks
from scipy.optimize import minimize
from scipy.stats import kstest

from cortado.kinematics import wrap_phi
from cortado.perigee import cartesian, perigee
from cortado.reconstruction import Prior, fit_vertices


def toy_vertices(groups=2000, seed=2, size=5.0, tracks=(2, 7)):
    """Smeared tracks of vertices: parameters, covariance, group, and the true position and direction."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(*tracks, groups)
    group = np.repeat(np.arange(groups), counts)
    position = rng.normal(0, size, (groups, 3))
    direction = toy_directions(rng, len(group))
    return *toy_tracks(rng, position[group], direction), group, position, direction


def errors(covariance):
    return np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))


@pytest.mark.parametrize("size", [0.1, 40.0])
def test_pulls_are_unit_gaussian_and_chi2_is_distributed_as_chi2(size):
    parameters, covariance, group, truth, _ = toy_vertices(size=size)
    fitted = fit_vertices(parameters, covariance, group, groups=len(truth))
    assert fitted.converged.all()
    pulls = (fitted.position - truth) / errors(fitted.covariance)
    assert pulls.mean(axis=0) == pytest.approx(0, abs=0.08)
    assert pulls.std(axis=0) == pytest.approx(1, abs=0.06)
    whole = np.einsum(
        "gi,gij,gj->g", fitted.position - truth, np.linalg.inv(fitted.covariance), fitted.position - truth
    )
    assert kstest(whole, "chi2", args=(3,)).pvalue > 0.01
    for ndf in np.unique(fitted.ndf):
        assert kstest(fitted.chi2[fitted.ndf == ndf], "chi2", args=(ndf,)).pvalue > 0.001


def test_the_fit_improves_the_momenta():
    parameters, covariance, group, truth, direction = toy_vertices(tracks=(5, 6), size=20.0)
    found = fit_vertices(parameters, covariance, group, groups=len(truth)).momentum
    true = cartesian(*direction.T)
    angle = np.linalg.norm(np.cross(found, true), axis=-1) / np.sum(true**2, axis=-1)
    measured = cartesian(*(parameters[:, 2:] + direction - perigee(truth[group], direction, 2.0)[:, 2:]).T)
    before = np.linalg.norm(np.cross(measured, true), axis=-1) / np.sum(true**2, axis=-1)
    assert np.median(angle) < np.median(before)


def full_chi2(unknowns, parameters, precision):
    """Of one vertex: position, then phi, theta, q/p of each track."""
    position, direction = unknowns[:3], unknowns[3:].reshape(-1, 3)
    residual = parameters - perigee(np.broadcast_to(position, direction.shape), direction, 2.0)
    residual[:, 2] = wrap_phi(residual[:, 2])
    return np.einsum("mi,mij,mj->", residual, precision, residual)


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_a_minimisation_over_position_and_momenta(seed):
    parameters, covariance, group, _, direction = toy_vertices(groups=1, seed=seed, tracks=(3, 6))
    fitted = fit_vertices(parameters, covariance, group, groups=1)
    precision = np.linalg.inv(covariance)
    scale = np.concatenate([np.full(3, 0.05), np.tile([1e-3, 1e-3, 1e-3], len(group))])
    origin = np.concatenate([fitted.position[0] + 0.1, direction.ravel()])
    twin = minimize(
        lambda step: full_chi2(origin + scale * step, parameters, precision),
        np.zeros(len(scale)),
        method="BFGS",
        options={"gtol": 1e-7, "maxiter": 2000},
    )
    assert fitted.chi2[0] == pytest.approx(twin.fun, abs=1e-4)
    found = origin + scale * twin.x
    assert fitted.position[0] == pytest.approx(found[:3], abs=0.01 * errors(fitted.covariance).min())
    assert fitted.momentum == pytest.approx(cartesian(*found[3:].reshape(-1, 3).T), rel=1e-3)


def test_vertices_do_not_know_of_each_other_and_tracks_come_in_any_order():
    parameters, covariance, group, _, _ = toy_vertices(groups=30)
    before = parameters.copy()
    all_at_once = fit_vertices(parameters, covariance, group, groups=30)
    order = np.random.default_rng(0).permutation(len(group))
    shuffled = fit_vertices(parameters[order], covariance[order], group[order], groups=30)
    assert shuffled.position == pytest.approx(all_at_once.position)
    assert shuffled.track_chi2 == pytest.approx(all_at_once.track_chi2[order])
    alone = group == 7
    one = fit_vertices(parameters[alone], covariance[alone], np.zeros(alone.sum(), dtype=int), groups=1)
    assert one.position[0] == pytest.approx(all_at_once.position[7], abs=1e-5)
    assert one.chi2[0] == pytest.approx(all_at_once.chi2[7], abs=1e-5)
    assert np.array_equal(parameters, before)


def test_turning_the_tracks_turns_the_vertices():
    parameters, covariance, group, _, _ = toy_vertices(groups=50)
    fitted = fit_vertices(parameters, covariance, group, groups=50)
    turned = fit_vertices(parameters + np.array([0, 0, 2.5, 0, 0]), covariance, group, groups=50)
    x, y, _ = fitted.position.T
    assert turned.position[:, 0] == pytest.approx(x * np.cos(2.5) - y * np.sin(2.5), abs=1e-6)
    assert turned.position[:, 1] == pytest.approx(x * np.sin(2.5) + y * np.cos(2.5), abs=1e-6)
    assert turned.chi2 == pytest.approx(fitted.chi2, abs=1e-5)


def test_weights_scale_the_chi2_of_their_tracks():
    parameters, covariance, group, _, _ = toy_vertices(groups=50, tracks=(4, 5))
    kept = np.arange(len(group)) % 4 != 3
    weighted = fit_vertices(parameters, covariance, group, groups=50, weights=kept.astype(float))
    without = fit_vertices(parameters[kept], covariance[kept], group[kept], groups=50)
    assert weighted.position == pytest.approx(without.position, abs=1e-5)
    assert weighted.ndf.tolist() == without.ndf.tolist() == [3.0] * 50
    halved = fit_vertices(parameters, covariance, group, groups=50, weights=np.full(len(group), 0.5))
    assert halved.covariance == pytest.approx(
        2 * fit_vertices(parameters, covariance, group, groups=50).covariance, rel=1e-4
    )


def test_a_prior_is_one_more_measurement():
    parameters, covariance, group, _, _ = toy_vertices(groups=50)
    free = fit_vertices(parameters, covariance, group, groups=50)
    spread = np.diag([0.01, 0.01, 4.0])
    bound = fit_vertices(parameters, covariance, group, groups=50, prior=Prior(free.position, spread))
    assert bound.position == pytest.approx(free.position, abs=1e-5)
    assert bound.chi2 == pytest.approx(free.chi2, abs=1e-5)
    assert (bound.ndf - free.ndf).tolist() == [3.0] * 50
    assert np.linalg.inv(bound.covariance) == pytest.approx(
        np.linalg.inv(free.covariance) + np.linalg.inv(spread), rel=1e-3, abs=1e-2
    )
    moved = fit_vertices(parameters, covariance, group, groups=50, prior=Prior((0.5, 0.0, -0.3), spread))
    assert (moved.chi2 > free.chi2).all()
    tight = fit_vertices(parameters, covariance, group, groups=50, prior=Prior((0.5, 0.0, -0.3), np.eye(3) * 1e-12))
    assert tight.position == pytest.approx(np.tile([0.5, 0.0, -0.3], (50, 1)), abs=1e-5)


def test_open_directions_have_large_errors_and_nothing_is_nan():
    parameters, covariance, _, _, _ = toy_vertices(groups=1, tracks=(3, 4))
    parameters[2], covariance[2] = parameters[1], covariance[1]
    fitted = fit_vertices(
        parameters, covariance, np.array([0, 2, 2]), groups=4
    )  # one track; none; twice the same; none
    assert all(np.isfinite(column).all() for column in fitted)
    assert np.linalg.eigvalsh(fitted.covariance)[:, -1] == pytest.approx(1e6, rel=1e-3)
    assert fitted.position[[1, 3]].tolist() == [[0, 0, 0]] * 2
    assert fitted.chi2 == pytest.approx(0, abs=1e-3)
    assert fitted.ndf.tolist() == [-1, -3, 1, -3]


def test_tracks_that_do_not_meet_stay_finite_and_the_fit_says_so():
    rng = np.random.default_rng(5)
    direction = toy_directions(rng, 600) * np.where(rng.random((600, 1)) < 0.3, [1, 1, 1e-6], [1, 1, 3])
    parameters, covariance = toy_tracks(rng, rng.normal(0, 50, (600, 3)), direction)
    fitted = fit_vertices(parameters, covariance, np.repeat(np.arange(300), 2), groups=300)
    assert all(np.isfinite(column).all() for column in fitted)
    assert not fitted.converged.all()
    assert np.median(fitted.chi2) > 100


def test_no_tracks_at_all():
    fitted = fit_vertices(np.zeros((0, 5)), np.zeros((0, 5, 5)), np.zeros(0, dtype=int), groups=0)
    assert fitted.position.shape == fitted.momentum.shape == (0, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameters": np.zeros((3, 4))}, r"parameters have shape \(3, 4\), needed is \(3, 5\) for the 3 tracks"),
        ({"covariance": np.zeros((3, 5))}, r"covariance have shape \(3, 5\), needed is \(3, 5, 5\)"),
        ({"weights": np.ones(2)}, r"weights have shape \(2,\), needed is \(3,\)"),
        ({"group": np.array([0, 1, 2])}, r"group must be in \[0, 2\), but goes from 0 to 2"),
        ({"prior": Prior((0, 0), np.eye(3))}, r"position of the prior has shape \(2,\), must be \(3,\) or \(2, 3\)"),
        ({"prior": Prior((0, 0, np.nan), np.eye(3))}, r"position of the prior is .*nan.*, must be finite"),
        ({"prior": Prior((0, 0, 0), -np.eye(3))}, r"prior 0 has the smallest eigenvalue -1, must be positive definite"),
    ],
)
def test_unfit_arguments_are_refused(change, message):
    arguments = {
        "parameters": np.ones((3, 5)), "covariance": np.tile(np.eye(5), (3, 1, 1)), "group": np.array([0, 1, 1])
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        fit_vertices(**(arguments | change), groups=2)
