"""Recognising the dialect by the branches."""

import pytest
import samples
import uproot

from cortado import readers
from cortado.readers import jetclass, nanoaod, pfnano, toptagging

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
        r"  NanoAOD v15 also needs FatJetPFCand_jetIdx, .*PFCand_mass\n  PFNano also needs"
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
