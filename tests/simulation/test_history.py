import awkward as ak
import numpy as np
import pytest

pytest.importorskip("pythia8mc", reason="needs Pythia and FastJet (extra `sim`)", exc_type=ImportError)

from cortado.simulation.detector import charge_of
from cortado.simulation.history import C_FROM_B, FROM_B, FROM_C, OTHER, PRIMARY, history, origins

# name: PDG code, status, mother, position where it is made
DECAYS = {
    "system": (90, -11, None, 0),
    "quark": (5, -71, "system", 0),
    "B0": (511, -83, "quark", 0),
    "rho": (113, -83, "quark", 0),
    "rho pi": (211, 91, "rho", 0),
    "D*": (-413, -91, "B0", 2),
    "B pi": (211, 91, "B0", 2),
    "psi": (443, -91, "B0", 2),
    "gluon": (21, -93, "psi", 2),
    "psi pi": (211, 84, "gluon", 2),
    "D0": (-421, -91, "D*", 2),
    "D* pi": (-211, 91, "D*", 2),
    "K": (321, 91, "D0", 5),
    "KS": (310, -91, "D0", 5),
    "KS pi": (211, 91, "KS", 30),
    "D+": (411, -83, "quark", 0),
    "mu": (-13, 91, "D+", 4),
}


def pythia_record(events=1):
    """Particles in Pythia's form; each lives until the place where its daughters are, along x."""
    names = list(DECAYS)
    made = {name: float(place) for name, (*_, place) in DECAYS.items()}
    lives = {mother: made[name] for name, (_, _, mother, _) in DECAYS.items() if mother}
    mothers = [names.index(mother) if mother else 0 for _, _, mother, _ in DECAYS.values()]
    zero = np.zeros(len(names))
    columns = {
        "id": [code for code, *_ in DECAYS.values()],
        "status": [status for _, status, *_ in DECAYS.values()],
        "mother1": mothers,
        "p": ak.zip({"px": zero + 4, "py": zero, "pz": zero + 3, "e": zero + 6}),
        "m": zero + 2.0,
        "vProd": ak.zip({"px": [made[name] for name in names], "py": zero, "pz": zero}),
        "tau": [(lives.get(name, made[name]) - made[name]) * 2 / 4 for name in names],
    }
    return ak.unflatten(ak.Array(ak.zip(columns, depth_limit=1).to_list() * events), [len(names)] * events)


def test_tracks_begin_where_the_last_long_lived_ancestor_decays():
    found = history(pythia_record(events=2))
    tracks = np.flatnonzero(found.stable)
    rows, vertices = origins(found, tracks, 2)
    names = [list(DECAYS)[index % len(DECAYS)] for index in tracks]
    types = dict(zip(names, vertices.type[rows].tolist()))
    assert types == {
        "rho pi": PRIMARY,
        "B pi": FROM_B,
        "psi pi": FROM_B,
        "D* pi": FROM_B,
        "K": C_FROM_B,
        "KS pi": OTHER,
        "mu": FROM_C,
    }
    row_of = dict(zip(names[: len(types)], rows))
    assert row_of["B pi"] == row_of["psi pi"] == row_of["D* pi"]
    assert len(set(rows.tolist())) == 2 * 5
    assert rows[names.index("rho pi")] == 0
    assert np.array_equal(vertices.x[rows], found.x[tracks])


def test_vertices_know_the_particle_that_decayed():
    found = history(pythia_record())
    _, vertices = origins(found, np.flatnonzero(found.stable), 1)
    place = {code: row for row, code in enumerate(vertices.pdg_id.tolist())}
    d0 = place[-421]
    assert (vertices.pt[d0], vertices.eta[d0], vertices.mass[d0]) == (4, pytest.approx(np.arcsinh(0.75)), 2)
    assert vertices.flight[d0] == pytest.approx(3 * 5 / 4)
    assert vertices.z[d0] == pytest.approx(3 * 3 / 4)
    assert vertices.pdg_id[0] == vertices.flight[0] == 0


def test_real_tracks_begin_at_their_vertices(pythia_events):
    found = history(pythia_events("top"))
    charged = (charge_of(found.pdg_id) != 0) & (np.abs(found.pdg_id) != 11)  # a fast pi0 flies 0.1 mm
    tracks = np.flatnonzero(found.stable & charged)
    rows, vertices = origins(found, tracks, 40)
    for axis in ("x", "y", "z"):
        assert getattr(vertices, axis)[rows] == pytest.approx(getattr(found, axis)[tracks], abs=1e-3)
    displaced = np.hypot(found.x[tracks], found.y[tracks]) > 0.01
    assert np.all(vertices.type[rows[displaced]] != PRIMARY)
    assert set(vertices.type.tolist()) == {PRIMARY, FROM_B, C_FROM_B, FROM_C, OTHER}
