"""Files of hits, read back without a reader."""

import subprocess
import sys
from dataclasses import replace

import awkward as ak
import numpy as np
import pytest
import uproot

from cortado import ntuples
from cortado.simulation import simulate_hits
from cortado.simulation.hits import COMPACT, simulate
from cortado.simulation.hits.detector import layers

HITS = {"x": "float32", "y": "float32", "z": "float32", "layer": "int32", "volume": "int32", "module": "int32"}
HITS |= {"particle_id": "int64", "weight": "float32"}
PARTICLES = {"particle_id": "int64", "charge": "int32", "pdg_id": "int32"}
PARTICLES |= dict.fromkeys(("px", "py", "pz", "vx", "vy", "vz"), "float32")


def read(path):
    return ntuples.arrays(ntuples.steps(str(path))[0], ntuples.branch_names(str(path)))


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    path = tmp_path_factory.mktemp("hits") / "hits.root"
    return simulate_hits(path, events=6, mu=3.0, seed=4, workers=1), read(path)


def test_the_dialect(sample):
    summary, events = sample
    assert ntuples.find_tree(str(summary.path)) == "hits"
    for name, types in (("hit", HITS), ("particle", PARTICLES)):
        for field, kind in types.items():
            assert str(events[f"{name}_{field}"].type) == f"6 * var * {kind}"
    with uproot.open(summary.path) as file:
        assert {"nhit", "nparticle", "run", "luminosityBlock", "event"} < set(file["hits"].keys())
    assert events.run.tolist() == [4] * 6
    assert events.event.tolist() == list(range(6))


def test_what_was_made(sample):
    summary, events = sample
    assert (summary.detector, summary.events) == ("compact", 6)
    assert summary.hits == ak.sum(ak.num(events.hit_x))
    assert summary.particles == ak.sum(ak.num(events.particle_px))
    assert summary.noise == pytest.approx(ak.mean(ak.flatten(events.hit_particle_id) == 0))


def test_hits_belong_to_particles_or_to_noise(sample):
    _, events = sample
    for event in events:
        names = set(event.particle_particle_id.tolist())
        assert len(names) == len(event.particle_particle_id)
        assert set(event.hit_particle_id.tolist()) <= names | {0}


def test_weights_add_up_to_one_and_noise_has_none(sample):
    _, events = sample
    assert ak.sum(events.hit_weight, axis=1).to_numpy() == pytest.approx(1, abs=1e-4)
    assert ak.all((events.hit_weight == 0) == (events.hit_particle_id == 0))


def test_single_precision_keeps_hits_on_their_layers(sample):
    _, events = sample
    hits = {name: ak.to_numpy(ak.flatten(events[f"hit_{name}"])).astype(float) for name in ("x", "y", "z")}
    layer = ak.to_numpy(ak.flatten(events.hit_layer))
    table = layers(COMPACT)
    place = np.where(table.cylinder[layer], np.hypot(hits["x"], hits["y"]), hits["z"])
    assert place == pytest.approx(table.place[layer], abs=1e-3)
    assert np.array_equal(ak.to_numpy(ak.flatten(events.hit_volume)), table.volume[layer])


def test_efficiency_and_noise_are_those_of_the_detector(tmp_path):
    perfect = replace(COMPACT, efficiency=1.0, noise=0.0)
    crossed = simulate_hits(tmp_path / "all.root", events=20, mu=2.0, detector=perfect, workers=1)
    half = simulate_hits(
        tmp_path / "half.root", events=20, mu=2.0, detector=replace(perfect, efficiency=0.5), workers=1
    )
    noisy = simulate_hits(tmp_path / "noise.root", events=20, mu=2.0, detector=replace(perfect, noise=5.0), workers=1)
    assert crossed.noise == 0
    assert crossed.particles == half.particles == noisy.particles
    assert half.hits / crossed.hits == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(crossed.hits))
    assert noisy.hits - crossed.hits == pytest.approx(20 * 48 * 5, abs=4 * np.sqrt(4800))


def test_events_do_not_depend_on_workers(tmp_path, monkeypatch, one_worker):
    monkeypatch.setattr(simulate, "MOST_EVENTS", 2)
    done = []
    for name, seed, workers in (("a", 4, 1), ("b", 4, 2), ("c", 5, 1)):
        simulate_hits(tmp_path / f"{name}.root", events=5, mu=1.0, seed=seed, workers=workers, progress=done.append)
    a, b, c = (read(tmp_path / f"{name}.root") for name in "abc")
    assert ak.array_equal(a, b)
    assert not ak.array_equal(ak.num(a.hit_x), ak.num(c.hit_x))
    assert done == [2, 2, 1] * 3
    assert a.event.tolist() == list(range(5))
    assert a.luminosityBlock.tolist() == [1, 1, 2, 2, 3]
    assert not ak.array_equal(a.hit_x[0], a.hit_x[2])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"detector": "compcat"}, "detector = 'compcat', required: one of compact, generic; nearest: compact"),
        ({"generator": "herwig"}, "generator = 'herwig', required: one of simple, pythia"),
        ({"mu": -1.0}, "mu is -1.0; it must be from 0 to 1000"),
        ({"mu": float("nan")}, "mu is nan; it must be from 0"),
        ({"events": 0}, "events is 0; it must be from 1"),
        ({"seed": 0}, "seed is 0; it must be from 1"),
        ({"workers": 0}, "workers is 0; it must be from 1"),
    ],
)
def test_no_such_sample(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        simulate_hits(tmp_path / "hits.root", **({"events": 1} | options))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "module, package, options, extra",
    [
        ("pythia8mc", "pythia8mc", {"generator": "pythia"}, "sim"),
        ("acts.examples", "acts", {"detector": "generic"}, "acts"),
    ],
)
def test_an_extra_that_is_missing_is_named(monkeypatch, tmp_path, module, package, options, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"needs {package}, of the extra `{extra}`: pip install"):
        simulate_hits(tmp_path / "hits.root", events=1, **options)


def test_hits_need_no_extra(tmp_path):
    code = f"""
import sys
sys.modules.update(dict.fromkeys(["pythia8mc", "fastjet", "numba", "acts"]))
from cortado.simulation import simulate_hits, simulate_toy_hits
simulate_hits({str(tmp_path / "hits.root")!r}, events=1, mu=0.0, workers=1)
simulate_toy_hits({str(tmp_path / "toy.root")!r}, events=1)
from cortado.simulation import simulate_jets  # studies that import it run on files without it
try:
    simulate_jets("a.root")
except ImportError as error:
    print(error)
import cortado.simulation
try:
    cortado.simulation.simulate_jet
except AttributeError as error:
    print(error)
"""
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "simulate_jets needs fastjet, of the extra `sim`: pip install" in printed
    assert "has no attribute 'simulate_jet'; it has " in printed
    assert "simulate_jets" in printed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hits.root", "toy.root"]
