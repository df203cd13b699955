"""Formulas: equal to what Python makes of them, and refused where they have more than is known."""

import awkward as ak
import numpy as np
import pytest
import vector

from cortado.representations.expressions import evaluate, names_of, parsed

RNG = np.random.default_rng(1)
COUNTS = [3, 0, 5, 1]
COLUMNS = {
    "part_pt": ak.unflatten(RNG.uniform(1, 90, 9).astype(np.float32), COUNTS),
    "part_eta": ak.unflatten(RNG.normal(size=9).astype(np.float32), COUNTS),
    "part_phi": ak.unflatten(RNG.uniform(-3, 3, 9).astype(np.float32), COUNTS),
    "part_pid": ak.unflatten(RNG.integers(-2, 3, 9), COUNTS),
    "jet_pt": ak.Array(RNG.uniform(100, 900, 4).astype(np.float32)),
    "jet_nb": ak.Array([0, 2, 1, 0]),
}
FORMULAS = [
    "part_pt / jet_pt",
    "np.log(part_pt) - np.log(jet_pt)",
    "numpy.hypot(part_eta, part_phi) ** 2 // 1 % 3",
    "(part_phi + np.pi) % (2 * np.pi) - math.pi",
    "part_eta * (2 * (jet_nb >= 0) - 1)",
    "(jet_pt > 200) & (jet_nb == 0) | ~(jet_nb != 2)",
    "(jet_nb < 2) ^ (jet_nb <= 0)",
    "np.where(part_pid == 1, part_pt, -1)",
    "awkward.sum(part_pt[np.abs(part_pid) > 0], axis=1)",
    "ak.ones_like(part_pt)",
    "ak.values_astype(part_pid > 0, 'float32')",
    "part_pt[:, :2]",
    "part_pt[ak.argsort(part_pt, axis=1, ascending=False)]",
    "ak.fill_none(ak.firsts(part_pt), -1)",
    "ak.max(part_pt, axis=-1, mask_identity=False) / +jet_pt",
    "jet_pt * 2 ** -1",
    "np.clip(jet_pt, 200, 400)",
    "abs(part_eta)",
]


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_formula_is_what_python_makes_of_it(formula):
    made = evaluate(parsed(formula), COLUMNS.__getitem__)
    expected = eval(formula, {"np": np, "numpy": np, "ak": ak, "awkward": ak, "math": __import__("math"), **COLUMNS})
    assert ak.type(made) == ak.type(expected)
    assert ak.array_equal(made, expected)


def test_vectors_of_weaver():
    formula = "_p4_from_ptetaphie(part_pt, part_eta, part_phi, 2 * part_pt * np.cosh(part_eta)).mass"
    expected = [
        vector.obj(pt=pt, eta=eta, phi=phi, energy=2 * pt * np.cosh(eta)).mass
        for pt, eta, phi in zip(*(ak.flatten(COLUMNS[name]) for name in ("part_pt", "part_eta", "part_phi")))
    ]
    np.testing.assert_allclose(ak.flatten(evaluate(parsed(formula), COLUMNS.__getitem__)), expected, rtol=1e-5)


def test_names_are_those_of_columns_alone():
    assert names_of(parsed("np.log(part_pt / jet_pt) + part_pt * np.pi + _clip(x, low, 1)[y]")) == (
        *("part_pt", "jet_pt", "x", "low", "y"),
    )


@pytest.mark.parametrize(
    "formula, message",
    [
        ("np.lgo(part_pt)", r"'np\.lgo' is no function that is known; nearest: np\.log"),
        ("np.piii", r"'np\.piii' is no constant that is known; nearest: np\.pi"),
        ("part_pt.masss", "'masss' is no number of a vector that is known; nearest: mass"),
        ("ak.sum(part_pt, axiss=1)", "'axiss' is no argument that is known; nearest: axis"),
        ("a and b", "'a and b' is BoolOp.* & | "),
        ("0 < a < 1", "is Compare, known are .*one of <"),
        ("[x for x in a]", "is ListComp"),
        ("lambda: 1", "is Lambda"),
        ("a if b else c", "is IfExp"),
        ("a @ b", "is BinOp"),
        ("__import__('os').system('true')", "__import__.* is no function that is known"),
        ("().__class__", "'__class__' is no number of a vector"),
        ("'a' * 1000000000", "is BinOp"),
        ("part_pt[(1, 2) * 1000000000]", "is BinOp"),
        ("part_pt.sum()", r"'part_pt\.sum' is no function that is known"),
        ("np.load('x')", r"'np\.load' is no function"),
        ("a = 1", "cannot be parsed: SyntaxError"),
        ("(" * 2000 + ")" * 2000, "cannot be parsed"),
        ("a" * 6000, "has 6000 letters, required: at most 5000"),
    ],
)
def test_anything_else_is_refused(formula, message):
    with pytest.raises(ValueError, match=message):
        parsed(formula)


def test_other_types_are_refused():
    with pytest.raises(ValueError, match=r"ak\.values_astype to 'S99', required: one of bool"):
        evaluate(parsed("ak.values_astype(part_pt, 'S99')"), COLUMNS.__getitem__)


def test_whole_numbers_are_bounded():
    with pytest.raises(OverflowError, match=r"Numerical result out of range|too large"):
        evaluate(parsed("9 ** 9 ** 9"), COLUMNS.__getitem__)
    with pytest.raises(OverflowError, match="a whole number of 67 bits, required: at most 64"):
        evaluate(parsed("10000000000 * 10000000000"), COLUMNS.__getitem__)
    assert evaluate(parsed("2 ** 10 - 1"), COLUMNS.__getitem__) == 1023
