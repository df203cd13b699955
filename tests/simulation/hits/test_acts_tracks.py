"""The Kalman filter of ACTS on events in memory."""

import sys
from dataclasses import replace

import awkward as ak
import numpy as np
import pytest

pytest.importorskip("acts", reason="needs ACTS (extra `acts`)")

from cortado.simulation.hits import CkfSettings, acts_tracks
from cortado.simulation.hits.acts_tracks import labels


@pytest.fixture(scope="module")
def tracks(generic_hits):
    return acts_tracks(generic_hits)


def test_tracks_are_those_of_particles(generic_sample, generic_hits, tracks):
    _, events = generic_sample
    for event in range(4):
        names = generic_hits.particle_id[event].to_numpy()
        pt = np.hypot(events.particle_px[event], events.particle_py[event])
        central = abs(events.particle_pz[event]) < pt * np.sinh(2.0)
        wanted = set(events.particle_particle_id[event][(pt > 1.0) & central].tolist())
        matched, pure = set(), []
        for track in tracks.hits[event]:
            owners, counts = np.unique(names[track.to_numpy()], return_counts=True)
            owner = owners[counts.argmax()]
            pure.append(counts.max() / len(track))
            if counts.max() >= 0.5 * max(len(track), np.sum(names == owner)):
                matched.add(int(owner))
        assert len(wanted & matched) >= 0.95 * len(wanted)
        assert np.mean(pure) > 0.97


def test_shapes(generic_hits, tracks):
    assert str(tracks.hits.type) == "4 * var * var * int64"
    assert ak.num(tracks.label).tolist() == ak.num(generic_hits).tolist()
    assert tracks.seconds.shape == (4,)
    assert np.all(tracks.seconds > 0)
    assert ak.min(ak.num(tracks.hits, axis=2)) >= CkfSettings().min_hits
    assert all(len(set(track)) == len(track) for event in tracks.hits.tolist() for track in event)


def test_hits_come_from_inside_out(generic_hits, tracks):
    event = generic_hits[0]
    distance = np.sqrt(event.x**2 + event.y**2 + event.z**2).to_numpy()
    outwards = [np.all(np.diff(distance[track.to_numpy()]) > -20) for track in tracks.hits[0]]
    assert np.mean(outwards) > 0.9


def test_the_order_of_hits_does_not_matter(generic_hits, tracks):
    hits = generic_hits[:2]
    order = ak.Array([np.random.default_rng(1).permutation(len(event)) for event in hits])
    again = acts_tracks(hits[order])
    for event in range(2):
        back = {frozenset(order[event][track].tolist()) for track in again.hits[event]}
        before = {frozenset(track.tolist()) for track in tracks.hits[event]}
        assert len(back & before) >= 0.97 * max(len(back), len(before))  # ties of ambiguities fall otherwise


def test_settings_change_the_answer(generic_hits, tracks):
    high = acts_tracks(generic_hits[:1], settings=CkfSettings(min_pt=2.0, seed_min_pt=2.0))
    assert 0 < ak.num(high.hits)[0] < 0.6 * ak.num(tracks.hits)[0]
    long = acts_tracks(generic_hits[:1], settings=replace(CkfSettings(), min_hits=11))
    assert ak.min(ak.num(long.hits, axis=2)) >= 11


def test_truth_is_not_needed_and_events_may_be_empty(generic_hits, tracks):
    bare = generic_hits[["x", "y", "z", "layer", "module"]]
    with_empty = ak.concatenate([bare[:1], bare[:1][:, :0], bare[1:2]])
    done = []
    found = acts_tracks(with_empty, progress=done.append)
    assert ak.num(found.hits).tolist() == [*ak.num(tracks.hits)[:1].tolist(), 0, *ak.num(tracks.hits)[1:2].tolist()]
    assert ak.num(found.label).tolist() == ak.num(with_empty).tolist()
    assert done == [3]


def test_no_events(generic_hits):
    found = acts_tracks(generic_hits[:0])
    assert (len(found.hits), len(found.label), len(found.seconds)) == (0, 0, 0)


def test_hits_of_another_detector_are_refused(generic_hits):
    moved = ak.with_field(generic_hits, generic_hits.x + 1, "x")
    with pytest.raises(ValueError, match=r"hits lie on no module of the generic detector, the first in layer"):
        acts_tracks(moved)
    renamed = ak.with_field(generic_hits, generic_hits.layer + 100, "layer")
    with pytest.raises(ValueError, match=r'needs events of simulate_hits\(\.\.\., detector="generic"\)'):
        acts_tracks(renamed)
    lost = ak.with_field(generic_hits, generic_hits.x * np.float32("nan"), "x")
    with pytest.raises(ValueError, match="hits lie on no module"):
        acts_tracks(lost)


def test_missing_fields_are_named(generic_hits):
    with pytest.raises(ValueError, match="hits lack layer, module; the Kalman filter needs x, y, z, layer, module"):
        acts_tracks(generic_hits[["x", "y", "z"]])


def test_unknown_layers_of_seeds_are_named(generic_hits):
    with pytest.raises(ValueError, match=r"seed_layers holds \[48\]; the generic detector has layers 0 to 47"):
        acts_tracks(generic_hits[:1], settings=CkfSettings(seed_layers=(7, 8, 48)))


def test_without_acts_the_extra_is_named(monkeypatch, generic_hits):
    monkeypatch.setitem(sys.modules, "acts.examples", None)
    with pytest.raises(ImportError, match="the generic detector needs acts, of the extra `acts`: pip install"):
        acts_tracks(generic_hits)


def test_a_shared_hit_belongs_to_the_longest_track():
    tracks = ak.Array([[[0, 1, 2], [2, 3, 4, 5], [7]], [], [[1, 0]]])
    assert labels(tracks, np.array([9, 2, 3])).tolist() == [[0, 0, 1, 1, 1, 1, -1, 2, -1], [-1, -1], [0, 0, -1]]
