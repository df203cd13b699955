"""The toy detector of RAMP 2017."""

import awkward as ak
import numpy as np
import pytest

import cortado

ROWS = ["0.0,10000100.0,100000002.0,0.0,1000.0", "0.0,10000100.0,100000001.0,3000.0,0.0", "5.0,7.0,1.0,0.0,-8000.01"]


def write(folder, rows=ROWS, header="event,particle,hit,x,y"):
    (folder / "toy.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder / "toy.csv"


def test_rows_become_events(tmp_path):
    events = cortado.read(write(tmp_path))
    assert events.event.tolist() == [0, 5]
    assert events.hits.layer.tolist() == [[0, 2], [7]]
    assert events.hits.particle_id.tolist() == [[10000100, 10000100], [7]]
    assert events.particles.hits.x.tolist() == [[[0, 3000]], [[0]]]
    assert events.hits.z.tolist() == [[0, 0], [0]]


def test_truth_may_be_missing(tmp_path):
    rows = [",".join(np.delete(row.split(","), 1)) for row in ROWS]
    events = cortado.read(write(tmp_path, rows, "event,hit,x,y"))
    assert events.fields == ["event_key", "event", "hits"]


def test_real_events(test_data):
    events = cortado.read(test_data / "tracking/ramp2d/input.csv")
    assert len(events) == 200
    assert ak.count(events.hits.x) == 21128
    assert set(np.concatenate(events.particles.n_hits.tolist())) == {8}
    assert {tuple(layers) for event in events.particles.hits.layer.tolist() for layers in event} == {tuple(range(8))}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("5.0,7.5,2.0,0.0,1000.0", r"particle 7.5 is no integer below 2\^53"),
        ("5.0,7.0,1e18,0.0,1000.0", r"hit 1e\+18 is no integer below 2\^53"),
        ("5.0,7.0,1.0,0.0,1000.0", r"event 1: hit 1 occurs more than once"),
        (
            "5.0,7.0,2.0,0.0,1500.0",
            r"1 hits are on no circle, the first at radius 1500.0; the radii are 1000, ..., 8000",
        ),
        ("5.0,7.0,2.0,nan,1000.0", r"toy.csv.*event 1: hit x is nan at position 1"),
    ],
)
def test_files_that_contradict_themselves_are_refused(tmp_path, row, message):
    with pytest.raises(ValueError, match=message):
        cortado.read(write(tmp_path, [*ROWS, row]))
