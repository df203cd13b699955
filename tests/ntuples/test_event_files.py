"""CSV, JSON and npz files of one event as tables of one entry."""

import gzip

import numpy as np
import pytest
from event_files import BIG, TRACKML, changed, graph, velo, write_event, write_graph, write_velo

from cortado import ntuples


def only_step(path):
    (step,) = ntuples.steps(path)
    return step


@pytest.mark.parametrize("compress", [True, False])
def test_the_files_of_an_event_are_one_entry(tmp_path, compress):
    path = write_event(tmp_path, TRACKML, event=12, compress=compress)
    write_event(tmp_path, TRACKML, event=13, compress=compress)
    assert ntuples.num_entries(path) == 1
    events = ntuples.arrays(only_step(path), ["truth_particle_id", "event", "hits_z"])
    assert events.event.tolist() == [12]
    assert events.truth_particle_id.tolist()[0][0] == BIG
    assert str(events.type) == "1 * {truth_particle_id: var * int64, event: int64, hits_z: var * float64}"


def test_events_are_read_in_the_order_of_their_files(tmp_path):
    for event in (3, 1, 2):
        write_event(tmp_path, TRACKML, event=event)
    read = ntuples.iterate(tmp_path / "*-hits.csv.gz", ["event"])
    assert [events.event.tolist() for _, events in read] == [[1], [2], [3]]


def test_a_file_that_comes_later_is_seen(tmp_path):
    path = write_event(tmp_path, {"hits": TRACKML["hits"]})
    assert "truth_weight" not in ntuples.branch_names(path)
    write_event(tmp_path, TRACKML)
    assert "truth_weight" in ntuples.branch_names(path)


def test_only_the_leading_file_can_be_named(tmp_path):
    write_event(tmp_path, TRACKML)
    with pytest.raises(ValueError, match=r"cells.csv.gz is one of several .* name event000000001-hits.csv.gz, the"):
        ntuples.branch_names(tmp_path / "event000000001-cells.csv.gz")
    write_event(tmp_path, {"truth": TRACKML["truth"]}, event=2)
    with pytest.raises(ValueError, match=r"name those of the hits, the others"):
        ntuples.branch_names(tmp_path / "event000000002-truth.csv.gz")


def test_identifiers_never_pass_through_floating_point(tmp_path):
    path = write_event(tmp_path, changed(TRACKML, "truth", str(BIG), "1.5e3"))
    with pytest.raises(
        OSError, match=r"branch 'truth_particle_id', .*conversion error to int64: invalid value '1.5e3'"
    ):
        ntuples.arrays(only_step(path), ["hits_x", "truth_particle_id"])
    path = write_event(tmp_path, changed(TRACKML, "truth", str(BIG), str(2**63)))
    with pytest.raises(OSError, match=rf"invalid value '{2**63}'"):
        ntuples.arrays(only_step(path), ["truth_particle_id"])


def test_csv_text_that_is_no_table(tmp_path):
    path = write_event(tmp_path, {"hits": ["hit_id,x", "1,2", "3"]}, compress=False)
    with pytest.raises(OSError, match=r"event000000001-hits.csv as CSV: .* Expected 2 columns, got 1"):
        ntuples.branch_names(path)
    path = write_event(tmp_path, {"hits": ["hit_id,x", "1,"]}, compress=False)
    with pytest.raises(OSError, match=r"branch 'hits_x'.*double: invalid value ''"):
        ntuples.arrays(only_step(path), ["hits_x"])
    path.write_bytes(b"")
    with pytest.raises(OSError, match=r"is empty \(0 bytes\)"):
        ntuples.branch_names(path)


def test_a_truncated_file_is_an_error(tmp_path):
    path = tmp_path / "event1-hits.csv.gz"
    lines = "\n".join(f"{k},{k * 0.37}" for k in range(20000))
    path.write_bytes(gzip.compress(f"hit_id,x\n{lines}\n".encode())[:-20000])
    with pytest.raises(OSError, match=r"cannot read .*event1-hits.csv.gz as CSV: OSError: Truncated"):
        ntuples.arrays(only_step(path), ["hits_hit_id"])


def test_an_event_without_rows_has_none(tmp_path):
    path = write_event(tmp_path, {kind: lines[:1] for kind, lines in TRACKML.items()})
    events = ntuples.arrays(only_step(path), ["hits_x", "hits_hit_id"])
    assert events.tolist() == [{"hits_x": [], "hits_hit_id": []}]


def test_rows_with_event_numbers(tmp_path):
    path = tmp_path / "toy.csv"
    path.write_text("event,x\n7.0,1\n2.0,2\n7.0,3\n2.0,4\n9.0,5\n")
    assert ntuples.num_entries(path) == 3
    read = [events.tolist() for _, events in ntuples.iterate(path, ["x", "event"], size=2)]
    rows = [row for step in read for row in step]
    assert rows == [{"x": [2, 4], "event": 2}, {"x": [1, 3], "event": 7}, {"x": [5], "event": 9}]
    path.write_text("event,x\n7.5,1\n")
    with pytest.raises(OSError, match=r"toy.csv: event 7.5 is no integer"):
        ntuples.num_entries(path)
    path.write_text("x,y\n1,1\n")
    with pytest.raises(OSError, match=r"no column 'event', which says .*; it has \['x', 'y'\]"):
        ntuples.num_entries(path)


def test_json_lists_and_described_rows_are_columns(tmp_path):
    path = write_velo(tmp_path / "velo_event_5.json", velo())
    events = ntuples.arrays(only_step(path), ["particles_hits", "x", "particles_key", "event"])
    assert events.particles_hits.tolist() == [[[4, 0, 2, 1], [1, 3, 5]]]
    assert events.event.tolist() == [5]
    assert str(events.particles_key.type) == "1 * var * int64"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"x": [1', r"cannot read .*1.json as a JSON event: JSONDecodeError"),
        ("[1, 2]", r"cannot read .*1.json as a JSON event: AttributeError"),
        ('{"mc": {"description": ["a", "b"], "rows": [[1, 2], [3]]}}', r"row 1 of 'rows' has 1 values, .* 2 names"),
    ],
)
def test_json_that_is_no_event(tmp_path, text, message):
    (tmp_path / "1.json").write_text(text)
    with pytest.raises(OSError, match=message):
        ntuples.branch_names(tmp_path / "1.json")


def test_the_number_of_an_event_is_in_its_name(tmp_path):
    for name, number in (("event000001000_g007.npz", 1000), ("sample_3_22.npz", 22)):
        step = only_step(write_graph(tmp_path / name, graph()))
        assert ntuples.arrays(step, ["event"]).event.tolist() == [number]
    with pytest.raises(ValueError, match=r"graph.npz: the name .* needs its number, as in event000000001.npz"):
        ntuples.branch_names(write_graph(tmp_path / "graph.npz", graph()))


def test_arrays_of_npz_are_columns_of_one_entry(tmp_path):
    events = ntuples.arrays(only_step(write_graph(tmp_path / "event1.npz", graph())), ["X", "y", "Ri_rows"])
    assert str(events.type) == "1 * {X: var * 3 * float32, y: var * float32, Ri_rows: var * int64}"
    assert events.Ri_rows.tolist() == [[4, 2, 1]]


def test_npz_never_unpickles(tmp_path):
    np.savez(tmp_path / "event1.npz", X=np.array([{"a": 1}], dtype=object))
    with pytest.raises(OSError, match=r"event1.npz as an npz event: ValueError: Object arrays cannot be loaded"):
        ntuples.branch_names(tmp_path / "event1.npz")
    (tmp_path / "event2.npz").write_bytes(b"no zip")
    with pytest.raises(OSError, match=r"cannot read .*event2.npz as an npz event"):
        ntuples.branch_names(tmp_path / "event2.npz")


def test_remote_events_are_refused():
    with pytest.raises(OSError, match=r"https://host/event1-hits.csv is remote: .* copy it first"):
        ntuples.branch_names("https://host/event1-hits.csv")
