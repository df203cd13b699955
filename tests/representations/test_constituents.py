import awkward as ak
import numpy as np
import pytest
from toys import toy_jets

from cortado.representations import ParticleList, PointCloud
from cortado.representations.constituents import blocks, descending, flat, padded, selected

FIELDS = ("pt", "constituents.pt", "constituents.eta")


def test_flat_columns_are_those_of_the_sorted_record():
    jets = toy_jets(30)
    constituents = flat(jets, FIELDS, caller="test")
    order = ak.argsort(jets.constituents.pt, axis=1, ascending=False, stable=True)
    assert constituents.counts.tolist() == ak.num(jets.constituents).tolist()
    for name in ("pt", "eta"):
        assert constituents.own(name).tolist() == ak.flatten(jets.constituents[name][order]).tolist()
    assert constituents.jet("pt").tolist() == np.repeat(jets.pt.to_numpy(), constituents.counts).tolist()
    assert set(constituents.columns) == set(FIELDS)


def test_selected_leaves_all_jets():
    constituents = flat(toy_jets(30), FIELDS, caller="test")
    keep = constituents.own("eta") > 0
    kept = selected(constituents, keep)
    assert len(kept.counts) == 30
    assert kept.counts.sum() == keep.sum()
    assert kept.own("pt").tolist() == constituents.own("pt")[keep].tolist()


def test_descending_agrees_with_a_sort_by_jet_and_value():
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 9, 50)
    owner, numbers = np.repeat(np.arange(50), counts), rng.integers(0, 4, counts.sum()).astype(float)
    assert descending(numbers, counts).tolist() == np.lexsort((-numbers, owner)).tolist()


def test_padded_cuts_and_fills():
    assert padded(np.arange(1, 6), np.array([3, 0, 2]), 2).tolist() == [[1, 2], [0, 0], [4, 5]]
    assert padded(np.arange(1, 6), np.array([3, 0, 2]), 4).tolist() == [[1, 2, 3, 0], [0] * 4, [4, 5, 0, 0]]


@pytest.mark.parametrize("cells", [1, 30, 1000])
def test_blocks_hold_every_jet_with_constituents_once_and_stay_small(cells):
    counts = np.random.default_rng(1).integers(0, 9, 50)
    groups = list(blocks(counts, cells))
    assert sorted(np.concatenate(groups)) == np.flatnonzero(counts).tolist()
    assert all(len(jets) == 1 or len(jets) * max(counts[jets]) ** 2 <= cells for jets in groups)


@pytest.mark.parametrize("pt", [np.nan, np.inf, -1.0])
def test_pt_must_be_a_pt(pt):
    jets = ak.Array([{"pt": 1.0, "constituents": [{"pt": 2.0, "eta": 0.0}, {"pt": pt, "eta": 0.0}]}])
    with pytest.raises(ValueError, match=f"test: constituents.pt of jet 0 is {pt}, must be finite and not negative"):
        flat(jets, FIELDS, caller="test")


def test_missing_numbers_are_refused():
    with pytest.raises(ValueError, match=r"pt of jet 1 is None; 1 of 2 are"):
        flat(ak.Array([{"pt": 1.0}, {"pt": None}]), ("pt",), caller="test")
    jets = ak.Array([{"pt": 1.0, "constituents": [{"pt": 2.0, "eta": [0.0]}]}])
    with pytest.raises(ValueError, match=r"test: constituents\.eta must hold one number each"):
        flat(jets, FIELDS, caller="test")


def test_constituents_must_be_lists():
    with pytest.raises(ValueError, match="test: constituents must be one list per jet, got 1"):
        flat(ak.Array([{"pt": 1.0, "constituents": {"pt": 2.0, "eta": 0.0}}]), FIELDS, caller="test")
    with pytest.raises(ValueError, match="test: constituents must be one list per jet, got 1"):
        flat(ak.Array([{"pt": 1.0, "constituents": [[{"pt": 2.0, "eta": 0.0}]]}]), FIELDS, caller="test")


def test_a_record_without_fields():
    with pytest.raises(KeyError, match="do not have; there are none"):
        flat(ak.Array([{}]), ("pt",), caller="test")


@pytest.mark.parametrize("make", [ParticleList, PointCloud])
@pytest.mark.parametrize("limit", [4, 200])
def test_padding_is_zero_and_ends_at_the_longest_jet(make, limit):
    jets = toy_jets(30)
    inputs = make(max_constituents=limit)(jets)
    counts = np.minimum(ak.num(jets.constituents), limit)
    assert inputs.mask.shape == (30, max(counts))
    assert inputs.mask.sum(axis=1).tolist() == counts.tolist()
    assert all((array[~inputs.mask] == 0).all() for array in inputs)
