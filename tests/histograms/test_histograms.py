"""Histograms: nothing is lost between events and bins, and sums, scales and shifts are those of plain loops."""

import hist
import numpy as np
import pytest
from coffea.analysis_tools import Weights

from cortado.histograms import (
    axis_category,
    axis_mass,
    axis_pt,
    axis_score,
    book,
    fill_variations,
    project,
    scale_to_luminosity,
    systematic_shifts,
    varied_weights,
)


def events(n=500, seed=0):
    """Masses (a part of them out of range) and coffea weights with one systematic uncertainty."""
    rng = np.random.default_rng(seed)
    weights = Weights(n)
    weights.add("generator", rng.uniform(0.5, 1.5, n))
    weights.add("tagger", np.full(n, 0.9), weightUp=np.full(n, 1.0), weightDown=np.full(n, 0.7))
    return rng.normal(100, 80, n), weights


def filled(*datasets):
    histogram = book(axis_mass(10))
    for seed, dataset in enumerate(datasets):
        mass, weights = events(seed=seed)
        fill_variations(histogram, dataset, {"mass": mass}, weights)
    return histogram


def test_sum_of_weights_is_conserved_for_every_variation():
    mass, weights = events()
    histogram = filled("W")
    assert list(histogram.axes["variation"]) == ["nominal", "taggerDown", "taggerUp"]
    for variation in histogram.axes["variation"]:
        weight = weights.weight(None if variation == "nominal" else variation)
        part = histogram[{"dataset": "W", "variation": variation}]
        assert part.sum(flow=True).value == pytest.approx(weight.sum())
        assert part.sum(flow=True).variance == pytest.approx((weight**2).sum())
        counts, _ = np.histogram(mass, part.axes[0].edges, weights=weight)
        np.testing.assert_allclose(part.values(), counts)
    assert (mass < 0).any()
    assert (mass > 200).any()


def test_weights_are_not_changed():
    mass, weights = events()
    before, mapping = weights.weight().copy(), {"nominal": np.ones(500), "up": np.full(500, 2.0)}
    histogram = book(axis_mass())
    fill_variations(histogram, "W", {"mass": mass}, weights, selection=mass > 50)
    fill_variations(histogram, "QCD", {"mass": mass}, mapping)
    np.testing.assert_array_equal(weights.weight(), before)
    np.testing.assert_array_equal(mapping["up"], np.full(500, 2.0))


def test_chunks_in_any_order_give_the_same_histogram():
    mass, weights = events()
    whole, forward, backward = book(axis_mass()), book(axis_mass()), book(axis_mass())
    fill_variations(whole, "W", {"mass": mass}, weights)
    chunks = [np.arange(500) % 3 == part for part in range(3)]
    for chunk in chunks:
        fill_variations(forward, "W", {"mass": mass}, weights, selection=chunk)
    for chunk in reversed(chunks):
        one = book(axis_mass())
        fill_variations(one, "W", {"mass": mass}, weights, selection=chunk)
        backward = one + backward
    for variation in whole.axes["variation"]:
        for other in (forward, backward):
            np.testing.assert_allclose(
                other[{"variation": variation}].values(flow=True), whole[{"variation": variation}].values(flow=True)
            )


def test_categories_are_filled_from_arrays_and_single_values():
    histogram = book(axis_category("tagger"), axis_category("region"), axis_pt())
    region = np.where(np.arange(10) % 2, "pass", "fail")
    fill_variations(histogram, "W", {"tagger": "PFN", "region": region, "pt": np.full(10, 600.0)}, np.ones(10))
    counts = [histogram[{"tagger": "PFN", "region": name}].sum().value for name in ("pass", "fail")]
    assert counts == [5, 5]


def test_no_events_are_no_error():
    histogram = filled("W")
    before = histogram.sum(flow=True)
    fill_variations(histogram, "QCD", {"mass": np.array([])}, np.array([]))
    assert histogram.sum(flow=True) == before


def test_a_score_of_one_is_in_the_last_bin():
    histogram = book(axis_score(5))
    fill_variations(histogram, "W", {"score": [0.0, 1.0, np.float32(1.0)]}, np.ones(3))
    assert histogram[{"dataset": "W", "variation": "nominal"}].values().tolist() == [1, 0, 0, 0, 2]


def test_nominal_comes_first_and_one_array_is_nominal():
    assert list(varied_weights({"b": [1.0], "nominal": [1.0], "a": [1.0]})) == ["nominal", "a", "b"]
    assert list(varied_weights(np.ones(2))) == ["nominal"]


@pytest.mark.parametrize(
    ("values", "weights", "selection", "message"),
    [
        ({"mass": [1.0, 2.0]}, [1.0], None, "differ in length: {'mass': 2, 'weights of nominal': 1"),
        ({"mass": [1.0]}, {"nominal": [1.0], "up": [1.0, 2.0]}, None, "'weights of up': 2"),
        ({"mass": [1.0]}, [1.0], [True, False], "'selection': 2"),
        ({"mass": [1.0, np.nan]}, [1.0, 1.0], None, "data set 'W': 1 of 2 values of 'mass' are NaN"),
        ({"mass": [1.0]}, {"up": [np.inf]}, None, "1 weights of variation 'up' are NaN or infinite"),
        ({"mass": [1.0]}, {}, None, "the mapping of variations is empty"),
    ],
)
def test_unfit_events_are_refused_and_fill_nothing(values, weights, selection, message):
    histogram = book(axis_mass())
    with pytest.raises(ValueError, match=message):
        fill_variations(histogram, "W", values, weights, selection=selection)
    assert histogram.sum(flow=True).value == 0


def test_nan_outside_the_selection_is_no_concern():
    histogram = book(axis_mass())
    fill_variations(histogram, "W", {"mass": [50.0, np.nan]}, [1.0, np.nan], selection=[True, False])
    assert histogram.sum(flow=True).value == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mas": [1.0]}, r"no values for the axes \['mass'\] .* given: \['mas'\]"),
        ({"mass": [1.0], "pt": [1.0]}, r"no axis 'pt'; there are mass"),
    ],
)
def test_values_must_name_the_axes(values, message):
    with pytest.raises(KeyError, match=message):
        fill_variations(book(axis_mass()), "W", values, np.ones(1))


@pytest.mark.filterwarnings("ignore:.*protected")
@pytest.mark.parametrize("name", ["weight", "sample", "threads", ""])
def test_names_that_cannot_be_filled_are_refused(name):
    with pytest.raises(ValueError, match=f"axis name '{name}' cannot be filled"):
        book(hist.axis.Regular(2, 0, 1, name=name))


@pytest.mark.parametrize(
    "axis",
    [
        hist.axis.Regular(2, 0, 1, name="mass", overflow=False),
        hist.axis.Integer(0, 2, name="mass", underflow=False),
        hist.axis.StrCategory(["a"], name="mass", overflow=False),
    ],
)
def test_axes_that_lose_entries_are_refused(axis):
    with pytest.raises(ValueError, match="axis 'mass' has no flow bins"):
        book(axis)


@pytest.mark.parametrize(
    "axis",
    [
        hist.axis.Regular(2, 0, 1, name="x", growth=True),
        hist.axis.Regular(2, 0, 1, name="x", circular=True),
        hist.axis.Boolean(name="x"),
        hist.axis.IntCategory([0, 1], name="x"),
        hist.axis.Variable([0, 1, 5], name="x"),
    ],
)
def test_axes_that_lose_nothing_are_booked(axis):
    histogram = book(axis)
    fill_variations(histogram, "W", {"x": np.array([0, 1, 0])}, np.ones(3))
    assert histogram.sum(flow=True).value == 3


def test_scaling_to_luminosity():
    histogram = filled("W", "QCD")
    before = histogram.copy()
    scaled = scale_to_luminosity(histogram, {"W": 2.0, "QCD": 50.0}, {"W": 400.0, "QCD": 1000.0}, 59.8)
    for dataset, factor in (("W", 59_800 * 2.0 / 400), ("QCD", 59_800 * 50.0 / 1000)):
        one, other = scaled[{"dataset": dataset}], before[{"dataset": dataset}]
        np.testing.assert_allclose(one.values(flow=True), factor * other.values(flow=True))
        np.testing.assert_allclose(one.variances(flow=True), factor**2 * other.variances(flow=True))
    assert histogram == before


def test_scaling_needs_every_data_set():
    histogram = filled("ttbar")
    with pytest.raises(KeyError, match=r"no cross section for data set 'ttbar'; nearest: ttbar_2018"):
        scale_to_luminosity(histogram, {"ttbar_2018": 1.0, "W": 1.0}, {"ttbar": 1.0}, 1.0)
    with pytest.raises(KeyError, match="no sum of weights for data set 'ttbar'"):
        scale_to_luminosity(histogram, {"ttbar": 1.0}, {}, 1.0)
    with pytest.raises(ValueError, match=r"sum of weights is zero for \['ttbar'\]"):
        scale_to_luminosity(histogram, {"ttbar": 1.0}, {"ttbar": 0.0}, 1.0)


def test_scaling_refuses_entries_of_no_data_set():
    histogram = hist.Hist(hist.axis.StrCategory(["W"], name="dataset"), axis_mass(2), storage=hist.storage.Weight())
    histogram.fill(dataset=["W"], mass=[50.0])
    assert scale_to_luminosity(histogram, {"W": 1.0}, {"W": 500.0}, 1.0).sum().value == 2
    histogram.fill(dataset=["unknown"], mass=[50.0])
    with pytest.raises(ValueError, match="entries in its overflow bin"):
        scale_to_luminosity(histogram, {"W": 1.0}, {"W": 500.0}, 1.0)


def test_project_adds_data_sets():
    histogram = filled("W", "QCD", "top")
    expected = sum(histogram[{"dataset": name, "variation": "taggerUp"}].values(flow=True) for name in ("W", "top"))
    total = project(histogram, ["W", "top"], variation="taggerUp")
    np.testing.assert_allclose(total.values(flow=True), expected)
    assert total.axes[0].label == "Jet mass [GeV]"


def test_data_without_variations_enter_as_they_are():
    histogram = filled("W")
    fill_variations(histogram, "data", {"mass": [50.0, 60.0]}, np.ones(2))
    assert project(histogram, ["data"], variation="taggerUp").sum().value == 2


def test_shifts_add_in_quadrature_and_data_sets_linearly():
    histogram = book(axis_mass(1))
    weights = {"nominal": [10.0], "aUp": [13.0], "aDown": [8.0], "bUp": [14.0], "cUp": [9.0], "cDown": [8.0]}
    for dataset in ("W", "QCD"):
        fill_variations(histogram, dataset, {"mass": [100.0]}, weights)
    up, down = systematic_shifts(histogram, ["W", "QCD"])
    assert up == pytest.approx([np.hypot(6, 8)])
    assert down == pytest.approx([np.hypot(4, 4)])
    fill_variations(histogram, "W", {"mass": [100.0]}, {"alternative": [11.0]})
    _, one_sided = systematic_shifts(histogram, ["W"], systematics=["alternative"])
    assert one_sided == pytest.approx([0])
    assert systematic_shifts(histogram, ["W"], systematics=["alternative"])[0] == pytest.approx([1])
    only, _ = systematic_shifts(histogram, ["W"], systematics=["b"])
    assert only == pytest.approx([4])


def test_a_histogram_without_variations_has_no_shifts():
    histogram = filled("W")[{"variation": "nominal"}]
    assert [shift.any() for shift in systematic_shifts(histogram, ["W"])] == [False, False]
    assert project(histogram, ["W"]).sum(flow=True).value == pytest.approx(events()[1].weight().sum())


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["WW"], {}, r"no dataset 'WW'; nearest: W"),
        (["W"], {"variation": "taggerUpp"}, r"no variation 'taggerUpp'; nearest: taggerUp"),
        (["W"], {"by": "truth"}, "no axis 'truth'"),
    ],
)
def test_unknown_names_are_refused(names, options, message):
    with pytest.raises(KeyError, match=message):
        project(filled("W"), names, **options)


def test_unknown_systematic_uncertainties_are_refused():
    with pytest.raises(KeyError, match=r"no systematic uncertainty 'tager'; nearest: tagger"):
        systematic_shifts(filled("W"), ["W"], systematics=["tager"])


def test_nothing_is_summed_silently():
    with pytest.raises(ValueError, match="no names on the axis 'dataset'"):
        project(filled("W"), [])
    histogram = book(axis_category("tagger"), axis_mass())
    fill_variations(histogram, "W", {"tagger": "PFN", "mass": [1.0]}, np.ones(1))
    with pytest.raises(ValueError, match=r"one axis to show, but there are \['tagger', 'mass'\]"):
        project(histogram, ["W"])


def test_a_data_set_without_events_is_there_with_zeros():
    """It is not one whose name was mistyped."""
    histogram = book(axis_category("region"), axis_mass(4, 0, 200))
    full = {"region": "pass", "mass": np.array([10.0, 60.0])}
    fill_variations(histogram, "qcd", full, {"nominal": np.ones(2), "up": np.ones(2)})
    nothing = {"region": np.array([], dtype=str), "mass": np.array([])}
    fill_variations(histogram, "data", nothing, np.array([]))
    none = {"region": "pass", "mass": np.array([1.0])}
    fill_variations(histogram, "cut", none, np.ones(1), selection=[False])
    assert list(histogram.axes["dataset"]) == ["qcd", "data", "cut"]
    assert list(histogram.axes["region"]) == ["pass"]
    assert histogram.sum(flow=True).value == 4
    for name in ("data", "cut"):
        assert histogram[{"dataset": name}].sum(flow=True).value == 0
        assert histogram[{"dataset": name}].sum(flow=True).variance == 0


def test_a_data_set_that_is_empty_down_but_not_up_is_empty_down():
    """Not nominal, as one that has no variation at all."""
    histogram = book(axis_mass())
    fill_variations(histogram, "W", {"mass": [80.0]}, [1.0])
    fill_variations(histogram, "W", {"mass": [90.0]}, [1.0], variation="jesUp")
    fill_variations(histogram, "W", {"mass": []}, [], variation="jesDown")
    fill_variations(histogram, "QCD", {"mass": [50.0]}, [1.0])
    assert [histogram_sum(histogram, ["W"], name) for name in ("nominal", "jesUp", "jesDown")] == [1.0, 1.0, 0.0]
    assert histogram_sum(histogram, ["W", "QCD"], "jesDown") == 1.0


def histogram_sum(histogram, names, variation):
    return project(histogram, names, variation=variation).sum(flow=True).value
