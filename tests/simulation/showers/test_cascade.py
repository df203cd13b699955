import math

import awkward as ak
import h5py
import numpy as np
import pytest

pytest.importorskip("pythia8mc", reason="needs the extra `sim`", exc_type=ImportError)

from cortado.calorimeter import CALOGAN, Geometry, Layer, layers, shower_shapes
from cortado.simulation.showers.cascade import shower
from cortado.simulation.showers.materials import ELECTRON_MASS, LEAD, LIQUID_ARGON, PION_MASS
from cortado.simulation.showers.particles import ELECTRON, PHOTON, PION, POSITRON, push_two
from cortado.simulation.showers.processes import tables
from cortado.simulation.showers.readout import ACTIVE, LEAKED, LOST, block, calogan, deposit

TABLES = tables(LEAD, LIQUID_ARGON)
RADIATION_LENGTH, MOLIERE_RADIUS, CRITICAL_ENERGY = 5.612, 16.0, 7.43  # mm, mm, MeV, of lead
KINDS = pytest.mark.parametrize("kind", [PHOTON, ELECTRON, POSITRON, PION], ids=["photon", "e-", "e+", "pion"])


def simulate(kind, energies, calorimeter=None, seed=1):
    """What is read out [MeV], shape (n, size)."""
    calorimeter = calorimeter or calogan()
    readout = np.zeros((len(energies), calorimeter.size))
    for number, (energy, row) in enumerate(zip(energies, readout)):
        shower(kind, float(energy), TABLES, calorimeter, row, np.random.default_rng([seed, number]))
    return readout


def cells_of(readout):
    return readout[:, : sum(CALOGAN.sizes)]


def shares(readout):
    """Of the layers in all cells."""
    by_layer = np.split(cells_of(readout), np.cumsum(CALOGAN.sizes)[:-1], axis=1)
    total = np.array([layer.sum() for layer in by_layer])
    return total / total.sum()


def shapes(readout, energies):
    by_layer = {name: ak.Array(values) for name, values in layers(cells_of(readout) / 1000, CALOGAN).items()}
    return shower_shapes(ak.zip({"energy": energies / 1000, **by_layer}, depth_limit=1), CALOGAN)


def square(count, cells, half, depth, **materials):
    """Calorimeter of equal layers of cells."""
    edges = tuple(np.linspace(-half, half, cells + 1).tolist())
    geometry = Geometry("square", "cartesian", tuple(Layer(number, edges, edges) for number in range(count)))
    planes = tuple((depth / count * np.arange(1, count + 1)).tolist())
    return block(geometry, planes, **({"half_width": 1000.0, "absorber": depth, "active": 0.0} | materials))


@pytest.fixture(scope="module")
def positrons():
    return simulate(POSITRON, np.full(60, 1e4))


@KINDS
def test_no_energy_is_gained_or_lost(kind):
    energies = np.array([150.0, 1e3, 4e3, 2e4])
    hidden = {POSITRON: 2 * ELECTRON_MASS, PION: PION_MASS}.get(kind, 0.0)
    readout = simulate(kind, energies)
    assert np.allclose(readout.sum(axis=1), energies + hidden, rtol=1e-9)
    assert readout.min() >= 0
    assert (readout[:, LOST].max() > 0) == (kind == PION or readout[:, LOST].sum() > 0)


@KINDS
def test_showers_depend_on_nothing_but_their_random_numbers(kind):
    energies = np.array([500.0, 1e3])
    first, again, other = (simulate(kind, energies, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.any(np.all(first == other, axis=1))


# Workman et al. (Particle Data Group), Review of Particle Physics (2022), section 34.5: ln(E / E_c) -+ 0.5
@pytest.mark.parametrize(("kind", "offset"), [(ELECTRON, -0.5), (PHOTON, 0.5)], ids=["e-", "photon"])
def test_depth_of_the_shower_maximum_in_lead(kind, offset):
    lead = square(60, 1, 1000.0, 30 * RADIATION_LENGTH)
    profile = simulate(kind, np.full(60, 1e4), lead)[:, :60].mean(axis=0)
    depth = (np.arange(60) + 0.5) / 2
    near = profile > 0.8 * profile.max()
    curve = np.polyfit(depth[near], profile[near], 2)
    assert -curve[1] / 2 / curve[0] == pytest.approx(math.log(1e4 / CRITICAL_ENERGY) + offset, abs=0.5)


def test_ninety_percent_are_within_moliere_s_radius():
    lead = square(1, 201, 100.5, 40 * RADIATION_LENGTH)
    readout = simulate(ELECTRON, np.full(20, 1e4), lead).sum(axis=0)
    x = np.arange(201) - 100
    radius = np.hypot(x[:, None], x).ravel()
    order = np.argsort(radius)
    contained = np.cumsum(readout[: 201**2][order]) / readout[:LEAKED].sum()
    assert np.interp(0.9, contained, radius[order]) / MOLIERE_RADIUS == pytest.approx(1.15, abs=0.15)


# Output of Geant4's example TestEm3, version 9.1: 50 layers of 2.3 mm of lead and 5.7 mm of liquid argon
def test_energy_in_lead_and_in_argon_agrees_with_geant4():
    sandwich = {"absorber": 2.3, "active": 5.7, "half_width": 200.0}
    energies = np.full(300, 1e3)
    lead, argon = (
        simulate(ELECTRON, energies, square(1, 1, 250.0, 400.0, **sandwich, weights=weights))[:, :2].sum(axis=1)
        for weights in ((1.0, 0.0), (0.0, 1.0))
    )
    assert lead.mean() == pytest.approx(785.7, rel=0.02)
    assert argon.mean() == pytest.approx(204.9, rel=0.03)
    assert argon.std() == pytest.approx(14.4, abs=2.5)
    assert lead.std() == pytest.approx(16.3, abs=2.5)


# 25 showers of positrons that Geant4 made for CaloGAN: arXiv:1705.02355
def test_positrons_agree_with_those_of_geant4(test_data):
    path = test_data / "calorimeter" / "calogan_showers.h5"
    if not path.is_file():
        pytest.skip(f"no {path}")
    with h5py.File(path) as file:
        energies = file["energy"][...].ravel() * 1000
        names = ("layer_0", "layer_1", "layer_2", "overflow")
        real = np.concatenate([file[name][...].reshape(len(energies), -1) for name in names], axis=1)
    readout = simulate(POSITRON, np.repeat(energies, 2))
    assert real[:, 504:].sum() / real.sum() == pytest.approx(readout[:, 504:LEAKED].sum() / readout.sum(), rel=0.2)
    found, expected = shapes(readout, np.repeat(energies, 2)), shapes(real, energies)
    for name, precision in {
        "response": 0.002,
        "fraction_0": 0.2,
        "fraction_1": 0.05,
        "width_x_1": 0.06,
        "width_y_1": 0.06,
        "occupancy_1": 0.1,
        "occupancy_2": 0.25,
    }.items():
        assert found[name].mean() == pytest.approx(expected[name].mean(), rel=precision), name


def test_shares_of_the_layers(positrons):
    """Photons start later than positrons, and pions much later."""
    photons, pions = simulate(PHOTON, np.full(60, 1e4)), simulate(PION, np.full(100, 1e4))
    first = [shares(readout)[0] for readout in (positrons, photons, pions)]
    assert first == pytest.approx([0.30, 0.23, 0.10], abs=0.05)
    assert first[0] > first[1] + 0.02 > first[2] + 0.05
    assert [shares(readout)[2] for readout in (positrons, pions)] == pytest.approx([0.001, 0.07], abs=0.03)


def test_pions_are_wide_and_often_leave_the_block(positrons):
    energies = np.full(100, 1e4)
    pions = simulate(PION, energies)
    widths = [np.median(shapes(*both)["width_x_1"]) for both in ((positrons, energies[:60]), (pions, energies))]
    assert widths[1] > 1.05 * widths[0]
    # through 160 mm of lead and 320 mm of argon, with mean free paths of 199 and 1067 mm
    minimum_ionising = np.mean(cells_of(pions).sum(axis=1) < 400)
    assert minimum_ionising == pytest.approx(math.exp(-160 / 199.3 - 320 / 1067), abs=0.14)
    assert pions[:, LEAKED].mean() > 0.3 * 1e4


def test_showers_are_symmetric(positrons):
    found = shapes(positrons, np.full(60, 1e4))
    for name in ("centre_x_1", "centre_y_1"):
        assert found[name].mean() == pytest.approx(0, abs=4 * found[name].std() / math.sqrt(60))
    cells = positrons[:, 288:432].reshape(-1, 12, 12).mean(axis=0)
    for turned in (cells.T, cells[::-1], cells[:, ::-1]):
        assert np.abs(cells - turned).max() < 0.15 * cells.max()  # 60 showers


def test_mean_response_is_linear():
    responses = [cells_of(simulate(PHOTON, np.full(n, e))).sum() / n / e for e, n in ((1e3, 150), (6e3, 50), (3e4, 8))]
    assert responses == pytest.approx([0.994] * 3, abs=0.004)


def test_sampling_fluctuations_fall_with_the_root_of_the_energy():
    """Geant4 has 7.0 (7) % / sqrt(E) in the similar calorimeter of its example TestEm3."""
    argon = calogan((0.0, 1 / 0.176))
    terms = []
    for energy, count in ((1e3, 300), (9e3, 60)):
        response = cells_of(simulate(PHOTON, np.full(count, energy), argon)).sum(axis=1) / energy
        assert response.mean() == pytest.approx(1, abs=0.02)
        terms.append(response.std() * math.sqrt(energy / 1000))
    assert terms[0] == pytest.approx(0.075, abs=0.012)
    assert terms[1] == pytest.approx(0.075, abs=0.025)


def test_deposits_on_faces_and_edges_find_a_cell():
    calorimeter, readout = calogan(), np.zeros(calogan().size)
    near = math.nextafter(240.0, 0.0)
    places = {
        (0.0, 0.0, -1e-9): slice(0, 288),
        (near, near, 90.0): slice(431, 432),
        (-near, -near, 89.9): slice(0, 1),
        (near, -near, 480.0): slice(498, 499),
        (240.0, 0.0, 0.0): slice(504, 505),
        (0.0, -300.0, 437.0): slice(506, 507),
    }
    for place, where in places.items():
        deposit(readout, calorimeter, *place, 1.0)
        assert readout[where].sum() == 1, place
        readout[:] = 0
    deposit(readout, calogan((0.0, 5.0)), 0.0, 0.0, 3.0, 2.0)  # argon
    deposit(readout, calogan((0.0, 5.0)), 0.0, 0.0, 1.0, 2.0)  # lead
    assert readout.sum() == 10
    assert ACTIVE == 1


def test_the_particle_of_less_energy_is_followed_first():
    stack, direction = np.empty((4, 8)), (0.0, 0.0, 1.0)
    for first, second in ((1.0, 2.0), (2.0, 1.0)):
        number = push_two(stack, 0, (PHOTON, first, direction), (ELECTRON, second, direction), (0.0, 0.0, 0.0))
        assert number == 2
        assert stack[:2, 1].tolist() == [2.0, 1.0]
