"""Workspaces of histograms with variations: pyhf expects what the histograms say, and signals come back."""

import json

import hist
import numpy as np
import pytest
from scipy import optimize

from cortado import histograms
from cortado.searches import fit_strength, template_workspace

EDGES = [0.0, 0.25, 0.5, 0.75, 1.0]
SHAPES = {"signal": [2.0, 5.0, 15.0, 30.0], "top": [120.0, 80.0, 40.0, 20.0], "qcd": [400.0, 150.0, 50.0, 20.0]}
JES = {"signal": [1.0, 1.0, 1.05, 1.1], "top": [0.9, 1.0, 1.1, 1.2]}
TAG = {"signal": 1.1, "top": 1.05}
OPTIONS = {"signal": "signal", "data": "data", "luminosity": 0.02, "normalisation": {"qcd_norm": {"qcd": 0.3}}}
CENTRES = np.array([0.1, 0.3, 0.6, 0.9])


def fill(histogram, dataset, counts, weights=None, variation="nominal", **more):
    """Four thousand entries a bin at least: small statistical errors."""
    for centre, count in zip(CENTRES, counts):
        each = np.full(4000, count / 4000)
        of_variations = {name: factor * each for name, factor in (weights or {"nominal": 1.0}).items()}
        values = {"score": np.full(4000, centre), **more}
        histograms.fill_variations(histogram, dataset, values, of_variations, variation=variation)


def templates(strength=None, seed=None):
    """One region; data of a strength, as they are expected or drawn."""
    histogram = histograms.book(hist.axis.Variable(EDGES, name="score"))
    for name, counts in SHAPES.items():
        weights = {"nominal": 1.0}
        if name in TAG:
            weights |= {"tagUp": TAG[name], "tagDown": 1 / TAG[name]}
        fill(histogram, name, counts, weights)
        if name in JES:
            fill(histogram, name, np.multiply(counts, JES[name]), variation="jesUp")
            fill(histogram, name, np.divide(counts, JES[name]), variation="jesDown")
    if strength is not None:
        expected = strength * np.array(SHAPES["signal"]) + SHAPES["top"] + SHAPES["qcd"]
        fill(histogram, "data", expected if seed is None else np.random.default_rng(seed).poisson(expected))
    return histogram


def model_of(spec):
    pyhf = pytest.importorskip("pyhf")
    space = pyhf.Workspace(spec)  # checks the schema
    return space, space.model()


def expected(model, **changed):
    """Events of the bins where parameters have these values, the others their first."""
    values = np.array(model.config.suggested_init())
    for name, value in changed.items():
        values[model.config.par_slice(name)] = value
    return np.asarray(model.expected_actualdata(values))


def test_the_specification_is_json_and_holds_what_was_filled():
    spec = template_workspace({"pass": templates(1.0)}, **OPTIONS)
    assert json.loads(json.dumps(spec)) == spec
    (channel,) = spec["channels"]
    assert [sample["name"] for sample in channel["samples"]] == list(SHAPES)
    for sample in channel["samples"]:
        np.testing.assert_allclose(sample["data"], SHAPES[sample["name"]])
        kinds = [(each["name"], each["type"]) for each in sample["modifiers"]]
        systematic = [("tag", "normsys"), ("jes", "normsys"), ("jes", "histosys")]  # one has no shape
        assert sorted(kinds) == sorted(
            {
                "signal": [("mu", "normfactor"), *systematic],
                "top": systematic,
                "qcd": [("qcd_norm", "normsys")],
            }[sample["name"]]
            + [("lumi", "lumi"), ("staterror_pass", "staterror")]
        )
        error = next(each["data"] for each in sample["modifiers"] if each["type"] == "staterror")
        np.testing.assert_allclose(error, np.array(SHAPES[sample["name"]]) / np.sqrt(4000))


def test_at_one_standard_deviation_a_sample_is_its_varied_template():
    histogram = templates(1.0)
    _, model = model_of(template_workspace({"pass": histogram}, **OPTIONS))
    nominal = sum(np.array(counts) for counts in SHAPES.values())
    np.testing.assert_allclose(expected(model), nominal)
    for systematic in ("tag", "jes"):
        for value, side in ((1.0, "Up"), (-1.0, "Down")):
            twin = sum(histograms.project(histogram, [name], variation=systematic + side).values() for name in SHAPES)
            np.testing.assert_allclose(expected(model, **{systematic: value}), twin)
    np.testing.assert_allclose(expected(model, mu=3.0) - nominal, 2 * np.array(SHAPES["signal"]))
    np.testing.assert_allclose(expected(model, lumi=1.02), 1.02 * nominal)
    np.testing.assert_allclose(expected(model, qcd_norm=1.0) - nominal, 0.3 * np.array(SHAPES["qcd"]))


def test_an_expected_strength_comes_back_and_its_error_is_that_of_a_slow_twin():
    pytest.importorskip("pyhf")
    bare = {"signal": "signal", "data": "data"}
    histogram = templates(2.0)[{"variation": ["nominal"]}]
    found = fit_strength(template_workspace({"pass": histogram}, **bare))
    assert found.value == pytest.approx(2.0, abs=0.01)
    background = np.array(SHAPES["top"]) + SHAPES["qcd"]
    signal = np.array(SHAPES["signal"])
    total = 2 * signal + background

    def rise(strength):
        at = strength * signal + background
        return 2 * (at - total + total * np.log(total / at)).sum() - 1

    # The statistical errors of the templates add 4000 entries a bin of uncertainty: little.
    assert found.high == pytest.approx(optimize.brentq(rise, 2, 6), rel=0.02)
    assert found.low == pytest.approx(optimize.brentq(rise, 0, 2), rel=0.02)


def test_strengths_of_drawn_data_come_back_within_their_errors():
    pytest.importorskip("pyhf")
    for seed in range(2):
        found = fit_strength(template_workspace({"pass": templates(2.0, seed)}, **OPTIONS))
        below, above = found.value - found.low, found.high - found.value
        assert -3 * above < found.value - 2 < 3 * below
        assert 0.3 < above < 1.5


def test_bins_of_signal_alone_are_told_and_the_strength_is_found_all_the_same():
    """At a strength of 0 the events there have no likelihood: the interval is approached from above."""
    pytest.importorskip("pyhf")
    histogram = templates(1.0)
    for name in ("top", "qcd", "data"):
        histogram[{"dataset": name, "score": 3}] = np.zeros((len(histogram.axes["variation"]), 2))
    histogram[{"dataset": "data", "variation": "nominal", "score": 3}] = (30.0, 30.0)
    with pytest.warns(
        UserWarning, match=r"pass: 1 of 4 bins, first 0\.75 to 1, have signal alone: a strength of 0 has no"
    ):
        spec = template_workspace({"pass": histogram}, signal="signal", data="data")
    found = fit_strength(spec)
    assert found.value == pytest.approx(1.0, abs=0.01)
    assert 0.75 < found.low < 0.9
    assert 1.1 < found.high < 1.25


def test_regions_share_their_systematics_and_a_free_sample_is_measured():
    whole = histograms.book(histograms.axis_category("region"), hist.axis.Variable(EDGES, name="score"))
    for region, factor in (("signal", 1.0), ("control", 0.1)):
        for name, counts in SHAPES.items():
            scale = factor if name == "signal" else 1.0
            fill(whole, name, scale * np.array(counts), {"nominal": 1.0, "tagUp": 1.1, "tagDown": 0.9}, region=region)
        observed = factor * np.array(SHAPES["signal"]) + 1.5 * np.array(SHAPES["top"]) + SHAPES["qcd"]
        fill(whole, "data", observed, region=region)
    regions = {name: whole[{"region": name}] for name in ("signal", "control")}
    spec = template_workspace(regions, signal="signal", data="data", free="top", luminosity=0.02)
    space, model = model_of(spec)
    assert model.config.channels == ["control", "signal"]
    assert {"tag", "lumi", "mu", "norm_top"} <= set(model.config.par_names)
    lumi = {sample["name"]: [m["type"] for m in sample["modifiers"]] for sample in spec["channels"][0]["samples"]}
    assert [name for name, kinds in lumi.items() if "lumi" not in kinds] == ["top"]
    import pyhf

    best = dict(zip(model.config.par_names, pyhf.infer.mle.fit(space.data(model), model)))
    assert best["norm_top"] == pytest.approx(1.5, abs=0.01)
    assert best["mu"] == pytest.approx(1.0, abs=0.02)


def test_data_sets_of_one_sample_are_added_each_under_its_variations():
    """Of two parts one has no variation of the tag: it enters with its nominal weights."""
    spec = template_workspace(
        {"pass": templates(1.0)}, signal="s", data="data", samples={"s": ["signal"], "rest": ["top", "qcd"]}
    )
    _, rest = spec["channels"][0]["samples"]
    np.testing.assert_allclose(rest["data"], np.array(SHAPES["top"]) + SHAPES["qcd"])
    (tag,) = (each for each in rest["modifiers"] if each["name"] == "tag" and each["type"] == "normsys")
    top, qcd = (sum(SHAPES[name]) for name in ("top", "qcd"))
    assert tag["data"]["hi"] == pytest.approx((TAG["top"] * top + qcd) / (top + qcd))


def test_without_data_the_observation_is_what_is_expected():
    spec = template_workspace({"pass": templates()}, signal=["signal"])
    total = sum(np.array(counts) for counts in SHAPES.values())
    np.testing.assert_allclose(spec["observations"][0]["data"], total)


def test_a_sample_that_comes_up_empty_under_a_variation_has_a_shape_alone():
    """Its normalisation would be the power of nothing."""
    histogram = histograms.book(hist.axis.Variable(EDGES, name="score"))
    for name, counts in SHAPES.items():
        fill(histogram, name, counts, {"nominal": 1.0, "jesUp": 2.0} if name == "top" else None)
    histograms.fill_variations(histogram, "top", {"score": []}, np.array([]), variation="jesDown")
    spec = template_workspace({"pass": histogram}, signal="signal")
    top = spec["channels"][0]["samples"][1]
    assert [(m["name"], m["type"]) for m in top["modifiers"]] == [("jes", "histosys"), ("staterror_pass", "staterror")]
    _, model = model_of(spec)
    np.testing.assert_allclose(expected(model, jes=-1.0), np.array(SHAPES["signal"]) + SHAPES["qcd"])


def beyond():
    histogram = templates(1.0)
    histogram.fill(dataset="top", variation="nominal", score=[-1.0, 2.0, 2.0], weight=[3.0, 2.0, 3.0])
    return histogram


def test_events_beyond_the_axis_are_refused_added_or_dropped():
    with pytest.raises(ValueError, match=r"pass: top has 3 events below and 5 above the axis 'score': flow=\"add\""):
        template_workspace({"pass": beyond()}, signal="signal", data="data")
    for flow, ends in (("add", (3.0, 5.0)), ("drop", (0.0, 0.0))):
        spec = template_workspace({"pass": beyond()}, signal="signal", data="data", flow=flow)
        found = np.array(spec["channels"][0]["samples"][1]["data"])
        np.testing.assert_allclose(found - SHAPES["top"], [ends[0], 0, 0, ends[1]], atol=1e-9)


def test_cabinetry_opens_it_and_finds_the_same():
    cabinetry = pytest.importorskip("cabinetry")
    spec = template_workspace({"pass": templates(2.0)}, **OPTIONS)
    model, data = cabinetry.model_utils.model_and_data(spec)
    result = cabinetry.fit.fit(model, data)
    index = result.labels.index("mu")
    found = fit_strength(spec)
    assert result.bestfit[index] == pytest.approx(found.value, abs=0.01)
    assert result.uncertainty[index] == pytest.approx((found.high - found.low) / 2, rel=0.05)


def alone():
    histogram = templates(1.0)
    fill(histogram, "top", SHAPES["top"], variation="pileupUp")
    return histogram


def not_finite():
    histogram = templates(1.0)
    histogram.view(flow=True)["value"][1, 0, 2] = np.nan
    return histogram


def empty():
    histogram = templates(1.0)
    for name in SHAPES:
        at = {"dataset": name, "score": 0}
        histogram[at] = np.zeros((len(histogram.axes["variation"]), 2))
    return histogram


def without_signal():
    histogram = templates(1.0)
    histogram[{"dataset": "signal"}] = np.zeros((len(histogram.axes["variation"]), 4, 2))
    return histogram


@pytest.mark.parametrize(
    "error, histogram, options, message",
    [
        (ValueError, None, {}, "there are no regions: needed is one histogram or more"),
        (KeyError, hist.Hist(hist.axis.Regular(2, 0, 1, name="score")), {}, "of 'pass' has no axis 'dataset'; it has"),
        (ValueError, templates(1.0), {"signal": "sig"}, "signal = 'sig', required: one of .*; nearest: signal"),
        (ValueError, templates(1.0), {"data": "dat"}, "data = 'dat', required: one of .*; nearest: data"),
        (ValueError, templates(1.0), {"free": ["tops"]}, "free = 'tops', required: one of .*; nearest: top"),
        (ValueError, templates(1.0), {"flow": "fold"}, "flow = 'fold', required: one of raise, add, drop"),
        (ValueError, templates(1.0), {"samples": {}}, r"samples are \{\}; needed is one or more"),
        (
            ValueError,
            templates(1.0),
            {"samples": {"signal": ["signal", "data"]}},
            "data set 'data' would be counted twice",
        ),
        (KeyError, templates(1.0), {"samples": {"signal": ["signals"]}}, "no dataset 'signals'; nearest: signal"),
        (ValueError, templates(1.0), {"luminosity": 2.0}, "normalisation uncertainty 'lumi' is 2.0; needed is a relat"),
        (
            ValueError,
            templates(1.0),
            {"normalisation": {"xsec": {"tops": 0.1}}},
            "sample of the normalisation 'xsec' = 'tops', required: .*; nearest: top",
        ),
        (ValueError, templates(1.0), {"normalisation": {"xsec": {"top": 1.0}}}, "uncertainty 'xsec' is 1.0; needed"),
        (
            ValueError,
            templates(1.0),
            {"normalisation": {"tag": {"qcd": 0.1}}},
            "normalisation 'tag' is also a variation of the histograms, required: another name",
        ),
        (ValueError, alone(), {}, "pass: variation 'pileup' of 'top' has one side, required: a pair of Up and Down"),
        (ValueError, not_finite(), {}, "pass: events of top under 'nominal' are not finite"),
        (
            ValueError,
            empty(),
            {},
            r"pass: 1 of 4 bins, first 0 to 0.25, have no event expected \(522 observed\), required: some; merge bins",
        ),
        (ValueError, without_signal(), {}, r"the signal of \['pass'\] has 0 events in its bins"),
    ],
)
def test_histograms_that_are_no_templates(error, histogram, options, message):
    regions = {} if histogram is None else {"pass": histogram}
    with pytest.raises(error, match=message):
        template_workspace(regions, **{"signal": "signal", "data": "data", **options})
