"""Graphs of hits: against all pairs, and their laws."""

import dataclasses
import itertools
import json
import math
import time

import awkward as ak
import numpy as np
import pytest
from toy_hits import toy_hits

from cortado.bundle.description import tuples
from cortado.representations import GivenGraph, HitGraph, segment_search
from cortado.representations.hit_graph import kept_segments, unknown_hits
from cortado.representations.true_segments import true_segments
from cortado.representations.window_fit import fitted

PAIRS = ((0, 1), (1, 2), (2, 3), (1, 10), (10, 11), (1, 20), (0, 2))
WINDOWS = HitGraph(pairs=PAIRS, windows=((0.0008, 150.0),) * 7)
CHAINS = dataclasses.replace(WINDOWS, bends=((2e-4, 0.2),) * 7, chain=4)
BENDS = dataclasses.replace(WINDOWS, bends=((2e-4, 0.2),) * 7)


def double(events):
    """Hits in float64, in which a turn moves nothing across the edge of a window."""
    return with_hits(events, **{name: ak.values_astype(events.hits[name], float) for name in "xyz"})


def with_hits(events, **columns):
    hits = events.hits
    for name, column in columns.items():
        hits = ak.with_field(hits, column, name)
    return ak.with_field(events, hits, "hits")


EVENTS = double(toy_hits(6, 15, seed=3, noise=0.2))


def flat(events, name):
    return ak.to_numpy(ak.flatten(events.hits[name]))


def edges_of(inputs):
    return set(map(tuple, inputs.edge_index.T.tolist()))


def helix(one, other):
    """1 / (2 R) of the circle through the beam line and two hits, and dz by its arc between them."""
    (x1, y1, z1), (x2, y2, z2) = one, other
    r1, r2, chord = np.hypot(x1, y1), np.hypot(x2, y2), np.hypot(x2 - x1, y2 - y1)
    curvature = (x1 * y2 - x2 * y1) / (r1 * r2 * chord)
    arc = np.arcsin(chord * abs(curvature)) / abs(curvature)
    return curvature, (z2 - z1) / arc


def slow_edges(graph, events):
    """All pairs of hits, one after the other."""
    start, edges = 0, {}
    for event in events.hits.to_list():
        points = [(hit["x"], hit["y"], hit["z"]) for hit in event]
        for i, j in itertools.product(range(len(event)), repeat=2):
            pair = (event[i]["layer"], event[j]["layer"])
            if pair in graph.pairs and is_segment(points[i], points[j], graph.windows[graph.pairs.index(pair)]):
                edges[start + i, start + j] = graph.pairs.index(pair), helix(points[i], points[j])
        start += len(points)
    if not graph.bends:
        return set(edges)
    rows = [[edge] for edge in edges]
    for _ in range(graph.chain - 2):
        rows = [[*row, edge] for row in rows for edge in edges if goes_on(graph, edges, row[-1], edge)]
    return set(itertools.chain(*rows))


def goes_on(graph, edges, one, other):
    (pair, first), (_, second) = edges[one], edges[other]
    return one[1] == other[0] and (np.abs(np.subtract(first, second)) <= graph.bends[pair]).all()


def is_segment(one, other, window):
    (x1, y1, z1), (x2, y2, z2) = one, other
    r1, dr = math.hypot(x1, y1), math.hypot(x2, y2) - math.hypot(x1, y1)
    turn = abs((math.atan2(y2, x2) - math.atan2(y1, x1) + math.pi) % (2 * math.pi) - math.pi)
    return dr != 0 and turn <= window[0] * abs(dr) and abs(z1 - r1 * (z2 - z1) / dr) <= window[1]


@pytest.mark.parametrize("chunk", [7, 300_000])
@pytest.mark.parametrize("graph", [WINDOWS, BENDS, CHAINS], ids=["windows", "bends", "chains"])
def test_equals_all_pairs(graph, chunk, monkeypatch):
    monkeypatch.setattr(segment_search, "_CHUNK", chunk)
    inputs = graph(EVENTS)
    assert edges_of(inputs) == slow_edges(graph, EVENTS)
    assert len(edges_of(inputs)) == inputs.edge_index.shape[1] > 100
    np.testing.assert_array_equal(np.lexsort(inputs.edge_index[::-1]), np.arange(inputs.edge_index.shape[1]))


def test_wide_windows_join_all_hits_of_the_layers():
    graph = HitGraph(pairs=((0, 1), (10, 2)), windows=((1e9, 1e9),) * 2)
    assert edges_of(graph(EVENTS)) == slow_edges(graph, EVENTS)


def test_the_bends_are_fewer():
    assert edges_of(CHAINS(EVENTS)) < edges_of(BENDS(EVENTS)) < edges_of(WINDOWS(EVENTS))


def test_arrays_are_what_they_say():
    nodes, edge_index, features = WINDOWS(EVENTS)
    assert (nodes.dtype, edge_index.dtype, features.dtype) == (np.float32, np.int64, np.float32)
    x, y, z = (flat(EVENTS, name) for name in "xyz")
    r, phi = np.hypot(x, y), np.arctan2(y, x)
    np.testing.assert_allclose(nodes, np.stack([r / 1000, phi / np.pi, z / 1000], axis=1), rtol=1e-5)
    (i, j), eta = edge_index, np.arcsinh(z / r)
    turn = (phi[j] - phi[i] + np.pi) % (2 * np.pi) - np.pi
    expected = [(r[j] - r[i]) / 1000, turn / np.pi, (z[j] - z[i]) / 1000, np.hypot(eta[j] - eta[i], turn)]
    np.testing.assert_allclose(features, np.stack(expected, axis=1), rtol=1e-4, atol=1e-6)
    assert (features[:, 0] > 0).mean() > 0.9


def test_features_are_those_of_published_graphs(test_data):
    files = sorted((test_data / "tracking" / "trackml_graphs_classic_2GeV").glob("*.npz"))
    graph = np.load(files[0])
    ends = np.empty((2, len(graph["y"])), np.int64)
    ends[0, graph["Ro_cols"]], ends[1, graph["Ri_cols"]] = graph["Ro_rows"], graph["Ri_rows"]
    r, phi, z = graph["X"].astype(float).T * np.array([[1000], [np.pi], [1000]])
    hits = ak.Array([{"x": r * np.cos(phi), "y": r * np.sin(phi), "z": z}])
    hits = ak.zip({name: hits[name] for name in "xyz"})
    edges = ak.unflatten(ak.zip({"inner": ends[0], "outer": ends[1]}), [len(ends[0])])
    inputs = GivenGraph()(ak.zip({"hits": hits, "edges": edges}, depth_limit=1))
    np.testing.assert_array_equal(inputs.edge_index, ends)
    np.testing.assert_allclose(inputs.nodes, graph["X"], atol=1e-6)
    np.testing.assert_allclose(inputs.edge_features, graph["Ra"].T, atol=2e-6)


# Laws


@pytest.mark.parametrize("graph", [WINDOWS, BENDS, CHAINS], ids=["windows", "bends", "chains"])
def test_order_of_hits_does_not_matter(graph):
    counts = ak.num(EVENTS.hits)
    order = ak.argsort(ak.unflatten(np.random.default_rng(1).random(ak.sum(counts)), counts))
    place = ak.flatten(order + (np.cumsum(counts) - counts)).to_numpy()
    shuffled = graph(ak.with_field(EVENTS, EVENTS.hits[order], "hits"))
    assert {(place[i], place[j]) for i, j in edges_of(shuffled)} == edges_of(graph(EVENTS))


@pytest.mark.parametrize("angle", [0.3, np.pi / 2, 3.0, -2.5])
@pytest.mark.parametrize("graph", [WINDOWS, BENDS, CHAINS], ids=["windows", "bends", "chains"])
def test_a_turn_in_phi_changes_no_edge(graph, angle):
    x, y = EVENTS.hits.x, EVENTS.hits.y
    turned = with_hits(EVENTS, x=x * np.cos(angle) - y * np.sin(angle), y=x * np.sin(angle) + y * np.cos(angle))
    before, after = graph(EVENTS), graph(turned)
    np.testing.assert_array_equal(after.edge_index, before.edge_index)
    np.testing.assert_allclose(after.edge_features, before.edge_features, atol=1e-6)
    turn = (after.nodes - before.nodes)[:, 1]
    np.testing.assert_allclose((turn - angle / np.pi + 1) % 2 - 1, 0, atol=1e-6)


@pytest.mark.parametrize("graph", [WINDOWS, BENDS, CHAINS], ids=["windows", "bends", "chains"])
def test_events_do_not_see_each_other(graph):
    whole, alone = graph(EVENTS), [graph(EVENTS[i : i + 1]) for i in range(len(EVENTS))]
    starts = np.cumsum([0] + [len(inputs.nodes) for inputs in alone])
    joined = np.concatenate([inputs.edge_index + start for inputs, start in zip(alone, starts)], axis=1)
    np.testing.assert_array_equal(joined, whole.edge_index)
    np.testing.assert_array_equal(np.concatenate([inputs.edge_features for inputs in alone]), whole.edge_features)


def test_json_brings_the_graph_back():
    arguments = json.loads(json.dumps(dataclasses.asdict(BENDS)))
    assert HitGraph(**tuples(arguments)) == BENDS


# Unusual events


@pytest.mark.parametrize("graph", [WINDOWS, BENDS, GivenGraph()], ids=["windows", "bends", "given"])
def test_no_events_and_no_hits(graph):
    events = EVENTS
    if isinstance(graph, GivenGraph):
        empty = ak.unflatten(ak.zip({"inner": np.zeros(0, int), "outer": np.zeros(0, int)}), np.zeros(6, int))
        events = ak.with_field(EVENTS, empty, "edges")
    for few in (events[:0], ak.with_field(events, events.hits[:, :0], "hits")):
        inputs = graph(few)
        assert [array.shape for array in inputs] == [(0, 3), (2, 0), (0, 4)]
        assert inputs.edge_index.dtype == np.int64
    mixed = ak.concatenate([events[:1], ak.with_field(events[:1], events.hits[:1, :0], "hits"), events[1:2]])
    np.testing.assert_array_equal(graph(mixed).edge_index, graph(events[:2]).edge_index)


def test_a_missing_layer_has_no_edges():
    missing = ak.with_field(EVENTS, EVENTS.hits[EVENTS.hits.layer != 1], "hits")
    layers = flat(missing, "layer")
    kept = {(layers[i], layers[j]) for i, j in edges_of(WINDOWS(missing))}
    assert kept == {(0, 2), (2, 3), (10, 11)}
    only = ak.with_field(EVENTS, EVENTS.hits[EVENTS.hits.layer == 3], "hits")
    assert edges_of(BENDS(only)) == set()


def test_duplicate_hits_have_the_edges_of_each():
    twice = ak.with_field(EVENTS, ak.concatenate([EVENTS.hits, EVENTS.hits], axis=1), "hits")
    assert len(edges_of(WINDOWS(twice))) == 4 * len(edges_of(WINDOWS(EVENTS)))


def test_hits_at_one_place_in_two_layers_are_not_joined():
    hits = ak.Array([[{"x": 30.0, "y": 1.0, "z": 5.0, "layer": 0}, {"x": 30.0, "y": 1.0, "z": 5.0, "layer": 1}]])
    assert WINDOWS(ak.zip({"hits": hits}, depth_limit=1)).edge_index.shape == (2, 0)


def test_hits_of_unknown_layers_are_counted_and_have_no_edges():
    strange = with_hits(EVENTS, layer=ak.where(EVENTS.hits.layer == 2, 2**31 - 1, EVENTS.hits.layer))
    inputs = WINDOWS(strange)
    assert len(inputs.nodes) == len(WINDOWS(EVENTS).nodes)
    assert not np.isin(inputs.edge_index, np.flatnonzero(flat(EVENTS, "layer") == 2)).any()
    known = [0, 1, 3, 10, 11, 20]
    expected = [sum(layer not in known for layer in event) for event in strange.hits.layer.to_list()]
    np.testing.assert_array_equal(unknown_hits(WINDOWS, strange), expected)


def changed_hit(**changes):
    hits = EVENTS.hits.to_list()
    hits[2][4] |= changes
    return ak.with_field(EVENTS, ak.Array(hits), "hits")


@pytest.mark.parametrize("graph", [WINDOWS, GivenGraph()], ids=["made", "given"])
def test_numbers_that_are_none_are_named(graph):
    with pytest.raises(ValueError, match=r"hits\.z.*2.*finite"):
        graph(changed_hit(z=np.nan))
    with pytest.raises(ValueError, match=r"1 hits lie on the beam line, x = y = 0, the first in event 2; .* azimuth"):
        graph(changed_hit(x=0.0, y=0.0))
    with pytest.raises(KeyError, match="hits"):
        graph(EVENTS[["particles"]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pairs": (), "windows": ()}, r"pairs must be different \(inner, outer\) layers, each once, got \(\)"),
        ({"pairs": ((1, 1),)}, r"pairs must be different .* got \(\(1, 1\),\)"),
        ({"pairs": ((0, 1), (0, 1))}, r"pairs must be different"),
        ({"windows": ()}, r"windows must be one for each of 1 pairs, got 0"),
        ({"windows": ((0.1, -2.0),)}, r"windows must be two positive numbers each, got \(0\.1, -2\.0\)"),
        ({"bends": ((0.1, 0.1),) * 2}, r"bends must be one for each of 1 pairs, got 2"),
        ({"chain": 2}, r"chain must be 3 hits or more, got 2"),
        ({"bends": ((0.1,),)}, r"bends must be two positive numbers each, got \(0\.1,\)"),
    ],
)
def test_graphs_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=f"HitGraph: {message}"):
        HitGraph(**{"pairs": ((0, 1),), "windows": ((0.001, 100.0),)} | arguments)


# Graphs that are given


def given(*edges):
    each = ak.Array([[{"inner": i, "outer": j} for i, j in event] for event in edges])
    return ak.with_field(EVENTS[: len(edges)], each, "edges")


def test_given_edges_keep_their_order():
    first = ak.num(EVENTS.hits)[0]
    inputs = GivenGraph()(given([(3, 1), (0, 2)], [(5, 6)]))
    assert inputs.edge_index.T.tolist() == [[3, 1], [0, 2], [first + 5, first + 6]]
    x, y = flat(EVENTS, "x"), flat(EVENTS, "y")
    np.testing.assert_allclose(inputs.edge_features[0, 0], (np.hypot(x, y)[1] - np.hypot(x, y)[3]) / 1000, rtol=1e-5)


@pytest.mark.parametrize("edge", [(0, 10_000), (-1, 0)])
def test_given_edges_to_no_hit_are_named(edge):
    message = rf"an edge of event 1 joins hits {edge[0]} and {edge[1]}, but the event has \d+ hits"
    with pytest.raises(ValueError, match=message):
        GivenGraph()(given([(0, 1)], [(0, 1), edge]))


# True segments and what is fitted to them

TRAINING = toy_hits(40, 60, seed=11)


def slow_segments(events, min_pt, min_hits):
    """Particle by particle."""
    segments, start = set(), 0
    for event in events:
        for particle in event.particles:
            mine = np.flatnonzero(event.hits.particle_id.to_numpy() == particle.particle_id)
            if np.hypot(particle.px, particle.py) < min_pt or len(mine) < min_hits:
                continue
            hits = event.hits[mine]
            origin = (particle.vx, particle.vy, particle.vz)
            away = sum((hits[name].to_numpy().astype(float) - at) ** 2 for name, at in zip("xyz", origin))
            ordered = mine[np.argsort(away, kind="stable")]
            layers = event.hits.layer.to_numpy()
            segments |= {(start + i, start + j) for i, j in itertools.pairwise(ordered) if layers[i] != layers[j]}
        start += len(event.hits)
    return segments


@pytest.mark.parametrize(("min_pt", "min_hits"), [(0.0, 1), (0.8, 6)])
def test_true_segments_equal_those_of_each_particle(min_pt, min_hits):
    events = TRAINING[:4]
    doubled = ak.with_field(events, ak.concatenate([events.hits, events.hits[:, :20]], axis=1), "hits")
    found = true_segments(doubled, min_pt=min_pt, min_hits=min_hits)
    assert set(map(tuple, found.T.tolist())) == slow_segments(doubled, min_pt, min_hits)


def test_kept_segments_are_those_of_the_edges():
    truth = slow_segments(EVENTS, 0.5, 3)
    assert kept_segments(WINDOWS, EVENTS) == pytest.approx(len(truth & edges_of(WINDOWS(EVENTS))) / len(truth))


@pytest.mark.parametrize("bends", [False, True])
@pytest.mark.parametrize("keep", [0.9, 0.98])
def test_a_fitted_graph_keeps_its_share(keep, bends):
    graph = fitted(TRAINING, keep=keep, bends=bends)
    assert bool(graph.bends) == bends
    assert kept_segments(graph, TRAINING) >= keep
    assert kept_segments(graph, toy_hits(20, 60, seed=12)) >= keep - 0.015


def test_truth_without_particles_will_do():
    alone = TRAINING[["hits"]]
    assert kept_segments(fitted(alone, keep=0.95, min_pt=0), alone, min_pt=0) >= 0.95


def test_edges_of_a_hit_hardly_grow_with_the_event():
    graph = fitted(TRAINING, keep=0.98)
    sparse, dense = toy_hits(10, 100, seed=5), toy_hits(1, 3000, seed=5)
    per_hit = [graph(events).edge_index.shape[1] / ak.sum(ak.num(events.hits)) for events in (sparse, dense)]
    assert per_hit[1] < 1.3 * per_hit[0]
    assert kept_segments(graph, dense) > 0.97


def test_a_hundred_thousand_hits_take_seconds():
    graph, event = fitted(TRAINING, keep=0.98), toy_hits(1, 12_500, seed=6)
    assert ak.num(event.hits)[0] > 95_000
    start = time.process_time()
    graph(event)
    assert time.process_time() - start < 6


@pytest.mark.parametrize(
    ("events", "arguments", "message"),
    [
        (TRAINING, {"keep": 1.0}, r"keep must be a share in \(0, 1\), got 1\.0"),
        (TRAINING, {"min_pt": 1e3}, r"no true segment: no particle with pt of at least 1000 GeV has 3 hits or more"),
        (TRAINING[["hits"]], {}, r"min_pt = 0\.5 GeV needs particles, which the events do not have; min_pt=0 needs"),
        (
            ak.zip({"hits": TRAINING.hits[["x", "y", "z", "layer"]]}, depth_limit=1),
            {},
            r"true segments need hits\.particle_id, which the events do not have",
        ),
    ],
)
def test_windows_that_cannot_be_fitted(events, arguments, message):
    with pytest.raises(ValueError, match=message):
        fitted(events, **arguments)
