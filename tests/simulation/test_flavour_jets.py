import awkward as ak
import numpy as np
import pytest

pytest.importorskip("pythia8mc", reason="needs Pythia and FastJet (extra `sim`)", exc_type=ImportError)

from cortado.kinematics import delta_r
from cortado.simulation.flavour_jets import Jets, cluster, flavour, nearest_jet, pairs, with_tracks
from cortado.simulation.history import FAKE, FROM_B, PILEUP, PRIMARY, Vertices, history
from cortado.simulation.tracks import Helices


def jets_at(event, eta, phi):
    event, eta, phi = (np.asarray(column) for column in (event, eta, phi))
    return Jets(event, np.full(len(event), 50.0), eta.astype(float), phi.astype(float), np.full(len(event), 5.0))


def tracks_at(event, eta, phi, vertex=None, pt=2.0):
    event, eta, phi, pt = np.broadcast_arrays(event, np.asarray(eta, float), np.asarray(phi, float), pt)
    theta = 2 * np.arctan(np.exp(-eta))
    zero = np.zeros(len(event))
    parameters = np.stack([zero, zero, phi, theta, np.sin(theta) / pt], axis=-1)
    return Helices(event, parameters, np.zeros(len(event), int) if vertex is None else np.asarray(vertex))


def vertices(types):
    columns = {name: np.arange(len(types), dtype=float) for name in Vertices._fields}
    return Vertices(**(columns | {"type": np.asarray(types), "pdg_id": np.arange(len(types))}))


def test_pairs():
    first, second = pairs(np.array([2, 0, 3, 2]), np.array([0, 0, 1, 2]))
    assert list(zip(first.tolist(), second.tolist())) == [(0, 3), (1, 0), (1, 1), (3, 3)]


def test_nearest_jet_against_a_loop():
    source = np.random.default_rng(1)
    jets = jets_at(np.sort(source.integers(0, 6, 25)), source.uniform(-1, 1, 25), source.uniform(-np.pi, np.pi, 25))
    tracks = tracks_at(source.integers(0, 6, 200), source.uniform(-1, 1, 200), source.uniform(-np.pi, np.pi, 200))
    found = nearest_jet(jets, tracks)
    for track, event in enumerate(tracks.event):
        theta, phi = tracks.parameters[track, 3], tracks.parameters[track, 2]
        distance = delta_r(-np.log(np.tan(theta / 2)), phi, jets.eta, jets.phi)
        distance[jets.event != event] = np.inf
        assert found[track] == (np.argmin(distance) if distance.min() < 0.4 else -1)
    assert 0 < np.count_nonzero(found < 0) < 190


def test_jets_next_to_the_seam_get_their_tracks():
    assert nearest_jet(
        jets_at([0], [0], [np.pi - 0.1]), tracks_at([0, 0], [0, 0], [-np.pi + 0.1, -np.pi + 0.4])
    ).tolist() == [0, -1]


def test_tracks_are_sorted_and_their_vertices_numbered():
    # rows of the vertices: primary ones of two events, then a b decay, pile-up, two fakes
    kinds = vertices([PRIMARY, PRIMARY, FROM_B, PILEUP, FAKE, FAKE])
    jets = jets_at([0, 0, 1], [0, 2, 0], [0, 2, 0])
    pt = np.arange(2.0, 9.0)
    tracks = tracks_at([0, 0, 0, 0, 0, 1, 0], 0, [0, 0, 0, 0, 0, 0, 3], vertex=[3, 0, 4, 0, 5, 3, 2], pt=pt)
    found = with_tracks(jets, tracks, np.ones((7, 5)), kinds)
    assert found["trk"].pt.to_list() == [pytest.approx([6, 5, 4, 3, 2]), [], pytest.approx([7])]
    assert found["trk"].vtx_type.to_list() == [[FAKE, PRIMARY, FAKE, PRIMARY, PILEUP], [], [PILEUP]]
    assert found["trk"].vtx_index.to_list() == [[3, 0, 2, 0, 1], [], [1]]
    assert found["vtx"].index.to_list() == [[0, 1], [], [1]]
    assert found["vtx"].pdg_id.to_list() == [[0, 3], [], [3]]


@pytest.mark.parametrize("n_jets", [0, 2])
def test_no_tracks_at_all(n_jets):
    jets = jets_at(np.zeros(n_jets, int), np.zeros(n_jets), np.zeros(n_jets))
    found = with_tracks(jets, tracks_at(np.zeros(0, int), [], []), np.ones((0, 5)), vertices([PRIMARY]))
    assert ak.num(found["trk"]).to_list() == ak.num(found["vtx"]).to_list() == [0] * n_jets


def test_flavour_against_a_loop(pythia_events):
    found = history(pythia_events("top"))
    jets = cluster(found, 40, np.random.default_rng(1))
    expected = []
    for event, eta, phi in zip(jets.event, jets.eta, jets.phi):
        best = 0
        for i in np.flatnonzero(found.event == event):
            pt = np.hypot(found.px[i], found.py[i])
            code = abs(found.pdg_id[i])
            if pt <= 5 or code not in (
                411,
                421,
                431,
                4122,
                4132,
                4232,
                4332,
                511,
                521,
                531,
                541,
                5122,
                5132,
                5232,
                5332,
            ):
                continue
            if delta_r(np.arcsinh(found.pz[i] / pt), np.arctan2(found.py[i], found.px[i]), eta, phi) < 0.3:
                best = max(best, 5 if code in (511, 521, 531, 541) or code > 5000 else 4)
        expected.append(best)
    assert flavour(jets, found).tolist() == expected
    assert set(expected) == {0, 4, 5}


def test_jets_carry_the_momentum_of_the_particles(pythia_events):
    found = history(pythia_events("top"))
    jets = cluster(found, 40, np.random.default_rng(1))
    assert np.all(jets.pt > 20)
    assert np.all(np.abs(jets.eta) < 2.5)
    assert np.all(np.diff(jets.event) >= 0)
    pt = np.hypot(found.px, found.py)
    visible = found.stable & ~np.isin(np.abs(found.pdg_id), (12, 14, 16)) & (np.abs(found.pz) < pt * np.sinh(2.5))
    assert np.sum(jets.pt) == pytest.approx(np.sum(pt[visible]), rel=0.1)
