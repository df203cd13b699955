"""Following with a function that predicts: helices are found whole, in any order of hits and any company of events."""

import functools
import itertools

import awkward as ak
import numpy as np
import pytest
import torch
from toy_hits import toy_hits

from cortado.models.track_follower import extrapolated
from cortado.reconstruction.beam_search import BeamSearch, beam_search, layer_transitions
from cortado.reconstruction.detector_layers import common_triplets, detector_layers
from cortado.truth.trajectories import with_hits


def helix(hits, mask, width=0.5):
    """What a perfect follower would say: helices through three hits, with one width."""
    points, place = torch.from_numpy(hits).double(), torch.arange(hits.shape[1])
    radius = torch.linalg.vector_norm(points[..., :2], dim=-1)
    found = extrapolated(points[:, :1], points[:, place // 2], points, torch.roll(radius, -1, dims=1))
    log_width = torch.full_like(radius, np.log(width))
    return torch.stack([found.phi, found.z, log_width, log_width, torch.zeros_like(radius)], dim=-1).numpy()


@functools.cache
def toy(number=4, noise=0.05):
    events = toy_hits(number, 15, seed=3, noise=noise, scattering=False, min_pt=0.8)
    return ak.with_field(events, with_hits(events.particles, events.hits), "particles")


@functools.cache
def search(**changes):
    events = toy()
    long = events.particles[events.particles.n_hits > 5]
    settings = {
        "layers": detector_layers(events.hits),
        "triplets": common_triplets(long),
        "transitions": layer_transitions(long, least=0.0),
        "magnetic_field": 2.0,
    }
    return BeamSearch(**settings | changes)


def parts(label):
    """Sets of hits of each event that share a label."""
    return [
        {frozenset(np.flatnonzero(row == track).tolist()) for track in np.unique(row[row >= 0])}
        for row in map(np.asarray, label)
    ]


def test_helices_are_found_whole():
    events = toy()
    label = beam_search(events.hits, search(), helix)
    assert label.layout.form.content.primitive == "int32"
    total = right = 0
    for row, particle, event in zip(label, events.hits.particle_id, events.particles):
        for wanted in event.particle_id[event.n_hits >= 7]:
            tracks = np.asarray(row[particle == wanted])
            total, right = total + 1, right + (len(set(tracks.tolist())) == 1 and tracks[0] >= 0)
    assert total > 20
    assert right >= 0.95 * total


def test_order_of_hits_and_company_of_events_do_not_matter():
    hits = toy().hits
    whole = parts(beam_search(hits, search(), helix))
    assert parts(beam_search(hits, search(hits_at_once=1), helix)) == whole
    turned = [
        {frozenset(len(own) - 1 - hit for hit in track) for track in tracks}
        for tracks, own in zip(parts(beam_search(hits[:, ::-1], search(), helix)), hits)
    ]
    assert turned == whole


@pytest.mark.parametrize("angle", [1.0, np.pi])
def test_a_turn_about_the_beam_line_does_not_matter(angle):
    hits = toy().hits
    cosine, sine = np.cos(angle), np.sin(angle)
    moved = ak.with_field(hits, cosine * hits.x - sine * hits.y, "x")
    moved = ak.with_field(moved, sine * hits.x + cosine * hits.y, "y")
    found, expected = (parts(beam_search(each, search(), helix)) for each in (moved, hits))
    assert sum(map(len, expected)) > 20
    assert found == expected


def test_no_events_no_hits_and_unknown_layers_have_no_tracks():
    hits = toy().hits
    assert len(beam_search(hits[:0], search(), helix)) == 0
    assert beam_search(hits[:, :0], search(), helix).tolist() == [[]] * len(hits)
    unknown = ak.with_field(hits, hits.layer + 1000, "layer")
    assert ak.all(beam_search(unknown, search(), helix) == -1, axis=None)


def test_a_layer_that_is_missed_is_passed_over():
    events = toy()
    missed = events.hits[events.hits.layer != 5]
    transitions = layer_transitions(with_hits(events.particles, missed)[events.particles.n_hits > 5], least=0.0)
    found = beam_search(missed, search(transitions=(*transitions,)), helix)
    assert ak.max(ak.num(missed[found >= 0])) > 0
    crossing = ak.any(found[missed.layer == 4] >= 0, axis=1) & ak.any(found[missed.layer == 6] >= 0, axis=1)
    assert ak.all(crossing)


def test_shares_of_transitions_agree_with_a_loop():
    particles = toy().particles
    steps = [
        (before, after)
        for hits in ak.flatten(particles.hits.layer).to_list()
        for before, after in itertools.pairwise(hits)
        if before != after
    ]
    for before, after, share in layer_transitions(particles, least=0.05):
        same = [step for step in steps if step[0] == before]
        assert share == pytest.approx(same.count((before, after)) / len(same))
        assert share >= 0.05


def test_what_cannot_be_searched_is_refused():
    with pytest.raises(ValueError, match=r"triplets and transitions are of the layers \[99\], not among"):
        search(transitions=((0, 99, 1.0),))
    with pytest.raises(ValueError, match="BeamSearch needs transitions from layer to layer"):
        search(transitions=())
    with pytest.raises(ValueError, match="BeamSearch: beam must be at least 1, got 0"):
        search(beam=0)
    with pytest.raises(ValueError, match="beam_search takes one list of hits for each event"):
        beam_search(toy().hits[0], search(), helix)
    with pytest.raises(ValueError, match="no particle has hits on two layers"):
        layer_transitions(with_hits(toy().particles, toy().hits[toy().hits.layer == 0]))
