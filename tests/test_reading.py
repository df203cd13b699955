"""Files to records."""

import pickle

import awkward as ak
import numpy as np
import pytest
import samples

import cortado
from cortado import ntuples, readers, reading

WRITERS = [
    samples.write_nanoaod,
    samples.write_pfnano,
    samples.write_jetclass,
    samples.write_toptagging,
    samples.write_toptagging_hdf5,
]
EACH_DIALECT = pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)


def file_name(write, folder):
    return folder / ("jets.h5" if write is samples.write_toptagging_hdf5 else "jets.root")


@EACH_DIALECT
def test_read_gives_the_jets_that_were_written(write, tmp_path):
    path = file_name(write, tmp_path)
    jets = write(path, 40)
    record = cortado.read(path)
    assert len(record) == 40
    assert ak.num(record.jets).tolist() == ak.num(jets).tolist()
    assert ak.all(ak.isclose(record.jets.pt, jets.pt, rtol=1e-5))
    assert ak.all(ak.num(record.jets.constituents, axis=2) == ak.num(jets.constituents, axis=2))


@EACH_DIALECT
def test_steps_do_not_change_the_record(write, tmp_path):
    path = file_name(write, tmp_path)
    write(path, 40)
    whole = reading.read(path).tolist()
    parts = list(reading.iterate(path, size=7))
    assert len(parts) > 5
    assert ak.concatenate(parts).tolist() == whole
    assert reading.read(path, start=11, stop=23).tolist() == whole[11:23]
    assert reading.read(path, start=38).tolist() == whole[38:]
    assert len(reading.read(path, start=40)) == 0


def test_several_files_follow_one_another(tmp_path):
    for seed in (1, 2):
        samples.write_nanoaod(tmp_path / f"{seed}.root", 30, seed)
    paths = [tmp_path / "2.root", tmp_path / "1.root"]
    joined = ak.concatenate(list(reading.iterate(paths)))
    assert joined.tolist() == [event for path in paths for event in reading.read(path).tolist()]


def test_steps_can_be_read_anywhere(tmp_path):
    samples.write_nanoaod(tmp_path / "jets.root", 30)
    step = ntuples.steps(tmp_path / "jets.root", size=10)[1]
    read = pickle.loads(pickle.dumps(reading.records))
    record = read(pickle.loads(pickle.dumps(step)))
    assert record.tolist() == reading.read(tmp_path / "jets.root", start=step.start, stop=step.stop).tolist()
    assert pickle.loads(pickle.dumps(record)).tolist() == record.tolist()


def test_only_needed_branches_are_read(tmp_path, monkeypatch):
    jets = samples.separated_event_jets(20, 1)
    columns = samples.cms_columns(jets) | {
        "Muon": ak.zip({"pt": jets.pt}),
        "MET_pt": np.zeros(20, np.float32),
    }
    samples.write_tree(tmp_path / "nano.root", columns)
    asked = []
    arrays = ntuples.arrays
    monkeypatch.setattr(ntuples, "arrays", lambda step, names: asked.extend(names) or arrays(step, names))
    reading.read(tmp_path / "nano.root")
    assert "PFCand_pt" in asked
    assert not {"Muon_pt", "MET_pt", "nMuon", "nPFCand"} & set(asked)


def test_dialect_may_be_given(tmp_path):
    samples.write_nanoaod(tmp_path / "nano.root", 5)
    assert len(reading.read(tmp_path / "nano.root", dialect="NanoAOD v15", tree="Events")) == 5
    with pytest.raises(
        ValueError, match=r"nano.root: not of a known dialect\n  PFNano also needs FatJetPFCands_jetIdx"
    ):
        reading.read(tmp_path / "nano.root", dialect="PFNano")


def test_unknown_files_are_refused(tmp_path):
    samples.write_tree(tmp_path / "muons.root", {"Muon": ak.zip({"pt": ak.Array([[1.0], []])})})
    with pytest.raises(ValueError, match=r"muons.root: not of a known dialect\n"):
        reading.read(tmp_path / "muons.root")


def test_broken_links_name_the_file_and_the_entries(tmp_path):
    columns = samples.cms_columns(samples.separated_event_jets(20, 1))
    links = columns["FatJetPFCand"]
    columns["FatJetPFCand"] = ak.with_field(links, links.jetIdx - 1, "jetIdx")
    samples.write_tree(tmp_path / "nano.root", columns)
    message = r"nano.root, tree 'Events', events counted from entry 0: FatJetPFCand_jetIdx = -1 in event \d+"
    with pytest.raises(ValueError, match=message):
        reading.read(tmp_path / "nano.root")


def test_counters_that_disagree_are_an_error(tmp_path):
    columns = samples.branches(samples.cms_columns(samples.separated_event_jets(20, 1)))
    short = {name: columns[name] for name in columns.fields}
    short["FatJetPFCand_pfCandIdx"] = short["FatJetPFCand_pfCandIdx"][:, 1:]
    samples.write_tree(tmp_path / "nano.root", short)
    with pytest.raises(
        ValueError, match=r"nano.root: 'FatJetPFCand_jetIdx' has \d+ elements, 'FatJetPFCand_pfCandIdx' \d+"
    ):
        reading.read(tmp_path / "nano.root")


@pytest.mark.parametrize(
    "name, dialect, n_jets",
    [
        ("jets/nano_tt_v15.root", "NanoAOD v15", 64),
        ("jets/pfnano.root", "PFNano", 24),
        ("jets/JetClassII_example.root", "JetClass", 100),
        ("toptagging/val.root", "top tagging", 4999),
    ],
)
def test_real_files(name, dialect, n_jets, test_data):
    jets = ak.flatten(cortado.read(test_data / name).jets)
    assert dialect == readers.dialect(ntuples.branch_names(test_data / name)).NAME
    assert len(jets) == n_jets
    for field in ("pt", "eta", "phi", "mass"):
        assert np.all(np.isfinite(ak.to_numpy(jets[field])))
        assert ak.all(np.isfinite(jets.constituents[field]))
    assert ak.mean(ak.num(jets.constituents)) > 20
