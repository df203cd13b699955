"""TrackML events: hits, cells, truth and particles in files of their own."""

import awkward as ak
import numpy as np
import pyarrow.csv
import pytest
from event_files import BIG, OTHER, TRACKML, changed, write_event

import cortado
from cortado import ntuples
from cortado.event_keys import event_key
from cortado.readers import trackml

FOLDER = "tracking/trackml_event1_thinned"


def without(*kinds):
    return {kind: lines for kind, lines in TRACKML.items() if kind not in kinds}


def test_rows_are_joined_by_their_identifiers(tmp_path):
    events = cortado.read(write_event(tmp_path, TRACKML, event=42))
    (hits,), (particles,) = events.hits, events.particles
    assert events.event.tolist() == [42]
    assert events.event_key.tolist() == [event_key(0, 0, 42)]
    assert hits.x.tolist() == [116, 32, 1, 0, 72, 1]
    assert hits.layer.tolist() == [9, 7, 1, 8, 8, 0]
    assert (hits.volume.tolist(), hits.module.tolist()) == ([8, 8, 7, 8, 8, 7], [12, 10, 3, 1, 11, 2])
    assert hits.particle_id.tolist() == [BIG, BIG, OTHER, 0, BIG, OTHER]
    assert hits.weight.tolist() == [0.125, 0.25, 0.25, 0, 0.125, 0.25]
    assert (hits.cells.tolist(), hits.charge.tolist()) == ([0, 2, 1, 0, 1, 0], [0, 0.75, 1, 0, 0.5, 0])
    assert particles.particle_id.tolist() == [OTHER, BIG]
    assert particles.hits.layer.tolist() == [[0, 1], [7, 8, 9]]
    assert particles[0].pz == -17
    assert (particles.charge.tolist(), particles.pdg_id.tolist()) == ([-1, -1], [-211, 13])


def test_types_are_those_of_the_record(tmp_path):
    events = cortado.read(write_event(tmp_path, TRACKML))
    own = (
        "x: float32, y: float32, z: float32, layer: int32, volume: int32, module: int32, cells: int32, charge: float32"
    )
    momentum = ", ".join(f"{name}: float32" for name in ("px", "py", "pz", "vx", "vy", "vz"))
    assert str(events.hits.type) == f"1 * var * {{{own}, particle_id: int64, weight: float32}}"
    assert str(events.particles.type) == (
        f"1 * var * {{particle_id: int64, {momentum}, charge: int32, pdg_id: int32, n_hits: int32, "
        f"hits: var * {{{own}, weight: float32}}}}"
    )


def test_real_event(test_data):
    folder = test_data / FOLDER
    (event,) = cortado.read(folder / "event000000001-hits.csv.gz")
    truth = pyarrow.csv.read_csv(folder / "event000000001-truth.csv.gz")
    particles = pyarrow.csv.read_csv(folder / "event000000001-particles.csv.gz")
    cells = pyarrow.csv.read_csv(folder / "event000000001-cells.csv.gz")
    assert len(event.hits) == 5527
    assert event.hits.particle_id.tolist() == truth["particle_id"].to_pylist()
    assert event.particles.particle_id.tolist() == particles["particle_id"].to_pylist()
    assert event.particles.n_hits.tolist() == particles["nhits"].to_pylist()
    assert int(np.sum(event.hits.cells)) == len(cells)
    assert float(np.sum(event.hits.weight)) == pytest.approx(sum(truth["weight"].to_pylist()), rel=1e-5)


@pytest.mark.parametrize("missing", [("truth", "particles"), ("truth", "particles", "cells")])
def test_truth_and_cells_may_be_missing(tmp_path, missing):
    events = cortado.read(write_event(tmp_path, without(*missing)))
    assert events.fields == ["event_key", "event", "hits"]
    assert ("cells" in events.hits.fields) == ("cells" not in missing)
    assert "particle_id" not in events.hits.fields


def test_an_event_without_hits(tmp_path):
    events = cortado.read(write_event(tmp_path, {kind: lines[:1] for kind, lines in TRACKML.items()}))
    assert events.hits.tolist() == [[]]
    assert events.particles.tolist() == [[]]


def test_events_are_joined_one_by_one(tmp_path):
    paths = [write_event(tmp_path, TRACKML, event=event) for event in (1, 2)]
    alone = [event for path in paths for event in cortado.read(path).tolist()]
    branches = trackml.branches(ntuples.branch_names(paths[0]))
    columns = [ntuples.arrays(step, branches) for step in ntuples.steps(paths)]
    assert trackml.record(ak.concatenate(columns)).tolist() == alone


@pytest.mark.parametrize("kind", ["truth", "particles"])
def test_truth_and_particles_belong_together(tmp_path, kind):
    other = {"truth": "particles", "particles": "truth"}[kind]
    with pytest.raises(
        KeyError, match=rf"TrackML CSV: the file of {kind} is missing, which belongs to that of {other}"
    ):
        cortado.read(write_event(tmp_path, without(kind)))


@pytest.mark.parametrize(
    ("kind", "old", "new", "error", "message"),
    [
        ("hits", "hit_id,x,", "hit_id,tx,", KeyError, r"missing: \['hits_x'\]; nearest: hits_tx"),
        ("truth", "weight", "weights", KeyError, r"missing: \['truth_weight'\]; nearest: truth_weights"),
        ("hits", "2,32.0,", "2,nan,", ValueError, r"hits.csv.gz, .*event 0: hit x is nan at position 1; 1 in all"),
        ("hits", "9,1.0,", "2,1.0,", ValueError, r"event 0: hit_id of hits 2 occurs more than once; 1 are"),
        ("hits", "9,1.0,", "10,1.0,", ValueError, r"1 of 4 cells have a hit_id that no hit has"),
        ("hits", ",8,6,12", ",10,6,12", ValueError, r"1 hits are in the volumes \[10\]; the TrackML"),
        ("truth", f"8,{OTHER}", f"6,{OTHER}", ValueError, r"1 of 6 hits have a hit_id that truth does not have"),
        ("truth", f"8,{OTHER}", f"9,{OTHER}", ValueError, r"event 0: hit_id of truth 9 occurs more than once"),
        ("truth", str(BIG), str(BIG + 1), ValueError, rf"3 hits have one of 1 values .*: {BIG + 1}; give them"),
        ("particles", "1.5,0.01", "inf,0.01", ValueError, r"event 0: particle px is inf at position 1"),
        ("particles", str(BIG), str(OTHER), ValueError, r"particle_id of particles 7 occurs more than once"),
    ],
)
def test_files_that_contradict_themselves_are_refused(tmp_path, kind, old, new, error, message):
    with pytest.raises(error, match=message):
        cortado.read(write_event(tmp_path, changed(TRACKML, kind, old, new)))


def test_truth_of_more_hits_is_refused(tmp_path):
    longer = TRACKML | {"truth": [*TRACKML["truth"], "77,0,0,0,0,0,0,0,0"]}
    with pytest.raises(ValueError, match=r"truth has 7 rows for 6 hits: it is of other files"):
        cortado.read(write_event(tmp_path, longer))
