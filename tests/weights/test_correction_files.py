"""Working points and efficiencies as files: correctionlib gives back what was measured."""

import itertools
import json

import awkward as ak
import correctionlib
import hist
import numpy as np
import pytest

from cortado import weights
from cortado.weights import (
    Correction,
    WorkingPoint,
    efficiency_correction,
    measured_efficiency,
    threshold_correction,
    write_corrections,
)

POINTS = tuple(
    WorkingPoint(
        name=name,
        threshold=threshold,
        efficiency=efficiency,
        efficiency_err=0.02,
        mistag=mistag,
        mistag_err=0.003,
        n_signal=100,
        n_background=200,
    )
    for name, threshold, efficiency, mistag in (("50%", 0.7123456789012345, 0.5, 0.01), ("99%", 0.1, 0.99, 0.001))
)


def read(path):
    """Numbers come back but for their last digit, which the parser of correctionlib may change."""
    return correctionlib.CorrectionSet.from_file(str(path))


@pytest.mark.parametrize("name", ["points.json", "points.json.gz"])
def test_working_points_come_back(tmp_path, name):
    write_corrections(tmp_path / name, [threshold_correction(POINTS), efficiency_correction(POINTS)], description="W")
    found = read(tmp_path / name)
    assert set(found) == {"threshold", "efficiency"}
    for point in POINTS:
        assert found["threshold"].evaluate(point.name) == pytest.approx(point.threshold, rel=1e-15)
        for truth, value, error in (
            ("signal", point.efficiency, point.efficiency_err),
            ("background", point.mistag, point.mistag_err),
        ):
            given = [found["efficiency"].evaluate(side, point.name, truth) for side in ("nominal", "up", "down")]
            assert given == pytest.approx([value, min(value + error, 1), max(value - error, 0)], rel=1e-15)


def test_equal_corrections_make_equal_files(tmp_path):
    for name in ("a.json.gz", "b.json.gz"):
        write_corrections(tmp_path / name, [threshold_correction(POINTS)])
    assert (tmp_path / "a.json.gz").read_bytes() == (tmp_path / "b.json.gz").read_bytes()


def test_files_have_the_published_form(tmp_path):
    schema = pytest.importorskip("correctionlib.schemav2")
    passed, every = filled()
    corrections = [
        threshold_correction(POINTS),
        efficiency_correction(POINTS),
        measured_efficiency(passed, every, name="m"),
    ]
    write_corrections(tmp_path / "a.json", corrections)
    schema.CorrectionSet.model_validate(json.loads((tmp_path / "a.json").read_text()))


PT, ETA, FLAVOURS = (200.0, 300.0, 500.0, np.inf), (0.0, 1.2, 2.4), ("b", "light")


def sample(seed=2, n=4000):
    rng = np.random.default_rng(seed)
    columns = {"pt": rng.uniform(200, 900, n), "flavour": rng.choice(FLAVOURS, n), "abseta": rng.uniform(0, 2.4, n)}
    passes = rng.random(n) < np.where(columns["flavour"] == "b", 0.7, 0.1) * (1 - columns["pt"] / 2000)
    return columns, passes, rng.uniform(0.5, 1.5, n)


def filled(**more):
    """Numbers on both sides of the names."""
    columns, passes, w = sample()
    booked = hist.Hist(
        hist.axis.Variable(PT, name="pt", label="Jet pT [GeV]"),
        hist.axis.StrCategory([], growth=True, name="flavour"),
        hist.axis.Variable(ETA, name="abseta"),
        hist.axis.StrCategory(["pass", "fail"], name="region"),
        storage=hist.storage.Weight(),
    )
    booked.fill(**columns, region=np.where(passes, "pass", "fail"), weight=w)
    return booked[{"region": "pass"}], booked[{"region": sum}]


def test_an_efficiency_in_bins_is_that_of_the_jets_in_each(tmp_path):
    columns, passes, w = sample()
    passed, every = filled()
    write_corrections(tmp_path / "a.json", [measured_efficiency(passed, every, name="eff")])
    found = read(tmp_path / "a.json")["eff"]
    assert [(each.name, each.type) for each in found.inputs] == [
        ("systematic", "string"),
        ("pt", "real"),
        ("flavour", "string"),
        ("abseta", "real"),
    ]
    for (low, high), flavour, (inner, outer) in itertools.product(
        itertools.pairwise(PT), FLAVOURS, itertools.pairwise(ETA)
    ):
        chosen = (columns["pt"] >= low) & (columns["pt"] < high) & (columns["flavour"] == flavour)
        chosen &= (columns["abseta"] >= inner) & (columns["abseta"] < outer)
        value, error = weights.efficiency(passes[chosen], w[chosen])
        for side, expected in (("nominal", value), ("up", value + error), ("down", value - error)):
            assert found.evaluate(side, low + 1, flavour, inner) == pytest.approx(np.clip(expected, 0, 1))


def test_jets_outside_of_the_bins_are_an_error_or_of_the_nearest(tmp_path):
    passed, every = filled()
    names = {"strict": "error", "clamped": "clamp"}
    write_corrections(
        tmp_path / "a.json", [measured_efficiency(passed, every, name=k, flow=v) for k, v in names.items()]
    )
    found = read(tmp_path / "a.json")
    strict, clamped = found["strict"], found["clamped"]
    with pytest.raises(RuntimeError, match="Index below bounds"):
        strict.evaluate("nominal", 100.0, "b", 0.5)
    assert clamped.evaluate("nominal", 100.0, "b", 0.5) == clamped.evaluate("nominal", 250.0, "b", 0.5)


def test_an_efficiency_in_bins_is_read_back_as_a_correction_of_jets(tmp_path):
    columns, _, _ = sample()
    write_corrections(tmp_path / "a.json", [measured_efficiency(*filled(), name="eff")])
    of_b = Correction.read(tmp_path / "a.json", "eff", values={"flavour": "b"}, systematic="systematic")
    made = of_b(ak.Array({"pt": columns["pt"], "abseta": columns["abseta"]}))
    assert len(np.unique(made.nominal)) == (len(PT) - 1) * (len(ETA) - 1)
    assert (made.down < made.nominal).all()
    assert (made.nominal < made.up).all()


def one_axis(axis, storage=None):
    return hist.Hist(axis, storage=storage or hist.storage.Weight())


REGULAR = hist.axis.Regular(2, 0, 2, name="pt")


@pytest.mark.parametrize(
    "passed, every, message",
    [
        (one_axis(REGULAR), one_axis(hist.axis.Regular(3, 0, 2, name="pt")), "must be named and equal"),
        (one_axis(hist.axis.Regular(2, 0, 2)), one_axis(hist.axis.Regular(2, 0, 2)), "must be named and equal"),
        (
            *2 * (one_axis(hist.axis.IntCategory([0, 5], name="flavour")),),
            "axis 'flavour' is of integer categories, required: texts or numbers",
        ),
        (
            *2 * (one_axis(REGULAR, hist.storage.Double()).fill([0.5], weight=[2.0]),),
            "have no variances, required: hist.storage.Weight",
        ),
        (
            one_axis(REGULAR),
            one_axis(REGULAR).fill([0.5]),
            r"1 of 2 bins, first pt 1 to 2, have weights of all jets that do not sum to a positive number",
        ),
        (
            one_axis(REGULAR).fill([0.5, 0.5, 1.5]),
            one_axis(REGULAR).fill([0.5, 1.5]),
            r"1 of 2 bins, first pt 0 to 1, have one outside of \[0, 1\], such as 2: those that pass must be",
        ),
    ],
)
def test_histograms_that_give_no_efficiency(passed, every, message):
    with pytest.raises(ValueError, match=message):
        measured_efficiency(passed, every)


@pytest.mark.parametrize(
    "name, corrections, message",
    [
        ("a.json", [], r"a.json: corrections are \[\]; needed is one or more"),
        ("a.json", 2 * [threshold_correction(POINTS)], r"\['threshold', 'threshold'\]; needed is one or more, each of"),
        ("a.txt", [threshold_correction(POINTS)], r"a.txt: corrections are kept in .json or .json.gz files"),
        (
            "a.json",
            [threshold_correction(POINTS, name="t") | {"data": {"nodetype": "none"}}],
            "a.json: correctionlib does not take corrections t: ",
        ),
    ],
)
def test_files_that_are_not_written(tmp_path, name, corrections, message):
    with pytest.raises(ValueError, match=message):
        write_corrections(tmp_path / name, corrections)
    assert list(tmp_path.iterdir()) == []
