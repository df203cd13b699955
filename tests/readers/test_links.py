"""NanoAOD v15 and PFNano: constituents by index."""

from functools import cache

import awkward as ak
import numpy as np
import pytest
import samples
from coffea.nanoevents import NanoAODSchema, NanoEventsFactory
from real_files import columns_of

from cortado import readers
from cortado.event_keys import event_key
from cortado.readers import nanoaod, pfnano
from cortado.readers.nanoaod import charge_of

NAMES = {
    nanoaod: {"links": "FatJetPFCand", "candidate_index": "pfCandIdx", "candidates": "PFCand"},
    pfnano: {"links": "FatJetPFCands", "candidate_index": "pFCandsIdx", "candidates": "PFCands"},
}
REAL_FILES = {nanoaod: "jets/nano_tt_v15.root", pfnano: "jets/pfnano.root"}
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:coffea")  # branches that our small files lack
BOTH = pytest.mark.parametrize("dialect", [nanoaod, pfnano], ids=["nanoaod", "pfnano"])


def toy_columns(dialect=nanoaod, n_events=40, seed=3, **options):
    jets = samples.separated_event_jets(n_events, seed)
    return samples.cms_columns(jets, seed, **NAMES[dialect], **options), jets


def slow_constituents(events, dialect, field):
    """One value of all constituents, by loops over events, jets and links."""
    names = NAMES[dialect]
    found = []
    for event in events:
        jet_index = event[f"{names['links']}_jetIdx"].tolist()
        candidate_index = event[f"{names['links']}_{names['candidate_index']}"].tolist()
        values = event[f"{names['candidates']}_{field}"].tolist()
        links = list(zip(jet_index, candidate_index, strict=True))
        found.append([[values[c] for j, c in links if j == jet] for jet in range(len(event["FatJet_pt"]))])
    return found


def flat(nested):
    """Numbers of nested lists, one after the other."""
    for each in nested:
        yield from flat(each) if isinstance(each, list) else (each,)


@cache
def real_events(dialect, folder):
    """Branches of a real file that the dialect uses, and one that it does not, as plain arrays."""
    return columns_of(folder / REAL_FILES[dialect], dialect, "FatJet_rawFactor")


def nano_events(path):
    """Virtual NanoEvents, and the list of the branches that they have read."""
    log = []
    opened = NanoEventsFactory.from_root(
        {str(path): "Events"}, schemaclass=NanoAODSchema, mode="virtual", access_log=log
    )
    return opened.events(), log


@BOTH
@pytest.mark.parametrize("shuffle_links", [False, True])
def test_constituents_are_those_of_the_links(dialect, shuffle_links):
    columns, jets = toy_columns(dialect, shuffle_links=shuffle_links)
    events = samples.branches(columns)
    found = dialect.jets(events)
    assert found.constituents.pt.tolist() == slow_constituents(events, dialect, "pt")
    assert found.constituents.charge.tolist() == slow_constituents(events, dialect, "charge")
    assert ak.all(ak.num(found.constituents, axis=2) == ak.num(jets.constituents, axis=2))
    if not shuffle_links:
        assert found.constituents.eta.tolist() == jets.constituents.eta.tolist()


@BOTH
def test_real_constituents_are_those_of_the_links(dialect, test_data):
    events = real_events(dialect, test_data)
    found = dialect.jets(events)
    for ours, theirs in {"pt": "pt", "phi": "phi", "pdg_id": "pdgId"}.items():
        assert found.constituents[ours].tolist() == slow_constituents(events, dialect, theirs)
    for ours, theirs in {"pt": "pt", "mass": "mass", "soft_drop_mass": "msoftdrop", "tau3": "tau3"}.items():
        assert found[ours].tolist() == events[f"FatJet_{theirs}"].tolist()


def test_pfnano_candidates_carry_impact_parameters(test_data):
    events = real_events(pfnano, test_data)
    constituents = pfnano.jets(events).constituents
    assert constituents.puppi_weight.tolist() == slow_constituents(events, pfnano, "puppiWeight")
    for ours, theirs in {"d0": "d0", "d0_err": "d0Err", "dz": "dz", "dz_err": "dzErr"}.items():  # cm in the file
        expected = 10 * np.array(list(flat(slow_constituents(events, pfnano, theirs))))
        np.testing.assert_allclose(ak.flatten(constituents[ours], axis=None), expected, rtol=1e-6)


def test_constituents_add_up_to_the_jet(test_data):
    events = real_events(nanoaod, test_data)
    jets, raw = nanoaod.jets(events), 1 - events.FatJet_rawFactor
    linked = ak.num(jets.constituents, axis=2) > 0
    total = ak.sum(jets.constituents, axis=2)
    ratio = ak.flatten((total.pt / (jets.pt * raw))[linked])
    assert ak.count(ratio) == 62  # two of the 64 jets have no links in this file
    assert 0.95 < np.median(ratio) < 1.05  # pileup weights are not in the file


@BOTH
def test_record_holds_jets_and_event_numbers(dialect):
    columns, jets = toy_columns(dialect)
    record = dialect.record(samples.branches(columns))
    expected_key = event_key(columns["run"], columns["luminosityBlock"], columns["event"])
    event_fields = ["run", "luminosity_block", "event"]
    assert record.fields == ["jets", "event_key", *event_fields, "weight", "gen_particles"]
    assert record.event_key.tolist() == expected_key.tolist()
    assert ak.all(record.jets.event_key == record.event_key)
    assert record.event.tolist() == columns["event"].tolist()
    assert record.weight.tolist() == columns["genWeight"].tolist()
    assert record.gen_particles.pdg_id.tolist() == columns["GenPart"].pdgId.tolist()
    for name in ("pt", "eta", "phi", "mass", "soft_drop_mass", "tau1", "tau2", "tau3", "truth_pdg_id"):
        assert record.jets[name].tolist() == jets[name].tolist()
    assert record.jets.event_key.type.content.content.primitive == "uint64"
    assert record.jets.truth_pdg_id.type.content.content.primitive == "int32"


def test_jets_and_constituents_are_vectors_here_only():
    record = nanoaod.record(samples.branches(toy_columns()[0]))
    jets = record.jets
    energy = np.sqrt((jets.pt * np.cosh(jets.eta)) ** 2 + jets.mass**2)
    assert ak.all(np.isclose(jets.energy, energy, rtol=1e-5))
    assert ak.all(ak.isclose(ak.sum(jets.constituents, axis=2).pt, jets.pt, rtol=1e-4))
    assert ("*", "Momentum4D") not in ak.behavior


def test_recorded_data_has_no_truth():
    columns = {name: column for name, column in toy_columns()[0].items() if name not in ("GenPart", "genWeight")}
    record = nanoaod.record(samples.branches(columns))
    assert record.fields == ["jets", "event_key", "run", "luminosity_block", "event"]
    assert "truth_pdg_id" not in record.jets.fields


def test_missing_optional_columns_are_absent():
    columns, _jets = toy_columns()
    columns["PFCand"] = columns["PFCand"][["pt", "eta", "phi", "mass"]]
    columns["FatJet"] = columns["FatJet"][["pt", "eta", "phi", "mass"]]
    found = nanoaod.jets(samples.branches(columns))
    assert found.fields == ["pt", "eta", "phi", "mass", "truth_pdg_id", "event_key", "constituents"]
    assert found.constituents.fields == ["pt", "eta", "phi", "mass"]


def test_charge_comes_from_the_pdg_id_where_the_file_has_none():
    columns, jets = toy_columns()
    columns["PFCand"] = columns["PFCand"][["pt", "eta", "phi", "mass", "pdgId"]]
    found = nanoaod.jets(samples.branches(columns))
    assert found.constituents.charge.tolist() == jets.constituents.charge.tolist()


def test_charge_of_particle_flow_candidates():
    codes = [211, -211, 11, -11, 13, -13, 22, 130, 1, 2, 0]
    assert charge_of(codes).tolist() == [1, -1, -1, 1, -1, 1, 0, 0, 0, 0, 0]
    assert charge_of(np.array(codes, dtype=np.int16)).dtype == np.int32
    assert charge_of([]).shape == (0,)


def test_charge_of_agrees_with_pfnano(test_data):
    candidates = real_events(pfnano, test_data)
    charge = charge_of(ak.flatten(candidates.PFCands_pdgId))
    assert charge.tolist() == ak.flatten(candidates.PFCands_charge).tolist()


def test_charge_of_an_unknown_code_is_an_error():
    with pytest.raises(ValueError, match=r"pdgId -6 is not of a particle-flow candidate; known: .*211"):
        charge_of([211, -6])


def test_nothing_is_lost_with_empty_jets_and_empty_events():
    columns, _ = toy_columns(n_events=3)
    events = samples.branches(columns)
    no_links = {name: events[name] for name in events.fields}
    for name in ("FatJetPFCand_jetIdx", "FatJetPFCand_pfCandIdx"):
        no_links[name] = events[name][:, :0]
    found = nanoaod.jets(ak.zip(no_links, depth_limit=1))
    assert ak.num(found).tolist() == ak.num(events.FatJet_pt).tolist()
    assert ak.sum(ak.num(found.constituents, axis=2)) == 0
    assert len(nanoaod.record(events[:0])) == 0
    assert nanoaod.record(events[:0]).jets.fields == nanoaod.record(events).jets.fields


@BOTH
def test_slices_of_events_give_slices_of_jets(dialect):
    events = samples.branches(toy_columns(dialect)[0])
    whole = dialect.jets(events)
    assert dialect.jets(events[7:31]).constituents.pt.tolist() == whole[7:31].constituents.pt.tolist()
    odd = np.arange(len(events)) % 2 == 1
    assert dialect.jets(events[odd]).tolist() == whole[odd].tolist()


def test_not_a_number_is_passed_on():
    columns, _ = toy_columns()
    columns["PFCand"] = ak.with_field(columns["PFCand"], columns["PFCand"].pt * np.float32(np.nan), "pt")
    found = nanoaod.jets(samples.branches(columns))
    assert ak.all(np.isnan(found.constituents.pt))
    assert not ak.any(np.isnan(found.constituents.eta))


@BOTH
@pytest.mark.parametrize("index", [-1, 99])
@pytest.mark.parametrize("end", ["jet", "candidate"])
def test_links_to_nowhere_are_errors(dialect, index, end):
    columns, _ = toy_columns(dialect)
    names = NAMES[dialect]
    field = "jetIdx" if end == "jet" else names["candidate_index"]
    target = "FatJet" if end == "jet" else names["candidates"]
    links = columns[names["links"]]
    entry = int(np.flatnonzero(ak.num(links))[2])
    if end == "candidate" and index > 0:
        index = len(columns[target][entry])
    first_of_entry = (ak.local_index(links[field]) == 0) & (np.arange(len(links)) == entry)
    columns[names["links"]] = ak.with_field(links, ak.where(first_of_entry, index, links[field]), field)
    size = len(columns[target][entry])
    branch = f"{names['links']}_{field}"
    message = rf"{branch} = {index} in event {entry}: 0 to {size - 1} are allowed \({size} {target}\)"
    with pytest.raises(ValueError, match=message):
        dialect.jets(samples.branches(columns))


def test_link_without_any_jet_is_an_error():
    events = samples.branches(toy_columns()[0])
    entry = int(np.flatnonzero(ak.num(events.FatJetPFCand_jetIdx))[0])
    emptied = {name: events[name][:, :0] if name.startswith("FatJet_") else events[name] for name in events.fields}
    with pytest.raises(ValueError, match=rf"jetIdx = 0 in event {entry}: there is no FatJet"):
        nanoaod.jets(ak.zip(emptied, depth_limit=1))


def test_link_with_one_end_is_an_error():
    events = samples.branches(toy_columns()[0])
    short = ak.with_field(events, events.FatJetPFCand_pfCandIdx[:, 1:], "FatJetPFCand_pfCandIdx")
    entry = int(np.flatnonzero(ak.num(events.FatJetPFCand_jetIdx))[0])
    n = len(events.FatJetPFCand_jetIdx[entry])
    message = rf"FatJetPFCand_jetIdx has {n} and FatJetPFCand_pfCandIdx has {n - 1} links in event {entry}"
    with pytest.raises(ValueError, match=message):
        nanoaod.jets(short)


def test_missing_column_is_an_error_that_names_the_nearest():
    events = samples.branches(toy_columns()[0])
    fields = [name for name in events.fields if name != "FatJetPFCand_pfCandIdx"]
    with pytest.raises(KeyError, match=r"NanoAOD v15 needs .*'FatJetPFCand_pfCandIdx'.*nearest: FatJetPFCand_jetIdx"):
        nanoaod.jets(events[fields])


@BOTH
def test_branches_are_those_that_the_record_needs(dialect):
    events = samples.branches(toy_columns(dialect)[0])
    wanted = dialect.branches([*events.fields, "FatJet_area", "Muon_pt"])
    assert set(wanted) == set(events.fields)
    assert dialect.record(events[wanted]).tolist() == dialect.record(events).tolist()


@BOTH
def test_nano_events_give_the_same_jets(dialect, tmp_path):
    columns, _ = toy_columns(dialect)
    samples.write_tree(tmp_path / "nano.root", columns)
    events, _ = nano_events(tmp_path / "nano.root")
    assert readers.jets(events).tolist() == dialect.jets(samples.branches(columns)).tolist()


@BOTH
def test_real_nano_events_give_the_same_jets(dialect, test_data):
    plain = real_events(dialect, test_data)
    events, _ = nano_events(test_data / REAL_FILES[dialect])
    assert str(readers.jets(events).tolist()) == str(dialect.jets(plain).tolist())  # a jet without a match has NaN


def test_virtual_columns_are_read_when_they_are_used(tmp_path):
    samples.write_tree(tmp_path / "nano.root", toy_columns()[0])
    events, log = nano_events(tmp_path / "nano.root")
    jets = nanoaod.jets(events)
    read = {access.branch for access in log}
    assert "FatJetPFCand_jetIdx" in read
    assert not {name for name in read if name.startswith(("PFCand_", "FatJet_t", "FatJet_m"))}
    jets["score"] = ak.zeros_like(jets.pt)
    assert ak.sum(jets[jets.pt > 550].constituents.pt) > 0
    assert {access.branch for access in log} - read == {"FatJet_pt", "PFCand_pt"}
    expected = nanoaod.jets(samples.branches(toy_columns()[0])).constituents.d0
    assert jets.constituents.d0.tolist() == expected.tolist()
    assert {access.branch for access in log} - read == {"FatJet_pt", "PFCand_pt", "PFCand_d0"}


def test_events_are_not_changed():
    events = samples.branches(toy_columns()[0])
    before = events.tolist()
    jets = nanoaod.record(events).jets
    jets["score"] = jets.pt * 0
    assert events.tolist() == before
