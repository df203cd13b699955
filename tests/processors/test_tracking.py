"""The tracking processor: its sums are those of the events, whoever does the work; it needs no truth and no track."""

import pickle

import awkward as ak
import numpy as np
import pytest
from samples import write_tree
from toy_track_finder import ERRORS, events_of, save_track_finder

import cortado
from cortado import metrics, processors, readers
from cortado.processors import TrackingProcessor
from cortado.splits import TEST, Split
from cortado.weights import TargetDistribution

SELECTION = {"min_pt": 0.5, "max_abs_eta": 2.0, "min_hits": 9}
SEEDS = {"one": 2, "two": 3}
TRACKS = ("track_pt", "track_eta", "track_hits")
PARTICLES = ("particle_pt", "particle_eta")
TRUTH = ("particles", "reconstructed", "tracks", "fakes")
EVENTS = events_of()


@pytest.fixture(scope="module")
def finder(tmp_path_factory):
    return cortado.load(save_track_finder(tmp_path_factory.mktemp("finder") / "tracks.cortado"))


@pytest.fixture(scope="module")
def silent(tmp_path_factory):
    """A finder that accepts no edge."""
    return cortado.load(save_track_finder(tmp_path_factory.mktemp("finder") / "silent.cortado", bias=-100.0))


def write_events(path, events, *, truth=True, **columns):
    """A file of hits, with other columns for the events."""
    stored = readers.hits.columns_of(events)
    if not truth:
        del stored["particle"]
        stored["hit"] = stored["hit"][["x", "y", "z", "layer", "module"]]
    write_tree(path, stored | columns, tree="hits")
    return path


def entry(path, **metadata):
    return {"files": {str(path): "hits"}, "metadata": metadata}


@pytest.fixture(scope="module")
def fileset(tmp_path_factory):
    """Two data sets of 12 events; one is weighted."""
    folder = tmp_path_factory.mktemp("hits")
    paths = {name: folder / f"{name}.root" for name in SEEDS}
    write_events(paths["one"], events_of(seed=2))
    write_events(paths["two"], events_of(seed=3), genWeight=weights_of_two())
    return {name: entry(path) for name, path in paths.items()}


def weights_of_two():
    return np.random.default_rng(1).normal(1, 1, 12).astype(np.float32)


def weights_of(name):
    return np.ones(12) if name == "one" else weights_of_two().astype(np.float64)


def target():
    """More tracks for the events."""
    numbers = ak.to_numpy(ak.num(EVENTS.particles))
    return TargetDistribution.of(numbers, numbers + 20, edges=[0, 60, 80, 100, 200])


@pytest.fixture(scope="module")
def instance(finder):
    return TrackingProcessor(finder, errors=ERRORS, target=target(), **SELECTION)


@pytest.fixture(scope="module")
def reference(fileset, instance):
    """What one process makes of whole files."""
    return processors.run(fileset, instance, executor="iterative")


def assert_same(output, reference):
    assert output.keys() == reference.keys()
    for name, expected in reference.items():
        if isinstance(expected, dict):
            assert output[name] == pytest.approx(expected, rel=1e-12), name
            continue
        assert [list(axis) for axis in output[name].axes[:-1]] == [list(axis) for axis in expected.axes[:-1]]
        for part in ("value", "variance"):
            ours, theirs = (each.view(flow=True)[part] for each in (output[name], expected))
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12, err_msg=name)


def totals(histogram, **where):
    """Sum of the weights of each data set."""
    return {name: histogram[{"dataset": name, **where}].sum(flow=True).value for name in histogram.axes["dataset"]}


# ------------------------------------------------------------------------------------- what goes in comes out


def test_no_event_no_track_and_no_weight_is_lost(finder, reference):
    assert reference["events"] == {"one": 12, "two": 12}
    assert reference["sum_of_weights"] == pytest.approx({name: weights_of(name).sum() for name in SEEDS})
    for name, seed in SEEDS.items():
        tracks = finder.tracks(events_of(seed=seed), errors=ERRORS)
        number, fitted = ak.to_numpy(ak.num(tracks)), ak.to_numpy(ak.sum(tracks.converged, axis=1))
        assert reference["unfitted"][name] == (number - fitted).sum() < 3
        varied = dict(zip(("nominal", "multiplicityUp", "multiplicityDown"), target()(number)))
        for variation, factor in varied.items():
            weight = weights_of(name) * factor
            where = {"dataset": name, "variation": variation}
            assert reference["multiplicity"][where].sum(flow=True).value == pytest.approx(weight.sum())
            for quantity in TRACKS:
                total = reference[quantity][where].sum(flow=True)
                assert total.value == pytest.approx((weight * fitted).sum())
                assert total.variance == pytest.approx((weight**2 * fitted).sum())


def test_histograms_show_the_fitted_tracks(finder, reference):
    tracks = ak.flatten(finder.tracks(EVENTS, errors=ERRORS))
    number = ak.num(finder.tracks(EVENTS))
    weight = np.repeat(target()(ak.to_numpy(number)).nominal, number)
    for name, field in zip(TRACKS, ("pt", "eta", "n_hits")):
        shown = reference[name][{"dataset": "one", "variation": "nominal"}]
        counts, _ = np.histogram(tracks[field], shown.axes[0].edges, weights=weight)
        np.testing.assert_allclose(shown.values(), counts, rtol=1e-6)


def test_a_target_gives_the_events_its_distribution(finder, fileset):
    """Weighted to the other data set, the numbers of tracks are as there, in the bins of the target."""
    number = {name: ak.to_numpy(ak.num(finder.tracks(events_of(seed=seed)))) for name, seed in SEEDS.items()}
    edges = [0, 80, 1000]
    to_two = TargetDistribution.of(number["one"], number["two"], edges)
    output = processors.run({"one": fileset["one"]}, TrackingProcessor(finder, target=to_two), executor="iterative")
    shown = output["multiplicity"][{"dataset": "one", "variation": "nominal"}]
    below = shown.axes[0].edges[1:] <= 80
    assert shown.sum(flow=True).value == pytest.approx(12)
    assert shown.values()[below].sum() == pytest.approx(np.sum(number["two"] < 80))
    assert list(output["multiplicity"].axes["variation"]) == ["multiplicityDown", "multiplicityUp", "nominal"]


def test_without_a_target_there_are_no_variations(finder, fileset):
    output = processors.run(fileset, TrackingProcessor(finder), executor="iterative")
    assert all(list(output[name].axes["variation"]) == ["nominal"] for name in (*TRACKS, "multiplicity"))
    assert totals(output["multiplicity"], variation="nominal") == pytest.approx(output["sum_of_weights"])


def test_efficiencies_are_those_of_the_metrics(finder, reference):
    for name, seed in SEEDS.items():
        events = events_of(seed=seed)
        matches = metrics.match_tracks(finder(events), events.hits.particle_id)
        selected = metrics.reconstructable(events.particles, **SELECTION)
        finding = metrics.track_finding(matches, events.particles, selected)
        assert {key: reference[key][name] for key in TRUTH} == {key: getattr(finding, key) for key in TRUTH}
        assert 0.85 < reference["reconstructed"][name] / reference["particles"][name] == finding.efficiency.value < 1
        for quantity in PARTICLES:
            shown = reference[quantity][{"dataset": name, "variation": "nominal"}]
            assert shown[{"reconstructed": "yes"}].sum(flow=True).value == finding.reconstructed
            assert shown.sum(flow=True).value == finding.particles
            assert list(reference[quantity].axes["reconstructed"]) == ["no", "yes"]


def test_the_fit_is_that_which_was_asked_for(finder, fileset):
    fit = {"errors": ERRORS, "magnetic_field": 4.0, "radiation_lengths": 0.02}
    output = processors.run({"one": fileset["one"]}, TrackingProcessor(finder, **fit), executor="iterative")
    expected = ak.to_numpy(ak.flatten(finder.tracks(EVENTS, **fit).pt))
    shown = output["track_pt"][{"dataset": "one", "variation": "nominal"}]
    assert np.array_equal(shown.values(), np.histogram(expected, shown.axes[0].edges)[0])


# ---------------------------------------------------------------------------------------- who does the work


@pytest.mark.parametrize("chunksize", [3, 7])
def test_chunks_do_not_change_histograms(fileset, instance, reference, chunksize):
    assert_same(processors.run(fileset, instance, executor="iterative", chunksize=chunksize), reference)


@pytest.mark.timeout(900)  # worker processes start slowly on a busy machine
def test_a_worker_process_gives_the_same_histograms(fileset, instance, reference):
    assert_same(processors.run(fileset, instance, executor="futures", workers=1, chunksize=7), reference)


def test_dask_gives_the_same_histograms(fileset, instance, reference, scheduler):
    assert_same(processors.run(fileset, instance, executor="dask", scheduler=scheduler, chunksize=7), reference)


def test_a_processor_is_small_and_survives_pickling(fileset, instance, reference):
    assert len(pickle.dumps(instance)) < 4000
    again = pickle.loads(pickle.dumps(instance))
    assert_same(processors.run(fileset, again, executor="iterative"), reference)


def test_events_may_be_read_without_a_schema(fileset, instance, reference):
    from coffea.nanoevents import BaseSchema

    assert_same(processors.run(fileset, instance, executor="iterative", schema=BaseSchema), reference)


# --------------------------------------------------------------------------------------- what may be missing


def test_without_truth_nothing_is_judged(tmp_path, finder, reference):
    path = write_events(tmp_path / "data.root", EVENTS, truth=False)
    instance = TrackingProcessor(finder, errors=ERRORS, target=target(), **SELECTION)
    output = processors.run({"one": entry(path)}, instance, executor="iterative")
    assert not set(TRUTH) & set(output)
    assert all(output[name].sum(flow=True).value == 0 for name in PARTICLES)
    for name in TRACKS:
        assert output[name][{"dataset": "one"}] == reference[name][{"dataset": "one"}]


def test_data_beside_simulation(tmp_path, fileset, finder):
    path = write_events(tmp_path / "data.root", EVENTS, truth=False)
    mixed = {"data": entry(path), "one": fileset["one"]}
    output = processors.run(mixed, TrackingProcessor(finder, **SELECTION), executor="iterative", chunksize=5)
    assert output["particles"].keys() == {"one"}
    assert output["events"] == {"data": 12, "one": 12}
    shown = output["track_pt"]
    assert np.array_equal(*(shown[{"dataset": name}].values(flow=True) for name in ("data", "one")))


def test_a_finder_that_finds_nothing_gives_sums_of_zero(silent, fileset):
    output = processors.run(fileset, TrackingProcessor(silent, target=target(), **SELECTION), executor="iterative")
    assert output["tracks"] == output["reconstructed"] == output["fakes"] == output["unfitted"] == {"one": 0, "two": 0}
    assert output["by_sectors"] == {"one": 0, "two": 0}
    assert min(output["particles"].values()) > 100
    assert all(output[name].sum(flow=True).value == 0 for name in TRACKS)
    assert list(output["particle_pt"].axes["reconstructed"]) == ["no"]
    none = output["multiplicity"][{"variation": "nominal", "dataset": "one"}]
    assert none.values()[0] == pytest.approx(12 * target()([0]).nominal[0])
    assert none.values()[1:].sum() == 0


def test_files_without_events_and_events_without_hits(tmp_path, finder):
    without = ak.with_field(EVENTS, EVENTS.hits[EVENTS.hits.layer < 0], "hits")
    paths = {
        "no events": write_events(tmp_path / "none.root", EVENTS[:0]),
        "no hits": write_events(tmp_path / "hitless.root", without),
    }
    fileset = {name: entry(path) for name, path in paths.items()}
    output = processors.run(fileset, TrackingProcessor(finder, **SELECTION), executor="iterative")
    assert output["events"] == {"no events": 0, "no hits": 12}
    assert sum(output["tracks"].values()) == sum(output["particles"].values()) == 0
    assert totals(output["multiplicity"], variation="nominal")["no hits"] == 12


def test_tracks_that_cannot_be_fitted_are_counted(tmp_path, fileset, finder):
    pairs = cortado.load(finder.path, min_hits=2)
    output = processors.run({"one": fileset["one"]}, TrackingProcessor(pairs, **SELECTION), executor="iterative")
    tracks = pairs.tracks(EVENTS)
    assert output["unfitted"]["one"] == ak.sum(tracks.n_hits == 2) > 0
    shown = output["track_hits"].sum(flow=True).value
    assert shown == output["tracks"]["one"] - output["unfitted"]["one"] == ak.sum(tracks.n_hits > 2)


def test_only_test_events_of_the_training_are_kept_and_scaled_up(fileset, finder):
    split, (path,) = Split(test=0.4), fileset["two"]["files"]
    both = {"seen": entry(path, trained_on=True), "new": entry(path)}
    instance = TrackingProcessor(finder, held_out=split, **SELECTION)
    output = processors.run(both, instance, executor="iterative", chunksize=3)
    chosen = split.subset(ak.to_numpy(cortado.read(path).event_key)) == TEST
    assert 0 < chosen.sum() < 12
    weight = weights_of("two")
    shown = totals(output["multiplicity"], variation="nominal")
    assert shown == pytest.approx({"seen": weight[chosen].sum() / 0.4, "new": weight.sum()})
    assert output["sum_of_weights"] == pytest.approx(dict.fromkeys(both, weight.sum()))
    assert output["events"] == dict.fromkeys(both, 12)
    selected = metrics.reconstructable(events_of(seed=3).particles, **SELECTION)
    assert output["particles"] == {"seen": ak.sum(selected[chosen]), "new": ak.sum(selected)}


def test_a_position_that_is_not_finite_stops_the_run_and_names_file_and_event(tmp_path, finder):
    chosen = (np.arange(12) == 4) & (ak.local_index(EVENTS.hits.x) == 3)
    hits = ak.with_field(EVENTS.hits, ak.where(chosen, np.float32(np.nan), EVENTS.hits.x), "x")
    path = write_events(tmp_path / "broken.root", ak.with_field(EVENTS, hits, "hits"))
    with pytest.raises(RuntimeError, match=r"broken\.root, entries 0 to 12 of data set 'd': .*event 4: hit x is nan"):
        processors.run({"d": entry(path)}, TrackingProcessor(finder), executor="iterative")
