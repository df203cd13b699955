"""The tagging processor: weights go in and come out, and processors as users write them."""

import dataclasses

import awkward as ak
import cloudpickle
import hist
import numpy as np
import pytest
import uproot
from coffea import processor
from coffea.analysis_tools import Weights
from coffea.nanoevents import NanoEventsFactory
from samples import cms_columns, separated_event_jets, write_nanoaod, write_tree
from toys import toy_jets

import cortado
from cortado import bundle, processors, scoring
from cortado.processors import TaggingProcessor
from cortado.splits import TEST, Split
from cortado.weights import Correction, write_corrections

CUTS = ["all", "large-radius jet", "jet pT", "jet eta", "constituents"]


def nanoevents(path, **options):
    return NanoEventsFactory.from_root(
        {str(path): "Events"}, schemaclass=processors.NanoAOD, mode="virtual", **options
    ).events()


def generated(path):
    with uproot.open(path) as file:
        return file["Events/genWeight"].array(library="np").astype(np.float64)


def selected_weights(path, jets):
    """Slow twin: sum of weights after each cut, event by event."""
    sums = dict.fromkeys(CUTS, 0.0)
    for event, weight in zip(jets, generated(path)):
        leading = max(event, key=lambda jet: jet.pt, default=None)
        passed = [
            True,
            leading is not None,
            leading is not None and 500 <= leading.pt < 700,
            leading is not None and abs(leading.eta) < 2.4,
            leading is not None and len(leading.constituents) > 0,
        ]
        for stage, name in enumerate(CUTS):
            sums[name] += weight * all(passed[: stage + 1])
    return sums


def test_weights_are_conserved_from_file_to_histogram(reference, fileset):
    for dataset, entry in fileset.items():
        weights = [generated(path) for path in entry["files"]]
        twins = [selected_weights(path, cortado.read(path).jets) for path in entry["files"]]
        assert reference["events"][dataset] == sum(map(len, weights))
        assert reference["sum_of_weights"][dataset] == pytest.approx(sum(w.sum() for w in weights))
        cutflow = reference["cutflow"][{"dataset": dataset}]
        for cut in CUTS:
            assert cutflow[cut].value == pytest.approx(sum(twin[cut] for twin in twins))
        assert 0 < cutflow["constituents"].value < cutflow["all"].value
        for quantity in ("mass", "pt", "score"):
            for tagger in ("pfn", "mlp"):
                nominal = reference[quantity][{"dataset": dataset, "variation": "nominal", "tagger": tagger}]
                assert nominal.sum(flow=True).value == pytest.approx(cutflow["constituents"].value)


def test_both_regions_are_filled_at_the_working_point(reference, taggers):
    for name, tagger in taggers.items():
        score = reference["score"][{"tagger": name, "variation": "nominal", "dataset": sum, "truth": sum}]
        threshold = tagger.working_point("50%").threshold
        edges = score.axes["score"].edges
        assert list(score.axes["region"]) == ["fail", "pass"]
        assert not score[{"region": "pass"}].values()[edges[1:] < threshold].any()
        assert not score[{"region": "fail"}].values()[edges[:-1] > threshold].any()
        assert min(score[{"region": region}].sum().value for region in ("pass", "fail")) > 0


def test_every_variation_of_the_tagger_is_there_and_moves_what_it_should(reference):
    mass = reference["mass"][{"dataset": "zjets", "tagger": "pfn"}]
    assert list(mass.axes["variation"]) == ["nominal", "taggerDown", "taggerUp"]
    assert list(mass.axes["truth"]) == ["QCD", "W"]
    for truth, error in (("W", 0.05 / 0.5), ("QCD", 0.02 / 0.1)):  # the uncertainty of the efficiency
        passed, failed = (
            {name: mass[truth_and_region | {"variation": name}].sum(flow=True).value for name in mass.axes["variation"]}
            for truth_and_region in ({"truth": truth, "region": region} for region in ("pass", "fail"))
        )
        assert passed["taggerUp"] == pytest.approx(passed["nominal"] * (1 + error))
        assert passed["taggerDown"] == pytest.approx(passed["nominal"] * (1 - error))
        assert failed["taggerUp"] < failed["nominal"] < failed["taggerDown"]


def test_the_leading_jet_is_that_of_highest_pt_wherever_it_stands(tmp_path, taggers):
    jets = separated_event_jets(60, seed=4)
    rising = jets[ak.argsort(jets.pt, axis=1)]
    falling = jets[ak.argsort(jets.pt, axis=1, ascending=False)]
    found = []
    for name, ordered in (("rising", rising), ("falling", falling)):
        write_tree(tmp_path / f"{name}.root", cms_columns(ordered))
        files = {"d": {"files": {str(tmp_path / f"{name}.root"): "Events"}}}
        found.append(processors.run(files, TaggingProcessor(taggers), executor="iterative"))
    np.testing.assert_allclose(found[0]["pt"].values(flow=True), found[1]["pt"].values(flow=True), rtol=1e-6)


def test_recorded_data_have_unit_weights_and_no_variations(tmp_path, taggers):
    columns = cms_columns(separated_event_jets(50, seed=6))
    del columns["GenPart"], columns["genWeight"]
    write_tree(tmp_path / "data.root", columns)
    fileset = {"data": {"files": {str(tmp_path / "data.root"): "Events"}}}
    output = processors.run(fileset, TaggingProcessor(taggers), executor="iterative")
    assert output["sum_of_weights"] == {"data": 50.0}
    assert list(output["mass"].axes["variation"]) == ["nominal"]
    assert list(output["mass"].axes["truth"]) == ["data"]


def test_simulation_without_truth_is_no_data(tmp_path, taggers):
    columns = cms_columns(separated_event_jets(50, seed=6))
    del columns["GenPart"]
    write_tree(tmp_path / "simulated.root", columns)
    fileset = {"simulated": {"files": {str(tmp_path / "simulated.root"): "Events"}}}
    output = processors.run(fileset, TaggingProcessor(taggers), executor="iterative")
    assert list(output["mass"].axes["truth"]) == ["unknown"]


def test_only_test_events_of_the_training_are_kept_and_scaled_up(tmp_path, taggers):
    jets, split = write_nanoaod(tmp_path / "a.root", n_events=200), Split(test=0.4)
    record = cortado.read(tmp_path / "a.root")
    kept = generated(tmp_path / "a.root")[ak.to_numpy(split.subset(record.event_key) == TEST)]
    instance = TaggingProcessor(taggers, held_out=split, pt_range=(0.0, 1e5), max_abs_eta=10.0)
    files = {"files": {str(tmp_path / "a.root"): "Events"}}
    fileset = {"seen": {**files, "metadata": {"trained_on": True}}, "new": files}
    output = processors.run(fileset, instance, executor="iterative")
    has_jet = ak.to_numpy(ak.num(jets) > 0)[ak.to_numpy(split.subset(record.event_key) == TEST)]
    pt = output["pt"][{"tagger": "pfn", "variation": "nominal", "region": sum, "truth": sum}]
    assert pt[{"dataset": "seen"}].sum(flow=True).value == pytest.approx(kept[has_jet].sum() / 0.4)
    assert output["cutflow"]["seen", "held out"].value == pytest.approx(kept[has_jet].sum())
    assert output["cutflow"]["new", "constituents"].value == pytest.approx(pt[{"dataset": "new"}].sum(flow=True).value)


def test_jets_without_constituents_are_cut_and_seen_in_the_cutflow(test_data, taggers):
    path = test_data / "jets" / "nano_tt_v15.root"
    instance = TaggingProcessor(taggers, pt_range=(0.0, 1e5), max_abs_eta=10.0)
    output = processors.run({"tt": {"files": {str(path): "Events"}}}, instance, executor="iterative")
    jets = cortado.read(path).jets
    leading = ak.drop_none(ak.firsts(jets))
    without = ak.to_numpy(ak.num(leading.constituents) == 0)
    cutflow = output["cutflow"][{"dataset": "tt"}]
    weight = generated(path)[ak.to_numpy(ak.num(jets) > 0)]
    assert output["sum_of_weights"]["tt"] == pytest.approx(generated(path).sum())
    assert cutflow["jet eta"].value - cutflow["constituents"].value == pytest.approx(weight[without].sum())
    assert cutflow["constituents"].value == pytest.approx(weight[~without].sum())
    nominal = output["mass"][{"variation": "nominal", "tagger": "pfn"}]
    assert nominal.sum(flow=True).value == pytest.approx(weight[~without].sum())


def test_real_pfnano(test_data, taggers):
    path = test_data / "jets" / "pfnano.root"
    instance = TaggingProcessor(taggers, pt_range=(200.0, 5000.0))
    output = processors.run({"pf": {"files": {str(path): "Events"}}}, instance, executor="iterative")
    jets = cortado.read(path).jets
    chosen = ak.firsts(jets.pt >= 200) & ak.firsts(abs(jets.eta) < 2.4)
    expected = generated(path)[ak.to_numpy(ak.fill_none(chosen, False))].sum()
    assert output["cutflow"]["pf", "constituents"].value == pytest.approx(expected)
    assert output["score"][{"variation": "nominal", "tagger": "mlp"}].sum(flow=True).value == pytest.approx(expected)


def test_events_without_jets_and_files_without_events_leave_empty_histograms(tmp_path, taggers):
    jets = separated_event_jets(20, seed=7)
    write_tree(tmp_path / "jetless.root", cms_columns(jets[:, :0]))
    write_tree(tmp_path / "empty.root", {name: column[:0] for name, column in cms_columns(jets).items()})
    fileset = {name: {"files": {str(tmp_path / f"{name}.root"): "Events"}} for name in ("jetless", "empty")}
    output = processors.run(fileset, TaggingProcessor(taggers), executor="iterative")
    assert output["events"] == {"jetless": 20, "empty": 0}
    assert output["cutflow"]["jetless", "large-radius jet"].value == 0
    assert output["mass"].sum(flow=True).value == 0


def test_reading_virtual_events_leaves_other_columns_alone(tmp_path, taggers):
    columns = cms_columns(separated_event_jets(20, seed=8))
    write_tree(tmp_path / "a.root", columns | {"Unused_pt": columns["FatJet"].pt})
    log = []
    events = nanoevents(tmp_path / "a.root", access_log=log, metadata={"dataset": "d"})
    TaggingProcessor(taggers).process(events)
    read = {access.branch for access in log}
    assert {"FatJet_pt", "PFCand_pt", "genWeight"} <= read
    assert not {"Unused_pt", "FatJet_tau1", "PFCand_d0", "PFCand_charge"} & read


def test_a_processor_without_taggers_or_working_point_is_refused(taggers):
    with pytest.raises(ValueError, match="at least one tagger"):
        TaggingProcessor({})
    with pytest.raises(ValueError, match=r"= '40%', required: one of .*; nearest: 50%"):
        TaggingProcessor(taggers, working_point="40%")


def test_the_generator_weight_is_a_copy(tmp_path):
    write_nanoaod(tmp_path / "a.root", n_events=20)
    events = nanoevents(tmp_path / "a.root")
    before = ak.to_numpy(events.genWeight).copy()
    weights = processors.generator_weights(events)
    weights.add("other", np.full(20, 2.0), weightUp=np.full(20, 3.0))
    weights.weight()[:] = 0
    np.testing.assert_array_equal(events.genWeight, before)


class MyAnalysis(processor.ProcessorABC):
    """As in the README."""

    def __init__(self, tagger):
        self.tagger = tagger

    def process(self, events):
        jets = cortado.readers.nanoaod.jets(events)
        jets["wtag"] = self.tagger(jets)
        weights = Weights(len(events))
        weights.add("generator", np.array(events.genWeight, dtype=float))
        self.tagger.add_weight(weights, jets, working_point="50%")
        h = hist.Hist.new.StrCat([], growth=True, name="variation").Reg(20, 0, 1, name="wtag").Weight()
        for variation in (None, *weights.variations):
            each, _ = ak.broadcast_arrays(weights.weight(variation), jets.wtag)
            h.fill(variation=variation or "nominal", wtag=ak.flatten(jets.wtag), weight=ak.flatten(each))
        return {"wtag": h, "n": len(events)}

    def postprocess(self, accumulator):
        return accumulator


def test_a_processor_as_users_write_it(tmp_path, taggers):
    jets = write_nanoaod(tmp_path / "a.root", n_events=60)
    output = processors.run(
        {"d": {"files": {str(tmp_path / "a.root"): "Events"}}},
        MyAnalysis(taggers["pfn"]),
        executor="iterative",
        chunksize=20,
    )
    assert output["n"] == 60
    assert sorted(output["wtag"].axes["variation"]) == ["nominal", "taggerDown", "taggerUp"]
    each = np.repeat(generated(tmp_path / "a.root"), ak.num(jets))
    assert output["wtag"][{"variation": "nominal"}].sum(flow=True).value == pytest.approx(each.sum())


def test_bundles_of_folds_score_in_a_processor(tmp_path, fileset, taggers):
    for index, name in enumerate(("pfn", "mlp")):
        tagger = taggers[name].bundle()
        told = dataclasses.replace(tagger, provenance={"fold": {"index": index, "folds": 2, "seed": 1}})
        bundle.save(told, tmp_path / f"{index}.cortado", canary=toy_jets(4, seed=3))
    folds = scoring.folds([tmp_path / "0.cortado", tmp_path / "1.cortado"])
    output = processors.run(fileset, TaggingProcessor({"folds": folds}), executor="iterative")
    nominal = output["mass"][{"variation": "nominal"}].sum(flow=True).value
    kept = sum(output["cutflow"][dataset, "constituents"].value for dataset in fileset)
    assert nominal == pytest.approx(kept)


def shifted(events):
    """What a correction of the jet energy gives; data have none."""
    if "GenPart" not in events.fields:
        return None
    return {name: events.FatJet.pt * factor for name, factor in (("jesUp", 1.1), ("jesDown", 0.9))}


def test_varied_jets_are_selected_and_scored_anew(fileset, reference, taggers):
    output = processors.run(fileset, TaggingProcessor(taggers, jet_energy=shifted), executor="iterative")
    for quantity in ("mass", "pt", "score"):
        varied, plain = output[quantity], reference[quantity]
        assert list(varied.axes["variation"]) == ["jesDown", "jesUp", "nominal", "taggerDown", "taggerUp"]
        for name in plain.axes["variation"]:
            of_name = {"variation": name}
            np.testing.assert_array_equal(varied[of_name].values(flow=True), plain[of_name].values(flow=True))
    assert output["cutflow"] == reference["cutflow"]
    for dataset, entry in fileset.items():
        for name, factor in (("jesUp", 1.1), ("jesDown", 0.9)):
            twin = 0.0
            for path in entry["files"]:
                for event, weight in zip(cortado.read(path).jets, generated(path)):
                    leading = max(event, key=lambda jet: jet.pt, default=None)
                    kept = leading is not None and 500 <= np.float32(factor) * leading.pt < 700
                    twin += weight * (kept and abs(leading.eta) < 2.4 and len(leading.constituents) > 0)
            total = output["pt"][{"dataset": dataset, "variation": name, "tagger": "mlp"}].sum(flow=True).value
            assert total == pytest.approx(twin)


def test_data_have_no_variations_of_their_jets(tmp_path, taggers):
    columns = cms_columns(separated_event_jets(30, seed=6))
    del columns["GenPart"], columns["genWeight"]
    write_tree(tmp_path / "data.root", columns)
    fileset = {"data": {"files": {str(tmp_path / "data.root"): "Events"}}}
    output = processors.run(fileset, TaggingProcessor(taggers, jet_energy=shifted), executor="iterative")
    assert list(output["mass"].axes["variation"]) == ["nominal"]


def test_corrections_travel_to_workers_and_say_what_numbers_do(tmp_path, fileset, taggers):
    systematics = {"nominal": 0.9, "up": 1.0, "down": 0.8}
    of_pt = {
        name: {"nodetype": "binning", "input": "pt", "edges": [0.0, "inf"], "content": [value], "flow": "error"}
        for name, value in systematics.items()
    }
    correction = {
        "name": "w",
        "version": 1,
        "inputs": [{"name": "systematic", "type": "string"}, {"name": "pt", "type": "real"}],
        "output": {"name": "scale_factor", "type": "real"},
        "data": {
            "nodetype": "category",
            "input": "systematic",
            "content": [{"key": name, "value": value} for name, value in of_pt.items()],
        },
    }
    write_corrections(tmp_path / "sf.json", [correction])
    given = Correction.read(tmp_path / "sf.json", "w", systematic="systematic")
    efficiencies = {"background": 0.3}
    one = {"abjets": fileset["abjets"]}
    made = [
        TaggingProcessor(taggers, scale_factors={"signal": factor}, efficiencies=efficiencies)
        for factor in (given, (0.9, 0.1))
    ]
    sent = [cloudpickle.loads(cloudpickle.dumps(each)) for each in made]  # as coffea does for each chunk
    masses = [processors.run(one, each, executor="iterative")["mass"] for each in sent]
    for name in ("nominal", "taggerUp", "taggerDown"):
        found, expected = (each[{"variation": name}].values(flow=True) for each in masses)
        np.testing.assert_allclose(found, expected)
    plain = processors.run(one, TaggingProcessor(taggers), executor="iterative")["mass"][{"variation": "nominal"}]
    assert not np.allclose(plain.values(flow=True), masses[1][{"variation": "nominal"}].values(flow=True))


def test_jets_with_a_bad_number_do_not_pass_and_are_counted(tmp_path, taggers):
    from dataclasses import replace

    jets = separated_event_jets(60, seed=4)
    columns = cms_columns(jets)
    eta = ak.to_numpy(ak.flatten(columns["PFCand"].eta)).copy()
    eta[ak.to_numpy(ak.flatten(ak.local_index(columns["PFCand"].eta))) == 0] = np.nan  # one candidate of each event
    bad = ak.with_field(columns["PFCand"], ak.unflatten(eta, ak.num(columns["PFCand"])), "eta")
    write_tree(tmp_path / "good.root", columns)
    write_tree(tmp_path / "bad.root", {**columns, "PFCand": bad})
    pfn = taggers["pfn"]
    with pytest.raises(RuntimeError, match=r"bad\.root, .*eta of jet \d+ is nan.*or ask for NaN, invalid='nan'"):
        processors.run(
            {"d": {"files": {str(tmp_path / "bad.root"): "Events"}}},
            TaggingProcessor({"pfn": pfn}),
            executor="iterative",
        )
    tolerant = replace(pfn, predictor=replace(pfn.predictor, invalid="nan"))
    outputs = {}
    for name in ("good", "bad"):
        fileset = {"d": {"files": {str(tmp_path / f"{name}.root"): "Events"}}}
        instance = TaggingProcessor({"pfn": tolerant})
        if name == "bad":
            with pytest.warns(
                UserWarning, match=r"d, scored by pfn: \d+ jets have a constituents.eta that is not finite"
            ):
                outputs[name] = processors.run(fileset, instance, executor="iterative", chunksize=25)
        else:
            outputs[name] = processors.run(fileset, instance, executor="iterative")
    assert outputs["good"]["unscored"] == {"d": {"pfn": {}}}
    (number,) = outputs["bad"]["unscored"]["d"]["pfn"].values()
    nominal = {"variation": "nominal", "tagger": "pfn", "dataset": sum, "truth": sum}
    good, found = (outputs[name]["mass"][nominal] for name in ("good", "bad"))
    assert found.sum(flow=True).value == pytest.approx(good.sum(flow=True).value)
    selected = (
        outputs["good"]["score"][nominal].sum(flow=True).value - outputs["bad"]["score"][nominal].sum(flow=True).value
    )
    assert number > 0
    assert selected > 0
    assert found[{"region": "pass"}].sum(flow=True).value < good[{"region": "pass"}].sum(flow=True).value
