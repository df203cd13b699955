"""A track finder in use: hits of one track have one label, whatever the batches, the order and the neighbours."""

import pickle

import awkward as ak
import numpy as np
import pytest
import torch
from toy_taggers import changed
from toy_track_finder import ERRORS, events_of, save_track_finder

import cortado
from cortado import metrics, reconstruction
from cortado.models import sectors
from cortado.scoring import Predictor, Scorer, TrackFinder, VertexFinder, process

EVENTS = events_of()
SELECTION = {"min_pt": 0.5, "max_abs_eta": 2.0, "min_hits": 9}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save_track_finder(tmp_path_factory.mktemp("finder") / "tracks.cortado")


@pytest.fixture(scope="module")
def finder(path):
    return cortado.load(path)


@pytest.fixture(scope="module")
def silent(tmp_path_factory):
    """A finder that accepts no edge."""
    return cortado.load(save_track_finder(tmp_path_factory.mktemp("finder") / "silent.cortado", bias=-100.0))


@pytest.fixture(scope="module")
def label(finder):
    return finder(EVENTS)


def with_hits(events, **columns):
    """Events whose hits have other columns."""
    hits = events.hits
    for name, column in columns.items():
        hits = ak.with_field(hits, ak.values_astype(column, hits[name].layout.content.dtype), name)
    return ak.with_field(events, hits, "hits")


def taken(events, chosen):
    """Events with these of their hits: a mask, or indices."""
    return ak.with_field(events, events.hits[chosen], "hits")


def partitions(label):
    """The tracks of each event as sets of hits, whatever their numbers."""
    return [
        {frozenset(np.flatnonzero(np.asarray(one) == number).tolist()) for number in set(one) if number >= 0}
        for one in label.to_list()
    ]


# --------------------------------------------------------------------------------------------- labels


def test_labels_are_of_the_hits(finder, label):
    assert ak.all(ak.num(label) == ak.num(EVENTS.hits))
    assert label.layout.content.dtype == np.int32
    for one in label:
        numbers, first, size = np.unique(ak.to_numpy(one[one >= 0]), return_index=True, return_counts=True)
        assert numbers.tolist() == list(range(len(numbers)))
        assert np.all(np.diff(first) > 0)  # in the order of their first hits
        assert size.min() >= finder.min_hits


def test_labels_follow_from_the_edges(finder, label):
    edges = finder.edges(EVENTS)
    assert set(edges.fields) == {"inner", "outer", "score"}
    built = reconstruction.tracks_from_best_edges(edges, ak.num(EVENTS.hits), places=EVENTS.hits)
    assert label.to_list() == built.to_list()


def test_most_particles_are_found(label):
    matches = metrics.match_tracks(label, EVENTS.hits.particle_id)
    selected = metrics.reconstructable(EVENTS.particles, **SELECTION)
    finding = metrics.track_finding(matches, EVENTS.particles, selected)
    assert finding.efficiency.value > 0.9
    assert finding.fake_rate.value < 0.2


@pytest.mark.parametrize("batch_size", [1, 5])
def test_batches_and_order_of_the_events_change_nothing(finder, label, batch_size):
    order = np.random.default_rng(1).permutation(len(EVENTS))
    small = changed(finder, batch_size=batch_size)
    assert small(EVENTS[order]).to_list() == label[order].to_list()


def test_chunks_change_nothing(finder, label):
    chunks = [finder(EVENTS[start : start + 5]) for start in range(0, len(EVENTS), 5)]
    assert ak.concatenate(chunks).to_list() == label.to_list()


def test_another_order_of_the_hits_gives_the_same_tracks(finder, label):
    order = ak.argsort(ak.unflatten(np.random.default_rng(2).random(ak.count(label)), ak.num(label)))
    assert partitions(finder(taken(EVENTS, order))) == partitions(label[order])


@pytest.mark.parametrize("angle", [0.5, np.pi, -2.0])
def test_rotated_events_have_the_same_tracks(finder, label, angle):
    """The network sees no azimuth: where phi jumps from pi to -pi there is no seam."""
    x, y = (ak.values_astype(EVENTS.hits[name], np.float64) for name in "xy")
    cos, sin = np.cos(angle), np.sin(angle)
    turned = finder(with_hits(EVENTS, x=cos * x - sin * y, y=sin * x + cos * y))
    same = [len(one & other) / len(one | other) for one, other in zip(partitions(turned), partitions(label))]
    assert min(same) > 0.97  # in float32, scores beside the threshold may change sides


# ------------------------------------------------------------------------------------- what hits there are


def test_truth_is_not_needed(finder, label):
    hits = EVENTS.hits[["x", "y", "z", "layer", "module"]]
    assert finder(ak.zip({"hits": hits}, depth_limit=1)).to_list() == label.to_list()


def test_events_without_hits_and_with_one(finder, label):
    few = ak.concatenate([taken(EVENTS[:1], EVENTS.hits.layer[:1] < 0), EVENTS[1:2]])
    assert finder(few).to_list() == [[], label[1].to_list()]
    one = taken(EVENTS[:3], ak.local_index(EVENTS.hits.x[:3]) == 0)
    assert finder(one).to_list() == [[-1]] * 3
    assert ak.num(finder.tracks(one)).to_list() == [0, 0, 0]
    assert ak.num(finder.edges(one)).to_list() == [0, 0, 0]


def test_sectors_find_the_same_tracks_and_are_told(path, label, monkeypatch):
    monkeypatch.setattr(sectors, "MAX_EDGES", 200)
    monkeypatch.setattr(process, "_networks", {})
    finder = cortado.load(path)
    large = np.count_nonzero(ak.num(finder.edges(EVENTS)) > 200)
    assert large > 0
    assert finder(EVENTS).to_list() == label.to_list()
    _, notes = finder.events(EVENTS)
    assert notes["entries have more than 200 edges, seen in sectors by the network"] == large


def test_no_events(finder):
    for none in (EVENTS[:0], taken(EVENTS, EVENTS.hits.layer < 0)):
        assert ak.count(finder(none)) == 0
        assert len(finder(none)) == len(finder.tracks(none)) == len(none)
        assert str(finder(none).type) == f"{len(none)} * var * int32"


def test_a_layer_without_hits_costs_hits_but_other_tracks_stay(finder, label):
    dead = 9  # of the barrel
    assert ak.any(EVENTS.hits.layer == dead)
    kept = EVENTS.hits.layer != dead
    found = finder(taken(EVENTS, kept))
    assert ak.all(ak.num(found) == ak.sum(kept, axis=1))
    untouched = [
        {track for track in one if not any(layers[hit] == dead for hit in track)}
        for one, layers in zip(partitions(label), EVENTS.hits.layer.to_list())
    ]
    place = [np.cumsum(one) - 1 for one in kept.to_list()]
    moved = [{frozenset(int(at[hit]) for hit in track) for track in one} for one, at in zip(untouched, place)]
    same = sum(len(one & other) for one, other in zip(moved, partitions(found)))
    assert same > 0.8 * sum(map(len, untouched))


def test_hits_that_stand_there_twice_are_links_of_one_track(finder, label):
    """As where modules overlap: the layer tells that they are no step of the track."""
    twice = ak.concatenate([EVENTS.hits, EVENTS.hits[:, :40]], axis=1)
    found = finder(ak.with_field(EVENTS, twice, "hits"))
    assert ak.all(ak.num(found) == ak.num(label) + 40)
    tracks = finder.tracks(ak.with_field(EVENTS, twice, "hits"), label=found)
    assert ak.all(np.isfinite(tracks.chi2))
    both = (found[:, :40] >= 0) & (found[:, -40:] >= 0)
    assert ak.mean((found[:, :40] == found[:, -40:])[both]) > 0.9


def test_hits_of_unknown_layers_are_of_no_track_and_change_no_other(finder, label):
    strange = EVENTS.hits[:, :7]
    strange = ak.with_field(strange, ak.values_astype(strange.layer + 1000, np.int32), "layer")
    found = finder(ak.with_field(EVENTS, ak.concatenate([EVENTS.hits, strange], axis=1), "hits"))
    assert found[:, :-7].to_list() == label.to_list()
    assert ak.all(found[:, -7:] == -1)


@pytest.mark.parametrize("batch_size", [1, 512])
@pytest.mark.parametrize(("field", "value"), [("x", np.nan), ("z", np.inf)])
def test_a_position_that_is_not_finite_is_refused_and_its_event_named(finder, batch_size, field, value):
    chosen = (np.arange(len(EVENTS)) == 4) & (ak.local_index(EVENTS.hits.x) == 3)
    broken = with_hits(EVENTS, **{field: ak.where(chosen, value, EVENTS.hits[field])})
    with pytest.raises(ValueError, match=rf"HitGraph: hits\.{field} of event 4 is {value}, must be finite"):
        changed(finder, batch_size=batch_size)(broken)


@pytest.mark.parametrize("batch_size", [1, 5])
def test_a_hit_on_the_beam_line_is_refused_and_its_event_named(finder, batch_size):
    chosen = (np.arange(len(EVENTS)) == 7) & (ak.local_index(EVENTS.hits.x) == 3)
    broken = with_hits(EVENTS, **{name: ak.where(chosen, 0.0, EVENTS.hits[name]) for name in "xy"})
    with pytest.raises(ValueError, match="HitGraph: 1 hits lie on the beam line, x = y = 0, the first in event 7"):
        changed(finder, batch_size=batch_size)(broken)


def test_missing_fields_are_named(finder):
    with pytest.raises(ValueError, match=r"objects have no field 'hits.layer'; there are hits.x"):
        finder(ak.zip({"hits": EVENTS.hits[["x", "y", "z"]]}, depth_limit=1))


# ------------------------------------------------------------------------------------------- settings


def test_components_join_more(path, finder, label):
    joined = cortado.load(path, build="components")
    assert ak.sum(joined(EVENTS) >= 0) >= ak.sum(label >= 0)
    assert ak.sum(ak.max(joined(EVENTS), axis=1)) < ak.sum(ak.max(label, axis=1))
    built = reconstruction.tracks_from_components(finder.edges(EVENTS), ak.num(EVENTS.hits))
    assert joined(EVENTS).to_list() == built.to_list()


def test_threshold_and_fewest_hits_are_those_given(path, label):
    strict, long = cortado.load(path, threshold=0.95), cortado.load(path, min_hits=8)
    assert ak.sum(strict(EVENTS) >= 0) < ak.sum(label >= 0)
    sizes = [len(track) for one in partitions(label) for track in one]
    long_sizes = [len(track) for one in partitions(long(EVENTS)) for track in one]
    assert sorted(size for size in sizes if size >= 8) == sorted(long_sizes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": 0.0}, r"threshold must be a probability in \(0, 1\), got 0.0"),
        ({"threshold": 1.0}, r"threshold must be a probability in \(0, 1\), got 1.0"),
        ({"threshold": np.nan}, r"threshold must be a probability in \(0, 1\), got nan"),
        ({"min_hits": 0}, "min_hits must be at least 1, got 0"),
        ({"build": "best edge"}, "build = 'best edge', required: one of best edges, components; nearest: best edges"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
    ],
)
def test_bad_settings_are_named(path, settings, message):
    for make in (cortado.load, TrackFinder.load):
        with pytest.raises(ValueError, match=message):
            make(path, **settings)


def test_unknown_settings_are_named(path):
    with pytest.raises(TypeError, match=r"TrackFinder has no setting minhits; there are .*threshold, min_hits, build"):
        cortado.load(path, minhits=3)


def test_a_bundle_of_edges_is_loaded_as_a_track_finder(path, finder, label):
    assert type(finder) is TrackFinder
    assert finder.path == str(path)
    assert TrackFinder.load(path) == finder
    for other in (Scorer, VertexFinder):
        with pytest.raises(ValueError, match=rf"is not for a {other.__name__}: it gives Edges, which TrackFinder.load"):
            other.load(path)
    assert TrackFinder.of(Predictor.load(path))(EVENTS[:2]).to_list() == label[:2].to_list()


def test_a_finder_is_small_and_survives_pickling(finder, label):
    assert len(pickle.dumps(finder)) < 2000
    again = pickle.loads(pickle.dumps(finder))
    assert again == finder
    assert again(EVENTS[:3]).to_list() == label[:3].to_list()


def test_several_bundles_find_tracks_by_their_mean_scores(path, tmp_path, finder):
    bolder = save_track_finder(tmp_path / "bolder.cortado", bias=1.0)
    ensemble = cortado.scoring.ensemble([path, bolder], min_hits=4)
    assert type(ensemble) is TrackFinder
    mean = (finder.edges(EVENTS).score + cortado.load(bolder).edges(EVENTS).score) / 2
    edges = ensemble.edges(EVENTS)
    assert np.allclose(ak.flatten(edges.score), ak.flatten(mean), atol=1e-6)
    assert len(ensemble.bundles()) == 2
    assert ensemble(EVENTS).layout.content.dtype == np.int32


def test_the_number_of_threads_stays(finder):
    before = torch.get_num_threads()
    changed(finder, threads=1)(EVENTS[:1])
    assert torch.get_num_threads() == before


# ---------------------------------------------------------------------------------------------- tracks


def test_tracks_have_the_hits_of_their_label(finder, label):
    tracks = finder.tracks(EVENTS)
    assert {"d0", "z0", "phi", "theta", "q_over_p", "pt", "eta", "chi2", "converged"} < set(tracks.fields)
    assert ak.num(tracks).to_list() == (ak.max(label, axis=1) + 1).to_list()
    assert ak.all(tracks.label == ak.local_index(tracks.pt))
    sizes = [[one.count(number) for number in range(max(one) + 1)] for one in label.to_list()]
    assert tracks.n_hits.to_list() == sizes
    assert finder.tracks(EVENTS, label=label).chi2.to_list() == tracks.chi2.to_list()


def test_fits_are_not_changed_by_other_events(finder, label):
    together = finder.tracks(EVENTS, errors=ERRORS, label=label)
    alone = [finder.tracks(EVENTS[i : i + 1], errors=ERRORS, label=label[i : i + 1]) for i in range(len(EVENTS))]
    for name in ("d0", "z0", "phi", "theta", "q_over_p", "cov_d0_phi", "chi2"):
        np.testing.assert_allclose(*(ak.flatten(each[name]) for each in (together, ak.concatenate(alone))), rtol=1e-9)


def test_momenta_are_those_of_the_particles(finder, label):
    tracks = ak.flatten(finder.tracks(EVENTS, errors=ERRORS, radiation_lengths=0.02))
    matches = metrics.match_tracks(label, EVENTS.hits.particle_id)
    good = metrics.perfect_match(matches) & (matches.hits >= 9)
    particles = EVENTS.particles
    event, identifier = np.repeat(np.arange(len(EVENTS)), ak.num(particles)), ak.flatten(particles.particle_id)
    place = {key: at for at, key in enumerate(zip(event.tolist(), identifier.to_list()))}
    keys = zip(matches.event[good].tolist(), matches.particle_id[good].tolist())
    true = ak.flatten(particles)[[place[key] for key in keys]]
    tracks = tracks[good]
    assert len(tracks) > 200
    ratio = ak.to_numpy(tracks.pt) / np.hypot(true.px, true.py)
    assert abs(np.median(ratio) - 1) < 0.01
    assert np.mean(abs(ratio - 1) < 0.1) > 0.95
    assert np.mean(np.sign(tracks.q_over_p) == np.sign(true.charge)) > 0.99
    assert np.median(abs(tracks.eta - np.arcsinh(true.pz / np.hypot(true.px, true.py)))) < 0.01


def test_errors_may_be_a_function_of_the_hits_and_the_field_scales_momenta(finder, label):
    given = finder.tracks(EVENTS, errors=ERRORS, label=label)
    by_function = finder.tracks(EVENTS, errors=lambda hits: ERRORS, label=label)
    assert given.chi2.to_list() == by_function.chi2.to_list()
    stronger = finder.tracks(EVENTS, errors=ERRORS, magnetic_field=4.0, label=label)
    assert np.allclose(ak.flatten(stronger.pt), 2 * ak.flatten(given.pt), rtol=1e-3)


def test_labels_of_other_events_are_refused(finder, label):
    with pytest.raises(ValueError, match="labels are of 3 events, hits of 12"):
        finder.tracks(EVENTS, label=label[:3])


# ------------------------------------------------------------------------------------- the friend tree


def test_a_friend_tree_holds_tracks_and_the_track_of_each_hit(finder, label):
    columns, notes = finder.events(EVENTS)
    tracks = finder.tracks(EVENTS, label=label)
    assert columns["hit"].trackIdx.to_list() == label.to_list()
    names = ["chi2", "converged", "d0", "eta", "n_hits", "ndf", "phi", "pt", "q_over_p", "theta", "z0"]
    assert sorted(columns["track"].fields) == names
    assert columns["track"].ndf.to_list() == (2 * tracks.n_hits - 5).to_list()
    assert np.allclose(ak.flatten(columns["track"].pt), ak.flatten(tracks.pt), rtol=1e-6)
    kinds = {name: columns["track"][name].layout.content.dtype for name in ("pt", "n_hits", "ndf", "converged")}
    assert kinds == {"pt": np.float32, "n_hits": np.int32, "ndf": np.int32, "converged": np.bool_}
    assert notes == {}


def test_what_would_not_be_seen_in_a_friend_tree_is_said(path, silent):
    assert silent.events(EVENTS)[1] == {"entries have hits, but not a single track was found": len(EVENTS)}
    assert ak.all(silent(EVENTS) == -1)
    assert silent.events(taken(EVENTS, EVENTS.hits.layer < 0))[1] == {}
    strange = with_hits(EVENTS, layer=EVENTS.hits.layer + 1000)
    assert silent.events(strange)[1] == {
        "entries have hits, but not a single track was found": len(EVENTS),
        "hits are in layers that the bundle does not know: they are in no track": ak.count(EVENTS.hits.x),
    }
    columns, notes = cortado.load(path, min_hits=2).events(EVENTS)
    short = ak.sum(columns["track"].n_hits == 2)
    assert short > 0
    assert notes == {"tracks have no converged fit: see track_converged": short}
    assert ak.all(np.isnan(columns["track"].pt) == ~columns["track"].converged)
