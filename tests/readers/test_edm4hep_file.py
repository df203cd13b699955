"""EDM4hep: a file of FCC-ee, its tracks, truth and vertices."""

from functools import cache
from itertools import chain

import awkward as ak
import numpy as np
import pytest
from coffea import processor
from coffea.nanoevents import BaseSchema, FCCSchema, NanoEventsFactory
from readers.edm4hep_twin import slow_tracks

from cortado import ntuples, readers
from cortado.perigee import PARAMETERS
from cortado.readers import edm4hep

FCC_FILE = "vertexing/test_FCC_Spring2021.root"
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:coffea")


@cache
def fcc_events(folder):
    """The columns of the FCC file that the reader uses, as plain arrays."""
    path = str(folder / FCC_FILE)
    return ntuples.arrays(ntuples.Step(path, "events", 0, 100), edm4hep.branches(ntuples.branch_names(path, "events")))


@cache
def fcc_tracks(folder):
    """All tracks of the FCC file in jets, flat, with the state of the particle that made each: d0, z0, phi, theta, q/p.

    One after the other: the charge moves from its production point back to the point nearest to the z axis.
    """
    events = fcc_events(folder)
    truth = []
    for event in events.tolist():
        particle_of = dict(zip(event["MCRecoAssociations#0.index"], event["MCRecoAssociations#1.index"]))
        for _, particle in chain(*slow_tracks(event)):
            charge, at = event["ReconstructedParticles.charge"][particle], particle_of[particle]
            point, momentum = (
                np.array([event[f"Particle.{kind}.{axis}"][at] for axis in "xyz"]) for kind in ("vertex", "momentum")
            )
            truth.append(perigee_of(point, momentum, charge))
    return ak.flatten(ak.flatten(edm4hep.jets(events).tracks, axis=2)), np.array(truth)


def perigee_of(point, momentum, charge, field=2.0):
    """Perigee parameters of a charge at a point: in a field along +z a positive one turns clockwise."""
    pt, phi = np.hypot(*momentum[:2]), np.arctan2(momentum[1], momentum[0])
    radius = -charge * pt / (0.299792458e-3 * field)  # positive where the azimuth grows along the path
    centre = point[:2] + radius * np.array([-np.sin(phi), np.cos(phi)])
    towards = centre / np.hypot(*centre) * np.sign(radius)  # (-sin, cos) of the azimuth at the perigee
    phi0 = np.arctan2(-towards[0], towards[1])
    d0 = np.hypot(*centre) * np.sign(radius) - radius
    path = ((phi0 - phi + np.pi) % (2 * np.pi) - np.pi) * radius
    z0 = point[2] + path * momentum[2] / pt
    return d0, z0, phi0, np.arctan2(pt, momentum[2]), charge / np.linalg.norm(momentum)


def test_fcc_file_holds_jets_with_tracks_and_truth(test_data):
    jets = ak.flatten(edm4hep.jets(fcc_events(test_data)))
    assert (len(jets), ak.sum(ak.num(jets.tracks))) == (516, 930)
    counted = [int(ak.sum(jets.flavour == flavour)) for flavour in (5, 4, 0)]
    assert counted == [26, 20, 470]
    types = [int(ak.sum(jets.tracks.vertex_type == kind)) for kind in range(7)]
    assert types == [660, 64, 93, 21, 92, 0, 0]


def test_fcc_events_hold_the_tracks_of_their_jets_and_others(test_data):
    events = fcc_events(test_data)
    record = edm4hep.record(events)
    assert ak.num(record.tracks).tolist() == ak.num(events["EFlowTrack_1.D0"]).tolist()
    assert ak.sum(ak.num(record.tracks)) == 3305
    for mine, others in zip(ak.flatten(record.jets.tracks.d0, axis=2).tolist(), record.tracks.d0.tolist()):
        assert set(mine) <= set(others)
    primary = record.true_vertices[record.true_vertices.vertex_index == 0]
    single = ak.num(primary) == 1
    assert ak.sum(single) == 94
    for axis in "xyz":
        assert ak.all(abs(primary[axis][single][:, 0] - events[f"Particle.vertex.{axis}"][single][:, 0]) < 1e-3)


def test_fcc_jets_have_the_momentum_of_their_particles(test_data):
    events = fcc_events(test_data)
    jets = edm4hep.jets(events)
    total = ak.sum(jets.tracks.pt, axis=2)
    assert ak.all(total < 1.05 * jets.pt)
    assert ak.all(ak.isclose(jets.pz, events["Jet.momentum.z"], rtol=1e-4, atol=1e-4))


def pulls(folder):
    """Differences of the tracks from their particles, over their error, by parameter."""
    tracks, truth = fcc_tracks(folder)
    by_name = {}
    for index, name in enumerate(PARAMETERS):
        difference = ak.to_numpy(tracks[name]) - truth[:, index]
        if name == "phi":
            difference = (difference + np.pi) % (2 * np.pi) - np.pi
        by_name[name] = difference / np.sqrt(ak.to_numpy(tracks[f"cov_{name}_{name}"]))
    return tracks, by_name


def test_fcc_tracks_scatter_about_their_particles_as_their_covariance_says(test_data):
    """No sign and no unit may be another."""
    tracks, by_name = pulls(test_data)
    assert ak.all(tracks.charge == np.sign(tracks.q_over_p))
    for name, pull in by_name.items():
        low, middle, high = np.percentile(pull, [15.87, 50, 84.13])
        assert abs(middle) < 0.1, name
        assert 0.9 < (high - low) / 2 < 1.1, name


@pytest.mark.parametrize("one, other", [("d0", "phi"), ("z0", "theta")])
def test_fcc_correlations_are_those_of_the_differences(one, other, test_data):
    tracks, by_name = pulls(test_data)
    error = np.sqrt(tracks[f"cov_{one}_{one}"] * tracks[f"cov_{other}_{other}"])
    correlation = ak.to_numpy(tracks[f"cov_{one}_{other}"] / error)
    core = (np.abs(by_name[one]) < 3) & (np.abs(by_name[other]) < 3)
    assert np.abs(correlation).mean() > 0.8
    assert np.mean((by_name[one] * by_name[other])[core]) == pytest.approx(correlation[core].mean(), abs=0.1)


def test_fcc_vertices_are_the_production_points(test_data):
    events = fcc_events(test_data)
    for event, jets in zip(events.tolist(), edm4hep.jets(events).tolist()):
        particle_of = dict(zip(event["MCRecoAssociations#0.index"], event["MCRecoAssociations#1.index"]))
        for expected, jet in zip(slow_tracks(event), jets):
            position = {v["vertex_index"]: np.array([v[axis] for axis in "xyz"]) for v in jet["true_vertices"]}
            for (_, particle), track in zip(expected, jet["tracks"]):
                point = [event[f"Particle.vertex.{axis}"][particle_of[particle]] for axis in "xyz"]
                assert np.linalg.norm(position[track["vertex_index"]] - point) < 2e-3
            if 0 in position:
                first = [event[f"Particle.vertex.{axis}"][0] for axis in "xyz"]
                assert np.linalg.norm(position[0] - first) < 2e-3
            apart = [np.linalg.norm(a - b) for i, a in position.items() for j, b in position.items() if i < j]
            assert all(distance > 1e-3 for distance in apart)


@pytest.mark.parametrize("schema", [BaseSchema, FCCSchema], ids=lambda schema: schema.__name__)
def test_nano_events_of_both_schemas_give_the_same_record(schema, test_data):
    opened = NanoEventsFactory.from_root({str(test_data / FCC_FILE): "events"}, schemaclass=schema, mode="virtual")
    assert readers.jets(opened.events()).tolist() == edm4hep.jets(fcc_events(test_data)).tolist()
    assert readers.tracks(opened.events()).tolist() == edm4hep.tracks(fcc_events(test_data)).tolist()


class CountTracks(processor.ProcessorABC):
    def process(self, events):
        return {"tracks": int(ak.sum(ak.num(readers.jets(events).tracks, axis=2)))}

    def postprocess(self, accumulator):
        return accumulator


@pytest.mark.parametrize("schema", [BaseSchema, FCCSchema], ids=lambda schema: schema.__name__)
def test_jets_inside_a_coffea_processor(schema, test_data):
    fileset = {"zh": {"files": {str(test_data / FCC_FILE): "events"}}}
    run = processor.Runner(processor.IterativeExecutor(status=False), schema=schema, chunksize=30, savemetrics=False)
    assert run(fileset, CountTracks()) == {"tracks": 930}


def test_a_smeared_collision_has_the_same_vertices_elsewhere(test_data):
    events = fcc_events(test_data)
    rng = np.random.default_rng(1)
    has_parents = events["Particle.parents_end"] > events["Particle.parents_begin"]
    moved, shifts = events, {axis: np.round(rng.normal(0, 2, len(events)), 3) for axis in "xyz"}
    for axis, shift in shifts.items():
        name = f"Particle.vertex.{axis}"
        moved = ak.with_field(moved, ak.where(has_parents, events[name] + shift, events[name]), name)
    before, after = edm4hep.record(events), edm4hep.record(moved)
    for name in ("vertex_index", "vertex_type"):
        assert after.tracks[name].tolist() == before.tracks[name].tolist()
        assert after.jets.tracks[name].tolist() == before.jets.tracks[name].tolist()
    for axis, shift in shifts.items():
        difference = after.true_vertices[axis] - before.true_vertices[axis] - shift
        assert np.max(np.abs(ak.flatten(difference))) < 1e-3
