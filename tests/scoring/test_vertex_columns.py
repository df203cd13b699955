"""Vertices of jets as columns of events: against a slow twin, with tracks that cannot be fitted, and without fits."""

import awkward as ak
import numpy as np
import pytest
from toy_tracks import jets_of, save_finder

import cortado
from cortado import reconstruction
from cortado.perigee import COVARIANCE
from cortado.scoring import vertex_columns

COUNTS = [3, 0, 1, 16, 20]
JETS = jets_of()


@pytest.fixture(scope="module")
def finder(tmp_path_factory):
    return cortado.load(save_finder(tmp_path_factory.mktemp("finder") / "finder.cortado"), threshold=0.505)


def record_of(jets, counts=COUNTS, **fields):
    return ak.zip({"jets": ak.unflatten(jets, counts), **fields}, depth_limit=1)


EVENTS = record_of(JETS)


def test_indices_tell_which_tracks_share_a_vertex(finder):
    """Slow twin, by loops over events, jets and numbers."""
    found = vertex_columns(finder, EVENTS)
    shared = 0
    for event, partition in enumerate(finder(EVENTS.jets).tolist()):
        jet, track, vertex = ([] for _ in range(3))
        for place, numbers in enumerate(partition):
            sets = [number for number in sorted(set(numbers)) if numbers.count(number) > 1]
            first = len(vertex)
            jet.append((len(numbers), len(sets)))
            track += [(place, first + sets.index(x) if x in sets else -1, False) for x in numbers]
            vertex += [(place, numbers.count(number)) for number in sets]
        assert [(one["n_tracks"], one["n_vertices"]) for one in found["jet"][event].tolist()] == jet
        columns = ("jetIdx", "vertexIdx", "unfit")
        assert [tuple(one[name] for name in columns) for one in found["track"][event].tolist()] == track
        assert [(one["jetIdx"], one["n_tracks"]) for one in found["vertex"][event].tolist()] == vertex
        shared += len(vertex)
    assert 20 < shared < ak.sum(ak.num(JETS.tracks)) / 2


def test_vertices_have_the_fields_and_the_order_of_the_fits(finder):
    found, fits = vertex_columns(finder, EVENTS)["vertex"], ak.flatten(finder.vertices(EVENTS.jets), axis=2)
    assert ak.num(found).tolist() == ak.num(fits).tolist()
    assert set(found.fields) == {*fits.fields, "jetIdx"} - {"tracks"}
    for name in set(found.fields) - {"jetIdx"}:
        assert ak.flatten(found[name]).to_numpy() == pytest.approx(ak.flatten(fits[name]).to_numpy(), rel=1e-6)


def test_all_columns_are_of_32_bits(finder):
    for collection in vertex_columns(finder, EVENTS).values():
        kinds = {ak.type(collection[name]).content.content.primitive for name in collection.fields}
        assert kinds <= {"int32", "float32", "bool"}


def test_events_do_not_know_of_each_other_and_may_be_none(finder):
    found = vertex_columns(finder, EVENTS)
    for stop in (0, 1, 3):
        part = vertex_columns(finder, EVENTS[:stop])
        assert {name: ak.type(one).content for name, one in part.items()} == {
            name: ak.type(one).content for name, one in found.items()
        }
        assert all(part[name].tolist() == found[name][:stop].tolist() for name in found)


def test_no_truth_is_needed_and_without_covariances_nothing_is_fitted(finder):
    bare = record_of(jets_of(truth=False, covariance=False))
    found, fitted = vertex_columns(finder, bare), vertex_columns(finder, EVENTS)
    assert found["track"].fields == ["jetIdx", "vertexIdx"]
    assert found["vertex"].fields == ["jetIdx", "n_tracks"]
    for name, collection in found.items():
        assert collection.tolist() == fitted[name][collection.fields].tolist()


def test_tracks_that_cannot_be_fitted_are_as_if_they_were_not_there(finder):
    is_first = ak.local_index(JETS.tracks.d0) == 0
    spoilt = ak.with_field(JETS, ak.where(is_first, -1.0, JETS.tracks.cov_d0_d0), ("tracks", "cov_d0_d0"))
    with pytest.raises(ValueError, match=r"vertices: track 0 of jet \d+ cannot be fitted.*skip_unfit=True leaves"):
        vertex_columns(finder, record_of(spoilt))
    with pytest.warns(UserWarning, match=r"vertices: \d+ of \d+ tracks cannot be fitted, left out"):
        found = vertex_columns(finder, record_of(spoilt), skip_unfit=True)
    rest = vertex_columns(finder, record_of(ak.with_field(JETS, JETS.tracks[~is_first], "tracks")))
    unfit = found["track"].unfit
    assert ak.flatten(unfit).tolist() == ak.flatten(is_first).tolist()
    assert ak.all(found["track"].vertexIdx[unfit] == -1)
    assert found["track"][~unfit].tolist() == rest["track"].tolist()
    assert found["vertex"].tolist() == rest["vertex"].tolist()
    assert found["jet"].n_vertices.tolist() == rest["jet"].n_vertices.tolist()
    assert ak.sum(found["jet"].n_vertices) > 10


def test_distances_are_from_the_primary_vertex_of_the_event(finder):
    """The events are moved as a whole, so that flights from the origin would be of centimetres."""
    z = np.linspace(-20, 20, len(COUNTS))
    moved = ak.with_field(JETS, JETS.tracks.z0 + np.repeat(z, COUNTS), ("tracks", "z0"))
    tracks = ak.flatten(ak.unflatten(moved.tracks, COUNTS), axis=2)
    events = record_of(moved, tracks=tracks)
    found = vertex_columns(finder, events, magnetic_field=3.0)["vertex"]
    primary = reconstruction.primary_vertices(tracks, magnetic_field=3.0)
    expected = finder.vertices(events.jets, primary=primary, magnetic_field=3.0)
    flights = ak.flatten(found.flight_distance).to_numpy()
    assert flights == pytest.approx(ak.flatten(expected.flight_distance, axis=None).to_numpy(), rel=1e-5)
    origin = ak.flatten(vertex_columns(finder, record_of(moved))["vertex"].flight_distance).to_numpy()
    assert np.median(origin) - np.median(flights) > 5


def test_a_nan_that_the_finder_needs_is_refused(finder):
    broken = record_of(ak.with_field(JETS, np.where(np.arange(40) == 16, np.nan, JETS.pt), "pt"))
    with pytest.raises(ValueError, match=r"TrackSet: pt of jet 16 is nan, must be finite"):
        vertex_columns(finder, broken, skip_unfit=True)


def test_the_covariance_is_all_or_nothing(finder):
    """Without one of its 15 fields there is none."""
    less = record_of(ak.without_field(JETS, ("tracks", COVARIANCE[3])))
    assert "x" not in vertex_columns(finder, less)["vertex"].fields
