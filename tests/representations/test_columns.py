"""Columns of objects as features: values, and messages that help."""

import awkward as ak
import numpy as np
import pytest

from cortado.representations import Columns

EVENTS = ak.Array({"mjj": [3400.0, 3600.0], "met": [20, 10], "jets": [[1.0], []]})


def test_features_are_the_columns_in_the_order_asked_for():
    features = Columns(features=("met", "mjj"))(EVENTS).features
    assert features.dtype == np.float32
    assert features.tolist() == [[20.0, 3400.0], [10.0, 3600.0]]


def test_a_missing_field_names_the_nearest():
    with pytest.raises(KeyError, match="Columns needs the field 'mj', which the objects do not have; nearest: mjj"):
        Columns(features=("mj",))(EVENTS)


def test_a_field_of_lists_is_refused():
    with pytest.raises(ValueError, match="Columns: jets must hold one number each"):
        Columns(features=("jets",))(EVENTS)


def test_a_number_too_large_for_float32_is_refused():
    with pytest.raises(ValueError, match=r"Columns: mjj of object 1 is 1e\+60, must be finite"):
        Columns(features=("mjj",))(ak.Array({"mjj": [1.0, 1e60]}))


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ((), r"features = \(\), required: a tuple of one field or more"),
        ("mjj", "features = 'mjj', required: a tuple"),
        (("mjj", "mjj"), "required: each field once"),
        (("mjj", "constituents.pt"), r"feature 'constituents.pt', required: a field with one number"),
        (("jets[0]",), r"feature 'jets\[0\]', required"),
        (("num()",), r"feature 'num\(\)', required"),
    ],
)
def test_features_that_make_no_sense_are_refused(features, message):
    with pytest.raises(ValueError, match=message):
        Columns(features=features)


WITH_JETS = ak.Array(
    {
        "met": [1.0, 2.0, 3.0],
        "jets": [[{"pt": 50.0, "b": 0.9}, {"pt": 60.0, "b": 0.1}], [], [{"pt": 30.0, "b": 0.5}]],
        "muons": [[], [{"pt": 9.0}], []],
    }
)


def test_members_of_collections_are_taken_in_the_order_of_the_file():
    chosen = Columns(features=("jets.b[1]", "met", "jets.pt[0]", "muons.pt[0]"), missing=-1.0)
    assert chosen.fields == ("jets.b", "met", "jets.pt", "muons.pt")
    assert chosen(WITH_JETS).features.tolist() == [
        [np.float32(0.1), 1.0, 50.0, -1.0],
        [-1.0, 2.0, -1.0, 9.0],
        [-1.0, 3.0, 30.0, -1.0],
    ]


def test_members_are_counted():
    chosen = Columns(features=("num(jets)", "num(muons)"))
    assert chosen.fields == ("jets.pt", "muons.pt")
    assert chosen(WITH_JETS).features.tolist() == [[2.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    assert Columns(features=("num(jets)", "jets.b[0]")).fields == ("jets.b",)


def test_a_member_that_is_not_there_needs_a_value():
    with pytest.raises(ValueError, match=r"jets.pt\[0\] is not there in 1 of 3 objects, first in 1; missing=0.0"):
        Columns(features=("jets.pt[0]",))(WITH_JETS)


def test_a_missing_field_of_a_collection_names_the_nearest():
    with pytest.raises(KeyError, match=r"'jets.btag', which the objects do not have; there are jets.pt, jets.b"):
        Columns(features=("jets.btag[0]",))(WITH_JETS)
