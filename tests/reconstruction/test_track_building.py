"""Tracks from scored edges, against slow twins that go edge by edge."""

import awkward as ak
import numpy as np
import pytest

from cortado.reconstruction.track_building import best_chains, tracks_from_best_edges, tracks_from_components

BUILDERS = [tracks_from_components, tracks_from_best_edges]


def toy_edges(seed=0, events=8, layers=6, tracks=9, fakes=2.0):
    """Hits in layer order (track t of layer l is hit l * tracks + t); true edges score high, others at random."""
    rng = np.random.default_rng(seed)
    records, counts = [], []
    for k in rng.integers(0, tracks, events):
        inner = np.arange((layers - 1) * k)
        one = {"inner": inner, "outer": inner + k, "score": rng.uniform(0.4, 1, len(inner))}
        number = rng.poisson(fakes * len(inner))
        layer = rng.integers(0, layers - 1, number)
        start, end = (rng.integers(0, max(k, 1), number) for _ in range(2))
        wrong = {"inner": layer * k + start, "outer": (layer + 1) * k + end, "score": rng.uniform(0, 0.9, number)}
        both = {name: np.concatenate([one[name], wrong[name]]) for name in one}
        pair = both["inner"] * 1000 + both["outer"]
        unique = rng.permutation(np.unique(pair, return_index=True)[1])
        records.append([{name: values[i].item() for name, values in both.items()} for i in unique])
        counts.append(layers * k)
    template = ak.zip({"inner": ak.Array([[0]]), "outer": ak.Array([[0]]), "score": ak.Array([[0.0]])})
    return ak.concatenate([template, ak.Array(records)])[1:], np.array(counts)


def slow_groups(links, hits, min_hits):
    """Sets of hits that are joined, of enough hits."""
    group = {hit: {hit} for hit in range(hits)}
    for a, b in links:
        union = group[a] | group[b]
        for hit in union:
            group[hit] = union
    return {frozenset(hits) for hits in group.values() if len(hits) >= min_hits}


def slow_links(edges, threshold, walk):
    kept = [(e["inner"], e["outer"], e["score"]) for e in edges if e["score"] > threshold]
    if not walk:
        return [(a, b) for a, b, _ in kept]
    there = {(a, b) for a, b, _ in kept}
    kept = [(a, b, s) for a, b, s in kept if not any((a, m) in there and (m, b) in there for _, m in there)]
    left, entered, links = set(), set(), []
    for a, b, _ in sorted(kept, key=lambda edge: -edge[2]):
        if a not in left and b not in entered:
            left.add(a)
            entered.add(b)
            links.append((a, b))
    return links


def groups(labels):
    return {frozenset(np.flatnonzero(np.array(labels) == k).tolist()) for k in set(labels) - {-1}}


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("builder", BUILDERS)
def test_agrees_with_edge_by_edge(builder, threshold):
    edges, hits = toy_edges()
    label = builder(edges, hits, threshold=threshold, min_hits=2)
    assert str(ak.type(label)) == "8 * var * int32"
    assert ak.num(label).tolist() == hits.tolist()
    for of_event, labels, number in zip(edges.tolist(), label.tolist(), hits):
        links = slow_links(of_event, threshold, builder is tracks_from_best_edges)
        assert groups(labels) == slow_groups(links, number, 2)
        first = [labels.index(k) for k in sorted(set(labels) - {-1})]
        assert sorted(set(labels) - {-1}) == list(range(len(first)))
        assert first == sorted(first)


@pytest.mark.parametrize("builder", BUILDERS)
def test_true_edges_alone_give_the_true_tracks(builder):
    edges, hits = toy_edges(fakes=0)
    label = builder(edges, hits, threshold=0.0, min_hits=6)
    for number, labels in zip(hits, label.tolist()):
        assert labels == [*range(number // 6)] * 6


@pytest.mark.parametrize("builder", BUILDERS)
def test_batches_and_order_of_edges_do_not_matter(builder):
    edges, hits = toy_edges()
    label = builder(edges, hits)
    parts = ak.concatenate([builder(edges[i : i + 1], hits[i : i + 1]) for i in range(len(hits))])
    assert parts.tolist() == label.tolist()
    assert builder(edges[:, ::-1], hits).tolist() == label.tolist()


def one_event(*edges):
    return ak.Array([[{"inner": a, "outer": b, "score": s} for a, b, s in edges]])


def test_a_shared_hit_goes_to_the_better_edge():
    """0-1-2-3 and 4-5-2: the components are one track, the chains two."""
    edges = one_event((0, 1, 0.9), (1, 2, 0.95), (2, 3, 0.9), (4, 5, 0.9), (5, 2, 0.8))
    assert tracks_from_components(edges, [6], min_hits=2).tolist() == [[0] * 6]
    assert tracks_from_best_edges(edges, [6], min_hits=2).tolist() == [[0, 0, 0, 0, 1, 1]]


def test_the_second_best_is_taken_where_the_best_is_gone():
    edges = one_event((0, 2, 0.9), (1, 2, 0.8), (1, 3, 0.7))
    assert tracks_from_best_edges(edges, [4], min_hits=2).tolist() == [[0, 1, 0, 1]]


def test_an_edge_that_passes_over_a_hit_does_not_take_it_away():
    edges = one_event((0, 1, 0.6), (1, 2, 0.6), (0, 2, 0.99))
    assert tracks_from_best_edges(edges, [3]).tolist() == [[0, 0, 0]]


def test_no_hit_has_two_neighbours_on_one_side():
    edges, hits = toy_edges(events=1, tracks=10, fakes=5, seed=3)
    flat = edges[0]
    inner, outer, score = (ak.to_numpy(flat[name]) for name in ("inner", "outer", "score"))
    chosen = best_chains(inner, outer, score, hits[0])
    assert len(inner[chosen]) > 10
    assert len(np.unique(inner[chosen])) == len(np.unique(outer[chosen])) == chosen.sum()


@pytest.mark.parametrize("builder", BUILDERS)
def test_no_events_no_hits_no_edges(builder):
    edges, _ = toy_edges(events=2)
    assert builder(edges[:0], []).tolist() == []
    assert builder(edges[:, :0], [0, 3]).tolist() == [[], [-1, -1, -1]]
    assert builder(edges[:, :0], [2, 0], min_hits=1).tolist() == [[0, 1], []]


@pytest.mark.parametrize("builder", BUILDERS)
def test_unfit_edges_are_refused(builder):
    with pytest.raises(ValueError, match="edges of 1 events, one list each, and hits of 2 must be of the same"):
        builder(one_event((0, 1, 0.5)), [2, 2])
    with pytest.raises(ValueError, match="an edge of event 0 has the outer hit 5, of 3 hits"):
        builder(one_event((0, 1, 0.5), (1, 5, 0.5)), [3])
    with pytest.raises(ValueError, match="an edge of event 0 has the inner hit -1, of 3 hits"):
        builder(one_event((-1, 1, 0.5)), [3])
    with pytest.raises(ValueError, match="score of an edge of event 0 is NaN"):
        builder(one_event((0, 1, float("nan"))), [3])


def places(layer, phi, module=None):
    """Where hits are in azimuth, at a radius of 10 mm for each layer."""
    r = 10.0 * (1 + np.array(layer))
    columns = {"x": r * np.cos(phi), "y": r * np.sin(phi), "layer": layer} | (
        {} if module is None else {"module": module}
    )
    return ak.zip({name: ak.Array([column]) for name, column in columns.items()})


def test_two_hits_of_a_layer_are_one_link_of_the_chain():
    """A particle with hits 0, 1 and 2 (overlapping modules of layer 1), 3, 4: nothing of it is lost, or joined."""
    pairs = [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)]
    edges = ak.Array([[{"inner": a, "outer": b, "score": 0.9 - 0.01 * a} for a, b in pairs]])
    layer, phi = [0, 1, 1, 2, 3, 1], [0.3, 0.31, 0.311, 0.32, 0.33, 0.31]
    for module in (None, [0, 4, 5, 0, 0, 6]):
        where = places(layer, phi, module)
        assert tracks_from_best_edges(edges, [6], places=where).to_list() == [[0, 0, 0, 0, 0, -1]]
    same = places(layer, phi, [0] * 6)
    for where in (None, same):
        assert tracks_from_best_edges(edges, [6], places=where).to_list() != [[0, 0, 0, 0, 0, -1]]


@pytest.mark.parametrize("turn", [0.0, np.pi - 0.301])
def test_two_tracks_through_one_overlap_stay_two(turn):
    """Hits 0 to 3 and 4 to 7 of two particles, all joined, that cross two modules of layer 1 side by side."""
    layer, module = 2 * [0, 1, 1, 2], 2 * [0, 4, 5, 0]
    phi = turn + np.array([0.3, 0.301, 0.301, 0.302, 0.304, 0.304, 0.3041, 0.304])
    pairs = [(a, b) for a in range(8) for b in range(8) if layer[b] == layer[a] + 1]
    scores = [0.99 if a // 4 == b // 4 else 0.6 for a, b in pairs]
    edges = ak.Array([[{"inner": a, "outer": b, "score": score} for (a, b), score in zip(pairs, scores)]])
    label = tracks_from_best_edges(edges, [8], places=places(layer, phi, module))
    assert label.to_list() == [4 * [0] + 4 * [1]]


def test_neighbours_of_other_layers_are_no_links():
    """Hits 1 and 2 have both neighbours in common, but lie in layers of their own, one after the other."""
    pairs = [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)]
    edges = ak.Array([[{"inner": a, "outer": b, "score": 0.9} for a, b in pairs]])
    where = places([0, 1, 2, 3], 4 * [0.3])
    assert tracks_from_best_edges(edges, [4], places=where).to_list() == [[0, 0, 0, 0]]


def test_an_edge_within_a_layer_is_no_step():
    """Hits 1 and 2 of overlapping modules, which proposals may join, are of one track for their other neighbours."""
    pairs = [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)]
    edges = ak.Array([[{"inner": a, "outer": b, "score": 0.99 if (a, b) == (1, 2) else 0.9} for a, b in pairs]])
    where = places([0, 1, 1, 2], [0.3, 0.31, 0.311, 0.32], [0, 4, 5, 0])
    assert tracks_from_best_edges(edges, [4], places=where).to_list() == [[0, 0, 0, 0]]
    alone = edges[:, 2:3]
    assert tracks_from_best_edges(alone, [4], places=where, min_hits=2).to_list() == [4 * [-1]]
