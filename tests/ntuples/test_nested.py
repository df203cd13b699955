"""Nested columns, as skims of coffea, awkward and uproot have them, are read under the names of flat branches."""

import awkward as ak
import numpy as np
import pytest
import uproot

import cortado
from cortado import ntuples
from cortado.ntuples.nested import views

FLAT = ("event", "MET_pt", "MET_phi", "Jet_pt", "Jet_btag_score", "Jet_A_mass", "Jet_p4_x", "Jet_p4_y", "weights")


def nested_events():
    """Three events; `Jet_A` is another collection than the fields of `Jet` that begin with "A_"."""
    jets = ak.Array(
        [
            [{"pt": 50.0, "btag_score": 0.9, "A_mass": 1.0, "p4": {"x": 1.0, "y": 2.0}, "parts": [{"pt": 1.0}]}],
            [],
            [
                {"pt": 40.0, "btag_score": 0.1, "A_mass": 2.0, "p4": {"x": 3.0, "y": 4.0}, "parts": []},
                {"pt": 30.0, "btag_score": 0.2, "A_mass": 3.0, "p4": {"x": 5.0, "y": 6.0}, "parts": [{"pt": 2.0}] * 2},
            ],
        ]
    )
    return {
        "event": np.arange(3),
        "MET": ak.zip({"pt": [1.0, 2.0, 3.0], "phi": [0.0, 0.1, 0.2]}),
        "Jet": jets,
        "Jet_A": ak.zip({"eta": ak.Array([[1.0, 2.0], [3.0], []])}),
        "weights": ak.Array([[1.0], [], [2.0, 3.0]]),
    }


def write(path):
    """Nested columns as uproot and awkward write them by default."""
    if path.suffix == ".parquet":
        ak.to_parquet(ak.Array(nested_events()), path, row_group_size=2)
    else:
        with uproot.recreate(path) as file:
            file["Events"] = nested_events()
    return path


@pytest.fixture(params=["a.root", "a.parquet"])
def path(tmp_path, request):
    return write(tmp_path / request.param)


def read(path, branches, **options):
    return ak.concatenate([events for _, events in ntuples.iterate(path, branches, **options)])


@pytest.mark.parametrize("size", [1, 100])
def test_fields_of_nested_columns_are_branches(path, size):
    found, events = read(path, FLAT, size=size), nested_events()
    assert found.fields == list(FLAT)
    assert found.event.tolist() == [0, 1, 2]
    assert found.MET_phi.tolist() == events["MET"].phi.tolist()
    assert found.Jet_btag_score.tolist() == events["Jet"].btag_score.tolist()
    assert found.Jet_p4_y.tolist() == events["Jet"].p4.y.tolist()
    assert found.weights.tolist() == events["weights"].tolist()


def test_all_branches_can_be_read_and_whole_columns_too(path):
    names = ntuples.branch_names(path)
    assert set(FLAT) | {"Jet", "MET", "Jet_p4", "Jet_parts", "Jet_parts_pt", "Jet_A", "Jet_A_eta"} == set(names)
    found = read(path, names)
    assert found.Jet.tolist() == nested_events()["Jet"].tolist()
    assert found.Jet_parts_pt.tolist() == [[[1.0]], [], [[], [2.0, 2.0]]]


def test_a_dot_or_an_underscore_is_the_same_in_nested_and_in_flat_files(path, tmp_path):
    assert read(path, ["Jet.pt"]).fields == ["Jet.pt"]
    assert read(path, ["Jet.pt"])["Jet.pt"].tolist() == [[50.0], [], [40.0, 30.0]]
    ntuples.write(tmp_path / "flat.root", "Events", [{"Jet": nested_events()["Jet"][["pt", "A_mass"]]}])
    assert read(tmp_path / "flat.root", ["Jet.pt", "Jet_A_mass"])["Jet.pt"].tolist() == [[50.0], [], [40.0, 30.0]]


def test_a_branch_that_is_in_neither_form_names_the_nearest(path):
    with pytest.raises(KeyError, match=r"no branch 'Jet\.ptt' in tree .*; nearest: Jet_pt"):
        read(path, ["Jet.ptt"])


def test_only_the_columns_that_are_asked_for_are_read(tmp_path):
    """Of the same file with a damaged column the others can be read."""
    path = write(tmp_path / "a.parquet")
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(path)
    column = next(k for k in range(len(file.schema)) if file.schema.column(k).path.endswith("btag_score"))
    chunk = file.metadata.row_group(0).column(column)
    content = bytearray(path.read_bytes())
    begin = chunk.dictionary_page_offset or chunk.data_page_offset
    content[begin : begin + chunk.total_compressed_size] = bytes(chunk.total_compressed_size)
    path.write_bytes(content)
    assert read(path, ["Jet_pt"]).Jet_pt.tolist() == [[50.0], [], [40.0, 30.0]]
    with pytest.raises(OSError, match="cannot read branch 'Jet_btag_score'"):
        read(path, ["Jet_pt", "Jet_btag_score"])


def test_a_column_of_the_file_keeps_its_name_beside_a_field_of_the_same():
    assert views([("A", "b"), ("A_b",)]) == {"A": ("A",), "A_b": ("A_b",)}


def test_a_mapping_names_branches_in_either_form(path, tmp_path):
    ntuples.write(tmp_path / "flat.root", "Events", [{"event": np.arange(3), "Jet": nested_events()["Jet"][["pt"]]}])
    for name in ("Jet_pt", "Jet.pt"):
        mapping = cortado.readers.Mapping(jets={"pt": name}, event={"event": "event"})
        for file in (path, tmp_path / "flat.root"):
            assert cortado.read(file, dialect=mapping).jets.pt.tolist() == [[50.0], [], [40.0, 30.0]]
        assert mapping.record(ak.Array(nested_events())).jets.pt.tolist() == [[50.0], [], [40.0, 30.0]]
