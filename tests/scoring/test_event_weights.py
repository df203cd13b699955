"""Scores and working points as weights of events: coffea gets what loops over events give."""

from dataclasses import replace

import awkward as ak
import numpy as np
import pytest
from coffea.analysis_tools import Weights
from toy_taggers import (
    HALF,
)
from toys import toy_event_jets, toy_jets

from cortado import weights


def test_passes_takes_jets_or_scores(scorer):
    jets = ak.firsts(toy_event_jets(20))
    passes = scorer.passes(jets, "50%")
    assert str(passes.type) == "20 * ?bool"
    assert passes.tolist() == scorer.passes(scorer(jets), "50%").tolist()
    assert passes.tolist() == (scorer(jets) >= 0.5).tolist()


def test_unknown_names_are_listed(scorer):
    with pytest.raises(ValueError, match=r"working point of .* = '60%', required: one of 50%; nearest: 50%"):
        scorer.passes(toy_jets(2), "60%")
    with pytest.raises(ValueError, match="class = 'top', required: one of qcd, w"):
        scorer.discriminant(toy_jets(2), ("top",), ("qcd",))
    with pytest.raises(ValueError, match=r"scale factor = 'signals', required: one of .*; nearest: signal"):
        scorer.add_weight(Weights(2), toy_jets(2), working_point="50%", scale_factors={"signals": (1.0, 0.1)})


def expected_weights(scorer, jets, signal, background):
    """Slow twin: loops over events, jets and variations."""
    result = []
    passing = scorer.passes(jets, "50%").tolist()
    for shift in (0, 1, -1):
        product = np.ones(len(jets))
        for event, pdg_ids in enumerate(jets.truth_pdg_id.tolist()):
            for pdg_id, passes in zip(pdg_ids, passing[event]):
                is_w = pdg_id == 24
                value, error = signal if is_w else background
                efficiency = HALF.efficiency if is_w else HALF.mistag
                s = value + shift * error
                product[event] *= s if passes else (1 - s * efficiency) / (1 - efficiency)
        result.append(product)
    return result


def test_scale_factors_reach_coffeas_weights(scorer):
    jets = toy_event_jets(40)
    given = {"signal": (0.9, 0.05), "background": weights.ScaleFactor(value=1.2, error=0.1)}
    into = Weights(len(jets))
    scorer.add_weight(into, jets, working_point="50%", scale_factors=given)
    nominal, up, down = expected_weights(scorer, jets, (0.9, 0.05), (1.2, 0.1))
    assert into.variations == {"taggerUp", "taggerDown"}
    np.testing.assert_allclose(into.weight(), nominal)
    np.testing.assert_allclose(into.weight("taggerUp"), up)
    np.testing.assert_allclose(into.weight("taggerDown"), down)
    assert np.ptp(nominal) > 0.1


def test_without_scale_factors_the_efficiencies_of_training_vary(scorer):
    jets = toy_event_jets(40)
    into = Weights(len(jets))
    scorer.add_weight(into, jets, working_point="50%", scores=scorer(jets), name="w")
    np.testing.assert_allclose(into.weight(), 1)
    _, up, _ = expected_weights(scorer, jets, (1, 0.05), (1, 0.1))
    np.testing.assert_allclose(into.weight("wUp"), up)


def test_one_nuisance_parameter_per_class(scorer):
    jets = toy_event_jets(40)
    is_signal = jets.truth_pdg_id == 24
    together, apart = Weights(40), Weights(40)
    given = {"signal": (0.9, 0.05), "background": (1.2, 0.1)}
    scorer.add_weight(together, jets, working_point="50%", scale_factors=given)
    for name, chosen in (("efficiency", is_signal), ("mistag", ~is_signal)):
        scorer.add_weight(apart, jets[chosen], working_point="50%", scale_factors=given, name=name)
    np.testing.assert_allclose(apart.weight(), together.weight())
    assert apart.variations == {"efficiencyUp", "efficiencyDown", "mistagUp", "mistagDown"}


def test_events_with_at_most_one_jet_and_truth_given_by_hand(scorer):
    jets = toy_event_jets(40)
    first, by_hand = Weights(40), Weights(40)
    scorer.add_weight(first, jets[:, :1], working_point="50%", scale_factors={"signal": (0.8, 0.1)})
    leading = ak.firsts(jets)
    bare = leading[["pt", "eta", "phi", "constituents"]]
    scorer.add_weight(
        by_hand,
        bare,
        working_point="50%",
        scale_factors={"signal": (0.8, 0.1)},
        is_signal=leading.truth_pdg_id == 24,
    )
    np.testing.assert_allclose(by_hand.weight("taggerUp"), first.weight("taggerUp"))


def test_truth_must_come_from_somewhere(scorer):
    with pytest.raises(ValueError, match="truth of jets is not known for signal 'w': give is_signal="):
        scorer.add_weight(Weights(3), toy_jets(3)[["pt", "eta", "phi", "constituents"]], working_point="50%")


def test_likelihood_ratios_reach_coffeas_weights(scorer):
    jets = toy_event_jets(40)
    into = Weights(len(jets))
    scores = 0.3 + 0.4 * scorer(jets)
    scorer.add_likelihood_ratio(into, jets, prior=2.0, score_err=0.01, scores=scores)
    expected = np.ones((3, len(jets)))
    for event, of_event in enumerate(scores.tolist()):
        for p in of_event:
            spread = np.array([0, 1, -1]) * 0.01 / (p * (1 - p))
            expected[:, event] *= p / (1 - p) / 2 * np.exp(spread)
    np.testing.assert_allclose(into.weight(), expected[0], rtol=1e-5)
    np.testing.assert_allclose(into.weight("likelihood_ratioUp"), expected[1], rtol=1e-5)
    np.testing.assert_allclose(into.weight("likelihood_ratioDown"), expected[2], rtol=1e-5)
    assert np.ptp(expected[0]) > 0.1


def test_corrections_of_any_fields_reach_coffeas_weights(scorer, tmp_path):
    """Of the signal a correction of |eta|, of the background a number; efficiencies of the analysis' own."""
    values = {"nominal": (0.9, 0.8), "up": (1.0, 0.85), "down": (0.7, 0.6)}
    content = {
        name: {
            "nodetype": "binning",
            "input": "abseta",
            "edges": [0.0, 1.0, 5.0],
            "content": list(two),
            "flow": "error",
        }
        for name, two in values.items()
    }
    by_systematic = [{"key": name, "value": value} for name, value in content.items()]
    correction = {
        "name": "w",
        "version": 1,
        "inputs": [{"name": "systematic", "type": "string"}, {"name": "abseta", "type": "real"}],
        "output": {"name": "weight", "type": "real"},
        "data": {"nodetype": "category", "input": "systematic", "content": by_systematic},
    }
    weights.write_corrections(tmp_path / "sf.json", [correction])
    jets = toy_event_jets(40)
    jets = ak.with_field(jets, abs(jets.eta), "abseta")
    given = weights.Correction.read(tmp_path / "sf.json", "w", systematic="systematic")
    into = Weights(len(jets))
    scorer.add_weight(
        into,
        jets,
        working_point="50%",
        scale_factors={"signal": given, "background": (1.2, 0.1)},
        efficiencies={"background": 0.3},
    )
    passing = scorer.passes(jets, "50%").tolist()
    expected = np.ones((3, len(jets)))
    for event, of_event in enumerate(jets):
        for jet, passes in zip(of_event, passing[event]):
            is_w = jet.truth_pdg_id == 24
            efficiency = HALF.efficiency if is_w else 0.3
            for side, (name, two) in enumerate(values.items()):
                s = two[int(jet.abseta >= 1)] if is_w else {"nominal": 1.2, "up": 1.3, "down": 1.1}[name]
                expected[side, event] *= s if passes else (1 - s * efficiency) / (1 - efficiency)
    for weight, twin in zip((into.weight(), into.weight("taggerUp"), into.weight("taggerDown")), expected):
        np.testing.assert_allclose(weight, twin)


def test_a_factor_is_asked_of_the_jets_of_its_truth_alone(scorer):
    """That of the signal is not defined where there is background."""
    jets = toy_event_jets(40)
    is_signal = jets.pt > 600
    factor = weights.ScaleFactor(value=(0.9,), error=(0.1,), pt_edges=(600, np.inf))
    scorer.add_weight(Weights(40), jets, working_point="50%", scale_factors={"signal": factor}, is_signal=is_signal)
    with pytest.raises(ValueError, match=r"lie outside the scale factor's 600 to inf GeV"):
        scorer.add_weight(
            Weights(40), jets, working_point="50%", scale_factors={"background": factor}, is_signal=is_signal
        )


def test_efficiencies_that_are_none(scorer):
    jets = toy_event_jets(4)
    for given, message in (
        ({"signals": 0.5}, "truth of an efficiency = 'signals', required: one of .*; nearest: signal"),
        ({"signal": (0.5, 0.1)}, r"efficiency of 'signal' = \(0.5, 0.1\), required: a number or a Correction"),
    ):
        with pytest.raises(ValueError, match=message):
            scorer.add_weight(Weights(4), jets, working_point="50%", efficiencies=given)


def test_likelihood_ratios_keep_their_digits_where_a_score_is_near_one(scorer, monkeypatch):
    """Of float32 probabilities p / (1 - p) is off by 6 % at 1e7; the other class has the digits."""
    logit = np.array([0.0, 5.0, np.log(1e7), np.log(3e9)])
    odds = np.exp(logit)
    made = ak.zip({"qcd": (1 / (1 + odds)).astype(np.float32), "w": (odds / (1 + odds)).astype(np.float32)})
    monkeypatch.setattr(type(scorer.predictor), "flat", lambda self, objects: made)
    ratios = scorer.likelihood_ratios(toy_jets(4))
    np.testing.assert_allclose(ratios.nominal, odds, rtol=1e-6)
    with pytest.raises(ValueError, match="of 4 scores are 0 or 1"):
        weights.likelihood_ratio_weights(made.w)  # of the one number alone they are lost


@pytest.mark.parametrize("efficiency, error", [(0.97, 0.05), (1e-4, 5e-4), (0.0, 0.01), (0.999, 0.002), (0.5, 0.6)])
def test_without_scale_factors_no_working_point_is_too_tight_or_too_loose(efficiency, error):
    from cortado.scoring.event_weights import factors_at

    point = replace(HALF, efficiency=efficiency, efficiency_err=error, mistag=efficiency, mistag_err=error)
    for factor in factors_at(point, {}).values():
        varied = weights.jet_weights(
            np.array([True, False]),
            efficiency=efficiency,
            scale_factor=factor.value,
            scale_factor_err=factor.error,
        )
        assert varied.nominal.tolist() == [1.0, 1.0]
        assert all(np.all(np.asarray(each) >= 0) for each in varied)
