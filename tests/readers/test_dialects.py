"""Recognising the dialect by the branches."""

import awkward as ak
import pytest
import samples
import uproot
from readers.test_edm4hep import toy_events

import cortado
from cortado import ntuples, readers
from cortado.readers import edm4hep, jetclass, nanoaod, pfnano, toptagging
from cortado.readers.edm4hep_columns import _in_fcc_schema

WRITERS = {
    nanoaod: samples.write_nanoaod,
    pfnano: samples.write_pfnano,
    jetclass: samples.write_jetclass,
    toptagging: samples.write_toptagging,
}


def branch_names(path):
    with uproot.open(path) as file:
        return file[next(name for name in ("Events", "tree") if name in file)].keys()


@pytest.mark.parametrize("module", WRITERS, ids=lambda module: module.NAME)
def test_each_dialect_is_recognised_by_its_own_files(module, tmp_path):
    WRITERS[module](tmp_path / "jets.root", 10)
    names = branch_names(tmp_path / "jets.root")
    assert readers.dialect(names) is module
    assert readers.dialect(names, name=module.NAME) is module
    assert readers.dialect(module.branches(names)) is module


def test_hdf5_columns_are_recognised():
    assert readers.dialect(samples.toptagging_table(n=3)[0].keys()) is toptagging


@pytest.mark.parametrize("module", WRITERS, ids=lambda module: module.NAME)
def test_nothing_that_is_required_can_be_left_out(module):
    for form in module.FORMS:
        assert readers.dialect(form) is module
        for name in form:
            with pytest.raises(
                ValueError, match=rf"\n  {module.NAME} also needs .*{name if len(module.FORMS) == 1 else ''}"
            ):
                readers.dialect([other for other in form if other != name], name=module.NAME)


def test_jets_of_any_dialect():
    events = samples.branches(samples.cms_columns(samples.separated_event_jets(10, 1)))
    assert readers.jets(events).tolist() == nanoaod.jets(events).tolist()
    with pytest.raises(ValueError, match=r"these events: not of a known dialect"):
        readers.jets(events[["FatJet_pt"]])


def test_real_file_without_candidates_is_refused(test_data):
    path = test_data / "jets/nanoAOD_2015_CMS_Open_Data_ttbar.root"
    message = (
        r"2015.root: not of a known dialect \(NanoAOD without particle-flow candidates.*\n"
        r"  NanoAOD v15 also needs FatJetPFCand_jetIdx, .*PFCand_mass\n  PFNano also needs.*"
        r"(.*\n)*for its columns alone: dialect=cortado.readers.nanoaod_mapping"
    )
    with pytest.raises(ValueError, match=message):
        readers.dialect(branch_names(path), "2015.root")


def test_unknown_file_is_told_what_each_dialect_needs():
    with pytest.raises(ValueError, match=r"muons.root: not of a known dialect\n") as caught:
        readers.dialect(["nMuon", "Muon_pt"], "muons.root")
    for module in readers.DIALECTS:
        assert f"\n  {module.NAME} also needs " in str(caught.value)


def test_unknown_name_is_told_the_nearest():
    with pytest.raises(ValueError, match=r"dialect = 'pfnano', required: one of .*PFNano.*; nearest: PFNano"):
        readers.dialect([], name="pfnano")
    with pytest.raises(ValueError, match=r"dialect = '\?\?\?', required: one of [^;]*$"):
        readers.dialect([], name="???")


def nested(flat):
    """Columns by what stands before their first underscore, as coffea's NanoAODSchema groups them."""
    groups = {}
    for name in flat.fields:
        collection, _, field = name.partition("_")
        groups.setdefault(collection, {})[field] = flat[name]
    plain = {name: fields[""] for name, fields in groups.items() if "" in fields}
    return plain | {name: ak.zip(fields, depth_limit=None) for name, fields in groups.items() if name not in plain}


def write_nested(path, columns):
    """A skim as awkward (parquet) and uproot (RNTuple) write it by default."""
    if path.suffix == ".parquet":
        ak.to_parquet(ak.Array(columns), path)
        return
    with uproot.recreate(path) as file:
        file["Events"] = columns


@pytest.mark.parametrize("name", ["skim.parquet", "skim.root"])
@pytest.mark.parametrize("module", WRITERS, ids=lambda module: module.NAME)
def test_nested_skims_of_each_dialect_are_read_as_flat_files(module, name, tmp_path):
    WRITERS[module](tmp_path / "jets.root", 10)
    (step,) = ntuples.steps(tmp_path / "jets.root")
    counters = [name for name in ntuples.branch_names(step.path) if name.startswith("n") and name[1:2].isupper()]
    columns = nested(
        ntuples.arrays(step, [n for n in ntuples.branch_names(step.path) if n not in (*counters, "npart")])
    )
    write_nested(tmp_path / name, columns)
    expected = cortado.read(tmp_path / "jets.root")
    assert cortado.read(tmp_path / name).tolist() == expected.tolist()
    assert readers.record(ak.Array(columns)).tolist() == expected.tolist()


@pytest.mark.parametrize("name", ["skim.parquet", "skim.root"])
def test_nested_skims_of_edm4hep_have_the_names_of_coffeas_schema(name, tmp_path):
    flat, columns = toy_events(), {}
    spelled = {name: _in_fcc_schema(name) for name in flat.fields}
    for collection in dict.fromkeys(path[0] for path in spelled.values()):
        members = {path[1:]: flat[name] for name, path in spelled.items() if path[0] == collection}
        inner = {}
        for outer in dict.fromkeys(path[0] for path in members):
            deep = {path[1]: column for path, column in members.items() if path[0] == outer and len(path) > 1}
            inner[outer] = ak.zip(deep) if deep else members[(outer,)]
        columns[collection] = inner
    # Members of a collection that are of another length, as begin and end of links, are lists of their own.
    lists = {name: ak.zip(fields, depth_limit=2) for name, fields in columns.items()}
    write_nested(tmp_path / name, lists)
    assert cortado.read(tmp_path / name).tolist() == edm4hep.record(flat).tolist()
