"""True kinematics of jets: those of the generated jets that NanoAOD and PFNano match to them."""

import awkward as ak
import numpy as np
import pytest
import samples
from coffea.nanoevents import NanoAODSchema, NanoEventsFactory
from real_files import columns_of

from cortado import readers
from cortado.kinematics import delta_r
from cortado.readers import nanoaod, pfnano

KINEMATICS = ("pt", "eta", "phi", "mass")
REAL_FILES = {nanoaod: "jets/nano_tt_v15.root", pfnano: "jets/pfnano.root"}
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:coffea")  # branches that our small files lack
BOTH = pytest.mark.parametrize("dialect", [nanoaod, pfnano], ids=["nanoaod", "pfnano"])
NAMES = {nanoaod: {}, pfnano: {"links": "FatJetPFCands", "candidate_index": "pFCandsIdx", "candidates": "PFCands"}}


def toy_columns(dialect=nanoaod, seed=3):
    """Columns with a generated jet for each jet and one more, in another order; every third jet has none."""
    jets = samples.separated_event_jets(40, seed)
    columns = samples.cms_columns(jets, seed, **NAMES[dialect])
    made = ak.zip({name: ak.concatenate([jets[name][:, :1], jets[name][:, ::-1]], axis=1) for name in KINEMATICS})
    columns["GenJetAK8"] = ak.with_field(made, made.mass * np.float32(0.9), "mass")
    local = ak.local_index(jets.pt)
    index = ak.where(local % 3 == 2, -1, ak.num(jets) - local)
    columns["FatJet"] = ak.with_field(columns["FatJet"], ak.values_astype(index, np.int16), "genJetAK8Idx")
    return columns


def slow_truth(events, name):
    """By loops over events and jets."""
    return [
        [event[f"GenJetAK8_{name}"][i] if i >= 0 else np.nan for i in event["FatJet_genJetAK8Idx"]]
        for event in events.to_list()
    ]


def assert_same(jagged, lists):
    assert ak.num(jagged).tolist() == [len(some) for some in lists]
    np.testing.assert_array_equal(ak.to_numpy(ak.flatten(jagged)), np.float32([one for some in lists for one in some]))


@BOTH
def test_truth_is_that_of_the_matched_generated_jet(dialect):
    events = samples.branches(toy_columns(dialect))
    jets = dialect.jets(events)
    for name in KINEMATICS:
        assert_same(jets[f"true_{name}"], slow_truth(events, name))
    assert 0 < ak.sum(np.isnan(jets.true_mass)) < ak.count(jets.true_mass) / 2
    matched = ~np.isnan(jets.true_mass)
    assert ak.all(jets.true_pt[matched] == jets.pt[matched])
    assert jets.true_mass.type.content.content.primitive == "float32"
    assert set(dialect.branches(events.fields)) == set(events.fields)


@BOTH
def test_real_files_have_truth(dialect, test_data):
    events = columns_of(test_data / REAL_FILES[dialect], dialect)
    jets = ak.flatten(dialect.jets(events))
    for name in KINEMATICS:
        assert_same(dialect.jets(events)[f"true_{name}"], slow_truth(events, name))
    matched = jets[~np.isnan(jets.true_pt)]
    assert len(matched) == {nanoaod: 64, pfnano: 23}[dialect]
    assert 0.9 < np.median(matched.pt / matched.true_pt) < 1.1
    assert np.median(delta_r(matched.eta, matched.phi, matched.true_eta, matched.true_phi)) < 0.1


def test_virtual_events_have_the_same_truth(tmp_path):
    columns = toy_columns()
    samples.write_tree(tmp_path / "nano.root", columns)
    opened = NanoEventsFactory.from_root(
        {str(tmp_path / "nano.root"): "Events"}, schemaclass=NanoAODSchema, mode="virtual"
    )
    plain = nanoaod.jets(samples.branches(columns))
    assert_same(readers.jets(opened.events()).true_mass, plain.true_mass.to_list())


@pytest.mark.parametrize("absent", ["FatJet_genJetAK8Idx", "GenJetAK8_mass"])
def test_without_all_branches_there_is_no_truth(absent):
    events = samples.branches(toy_columns())
    fields = nanoaod.jets(events[[name for name in events.fields if name != absent]]).fields
    assert not [name for name in fields if name.startswith("true_")]


def test_no_jet_has_a_match():
    columns = toy_columns()
    columns["GenJetAK8"] = columns["GenJetAK8"][:, :0]
    columns["FatJet"] = ak.with_field(
        columns["FatJet"], ak.full_like(columns["FatJet"].pt, -1, dtype=np.int16), "genJetAK8Idx"
    )
    assert ak.all(np.isnan(nanoaod.jets(samples.branches(columns)).true_pt))


@BOTH
@pytest.mark.parametrize("wrong", [-2, 99])
def test_an_index_of_a_jet_that_is_not_kept_is_no_match(dialect, wrong):
    columns = toy_columns(dialect)
    before = dialect.jets(samples.branches(columns)).true_pt
    index = columns["FatJet"].genJetAK8Idx
    entry = int(np.flatnonzero(ak.num(index))[2])
    is_changed = (np.arange(len(index)) == entry) & (ak.local_index(index) == 0)
    columns["FatJet"] = ak.with_field(columns["FatJet"], ak.where(is_changed, np.int16(wrong), index), "genJetAK8Idx")
    assert_same(dialect.jets(samples.branches(columns)).true_pt, ak.to_list(ak.where(is_changed, np.nan, before)))
