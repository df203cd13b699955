import awkward as ak
import numpy as np
import pytest
import uproot

pytest.importorskip("pythia8mc", reason="needs Pythia and FastJet (extra `sim`)", exc_type=ImportError)

from cortado.simulation import balance, simulate_flavour_jets
from cortado.simulation import flavour as flavour_room
from cortado.simulation.history import C_FROM_B, FAKE, FROM_B, FROM_C, OTHER, PILEUP, PRIMARY

LIGHT = 0.299792458  # mm/ps
PARAMETERS = ("d0", "z0", "phi", "theta", "q_over_p")


def simulate(path, **options):
    summary = simulate_flavour_jets(path, **({"mpi": False, "workers": 1, "pileup": 0.0} | options))
    with uproot.open(path) as file:
        return summary, file["tree"].arrays()


@pytest.fixture(scope="module")
def jets(flavour_sample):
    return flavour_sample.events


@pytest.fixture(scope="module")
def true_vertices(flavour_sample):
    return flavour_sample.collection("vtx")


def flat(column):
    return ak.to_numpy(ak.flatten(column, axis=None)).astype(np.float64)


# lifetimes [ps]: R. L. Workman et al. (Particle Data Group), 2022
@pytest.mark.parametrize(
    ("pdg_id", "expected"), [(521, 1.638), (511, 1.519), (531, 1.520), (421, 0.4103), (411, 1.033)]
)
def test_lifetimes(true_vertices, pdg_id, expected):
    vertices = ak.flatten(true_vertices)
    vertices = vertices[abs(vertices.pdg_id) == pdg_id]
    momentum = vertices.pt * np.cosh(vertices.eta)
    proper_time = flat(vertices.flight * vertices.mass / momentum) / LIGHT
    assert np.mean(proper_time) == pytest.approx(expected, rel=0.10)
    # an exponential has its mean as its width
    assert np.std(proper_time) == pytest.approx(expected, rel=0.15)


def test_hadrons_of_the_primary_vertex_fly_from_the_origin(true_vertices):
    vertices = ak.flatten(true_vertices)
    prompt = vertices[(vertices["type"] == FROM_B) | (vertices["type"] == FROM_C)]
    x, y, z, flight, eta = (flat(prompt[name]) for name in ("x", "y", "z", "flight", "eta"))
    # all but the few from another hadron of the kind, such as Bc -> Bs
    assert np.mean(np.isclose(np.sqrt(x**2 + y**2 + z**2), flight, rtol=1e-4)) > 0.995
    assert np.mean(np.isclose(np.arcsinh(z / np.hypot(x, y)), eta, atol=1e-3)) > 0.995
    assert np.mean(flight[flat(prompt["type"]) == FROM_B]) == pytest.approx(10, abs=3)
    chain = vertices[vertices["type"] == C_FROM_B]
    assert np.mean(ak.to_numpy(np.hypot(chain.x, chain.y) > 0.9 * chain.flight / np.cosh(chain.eta))) > 0.95


def test_spectra_of_the_flavours_are_equal(jets, flavour_sample):
    bins = balance.kinematic_bin(*(ak.to_numpy(jets[name]) for name in ("jet_pt", "jet_eta", "ntrk")))
    counts = balance.counts(ak.to_numpy(jets.jet_flav), bins)
    assert counts.sum(axis=1).tolist() == [2000] * 3
    assert np.array_equal(counts[0], counts[1])
    assert np.array_equal(counts[0], counts[2])
    assert flavour_sample.summary.jets == len(jets) == 6000
    assert flavour_sample.summary.events == len(np.unique(jets.event)) < flavour_sample.summary.generated


def test_jets_and_tracks_are_in_the_acceptance(jets):
    assert ak.min(jets.jet_pt) > 20
    assert ak.max(abs(jets.jet_eta)) < 2.5
    assert ak.min(jets.trk_pt) > 0.4999
    assert ak.max(abs(np.arcsinh(jets.trk_ctgtheta))) < 2.5001
    distance = np.hypot(
        np.arcsinh(jets.trk_ctgtheta) - jets.jet_eta, (jets.trk_phi - jets.jet_phi + np.pi) % (2 * np.pi) - np.pi
    )
    assert ak.max(distance) < 0.4001
    assert ak.all(jets.trk_pt[:, :-1] >= jets.trk_pt[:, 1:])
    assert set(np.unique(flat(jets.trk_charge))) == {-1, 1}
    assert np.all(jets.genWeight == 1)


def test_flavours_have_the_vertices_that_they_should(jets):
    share = {}
    for flavour in (5, 4, 0):
        kinds = jets.trk_vtx_type[jets.jet_flav == flavour]
        share[flavour] = [np.mean(ak.any(kinds == kind, axis=1)) for kind in range(7)]
    assert share[5][FROM_B] > 0.75
    assert share[5][C_FROM_B] > 0.75
    assert share[4][FROM_C] > 0.75
    assert max(share[0][FROM_B], share[0][C_FROM_B], share[0][FROM_C], share[4][FROM_B]) < 0.03
    assert share[4][PRIMARY] > share[5][PRIMARY] > 0.6
    assert all(0.01 < share[flavour][kind] < 0.35 for flavour in share for kind in (OTHER, PILEUP, FAKE))


def test_partition_agrees_with_the_vertices(jets):
    assert ak.all((jets.trk_vtx_index == 0) == (jets.trk_vtx_type == PRIMARY))
    same = jets.trk_vtx_index[:, :, None] == jets.vtx_index[:, None, :]
    assert ak.all(ak.sum(same, axis=2) == (jets.trk_vtx_type != FAKE))  # one true vertex each, none for fakes
    assert ak.all(ak.any(same, axis=1))  # no vertex without tracks
    assert ak.all((jets.trk_vtx_type[:, :, None] == jets.vtx_type[:, None, :]) | ~same)
    fakes = jets.trk_vtx_index[jets.trk_vtx_type == FAKE]
    other = jets.trk_vtx_index[:, :, None] == fakes[:, None, :]
    assert ak.all(ak.sum(other, axis=1) == 1)


def test_no_two_vertices_of_a_jet_are_in_one_place(true_vertices):
    first, second = ak.unzip(ak.combinations(true_vertices, 2))
    distance = flat(np.sqrt(sum((first[axis] - second[axis]) ** 2 for axis in "xyz")))
    assert np.min(distance) > 0
    assert ak.all(true_vertices.index[:, :-1] < true_vertices.index[:, 1:])


def covariance(jets, one, other):
    return flat(jets[f"trk_cov_{one}_{other}"])


def test_covariance_is_positive_definite_as_stored(jets):
    matrix = np.zeros((len(flat(jets.trk_d0)), 5, 5))
    for i, one in enumerate(PARAMETERS):
        for j, other in enumerate(PARAMETERS[i:], i):
            matrix[:, i, j] = matrix[:, j, i] = covariance(jets, one, other)
    sigma = np.sqrt(np.diagonal(matrix, axis1=1, axis2=2))
    assert np.linalg.eigvalsh(matrix / (sigma[:, :, None] * sigma[:, None, :])).min() > 0.05


@pytest.mark.parametrize("kind", [PRIMARY, FROM_B, FROM_C, C_FROM_B])
def test_tracks_pass_through_their_vertices_within_their_errors(jets, kind):
    """The distance of the vertex from the measured helix is Gaussian with the width of the stored covariance."""
    same = jets.trk_vtx_index[:, :, None] == jets.vtx_index[:, None, :]
    placed = jets.trk_vtx_type == kind
    x, y = (flat(ak.sum(ak.where(same, jets[name][:, None, :], 0.0), axis=2)[placed]) for name in ("vtx_x", "vtx_y"))
    tracks = jets[[name for name in jets.fields if name.startswith("trk_")]]
    tracks = ak.zip({name: tracks[name] for name in tracks.fields})[placed]
    d0, phi = flat(tracks.trk_d0), flat(tracks.trk_phi)
    x, y = x + d0 * np.sin(phi), y - d0 * np.cos(phi)
    along, across = x * np.cos(phi) + y * np.sin(phi), -x * np.sin(phi) + y * np.cos(phi)
    bend = -flat(tracks.trk_charge) * 2.99792458e-4 * 2 / flat(tracks.trk_pt)
    variance = (
        covariance(tracks, "d0", "d0")
        + 2 * along * covariance(tracks, "d0", "phi")
        + along**2 * covariance(tracks, "phi", "phi")
    )
    near = np.abs(along) < 30
    pull = ((across - bend * along**2 / 2) / np.sqrt(variance))[near]
    assert len(pull) > 1000
    assert np.std(pull) == pytest.approx(1, abs=0.05)
    assert np.mean(pull) == pytest.approx(0, abs=0.06)


def test_longitudinal_pulls_of_primary_tracks(jets):
    primary = jets.trk_vtx_type == PRIMARY
    pull = flat(jets.trk_z0[primary]) / np.sqrt(flat(jets.trk_cov_z0_z0[primary]))
    assert np.std(pull) == pytest.approx(1, abs=0.03)


def test_same_jets_for_any_number_of_workers(tmp_path, monkeypatch, one_worker):
    monkeypatch.setattr(flavour_room, "UNIT", 12)
    ticks = []
    options = {"jets": 20, "seed": 4, "pileup": 1.0}
    one, first = simulate(tmp_path / "one.root", **options)
    two, again = simulate(tmp_path / "two.root", workers=2, progress=ticks.append, **options)
    assert first.to_list() == again.to_list()
    assert one._replace(path=None) == two._replace(path=None)
    assert ticks == [12, 9]  # 20 jets are rounded up
    assert not set(first.jet_pt[:12]) & set(first.jet_pt[12:])


def test_no_two_samples_share_a_jet_or_an_event_number(tmp_path):
    samples = [
        simulate(tmp_path / "jets.root", jets=6, **options)[1]
        for options in ({"seed": 1}, {"seed": 2}, {"seed": 1, "processes": ("ttbar_charm",)})
    ]
    assert len(set(np.concatenate([sample.jet_pt for sample in samples]))) == 18
    assert not set(samples[0].event) & set(samples[1].event)


def test_top_pairs_with_charm_need_fewer_events(tmp_path):
    natural, _ = simulate(tmp_path / "natural.root", jets=300, processes=("ttbar",))
    mixed, sample = simulate(tmp_path / "charm.root", jets=300, processes=("ttbar_charm", "ttbar"))
    assert mixed.process == "ttbar_charm, ttbar"
    assert mixed.generated < natural.generated
    assert [np.count_nonzero(sample.jet_flav == flavour) for flavour in (5, 4, 0)] == [100] * 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"processes": ("ttbra",)}, "process = 'ttbra'.*nearest: ttbar"),
        ({"processes": "ttbar"}, "processes is 'ttbar'; it must be a sequence of 1 to 7 names"),
        ({"processes": ()}, r"processes is \(\)"),
        ({"pileup": -1.0}, "pileup is -1.0; it must be from 0 to 1000"),
        ({"pileup": float("nan")}, "pileup is nan"),
        ({"jets": 0}, "jets is 0; it must be from 1 to 30000000"),
        ({"seed": 0}, "seed is 0; it must be from 1 to 11249"),
        ({"seed": 11_250}, "seed is 11250"),
        ({"workers": 0}, "workers is 0"),
    ],
)
def test_bad_options(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        simulate_flavour_jets(tmp_path / "jets.root", **({"jets": 10} | options))
    assert not list(tmp_path.iterdir())


def test_events_without_triplets(tmp_path, monkeypatch):
    monkeypatch.setattr(flavour_room, "_PATIENCE", 0)
    with pytest.raises(
        RuntimeError, match=r"events of ttbar gave \[.*\] b, c and light jets, too few.* of 1000 triplets"
    ):
        simulate(tmp_path / "jets.root", jets=3000)
    assert not list(tmp_path.iterdir())
