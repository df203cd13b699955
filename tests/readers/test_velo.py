"""Hits of the LHCb VELO."""

import json

import numpy as np
import pytest
from event_files import velo, write_velo

import cortado


def read(folder, **changes):
    return cortado.read(write_velo(folder / "velo_event_4.json", velo(**changes)))


def particles(*rows):
    return {"montecarlo": velo()["montecarlo"] | {"particles": list(rows)}}


def test_modules_stations_and_truth(tmp_path):
    events = read(tmp_path)
    (hits,), (made,) = events.hits, events.particles
    assert events.event.tolist() == [4]
    assert hits.module.tolist() == [8, 8, 9, 9, 13, 13, 13]
    assert hits.layer.tolist() == [4, 4, 4, 4, 6, 6, 6]
    assert hits.particle_id.tolist() == [1, 1, 1, 13, 1, 13, 0]
    assert made.particle_id.tolist() == [1, 13]
    assert made.hits.z.tolist() == [pytest.approx([-138.1, -137.0, -125.5, -63.1]), pytest.approx([-63.2, -125.6])]
    assert np.hypot(made.px, made.py).tolist() == pytest.approx([0.3, 0.4])
    assert made.pz.tolist() == pytest.approx([0.3 * np.sinh(3.5), -0.4 * np.sinh(3.2)])
    assert (made.charge.tolist(), made.pdg_id.tolist()) == ([1, -1], [211, -13])


def test_truth_may_be_missing(tmp_path):
    content = velo()
    del content["montecarlo"]
    events = cortado.read(write_velo(tmp_path / "1.json", content))
    assert events.fields == ["event_key", "event", "hits"]


def test_events_of_nothing(tmp_path):
    empty = read(tmp_path, x=[], y=[], z=[], module_prefix_sum=[0] * 53, **particles())
    assert (empty.hits.tolist(), empty.particles.tolist()) == ([[]], [[]])
    noise = read(tmp_path, **particles())
    assert noise.hits.particle_id.tolist() == [[0] * 7]
    assert noise.particles.tolist() == [[]]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_real_events(test_data, number):
    path = test_data / f"tracking/lhcb_velo/velo_event_{number}.json"
    content = json.loads(path.read_text())
    (event,) = cortado.read(path)
    rows = content["montecarlo"]["particles"]
    assert event.hits.z.tolist() == pytest.approx(content["z"])
    assert np.bincount(event.hits.module, minlength=52).tolist() == np.diff(content["module_prefix_sum"]).tolist()
    assert np.all(np.diff(event.hits.layer) >= 0)
    owners = {}
    for row in rows:
        for hit in row[-1]:
            owners.setdefault(hit, row[0] + 1)
    assert event.hits.particle_id.tolist() == [owners.get(hit, 0) for hit in range(len(event.hits))]
    steps = [np.sign(np.diff(z)) for z in event.particles.hits.z.tolist()]
    one_way = [len(set(step)) <= 1 for step in steps]
    assert np.mean(one_way) > 0.98


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"module_prefix_sum": [0] * 9 + [2] * 44}, r"event 0: module_prefix_sum does not count its 7 hits"),
        ({"module_prefix_sum": [0] * 9 + [8] + [7] * 43}, r"event 0: module_prefix_sum does not count its 7 hits"),
        ({"x": [0.0] * 6}, r"event 0|different numbers"),
        ({"y": [0.0] * 6}, r"columns of hits have different numbers of elements: \{'x': 7, 'y': 6"),
        ({"z": [float("nan")] + [0.0] * 6}, r"velo_event_4.json.*event 0: hit z is nan at position 0; 1 in all"),
        (particles([3, 1, 1, 1, 1, 1, 1, 1, [7]]), r"event 0: a particle has a hit that does not exist, there are 7"),
        (particles([3, 1, 1, 1, 1, 1, 1, 1, [1, -1]]), r"event 0: a particle has a hit that does not exist"),
        (particles(*[[3, 1, 1, 1, 1, 1, 1, 1, [1]]] * 2), r"particle_id of particles 4 occurs more than once"),
    ],
)
def test_files_that_contradict_themselves_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, **changes)


def test_a_missing_column_of_the_particles_is_told(tmp_path):
    content = velo()
    content["montecarlo"]["description"][3] = "pT"
    with pytest.raises(KeyError, match=r"LHCb VELO needs .*\['particles_pt'\]; nearest: particles_pT"):
        cortado.read(write_velo(tmp_path / "1.json", content))
