"""Events that the examples of ACTS write as CSV."""

import pytest
from event_files import ACTS, changed, write_event

import cortado
from cortado.readers import acts_csv

FIRST, SECOND = (1 << 52) | (3 << 24), (2 << 52) | (1 << 24)
"""particle_id of vertex 1, particle 3 and of vertex 2, particle 1."""


def without(*kinds):
    return {kind: lines for kind, lines in ACTS.items() if kind not in kinds}


def write(folder, files):
    write_event(folder, files, compress=False)
    return folder / f"event000000001-{'measurements' if 'measurements' in files else 'hits'}.csv"


def test_measurements_with_their_truth(tmp_path):
    events = cortado.read(write(tmp_path, ACTS))
    (hits,), (particles,) = events.hits, events.particles
    assert hits.x.tolist() == pytest.approx([-30.5903034, 31.7922897, -77.1, 31.7])
    assert (hits.volume.tolist(), hits.layer.tolist()) == ([8, 8, 13, 8], [7, 7, 24, 7])
    assert hits.module.tolist() == [97, 104, (936748859932117248 >> 8) & 0xFFFFF, 104]
    assert hits.particle_id.tolist() == [FIRST, SECOND, FIRST, 0]
    assert particles.particle_id.tolist() == [FIRST, SECOND]
    assert particles.hits.layer.tolist() == [[7, 24], [7]]
    assert particles[0].px == pytest.approx(-4.11371803)
    assert hits.weight.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])
    assert "cells" not in hits.fields


def test_measurements_or_hits_can_be_named(tmp_path):
    path = write(tmp_path, ACTS)
    assert cortado.read(tmp_path / "event000000001-hits.csv").tolist() == cortado.read(path).tolist()


def test_cells(tmp_path):
    cells = ["geometry_id,measurement_id,channel0,channel1,timestamp,value", "1,2,5,6,0,0.5", "1,2,5,7,0,0.25"]
    events = cortado.read(write(tmp_path, ACTS | {"cells": cells}))
    assert (events.hits.cells.tolist(), events.hits.charge.tolist()) == ([[0, 0, 2, 0]], [[0, 0, 0.75, 0]])
    none = cortado.read(write(tmp_path, ACTS | {"cells": cells[:1]}))
    assert none.hits.cells.tolist() == [[0, 0, 0, 0]]


def test_truth_may_be_missing(tmp_path):
    events = cortado.read(write(tmp_path, {"measurements": ACTS["measurements"]}))
    assert events.fields == ["event_key", "event", "hits"]


def test_hits_of_the_simulation_where_nothing_was_measured(tmp_path):
    events = cortado.read(write(tmp_path, without("measurements", "measurement-simhit-map")))
    assert events.hits.x.tolist() == [pytest.approx([-30.5905552, 31.7914791, -77.0843506])]
    assert events.hits.particle_id.tolist() == [[FIRST, SECOND, FIRST]]


def test_particles_of_the_generator_where_there_are_none_of_the_simulation(tmp_path):
    files = without("particles_simulated") | {"particles": ACTS["particles_simulated"]}
    (events,) = cortado.read(write(tmp_path, files))
    assert events.particles.n_hits.tolist() == [2, 1]


def test_one_number_for_a_particle_as_older_versions_wrote_it(tmp_path):
    header = "particle_id_pv,particle_id_sv,particle_id_part,particle_id_gen,particle_id_subpart"

    def older(lines):
        rows = [",".join([str(FIRST if line[0] == "1" else SECOND), *line.split(",")[5:]]) for line in lines[1:]]
        return [lines[0].replace(header, "particle_id"), *rows]

    files = ACTS | {kind: older(ACTS[kind]) for kind in ("hits", "particles_simulated")}
    now = cortado.read(write(tmp_path, ACTS)).tolist()
    assert cortado.read(write(tmp_path, files)).tolist() == now


@pytest.mark.parametrize("kind", ["hits", "measurement-simhit-map", "particles_simulated"])
def test_truth_needs_all_its_files(tmp_path, kind):
    name = {"particles_simulated": "particles"}.get(kind, kind).replace("-", "_")
    with pytest.raises(KeyError, match=rf"ACTS CSV: the file of {name} is missing"):
        cortado.read(write(tmp_path, without(kind)))


@pytest.mark.parametrize(
    ("kind", "old", "new", "error", "message"),
    [
        (
            "measurements",
            "global_x",
            "global_w",
            KeyError,
            r"\['measurements_global_x'\]; nearest: .*measurements_global_w",
        ),
        ("measurements", "-77.1", "nan", ValueError, r"event 0: hit x is nan at position 2"),
        ("measurements", "2,9367", "1,9367", ValueError, r"measurement_id 1 occurs more than once"),
        ("measurements", "936748859932117248", "1441151880758558720", ValueError, r"in the volumes \[20\]"),
        ("measurement-simhit-map", "2,2", "2,3", ValueError, r"1 of 4 rows of the measurement-simhit-map lead to no"),
        ("measurement-simhit-map", "2,2", "9,2", ValueError, r"1 of 4 rows of the measurement-simhit-map lead to no"),
        ("hits", "2,0,1,0,0", "2048,0,1,0,0", ValueError, r"particle_id_pv 2048 of hits is not from 0 to 2047"),
        ("hits", "2,0,1,0,0", "2,0,9,0,0", ValueError, rf"1 hits have one of 1 values .*: {(2 << 52) | (9 << 24)}"),
    ],
)
def test_files_that_contradict_themselves_are_refused(tmp_path, kind, old, new, error, message):
    with pytest.raises(error, match=message):
        cortado.read(write(tmp_path, changed(ACTS, kind, old, new)))


def test_identifiers_are_packed_as_older_versions_did(tmp_path):
    files = ACTS
    for kind in ("hits", "particles_simulated"):
        files = changed(files, kind, "2,0,1,0,0", "2047,4095,65535,255,65535")
    (event,) = cortado.read(write(tmp_path, files))
    assert event.hits.particle_id.tolist()[1] == 2**63 - 1


def test_the_form_without_measurements_is_not_chosen_for_measurements_without_positions():
    names = ["measurements_measurement_id", "measurements_geometry_id", "hits_tx", "hits_geometry_id"]
    with pytest.raises(KeyError, match=r"measurements_global_x|is missing"):
        acts_csv.branches(names)
