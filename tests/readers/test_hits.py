"""Hits in ROOT trees, and what `columns_of` writes of other dialects."""

import awkward as ak
import numpy as np
import pytest
from event_files import ACTS, TRACKML, graph, velo, write_event, write_graph, write_velo

import cortado
from cortado import ntuples, readers
from cortado.event_keys import event_key
from cortado.readers import hits

SPECIAL = 2**62 + 1
"""Beyond what floating-point numbers hold exactly."""


def entries(**changes):
    """Two events: a particle of two hits with noise, and nothing."""
    columns = {
        "run": np.array([3, 3], np.uint32),
        "luminosityBlock": np.array([1, 2], np.uint32),
        "event": np.array([10, 11], np.uint64),
        "hit_x": [[72.0, 32.0, 5.0], []],
        "hit_y": [[0.0, 0.0, 5.0], []],
        "hit_z": [[2.0, 1.0, 5.0], []],
        "hit_layer": [[8, 7, 8], []],
        "hit_particle_id": [[SPECIAL, SPECIAL, 0], []],
        "particle_particle_id": [[SPECIAL], []],
        "particle_px": [[1.0], []],
        "particle_py": [[0.0], []],
        "particle_pz": [[0.5], []],
    }
    return ak.zip({name: ak.Array(values) for name, values in (columns | changes).items()}, depth_limit=1)


def test_events_of_a_tree():
    events = hits.record(entries())
    assert events.event_key.tolist() == [event_key(3, 1, 10), event_key(3, 2, 11)]
    assert (events.run.tolist(), events.luminosity_block.tolist(), events.event.tolist()) == ([3, 3], [1, 2], [10, 11])
    assert str(events.event.type) == "2 * int64"
    assert events.hits.particle_id.tolist() == [[SPECIAL, SPECIAL, 0], []]
    assert events.hits.weight.tolist() == [[0.5, 0.5, 0], []]
    assert events.particles.hits.layer.tolist() == [[[7, 8]], []]
    assert events.particles.n_hits.tolist() == [[2], []]


def test_nested_events_of_coffea_are_the_same():
    flat = entries()
    nested = {"hit": ["x", "y", "z", "layer", "particle_id"], "particle": ["particle_id", "px", "py", "pz"]}
    events = {name: flat[name] for name in ("run", "luminosityBlock", "event")}
    events |= {kind: ak.zip({name: flat[f"{kind}_{name}"] for name in names}) for kind, names in nested.items()}
    assert hits.record(ak.zip(events, depth_limit=1)).tolist() == hits.record(flat).tolist()


def test_truth_may_be_missing():
    events = entries()
    bare = events[[name for name in events.fields if "particle" not in name]]
    assert readers.dialect(bare.fields) is hits
    record = hits.record(bare)
    assert record.hits.fields == ["x", "y", "z", "layer"]
    assert "particles" not in record.fields
    named = hits.record(events[[name for name in events.fields if not name.startswith("particle_")]])
    assert named.particles.tolist()[0][0]["particle_id"] == SPECIAL
    assert named.particles.fields == ["particle_id", "n_hits", "hits"]


def test_events_that_cannot_be_are_refused():
    with pytest.raises(KeyError, match=r"Hits needs columns that are missing: \['hit_layer'\]"):
        hits.record(ak.without_field(entries(), "hit_layer"))
    with pytest.raises(ValueError, match=r"event 0: hit y is inf at position 1; 2 in all are not finite"):
        hits.record(entries(hit_y=[[0.0, np.inf, -np.inf], []]))
    with pytest.raises(ValueError, match=r"columns of hits have different numbers of elements: .*'z': 2"):
        hits.record(entries(hit_z=[[0.0, 1.0], []]))
    with pytest.raises(
        ValueError, match=r"event 0: 1 hits have one of 1 values of particle_id that no particle has: 5;"
    ):
        hits.record(entries(hit_particle_id=[[SPECIAL, 5, 0], []]))


def read_all(folder):
    acts = folder / "acts"
    acts.mkdir()
    write_event(acts, ACTS, event=7)
    yield cortado.read(write_event(folder, TRACKML, event=6))
    yield cortado.read(acts / "event000000007-measurements.csv.gz")
    yield cortado.read(write_velo(folder / "velo_event_8.json", velo()))
    yield cortado.read(write_graph(folder / "event000000009_g000.npz", graph()))
    yield cortado.read(write_graph(folder / "event000000010_g000.npz", graph(pid=None, y=None)))
    yield hits.record(entries())


def test_what_is_written_is_read_again(tmp_path):
    for number, events in enumerate(read_all(tmp_path)):
        path = tmp_path / f"hits{number}.root"
        ntuples.write(path, hits.TREE, [hits.columns_of(events)])
        again = cortado.read(path)
        kept = [name for name in events.fields if name != "luminosity_block"]
        assert again[kept].tolist() == events[kept].tolist()
        assert str(again[kept].type) == str(events[kept].type)
        counters = [name for name in ntuples.branch_names(path) if name.startswith("n")]
        assert set(counters) <= {"nhit", "nparticle", "nedge"}
