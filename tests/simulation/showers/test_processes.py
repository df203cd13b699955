import math

import numpy as np
import pytest

pytest.importorskip("pythia8mc", reason="needs the extra `sim`", exc_type=ImportError)

from cortado.simulation.showers import processes, sampling
from cortado.simulation.showers.materials import ELECTRON_MASS, LEAD, LIQUID_ARGON, PION_MASS
from cortado.simulation.showers.particles import ELECTRON, PION

MATERIALS = pytest.mark.parametrize("material", [LEAD, LIQUID_ARGON], ids=["lead", "argon"])
EVERYTHING = 1e9  # MeV, as cut


def per_gram(values, material):
    return values * 10 / material.density  # cm2/g


@pytest.mark.parametrize(
    ("material", "energy", "expected"),
    # Hubbell and Seltzer, tables of X-ray mass attenuation coefficients (NIST, 2004), with coherent scattering
    [
        (LEAD, 0.2, 0.9985),
        (LEAD, 0.5, 0.1614),
        (LEAD, 1.0, 0.07102),
        (LEAD, 5.0, 0.04272),
        (LEAD, 10.0, 0.04972),
        (LIQUID_ARGON, 0.5, 0.07958),
        (LIQUID_ARGON, 1.0, 0.05762),
    ],
)
def test_attenuation_of_photons(material, energy, expected):
    one = np.array([energy])
    found = sum(process(one, material) for process in (processes.pair_production, processes.compton))
    found += processes.photoeffect(one, material)
    assert per_gram(found, material) == pytest.approx(expected, rel=0.10)


@MATERIALS
def test_pair_production_starts_at_two_masses_and_ends_at_seven_ninths(material):
    low, high = processes.pair_production(np.array([2 * ELECTRON_MASS, 1e5]), material)
    assert low == 0
    assert high * material.radiation_length == pytest.approx(7 / 9, rel=0.02)


def klein_nishina(k, cosine):
    ratio = 1 / (1 + k * (1 - cosine))
    return math.pi * 0.07940788 * ratio**2 * (ratio + 1 / ratio - 1 + cosine**2), ratio  # barn, of d(cosine)


@pytest.mark.parametrize("energy", [0.1, 1.0, 30.0])
def test_compton_scattering_agrees_with_its_differential_cross_section(energy):
    k = energy / ELECTRON_MASS
    cosines = np.linspace(-1, 1, 200_001)
    section, ratio = klein_nishina(k, cosines)
    per_mm = 82 * 0.602214 / LEAD.mass * LEAD.density / 10 * np.trapezoid(section, cosines)
    assert processes.compton(np.array([energy]), LEAD) == pytest.approx(per_mm, rel=1e-4)

    rng = np.random.default_rng(1)
    draws = np.array([sampling.compton_scattered.py_func(energy, rng) for _ in range(4000)])
    assert np.allclose(draws[:, 0], energy * klein_nishina(k, draws[:, 1])[1])
    mean = energy * np.average(ratio, weights=section)
    assert draws[:, 0].mean() == pytest.approx(mean, abs=4 * draws[:, 0].std() / math.sqrt(4000))


@MATERIALS
def test_radiation_of_fast_electrons_follows_the_radiation_length(material):
    for energy, precision in ((1e3, 0.02), (1e4, 0.02)):
        loss, _ = processes.bremsstrahlung(np.array([energy]), material, cut=EVERYTHING)
        assert loss * material.radiation_length == pytest.approx(energy, rel=precision)


# Berger and Seltzer: 800 MeV / (Z + 1.2)
@MATERIALS
def test_electrons_lose_as_much_by_radiation_as_by_collisions_at_the_critical_energy(material):
    energies = np.linspace(5, 60, 500)
    radiation, _ = processes.bremsstrahlung(energies, material, cut=EVERYTHING)
    collisions = processes.collision_loss(energies, material, EVERYTHING)
    assert energies[radiation > collisions][0] == pytest.approx(800 / (material.charge + 1.2), rel=0.06)


# Workman et al. (Particle Data Group), Review of Particle Physics (2022), atomic and nuclear properties
@pytest.mark.parametrize(("material", "expected"), [(LEAD, 1.122), (LIQUID_ARGON, 1.508)], ids=["lead", "argon"])
def test_least_loss_of_heavy_particles(material, expected):
    energies = np.geomspace(50, 5000, 300)
    loss = processes.collision_loss(energies, material, EVERYTHING, PION_MASS)
    assert per_gram(loss.min(), material) == pytest.approx(expected, rel=0.005)


@MATERIALS
@pytest.mark.parametrize(("kind", "mass"), [(ELECTRON, ELECTRON_MASS), (PION, PION_MASS)])
def test_loss_does_not_depend_on_the_cut_above_which_collisions_are_drawn(material, kind, mass):
    energy, cut = 1000.0, material.collision_cut
    beta2 = 1 - (mass / (energy + mass)) ** 2
    most = sampling.largest_transfer.py_func(kind, energy)
    drawn = math.log(most / cut) - (beta2 * (1 - cut / most) if kind == PION else 0)  # mean of T / T^2, and for spin 0
    drawn *= processes.tables(material).materials[0, 0] / beta2
    below, total = (processes.collision_loss(np.array([energy]), material, at, mass) for at in (cut, EVERYTHING))
    assert below + drawn == pytest.approx(total, rel=0.03)


@MATERIALS
@pytest.mark.parametrize("energy", [2.0, 30.0, 3000.0])
def test_photons_of_bremsstrahlung_have_the_energy_that_the_loss_wants(material, energy):
    constants, rng = processes.tables(material).materials[0], np.random.default_rng(1)
    draws = np.array([sampling.radiated.py_func(energy, *constants[5:8], rng) for _ in range(4000)])
    assert draws.min() >= processes.PHOTON_CUT
    assert draws.max() <= energy
    kinetic = np.array([energy])
    below, rate = processes.bremsstrahlung(kinetic, material)
    total, _ = processes.bremsstrahlung(kinetic, material, cut=EVERYTHING)
    assert draws.mean() == pytest.approx(float((total - below)[0] / rate[0]), abs=4 * draws.std() / math.sqrt(4000))


def test_transfers_fall_with_their_square():
    rng = np.random.default_rng(1)
    draws = np.array([sampling.transfer.py_func(0.5, 500.0, rng) for _ in range(10_000)])
    for edge in (1.0, 5.0):
        expected = (1 / edge - 1 / 500) / (1 / 0.5 - 1 / 500)
        assert np.mean(draws > edge) == pytest.approx(expected, abs=4 * math.sqrt(expected / 10_000))
    assert draws.min() >= 0.5
    assert draws.max() <= 500


def test_photons_free_neutrons_at_the_giant_resonance():
    energies = np.array([7.0, 13.4, 40.0])
    low, peak, high = processes.photonuclear(energies, LEAD)
    assert low == 0
    assert peak / processes.pair_production(energies, LEAD)[1] == pytest.approx(0.04, abs=0.02)
    assert high < 0.1 * peak


def test_tables_are_interpolated_to_better_than_a_percent():
    rates = processes.tables(LEAD, LIQUID_ARGON)
    coarse = (rates.rates[:, :-2:2] + rates.rates[:, 2::2]) / 2
    fine = rates.rates[:, 1:-1:2]
    above = np.exp(rates.start + rates.step * np.arange(1, rates.rates.shape[1] - 1, 2)) > 3  # MeV, beyond thresholds
    columns = [processes.PAIR, processes.COMPTON, processes.LOSS, processes.RADIATION]
    assert np.allclose(coarse[:, above][..., columns], fine[:, above][..., columns], rtol=0.02)
