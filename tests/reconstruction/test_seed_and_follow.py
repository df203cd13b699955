"""The classical finder of our own: layers, seeds, ambiguities, and all of it on toy events."""

import awkward as ak
import numpy as np
import pytest
from reconstruction.track_toys import BARREL, DISCS, FIELD, LENGTH, errors_of, toy_events, toy_hits
from reconstruction.track_toys import crossings as toy_crossings

from cortado.metrics import (
    acts_double_match,
    match_tracks,
    perfect_match,
    reconstructable,
    reconstructed_particles,
    track_finding,
    track_residuals,
)
from cortado.perigee import point
from cortado.reconstruction import SeedAndFollow, SeedCuts, common_triplets, detector_layers, seed_and_follow
from cortado.reconstruction.ambiguity import solve_ambiguities
from cortado.reconstruction.detector_layers import Layer, crossings
from cortado.reconstruction.seeding import helices_through, neighbours

TOY_LAYERS = (
    *(Layer(i, False, r, -LENGTH, LENGTH) for i, r in enumerate(BARREL)),
    *(Layer(len(BARREL) + i, True, z, 40, 1000) for i, z in enumerate(np.concatenate([-DISCS[::-1], DISCS]))),
)


def errors(hits):
    return errors_of(ak.to_numpy(hits.layer))


def toy(tracks=60, **options):
    events = toy_events(tracks=tracks, max_abs_eta=2.2, spread=(0.02, 50.0), **options)
    settings = SeedAndFollow(
        layers=TOY_LAYERS, triplets=common_triplets(events.particles), magnetic_field=FIELD,
        seeds=SeedCuts(max_d0=0.5),
    )  # fmt: skip
    return events, settings


def finding(events, label, match=acts_double_match):
    selected = reconstructable(events.particles, min_pt=0.5, max_abs_eta=2.5, min_hits=7)
    return track_finding(match_tracks(label, events.hits.particle_id), events.particles, selected, match)


def test_finds_the_tracks_of_toys():
    events, settings = toy(efficiency=0.97)
    label = seed_and_follow(events.hits, settings, errors)
    assert str(ak.type(label)) == "3 * var * int32"
    result = finding(events, label)
    assert result.particles > 100
    assert result.efficiency.value > 0.95
    assert result.fake_rate.value < 0.02
    assert finding(events, label, perfect_match).efficiency.value > 0.9


def test_batches_and_order_of_hits_do_not_matter():
    events, settings = toy(tracks=40)
    label = seed_and_follow(events.hits, settings, errors)
    one_by_one = SeedAndFollow(**{**vars(settings), "hits_at_once": 1})
    assert seed_and_follow(events.hits, one_by_one, errors).tolist() == label.tolist()
    order = ak.argsort(events.hits.x, axis=1)
    again = seed_and_follow(events.hits[order], settings, errors)
    assert finding(events, label) == track_finding(
        match_tracks(again, events.hits.particle_id[order]), events.particles,
        reconstructable(events.particles, min_pt=0.5, max_abs_eta=2.5, min_hits=7),
    )  # fmt: skip


def test_a_rotation_across_the_seam_changes_nothing():
    events, settings = toy(tracks=40)
    x, y = events.hits.x, events.hits.y
    turned = ak.with_field(ak.with_field(events.hits, -x, "x"), -y, "y")
    label, again = (seed_and_follow(hits, settings, errors) for hits in (events.hits, turned))
    assert label.tolist() == again.tolist()


def test_no_hits_no_events_and_a_missing_layer():
    events, settings = toy()
    assert seed_and_follow(events.hits[:0], settings, errors).tolist() == []
    assert seed_and_follow(events.hits[:, :0], settings, errors).tolist() == [[], [], []]
    without = events.hits[events.hits.layer != 4]
    label = seed_and_follow(without, settings, errors)
    found = reconstructed_particles(match_tracks(label, without.particle_id), events.particles)
    assert ak.mean(found[events.particles.n_hits >= 9]) > 0.9
    only = events.hits[events.hits.layer < 2]
    assert ak.max(seed_and_follow(only, settings, errors)) == -1


def test_hits_on_unknown_layers_are_of_no_track():
    events, settings = toy()
    strange = ak.with_field(events.hits, ak.where(events.hits.layer == 5, 77, events.hits.layer), "layer")
    label = seed_and_follow(strange, settings, lambda hits: errors_of(np.minimum(hits.layer, 9)))
    assert ak.max(label[strange.layer == 77]) == -1
    assert ak.max(label) > 20


def test_unfit_input_is_refused():
    events, settings = toy(tracks=5)
    with pytest.raises(ValueError, match=r"triplets are of the layers \[99\], which are not among \[0, 1, "):
        SeedAndFollow(layers=TOY_LAYERS, triplets=((0, 1, 99),), magnetic_field=FIELD)
    with pytest.raises(ValueError, match="seed_and_follow needs a magnetic field other than 0"):
        SeedAndFollow(layers=TOY_LAYERS, triplets=(), magnetic_field=0.0)
    with pytest.raises(ValueError, match="seed_and_follow takes one list of hits for each event"):
        seed_and_follow(events.hits[0], settings, errors)
    spoilt = ak.with_field(events.hits, events.hits.x * np.nan, "x")
    with pytest.raises(ValueError, match=r"the position of hit 0 is .*nan.*, must be finite"):
        seed_and_follow(spoilt, settings, errors)


def test_layers_of_the_toy_detector():
    layers = detector_layers(toy_events(tracks=400, max_abs_eta=2.5).hits)
    assert [layer.number for layer in layers] == list(range(len(TOY_LAYERS)))
    assert [layer.disc for layer in layers] == [layer.disc for layer in TOY_LAYERS]
    np.testing.assert_allclose(
        [layer.position for layer in layers], [layer.position for layer in TOY_LAYERS], rtol=1e-4
    )
    assert all(layer.low >= known.low - 1 and layer.high <= known.high + 1 for layer, known in zip(layers, TOY_LAYERS))


def test_layers_of_no_or_bad_hits():
    hits = toy_events(tracks=5).hits
    with pytest.raises(ValueError, match="the layers of a detector cannot be learned from no hits"):
        detector_layers(hits[:0])
    with pytest.raises(ValueError, match=r"the position of hit 0 is .*nan"):
        detector_layers(ak.with_field(hits, hits.z * np.nan, "z"))


def test_common_triplets():
    layers = [[0, 0, 1, 2, 3], [0, 1, 2], [1, 2, 3], [0, 1], [4, 5, 5, 6], [0, 1, 2, 2]]
    particles = ak.zip({"hits": ak.zip({"layer": layers})}, depth_limit=1)
    assert common_triplets(particles, share=0.6) == ((0, 1, 2),)
    assert common_triplets(ak.unflatten(particles, [2, 4]), share=1.0) == ((0, 1, 2), (1, 2, 3), (4, 5, 6))
    assert len(common_triplets(particles, share=1.0, at_most=2)) == 2
    with pytest.raises(ValueError, match="no particle has hits on three layers"):
        common_triplets(particles[3:4])


def test_crossings_lie_on_the_layers():
    parameters, *_ = toy_hits(np.random.default_rng(1), 300, max_abs_eta=2.5)
    path = crossings(parameters, TOY_LAYERS, FIELD)
    expected = toy_crossings(parameters)
    row, layer = np.nonzero(np.isfinite(path))
    crossing = point(parameters[row], path[row, layer], FIELD)
    position = np.array([each.position for each in TOY_LAYERS])[layer]
    disc = np.array([each.disc for each in TOY_LAYERS])[layer]
    np.testing.assert_allclose(np.where(disc, crossing[:, 2], np.hypot(*crossing[:, :2].T)), position, rtol=1e-6)
    both = np.isfinite(path) & np.isfinite(expected)
    np.testing.assert_allclose(path[both], expected[both], rtol=1e-6)
    assert (np.isfinite(path) | ~np.isfinite(expected)).all()


def test_helices_go_through_three_points():
    parameters, *_ = toy_hits(np.random.default_rng(2), 200)
    path = np.broadcast_to([30.0, 80.0, 200.0], (200, 3))
    points = point(np.broadcast_to(parameters[:, None], (200, 3, 5)), path, FIELD)
    np.testing.assert_allclose(track_residuals(helices_through(points, FIELD), parameters), 0, atol=1e-8)


def test_neighbours_against_all_pairs():
    rng = np.random.default_rng(0)
    (points, around), (event, around_event) = rng.random((2, 80, 3)), rng.integers(0, 3, (2, 80))
    one, other = neighbours(points, event, around, around_event, 0.3, 80)
    near = np.linalg.norm(points - around[:, None], axis=2) < 0.3
    expected = np.argwhere(near & (event == around_event[:, None]))
    assert sorted(zip(one.tolist(), other.tolist())) == [tuple(pair) for pair in expected.tolist()]
    assert np.bincount(neighbours(points, event, around, around_event, 0.3, 1)[0]).max() == 1
    assert [len(part) for part in neighbours(points[:0], event[:0], around, around_event, 0.3, 2)] == [0, 0]


def slow_solution(candidate_hits, chi2, hits, min_hits, max_shared):
    owner = [-1] * hits
    own = [[h for h in row if h >= 0] for row in candidate_hits.tolist()]
    for k in sorted(range(len(own)), key=lambda k: (-len(own[k]), chi2[k])):
        free = [h for h in own[k] if owner[h] < 0]
        if len(free) >= min_hits and len(own[k]) - len(free) <= max_shared:
            for h in free:
                owner[h] = k
    return owner


@pytest.mark.parametrize("max_shared", [0, 1, 3])
@pytest.mark.parametrize("hits", [12, 40, 200])
def test_ambiguities_one_by_one(hits, max_shared):
    rng = np.random.default_rng(hits)
    table = np.stack([rng.permutation(hits)[:6] for _ in range(60)])
    table[rng.random(table.shape) < 0.2] = -1
    chi2 = rng.random(60)
    owner = solve_ambiguities(table, chi2, hits, min_hits=3, max_shared=max_shared)
    assert owner.tolist() == slow_solution(table, chi2, hits, 3, max_shared)


def test_no_candidates():
    assert solve_ambiguities(np.zeros((0, 4), np.int64), np.zeros(0), 3, min_hits=1).tolist() == [-1] * 3
