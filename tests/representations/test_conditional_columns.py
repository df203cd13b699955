"""Columns without their bounds: there and back, and the derivative by a slow twin."""

import awkward as ak
import numpy as np
import pytest

from cortado.representations import ConditionalColumns

REPRESENTATION = ConditionalColumns(
    features={"tau": (0, 1), "mass": (10, None), "eta": (None, None)}, condition={"mjj": (2000, 4000)}
)


def events(number=200, seed=1):
    rng = np.random.default_rng(seed)
    columns = {
        "tau": rng.uniform(0.02, 0.98, number),
        "mass": 20 + rng.exponential(100, number),
        "eta": rng.normal(size=number),
        "mjj": rng.uniform(2000, 4000, number),
    }
    return ak.zip({name: column.astype(np.float32) for name, column in columns.items()}, depth_limit=1)


def test_objects_come_back():
    made = REPRESENTATION(events())
    back = REPRESENTATION.inverse({"mjj": events().mjj}, made.features)
    assert set(back.fields) == {"tau", "mass", "eta", "mjj"}
    for name in back.fields:
        np.testing.assert_allclose(back[name], events()[name], rtol=1e-4, atol=1e-5)
        assert ak.to_numpy(back[name]).dtype == np.float32
    np.testing.assert_allclose(made.condition[:, 0], (ak.to_numpy(events().mjj) - 3000) / 1000, atol=1e-6)


def test_the_jacobian_is_the_product_of_the_numerical_derivatives():
    steps = {"tau": 1e-3, "mass": 0.5, "eta": 0.01}  # so that the rounding of float32 is small
    whole = ak.values_astype(events(), np.float64)
    expected = np.zeros(len(whole))
    for index, (name, step) in enumerate(steps.items()):
        up, down = (ak.with_field(whole, whole[name] + sign * step, name) for sign in (1, -1))
        rise = REPRESENTATION(up).features[:, index] - REPRESENTATION(down).features[:, index].astype(float)
        expected += np.log(rise / (2 * step))
    np.testing.assert_allclose(REPRESENTATION(whole).log_jacobian, expected, atol=0.02)


def test_nothing_comes_back_outside_of_its_ends():
    """However far the features are: float32 rounds to the ends, not beyond."""
    rows = np.linspace(-90, 90, 500)[:, np.newaxis] * np.ones(3)
    back = REPRESENTATION.inverse({"mjj": np.full(500, 3000.0)}, rows)
    assert ak.min(back.tau) >= 0
    assert ak.max(back.tau) <= 1
    assert ak.min(back.mass) >= 10
    assert ak.to_numpy(back.mjj).dtype == np.float64


def test_values_on_an_end_are_taken_inside():
    on_ends = ak.with_field(events(2), [0.0, 1.0], "tau")
    features = REPRESENTATION(on_ends).features[:, 0]
    assert np.isfinite(features).all()
    np.testing.assert_allclose(features, [-13.8155, 13.8155], rtol=1e-3)


@pytest.mark.parametrize(
    "features, condition, message",
    [
        ({}, {"mjj": (0, 1)}, r"features = \{\}, required: ends by field"),
        (("tau",), {"mjj": (0, 1)}, r"features = \('tau',\), required"),
        ({"tau": (1, 0)}, {"mjj": (0, 1)}, r"features\['tau'\] = \(1, 0\), required: two rising"),
        ({"tau": (None, 1)}, {"mjj": (0, 1)}, r"features\['tau'\] = \(None, 1\)"),
        ({"tau": (0, 1)}, {"mjj": (0, None)}, r"condition\['mjj'\] = \(0, None\), required: two rising numbers"),
        ({"tau": 1}, {"mjj": (0, 1)}, r"features\['tau'\] = 1, required"),
        ({"jets.tau": (0, 1)}, {"mjj": (0, 1)}, r"features\['jets.tau'\]"),
        ({"mjj": (0, 1)}, {"mjj": (0, 1)}, "'mjj' is a feature and a condition"),
    ],
)
def test_senseless_ends_are_refused(features, condition, message):
    with pytest.raises(ValueError, match=message):
        ConditionalColumns(features=features, condition=condition)


def test_objects_outside_of_the_ends_are_counted_and_named():
    with pytest.raises(ValueError, match=r"tau of 1 of 3 objects is outside of 0 to 1, such as 1\.5 of object 2"):
        REPRESENTATION(ak.with_field(events(3), [0.1, 0.2, 1.5], "tau"))
    with pytest.raises(ValueError, match="mjj of 3 of 3 objects is outside of 2000 to 4000"):
        REPRESENTATION(ak.with_field(events(3), [1.0, 2.0, 3.0], "mjj"))
    with pytest.raises(ValueError, match="no condition 'mjj' among mj"):
        REPRESENTATION.given({"mj": [1.0]})
    with pytest.raises(ValueError, match="conditions have shapes"):
        REPRESENTATION.given({"mjj": [[3000.0]]})
