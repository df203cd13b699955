"""The generic detector of ACTS: its numbers agree with those of the compact one."""

import json

import awkward as ak
import numpy as np
import pytest

pytest.importorskip("acts", reason="needs ACTS (extra `acts`)")

from cortado import ntuples
from cortado.simulation import simulate_hits
from cortado.simulation.hits.acts_detector import generic
from cortado.simulation.hits.detector import COMPACT, layers
from cortado.simulation.hits.generic import digitisation, generic_hits
from cortado.simulation.hits.particles import simple_particles


def flat(events, *names):
    return (ak.to_numpy(ak.flatten(events[f"hit_{name}"])) for name in names)


def test_layers_are_those_of_the_compact_detector():
    modules, table = generic().modules, layers(COMPACT)
    assert len(modules.key) == len(np.unique(modules.key))
    for layer in range(len(table.place)):
        chosen = modules.layer == layer
        x, y, z = modules.centre[chosen].T
        place = np.hypot(x, y) if table.cylinder[layer] else z
        assert place == pytest.approx(table.place[layer], abs=6)
        assert np.all(modules.volume[chosen] == table.volume[layer])


def test_hits_lie_on_the_modules_that_they_name(generic_sample):
    _, events = generic_sample
    modules = generic().modules
    row = {pair: k for k, pair in enumerate(zip(modules.layer.tolist(), modules.module.tolist(), strict=True))}
    layer, module, volume, x, y, z = flat(events, "layer", "module", "volume", "x", "y", "z")
    chosen = np.array([row[pair] for pair in zip(layer.tolist(), module.tolist(), strict=True)])
    away = np.stack([x, y, z], axis=-1) - modules.centre[chosen]
    normal = np.cross(modules.axes[chosen, 0], modules.axes[chosen, 1])
    assert np.sum(away * normal, axis=1) == pytest.approx(0, abs=1e-3)
    assert np.array_equal(volume, modules.volume[chosen])


def test_truth(generic_sample):
    summary, events = generic_sample
    assert (summary.detector, summary.events, summary.noise) == ("generic", 4, 0)
    for event in events:
        assert set(event.hit_particle_id.tolist()) <= set(event.particle_particle_id.tolist())
    given = simple_particles(4, 2.0, np.random.default_rng([3, 0]))
    for event in range(4):
        chosen = given.event == event
        kept = events.particle_particle_id[event].to_numpy()
        assert np.isin(given.particle_id[chosen], kept).mean() > 0.99
        first = np.flatnonzero(kept == 1)[0]
        assert events.particle_px[event][first] == pytest.approx(given.momentum[chosen][0, 0], rel=1e-5)


def test_a_fast_central_particle_is_seen_by_the_ten_cylinders(generic_sample):
    _, events = generic_sample
    px, py, pz = events.particle_px, events.particle_py, events.particle_pz
    central = (np.hypot(px, py) > 2) & (abs(pz) < 0.5 * np.hypot(px, py))
    barrel = set(np.flatnonzero(layers(COMPACT).cylinder).tolist())
    seen = [
        set(events.hit_layer[event][events.hit_particle_id[event] == name].tolist())
        for event in range(4)
        for name in events.particle_particle_id[event][central[event]]
    ]
    assert len(seen) > 5
    assert np.mean([layers_of == barrel for layers_of in seen]) > 0.7


def test_resolution_is_that_of_the_configuration():
    volumes = digitisation()["entries"]
    assert [entry["volume"] for entry in volumes] == [7, 8, 9, 12, 13, 14, 16, 17, 18]
    assert volumes[3]["value"]["smearing"] == [
        {"index": 0, "mean": 0.0, "stddev": pytest.approx(0.08 / np.sqrt(12)), "type": "Gauss"},
        {"index": 1, "mean": 0.0, "stddev": pytest.approx(1.2 / np.sqrt(12)), "type": "Gauss"},
    ]


def test_the_same_seed_makes_the_same_hits():
    particles = simple_particles(1, 0.0, np.random.default_rng(1))
    one, again, other = (generic_hits(particles, 1, seed=seed)[0] for seed in (1, 1, 2))
    for a, b in zip(one, again, strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(one.position, other.position)


def test_own_configuration_equals_the_example_of_acts(test_data):
    example = json.loads((test_data / "acts" / "generic-digi-smearing-config.json").read_text())
    ours = digitisation()
    assert ours["acts-geometry-hierarchy-map"] == example["acts-geometry-hierarchy-map"]
    for one, other in zip(ours["entries"], example["entries"], strict=True):
        assert one["volume"] == other["volume"]
        sigmas = [[part["stddev"] for part in entry["value"]["smearing"]] for entry in (one, other)]
        assert sigmas[0] == pytest.approx(sigmas[1][:2])


def test_an_event_without_particles_has_no_hits(tmp_path):
    particles = simple_particles(2, 0.0, np.random.default_rng(1))
    chosen = particles.event == 1
    hits, _ = generic_hits(type(particles)(*(column[chosen] for column in particles)), 2, seed=1)
    assert set(hits.event.tolist()) == {1}


def test_the_same_seed_makes_the_same_file(tmp_path, generic_sample):
    summary, events = generic_sample
    path = tmp_path / "again.root"
    again = simulate_hits(path, events=4, mu=2.0, detector="generic", seed=3, workers=1)
    assert again[1:] == summary[1:]
    assert ak.array_equal(ntuples.arrays(ntuples.steps(str(path))[0], ntuples.branch_names(str(path))), events)
