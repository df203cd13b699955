"""DeepNTuples of CMS: jets with charged and neutral candidates and vertices."""

from functools import cache

import awkward as ak
import numpy as np
import pytest

from cortado import ntuples, readers
from cortado.readers import deepntuple

COLLECTIONS = {"charged": "Cpfcan_", "neutral": "Npfcan_", "vertices": "sv_"}
COUNTERS = {"charged": "n_Cpfcand", "neutral": "n_Npfcand", "vertices": "n_sv"}
FLAGS = ("isB", "isBB", "isGBB", "isLeptonicB", "isLeptonicB_C", "isC", "isCC", "isGCC", "isUD", "isS", "isG")


def toy_entries(n=30, seed=1):
    """Entries with the required branches, counters, and all flags of DeepNTuples: one of them or none is set."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, len(FLAGS) + 1, n)
    branches = {"jet_pt": rng.random(n), "jet_eta": rng.random(n), "event_no": np.arange(n) // 3}
    branches |= {flag: (kind == number).astype(np.uint32) for number, flag in enumerate(FLAGS)}
    for collection, prefix in COLLECTIONS.items():
        counts = rng.integers(0, 5, n)
        branches[COUNTERS[collection]] = counts
        for name in ("pt", "chi2"):
            branches[prefix + name] = ak.unflatten(rng.random(counts.sum()), counts)
    return ak.zip(branches, depth_limit=1)


@cache
def real_entries(folder):
    path = str(folder / "jets/deepntuple_even.root")
    tree = "deepntuplizer/tree"
    names = deepntuple.branches(ntuples.branch_names(path, tree))
    return ntuples.arrays(ntuples.Step(path, tree, 0, ntuples.num_entries(path, tree)), names)


def test_candidates_and_vertices_come_back():
    entries = toy_entries()
    jets = deepntuple.jets(entries)
    assert ak.num(jets).tolist() == [1] * 30
    for collection, prefix in COLLECTIONS.items():
        assert ak.flatten(jets[collection].pt).tolist() == entries[f"{prefix}pt"].tolist()
    assert "d0" not in jets.charged.fields
    assert jets.neutral.fields == ["pt"]  # neutral candidates have no chi2 in this dialect


def test_jets_of_one_event_share_its_key():
    record = deepntuple.record(toy_entries())
    assert record.fields == ["jets", "event_key"]
    assert ak.all(record.jets.event_key == record.event_key)
    keys = record.event_key.tolist()
    assert keys[:3] == [keys[0]] * 3
    assert len(set(keys)) == 10


def test_labels_are_the_classes_of_deepjet():
    entries = toy_entries(n=200)
    jets = ak.flatten(deepntuple.jets(entries))
    expected = {"b": "isB", "bb": "isBB isGBB", "lepb": "isLeptonicB isLeptonicB_C", "c": "isC isCC isGCC"}
    for label, flags in (expected | {"uds": "isUD isS", "g": "isG"}).items():
        for entry, is_of_class in zip(entries.tolist(), jets[f"label_{label}"].tolist()):
            assert is_of_class == any(entry[flag] for flag in flags.split())
    for jet in jets.tolist():
        flavours = {5: ("b", "bb", "lepb"), 4: ("c",)}
        of_labels = [f for f, labels in flavours.items() if any(jet[f"label_{label}"] for label in labels)]
        assert jet["flavour"] == (of_labels or [0])[0]
    assert jets.flavour.type.content.primitive == "int32"


def test_recorded_data_has_no_truth():
    entries = toy_entries()
    jets = deepntuple.jets(entries[[name for name in entries.fields if name not in FLAGS]])
    assert jets.fields == ["pt", "eta", "event_key", *COLLECTIONS]


def test_no_entries_and_empty_collections():
    entries = toy_entries()
    assert len(deepntuple.record(entries[:0])) == 0
    assert deepntuple.jets(entries[:0]).fields == deepntuple.jets(entries).fields
    jagged = (*COLLECTIONS.values(),)
    empty = {name: entries[name][:, :0] if name.startswith(jagged) else entries[name] for name in entries.fields}
    empty |= {counter: entries[counter] * 0 for counter in COUNTERS.values()}
    jets = deepntuple.jets(ak.zip(empty, depth_limit=1))
    assert all(ak.sum(ak.num(jets[collection], axis=2)) == 0 for collection in COLLECTIONS)


def test_not_a_number_is_passed_on():
    entries = toy_entries()
    jets = deepntuple.jets(ak.with_field(entries, entries.sv_pt * np.nan, "sv_pt"))
    assert ak.all(np.isnan(jets.vertices.pt))
    assert ak.count(jets.vertices.pt) > 10


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_counter_that_counts_something_else_is_an_error(collection):
    entries, counter = toy_entries(), COUNTERS[collection]
    wrong = entries[counter] + (np.arange(len(entries)) == 4)
    n = entries[counter][4]
    message = rf"{counter} counts {n + 1} in entry 4, but {COLLECTIONS[collection]}pt has {n}"
    with pytest.raises(ValueError, match=message):
        deepntuple.jets(ak.with_field(entries, wrong, counter))


def test_columns_of_different_lengths_are_errors():
    entries = toy_entries()
    entry = int(np.flatnonzero(entries.n_sv)[0])
    with pytest.raises(ValueError, match=rf"sv_chi2 counts {entries.n_sv[entry] - 1} in entry {entry}, but sv_pt has"):
        deepntuple.jets(ak.with_field(entries, entries.sv_chi2[:, 1:], "sv_chi2"))


def test_missing_column_is_an_error():
    entries = toy_entries()
    with pytest.raises(KeyError, match=r"DeepNTuple needs .*\['Npfcan_pt'\]; nearest: Cpfcan_pt"):
        deepntuple.jets(entries[[name for name in entries.fields if name != "Npfcan_pt"]])


def test_dialect_is_recognised():
    entries = toy_entries()
    assert readers.dialect(entries.fields) is deepntuple
    assert set(deepntuple.branches([*entries.fields, "QG_mult"])) == set(entries.fields) - {"Npfcan_chi2"}
    assert readers.jets(entries).tolist() == deepntuple.jets(entries).tolist()


def test_real_jets_are_those_of_the_file(test_data):
    entries = real_entries(test_data)
    record = deepntuple.record(entries)
    jets = ak.flatten(record.jets)
    assert len(jets) == 3592
    assert [int(ak.sum(jets[f"label_{name}"])) for name in ("b", "c", "uds", "g")] == [1124, 464, 1120, 884]
    assert [int(ak.sum(jets.flavour == flavour)) for flavour in (5, 4, 0)] == [1124, 464, 2004]
    assert len(set(record.event_key.tolist())) == len(set(entries.event_no.tolist())) == 1474
    assert not {"phi", "mass"} & set(jets.fields)
    for collection, names in {"charged": {"quality": "highPurity"}, "neutral": {"is_photon": "isGamma"}}.items():
        for ours, theirs in names.items():
            assert jets[collection][ours].tolist() == entries[COLLECTIONS[collection] + theirs].tolist()
    for ours, theirs in {"n_tracks": "ntracks", "cos_pointing": "costhetasvpv"}.items():
        assert jets.vertices[ours].tolist() == entries[f"sv_{theirs}"].tolist()
    lengths = {"charged.d0": "Cpfcan_dxy", "charged.dz": "Cpfcan_dz", "vertices.flight_distance": "sv_d3d"}
    lengths |= {"vertices.flight_distance_2d_err": "sv_dxyerr"}
    for field, branch in lengths.items():  # cm in the file
        ours = ak.flatten(jets[tuple(field.split("."))])
        np.testing.assert_allclose(ours, 10 * np.concatenate(entries[branch].tolist()), rtol=1e-6)


def test_real_b_jets_have_vertices_that_fly(test_data):
    jets = ak.flatten(deepntuple.jets(real_entries(test_data)))
    has_vertex = ak.num(jets.vertices) > 0
    share = [ak.mean(has_vertex[jets.flavour == flavour]) for flavour in (5, 4, 0)]
    assert share[0] > share[1] > share[2]
    assert ak.mean(jets.vertices[jets.label_b].cos_pointing) > 0.9
