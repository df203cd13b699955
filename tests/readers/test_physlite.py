"""DAOD_PHYSLITE of ATLAS: jets with the tracks that their links name."""

import awkward as ak
import numpy as np
import pytest
import uproot

import cortado
from cortado import ntuples, readers
from cortado.perigee import COVARIANCE, PARAMETERS
from cortado.readers import physlite

JET, TRACK, VERTEX, EVENT = (
    f"{name}AuxDyn." for name in ("AnalysisJets", "InDetTrackParticles", "PrimaryVertices", "EventInfo")
)
KEY = 77


def toy_events(n=20, seed=1):
    """Events with tracks, jets with links to some of them and empty links, vertices and weights."""
    rng = np.random.default_rng(seed)
    jets, tracks = rng.integers(0, 4, n), rng.integers(3, 8, n)

    def column(counts, high=1.0):
        return ak.unflatten((rng.random(counts.sum()) * high).astype(np.float32), counts)

    columns = {f"{JET}{name}": column(jets, 1e5) for name in ("pt", "m")}
    columns |= {f"{JET}{name}": column(jets) for name in ("eta", "phi")}
    label = rng.choice([0, 0, 4, 5, 15], jets.sum()).astype(np.int32)
    columns |= {f"{JET}HadronConeExclTruthLabelID": ak.unflatten(label, jets)}
    columns |= {f"{JET}PartonTruthLabelID": ak.unflatten(label * 0 + 21, jets)}
    links = []
    for n_jets, n_tracks in zip(jets, tracks):
        own = [rng.permutation(n_tracks)[:3] for _ in range(n_jets)]
        empty = {"m_persKey": 0, "m_persIndex": 0}
        links.append([[empty, *({"m_persKey": KEY, "m_persIndex": int(k)} for k in one)] for one in own])
    columns[f"{JET}GhostTrack"] = ak.values_astype(ak.Array(links), np.uint32)
    columns |= {f"{TRACK}{name}": column(tracks) for name in ("d0", "z0", "phi", "theta", "vz")}
    columns[f"{TRACK}qOverP"] = (column(tracks) - 0.5) / 1e4
    columns[f"{TRACK}definingParametersCovMatrixDiag"] = ak.unflatten(
        ak.from_regular(ak.Array(rng.random((tracks.sum(), 5)).astype(np.float32))), tracks
    )
    columns[f"{TRACK}definingParametersCovMatrixOffDiag"] = ak.unflatten(
        ak.from_regular(ak.Array((rng.random((tracks.sum(), 10)) - 0.5).astype(np.float32))), tracks
    )
    columns |= {f"{VERTEX}{axis}": [[1.0, 2.0 + k, 3.0] for k in range(n)] for axis in "xyz"}
    columns[f"{VERTEX}vertexType"] = [[3, 1, 0]] * n
    columns |= {f"{EVENT}runNumber": [9] * n, f"{EVENT}lumiBlock": [2] * n, f"{EVENT}eventNumber": np.arange(n)}
    columns |= {f"{EVENT}mcChannelNumber": [700] * n, f"{EVENT}mcEventWeights": [[k + 0.5, -1] for k in range(n)]}
    return ak.zip({name: ak.Array(each) for name, each in columns.items()}, depth_limit=1)


def without(events, *beginnings):
    return events[[name for name in events.fields if not name.startswith(beginnings)]]


def slow_tracks(event):
    """Twin of the reader: tracks of each jet of one event, one by one, with their covariance matrix."""
    found = []
    for links in event[f"{JET}GhostTrack"]:
        own = [link["m_persIndex"] for link in links if link["m_persKey"]]
        names = {"d0": "d0", "z0": "z0", "phi": "phi", "theta": "theta", "q_over_p": "qOverP"}
        rows = [{name: event[f"{TRACK}{branch}"][k] for name, branch in names.items()} for k in own]
        for row, k in zip(rows, own):
            row["z0"] += event[f"{TRACK}vz"][k]
            row["q_over_p"] *= 1000
            sigma = np.sqrt(event[f"{TRACK}definingParametersCovMatrixDiag"][k]) * [1, 1, 1, 1, 1000]
            packed = iter(event[f"{TRACK}definingParametersCovMatrixOffDiag"][k])
            matrix = np.diag(sigma**2)
            for i in range(5):
                for j in range(i):
                    matrix[i, j] = matrix[j, i] = next(packed) * sigma[i] * sigma[j]
            for i, one in enumerate(PARAMETERS):
                row |= {f"cov_{one}_{PARAMETERS[j]}": matrix[i, j] for j in range(i, 5)}
        found.append(rows)
    return found


def test_tracks_are_those_that_the_links_name():
    events = toy_events()
    tracks = physlite.jets(events).tracks
    expected = ak.Array([slow_tracks(event) for event in events.to_list()])
    for name in (*PARAMETERS, *COVARIANCE):
        assert ak.num(tracks[name], axis=2).to_list() == ak.num(expected[name], axis=2).to_list()
        np.testing.assert_allclose(
            ak.flatten(tracks[name], axis=None), ak.flatten(expected[name], axis=None), rtol=1e-5
        )


def test_constituents_are_the_tracks_from_the_primary_vertex():
    events = toy_events()
    jets = physlite.jets(events)
    particles, tracks = jets.constituents, jets.tracks
    assert particles.fields == ["pt", "eta", "phi", "mass", "charge", "d0", "d0_err", "dz_err", "dz"]
    flat = {name: ak.flatten(tracks[name], axis=None).to_numpy() for name in tracks.fields}
    p = 1 / np.abs(flat["q_over_p"])
    found = ak.flatten(ak.flatten(particles))
    np.testing.assert_allclose(found.pz, p * np.cos(flat["theta"]), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.pt, p * np.sin(flat["theta"]), rtol=1e-5)
    np.testing.assert_allclose(found.dz_err**2, flat["cov_z0_z0"], rtol=1e-5)
    assert ak.all((particles.charge > 0) == (tracks.q_over_p > 0))
    primary = ak.Array(np.arange(20) + 2.0)
    np.testing.assert_allclose(
        ak.flatten(particles.dz, axis=None), ak.flatten(tracks.z0 - primary, axis=None), rtol=1e-5, atol=1e-5
    )


def test_momenta_are_in_gev_and_labels_those_of_hadrons():
    events = toy_events()
    record = physlite.record(events)
    np.testing.assert_allclose(ak.flatten(record.jets.pt), ak.flatten(events[f"{JET}pt"]) / 1000, rtol=1e-6)
    np.testing.assert_allclose(ak.flatten(record.jets.mass), ak.flatten(events[f"{JET}m"]) / 1000, rtol=1e-6)
    label = ak.flatten(events[f"{JET}HadronConeExclTruthLabelID"]).to_numpy()
    jets = ak.flatten(record.jets)
    assert jets.flavour.to_list() == [code if code < 15 else 0 for code in label.tolist()]
    for name, code in {"b": 5, "c": 4, "tau": 15, "light": 0}.items():
        assert jets[f"label_{name}"].to_list() == (label == code).tolist()
    assert record.weight.to_list() == [k + 0.5 for k in range(20)]
    assert record.primary_vertices.z.to_list() == [[2.0 + k] for k in range(20)]


def test_recorded_data_has_neither_truth_nor_weight():
    events = without(toy_events(), f"{JET}Hadron", f"{JET}Parton", f"{EVENT}mc")
    record = physlite.record(events)
    assert "weight" not in record.fields
    assert record.jets.fields == ["pt", "eta", "phi", "mass", "event_key", "constituents", "tracks"]
    few = physlite.jets(without(events, f"{TRACK}defining", VERTEX))
    assert few.constituents.fields == ["pt", "eta", "phi", "mass", "charge", "d0"]
    assert not set(COVARIANCE) & set(few.tracks.fields)


def test_keys_tell_samples_apart():
    events = toy_events()
    other = ak.with_field(events, events[f"{EVENT}mcChannelNumber"] + 1, f"{EVENT}mcChannelNumber")
    data = without(events, f"{EVENT}mcChannelNumber")
    keys = [key for one in (events, other, data) for key in physlite.record(one).event_key.to_list()]
    assert len(set(keys)) == 60


def test_no_events_and_an_event_without_a_primary_vertex():
    events = toy_events()
    assert physlite.record(events[:0]).fields == physlite.record(events).fields
    lost = ak.with_field(events, events[f"{VERTEX}vertexType"] * 0, f"{VERTEX}vertexType")
    assert ak.all(np.isnan(physlite.jets(lost).constituents.dz))
    assert ak.count(physlite.jets(lost).constituents.dz) > 10


def test_broken_links_and_weights_are_errors():
    events = toy_events()
    links = events[f"{JET}GhostTrack"]
    at = int(np.flatnonzero(ak.num(links))[0])
    far = ak.zip(
        {"m_persKey": links.m_persKey, "m_persIndex": ak.where(links.m_persKey > 0, np.uint32(99), np.uint32(0))}
    )
    with pytest.raises(ValueError, match=rf"{JET}GhostTrack = 99 in event {at}: 0 to \d are allowed"):
        physlite.jets(ak.with_field(events, far, f"{JET}GhostTrack"))
    several = ak.zip({"m_persKey": links.m_persKey + links.m_persIndex, "m_persIndex": links.m_persIndex})
    with pytest.raises(ValueError, match=r"GhostTrack points into \d collections, required: InDetTrackParticles"):
        physlite.jets(ak.with_field(events, several, f"{JET}GhostTrack"))
    weights = f"{EVENT}mcEventWeights"
    with pytest.raises(ValueError, match=r"mcEventWeights is empty in event 0, required: at least one weight"):
        physlite.record(ak.with_field(events, events[weights][:, :0], weights))


def test_dialect_is_recognised_and_what_is_missing_is_named():
    events = toy_events()
    assert readers.dialect(events.fields) is physlite
    assert set(physlite.branches([*events.fields, "AnalysisJetsAuxDyn.Width"])) == set(events.fields)
    with pytest.raises(KeyError, match=r"PHYSLITE needs .*\['AnalysisJetsAuxDyn.GhostTrack'\]"):
        physlite.jets(without(events, f"{JET}GhostTrack"))


def test_real_jets_have_tracks_near_their_axis_and_the_primary_vertex(test_data):
    record = cortado.read(test_data / "jets/PHYSLITE_example.root")
    jets = ak.flatten(record.jets)
    assert (len(record), len(jets), int(ak.sum(jets.label_b)), int(ak.sum(ak.num(jets.tracks)))) == (100, 881, 1, 1126)
    assert len(set(record.event_key.to_list())) == 100
    near = np.abs(ak.to_numpy(ak.flatten(jets.constituents.eta - jets.eta))) < 0.4
    assert near.mean() > 0.95
    dz = np.abs(ak.to_numpy(ak.flatten(jets.constituents.dz)))
    assert np.median(dz) < 0.1  # mm; the collisions are spread over 50 mm
    tracks = ak.flatten(jets.tracks)
    matrix = np.array(
        [[tracks[f"cov_{PARAMETERS[min(i, j)]}_{PARAMETERS[max(i, j)]}"] for j in range(5)] for i in range(5)]
    )
    scale = np.sqrt(np.einsum("iik->ik", matrix))
    assert np.linalg.eigvalsh((matrix / scale / scale[:, None]).transpose(2, 0, 1)).min() > 0
    np.testing.assert_allclose(record.weight[:1], 26768664.0)


def test_real_file_has_branches_that_cannot_be_read(test_data):
    path = test_data / "jets/PHYSLITE_example.root"
    (step,) = ntuples.steps(path)
    with pytest.raises(
        OSError, match=r"cannot read branch 'EventInfoAuxDyn.hardScatterVertexLink', .*PHYSLITE_example"
    ):
        ntuples.arrays(step, ["EventInfoAuxDyn.hardScatterVertexLink"])


def test_rntuples_of_atlas_have_colons_in_their_names(tmp_path):
    events = toy_events()
    with uproot.recreate(tmp_path / "daod.root") as file:
        file.mkrntuple("MetaData", {"kind": np.arange(1)})
        file.mkrntuple("EventData", {name.replace(".", ":"): events[name] for name in events.fields})
    found = cortado.read(tmp_path / "daod.root")
    assert ak.array_equal(found, physlite.record(events), dtype_exact=False)
