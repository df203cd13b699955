"""Secondary vertices of NanoAOD, and their association to jets."""

import awkward as ak
import numpy as np
import pytest
import samples
from coffea.nanoevents import NanoAODSchema, NanoEventsFactory
from real_files import columns_of

from cortado.kinematics import delta_r
from cortado.readers import nanoaod

NANO_FILE = "jets/nano_tt_v15.root"
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:coffea")


def toy_vertices(n_events=50, seed=1, mean=3.0):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(mean, n_events)
    names = {"pt": (1, 50), "eta": (-2, 2), "phi": (-np.pi, np.pi), "mass": (0, 5)}
    return ak.unflatten(ak.zip({name: rng.uniform(*limits, counts.sum()) for name, limits in names.items()}), counts)


def slow_association(jets, vertices, radius):
    """Positions of the vertices of each jet, one after the other."""
    found = []
    for event_jets, event_vertices in zip(jets.tolist(), vertices.tolist()):
        owned = [[] for _ in event_jets]
        for vertex in event_vertices:
            distances = [delta_r(vertex["eta"], vertex["phi"], jet["eta"], jet["phi"]) for jet in event_jets]
            if distances and min(distances) < radius:
                owned[int(np.argmin(distances))].append(vertex["pt"])
        found.append(owned)
    return found


@pytest.mark.parametrize("radius", [0.4, 0.8, 2.0])
def test_each_vertex_is_in_the_nearest_jet(radius):
    jets, vertices = toy_vertices(seed=2, mean=1.5), toy_vertices()
    found = nanoaod.vertices_in_jets(jets, vertices, radius=radius)
    assert found.pt.tolist() == slow_association(jets, vertices, radius)
    assert 0 < ak.count(found.pt) < ak.count(vertices.pt)
    assert ak.with_field(jets, found, "vertices").vertices.fields == vertices.fields


def test_vertices_across_the_seam_and_events_without():
    jets = ak.Array([[{"eta": 0.0, "phi": 3.1}], [], [{"eta": 0.0, "phi": 0.0}]])
    vertices = ak.Array([[{"eta": 0.0, "phi": -3.1}], [{"eta": 0.0, "phi": 0.0}], []])
    assert ak.num(nanoaod.vertices_in_jets(jets, vertices), axis=2).tolist() == [[1], [], [0]]
    assert nanoaod.vertices_in_jets(jets[:0], vertices[:0]).tolist() == []


def test_jets_and_vertices_of_other_events_are_errors():
    with pytest.raises(ValueError, match="50 events of jets, but 49 events of vertices"):
        nanoaod.vertices_in_jets(toy_vertices(), toy_vertices()[1:])


def test_file_without_vertices_has_none_in_its_record():
    events = samples.branches(samples.cms_columns(samples.separated_event_jets(10, 1)))
    assert nanoaod.secondary_vertices(events) is None
    assert "secondary_vertices" not in nanoaod.record(events).fields


def test_vertices_have_what_the_file_has():
    vertices = toy_vertices(n_events=10)
    columns = samples.cms_columns(samples.separated_event_jets(10, 1)) | {"SV": vertices}
    record = nanoaod.record(samples.branches(columns))
    assert record.secondary_vertices.fields == ["pt", "eta", "phi", "mass"]
    assert record.secondary_vertices.tolist() == vertices.tolist()
    plain = samples.branches({name: column for name, column in columns.items() if name != "SV"})
    assert record.jets.tolist() == nanoaod.record(plain).jets.tolist()


def test_real_vertices_are_those_of_the_file(test_data):
    events = columns_of(test_data / NANO_FILE, nanoaod)
    vertices = nanoaod.record(events).secondary_vertices
    names = {"ndf": "ndof", "reduced_chi2": "chi2", "n_tracks": "ntracks", "significance_2d": "dxySig"}
    for ours, theirs in names.items():
        assert vertices[ours].tolist() == events[f"SV_{theirs}"].tolist()
    for ours, theirs in {"x": "x", "z": "z", "flight_distance": "dlen", "flight_distance_2d": "dxy"}.items():
        in_mm = 10 * np.concatenate(events[f"SV_{theirs}"].tolist())  # cm in the file
        np.testing.assert_allclose(ak.flatten(vertices[ours]), in_mm, rtol=1e-6)
    assert ak.sum(ak.num(vertices)) == 622
    assert ak.all(vertices.flight_distance >= vertices.flight_distance_2d)
    opened = NanoEventsFactory.from_root(
        {str(test_data / NANO_FILE): "Events"}, schemaclass=NanoAODSchema, mode="virtual"
    )
    assert nanoaod.secondary_vertices(opened.events()).tolist() == vertices.tolist()
