"""Inputs of weaver against a slow twin, one number after the other; laws and refusals."""

from dataclasses import replace

import awkward as ak
import numpy as np
import pytest

from cortado.refused import RefusedObjects
from cortado.representations import WeaverInputs

INPUTS = WeaverInputs(
    variables=(
        ("log_pt", "np.log(part_pt)"),
        ("log_rel", "log_pt - np.log(jet_pt)"),
        ("real", "ak.values_astype(part_pt > 2, 'float32')"),
    ),
    jets=("jet_pt",),
    constituents=("part_pt", "part_deta", "part_dphi"),
    points=(("part_deta",), ("part_dphi",)),
    features=(("log_pt", 1.7, 0.7, -5.0, 5.0), ("log_rel", -4.0, 2.0, -1.0, 0.5), ("part_deta",)),
    mask=("real",),
    max_constituents=6,
)


def toys(counts=(3, 8, 1, 0, 6)):
    rng = np.random.default_rng(3)
    total = sum(counts)
    columns = {"part_pt": rng.uniform(0.5, 90, total), "part_deta": rng.normal(size=total)}
    columns["part_dphi"] = rng.normal(size=total)
    columns["part_deta"][0] = np.nan
    constituents = ak.zip({name: ak.unflatten(x.astype(np.float32), counts) for name, x in columns.items()})
    jet_pt = rng.uniform(100, 900, len(counts)).astype(np.float32)
    return ak.zip({"jet_pt": jet_pt, "constituents": constituents}, depth_limit=1)


def twin(jet):
    """Rows of the constituents of one jet, in single precision, as weaver's loops make them."""
    f = np.float32
    for part in jet["constituents"][:6]:
        log_pt = np.log(f(part["part_pt"]))
        log_rel = log_pt - np.log(f(jet["jet_pt"]))
        scaled = [(log_pt - f(1.7)) * f(0.7), (log_rel + f(4)) * f(2)]
        scaled = [min(max(x, low), high) for x, low, high in zip(scaled, (-5, -1), (5, 0.5))]
        values = [part["part_deta"], part["part_dphi"], *scaled, part["part_deta"]]
        yield [0.0 if np.isnan(x) else x for x in values], part["part_pt"] > 2


def test_equals_the_twin():
    made = INPUTS(toys())
    assert made.mask.shape == (5, 6)
    for k, jet in enumerate(toys().tolist()):
        rows = list(twin(jet))
        assert made.mask[k].tolist() == [real for _, real in rows] + [False] * (6 - len(rows))
        values = np.array([row for row, _ in rows], np.float32).reshape(-1, 5)
        np.testing.assert_allclose(made.points[k, : len(rows)], values[:, :2], rtol=1e-6)
        np.testing.assert_allclose(made.features[k, : len(rows)], values[:, 2:], rtol=1e-6)


def test_jets_do_not_depend_on_each_other():
    jets, alone = toys(), [INPUTS(toys()[k : k + 1]) for k in range(5)]
    together = INPUTS(jets)
    for k, one in enumerate(alone):
        length = one.mask.shape[1]
        np.testing.assert_array_equal(together.features[k, :length], one.features[0])
        assert together.mask[k].sum() == one.mask.sum()


def test_no_jets_give_nothing():
    made = INPUTS(toys()[:0])
    assert made.features.shape == (0, 1, 3)
    assert made.mask.dtype == bool


def test_inputs_are_not_modified():
    jets = toys()
    INPUTS(jets)
    assert ak.array_equal(jets, toys(), equal_nan=True)


def test_jets_that_fail_the_selection_are_refused():
    selective = replace(INPUTS, selection="(jet_pt > 400) & (ak.num(part_pt) > 0)")
    jets = toys()
    failing = [k for k, jet in enumerate(jets.tolist()) if not (jet["jet_pt"] > 400 and jet["constituents"])]
    with pytest.raises(RefusedObjects, match=r"fail the selection \(jet_pt > 400\)") as refused:
        selective(jets)
    assert refused.value.objects.tolist() == failing
    assert 0 < len(failing) < len(jets)


def test_infinite_inputs_that_are_not_clipped_are_refused():
    plain = replace(INPUTS, features=(("log_pt",),))
    jets = toys()
    jets["constituents", "part_pt"] = jets.constituents.part_pt * (ak.local_index(jets.constituents.part_pt) != 7)
    with pytest.raises(RefusedObjects, match="log_pt of jet 1 is infinite") as refused:
        plain(jets)
    assert refused.value.objects.tolist() == [1]
    assert np.isfinite(INPUTS(jets).features).all()  # clipped


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"variables": (("x", "np.log(part_ptt)"),)}, "x needs 'part_ptt', no field or variable; nearest: part_pt"),
        ({"features": (("log_pr",),)}, "inputs needs 'log_pr'.* nearest: log_pt"),
        ({"selection": "jet_p > 1"}, "selection needs 'jet_p'.* nearest: jet_pt"),
        ({"variables": (("log_pt", "log_rel"), ("log_rel", "log_pt"), ("real", "part_pt"))}, "made of each other"),
        ({"variables": (*INPUTS.variables, ("x", "x + 1"))}, "made of each other: x -> x"),
        ({"max_constituents": 0}, "max_constituents must be at least 1, got 0"),
        ({"points": (("part_deta",),)}, "1 points and 3 features, required: 2, 1"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(INPUTS, **changes)


def test_formulas_that_give_no_number_of_each_constituent_are_refused():
    of_jets = replace(INPUTS, features=(("jet_pt",),))
    with pytest.raises(ValueError, match=r"jet_pt is .* required: one number of each constituent"):
        of_jets(toys())


def test_formulas_that_do_not_fit_their_columns_are_told():
    wrong = replace(INPUTS, variables=(*INPUTS.variables, ("y", "part_pt[:, 9]")), features=(("y",),))
    with pytest.raises(ValueError, match=r"WeaverInputs: y = part_pt\[:, 9\] cannot be computed"):
        wrong(toys())


def test_missing_fields_are_named():
    jets = ak.without_field(toys(), ["constituents", "part_dphi"])
    with pytest.raises(KeyError, match=r"needs the field 'constituents\.part_dphi'.*nearest: constituents\.part_"):
        INPUTS(jets)


def test_fields_of_another_depth_are_refused():
    jets = ak.with_field(toys(), ak.Array([[1.0]] * 5), "jet_pt")
    with pytest.raises(ValueError, match=r"jet_pt is .* required: one number of each jet"):
        INPUTS(jets)
