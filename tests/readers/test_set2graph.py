"""Ntuples of the Set2Graph paper, published and simulated here."""

import awkward as ak
import numpy as np
import pytest
import uproot

import cortado
from cortado import readers
from cortado.event_keys import event_key
from cortado.perigee import COVARIANCE
from cortado.readers import set2graph

TRACKS = ("d0", "z0", "phi", "ctgtheta", "pt", "charge", "vtx_index")
PUBLISHED = {f"trk_{name}" for name in TRACKS} | {"jet_pt", "jet_eta", "jet_phi", "jet_M", "jet_flav"}


def entries(n=6, seed=1, *, published=False):
    """Invented jets with 0, 1, 2, ... tracks, by branch; the third and fourth are of one event."""
    source = np.random.default_rng(seed)
    counts = np.arange(n)
    total = counts.sum()

    def jagged(values, kind=np.float32):
        return ak.unflatten(values.astype(kind), counts)

    columns = {
        "jet_pt": source.uniform(20, 200, n).astype(np.float32),
        "jet_eta": source.uniform(-2, 2, n).astype(np.float32),
        "jet_phi": source.uniform(-3, 3, n).astype(np.float32),
        "jet_M": source.uniform(3, 20, n).astype(np.float32),
        "jet_flav": np.resize([5, 4, 0], n).astype(np.int32),
        "trk_d0": jagged(source.normal(0, 1, total)),
        "trk_z0": jagged(source.normal(0, 2, total)),
        "trk_phi": jagged(source.uniform(-np.pi, np.pi, total)),
        "trk_ctgtheta": jagged(source.normal(0, 2, total)),
        "trk_pt": jagged(source.exponential(5, total) + 0.5),
        "trk_charge": jagged(source.choice([-1, 1], total), np.int32),
        "trk_vtx_index": jagged(source.integers(0, 3, total), np.int32),
    }
    if published:
        return ak.zip(columns, depth_limit=1)
    columns |= {"event": np.array([7, 8, 9, 9, *range(10, 6 + n)], np.uint64), "genWeight": np.full(n, 2, np.float32)}
    columns |= {f"trk_{name}": jagged(source.uniform(0, 1, total)) for name in COVARIANCE}
    columns |= {f"trk_{name}": jagged(source.integers(0, 6, total), np.int32) for name in ("vtx_type", "avr_vtx_index")}
    vertices = {name: source.normal(0, 5, n - 1).astype(np.float32) for name in ("x", "y", "z", "pt", "flight")}
    vertices |= {name: source.integers(0, 4, n - 1).astype(np.int32) for name in ("index", "type", "pdg_id")}
    columns |= {f"vtx_{name}": ak.unflatten(values, [0, *[1] * (n - 1)]) for name, values in vertices.items()}
    return ak.zip(columns, depth_limit=1)


def write(path, events):
    with uproot.recreate(path) as file:
        columns = {name: events[name] for name in events.fields}
        types = {name: column.type for name, column in columns.items()}
        file.mktree("tree", types, counter_name=lambda name: f"n{name.split('_')[0]}").extend(columns)


def test_published_branches_alone_are_read_from_a_file(tmp_path):
    events = entries(published=True)
    assert set(events.fields) == PUBLISHED
    write(tmp_path / "test_data.root", events)
    record = cortado.read(tmp_path / "test_data.root")
    jets = ak.flatten(record.jets)
    assert record.fields == ["jets", "event_key"]
    assert jets.fields == ["pt", "eta", "phi", "mass", "flavour", "event_key", "tracks"]
    assert [*jets.tracks.fields] == [
        "d0",
        "z0",
        "phi",
        "theta",
        "q_over_p",
        "pt",
        "eta",
        "mass",
        "charge",
        "vertex_index",
    ]
    assert jets.mass.to_list() == events.jet_M.to_list()
    assert jets.flavour.to_list() == [5, 4, 0, 5, 4, 0]
    for name in ("d0", "z0", "phi", "pt", "charge"):
        assert jets.tracks[name].to_list() == events[f"trk_{name}"].to_list()
    assert jets.tracks.vertex_index.to_list() == events.trk_vtx_index.to_list()
    assert ak.num(jets.tracks).to_list() == [0, 1, 2, 3, 4, 5]


def test_angle_and_curvature_against_a_loop():
    events = entries(40)
    jets = ak.flatten(set2graph.jets(events))
    for theta, q_over_p, eta, cot, pt, charge in zip(
        *(ak.flatten(jets.tracks[name]) for name in ("theta", "q_over_p", "eta")),
        *(ak.flatten(events[f"trk_{name}"]) for name in ("ctgtheta", "pt", "charge")),
    ):
        assert np.cos(theta) / np.sin(theta) == pytest.approx(cot, rel=1e-4, abs=1e-6)
        assert q_over_p == pytest.approx(charge / (pt * np.sqrt(1 + cot**2)), rel=1e-5)
        assert np.sinh(eta) == pytest.approx(cot, rel=1e-5, abs=1e-6)
    assert np.all(ak.flatten(jets.tracks.mass) == np.float32(0.13957039))


def test_additions_of_the_simulation():
    events = entries()
    record = set2graph.record(events)
    jets = ak.flatten(record.jets)
    for name in COVARIANCE:
        assert jets.tracks[name].to_list() == events[f"trk_{name}"].to_list()
    assert jets.tracks.vertex_type.to_list() == events.trk_vtx_type.to_list()
    assert jets.tracks.avr_vertex_index.to_list() == events.trk_avr_vtx_index.to_list()
    vertices = jets.true_vertices
    names = {"x": "x", "flight": "flight", "vertex_index": "index", "vertex_type": "type", "pdg_id": "pdg_id"}
    for name, branch in names.items():
        assert vertices[name].to_list() == events[f"vtx_{branch}"].to_list()
    assert "mass" not in vertices.fields
    assert record.weight.to_list() == [2] * 6
    assert record.event.to_list() == events.event.to_list()


def test_jets_of_one_event_share_its_key():
    keys = set2graph.record(entries()).event_key
    assert len(set(keys.to_list())) == 5
    assert keys[2] == keys[3] == event_key(0, 0, 9)


def test_without_event_numbers_the_key_is_that_of_the_momentum():
    events = entries(published=True)
    record = set2graph.record(events)
    assert len(set(record.event_key.to_list())) == 6
    assert set2graph.record(events[::-1]).event_key.to_list() == record.event_key.to_list()[::-1]
    assert ak.flatten(record.jets.event_key).to_list() == record.event_key.to_list()


def test_files_without_truth_can_be_read():
    events = entries()
    fields = [name for name in events.fields if not name.startswith("vtx") and "vtx" not in name and name != "jet_flav"]
    jets = set2graph.jets(events[fields])
    assert "flavour" not in jets.fields
    assert "true_vertices" not in jets.fields
    assert not [name for name in jets.tracks.fields if "vertex" in name]


def test_recognised_by_the_published_branches():
    assert readers.dialect(PUBLISHED) is set2graph
    assert readers.dialect(entries().fields) is set2graph
    assert set(set2graph.branches([*PUBLISHED, "trk_pdg_id", "jet_nsv"])) == PUBLISHED
    assert set(set2graph.branches(entries().fields)) == set(entries().fields)


def test_empty_file_and_a_jet_without_tracks():
    assert len(set2graph.record(entries()[:0])) == 0
    lonely = set2graph.record(entries()[:1])
    assert ak.num(lonely.jets.tracks, axis=2).to_list() == [[0]]


@pytest.mark.filterwarnings("error")
def test_numbers_of_a_broken_track_are_passed_on():
    events = entries()
    events["trk_pt"] = ak.where(events.trk_charge > 0, np.float32(np.nan), np.float32(0))
    tracks = ak.flatten(set2graph.jets(events)).tracks
    assert ak.all(np.isnan(tracks.q_over_p) == np.isnan(events.trk_pt))
    assert ak.all(np.isinf(tracks.q_over_p) == (events.trk_pt == 0))


def test_missing_column_is_an_error():
    events = entries()
    fields = [name for name in events.fields if name != "trk_z0"]
    with pytest.raises(KeyError, match=r"Set2Graph needs columns that are missing: \['trk_z0'\]; nearest: trk_d0"):
        set2graph.jets(events[fields])


def test_simulated_jets(tmp_path):
    name = "cortado.simulation.flavour"
    simulation = pytest.importorskip(name, reason="needs Pythia and FastJet", exc_type=ImportError)
    simulation.simulate_flavour_jets(tmp_path / "jets.root", jets=30, pileup=0.0, mpi=False, workers=1)
    record = cortado.read(tmp_path / "jets.root")
    jets = ak.flatten(record.jets)
    assert sorted(jets.flavour.to_list()) == [0] * 10 + [4] * 10 + [5] * 10
    assert set(COVARIANCE) < set(jets.tracks.fields)
    primary = jets.tracks[jets.tracks.vertex_type == 0]
    assert ak.all(primary.vertex_index == 0)
    assert ak.mean(abs(primary.d0)) < 0.2
    assert jets.true_vertices.fields[:3] == ["x", "y", "z"]


def with_errors(*names, seed=3):
    """Published entries with standard deviations of these parameters."""
    events, source = entries(8, published=True), np.random.default_rng(seed)
    for name in names:
        values = source.uniform(0.01, 0.1, ak.sum(ak.num(events.trk_d0))).astype(np.float32)
        events = ak.with_field(events, ak.unflatten(values, ak.num(events.trk_d0)), f"trk_{name}_err")
    return events


def slow_angle_and_curvature(cot, pt, charge, momentum, moved):
    """theta and q/p of a track of which one number of the file is moved; q/p moves with theta if the file has pt."""
    theta = np.arctan2(1, cot + moved.get("ctgtheta", 0.0)) + moved.get("theta", 0.0)
    if momentum == "q_over_p":
        return np.array([theta, moved.get("q_over_p", 0.0)])
    return np.array([theta, charge * np.sin(theta) / (pt + moved.get("pt", 0.0))])


@pytest.mark.parametrize("angle, momentum", [("ctgtheta", "pt"), ("theta", "q_over_p"), ("ctgtheta", "q_over_p")])
def test_standard_deviations_are_a_covariance(angle, momentum):
    events = with_errors("d0", "z0", "phi", angle, momentum)
    tracks = ak.flatten(ak.flatten(set2graph.jets(events)).tracks)
    assert set(COVARIANCE) <= set(tracks.fields)
    given = {name: ak.to_numpy(ak.flatten(events[f"trk_{name}_err"])).astype(float) for name in (angle, momentum)}
    cot, pt, charge = (
        ak.to_numpy(ak.flatten(events[f"trk_{name}"])).astype(float) for name in ("ctgtheta", "pt", "charge")
    )
    for i in range(len(tracks)):  # propagated by differences
        matrix = np.zeros((2, 2))
        for name in (angle, momentum):
            track = cot[i], pt[i], charge[i], momentum
            low, high = (slow_angle_and_curvature(*track, {name: step}) for step in (-1e-6, 1e-6))
            matrix += np.outer(high - low, high - low) / 4e-12 * given[name][i] ** 2
        found = [tracks[f"cov_{pair}"][i] for pair in ("theta_theta", "theta_q_over_p", "q_over_p_q_over_p")]
        np.testing.assert_allclose(found, matrix[np.triu_indices(2)], rtol=1e-4, atol=1e-12)
    for name in ("d0", "z0", "phi"):
        errors = ak.flatten(events[f"trk_{name}_err"])
        np.testing.assert_allclose(np.sqrt(tracks[f"cov_{name}_{name}"]), errors, rtol=1e-6)
    assert ak.all(tracks.cov_d0_z0 == 0)
    assert ak.all(tracks.cov_phi_theta == 0)


def test_some_standard_deviations_are_some_variances():
    tracks = ak.flatten(set2graph.jets(with_errors("d0", "pt"))).tracks
    assert {"cov_d0_d0"} == set(COVARIANCE) & set(tracks.fields)


def with_secondary_vertices(number, *, index=None):
    events = entries(published=True)
    numbers = ak.local_index(ak.Array([[0] * number] * 6))
    for axis in "xyz":
        events = ak.with_field(events, ak.values_astype(numbers + ord(axis), np.float32), f"SV_{axis}")
    return events if index is None else ak.with_field(events, numbers + index, "SV_index")


def test_secondary_vertices_count_from_one_or_as_the_file_says(tmp_path):
    vertices = ak.flatten(set2graph.jets(with_secondary_vertices(2))).true_vertices
    assert vertices.vertex_index.to_list() == [[1, 2]] * 6
    assert vertices.z.to_list() == [[122.0, 123.0]] * 6
    assert vertices.fields == ["x", "y", "z", "vertex_index"]
    events = with_secondary_vertices(2, index=7)
    write(tmp_path / "jets.root", events)
    assert ak.flatten(cortado.read(tmp_path / "jets.root").jets).true_vertices.vertex_index.to_list() == [[7, 8]] * 6


def test_tracks_of_vertices_that_are_not_listed_are_errors():
    events = with_secondary_vertices(1)
    entry = int(np.flatnonzero(ak.fill_none(ak.max(events.trk_vtx_index, axis=1), 0) > 1)[0])
    with pytest.raises(ValueError, match=rf"trk_vtx_index = 2 in entry {entry}, but SV_x lists 1 vertices"):
        set2graph.jets(events)
