"""Definitions of found tracks, against slow twins that count hit by hit, and values worked by hand."""

import time

import awkward as ak
import numpy as np
import pytest

from cortado import metrics
from cortado.metrics import (
    acts_double_match,
    classify_tracks,
    double_majority,
    lhc_match,
    match_tracks,
    matched_particles,
    perfect_match,
    proportion,
    reconstructable,
    reconstructed_particles,
    sum_findings,
    track_finding,
    track_rate,
    trackml_scores,
)

MATCHES = [double_majority, acts_double_match, lhc_match, perfect_match]
BIG = 4503599627370497  # TrackML's identifiers have more digits than float64


def toy(seed=0, events=12, particles=8, spoilt=0.35):
    """Labels, true particles and weights of hits, shape (n, var), and particles with a selection."""
    rng = np.random.default_rng(seed)
    label, truth, weight, known = [], [], [], []
    for number in rng.integers(0, particles, events):
        sizes = rng.integers(2, 9, number)
        own = np.concatenate([np.repeat(BIG + np.arange(number), sizes), np.zeros(rng.integers(0, 5), dtype=int)])
        track = np.where(own > 0, own - BIG, -1)
        wrong = rng.random(len(own)) < spoilt
        track[wrong] = rng.integers(-1, particles, wrong.sum())
        order = rng.permutation(len(own))
        label.append(track[order].tolist())
        truth.append(own[order].tolist())
        weight.append((rng.random(len(own)) * (own > 0))[order].tolist())
        known.append([{"particle_id": BIG + k, "n_hits": int(n)} for k, n in enumerate(sizes)])
    template = ak.Array([[{"particle_id": BIG, "n_hits": 1}]])
    particles = ak.concatenate([template, ak.Array(known)])[1:]
    return ak.Array(label), ak.Array(truth), ak.Array(weight), particles


def slow_tracks(label, truth, weight):
    """(event, label, hits, majority, shared, hits of it, weight of the shared ones)."""
    rows = []
    for event, (tracks, owners, weights) in enumerate(zip(label.tolist(), truth.tolist(), weight.tolist())):
        for track in sorted({k for k in tracks if k >= 0}):
            own = [owners[i] for i, k in enumerate(tracks) if k == track]
            best = max(sorted(set(own) - {0}), key=own.count, default=0)
            shared = sum(o == best for o in own) if best else 0
            gain = sum(w for k, o, w in zip(tracks, owners, weights) if k == track and o == best and best)
            rows.append((event, track, len(own), best, shared, owners.count(best) if best else 0, gain))
    return rows


def slow_match(match, hits, shared, all_of_it):
    return shared > 0 and {
        double_majority: shared / hits > 0.5 and shared / all_of_it > 0.5,
        acts_double_match: shared / hits >= 0.5 and shared / all_of_it >= 0.5,
        lhc_match: shared / hits > 0.75,
        perfect_match: shared == hits == all_of_it,
    }[match] if shared else False  # fmt: skip


def test_tracks_hit_by_hit():
    label, truth, weight, _ = toy()
    tracks = match_tracks(label, truth, weight)
    rows = slow_tracks(label, truth, weight)
    assert [tuple(row[:6]) for row in zip(*(column.tolist() for column in tracks))] == [row[:6] for row in rows]
    np.testing.assert_allclose(tracks.shared_weight, [row[6] for row in rows])


@pytest.mark.parametrize("match", MATCHES)
def test_definitions_hit_by_hit(match):
    label, truth, weight, particles = toy()
    tracks, rows = match_tracks(label, truth), slow_tracks(label, truth, weight)
    good = [slow_match(match, *row[2:3], *row[4:6]) for row in rows]
    assert match(tracks).tolist() == good
    assert 0 < np.mean(good) < 1
    found = {(row[0], row[3]) for row, passed in zip(rows, good) if passed}
    expected = [[(event, p["particle_id"]) in found for p in known] for event, known in enumerate(particles.tolist())]
    assert reconstructed_particles(tracks, particles, match).tolist() == expected


def test_matched_particles_are_those_with_most_hits():
    label, truth, _, particles = toy()
    tracks = match_tracks(label, truth)
    fewer = particles[ak.local_index(particles.particle_id) != 1]
    for known in (particles, fewer):
        place = matched_particles(tracks, known)
        owner = [(event, p["particle_id"]) for event, every in enumerate(known.tolist()) for p in every]
        of_track = list(zip(tracks.event.tolist(), tracks.particle_id.tolist()))
        assert place.tolist() == [owner.index(pair) if pair in owner else -1 for pair in of_track]
    assert (place >= 0).any()
    assert ((place == -1) & (tracks.particle_id != 0)).any()
    none = match_tracks(label[:0], truth[:0])
    assert matched_particles(none, particles[:0]).tolist() == []


def test_definitions_at_their_edges():
    """Tracks of 4 hits: 2 of 4, 2 of 3, 3 of 3, 3 of 7; a track of 4 of 4 with a fifth."""
    label = [[0] * 4, [0] * 4 + [-1] * 2, [0] * 4, [0] * 4, [0] * 4 + [-1] * 4, [0] * 5, [0] * 4]
    truth = [[1, 1, 0, 0], [1, 1, 0, 0, 1, 1], [1, 1, 2, 2], [1, 1, 1, 0], [1, 1, 1, 2, 1, 1, 1, 1], [1] * 4 + [0],
             [1] * 4]  # fmt: skip
    tracks = match_tracks(label, truth)
    assert tracks.particle_id.tolist() == [1] * 7
    assert double_majority(tracks).tolist() == [False, False, False, True, False, True, True]
    assert acts_double_match(tracks).tolist() == [True, True, True, True, False, True, True]
    assert lhc_match(tracks).tolist() == [False, False, False, False, False, True, True]
    assert perfect_match(tracks).tolist() == [False] * 6 + [True]


def test_trackml_score():
    label, truth, weight, _ = toy()
    rows, total = slow_tracks(label, truth, weight), ak.sum(weight, axis=1).tolist()
    score = trackml_scores(label, truth, weight)
    for event, whole in enumerate(total):
        gained = sum(row[6] for row in rows if row[0] == event and slow_match(double_majority, row[2], row[4], row[5]))
        assert score[event] == pytest.approx(gained / whole) if whole else np.isnan(score[event])
    perfect = ak.where(truth > 0, truth, -1)
    np.testing.assert_allclose(trackml_scores(perfect, truth, weight)[np.array(total) > 0], 1)


def test_classes_worked_by_hand():
    """Of particles 1, 2, 3 only 1 and 2 are selected: a match, its duplicate, a fake, noise, and one outside."""
    truth = [[1] * 8 + [2] * 8 + [3] * 4 + [0] * 2]
    label = [[0, 0, 0, 0, 1, 1, 1, 1] + [2, 2, 2] + [-1] * 5 + [3] * 4 + [4] * 2]
    particles = ak.Array([[{"particle_id": k} for k in (1, 2, 3)]])
    tracks = match_tracks(label, truth)
    classes = classify_tracks(tracks, particles, [[True, True, False]])
    assert [np.flatnonzero(column).tolist() for column in classes] == [[0], [1], [2, 4], [3]]
    finding = track_finding(tracks, particles, [[True, True, False]])
    assert finding == (2, 1, 5, 1, 1, 2, 1)
    assert finding.efficiency == proportion(1, 1, 1, 1)
    assert finding.fake_rate == proportion(2, 3, 2, 3)
    assert finding.fake_rate_inside == proportion(2, 2, 2, 2)
    assert finding.duplicate_rate == proportion(1, 4, 1, 4)
    assert finding.matched_rate_inside == proportion(2, 2, 2, 2)
    assert "efficiency 0.50 ± 0.29 (1 of 2 particles)" in str(finding)


@pytest.mark.parametrize("match", MATCHES)
def test_each_track_is_one_thing_and_batches_add_up(match):
    label, truth, _, particles = toy()
    selected = particles.n_hits >= 4
    tracks = match_tracks(label, truth)
    classes = classify_tracks(tracks, particles, selected, match)
    assert (np.sum(classes, axis=0) == 1).all()
    whole = track_finding(tracks, particles, selected, match)
    assert whole.reconstructed == ak.sum(reconstructed_particles(tracks, particles, match)[selected]) == whole.matched
    parts = [slice(0, 5), slice(5, 5), slice(5, 12)]
    batches = (track_finding(match_tracks(label[p], truth[p]), particles[p], selected[p], match) for p in parts)
    assert sum_findings(batches) == whole
    assert sum_findings([]) == (0,) * 7


def test_order_of_hits_names_of_tracks_and_sectors_do_not_matter():
    label, truth, weight, particles = toy()
    order = ak.argsort(weight, axis=1)
    renamed = ak.where(label >= 0, 1000 - 7 * label, -1)
    selected = particles.n_hits >= 4
    reference = track_finding(match_tracks(label, truth), particles, selected)
    assert track_finding(match_tracks(renamed[order], truth[order]), particles, selected) == reference
    np.testing.assert_allclose(
        trackml_scores(renamed[order], truth[order], weight[order]), trackml_scores(label, truth, weight)
    )


def test_nothing_found_is_said():
    label, truth, _, particles = toy()
    finding = track_finding(match_tracks(ak.zeros_like(label) - 1, truth), particles, particles.n_hits >= 4)
    assert finding.efficiency.value == 0
    assert finding.efficiency.error > 0
    assert str(finding).startswith("no track was found: efficiency 0.0")
    assert str(finding.fake_rate) == str(finding.duplicate_rate) == "undefined"


def test_no_hits_and_no_events():
    label, truth, weight, particles = toy()
    for events in (slice(0, 0), slice(0, 2)):
        none = (label[events, :0], truth[events, :0], weight[events, :0])
        tracks = match_tracks(*none)
        assert all(len(column) == 0 for column in tracks)
        assert np.isnan(trackml_scores(*none)).all()
        finding = track_finding(tracks, particles[events], particles[events].n_hits > 0)
        assert (finding.reconstructed, finding.tracks) == (0, 0)


def test_a_crowded_event_takes_less_than_a_second():
    rng = np.random.default_rng(0)
    truth = np.repeat(BIG + 4096 * np.arange(10_000), 10)
    label = np.where(rng.random(len(truth)) < 0.9, np.repeat(np.arange(10_000), 10), rng.integers(-1, 10_000, 100_000))
    order = rng.permutation(len(truth))
    particles = ak.Array([[{"particle_id": BIG}]])[:, :0]
    particles = ak.unflatten(ak.zip({"particle_id": np.unique(truth)}), [10_000])
    begun = time.perf_counter()
    tracks = match_tracks(label[order][np.newaxis], truth[order][np.newaxis])
    finding = track_finding(tracks, particles, ak.ones_like(particles.particle_id) > 0)
    assert time.perf_counter() - begun < 1
    assert finding.efficiency.value > 0.99


def kinematic_particles():
    columns = {"px": [3.0, 0.3, 30.0, 1.0], "py": [4.0, 0.4, 40.0, 0.0], "pz": [0.0, 0.0, 600.0, -2.0],
               "vx": [3.0, 0, 0, 0], "vy": [4.0, 0, 0, 0], "n_hits": [9, 9, 9, 8],
               "hits": ak.zip({"layer": [[1, 1, 2, 2, 1, 2, 1, 1, 2], [0], [0], [0, 1, 2]]})}  # fmt: skip
    return ak.unflatten(ak.zip(columns, depth_limit=1), [3, 0, 1])


def test_reconstructable_particles():
    particles = kinematic_particles()
    cuts = {"min_pt": 0.5, "max_abs_eta": 2.5, "min_hits": 9}
    assert reconstructable(particles, **cuts).tolist() == [[True, False, False], [], [False]]
    assert reconstructable(particles, **cuts | {"min_hits": 8}).tolist() == [[True, False, False], [], [True]]
    assert reconstructable(particles, **cuts | {"min_pt": 0.4}).tolist() == [[True, True, False], [], [False]]
    looping = reconstructable(particles, **cuts | {"min_hits": 1}, min_layers=3)
    assert looping.tolist() == [[False, False, False], [], [True]]
    with pytest.raises(ValueError, match="min_layers needs the hits of the particles, and they have none"):
        reconstructable(particles[[name for name in particles.fields if name != "hits"]], **cuts, min_layers=3)


def test_kinematics_of_particles():
    pt, eta, radius = metrics.particle_kinematics(kinematic_particles())
    np.testing.assert_allclose(ak.flatten(pt), [5, 0.5, 50, 1])
    np.testing.assert_allclose(ak.flatten(eta), np.arcsinh([0, 0, 12, -2]))
    np.testing.assert_allclose(ak.flatten(radius), [5, 0, 0, 0])


def test_rates_in_bins_of_a_particle_of_a_track_and_of_the_event():
    found, pt = ak.Array([[True, False], [], [True]]), ak.Array([[1.0, 2.0], [], [2.0]])
    rate = track_rate(found, pt, [0, 1.5, 3])
    assert rate.entries.tolist() == [1, 2]
    np.testing.assert_array_equal(rate.value, [1, 0.5])
    pile_up = track_rate(found, np.array([10.0, 20.0, 30.0]), [0, 25, 40])
    assert pile_up.entries.tolist() == [2, 1]
    flat = track_rate(np.array([True, False]), np.array([1.0, np.nan]), [0, 1.5, 3])
    assert flat.entries.tolist() == [1, 0]


def test_unfit_input_is_refused():
    label, truth, weight, particles = toy()
    selected = particles.n_hits >= 4
    tracks = match_tracks(label, truth)
    with pytest.raises(ValueError, match="label is of 11 events, particle_id of 12; they must be the same"):
        match_tracks(label[1:], truth)
    with pytest.raises(ValueError, match=r"event 0 has \d+ entries of label and \d+ of particle_id"):
        match_tracks(label[:, 1:], truth)
    with pytest.raises(ValueError, match="particle_id must be integers, got float64"):
        match_tracks(label, truth * 1.0)
    with pytest.raises(ValueError, match=r"label must have one list for each event, shape \(n, var\)"):
        match_tracks(np.array([1, 2]), np.array([1, 2]))
    with pytest.raises(ValueError, match=r"the weight of hit \d+ is nan, must be 0 or more"):
        match_tracks(label, truth, weight * np.nan)
    with pytest.raises(ValueError, match="a track is of event 11, but particles are of 5 events"):
        reconstructed_particles(tracks, particles[:5])
    with pytest.raises(ValueError, match="selected must be one boolean for each particle"):
        track_finding(tracks, particles, selected[:, 1:])
