"""The search processor: events in bins of a score, on all executors, and from file to p-value."""

from dataclasses import dataclass
from typing import NamedTuple

import awkward as ak
import numpy as np
import pytest
import torch
import uproot
from coffea.nanoevents import BaseSchema
from samples import write_tree

import cortado
from cortado import bundle, processors
from cortado.models import MLP
from cortado.processors import SearchProcessor
from cortado.searches import SignalShape, bump_hunt, channels, choose_function, workspace
from cortado.simulation import simulate_dijets
from cortado.tasks import Classes
from cortado.weights import score_cuts

EDGES = np.arange(2000.0, 6001.0, 100.0)
CUTS = {"10%": 0.6, "1%": 0.8}
BINS = ["1%", "10%", "rest"]


def two_prongs(events):
    """Score of a user's own: small tau21 of both jets, jets of different mass."""
    return 1 - (events.tau21["1"] + events.tau21["2"]) / 2


def central(events):
    return events.delta.eta < 1.0


def tagging(events, weights):
    weights.add("tag", np.ones(len(events)), np.full(len(events), 1.2), np.full(len(events), 0.8))


@pytest.fixture(scope="module")
def fileset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dijets")
    simulate_dijets(folder / "a.root", events=6000, signal=150, seed=1)
    simulate_dijets(folder / "b.root", events=4000, signal=100, seed=2)
    simulate_dijets(folder / "c.root", events=1000, signal=1000, seed=3)
    return {
        "data": {"files": {str(folder / name): "Events" for name in ("a.root", "b.root")}},
        "resonance": {"files": {str(folder / "c.root"): "Events"}},
    }


@pytest.fixture(scope="module")
def reference(fileset):
    return processors.run(fileset, searching(), executor="iterative")


def searching(**options):
    settings = {"cuts": CUTS, "edges": EDGES, "selection": {"central": central}, "reweight": tagging}
    return SearchProcessor(two_prongs, **{**settings, **options})


def columns(fileset, dataset):
    parts = []
    for path in fileset[dataset]["files"]:
        with uproot.open(path) as file:
            parts.append(file["Events"].arrays(library="np"))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def assert_same(found, expected):
    assert found["events"] == expected["events"]
    assert found["sum_of_weights"] == expected["sum_of_weights"]
    for name in ("mass", "cutflow"):
        ours, theirs = (output[name] for output in (found, expected))
        assert sorted(ours.axes[0]) == sorted(theirs.axes[0])
    assert [list(axis) for axis in found["mass"].axes] == [list(axis) for axis in expected["mass"].axes]
    for part in ("value", "variance"):
        ours, theirs = (output["mass"].view(flow=True)[part] for output in (found, expected))
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize("dataset", ["data", "resonance"])
def test_the_histogram_is_that_of_a_slow_twin(fileset, reference, dataset):
    events = columns(fileset, dataset)
    assert sorted(reference["mass"].axes["score_bin"]) == BINS
    twin = {name: np.zeros(len(EDGES) + 1) for name in BINS}
    for mjj, eta, first, second in zip(*(events[name] for name in ("mjj", "delta_eta", "tau21_1", "tau21_2"))):
        if eta < 1.0:
            score = 1 - (first + second) / 2
            name = "1%" if score >= 0.8 else "10%" if score >= 0.6 else "rest"
            twin[name][np.searchsorted(EDGES, mjj, side="right")] += 1
    for name in BINS:
        part = reference["mass"][{"dataset": dataset, "score_bin": name}]
        np.testing.assert_array_equal(part[{"variation": "nominal"}].values(flow=True), twin[name])
        np.testing.assert_allclose(part[{"variation": "tagUp"}].values(flow=True), 1.2 * twin[name])
        np.testing.assert_allclose(part[{"variation": "tagDown"}].values(flow=True), 0.8 * twin[name])
    kept = sum(each.sum() for each in twin.values())
    assert reference["cutflow"][dataset, "central"].value == kept
    assert reference["cutflow"][dataset, "all"].value == reference["events"][dataset] == len(events["mjj"])


@pytest.mark.parametrize("chunksize", [700, 3001])
def test_chunks_do_not_change_histograms(fileset, reference, chunksize):
    assert_same(processors.run(fileset, searching(), executor="iterative", chunksize=chunksize), reference)


@pytest.mark.timeout(900)  # a worker process starts slowly on a busy machine
@pytest.mark.parametrize("executor", ["futures", "dask"])
def test_executors_give_the_same_histograms(fileset, reference, executor, request):
    options = {"workers": 1} if executor == "futures" else {"scheduler": request.getfixturevalue("scheduler")}
    assert_same(processors.run(fileset, searching(), executor=executor, chunksize=2000, **options), reference)


@pytest.mark.parametrize("schema", [processors.NanoAOD, BaseSchema])
def test_a_column_is_a_score_under_any_schema(fileset, schema):
    instance = SearchProcessor("tau21_1", cuts={"high": 0.5}, edges=EDGES)
    output = processors.run(fileset, instance, executor="iterative", schema=schema)
    tau21 = columns(fileset, "data")["tau21_1"]
    high = output["mass"][{"dataset": "data", "variation": "nominal", "score_bin": "high"}]
    assert high.sum(flow=True).value == np.sum(tau21 >= 0.5)
    assert list(output["cutflow"].axes["cut"]) == ["all"]


class Inputs(NamedTuple):
    features: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Numbers of an event."""

    names: tuple[str, ...]

    @property
    def fields(self):
        return self.names

    def __call__(self, objects):
        return Inputs(np.stack([ak.to_numpy(objects[name]) for name in self.names], axis=1).astype(np.float32))


def test_a_predictor_of_events_is_given_its_columns(fileset, tmp_path):
    arguments = {"features": 2, "hidden": (4,), "classes": 2}
    torch.manual_seed(1)
    representation = Numbers(names=("tau21_1", "delta_eta"))
    events = columns(fileset, "resonance")
    objects = ak.Array({name: events[name] for name in representation.names})
    tagger = bundle.Bundle(
        representation=representation, model=MLP(**arguments), arguments=arguments,
        use=Classes(classes=("background", "signal"), signal="signal"),
    )  # fmt: skip
    path = bundle.save(tagger, tmp_path / "events.cortado", canary=objects[:4])
    scorer = cortado.load(path, representations=(Numbers,))
    (cut,) = score_cuts(scorer(objects), [0.2])
    for score, answer in ((scorer, None), (scorer.predictor, "signal")):
        instance = SearchProcessor(score, cuts={cut.name: cut.threshold}, edges=EDGES, answer=answer)
        output = processors.run(fileset, instance, executor="iterative", chunksize=300)
        passed = output["mass"][{"dataset": "resonance", "variation": "nominal", "score_bin": "20%"}]
        assert passed.sum(flow=True).value == np.sum(ak.to_numpy(scorer(objects)) >= cut.threshold)
    with pytest.raises(RuntimeError, match=r"the answers are \['background', 'signal'\]: name the one"):
        processors.run(fileset, SearchProcessor(scorer.predictor, cuts=CUTS, edges=EDGES), executor="iterative")


def test_objects_are_chosen_by_the_user(fileset):
    instance = SearchProcessor(
        np.asarray, objects=lambda events: ak.to_numpy(events.mj1), cuts={"heavy": 400.0}, edges=EDGES
    )
    output = processors.run(fileset, instance, executor="iterative")
    heavy = output["mass"][{"dataset": "data", "variation": "nominal", "score_bin": "heavy"}]
    assert heavy.sum(flow=True).value == np.sum(columns(fileset, "data")["mj1"] >= 400)


def test_files_without_events_and_cuts_without_events_leave_empty_histograms(tmp_path, fileset):
    events = columns(fileset, "data")
    write_tree(tmp_path / "empty.root", {name: column[:0] for name, column in events.items()})
    empty = {"data": {"files": {str(tmp_path / "empty.root"): "Events"}}}
    output = processors.run(empty, searching(), executor="iterative")
    assert output["events"] == {"data": 0}
    none = processors.run(fileset, searching(selection={"none": lambda events: events.mjj < 0}), executor="iterative")
    assert none["cutflow"]["data", "none"].value == 0
    assert none["mass"].sum(flow=True).value == 0


def test_from_file_to_p_value_and_workspace(fileset, reference):
    """A cut on both tau21 shows the resonance of 250 events among 10,000, and the spectrum without it none."""
    axes = {"dataset": "data", "variation": "nominal"}
    tight = reference["mass"][{**axes, "score_bin": "10%"}]
    function = choose_function(tight, collision_energy=13_000.0, window=(3200, 3800)).function
    found = bump_hunt(tight, function=function, shape=SignalShape(resolution=0.04), toys=200)
    assert abs(found.mass - 3500) < 2 * 140
    assert found.global_p.value < 0.01
    rest = bump_hunt(reference["mass"][{**axes, "score_bin": "rest"}], function=function, shape=found.shape, toys=200)
    assert rest.global_p.value > 0.01
    regions = channels(
        reference["mass"], data="data", signal="resonance", function=function, window=(3200, 3800), regions=["10%"]
    )
    assert list(regions[0].signal_shifts) == ["tag"]
    assert workspace(regions)["channels"][0]["name"] == "10%"
    assert regions[0].observed.sum() > regions[0].background.sum() + 5 * np.sqrt(regions[0].background.sum())


@pytest.mark.parametrize(
    "score, options, message",
    [
        (3, {}, "score is 3"),
        ("mj1", {"cuts": {}}, "cuts are {}"),
        ("mj1", {"cuts": {"a": 1.0, "b": 1.0}}, "of different finite scores"),
        ("mj1", {"cuts": {"a": np.nan}}, "of different finite scores"),
        ("mj1", {"cuts": {"rest": 1.0}}, "no cut may be named 'rest'"),
    ],
)
def test_bad_settings_are_named(score, options, message):
    with pytest.raises(ValueError, match=message):
        SearchProcessor(score, **{"cuts": CUTS, "edges": EDGES, **options})


@pytest.mark.parametrize(
    "score, options, message",
    [
        ("tau_21", {}, r"no column 'tau_21'; nearest: tau21_2, tau21_1"),
        ("mj1", {"mass": "mass"}, "no column 'mass'"),
        (lambda events: events.mj1 * np.nan, {}, "scores are NaN: they belong to no bin"),
        (lambda events: np.zeros((len(events), 2)), {}, "needed is one number for each of"),
    ],
)
def test_events_that_cannot_be_scored_are_named(fileset, score, options, message):
    with pytest.raises(RuntimeError, match=message):
        processors.run(
            fileset, SearchProcessor(score, **{"cuts": CUTS, "edges": EDGES, **options}), executor="iterative"
        )
