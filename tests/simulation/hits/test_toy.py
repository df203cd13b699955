"""The toy of HEP.TrkX against its own words, pixel by pixel."""

import awkward as ak
import numpy as np
import pytest

from cortado import ntuples
from cortado.simulation import simulate_toy_hits
from cortado.simulation.hits import toy


def read(path):
    return ntuples.arrays(ntuples.steps(str(path))[0], ntuples.branch_names(str(path)))


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    path = tmp_path_factory.mktemp("toy") / "noise.root"
    return simulate_toy_hits(path, events=400, noise=0.2, seed=3), read(path)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    path = tmp_path_factory.mktemp("toy") / "tracks.root"
    return simulate_toy_hits(path, events=400, tracks=6, seed=3), read(path)


def test_what_was_made(noisy, crowded):
    for summary, events in (noisy, crowded):
        assert summary.events == len(events.event) == 400
        assert summary.hits == ak.sum(ak.num(events.hit_x))
        assert summary.background == pytest.approx(ak.mean(ak.flatten(events.hit_particle_id) != 1))


def test_the_track_is_a_line_of_one_pixel_a_layer(noisy, crowded):
    for _, events in (noisy, crowded):
        track = events[["hit_x", "hit_layer"]][events.hit_particle_id == 1]
        assert ak.all(ak.num(track.hit_x) == 50)
        for event in range(20):
            entry, slope = events.particle_vx[event][0], events.particle_px[event][0]
            pixels = np.floor(entry + np.arange(50) * np.float64(slope))
            wrong = pixels != np.asarray(track.hit_x[event])[np.argsort(track.hit_layer[event])]
            assert wrong.sum() <= 1  # of single precision


def test_noise_is_as_much_as_asked_for_and_begins_after_the_seed(noisy):
    _, events = noisy
    silent = events.hit_particle_id == 0
    assert ak.min(events.hit_layer[silent]) == 5
    pixels = 400 * 45 * 49  # those of the track hide it
    assert ak.sum(silent) / pixels == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / pixels))
    assert ak.all(events.hit_weight[silent] == 0)


def test_other_tracks_begin_after_the_seed_and_a_pixel_is_hit_once(crowded):
    _, events = crowded
    others = events.hit_particle_id > 1
    assert ak.min(events.hit_layer[others]) == 5
    assert ak.max(events.hit_particle_id) == 6
    assert ak.all(ak.num(events.particle_particle_id) == 6)
    cell = events.hit_layer * 50 + ak.values_astype(events.hit_x, np.int32)
    assert all(len(np.unique(row)) == len(row) for row in cell)
    assert ak.mean(ak.num(events.hit_x)) == pytest.approx(50 + 45 * 5 * 0.93, rel=0.03)


def test_entries_and_exits_are_even(noisy):
    _, events = noisy
    for place in (events.particle_vx, events.particle_vx + 50 * events.particle_px):
        assert np.mean(np.ravel(place)) == pytest.approx(25, abs=4 * 50 / np.sqrt(12 * 400))
        assert np.std(np.ravel(place)) == pytest.approx(50 / np.sqrt(12), rel=0.1)


def test_the_same_seed_makes_the_same_file(tmp_path, monkeypatch):
    monkeypatch.setattr(toy, "UNIT", 8)
    done = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        simulate_toy_hits(tmp_path / f"{name}.root", events=20, noise=0.1, seed=seed, progress=done.append)
    a, b, c = (read(tmp_path / f"{name}.root") for name in "abc")
    assert ak.array_equal(a, b)
    assert not ak.array_equal(a.hit_x, c.hit_x)
    assert done == [8, 8, 4] * 3
    assert a.event.tolist() == list(range(20))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"events": 0}, "events is 0; it must be from 1"),
        ({"tracks": 0}, "tracks is 0; it must be from 1"),
        ({"noise": 1.5}, "noise is 1.5; it must be a probability"),
        ({"noise": float("nan")}, "noise is nan; it must be a probability"),
    ],
)
def test_no_such_toy(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        simulate_toy_hits(tmp_path / "toy.root", **({"events": 1} | options))
