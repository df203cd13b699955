"""Jets of any nesting to flat ones and back: inverse of each other, and where each came from."""

import awkward as ak
import numpy as np
import pytest

from cortado.scoring.nesting import entries, flatten, restore

JETS = {  # jets, and how deep their lists are
    "flat": ([1, 2, 3], 0),
    "flat, one missing": ([1, None, 2], 0),
    "per event": ([[1, 2], [], [3]], 1),
    "per event, members missing": ([[1, None], [], [None, 2], [3]], 1),
    "per event, events missing": ([[1], None, [2, 3]], 1),
    "deeper": ([[[1], [2, 3]], [], [[], [4]]], 2),
    "deeper, all kinds missing": ([[[1, None], None], None, [[2], [None]], [[]]], 2),
    "none at all": ([[], []], 1),
    "only missing": ([None, None], 0),
}


def records(nested, depth):
    """Each number as a jet of this pT; the first entry, which gives the type where there is no jet, is left out."""

    def made(value):
        if value is None:
            return None
        return [made(each) for each in value] if isinstance(value, list) else {"pt": float(value)}

    first = 9
    for _ in range(depth):
        first = [first]
    return ak.Array(made([first, *nested]))[1:]


def slow(nested):
    """Number and outermost entry of each jet that there is."""

    def within(value):
        if value is None:
            return []
        return [number for each in value for number in within(each)] if isinstance(value, list) else [value]

    return [(number, entry) for entry, value in enumerate(nested) for number in within(value)]


@pytest.mark.parametrize("name", JETS)
def test_flat_jets_come_from_the_entries_of_the_slow_twin(name):
    jets = records(*JETS[name])
    expected = slow(JETS[name][0])
    assert flatten(jets).pt.to_list() == [number for number, _ in expected]
    assert entries(jets).tolist() == [entry for _, entry in expected]


@pytest.mark.parametrize("name", JETS)
def test_restoring_is_the_inverse_of_flattening(name):
    jets = records(*JETS[name])
    restored = restore(flatten(jets), jets)
    assert restored.pt.to_list() == jets.pt.to_list()
    assert str(ak.type(restored)).replace("?", "") == str(ak.type(jets)).replace("?", "")


def test_lists_of_one_length_keep_it():
    jets = ak.zip({"pt": np.arange(6.0).reshape(3, 2)})
    assert entries(jets).tolist() == [0, 0, 1, 1, 2, 2]
    assert restore(flatten(jets), jets).pt.to_list() == jets.pt.to_list()
