"""Each real file of jets and events is read, with the numbers that are known of it, or refused with what it lacks."""

import awkward as ak
import numpy as np
import pytest
import uproot

import cortado
from cortado import ntuples, readers

JETS = {
    "jets/deepntuple_even.root": ("DeepNTuple", 3592, {"jets": 3592}, {"label_b": 1124, "label_c": 464}),
    "jets/nano_tt_v15.root": ("NanoAOD v15", 200, {"jets": 64}, {}),
    "jets/pfnano.root": ("PFNano", 10, {"jets": 24, "ak4_jets": 64}, {}),
    "jets/JetClassII_example.root": ("JetClass", 100, {"jets": 100}, {}),
    "jets/events_delphes_example.root": ("Delphes", 10, {"jets": 22, "ak4_jets": 44}, {}),
    "jets/PHYSLITE_example.root": ("PHYSLITE", 100, {"jets": 881}, {"label_b": 1}),
    "vertexing/test_FCC_Spring2021.root": ("EDM4hep", 100, {"jets": 516}, {}),
}
CONSTITUENTS = {
    "jets/nano_tt_v15.root": 2374,
    "jets/events_delphes_example.root": 909,
    "jets/PHYSLITE_example.root": 1126,
}
NO_JETS = {
    "jets/nanoAOD_2015_CMS_Open_Data_ttbar.root": r"\(NanoAOD without particle-flow candidates; .*\).*NanoAOD v15 also "
    r"needs FatJetPFCand_jetIdx, FatJetPFCand_pfCandIdx, PFCand_pt",
    "physics/Run2012B_SingleMu_1000.root": r"\(NanoAOD without particle-flow .*NanoAOD v15 also needs JetPFCand_jetIdx",
    "physics/Run2012BC_DoubleMuParked_Muons_1000evts_rntuple_v1-0-0-0.root": r"NanoAOD v15 also needs .*Jet_pt",
    "physics/uproot-HZZ.root": r"top tagging also needs part_px, .*for branches of your own: dialect=",
    "physics/uproot-Zmumu.root": r"top tagging also needs part_px, .*for branches of your own: dialect=",
}
KINEMATICS = ("pt", "eta", "phi", "mass")
HZZ = readers.Mapping(jets={"px": "Jet_Px", "py": "Jet_Py", "pz": "Jet_Pz", "energy": "Jet_E"}, name="HZZ")
DIMUONS = readers.Mapping(collections={"muons": {name: f"Muon_{name}" for name in KINEMATICS}}, name="dimuons")
COLUMNS = {
    "jets/nanoAOD_2015_CMS_Open_Data_ttbar.root": (
        readers.nanoaod_mapping({"jets": ("Jet", KINEMATICS), "muons": ("Muon", ("pt",))}, event=("MET_pt",)),
        {"jets": 537, "muons": 41},
    ),
    "physics/Run2012B_SingleMu_1000.root": (readers.nanoaod_mapping({"jets": ("Jet", KINEMATICS)}), {"jets": 1699}),
    "physics/uproot-Zmumu.root": (readers.Mapping(event={"run": "Run", "event": "Event", "mass": "M"}), {}),
}
UNNAMED = {
    "physics/uproot-HZZ.root": (HZZ, "jets"),
    "physics/Run2012BC_DoubleMuParked_Muons_1000evts_rntuple_v1-0-0-0.root": (DIMUONS, "muons"),
}


def test_no_file_is_left_out(test_data):
    files = {path.relative_to(test_data).as_posix() for path in (test_data / "jets").iterdir()}
    files |= {path.relative_to(test_data).as_posix() for path in (test_data / "physics").iterdir()}
    assert files <= {*JETS, *NO_JETS}
    assert set(NO_JETS) == {*COLUMNS, *UNNAMED}


@pytest.mark.parametrize("name", JETS)
def test_files_of_jets_are_read_to_finite_jets(name, test_data):
    dialect, entries, objects, labels = JETS[name]
    path = test_data / name
    assert dialect == readers.dialect(ntuples.branch_names(path)).NAME
    record = cortado.read(path)
    assert len(record) == entries
    assert {
        kind: int(ak.sum(ak.num(record[kind]))) for kind in ("jets", "ak4_jets") if kind in record.fields
    } == objects
    assert len(set(record.event_key.to_list())) > 0.3 * entries  # DeepNTuples have several jets of an event
    for kind in objects:
        jets = ak.flatten(record[kind])
        for field in set(KINEMATICS) & set(jets.fields):
            assert np.isfinite(jets[field].to_numpy()).all(), field
        assert ak.all(jets.pt > 0)
        members = [each for each in ("constituents", "tracks", "charged", "neutral") if each in jets.fields]
        assert members
        for member in members:
            for field in set(KINEMATICS) & set(jets[member].fields):
                assert np.isfinite(ak.flatten(jets[member][field]).to_numpy()).all(), field
    assert {label: int(ak.sum(record.jets[label])) for label in labels} == labels
    if name in CONSTITUENTS:
        assert ak.count(record.jets.constituents.pt) == CONSTITUENTS[name]


@pytest.mark.parametrize("name", NO_JETS)
def test_files_without_constituents_are_refused_with_what_they_lack(name, test_data):
    with pytest.raises(ValueError, match=rf"(?s){name}: not of a known dialect.*{NO_JETS[name]}"):
        cortado.read(test_data / name)


@pytest.mark.parametrize("name", COLUMNS)
def test_their_columns_are_read_all_the_same(name, test_data):
    mapping, objects = COLUMNS[name]
    record = cortado.read(test_data / name, dialect=mapping)
    assert {each: int(ak.sum(ak.num(record[each]))) for each in objects} == objects
    assert len(record) == ntuples.num_entries(test_data / name)
    for each in objects:
        assert np.isfinite(ak.flatten(record[each].pt).to_numpy()).all()


@pytest.mark.parametrize("name", UNNAMED)
def test_events_that_nothing_names_are_told_apart_by_what_they_hold(name, test_data):
    mapping, objects = UNNAMED[name]
    record = cortado.read(test_data / name, dialect=mapping)
    filled = ak.num(record[objects]) > 0
    keys = record.event_key[filled].to_numpy()
    assert len(np.unique(keys)) == len(keys) > 900


def write_rntuple(events, path):
    with uproot.recreate(path) as file:
        file.mkrntuple("Events", {name: events[name] for name in events.fields})


@pytest.mark.parametrize("write, skim", [(ak.to_parquet, "skim.parquet"), (write_rntuple, "skim.root")])
@pytest.mark.parametrize("name", JETS)
def test_skims_in_other_formats_are_read_as_the_file(name, write, skim, test_data, tmp_path):
    path = test_data / name
    (step,) = ntuples.steps(path)
    reader = readers.dialect(ntuples.branch_names(path))
    write(ntuples.arrays(step, reader.branches(ntuples.branch_names(path))), tmp_path / skim)
    expected, found = cortado.read(path), cortado.read(tmp_path / skim)
    assert found.fields == expected.fields
    assert ak.array_equal(found, expected, equal_nan=True, dtype_exact=False)
