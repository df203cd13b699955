"""Prepared graphs of the interaction-network paper."""

import awkward as ak
import numpy as np
import pytest
from event_files import graph, write_graph

import cortado
from cortado.event_keys import event_key
from cortado.readers import hit_graphs


def read(folder, name="event000001000_g003.npz", **changes):
    return cortado.read(write_graph(folder / name, graph(**changes)))


def test_hits_and_edges(tmp_path):
    events = read(tmp_path)
    (hits,), (edges,), (particles,) = events.hits, events.edges, events.particles
    assert events.event.tolist() == [1000]
    assert events.event_key.tolist() == [event_key(0, 0, 1000)]
    assert hits.x.tolist() == pytest.approx([0, 0, 116 * np.cos(0.51 * np.pi), -172, 100], abs=1e-4)
    assert hits.y.tolist() == pytest.approx([32, 72, 116 * np.sin(0.51 * np.pi), 0, 0], abs=1e-4)
    assert hits.z.tolist() == pytest.approx([100, 200, 300, 400, -702.5])
    assert (hits.layer.tolist(), hits.volume.tolist()) == ([7, 8, 9, 10, 1], [8, 8, 8, 8, 7])
    assert edges.tolist() == [
        {"inner": 1, "outer": 2, "label": 1},
        {"inner": 2, "outer": 4, "label": 0},
        {"inner": 0, "outer": 1, "label": 1},
    ]
    assert hits.particle_id.tolist() == [1, 1, 1, 1, 2]
    assert particles.hits.layer.tolist() == [[7, 8, 9, 10], [1]]
    assert particles.fields == ["particle_id", "n_hits", "hits"]


def test_identifiers_that_are_no_counters_are_kept(tmp_path):
    rounded = np.array([4.5e15, 4.5e15, 0, 4.6e15, 4.6e15], np.float32)
    assert read(tmp_path, pid=rounded).hits.particle_id.tolist() == [rounded.astype(np.int64).tolist()]
    exact = np.array([2**53 + 1, 2**53 + 1, 0, 0, 5])
    assert read(tmp_path, pid=exact).hits.particle_id.tolist() == [exact.tolist()]


def test_truth_may_be_missing(tmp_path):
    events = read(tmp_path, pid=None, y=None)
    assert events.fields == ["event_key", "event", "hits", "edges"]
    assert events.edges.fields == ["inner", "outer"]


def test_a_graph_without_edges_or_hits(tmp_path):
    none = {name: np.zeros(0, np.int64) for name in ("Ro_rows", "Ro_cols", "Ri_rows", "Ri_cols", "y")}
    assert read(tmp_path, **none).edges.tolist() == [[]]
    empty = read(tmp_path, **none, X=np.zeros((0, 3), np.float32), pid=np.zeros(0, np.int64))
    assert (empty.hits.tolist(), empty.particles.tolist()) == ([[]], [[]])


@pytest.mark.parametrize("selection", ["classic", "plus"])
def test_real_graphs_have_the_edges_of_the_sparse_matrices(test_data, selection):
    folder = test_data / f"tracking/trackml_graphs_{selection}_2GeV"
    paths = sorted(folder.glob("*.npz"))[:2]
    for path, events in zip(paths, cortado.reading.iterate(paths)):
        (event,) = events
        with np.load(path) as arrays:
            ends = {}
            for end, name in (("inner", "Ro"), ("outer", "Ri")):
                matrix = np.zeros((len(arrays["X"]), len(arrays["y"])), bool)
                matrix[arrays[f"{name}_rows"], arrays[f"{name}_cols"]] = True
                ends[end] = matrix.argmax(axis=0)
            features, label = arrays["Ra"], arrays["y"]
        assert {end: event.edges[end].tolist() for end in ends} == {end: hits.tolist() for end, hits in ends.items()}
        assert event.edges.label.tolist() == label.tolist()
        x, y, z, particle_id = (np.asarray(event.hits[name]) for name in ("x", "y", "z", "particle_id"))
        inner, outer = ends["inner"], ends["outer"]
        assert np.allclose((np.hypot(x, y)[outer] - np.hypot(x, y)[inner]) / 1000, features[0], atol=1e-6)
        assert np.allclose((z[outer] - z[inner]) / 1000, features[2], atol=1e-6)
        assert np.array_equal(particle_id[inner] == particle_id[outer], label == 1)
        if selection == "classic":
            assert np.all(np.asarray(event.hits.layer)[outer] == np.asarray(event.hits.layer)[inner] + 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Ro_cols": np.array([2, 0, 0])}, r"event 0: Ro_rows and Ro_cols do not give each of 3 edges one hit"),
        ({"Ri_cols": np.array([2, 0, 3])}, r"event 0: Ri_rows and Ri_cols do not give each of 3 edges one hit"),
        ({"Ri_rows": np.array([4, 2, 5])}, r"event 0: Ri_rows and Ri_cols do not give"),
        ({"Ri_rows": np.array([4, 2])}, r"'Ri_rows' has 2 elements, 'Ri_cols' 3; they must be equal"),
        ({"Ri_rows": np.array([4]), "Ri_cols": np.array([0])}, r"event 0: Ri has 1 values for 3 edges"),
        ({"y": np.zeros(2)}, r"event 0: y has 2 values for 3 edges"),
        ({"pid": np.zeros(4)}, r"event 0: pid has 4 values for 5 hits"),
        ({"X": graph()["X"] * [[np.nan, 1, 1]]}, r"event000001000_g003.npz.*event 0: X is not finite for 5 hits"),
        ({"X": graph()["X"] * [[1.5, 1, 1]]}, r"2 hits are on no pixel layer, the first at radius 48.0 mm"),
    ],
)
def test_files_that_contradict_themselves_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, **changes)


def test_arrays_of_other_sources_are_checked_too():
    arrays = ak.zip({"event": [1], **{name: array[None] for name, array in graph().items()}}, depth_limit=1)
    assert hit_graphs.record(arrays).edges.inner.tolist() == [[1, 2, 0]]
    with pytest.raises(ValueError, match=r"event 0: Ri_cols has 3 values for 2 Ri_rows"):
        hit_graphs.record(ak.with_field(arrays, ak.Array([[4, 2]]), "Ri_rows"))
