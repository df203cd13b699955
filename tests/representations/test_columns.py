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
        (("mjj", "constituents.pt"), r"'constituents.pt' is of constituents"),
    ],
)
def test_features_that_make_no_sense_are_refused(features, message):
    with pytest.raises(ValueError, match=message):
        Columns(features=features)
