"""Jets of radius 0.4 of NanoAOD v15 and PFNano with their candidates, beside those of radius 0.8 or alone."""

import awkward as ak
import numpy as np
import pytest
import samples
from coffea.nanoevents import NanoAODSchema, NanoEventsFactory
from real_files import columns_of

import cortado
from cortado import ntuples, readers
from cortado.readers import nanoaod, pfnano

LARGE = {
    nanoaod: {"links": "FatJetPFCand", "candidate_index": "pfCandIdx", "candidates": "PFCand"},
    pfnano: {"links": "FatJetPFCands", "candidate_index": "pFCandsIdx", "candidates": "PFCands"},
}
SMALL = {nanoaod: "JetPFCand", pfnano: "JetPFCands"}
BOTH = pytest.mark.parametrize("dialect", [nanoaod, pfnano], ids=["nanoaod", "pfnano"])
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:coffea")  # branches that our small files lack


def toy_columns(dialect=nanoaod, n_events=40, seed=3, keep_large=True):
    columns = samples.cms_columns(samples.separated_event_jets(n_events, seed), seed, **LARGE[dialect])
    return samples.with_ak4_jets(columns, SMALL[dialect], keep_large)


def virtual_events(path):
    log = []
    opened = NanoEventsFactory.from_root(
        {str(path): "Events"}, schemaclass=NanoAODSchema, mode="virtual", access_log=log
    )
    return opened.events(), log


@BOTH
def test_both_kinds_of_jets_are_in_the_record(dialect):
    events = samples.branches(toy_columns(dialect))
    record = dialect.record(events)
    assert record.ak4_jets.constituents.tolist() == record.jets.constituents.tolist()
    assert record.ak4_jets.flavour.tolist() == events.Jet_hadronFlavour.tolist()
    assert ak.all(record.ak4_jets.event_key == record.event_key)
    assert not {"truth_pdg_id", "soft_drop_mass"} & set(record.ak4_jets.fields)
    assert set(dialect.branches([*events.fields, "Jet_area"])) == set(events.fields)


@BOTH
def test_files_may_have_them_alone(dialect, tmp_path):
    samples.write_tree(tmp_path / "nano.root", toy_columns(dialect, keep_large=False))
    assert readers.dialect(ntuples.branch_names(tmp_path / "nano.root")) is dialect
    record = cortado.read(tmp_path / "nano.root")
    assert "jets" not in record.fields
    assert record.ak4_jets.tolist() == dialect.record(samples.branches(toy_columns(dialect))).ak4_jets.tolist()


def test_real_constituents_are_those_of_the_links(test_data):
    events = columns_of(test_data / "jets" / "pfnano.root", pfnano)
    jets = pfnano.record(events).ak4_jets
    expected = []
    for event in events:
        links = list(zip(event.JetPFCands_jetIdx.tolist(), event.JetPFCands_pFCandsIdx.tolist(), strict=True))
        values = event.PFCands_pt.tolist()
        expected.append([[values[c] for j, c in links if j == jet] for jet in range(len(event.Jet_pt))])
    assert jets.constituents.pt.tolist() == expected
    assert ak.sum(ak.num(jets.constituents, axis=2)) == 1801
    ratio = ak.flatten(ak.sum(jets.constituents, axis=2).pt / jets.pt)
    assert 0.8 < np.median(ratio) < 1.2  # corrections of the jets, pile-up weights of the candidates
    gen = [
        pt[i] if 0 <= i < len(pt) else np.nan
        for pt, index in zip(events.GenJet_pt, events.Jet_genJetIdx)
        for i in index
    ]
    np.testing.assert_array_equal(ak.flatten(jets.true_pt), gen)
    assert set(ak.flatten(jets.flavour).tolist()) <= {0, 4, 5}


@BOTH
def test_nano_events_give_the_same_jets_and_read_what_is_used(dialect, tmp_path):
    samples.write_tree(tmp_path / "nano.root", toy_columns(dialect))
    events, log = virtual_events(tmp_path / "nano.root")
    jets = readers.ak4_jets(events)
    candidates = LARGE[dialect]["candidates"]
    assert not [access.branch for access in log if access.branch.startswith((f"{candidates}_", "FatJet"))]
    assert jets.tolist() == dialect.ak4_jets(samples.branches(toy_columns(dialect))).tolist()


def test_columns_called_label_are_taken_as_they_are():
    columns = toy_columns()
    numbers = ak.local_index(columns["FatJet"].pt)
    columns["FatJet"] = ak.with_field(columns["FatJet"], numbers, "label_Hbb")
    columns["Jet"] = ak.with_field(ak.with_field(columns["Jet"], numbers, "label"), numbers, "labelled")
    record = nanoaod.record(samples.branches(columns))
    assert record.jets.label_Hbb.tolist() == record.ak4_jets.label.tolist() == numbers.tolist()
    assert "labelled" not in record.ak4_jets.fields


def test_simulation_without_generated_particles_has_the_flavour_of_its_jets():
    columns = {name: column for name, column in toy_columns().items() if name != "GenPart"}
    record = nanoaod.record(samples.branches(columns))
    assert "gen_particles" not in record.fields
    assert set(ak.flatten(record.ak4_jets.flavour).tolist()) == {0, 4, 5}


def test_what_is_not_wanted_is_not_read(tmp_path):
    columns = toy_columns()
    columns["JetPFCand"] = ak.with_field(columns["JetPFCand"], columns["JetPFCand"].jetIdx - 1, "jetIdx")
    samples.write_tree(tmp_path / "nano.root", columns)
    with pytest.raises(ValueError, match=r"nano\.root.*JetPFCand_jetIdx = -1 in event"):
        cortado.read(tmp_path / "nano.root")
    record = cortado.read(tmp_path / "nano.root", collection="jets")
    assert record.jets.tolist() == nanoaod.jets(samples.branches(columns)).tolist()
    assert "ak4_jets" not in record.fields
    samples.write_tree(tmp_path / "both.root", toy_columns())
    assert "jets" not in cortado.read(tmp_path / "both.root", collection="ak4_jets").fields
    assert {"jets", "ak4_jets"} <= set(cortado.read(tmp_path / "both.root", collection="events").fields)


def test_events_without_them_are_errors():
    columns = samples.cms_columns(samples.separated_event_jets(20, 3))
    with pytest.raises(KeyError, match=r"NanoAOD v15 needs columns that are missing: \['JetPFCand_jetIdx'"):
        readers.ak4_jets(samples.branches(columns))
    alone = samples.branches(toy_columns(keep_large=False))
    with pytest.raises(KeyError, match=r"NanoAOD v15 needs columns that are missing: \['FatJetPFCand_jetIdx'"):
        readers.jets(alone)
    broken = ak.with_field(alone, alone.JetPFCand_jetIdx + 9, "JetPFCand_jetIdx")
    with pytest.raises(ValueError, match=r"JetPFCand_jetIdx = \d+ in event \d+: .* Jet\)"):
        readers.ak4_jets(broken)
