"""Delphes: candidates of jets by their references, in files with and without particle flow candidates."""

import awkward as ak
import numpy as np
import pytest

import cortado
from cortado import ntuples, readers
from cortado.readers import delphes

FIELDS = {"pt": "PT", "eta": "Eta", "phi": "Phi", "mass": "Mass", "charge": "Charge", "pdg_id": "PID"}
IMPACT = {"d0": "D0", "d0_err": "ErrorD0", "dz": "DZ", "dz_err": "ErrorDZ"}
PROCESS = 3 << 24  # identities in merged files name the process that made the object in the bits above


def of(collection, fields):
    return {f"{collection}.{name}": column for name, column in fields.items()}


def toy_events(n=20, seed=1, large="JetPUPPIAK8", small="JetPUPPI"):
    """Events with candidates of all kinds, jets of both radii with references to some of them, and truth."""
    rng = np.random.default_rng(seed)
    kinds = [(211, 1), (-11, 1), (13, -1), (22, 0), (0, 0)]
    columns = {"Event.Number": [[k] for k in range(n)], "Event.Weight": [[w] for w in rng.random(n)]}
    counts = rng.integers(5, 12, n)
    of_kind = np.sort(rng.integers(0, len(kinds), counts.sum()))  # in order when the parts are put together
    of_kind = np.concatenate([np.sort(one) for one in np.split(of_kind, np.cumsum(counts)[:-1])])
    pdg_id, charge = np.array(kinds).T[:, of_kind].astype(np.int32)
    numbers = {name: rng.random(counts.sum()).astype(np.float32) for name in ("PT", "Eta", "Phi", *IMPACT.values())}
    for name in IMPACT.values():
        numbers[name][charge == 0] = 0
    mass = np.where(charge == 0, 0, 0.14).astype(np.float32)
    identity = np.concatenate([rng.permutation(1000)[:count] for count in counts]) | PROCESS
    flat = numbers | {"Mass": mass, "Charge": charge, "PID": pdg_id, "fUniqueID": identity.astype(np.uint32)}
    columns |= of("ParticleFlowCandidate", {name: ak.unflatten(each, counts) for name, each in flat.items()})
    for collection, most in ((large, 3), (small, 5)):
        n_jets = rng.integers(0, most, n)
        identities = ak.unflatten(identity, counts).to_list()
        chosen = [[rng.permutation(own)[:3].tolist() for _ in range(k)] for own, k in zip(identities, n_jets)]
        flat = {name: 2 * rng.random(n_jets.sum()).astype(np.float32) for name in ("PT", "Eta", "Phi", "Mass")}
        columns |= of(collection, {name: ak.unflatten(each, n_jets) for name, each in flat.items()})
        columns[f"{collection}.Constituents"] = ak.Array([[{"refs": refs} for refs in event] for event in chosen])
    # A Higgs boson at rest on the axis of all that has quarks and hadrons beside it.
    directions = {name: [0.5] * 5 for name in ("Eta", "Phi", "PT", "Mass")}
    particle = {"PID": [25, 5, -5, 511, 2212], "M1": [-1, 0, 0, 1, -1], "Status": [22, 23, 23, 2, 1]}
    for name, values in (particle | directions | {"X": [0.0] * 5, "Y": [0.0] * 5, "Z": [0, 0, 0, 0, 7.0]}).items():
        columns[f"Particle.{name}"] = [values] * n
    return ak.zip({name: ak.Array(column) for name, column in columns.items()}, depth_limit=1)


def in_parts(events):
    """The same events as older cards write them: tracks, photons and neutral hadrons in collections of their own."""
    prefix = "ParticleFlowCandidate."
    kept = {name: events[name] for name in events.fields if not name.startswith(prefix)}
    charged = events[f"{prefix}Charge"] != 0
    is_photon = events[f"{prefix}PID"] == 22
    for name in (*FIELDS.values(), *IMPACT.values(), "fUniqueID"):
        kept[f"EFlowTrack.{name}"] = events[prefix + name][charged]
    for tower, mask in (("EFlowPhoton", is_photon), ("EFlowNeutralHadron", ~charged & ~is_photon)):
        kept |= of(tower, {name: events[prefix + name][mask] for name in ("Eta", "Phi", "fUniqueID")})
        kept[f"{tower}.ET"] = events[f"{prefix}PT"][mask]
    return ak.zip(kept, depth_limit=1)


def without(events, *beginnings):
    return events[[name for name in events.fields if not name.startswith(beginnings)]]


def slow_constituents(events, collection):
    """Twin of the reader: a dictionary of each event, reference by reference."""
    found = []
    for event in events.to_list():
        candidates = {name: event[f"ParticleFlowCandidate.{branch}"] for name, branch in (FIELDS | IMPACT).items()}
        place = {identity: k for k, identity in enumerate(event["ParticleFlowCandidate.fUniqueID"])}
        rows = [dict(zip(candidates, row)) for row in zip(*candidates.values())]
        rows = [row | {"pdg_id": row["pdg_id"] or 130} for row in rows]
        found.append([[rows[place[one]] for one in jet["refs"]] for jet in event[f"{collection}.Constituents"]])
    return found


@pytest.mark.parametrize("kind, collection", [("jets", "JetPUPPIAK8"), ("ak4_jets", "JetPUPPI")])
def test_constituents_are_those_that_the_references_name(kind, collection):
    events = toy_events()
    jets = delphes.record(events)[kind]
    assert jets.constituents.to_list() == slow_constituents(events, collection)
    for name in ("pt", "eta", "phi", "mass"):
        assert jets[name].to_list() == events[f"{collection}.{FIELDS[name]}"].to_list()


def test_candidates_in_parts_are_those_in_one_collection():
    events = toy_events()
    whole, parts = delphes.record(events), delphes.record(in_parts(events))
    assert parts.fields == whole.fields
    for kind in ("jets", "ak4_jets"):
        assert parts[kind].to_list() == whole[kind].to_list()


def test_older_versions_have_neither_masses_nor_longitudinal_impact():
    events = in_parts(toy_events())
    older = without(events, "EFlowTrack.Mass", "EFlowTrack.DZ", "EFlowTrack.Error")
    older = ak.with_field(older, events["EFlowTrack.D0"] * 2, "EFlowTrack.Dxy")
    older = ak.with_field(without(older, "EFlowTrack.D0"), events["EFlowTrack.ErrorD0"], "EFlowTrack.SDxy")
    expected, found = delphes.jets(events).constituents, delphes.jets(older).constituents
    assert found.fields == ["pt", "eta", "phi", "charge", "pdg_id", "d0", "d0_err", "mass"]
    assert found.d0.to_list() == (expected.d0 * 2).to_list()
    assert found.d0_err.to_list() == expected.d0_err.to_list()
    assert set(ak.flatten(found.mass, axis=None).to_list()) == {0.0}


def test_jets_are_the_first_collection_that_is_there():
    events = toy_events()
    fat = toy_events(large="FatJet", small="Jet")
    assert readers.dialect(fat.fields) is readers.dialect(events.fields) is delphes
    assert delphes.jets(fat).to_list() == delphes.jets(events).to_list()
    assert delphes.ak4_jets(fat).to_list() == delphes.ak4_jets(events).to_list()
    both = ak.zip({name: each for one in (fat, events) for name, each in zip(one.fields, ak.unzip(one))}, depth_limit=1)
    assert not [name for name in delphes.branches(both.fields) if name.startswith(("FatJet.", "Jet."))]
    assert delphes.record(without(events, "JetPUPPIAK8.")).fields[0] == "ak4_jets"
    assert "ak4_jets" not in delphes.record(without(events, "JetPUPPI.")).fields


def test_truth_is_that_of_the_particles():
    events = toy_events()
    record = delphes.record(events)
    axes = {name: ak.flatten(record.jets[name]).to_numpy() for name in ("eta", "phi")}
    near = np.hypot(axes["eta"] - 0.5, axes["phi"] - 0.5) < 0.8  # no axis is at another end of phi
    assert 0 < near.sum() < len(near)
    assert ak.flatten(record.jets.truth_pdg_id).to_list() == np.where(near, 25, 0).tolist()
    assert ak.flatten(record.jets.flavour).to_list() == np.where(near, 5, 0).tolist()
    small = {name: ak.flatten(record.ak4_jets[name]).to_numpy() for name in ("eta", "phi")}
    near = np.hypot(small["eta"] - 0.5, small["phi"] - 0.5) < 0.3
    assert 0 < near.sum() < len(near)
    assert ak.flatten(record.ak4_jets.flavour).to_list() == np.where(near, 5, 0).tolist()
    assert record.gen_particles.vz[0].to_list() == [0, 0, 0, 0, 7]
    recorded = delphes.record(without(events, "Particle.", "Event.Weight"))
    assert not {"gen_particles", "weight"} & set(recorded.fields)
    assert not {"flavour", "truth_pdg_id"} & set(recorded.jets.fields)


def test_keys_tell_apart_equal_numbers_of_two_files():
    one, other = delphes.record(toy_events(seed=1)), delphes.record(toy_events(seed=2))
    assert one.event.to_list() == other.event.to_list()
    assert len({*one.event_key.to_list(), *other.event_key.to_list()}) == 40
    assert ak.all(one.jets.event_key == one.event_key)
    alone = delphes.record(without(toy_events(seed=1), "JetPUPPIAK8."))
    assert alone.event_key.to_list() == one.event_key.to_list()


def test_no_events_and_no_candidates():
    events = toy_events()
    assert delphes.record(events[:0]).fields == delphes.record(events).fields
    empty = {name: events[name][:, :0] if name.startswith(("Jet", "Part")) else events[name] for name in events.fields}
    record = delphes.record(ak.zip(empty, depth_limit=1))
    assert ak.num(record.jets).to_list() == [0] * 20
    assert len(set(record.event_key.to_list())) == 20


def test_references_that_lead_nowhere_are_errors():
    events = toy_events()
    at = int(np.flatnonzero(ak.num(events["JetPUPPIAK8.PT"]))[0])
    identities = events["ParticleFlowCandidate.fUniqueID"]
    lost = ak.with_field(events, identities + 1000 * (np.arange(20) == at), "ParticleFlowCandidate.fUniqueID")
    message = rf"JetPUPPIAK8.Constituents: \d+ of \d+ references, the first in event {at}, lead to no ParticleFlowCand"
    with pytest.raises(ValueError, match=message):
        delphes.jets(lost)
    tracks = in_parts(events)
    names = [name for name in tracks.fields if name.startswith(("EFlowTrack", "EFlowPhoton", "EFlowNeutral"))]
    none = ak.zip(
        {name: tracks[name][:, :0] if name in names else tracks[name] for name in tracks.fields}, depth_limit=1
    )
    with pytest.raises(
        ValueError, match=r"lead to no EFlowTrack/EFlowPhoton/EFlowNeutralHadron: the file does not keep"
    ):
        delphes.jets(none)


def test_branches_that_lack_something_are_errors():
    events = toy_events()
    with pytest.raises(ValueError, match=r"Event.Number has 0 numbers in event 0, required: one"):
        delphes.jets(ak.with_field(events, events["Event.Number"][:, :0], "Event.Number"))
    with pytest.raises(KeyError, match=r"Delphes needs .*'FatJet.PT'"):
        delphes.jets(without(events, "JetPUPPIAK8."))
    with pytest.raises(KeyError, match=r"Delphes needs columns that are missing: \['EFlowTrack.PT'"):
        delphes.jets(without(events, "ParticleFlowCandidate."))
    with pytest.raises(ValueError, match=r"Delphes also needs JetPUPPIAK8.Constituents"):
        readers.dialect([name for name in events.fields if "JetPUPPIAK8.C" not in name and "JetPUPPI." not in name])


@pytest.mark.parametrize("collection, jets", [("jets", 22), ("ak4_jets", 44)])
def test_real_jets_are_the_sums_of_their_constituents(collection, jets, test_data):
    found = ak.flatten(cortado.read(test_data / "jets/events_delphes_example.root", collection=collection)[collection])
    assert len(found) == jets
    total = ak.sum(found.constituents, axis=1)
    np.testing.assert_allclose(total.pt, found.pt, rtol=1e-5)
    np.testing.assert_allclose(total.phi, found.phi, atol=1e-5)


def test_real_jets_whose_candidates_are_not_kept_are_refused(test_data):
    path = test_data / "jets/events_delphes_example.root"
    names = [name for name in ntuples.branch_names(path) if not name.startswith("JetPUPPI")]
    (step,) = ntuples.steps(path)
    message = r"JetAK8.Constituents: \d+ of \d+ references, the first in event 0, lead to no ParticleFlowCandidate"
    with pytest.raises(ValueError, match=message):
        delphes.jets(ntuples.arrays(step, delphes.branches(names)))


def test_events_of_coffea_are_those_of_the_file(test_data):
    nanoevents = pytest.importorskip("coffea.nanoevents")
    path = str(test_data / "jets/events_delphes_example.root")
    events = nanoevents.NanoEventsFactory.from_root(
        {path: "Delphes"}, schemaclass=nanoevents.DelphesSchema, mode="virtual"
    ).events()
    assert readers.jets(events).to_list() == cortado.read(path).jets.to_list()
