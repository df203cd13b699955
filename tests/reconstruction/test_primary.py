"""Primary vertices: pulls of toys, decays that take no part, a slow twin, and events with little in them."""

import warnings

import awkward as ak
import numpy as np
import pytest
from reconstruction.helix_toys import flavour_jets, toy_directions, toy_tracks
from scipy.special import expit

from cortado.reconstruction import Prior, fit_vertices, primary_vertices, typical_resolution
from cortado.reconstruction.tracks import flat_tracks

SPOT = np.diag([0.05, 0.02, 10.0]) ** 2
BEAM_SPOT = Prior((0.3, -0.2, 1.0), SPOT)


def toy_events(n=400, seed=1, prompt=(6, 25), displaced=0, flight=4.0):
    """Tracks (n, var) of collisions in the beam spot and of one decay in each event; and where the collisions were."""
    rng = np.random.default_rng(seed)
    collisions = rng.multivariate_normal(BEAM_SPOT.position, SPOT, n)
    counts = rng.integers(*prompt, n) + displaced
    event = np.repeat(np.arange(n), counts)
    place = np.arange(len(event)) - np.repeat(np.cumsum(counts) - counts, counts)
    is_prompt = place >= displaced
    away = rng.normal(size=(n, 3))
    decays = collisions + away / np.linalg.norm(away, axis=1, keepdims=True) * (1 + rng.exponential(flight, (n, 1)))
    position = np.where(is_prompt[:, None], collisions[event], decays[event])
    parameters, covariance = toy_tracks(rng, position, toy_directions(rng, len(event)))
    order = np.lexsort((rng.random(len(event)), event))
    tracks = flavour_jets(parameters[order], covariance[order], counts, tracks={"is_prompt": is_prompt[order]}).tracks
    return tracks, collisions


def errors(covariance):
    return np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))


def pulls(found, truth):
    return (found.position - truth) / errors(found.covariance)


@pytest.mark.parametrize("beam_spot", [None, BEAM_SPOT])
def test_pulls_are_unit_gaussian(beam_spot):
    tracks, truth = toy_events()
    found = pulls(primary_vertices(tracks, beam_spot=beam_spot), truth)
    assert found.shape == (400, 3)
    assert found.mean(axis=0) == pytest.approx(0, abs=0.15)  # three errors
    assert found.std(axis=0) == pytest.approx(1, abs=0.106)


def test_the_tracks_of_a_decay_do_not_pull():
    tracks, truth = toy_events(displaced=5)
    found = primary_vertices(tracks, beam_spot=BEAM_SPOT)
    core = np.sort(np.abs(pulls(found, truth)), axis=0)[: int(0.683 * 400)]
    assert core.max(axis=0) == pytest.approx(1, abs=0.15)
    alone = primary_vertices(tracks[tracks.is_prompt], beam_spot=BEAM_SPOT)
    apart = np.abs(found.position - alone.position) / errors(alone.covariance)
    assert np.median(apart) < 0.1
    everything = fit_vertices(*flat(tracks), groups=400, prior=BEAM_SPOT)
    assert np.median(np.abs(everything.position - truth) / errors(found.covariance)) > 3


def test_without_a_beam_spot_the_vertex_of_most_tracks_is_found():
    tracks, truth = toy_events(prompt=(8, 25), displaced=4)
    found = np.abs(pulls(primary_vertices(tracks), truth))
    assert (found < 4).all(axis=1).mean() > 0.97
    outnumbered, truth = toy_events(prompt=(2, 3), displaced=10)
    assert (np.abs(pulls(primary_vertices(outnumbered), truth)) > 10).any(axis=1).mean() > 0.9


def flat(tracks):
    found = flat_tracks(ak.zip({"tracks": tracks}, depth_limit=1))
    return found.parameters, found.covariance, found.jet


def slow_primary(tracks, cutoff=3.0):
    """Position of one event, by fits with weights that harden, from where all tracks together would have it."""
    parameters, covariance, group = flat(tracks)
    weights, position = np.ones(len(group)), [BEAM_SPOT.position]
    for temperature in (256, 64, 16, 4, *[1] * 8):
        found = fit_vertices(
            parameters, covariance, group, groups=1, start=position, weights=weights, prior=BEAM_SPOT, iterations=30
        )
        position = found.position
        weights = expit((cutoff**2 - found.track_chi2) / (2 * temperature))
    return position[0]


def test_agrees_with_an_annealing_of_one_event_after_the_other():
    tracks, _ = toy_events(25, displaced=2)
    found = primary_vertices(tracks, beam_spot=BEAM_SPOT)
    twin = np.array([slow_primary(tracks[i : i + 1]) for i in range(25)])
    apart = np.abs(found.position - twin) / errors(found.covariance)
    assert np.quantile(apart, 0.95) < 0.05


def test_events_do_not_know_of_each_other_and_tracks_come_in_any_order():
    tracks, _ = toy_events(50, displaced=3)
    found = primary_vertices(tracks)
    some = primary_vertices(tracks[10:20])
    assert some.position == pytest.approx(found.position[10:20])
    assert some.covariance == pytest.approx(found.covariance[10:20])
    order = ak.argsort(tracks.phi, axis=1)
    permuted = primary_vertices(tracks[order])
    assert permuted.position == pytest.approx(found.position)
    assert permuted.covariance == pytest.approx(found.covariance)


def test_turning_the_tracks_turns_the_vertices():
    tracks, _ = toy_events(50)
    found, turned = primary_vertices(tracks), primary_vertices(ak.with_field(tracks, tracks.phi + 2.5, "phi"))
    x, y, _ = found.position.T
    assert turned.position[:, 0] == pytest.approx(x * np.cos(2.5) - y * np.sin(2.5), abs=1e-5)
    assert turned.position[:, 1] == pytest.approx(x * np.sin(2.5) + y * np.cos(2.5), abs=1e-5)


def test_a_lower_cutoff_gives_less_weight_and_larger_errors():
    tracks, _ = toy_events(50)
    loose, tight = primary_vertices(tracks, cutoff=5.0), primary_vertices(tracks, cutoff=1.5)
    assert (errors(tight.covariance) > errors(loose.covariance)).mean() > 0.95


def test_what_few_tracks_leave_open_is_known_to_a_metre_or_to_the_beam_spot():
    tracks, _ = toy_events(9)
    few = tracks[ak.local_index(tracks.d0) < np.arange(9) % 3]
    assert ak.num(few).tolist() == [0, 1, 2] * 3
    free, bound = primary_vertices(few), primary_vertices(few, beam_spot=BEAM_SPOT)
    assert errors(free.covariance)[::3] == pytest.approx(1000)
    assert np.linalg.eigvalsh(free.covariance)[1::3, -1] == pytest.approx(1e6)
    assert (np.linalg.eigvalsh(free.covariance)[2::3, -1] < 1e3).all()
    assert free.position[::3].tolist() == [[0, 0, 0]] * 3
    assert bound.position[::3] == pytest.approx(np.tile(BEAM_SPOT.position, (3, 1)))
    assert bound.covariance[::3] == pytest.approx(np.tile(SPOT, (3, 1, 1)), rel=1e-3)
    none = primary_vertices(few[:0])
    assert (none.position.shape, none.covariance.shape) == ((0, 3), (0, 3, 3))


def test_each_event_may_have_a_beam_spot_of_its_own():
    tracks, _ = toy_events(50)
    z = np.linspace(-40, 40, 50)
    moved = ak.with_field(tracks, tracks.z0 + z, "z0")
    spots = np.stack([np.full(50, 0.3), np.full(50, -0.2), 1.0 + z], axis=-1)
    found = primary_vertices(moved, beam_spot=Prior(spots, SPOT))
    expected = primary_vertices(tracks, beam_spot=BEAM_SPOT)
    assert found.position[:, 2] - z == pytest.approx(expected.position[:, 2], abs=1e-3)


def test_tracks_that_cannot_be_fitted_are_refused_or_left_out():
    tracks, _ = toy_events(10)
    first = ak.local_index(tracks.d0) == 0
    spoilt = ak.with_field(tracks, ak.where(first & (np.arange(10) == 7), np.nan, tracks.cov_d0_z0), "cov_d0_z0")
    with pytest.raises(ValueError, match=r"primary_vertices: track 0 of event 7 cannot be fitted: cov_d0_z0 is nan"):
        primary_vertices(spoilt)
    with pytest.warns(UserWarning, match=r"primary_vertices: 1 of \d+ tracks cannot be fitted, left out"):
        found = primary_vertices(spoilt, skip_unfit=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rest = primary_vertices(tracks[~(first & (np.arange(10) == 7))], skip_unfit=True)
    assert found.position == pytest.approx(rest.position)


def test_errors_may_be_those_of_a_function():
    tracks, truth = toy_events(50)
    bare = tracks[["d0", "z0", "phi", "theta", "q_over_p"]]
    with pytest.raises(KeyError, match="primary_vertices needs the covariance of the tracks"):
        primary_vertices(bare)
    found = primary_vertices(bare, resolution=typical_resolution)
    assert np.median(np.abs(found.position - truth)) < 0.05


def test_unfit_arguments_are_refused():
    tracks, _ = toy_events(3)
    with pytest.raises(ValueError, match=r"cutoff is 0\.0, must be positive"):
        primary_vertices(tracks, cutoff=0.0)
    with pytest.raises(ValueError, match="primary_vertices: tracks must be one list per event, got"):
        primary_vertices(ak.flatten(tracks))
    with pytest.raises(ValueError, match="prior 0 has the smallest eigenvalue -1, must be positive definite"):
        primary_vertices(tracks, beam_spot=Prior((0, 0, 0), -np.eye(3)))
