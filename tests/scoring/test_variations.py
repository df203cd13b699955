"""Jets of varied energy: constituents move with their jet, and nothing else does."""

import awkward as ak
import numpy as np
import pytest
from coffea.jetmet_tools import CorrectedJetsFactory, JECStack
from coffea.lookup_tools import extractor
from toys import toy_event_jets, toy_jets

from cortado import histograms
from cortado.scoring import jet_variations, met_variations, score_variations


def summed_pt(jets):
    return ak.sum(jets.constituents.pt, axis=-1)


NESTINGS = {
    "flat": toy_jets(20, seed=3),
    "events": toy_event_jets(20),
    "optional": ak.firsts(toy_event_jets(20)),
}


@pytest.mark.parametrize("nesting", NESTINGS)
def test_all_energies_scale_as_the_momentum_and_directions_stay(nesting):
    jets = NESTINGS[nesting]
    before = jets.to_list()
    varied = jet_variations(jets, {"jesUp": jets.pt * 1.1, "jesDown": jets.pt * 0.9})
    assert list(varied) == ["nominal", "jesUp", "jesDown"]
    assert varied["nominal"] is jets
    for name, factor in (("jesUp", 1.1), ("jesDown", 0.9)):
        made = varied[name]
        assert str(made.type) == str(jets.type)
        for field in ("pt", "mass", "soft_drop_mass"):
            assert ak.all(ak.isclose(made[field], factor * jets[field], rtol=1e-5))
        for field in ("pt", "mass"):
            assert ak.all(ak.isclose(made.constituents[field], factor * jets.constituents[field], rtol=1e-5))
        for field in ("eta", "phi", "tau1", "truth_pdg_id"):
            assert made[field].to_list() == jets[field].to_list()
        for field in ("eta", "phi", "charge", "d0"):
            assert made.constituents[field].to_list() == jets.constituents[field].to_list()
        assert ak.all(ak.isclose(summed_pt(made) / made.pt, summed_pt(jets) / jets.pt, rtol=1e-5))
    assert jets.to_list() == before


def test_each_jet_has_a_shift_of_its_own_and_may_have_a_mass_of_its_own():
    jets = toy_event_jets(20)
    rng = np.random.default_rng(1)
    shift = ak.unflatten(rng.uniform(0.8, 1.2, ak.sum(ak.num(jets))), ak.num(jets))
    given = ak.zip({"pt": jets.pt * shift, "mass": jets.mass + 1})
    made = jet_variations(jets, {"jerUp": given})["jerUp"]
    assert ak.all(ak.isclose(made.mass, jets.mass + 1))
    assert ak.all(ak.isclose(made.soft_drop_mass, jets.soft_drop_mass * shift, rtol=1e-5))
    assert ak.all(ak.isclose(summed_pt(made), summed_pt(jets) * shift, rtol=1e-5))


def test_a_nominal_one_takes_the_place_of_the_file():
    jets = toy_event_jets(5)
    varied = jet_variations(jets, {"jesUp": jets.pt * 1.2, "nominal": jets.pt * 1.1})
    assert list(varied) == ["nominal", "jesUp"]
    assert ak.all(ak.isclose(varied["nominal"].constituents.pt, 1.1 * jets.constituents.pt))
    assert ak.all(ak.isclose(varied["jesUp"].constituents.pt, 1.2 * jets.constituents.pt))


TEXTS = {  # as experiments publish them: 2 % of scale; 10 % of resolution, 1.2 +- 0.1 times that of the simulation
    "Toy_V1_MC_Uncertainty_AK8.junc.txt": '{1 JetEta 1 JetPt "" Correction JECSource}\n'
    "-5 5 6 10 0.02 0.02 5000 0.02 0.02",
    "Toy_V1_MC_PtResolution_AK8.jr.txt": "{1 JetEta 1 JetPt [0] Resolution}\n-5 5 3 10 5000 0.1",
    "Toy_V1_MC_SF_AK8.jersf.txt": "{1 JetEta 0 None ScaleFactor}\n-5 5 3 1.2 1.1 1.3",
}


@pytest.fixture
def factory(tmp_path):
    """Of coffea's corrected jets."""
    read = extractor()
    for name, text in TEXTS.items():
        (tmp_path / name).write_text(text + "\n")
        read.add_weight_sets([f"* * {tmp_path / name}"])
    read.finalize()
    evaluator = read.make_evaluator()
    stack = JECStack({name: evaluator[name] for name in (each.partition(".")[0] for each in TEXTS)})
    names = {"JetPt": "pt", "JetEta": "eta", "JetMass": "mass", "ptRaw": "pt_raw", "massRaw": "mass_raw"}
    return CorrectedJetsFactory({**names, "ptGenJet": "pt_gen"}, stack)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_jets_of_coffea_give_a_variation_for_each_source(factory):
    """The scale, and the resolution: a jet that is 5 % above its generated one is moved by a part of that."""
    jets = toy_event_jets(30)
    plain = ak.zip({"pt": jets.pt, "eta": jets.eta, "mass": jets.mass, "pt_raw": jets.pt, "mass_raw": jets.mass})
    corrected = factory.build(ak.with_field(plain, jets.pt * 0.95, "pt_gen"))
    varied = jet_variations(jets, corrected)
    smeared = {"nominal": 1 + 0.2 * 0.05, "JERUp": 1 + 0.3 * 0.05, "JERDown": 1 + 0.1 * 0.05}
    expected = smeared | {"JES_jesUp": 1.02 * smeared["nominal"], "JES_jesDown": 0.98 * smeared["nominal"]}
    assert next(iter(varied)) == "nominal"
    assert set(varied) == set(expected)
    for name, factor in expected.items():
        assert ak.all(ak.isclose(varied[name].mass, factor * jets.mass, rtol=1e-5))
        assert ak.all(ak.isclose(summed_pt(varied[name]), factor * summed_pt(jets), rtol=1e-5))


def test_scores_of_all_variations_are_those_of_the_varied_jets(scorer):
    jets = toy_event_jets(30)
    found = score_variations(scorer, jets, {"jesUp": jets.pt * 1.1, "pt2Down": jets.pt - 100})
    for name, each in jet_variations(jets, {"jesUp": jets.pt * 1.1, "pt2Down": jets.pt - 100}).items():
        assert found[name].score.to_list() == scorer(each).to_list()
    named = score_variations(lambda each: each.pt, jets, {"jesUp": jets.pt * 2}, name="twice")
    assert ak.all(named["jesUp"].twice == 2 * jets.pt)


def test_varied_scores_fill_the_axis_of_variations(scorer):
    jets = toy_jets(60)
    histogram = histograms.book(histograms.axis_pt())
    weights = {"nominal": np.full(60, 2.0), "sfUp": np.full(60, 3.0)}
    for name, each in score_variations(scorer, jets, {"jesUp": jets.pt * 1.1}).items():
        histograms.fill_variations(histogram, "W", {"pt": each.pt}, weights, selection=each.pt > 600, variation=name)
    expected = {
        "nominal": 2.0 * np.sum(jets.pt > 600),
        "sfUp": 3.0 * np.sum(jets.pt > 600),
        "jesUp": 2.0 * np.sum(np.float32(1.1) * jets.pt > 600),
    }
    assert set(histogram.axes["variation"]) == set(expected)
    for name, total in expected.items():
        assert histogram[{"dataset": "W", "variation": name}].sum(flow=True).value == pytest.approx(total)
    with pytest.raises(ValueError, match="data set 'W': 'sfUp' is a variation of the weights, not of objects alone"):
        histograms.fill_variations(histogram, "W", {"pt": jets.pt}, weights, variation="sfUp")


JETS = toy_event_jets(6)


@pytest.mark.parametrize(
    "jets, varied, message",
    [
        (JETS[["eta"]], {"up": JETS.pt}, "jets have no field 'pt' to be varied; they have eta"),
        (
            JETS,
            {"up": JETS.pt * 0},
            r"variation 'up': \d+ of \d+ jets have a pT, here or before, that is not positive and finite",
        ),
        (JETS, {"up": JETS.pt * np.nan}, "have a pT, here or before, that is not positive and finite"),
        (
            JETS,
            {"up": ak.ones_like(JETS.pt)[:3]},
            r"variation 'up': pT of type 3 \* var \* float\d+, required: one of each",
        ),
        (JETS, {"up": np.ones(6)}, r"variation 'up': pT of type 6 \* float64, required: one of each jet, as 6 \* var"),
        (JETS, {"up": JETS.pt[:, :0]}, r"required: one of each jet"),
        (JETS, {"up": JETS[["mass"]]}, "variation 'up' has fields mass, required: pt, and perhaps mass"),
        (JETS, JETS, "varied jets have no field with up and down, as coffea's CorrectedJetsFactory makes"),
        (JETS, JETS.pt, "they have no fields: a mapping names each variation"),
    ],
)
def test_shifts_that_are_none(jets, varied, message):
    with pytest.raises(ValueError, match=message):
        jet_variations(jets, varied)


def toy_met(n=20):
    rng = np.random.default_rng(5)
    return ak.Array({"pt": rng.exponential(50, n), "phi": rng.uniform(-3, 3, n), "sumEt": np.ones(n)})


def test_missing_momentum_and_jets_sum_to_the_same_under_all_variations():
    jets, met = toy_event_jets(20), toy_met()
    varied = jet_variations(jets, {"jesUp": jets.pt * 1.3, "smeared": jets.pt * (1 + 0.1 * np.sin(jets.phi))})
    found = met_variations(met, varied)
    assert list(found) == list(varied)
    assert found["nominal"] is met
    for event in range(20):  # the slow twin: a complex number for each vector
        before = complex(met.pt[event] * np.exp(1j * met.phi[event]))
        before += sum(jet.pt * np.exp(1j * jet.phi) for jet in jets[event])
        for name, each in found.items():
            after = complex(each.pt[event] * np.exp(1j * each.phi[event]))
            after += sum(jet.pt * np.exp(1j * jet.phi) for jet in varied[name][event])
            assert after == pytest.approx(before, rel=1e-5, abs=1e-3)
    moved = ak.num(jets) > 0
    assert ak.all(~ak.isclose(found["jesUp"].pt, met.pt, rtol=1e-9) == moved)
    assert found["jesUp"].sumEt.to_list() == met.sumEt.to_list()
    assert str(found["jesUp"].type) == str(met.type)


def test_missing_momentum_needs_the_jets_that_it_belongs_to():
    jets, met = toy_event_jets(20), toy_met()
    varied = jet_variations(jets, {"jesUp": jets.pt * 1.1})
    with pytest.raises(ValueError, match=r"jets have the variations jesUp; required: also 'nominal'"):
        met_variations(met, {"jesUp": varied["jesUp"]})
    with pytest.raises(ValueError, match=r"met has no field phi; it has pt, sumEt"):
        met_variations(met[["pt", "sumEt"]], varied)
    with pytest.raises(ValueError, match=r"jesUp has no field phi; it has pt"):
        met_variations(met, varied | {"jesUp": varied["jesUp"][["pt"]]})
    fewer = varied["jesUp"][:, 1:]
    with pytest.raises(ValueError, match=r"variation 'jesUp' has \d+ jets in 20 events, required: as nominally, \d+"):
        met_variations(met, varied | {"jesUp": fewer})
    with pytest.raises(ValueError, match=r"variation 'nominal' has \d+ jets in 20 events, .* in the 19 of the MET"):
        met_variations(met[1:], {"jesUp": varied["jesUp"][1:], "nominal": jets})
