"""Helix fits: pulls, a slow twin that fits one track after another, and laws."""

import awkward as ak
import numpy as np
import pytest
from reconstruction.track_toys import ERRORS, FIELD, errors_of, scattered_hits, toy_events, toy_hits
from scipy.optimize import curve_fit

from cortado.metrics import parameter_residuals, track_pulls, track_residuals
from cortado.perigee import COVARIANCE, PARAMETERS, point
from cortado.reconstruction import HitErrors, find_vertices, fit_helices, fit_tracks, true_tracks
from cortado.reconstruction.helix_distance import distance
from cortado.reconstruction.track_fit import circle_start


def toy(n=2000, seed=0, **options):
    true, points, track, layer = toy_hits(np.random.default_rng(seed), n, efficiency=0.9, max_abs_eta=2.0, **options)
    return true, points, track, layer, fit_helices(points, track, n, errors_of(layer), magnetic_field=FIELD)


def slow_distance(parameters, points):
    """Across and along z, from the nearest of many points of a helix, refined by Newton's steps."""
    values = []
    for place in points:
        path = np.linspace(0, 1.5 * np.hypot(*place[:2]) + 10, 3000)
        helix = point(np.broadcast_to(parameters, (3000, 5)), path, FIELD)
        at = path[np.hypot(*(helix - place)[:, :2].T).argmin()]
        for _ in range(4):
            low, middle, high = (point(parameters, np.array(at + h), FIELD) for h in (-1e-2, 0, 1e-2))
            along = (high - low)[:2] / np.linalg.norm((high - low)[:2])
            at = at + along @ (place - middle)[:2]
        left = np.array([-along[1], along[0]])
        values.append([left @ (place - middle)[:2], place[2] - middle[2]])
    return np.array(values)


def test_distances_are_those_of_the_nearest_point():
    true, points, track, *_ = toy(n=8)
    parameters = true[track] + np.array([0.5, 1.0, 0.01, 0.01, 0.02])
    at = distance(parameters, points, FIELD)
    expected = [slow_distance(p, q[None])[0] for p, q in zip(parameters, points)]
    np.testing.assert_allclose(np.stack([at.across, at.along_z], axis=1), expected, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("straight", [False, True])
def test_slopes_are_derivatives(straight):
    true, points, track, *_ = toy(n=40)
    parameters = true[track]
    parameters[:, 4] *= 1e-9 if straight else 1
    slopes = distance(parameters, points, FIELD).slopes
    for i, step in enumerate([1e-3, 1e-3, 1e-6, 1e-6, 1e-6]):
        up, down = (distance(parameters + sign * step * np.eye(5)[i], points, FIELD) for sign in (1, -1))
        numeric = np.stack([up.across - down.across, up.along_z - down.along_z], axis=1) / (2 * step)
        np.testing.assert_allclose(slopes[:, :, i], numeric, rtol=1e-5, atol=1e-5 * np.abs(numeric).max() + 1e-6)


def test_pulls_have_width_one():
    true, _, track, _, fitted = toy(n=6000)
    assert fitted.converged.all()
    for pull in parameter_residuals(track_pulls(fitted.parameters, fitted.covariance, true)):
        assert pull.resolution.value == pytest.approx(1, abs=4 * pull.resolution.error)
        assert pull.bias.value == pytest.approx(0, abs=4 * pull.bias.error)
    assert fitted.degrees_of_freedom.tolist() == (2 * np.bincount(track) - 5).tolist()
    ratio = fitted.chi2.sum() / fitted.degrees_of_freedom.sum()
    assert ratio == pytest.approx(1, abs=4 * np.sqrt(2 / fitted.degrees_of_freedom.sum()))


def test_pulls_with_multiple_scattering():
    true, points, track, layer = scattered_hits(np.random.default_rng(3), 5000, 0.03, max_abs_eta=1.0)
    fits = [
        fit_helices(points, track, 5000, errors_of(layer), magnetic_field=FIELD, radiation_lengths=x) for x in (0.03, 0)
    ]
    good = fits[0].converged & (np.bincount(track) > 7)
    allowed, ignored = (
        (parameter_residuals(track_pulls(fit.parameters[good], fit.covariance[good], true[good])),
         parameter_residuals(track_residuals(fit.parameters[good], true[good])))
        for fit in fits
    )  # fmt: skip
    for pull, too_wide, better, worse in zip(*allowed[:1], *ignored[:1], *allowed[1:], *ignored[1:]):
        assert pull.resolution.value == pytest.approx(1, abs=0.05)
        assert too_wide.resolution.value > 2
        assert better.resolution.value < worse.resolution.value
    ratio = fits[0].chi2[good].sum() / fits[0].degrees_of_freedom[good].sum()
    assert ratio == pytest.approx(1, abs=0.05)


def test_thin_matter_is_none():
    _, points, track, layer, fitted = toy(n=100)
    thin = fit_helices(points, track, 100, errors_of(layer), magnetic_field=FIELD, radiation_lengths=1e-9)
    sigma = np.sqrt(np.diagonal(fitted.covariance, axis1=1, axis2=2))
    assert np.abs(track_residuals(thin.parameters, fitted.parameters) / sigma).max() < 0.01
    scale = sigma[:, :, np.newaxis] * sigma[:, np.newaxis, :]
    np.testing.assert_allclose(thin.covariance / scale, fitted.covariance / scale, atol=0.01)


def test_correlations_are_right_as_well():
    true, _, _, _, fitted = toy(n=6000)
    difference = track_residuals(fitted.parameters, true)
    chi2 = np.einsum("ti,tij,tj->t", difference, np.linalg.inv(fitted.covariance), difference)
    assert chi2.mean() == pytest.approx(5, abs=4 * np.sqrt(10 / len(chi2)))


def test_agrees_with_a_fit_track_by_track():
    """In the barrel, where the errors of both distances are independent for stiff tracks."""
    n = 12
    true, points, track, _ = toy_hits(np.random.default_rng(5), n, max_abs_eta=0.6, min_pt=20.0)
    fitted = fit_helices(points, track, n, HitErrors(*ERRORS), magnetic_field=FIELD)
    for k in range(n):
        own = points[track == k]

        def residuals(_, *parameters, own=own):
            at = distance(np.tile(parameters, (len(own), 1)), own, FIELD)
            return np.concatenate([at.across, at.along_z])

        nothing = np.zeros(2 * len(own))
        options = {"absolute_sigma": True, "method": "trf", "x_scale": [0.02, 0.1, 1e-3, 1e-3, 1e-3]}
        errors = np.repeat(ERRORS, len(own))
        best, covariance = curve_fit(residuals, nothing, nothing, p0=true[k], sigma=errors, **options)
        sigma = np.sqrt(np.diag(covariance))
        assert np.abs((fitted.parameters[k] - best) / sigma).max() < 0.02
        assert np.abs((fitted.covariance[k] - covariance) / np.outer(sigma, sigma)).max() < 0.01


def test_exact_points_give_exact_helices():
    true, *_ = toy(n=50)
    path = np.array([30.0, 100.0, 400.0, 700.0])
    points = point(np.broadcast_to(true[:, None], (50, 4, 5)), np.broadcast_to(path, (50, 4)), FIELD).reshape(-1, 3)
    track = np.repeat(np.arange(50), 4)
    start = circle_start(points, track, 50, FIELD)
    np.testing.assert_allclose(track_residuals(start, true), 0, atol=1e-6)
    fitted = fit_helices(points, track, 50, HitErrors(0.02, 0.05), magnetic_field=FIELD)
    np.testing.assert_allclose(track_residuals(fitted.parameters, true), 0, atol=1e-6)
    assert fitted.chi2.max() < 1e-6


def test_order_of_hits_and_other_tracks_do_not_matter():
    _, points, track, layer, fitted = toy(n=60)
    order = np.random.default_rng(0).permutation(len(track))
    again = fit_helices(points[order], track[order], 60, errors_of(layer[order]), magnetic_field=FIELD)
    sigma = np.sqrt(np.diagonal(fitted.covariance, axis1=1, axis2=2))
    assert np.abs(track_residuals(again.parameters, fitted.parameters) / sigma).max() < 1e-3
    one = track == 7
    alone = fit_helices(points[one], track[one] * 0, 1, errors_of(layer[one]), magnetic_field=FIELD)
    assert np.abs((alone.parameters[0] - fitted.parameters[7]) / sigma[7]).max() < 2e-3


def test_a_rotation_turns_phi_alone():
    _, points, track, layer, fitted = toy(n=60)
    turn = 2.0
    matrix = np.array([[np.cos(turn), np.sin(turn), 0], [-np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    turned = fit_helices(points @ matrix, track, 60, errors_of(layer), magnetic_field=FIELD)
    expected = fitted.parameters + np.array([0, 0, turn, 0, 0])
    sigma = np.sqrt(np.diagonal(fitted.covariance, axis1=1, axis2=2))
    assert np.abs(track_residuals(turned.parameters, expected) / sigma).max() < 2e-3
    assert np.abs(turned.parameters[:, 2]).max() <= np.pi


def test_the_other_field_is_the_other_charge():
    _, points, track, layer, fitted = toy(n=30)
    mirrored = fit_helices(points, track, 30, errors_of(layer), magnetic_field=-FIELD)
    np.testing.assert_allclose(mirrored.parameters, fitted.parameters * [1, 1, 1, 1, -1], rtol=1e-6)


def test_what_cannot_be_fitted_is_nan():
    _, points, track, _, _ = toy(n=4)
    one = track == 0
    columns = [points[one], points[track == 1][:2], np.tile(points[track == 2][:1], (4, 1))]
    index = np.repeat([0, 1, 2], [len(part) for part in columns])
    fitted = fit_helices(np.concatenate(columns), index, 4, HitErrors(0.02, 0.05), magnetic_field=FIELD)
    assert fitted.converged.tolist() == [True, False, False, False]
    assert np.isfinite(fitted.parameters).all(axis=1).tolist() == [True, False, False, False]
    assert np.isnan(fitted.covariance[1:]).all()
    assert np.isnan(fitted.chi2[1:]).all()


def test_record_of_tracks():
    events = toy_events(tracks=20)
    label = ak.values_astype(events.hits.particle_id, np.int32) - 1
    tracks = fit_tracks(events.hits, label, lambda hits: errors_of(hits.layer), magnetic_field=FIELD)
    assert set(PARAMETERS) | set(COVARIANCE) | {"pt", "eta", "n_hits", "label", "chi2"} <= set(tracks.fields)
    present = events.particles[events.particles.n_hits > 0]
    assert tracks.label.tolist() == (present.particle_id - 1).tolist()
    assert tracks.n_hits.tolist() == present.n_hits.tolist()
    pulls = tracks.z0 - ak.unflatten(true_tracks(present, magnetic_field=FIELD)[:, 1], ak.num(present))
    assert np.nanstd(ak.flatten(pulls / np.sqrt(tracks.cov_z0_z0))) == pytest.approx(1, abs=0.3)
    ratio = ak.flatten(tracks.pt / np.hypot(present.px, present.py))
    assert np.nanmedian(ratio) == pytest.approx(1, abs=0.02)
    batches = [fit_tracks(events.hits[i : i + 1], label[i : i + 1], lambda hits: errors_of(hits.layer),
                          magnetic_field=FIELD) for i in range(3)]  # fmt: skip
    np.testing.assert_allclose(ak.flatten(ak.concatenate(batches).d0), ak.flatten(tracks.d0), rtol=1e-3, atol=1e-5)


def test_vertex_fits_take_the_record():
    events = toy_events(tracks=6, noise=0)
    label = ak.values_astype(events.hits.particle_id, np.int32) - 1
    tracks = fit_tracks(events.hits, label, lambda hits: errors_of(hits.layer), magnetic_field=FIELD)
    jets = ak.zip({"tracks": tracks[tracks.converged]}, depth_limit=1)
    assert ak.num(find_vertices(jets, magnetic_field=FIELD)).tolist() == ak.sum(tracks.converged, axis=1).tolist()


def test_no_hits_and_no_tracks():
    fitted = fit_helices(np.zeros((0, 3)), np.zeros(0, np.int64), 0, HitErrors(0.1, 0.1), magnetic_field=FIELD)
    assert fitted.parameters.shape == (0, 5)
    events = toy_events(tracks=5)
    nothing = fit_tracks(events.hits, ak.values_astype(events.hits.layer * 0 - 1, np.int32), HitErrors(0.1, 0.1),
                         magnetic_field=FIELD)  # fmt: skip
    assert ak.num(nothing).tolist() == [0, 0, 0]


def test_true_tracks_of_neutral_particles_are_nan():
    particles = toy_events(tracks=5, events=1).particles
    neutral = ak.with_field(particles, particles.charge * 0, "charge")
    assert np.isnan(true_tracks(neutral, magnetic_field=FIELD)[:, 4]).all()


def test_unfit_input_is_refused():
    events = toy_events(tracks=5)
    label = ak.values_astype(events.hits.particle_id, np.int32)
    points, track = np.ones((3, 3)), np.zeros(3, np.int64)
    good = HitErrors(0.1, 0.1)
    with pytest.raises(ValueError, match="a helix needs a magnetic field other than 0, got 0"):
        fit_helices(points, track, 1, good, magnetic_field=0)
    with pytest.raises(ValueError, match=r"the position of hit 1 is \[1.0, nan, 1.0\], must be finite"):
        fit_helices(np.where(np.arange(9).reshape(3, 3) == 4, np.nan, 1.0), track, 1, good, magnetic_field=2)
    with pytest.raises(ValueError, match="indices of tracks go from 0 to 0, must be from 0 to -1"):
        fit_helices(points, track, 0, good, magnetic_field=2)
    for errors in (HitErrors(0, 1), HitErrors(1, 0), HitErrors(1, np.array([1, np.nan, 1])), HitErrors(1, -1, 2)):
        with pytest.raises(ValueError, match="errors of hits must be finite, transverse above 0"):
            fit_helices(points, track, 1, errors, magnetic_field=2)
    with pytest.raises(ValueError, match=r"fit_tracks: event 0 has \d+ hits and \d+ labels"):
        fit_tracks(events.hits, label[:, 1:], good, magnetic_field=2)
    with pytest.raises(ValueError, match="fit_tracks: labels are of 2 events, hits of 3; they must be the same"):
        fit_tracks(events.hits, label[1:], good, magnetic_field=2)
    with pytest.raises(ValueError, match="fit_tracks: labels must be integers, got float64"):
        fit_tracks(events.hits, label * 1.5, good, magnetic_field=2)
    with pytest.raises(ValueError, match="fit_tracks takes one list of hits for each event"):
        fit_tracks(events.hits[0], label[0], good, magnetic_field=2)
