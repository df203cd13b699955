from collections import defaultdict

import numpy as np
import pytest

pytest.importorskip("pythia8mc", reason="needs Pythia and FastJet (extra `sim`)", exc_type=ImportError)

from cortado.simulation import balance


def slowly(flavour, places, wanted):
    """Slow twin: jets wait in queues; when a bin has one of each flavour, the three are taken."""
    queues, taken = defaultdict(lambda: {5: [], 4: [], 0: []}), []
    for jet, (kind, place) in enumerate(zip(flavour, places)):
        waiting = queues[place]
        waiting[kind].append(jet)
        if all(waiting.values()) and len(taken) < 3 * wanted:
            taken += [waiting[one].pop(0) for one in (5, 4, 0)]
    return sorted(taken)


def test_triplets_against_queues():
    source = np.random.default_rng(1)
    for _ in range(100):
        n = source.integers(20, 200)
        flavour, places = source.choice([5, 4, 0], n), source.integers(0, 6, n)
        available = balance.counts(flavour, places).min(axis=0).sum()
        for wanted in {0, int(available) // 2, int(available)}:
            assert balance.triplets(flavour, places, wanted).tolist() == slowly(flavour, places, wanted)


def test_bins_are_numbered_without_gaps():
    pt, eta, tracks = (
        grid.ravel() for grid in np.meshgrid([20, *balance.PT_EDGES], [0, *balance.ETA_EDGES], range(15))
    )
    assert set(balance.kinematic_bin(pt, eta, tracks).tolist()) == set(range(balance.BINS))
    assert balance.kinematic_bin(pt, -eta, tracks).tolist() == balance.kinematic_bin(pt, eta, tracks).tolist()


def test_counts():
    found = balance.counts(np.array([5, 0, 0, 4, 0]), np.array([1, 1, 2, 0, 2]))
    assert found.shape == (3, balance.BINS)
    assert found[:, :3].tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 2]]
