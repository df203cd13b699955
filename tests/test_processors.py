"""Processors and executors: what goes in comes out, whoever does the work."""

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import time
from typing import ClassVar

import awkward as ak
import distributed
import hist
import numpy as np
import pytest
import torch
import uproot
from coffea import processor
from coffea.analysis_tools import Weights
from coffea.nanoevents import NanoAODSchema, NanoEventsFactory
from samples import cms_columns, separated_event_jets, write_nanoaod, write_pfnano, write_tree
from toys import toy_jets

import cortado
from cortado import bundle, processors, scoring
from cortado.bundle.cores import in_worker
from cortado.models import MLP, PFN
from cortado.processors import TaggingProcessor
from cortado.representations import HighLevel, ParticleList
from cortado.splits import TEST, Split
from cortado.tasks import Classes
from cortado.weights import WorkingPoint

CUTS = ["all", "large-radius jet", "jet pT", "jet eta", "constituents"]


def save_tagger(path, model, representation, threshold=0.5, **arguments):
    """An untrained network with a working point."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = model(**arguments)
    point = WorkingPoint(
        name="50%",
        threshold=threshold,
        efficiency=0.5,
        efficiency_err=0.05,
        mistag=0.1,
        mistag_err=0.02,
        n_signal=100,
        n_background=100,
    )
    tagger = bundle.Bundle(
        representation=representation,
        model=network,
        arguments=arguments,
        use=Classes(classes=("qcd", "w"), signal="w"),
        working_points=(point,),
    )
    return bundle.save(tagger, path, canary=toy_jets(4, seed=3))


@pytest.fixture(scope="module")
def taggers(tmp_path_factory):
    """Two small taggers, with thresholds that split the toy jets about in half."""
    folder, jets = tmp_path_factory.mktemp("taggers"), toy_jets(50, seed=5)
    chains = {
        "pfn": (PFN, ParticleList(), {"phi": (4, 4), "hidden": (4,)}),
        "mlp": (MLP, HighLevel(features=("mass", "multiplicity")), {"features": 2, "hidden": (4,)}),
    }
    found = {}
    for name, (model, representation, arguments) in chains.items():
        path = save_tagger(folder / f"{name}.cortado", model, representation, **arguments)
        middle = float(np.median(scoring.load(path)(jets)))
        save_tagger(path, model, representation, threshold=middle, **arguments)
        found[name] = scoring.load(path)
    return found


@pytest.fixture(scope="module")
def fileset(tmp_path_factory):
    """Two data sets of both dialects, one in two files."""
    folder = tmp_path_factory.mktemp("ntuples")
    write_nanoaod(folder / "a.root", n_events=90, seed=1)
    write_nanoaod(folder / "b.root", n_events=40, seed=2)
    write_pfnano(folder / "c.root", n_events=70, seed=3)
    return {
        "zjets": {"files": {str(folder / "a.root"): "Events", str(folder / "b.root"): "Events"}, "metadata": {}},
        "abjets": {"files": {str(folder / "c.root"): "Events"}, "metadata": {"cross_section": 2.0}},
    }


@pytest.fixture(scope="module")
def reference(fileset, taggers):
    """What one process makes of whole files."""
    return processors.run(fileset, TaggingProcessor(taggers), executor="iterative")


def nanoevents(path, **options):
    return NanoEventsFactory.from_root(
        {str(path): "Events"}, schemaclass=processors.NanoAOD, mode="virtual", **options
    ).events()


def assert_same(found, expected):
    assert found["events"] == expected["events"]
    assert found["sum_of_weights"] == pytest.approx(expected["sum_of_weights"], rel=1e-12)
    for name in ("mass", "pt", "score"):
        assert [list(axis) for axis in found[name].axes] == [list(axis) for axis in expected[name].axes]
        for part in ("value", "variance"):
            ours, theirs = (output[name].view(flow=True)[part] for output in (found, expected))
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    for dataset in expected["events"]:
        ours, theirs = (output["cutflow"][{"dataset": dataset}].view() for output in (found, expected))
        np.testing.assert_allclose(ours["value"], theirs["value"], rtol=1e-12)


# ------------------------------------------------------------------------------------- the processor


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


# --------------------------------------------------------------------------- a processor of a user's own


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


# ------------------------------------------------------------------------------------------ executors


class Watched(processor.ProcessorABC):
    """A tagging processor that also says which process did it, and how many bundles that has read until now."""

    def __init__(self, taggers):
        self.inner = TaggingProcessor(taggers)

    def process(self, events):
        output = self.inner.process(events)
        return output | {"chunks": 1, "loads": {str(os.getpid()): {scoring.loads()}}, "in worker": {in_worker()}}

    def postprocess(self, accumulator):
        return self.inner.postprocess(accumulator)


@pytest.mark.parametrize("chunksize", [17, 40])
def test_chunks_do_not_change_histograms(fileset, taggers, reference, chunksize):
    output = processors.run(fileset, TaggingProcessor(taggers), executor="iterative", chunksize=chunksize)
    assert_same(output, reference)


@pytest.mark.timeout(900)  # worker processes start slowly on a busy machine
@pytest.mark.parametrize("executor", ["futures", "dask"])
def test_executors_give_the_same_histograms_and_read_each_bundle_once_a_worker(fileset, taggers, reference, executor):
    output = processors.run(fileset, Watched(taggers), executor=executor, workers=2, chunksize=20)
    assert_same(output, reference)
    assert output["chunks"] == 10
    assert os.getpid() not in map(int, output["loads"])
    assert sum(max(counts) for counts in output["loads"].values()) <= 2 * len(taggers)
    assert output["in worker"] == {True}  # the condition on which a scorer sets its threads to one


class Growing(processor.ProcessorABC):
    """Keeps 400 MB from its second chunk on, and takes longer than loky waits between two looks at the memory."""

    kept: ClassVar[list[np.ndarray]] = []
    chunks = 0

    def process(self, events):
        Growing.chunks += 1
        if Growing.chunks == 2:
            Growing.kept.append(np.ones(50_000_000))
        time.sleep(1.2)
        return {"workers": {os.getpid()}, "kept": {len(Growing.kept)}}

    def postprocess(self, accumulator):
        return accumulator


def test_workers_that_grow_stay(fileset):
    fileset = {"zjets": fileset["zjets"]}  # three chunks
    output = processors.run(fileset, Growing(), executor="futures", workers=1, chunksize=50)
    assert len(output["workers"]) == 1
    assert 1 in output["kept"]


def test_a_dask_scheduler_that_runs_already_is_used(fileset, taggers, reference):
    with distributed.LocalCluster(
        n_workers=1, processes=False, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address
        output = processors.run(fileset, Watched(taggers), executor="dask", scheduler=address, chunksize=50)
        assert cluster.scheduler.workers  # still there: it is not ours to close
    assert_same(output, reference)
    assert output["loads"].keys() == {str(os.getpid())}


class Stop(processor.ProcessorABC):
    """Be interrupted in the second chunk."""

    def process(self, events):
        if events.metadata["entrystart"]:
            raise KeyboardInterrupt
        return {"n": len(events)}

    def postprocess(self, accumulator):
        return accumulator


class Count(Stop):
    """Events and chunks."""

    def process(self, events):
        edges = tuple(events.metadata[name] for name in ("entrystart", "entrystop"))
        return {"n": len(events), "chunks": {edges}, "label": {events.metadata.get("label")}}


def test_an_interrupt_stops_the_run_and_gives_no_output(fileset):
    with pytest.raises(KeyboardInterrupt):
        processors.run(fileset, Stop(), executor="iterative", chunksize=20)


def test_an_interrupt_does_not_wait_for_the_chunks_in_the_queue(tmp_path):
    numbers = np.arange(8, dtype=np.uint32)
    write_tree(tmp_path / "a.root", {"run": numbers, "luminosityBlock": numbers, "event": numbers})
    script = f"""
        import pathlib, time
        from coffea import processor
        from cortado import processors

        class Slow(processor.ProcessorABC):
            def process(self, events):
                pathlib.Path("{tmp_path}/working").touch()
                time.sleep(1000)
            def postprocess(self, accumulator):
                pass

        files = {{"d": {{"files": {{"{tmp_path}/a.root": "Events"}}}}}}
        processors.run(files, Slow(), executor="futures", workers=2, chunksize=1)
    """
    # To a file: a worker that outlives the run, as one did once for four minutes, would hold a pipe open.
    errors = tmp_path / "errors.txt"
    with errors.open("w") as stderr:
        run = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stderr=stderr)
    while not (tmp_path / "working").exists():
        assert run.poll() is None, errors.read_text()
        time.sleep(0.1)
    run.send_signal(signal.SIGINT)
    run.wait(timeout=100)  # or it would wait for hours
    assert "KeyboardInterrupt" in errors.read_text()


@pytest.mark.parametrize("damage", ["absent", "empty", "junk", "truncated", "tree", "branch"])
def test_a_file_that_cannot_be_read_stops_the_run(tmp_path, taggers, damage):
    good, bad = tmp_path / "good.root", tmp_path / "bad.root"
    write_nanoaod(good, n_events=20)
    content, tree = good.read_bytes(), "Events"
    if damage == "branch":
        columns = cms_columns(separated_event_jets(20, seed=9))
        write_tree(bad, {name: column for name, column in columns.items() if name != "PFCand"})
    elif damage == "tree":
        bad.write_bytes(content)
        tree = "Event"
    elif damage != "absent":
        bad.write_bytes({"empty": b"", "junk": b"no ROOT" * 100, "truncated": content[: len(content) // 2]}[damage])
    fileset = {"d": {"files": {str(good): "Events", str(bad): tree}}}
    with pytest.raises((RuntimeError, OSError, ValueError, KeyError), match=r"bad\.root") as caught:
        processors.run(fileset, TaggingProcessor(taggers), executor="iterative")
    if damage == "branch":
        assert "entries 0 to 20 of data set 'd'" in str(caught.value)
        assert "PFCand_pt" in str(caught.value)


def test_an_error_in_a_worker_is_told_once_and_names_the_file(tmp_path, capfd):
    write_tree(tmp_path / "a.root", {"run": np.arange(8, dtype=np.uint32)})
    with pytest.raises(RuntimeError, match=r"a\.root, entries 0 to 8 of data set 'd': .*event ID"):
        processors.run({"d": {"files": {str(tmp_path / "a.root"): "Events"}}}, Count(), executor="futures", workers=1)
    assert "Traceback" not in capfd.readouterr().err


def test_nothing_is_drawn_where_there_is_no_terminal(fileset, capfd):
    processors.run(fileset, Count(), executor="iterative")
    assert capfd.readouterr().out == ""


def test_steps_of_a_preprocessed_fileset_are_the_chunks(fileset):
    (path, other), (again,) = (list(entry["files"]) for entry in fileset.values())
    described = {"object_path": "Events", "steps": [[0, 30], [30, 50]], "num_entries": 90, "uuid": None}
    with uproot.open(path) as file:
        described["uuid"] = str(file.file.uuid)
    preprocessed = {
        "steps": {"files": {path: described}, "metadata": {"label": "W"}, "form": None},
        "no steps": {"files": {other: {"object_path": "Events", "steps": None, "uuid": None}}, "metadata": None},
        "list": {"files": [again], "treename": "Events"},
    }
    output = processors.run(preprocessed, Count(), executor="iterative")
    assert output == {"n": 50 + 40 + 70, "chunks": {(0, 30), (30, 50), (0, 40), (0, 70)}, "label": {"W", None}}


def test_filesets_of_coffeas_own_classes_are_taken(fileset):
    from coffea.dataset_tools import DataGroupSpec

    (path, _), _ = (list(entry["files"]) for entry in fileset.values())
    described = {"object_path": "Events", "steps": [[0, 30]], "num_entries": 90, "uuid": "0" * 32}
    group = DataGroupSpec({"d": {"files": {path: described}, "metadata": {"label": "W"}, "format": "root"}})
    assert processors.run(group, Count(), executor="iterative")["chunks"] == {(0, 30)}


def test_a_file_that_was_written_again_is_counted_again(tmp_path):
    fileset = {"d": {"files": {str(tmp_path / "a.root"): "Events"}}}
    for n in (20, 30):
        write_nanoaod(tmp_path / "a.root", n_events=n)
        assert processors.run(fileset, Count(), executor="iterative")["n"] == n


def test_missing_references_are_no_warning_and_other_warnings_stay(fileset, tmp_path):
    columns = cms_columns(separated_event_jets(20, seed=9))
    photons = ak.Array([[{"mass": 0.0}]] * 20)
    write_tree(tmp_path / "a.root", columns | {"Photon": photons})
    with pytest.warns(RuntimeWarning) as caught:
        processors.run({"d": {"files": {str(tmp_path / "a.root"): "Events"}}}, Count(), executor="iterative")
    assert {str(warning.message)[:28] for warning in caught} == {"Branch Photon_mass already e"}
    assert NanoAODSchema.warn_missing_crossrefs


@pytest.mark.parametrize(
    "fileset, options, message",
    [
        ({}, {}, "names no data set"),
        ({"qcd": {"files": {}}}, {}, "data set 'qcd' has no files"),
        ({"qcd": {"files": {"a.root": "Events"}}}, {"executor": "future"}, "unknown executor 'future'.*'futures'"),
        ({"qcd": {"files": {"a.root": "Events"}}}, {"scheduler": "tcp://a:1"}, "tcp://a:1.* not for futures"),
        ({"qcd": {"files": {"a.root": "Events"}}}, {"chunksize": 0}, "at least 1 event, got 0"),
    ],
)
def test_bad_settings_are_named(fileset, options, message):
    with pytest.raises(ValueError, match=message):
        processors.run(fileset, Count(), **options)


def test_dask_is_an_extra(fileset, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r'pip install "cortado\[dask\]"'):
        processors.run(fileset, Count(), executor="dask")


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
