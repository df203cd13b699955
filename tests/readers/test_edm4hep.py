"""EDM4hep: links from jets to tracks and particles, on invented events."""

import awkward as ak
import numpy as np
import pytest
import uproot
from readers.edm4hep_twin import slow_tracks
from samples import branches
from toy_tracks import track_columns

from cortado import ntuples, readers
from cortado.perigee import COVARIANCE, PARAMETERS
from cortado.readers import edm4hep

STATE = ("D0", "phi", "omega", "Z0", "tanLambda")
LINKS = ("Jet#2.index", "ReconstructedParticles#1.index", "Particle#0.index", "MCRecoAssociations#0.index")
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:coffea")


def jagged(values, counts):
    return ak.unflatten(ak.Array(np.asarray(values)), counts)


def ranges(rng, counts, most):
    """Counts of links of each object, and begin and end of their range in the links of the event."""
    number = jagged(rng.integers(0, most + 1, counts.sum()), counts)
    end = jagged(np.concatenate([np.cumsum(row) for row in number.tolist()] or [[]]).astype(np.uint32), counts)
    return ak.to_numpy(ak.sum(number, axis=1)), end - ak.values_astype(number, np.uint32), end


def indices(rng, counts, targets):
    """Random positions among the targets of each event."""
    return jagged((rng.random(counts.sum()) * np.repeat(targets, counts)).astype(np.int32), counts)


def toy_events(n=30, seed=1):
    """Events with branches of an EDM4hep tree; all numbers are random, all links lead somewhere."""
    rng = np.random.default_rng(seed)
    n_jets, n_particles, n_tracks, n_truth = (rng.integers(low, 9, n) for low in (0, 4, 3, 5))
    n_members, members_begin, members_end = ranges(rng, n_jets, 4)
    n_linked, tracks_begin, tracks_end = ranges(rng, n_particles, 2)
    _, parents_begin, parents_end = ranges(rng, n_truth, 2)
    parents = [
        [rng.integers(0, child) if child else 0 for child in np.repeat(np.arange(len(row)), row)]
        for row in (parents_end - parents_begin).tolist()
    ]
    # The first particle of an event has no parent.
    parents_end = ak.where(ak.local_index(parents_end) == 0, parents_begin, parents_end)
    n_matched = np.minimum(n_particles, n_truth)
    tree = {
        "Jet.particles_begin": members_begin,
        "Jet.particles_end": members_end,
        "Jet#2.index": indices(rng, n_members, n_particles),
        "ReconstructedParticles.charge": jagged(rng.choice([-1, 1], n_particles.sum()).astype(np.float32), n_particles),
        "ReconstructedParticles.mass": jagged(rng.random(n_particles.sum()).astype(np.float32), n_particles),
        "ReconstructedParticles.tracks_begin": tracks_begin,
        "ReconstructedParticles.tracks_end": tracks_end,
        "ReconstructedParticles#1.index": indices(rng, n_linked, n_tracks),
        "EFlowTrack.trackStates_begin": ak.local_index(jagged(np.zeros(n_tracks.sum()), n_tracks))[:, ::-1],
        "EFlowTrack_1.covMatrix[15]": jagged(rng.random((n_tracks.sum(), 15)).astype(np.float32), n_tracks),
        "MCRecoAssociations#0.index": indices(rng, n_matched, n_particles),
        "MCRecoAssociations#1.index": indices(rng, n_matched, n_truth),
        "Particle.PDG": jagged(rng.choice([211, 521, -411, 310, 5, 21], n_truth.sum()).astype(np.int32), n_truth),
        "Particle.parents_begin": parents_begin,
        "Particle.parents_end": parents_end,
        "Particle#0.index": ak.values_astype(ak.Array(parents), np.int32),
    }
    number = ("Jet.momentum.x", "Jet.momentum.y", "Jet.momentum.z", "Jet.mass")
    columns = [(n_jets, number), (n_tracks, [f"EFlowTrack_1.{name}" for name in STATE])]
    columns += [(n_truth, [f"Particle.{kind}.{axis}" for kind in ("vertex", "momentum") for axis in "xyz"])]
    for counts, names in columns:
        tree |= {name: jagged(rng.normal(0, 1, counts.sum()).astype(np.float32), counts) for name in names}
    for axis in "xyz":
        tree[f"EFlowTrack_1.referencePoint.{axis}"] = jagged(np.zeros(n_tracks.sum(), np.float32), n_tracks)
    return ak.zip(tree, depth_limit=1)


def test_tracks_are_those_of_the_links():
    events = toy_events()
    jets = edm4hep.jets(events)
    assert ak.num(jets).tolist() == ak.num(events["Jet.mass"]).tolist()
    for event, of_event in zip(events.tolist(), jets.tolist()):
        expected = slow_tracks(event)
        for name, branch in {"d0": "D0", "z0": "Z0", "phi": "phi"}.items():
            states = [[event[f"EFlowTrack_1.{branch}"][state] for state, _ in tracks] for tracks in expected]
            assert [[track[name] for track in jet["tracks"]] for jet in of_event] == states
        for name in ("charge", "mass"):
            own = [[event[f"ReconstructedParticles.{name}"][particle] for _, particle in tracks] for tracks in expected]
            assert [[track[name] for track in jet["tracks"]] for jet in of_event] == own


def test_tracks_of_an_event_are_those_of_all_particles():
    events = toy_events()
    record = edm4hep.record(events)
    assert edm4hep.tracks(events).tolist() == readers.tracks(events).tolist() == record.tracks.tolist()
    for event, tracks in zip(events.tolist(), record.tracks.tolist()):
        begin, end = event["ReconstructedParticles.tracks_begin"], event["ReconstructedParticles.tracks_end"]
        tracked = [particle for particle in range(len(begin)) if end[particle] > begin[particle]]
        assert [track["charge"] for track in tracks] == [event["ReconstructedParticles.charge"][i] for i in tracked]
        first = [event["ReconstructedParticles#1.index"][begin[i]] for i in tracked]
        states = [event["EFlowTrack.trackStates_begin"][track] for track in first]
        assert [track["d0"] for track in tracks] == [event["EFlowTrack_1.D0"][state] for state in states]


def test_true_vertices_of_an_event_are_numbered_in_it():
    record = edm4hep.record(toy_events(200))
    for tracks, vertices in zip(record.tracks.tolist(), record.true_vertices.tolist()):
        known = {track["vertex_index"] for track in tracks if track["vertex_type"] != 6}
        assert sorted(known) == [vertex["vertex_index"] for vertex in vertices]
        assert (0 in known) == any(track["vertex_type"] == 0 for track in tracks)


def test_dialects_of_jets_alone_have_no_tracks_of_events():
    assert readers.tracks(branches(track_columns(5))) is None


def test_tracks_of_one_true_vertex_are_those_that_share_it_in_the_event():
    events = toy_events(200)
    matched = 0
    for event, jets in zip(events.tolist(), edm4hep.jets(events).tolist()):
        particle_of = {}
        for particle, at in zip(event["MCRecoAssociations#0.index"], event["MCRecoAssociations#1.index"]):
            particle_of.setdefault(particle, at)
        for expected, jet in zip(slow_tracks(event), jets):
            for (_, particle), track in zip(expected, jet["tracks"]):
                assert (track["vertex_type"] == 6) == (particle not in particle_of)
                matched += track["vertex_type"] != 6
                same = [other for other in jet["true_vertices"] if other["vertex_index"] == track["vertex_index"]]
                assert len(same) == (track["vertex_type"] != 6)
                assert all(vertex["vertex_type"] == track["vertex_type"] for vertex in same)
    assert matched > 100


def test_fields_with_and_without_truth():
    events = toy_events()
    record = edm4hep.record(events)
    kinematics = ["pt", "eta", "phi", "mass"]
    assert record.fields == ["jets", "event_key", "tracks", "true_vertices"]
    assert record.tracks.fields == record.jets.tracks.fields
    assert record.true_vertices.fields == record.jets.true_vertices.fields
    assert set(record.jets.fields) == {*kinematics, "event_key", "flavour", "true_vertices", "tracks"}
    measured = {*PARAMETERS, *COVARIANCE, *kinematics, "charge"}
    assert set(record.jets.tracks.fields) == {*measured, "vertex_index", "vertex_type"}
    fields = [name for name in events.fields if not name.startswith(("Particle", "MCReco"))]
    without = edm4hep.record(events[fields])
    assert set(without.jets.fields) == {*kinematics, "event_key", "tracks"}
    assert without.fields == ["jets", "event_key", "tracks"]
    assert set(without.jets.tracks.fields) == set(without.tracks.fields) == measured
    assert without.jets.tracks.d0.tolist() == record.jets.tracks.d0.tolist()
    for name in ("vertex_index", "vertex_type", "charge"):
        assert record.jets.tracks[name].type.content.content.content.primitive == "int32"


def test_covariances_with_the_time_are_those_without():
    events = toy_events()
    short = events["EFlowTrack_1.covMatrix[15]"]
    with_time = ak.concatenate([short, 7.5 + short[..., :6]], axis=2)
    others = [name for name in events.fields if name != "EFlowTrack_1.covMatrix[15]"]
    newer = ak.with_field(events[others], with_time, "EFlowTrack_1.covMatrix[21]")
    assert readers.dialect(newer.fields) is edm4hep
    assert set(edm4hep.branches(newer.fields)) == set(newer.fields)
    assert edm4hep.record(newer).tolist() == edm4hep.record(events).tolist()


def test_truth_without_its_index_is_no_truth():
    events = toy_events()
    fields = [name for name in events.fields if name != "MCRecoAssociations#1.index"]
    assert "flavour" not in edm4hep.jets(events[fields]).fields


def test_events_share_a_key_that_differs_from_others():
    record = edm4hep.record(toy_events())
    assert ak.all(record.jets.event_key == record.event_key)
    with_jets = record.event_key[ak.num(record.jets) > 0].tolist()
    assert len(set(with_jets)) == len(with_jets) > 10


def test_slices_of_events_give_slices_of_jets():
    events = toy_events()
    odd = np.arange(len(events)) % 2 == 1
    assert edm4hep.jets(events[odd]).tolist() == edm4hep.jets(events)[odd].tolist()
    nothing = edm4hep.record(events[:0])
    assert len(nothing) == 0
    assert nothing.jets.fields == edm4hep.jets(events).fields


def test_jets_without_tracks_and_events_without_jets():
    events = toy_events()
    begin = events["Jet.particles_begin"]
    jets = edm4hep.jets(ak.with_field(events, begin, "Jet.particles_end"))
    assert ak.num(jets).tolist() == ak.num(begin).tolist()
    assert ak.sum(ak.num(jets.tracks, axis=2)) == ak.sum(ak.num(jets.true_vertices, axis=2)) == 0
    names = [name for name in events.fields if name.startswith("Jet.")]
    empty = ak.zip(
        {name: events[name][:, :0] if name in names else events[name] for name in events.fields}, depth_limit=1
    )
    assert ak.num(edm4hep.jets(empty)).tolist() == [0] * len(events)


def test_not_a_number_is_passed_on():
    events = toy_events()
    broken = ak.with_field(
        events, events["EFlowTrack_1.covMatrix[15]"] * np.float32(np.nan), "EFlowTrack_1.covMatrix[15]"
    )
    broken = ak.with_field(broken, broken["EFlowTrack_1.omega"] * np.float32(np.nan), "EFlowTrack_1.omega")
    tracks = edm4hep.jets(broken).tracks
    assert ak.sum(ak.num(tracks, axis=2)) > 20
    assert all(ak.all(np.isnan(tracks[name])) for name in (*COVARIANCE, "q_over_p", "pt"))
    assert not ak.any(np.isnan(tracks.d0))


def test_events_are_not_changed():
    events = toy_events()
    before = events.tolist()
    edm4hep.record(events)
    assert events.tolist() == before


@pytest.mark.parametrize("name", LINKS)
@pytest.mark.parametrize("index", [-1, 99])
def test_links_to_nowhere_are_errors(name, index):
    events = toy_events()
    entry = int(np.flatnonzero(ak.num(events[name]))[3])
    here = (ak.local_index(events[name]) == 0) & (np.arange(len(events)) == entry)
    with pytest.raises(ValueError, match=rf"{name} = {index} in event {entry}: 0 to \d+ are allowed"):
        edm4hep.jets(ak.with_field(events, ak.where(here, index, events[name]), name))


@pytest.mark.parametrize(
    "name, links",
    [
        ("Jet.particles", "Jet#2.index"),
        ("ReconstructedParticles.tracks", "ReconstructedParticles#1.index"),
        ("Particle.parents", "Particle#0.index"),
    ],
)
def test_ranges_beyond_the_links_are_errors(name, links):
    events = toy_events()
    edge, n_links = events[f"{name}_end"], ak.num(events[links])
    entry = int(np.flatnonzero(ak.num(edge))[3])
    here = (ak.local_index(edge) == 0) & (np.arange(len(events)) == entry)
    message = rf"{name} = \d+ to {n_links[entry] + 1} in event {entry}, which has {n_links[entry]} {links}"
    with pytest.raises(ValueError, match=message):
        edm4hep.jets(ak.with_field(events, ak.where(here, n_links + 1, edge), f"{name}_end"))


def test_states_elsewhere_than_at_the_origin_are_errors():
    events = toy_events()
    moved = ak.with_field(events, events["EFlowTrack_1.Z0"] * 0 + 5, "EFlowTrack_1.referencePoint.z")
    with pytest.raises(
        ValueError, match=r"EFlowTrack_1.referencePoint = \[0.0, 0.0, 5.0\]; .* at \[0, 0, 0\] are needed"
    ):
        edm4hep.jets(moved)


def test_missing_column_is_an_error():
    events = toy_events()
    fields = [name for name in events.fields if name != "Jet#2.index"]
    with pytest.raises(KeyError, match=r"EDM4hep needs columns that are missing: \['Jet#2.index'\]"):
        edm4hep.jets(events[fields])


@pytest.mark.parametrize("form", edm4hep.FORMS)
def test_each_spelling_is_recognised(form):
    assert readers.dialect(form) is edm4hep
    assert set(edm4hep.branches(form)) == set(form)


def test_file_without_links_is_told_what_it_lacks(tmp_path):
    events = toy_events(5)
    columns = {name: events[name] for name in events.fields if "#" not in name and "[" not in name}
    with uproot.recreate(tmp_path / "no_links.root") as file:
        file.mktree("events", {name: column.type for name, column in columns.items()}).extend(columns)
    with pytest.raises(ValueError, match=r"EDM4hep also needs EFlowTrack_1\.covMatrix\[15\], Jet#2\.index"):
        readers.dialect(ntuples.branch_names(tmp_path / "no_links.root", "events"), name="EDM4hep")
