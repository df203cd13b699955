"""Nearest simulated showers, against trying all of them."""

import numpy as np
import pytest

from cortado.metrics import nearest_showers


def toy(n, seed):
    """Incident energies [GeV], shape (n,), and cells [GeV], shape (n, 12)."""
    rng = np.random.default_rng(seed)
    energy = rng.uniform(1, 100, n)
    return energy, energy[:, None] * rng.dirichlet(np.ones(12), n)


def slow_nearest(energy, cells, simulated_energy, simulated_cells, tolerance):
    """One pair after another."""
    numbers, distances = [], []
    for e, shower in zip(energy, cells):
        best = (None, np.inf)
        for number, (f, other) in enumerate(zip(simulated_energy, simulated_cells)):
            distance = np.sqrt(((shower / e - other / f) ** 2).sum())
            if abs(f - e) <= tolerance * e and distance < best[1]:
                best = (number, distance)
        numbers.append(best[0])
        distances.append(best[1])
    return numbers, distances


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_nearest_showers_are_those_of_the_slow_twin(block):
    generated, simulated = toy(5, 1), toy(300, 2)
    nearest = nearest_showers(*generated, *simulated, tolerance=0.2, block=block)
    numbers, distances = slow_nearest(*generated, *simulated, 0.2)
    assert nearest.number.tolist() == numbers
    np.testing.assert_allclose(nearest.distance, distances)


def test_a_copy_is_its_own_neighbour():
    energy, cells = toy(50, 3)
    nearest = nearest_showers(energy[10:13], cells[10:13], energy, cells.astype(np.float32))
    assert nearest.number.tolist() == [10, 11, 12]
    np.testing.assert_allclose(nearest.distance, 0, atol=1e-6)


def test_only_showers_of_similar_energy_are_neighbours():
    shower = np.array([[1.0, 0.0]])
    nearest = nearest_showers([10.0], 10 * shower, [50.0, 10.4], np.array([[50.0, 0.0], [5.2, 5.2]]))
    assert nearest.number.tolist() == [1]


def test_no_generated_showers_have_no_neighbours():
    energy, cells = toy(10, 4)
    nearest = nearest_showers(energy[:0], cells[:0], energy, cells)
    assert (len(nearest.number), len(nearest.distance)) == (0, 0)


def test_showers_without_neighbours_and_unfit_arrays_are_refused():
    energy, cells = toy(10, 5)
    with pytest.raises(ValueError, match=r"is within 5 % of 9 GeV; the nearest of 2 has 8\.5 GeV"):
        nearest_showers([9.0], cells[:1], [1.0, 8.5], cells[:2])
    with pytest.raises(ValueError, match="within 5 % of 50 GeV; there are none"):
        nearest_showers([50.0], cells[:1], [], cells[:0])
    with pytest.raises(ValueError, match=r"2 energies and cells \(1, 12\), 10 simulated energies and cells \(10, 12\)"):
        nearest_showers([50.0, 20.0], cells[:1], energy, cells)
