import awkward as ak
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

pytest.importorskip("pythia8mc", reason="needs Pythia and FastJet (extra `sim`)", exc_type=ImportError)

from cortado.simulation.detector import Particles, impact_parameters, particle_flow


def record(pdg_id, pt, eta=0.0, phi=0.0, mass=0.0, vertex=(0.0, 0.0, 0.0), counts=None):
    """Stable particles in the form of Pythia's record; one event unless counts are given."""
    pdg_id, pt, eta, phi = np.broadcast_arrays(*(np.atleast_1d(column) for column in (pdg_id, pt, eta, phi)))
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    momentum = ak.zip({"px": px, "py": py, "pz": pz, "e": np.sqrt((pt * np.cosh(eta)) ** 2 + mass**2)})
    born = ak.zip({name: np.full(len(pt), value) for name, value in zip(("px", "py", "pz"), vertex, strict=True)})
    columns = {"id": pdg_id, "status": np.ones(len(pt), int), "p": momentum, "vProd": born}
    return ak.unflatten(ak.zip(columns, depth_limit=1), [len(pt)] if counts is None else counts)


def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize(
    ("pdg_id", "candidate", "charge"),
    [(211, 211, 1), (-321, -211, -1), (2212, 211, 1), (3112, -211, -1), (-3312, 211, 1), (11, 11, -1), (-13, -13, 1)],
)
def test_tracks_have_the_class_and_charge_of_the_particle(pdg_id, candidate, charge):
    seen = ak.flatten(particle_flow(record(np.full(200, pdg_id), 20.0), rng()))
    tracks = seen[seen.charge != 0]
    assert len(tracks) > 180
    assert set(tracks.pdgId) == {candidate}
    assert set(tracks.charge) == {charge}


def test_neutral_particles_are_photons_or_hadrons():
    eta = np.linspace(-2, 2, 4)
    assert set(ak.flatten(particle_flow(record(np.full(4, 22), 20.0, eta), rng()).pdgId)) == {22}
    assert set(ak.flatten(particle_flow(record(np.full(4, 2112), 50.0, eta), rng()).pdgId)) == {130}


@pytest.mark.parametrize(("pdg_id", "eta"), [(12, 0.0), (-16, 0.0), (22, 5.5), (13, 3.0)])
def test_unseen(pdg_id, eta):
    assert ak.sum(ak.num(particle_flow(record(pdg_id, 50.0, eta), rng()))) == 0


@pytest.mark.parametrize(("pdg_id", "candidate"), [(211, 130), (11, 22)])
def test_charged_particles_without_a_track_are_left_to_the_calorimeters(pdg_id, candidate):
    outside = particle_flow(record(pdg_id, 50.0, 3.0), rng())
    late = particle_flow(record(pdg_id, 50.0, vertex=(600.0, 0.0, 0.0)), rng())
    assert outside.pdgId.to_list() == late.pdgId.to_list() == [[candidate]]


def test_track_resolution():
    seen = ak.flatten(particle_flow(record(np.full(8000, 211), 100.0), rng()))
    tracks = seen[seen.charge != 0]
    assert len(tracks) / 8000 == pytest.approx(0.95, abs=0.01)
    assert np.std(tracks.pt) / 100 == pytest.approx(np.hypot(0.007, 0.015), rel=0.05)
    for name in ("d0", "dz"):
        assert np.std(tracks[name] / tracks[f"{name}Err"]) == pytest.approx(1, abs=0.04)
    assert np.mean(tracks.d0Err) == pytest.approx(12e-4, rel=0.01)


@pytest.mark.parametrize(("pdg_id", "expected"), [(22, np.hypot(0.028 / 10, 0.005)), (2112, np.hypot(0.1, 0.08))])
def test_calorimeter_resolution(pdg_id, expected):
    particles = record(np.full(5000, pdg_id), 100.0, counts=np.ones(5000, int))
    pt = ak.to_numpy(ak.flatten(particle_flow(particles, rng()).pt))
    assert np.mean(pt) == pytest.approx(100, rel=0.01)
    assert np.std(pt) / 100 == pytest.approx(expected, rel=0.06)


def test_photons_in_one_crystal_merge():
    near = particle_flow(record([22, 22], [30.0, 30.0], [0.001, 0.004]), rng())
    far = particle_flow(record([22, 22], [30.0, 30.0], [0.001, 0.1]), rng())
    assert ak.num(near).to_list() == [1]
    assert near.pt[0, 0] == pytest.approx(60, rel=0.05)
    assert ak.num(far).to_list() == [2]


def test_cells_do_not_mix_events():
    counts = [1, 0, 2]
    seen = particle_flow(record([22, 22, 22], [30.0, 40.0, 50.0], [0.0, 0.0, 1.0], counts=counts), rng())
    assert ak.num(seen).to_list() == counts


@pytest.mark.parametrize("phi", [np.pi, -np.pi, np.pi - 1e-9])
def test_azimuth_stays_on_its_branch(phi):
    seen = ak.flatten(particle_flow(record(np.tile([22, 211], 500), 30.0, phi=phi, counts=np.full(500, 2)), rng()))
    assert ak.min(seen.phi) >= -np.float32(np.pi)
    assert ak.max(seen.phi) <= np.float32(np.pi)
    assert ak.all(abs(abs(seen.phi) - np.pi) < 0.2)


def test_candidates_are_sorted_and_hold_the_visible_energy(pythia_events):
    particles = pythia_events("qcd")
    seen = particle_flow(particles, rng())
    assert ak.all(seen.pt[:, :-1] >= seen.pt[:, 1:])
    kind = abs(particles.id)
    stable = particles[(particles.status > 0) & (kind != 12) & (kind != 14) & (kind != 16)]
    pt = np.hypot(stable.p.px, stable.p.py)
    visible = ak.sum(pt[abs(stable.p.pz) < pt * np.sinh(5)])
    assert ak.sum(seen.pt) == pytest.approx(visible, rel=0.03)


def test_no_particles():
    seen = particle_flow(record([22, 12], [30.0, 30.0], counts=[0, 1, 1]), rng())
    assert ak.num(seen).to_list() == [0, 1, 0]


def test_impact_parameters_against_a_walk_along_the_helix():
    """Slow twin: follow the track in small steps and look for its closest approach."""
    source = np.random.default_rng(1)
    n = 40
    x, y, z = source.normal(0, [[2.0], [2.0], [5.0]], (3, n))
    pt, phi, eta = source.exponential(5, n) + 0.5, source.uniform(-np.pi, np.pi, n), source.uniform(-2, 2, n)
    charge = source.choice([-1, 1], n)
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    zeros = np.zeros(n, int)
    d0, dz = impact_parameters(Particles(zeros, zeros, charge, px, py, pz, pz, x, y, z))
    for i in range(n):
        curvature = -charge[i] * 0.00299792458 * 3.8 / pt[i]  # turn of phi per cm

        def position(s, i=i, curvature=curvature):
            turned = phi[i] + curvature * s
            return (
                x[i] + (np.sin(turned) - np.sin(phi[i])) / curvature,
                y[i] - (np.cos(turned) - np.cos(phi[i])) / curvature,
                turned,
            )

        half_turn = np.pi / abs(curvature)
        coarse = np.linspace(-half_turn, half_turn, 2001)
        start = coarse[np.argmin(np.hypot(*position(coarse)[:2]))]
        step = coarse[1] - coarse[0]
        best = minimize_scalar(
            lambda s: np.hypot(*position(s)[:2]), bounds=(start - step, start + step), options={"xatol": 1e-9}
        ).x
        at_x, at_y, turned = position(best)
        assert d0[i] == pytest.approx(-at_x * np.sin(turned) + at_y * np.cos(turned), abs=1e-4)
        assert dz[i] == pytest.approx(z[i] + best * np.sinh(eta[i]), abs=1e-3)
