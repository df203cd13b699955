"""Workspaces: the specification, what pyhf makes of it, and limits against a slow twin."""

import json
import sys

import hist
import numpy as np
import pytest
from scipy import optimize, stats
from search_spectra import BACKGROUND, EDGES, FUNCTION

from cortado import histograms
from cortado.searches import channels, choose_function, fit_background, limits, workspace
from cortado.searches.workspace import background_shifts

WINDOW = (3300.0, 3700.0)
OPTIONS = {"data": "data", "signal": "resonance", "function": FUNCTION, "window": WINDOW}


def searched(seed=1):
    """As the processor fills it: two bins of the score, and a signal with two variations."""
    axis = hist.axis.Variable(EDGES, name="mjj", label="Dijet mass [GeV]")
    histogram = histograms.book(histograms.axis_category("score_bin"), axis)
    rng = np.random.default_rng(seed)
    centres = (EDGES[:-1] + EDGES[1:]) / 2
    for name, share in (("10%", 0.9), ("1%", 0.1)):
        masses = np.repeat(centres, rng.poisson(share * BACKGROUND))
        histograms.fill_variations(histogram, "data", {"score_bin": name, "mjj": masses}, np.ones(len(masses)))
        signal = rng.normal(3500, 140, 400)
        weight = np.full(400, 0.05)
        weights = {"nominal": weight, "tagUp": 1.2 * weight, "tagDown": 0.8 * weight}
        histograms.fill_variations(histogram, "resonance", {"score_bin": name, "mjj": signal}, weights)
    return histogram


def test_channels_hold_the_window_and_the_prediction_of_the_sidebands():
    histogram = searched()
    regions = channels(histogram, **OPTIONS)
    assert [region.name for region in regions] == ["10%", "1%"]
    inside = (EDGES[:-1] >= WINDOW[0]) & (EDGES[1:] <= WINDOW[1])
    for region in regions:
        part = histogram[{"score_bin": region.name, "variation": "nominal"}]
        fit = fit_background(part[{"dataset": "data"}], function=FUNCTION, window=WINDOW)
        np.testing.assert_array_equal(region.observed, part[{"dataset": "data"}].values()[inside])
        np.testing.assert_array_equal(region.background, fit.expected[~fit.fitted])
        np.testing.assert_array_equal(region.signal, part[{"dataset": "resonance"}].values()[inside])
        np.testing.assert_allclose(region.signal_error, np.sqrt(0.05 * region.signal))
        np.testing.assert_allclose(region.signal_shifts["tag"], [1.2 * region.signal, 0.8 * region.signal])
    assert len(channels(histogram, **OPTIONS, regions=["1%"])) == 1


def test_shifts_of_the_background_add_up_to_its_covariance():
    fit = fit_background(BACKGROUND * 100, EDGES, function=FUNCTION, window=WINDOW)
    up, down = np.moveaxis(background_shifts(fit), 1, 0)
    sum_of_squares = (((up - down) / 2) ** 2).sum(axis=0)
    np.testing.assert_allclose(np.sqrt(sum_of_squares), fit.error, rtol=0.02)
    assert (down > 0).all()


def test_the_specification_is_json_of_the_published_form():
    spec = workspace(channels(searched(), **OPTIONS), normalisation={"lumi": 0.016})
    assert json.loads(json.dumps(spec)) == spec
    assert set(spec) == {"channels", "observations", "measurements", "version"}
    assert spec["version"] == "1.0.0"
    for channel, observation in zip(spec["channels"], spec["observations"]):
        assert channel["name"] == observation["name"]
        signal, background = channel["samples"]
        kinds = {modifier["name"]: modifier["type"] for modifier in signal["modifiers"]}
        assert kinds == {
            "mu": "normfactor",
            "lumi": "normsys",
            "tag": "histosys",
            f"staterror_{channel['name']}": "staterror",
        }
        assert [modifier["type"] for modifier in background["modifiers"]] == ["histosys"] * 3
        for sample in channel["samples"]:
            assert len(sample["data"]) == len(observation["data"]) == 4
            for modifier in sample["modifiers"]:
                if modifier["type"] == "histosys":
                    assert set(modifier["data"]) == {"hi_data", "lo_data"}
                    assert all(len(values) == 4 for values in modifier["data"].values())
    names = [m["name"] for c in spec["channels"] for m in c["samples"][1]["modifiers"]]
    assert len(set(names)) == 6  # the fits of two regions do not know of each other


def test_pyhf_accepts_the_specification_and_recovers_an_injected_strength():
    pyhf = pytest.importorskip("pyhf")
    regions = channels(searched(), **OPTIONS)
    injected = [region._replace(observed=region.background + 2.0 * region.signal) for region in regions]
    space = pyhf.Workspace(workspace(injected, normalisation={"lumi": 0.016}))  # checks the schema
    model = space.model()
    best = pyhf.infer.mle.fit(space.data(model), model)
    assert best[model.config.poi_index] == pytest.approx(2.0, abs=0.01)


def test_a_limit_without_uncertainties_is_that_of_a_slow_twin():
    pytest.importorskip("pyhf")
    (region,) = channels(searched(), **OPTIONS, regions=["10%"])
    exact = region._replace(
        background_shifts=np.empty((0, 2, 4)), signal_error=np.zeros(4), signal_shifts={}, observed=region.background
    )
    found = limits(workspace([exact]))

    def q(mu, counts):
        def nll(strength):
            expected = exact.background + strength * exact.signal
            return (expected - counts * np.log(expected)).sum()

        best = optimize.minimize_scalar(nll, bounds=(0, 50), method="bounded", options={"xatol": 1e-6}).x
        return max(2 * (nll(mu) - nll(best)), 0.0) if best < mu else 0.0

    def cls(mu):
        """Median without signal: CLb is a half."""
        return stats.norm.sf(np.sqrt(q(mu, exact.background))) / 0.5

    twin = optimize.brentq(lambda mu: cls(mu) - 0.05, 0.1, 20)
    assert found.expected[2] == pytest.approx(twin, rel=0.01)
    assert found.observed == pytest.approx(found.expected[2], rel=0.01)
    assert np.all(np.diff(found.expected) > 0)


def test_at_the_limits_cls_of_pyhf_is_what_is_left_of_the_level():
    """Of a region with an excess and all kinds of uncertainties."""
    pyhf = pytest.importorskip("pyhf")
    (region,) = channels(searched(), **OPTIONS, regions=["10%"])
    spec = workspace([region._replace(observed=region.background + 0.5 * region.signal)])
    space, found = pyhf.Workspace(spec), limits(spec, level=0.9)
    model = space.model()

    def cls(strength):
        return pyhf.infer.hypotest(strength, space.data(model), model, return_expected_set=True)

    assert cls(found.observed)[0] == pytest.approx(0.1, rel=0.01)
    for index, each in enumerate(found.expected):
        assert cls(each)[1][index] == pytest.approx(0.1, rel=0.01)
    assert found.observed > found.expected[2]


def test_uncertainties_weaken_the_limit():
    pytest.importorskip("pyhf")
    (region,) = channels(searched(), **OPTIONS, regions=["10%"])
    blind = region._replace(observed=region.background)
    known = blind._replace(background_shifts=np.empty((0, 2, 4)))
    with_errors, without = limits(workspace([blind])), limits(workspace([known]))
    assert with_errors.expected[2] > without.expected[2]
    assert np.all(with_errors.expected[2:] - without.expected[2:] < without.expected[2])


def test_bad_workspaces_are_named(monkeypatch):
    regions = channels(searched(), **OPTIONS)
    with pytest.raises(ValueError, match=r"regions are \[\]"):
        workspace([])
    with pytest.raises(ValueError, match="each of its own name"):
        workspace([regions[0]] * 2)
    with pytest.raises(ValueError, match=r"'lumi' is 1\.6"):
        workspace(regions, normalisation={"lumi": 1.6})
    with pytest.raises(ValueError, match=r"signal of '10%' has shape \(3,\)"):
        workspace([regions[0]._replace(signal=np.ones(3))])
    with pytest.raises(ValueError, match="background of '10%' are not finite"):
        workspace([regions[0]._replace(background=np.full(4, np.nan))])
    with pytest.raises(ValueError, match="has 0 events in its bins"):
        workspace([regions[0]._replace(signal=np.zeros(4))])
    with pytest.raises(ValueError, match=r"level is 95"):
        limits({}, level=95)
    monkeypatch.setitem(sys.modules, "pyhf", None)
    with pytest.raises(ImportError, match="a limit needs pyhf, of the extra `fit`: pip install"):
        limits({})


def test_histograms_without_what_is_needed_are_named():
    histogram = searched()
    with pytest.raises(KeyError, match=r"no dataset 'dat' .*'data'"):
        channels(histogram, **{**OPTIONS, "data": "dat"})
    with pytest.raises(KeyError, match="no score_bin '5%'"):
        channels(histogram, **OPTIONS, regions=["5%"])
    with pytest.raises(KeyError, match="no axis 'mass'"):
        channels(histogram, **OPTIONS, mass="mass")
    with pytest.raises(ValueError, match="no sidebands"):
        channels(histogram, **{**OPTIONS, "window": (2000, 6000)})
    histograms.fill_variations(
        histogram, "resonance", {"score_bin": "1%", "mjj": [3500.0]}, {"nominal": [1.0], "jecUp": [1.1]}
    )
    with pytest.raises(ValueError, match=r"variations \['jec'\] of 'resonance'"):
        channels(histogram, **OPTIONS)


def test_a_signal_too_weak_for_a_limit_is_named():
    """As where trees that have never seen the signal cut it away."""
    pytest.importorskip("pyhf")
    (region,) = channels(searched(), **OPTIONS, regions=["1%"])
    with pytest.raises(ValueError, match=r"no limit from .*: the signal is too weak to be told from none"):
        limits(workspace([region._replace(observed=np.zeros(4), signal=1e-5 * region.signal)]))


def test_a_signal_region_without_sidebands_is_refused_by_every_step(test_data):
    """Events of the CATHODE paper between 3.3 and 3.7 TeV, and nothing beside them."""
    masses = 1000 * np.load(test_data / "anomaly" / "lhco_signal_region" / "innerdata_train.npy")[:, 0]
    edges = np.linspace(2000, 6000, 41)
    counts = np.histogram(masses, edges)[0]
    assert counts.sum() == len(masses)
    for window in (WINDOW, (3000.0, 4000.0)):
        with pytest.raises(ValueError, match=r"signal region .* has no sidebands: .* needed are 3 on each side"):
            choose_function(counts, edges, collision_energy=13_000.0, window=window)
    histogram = histograms.book(histograms.axis_category("score_bin"), hist.axis.Variable(edges, name="mjj"))
    for name in ("data", "resonance"):
        histograms.fill_variations(histogram, name, {"score_bin": "1%", "mjj": masses}, np.ones(len(masses)))
    with pytest.raises(ValueError, match="has no sidebands"):
        channels(histogram, **OPTIONS)
