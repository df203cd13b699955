"""A vertex finder in use: tracks that share a vertex, whatever the nesting, batches and neighbours of a jet."""

import dataclasses
import pickle

import awkward as ak
import numpy as np
import onnxruntime
import pytest
import torch
from samples import branches
from toy_tracks import track_columns, write_tracks
from toys import toy_jets

import cortado
from cortado import bundle, export, processors, readers, scoring
from cortado.models import PFN, FlavourTagger, SetToGraph
from cortado.representations import ParticleList, TrackSet
from cortado.representations.scaling import SET2GRAPH_SCALING
from cortado.weights import WorkingPoint


def jets_of(number=40, seed=2, **options):
    return ak.flatten(readers.set2graph.jets(branches(track_columns(number, seed, **options))))


JETS = jets_of()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A bundle of an untrained network whose answers are spread about one half."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = SetToGraph(hidden=(16, 16, 5), edge_hidden=(16,))
    with torch.no_grad():
        model.eval()
    found = bundle.Bundle(
        representation=TrackSet(),
        scaling=SET2GRAPH_SCALING,
        model=model,
        arguments={"hidden": (16, 16, 5), "edge_hidden": (16,)},
        classes=("different", "same"),
        signal="same",
        task="pairing",
    )
    where = tmp_path_factory.mktemp("finder") / "finder.cortado"
    return bundle.save(found, where, canary_jets=JETS[:8])


@pytest.fixture(scope="module")
def finder(path):
    median = np.median(ak.to_numpy(ak.flatten(cortado.load_finder(path).probabilities(JETS), axis=None)))
    return cortado.load_finder(path, threshold=float(np.clip(median, 0.01, 0.99)))


def test_every_track_has_a_vertex(finder):
    found = finder(JETS)
    assert ak.all(ak.num(found) == ak.num(JETS.tracks))
    assert ak.all(found >= 0)
    assert found.layout.content.dtype == np.int32


def test_vertices_are_the_connected_pairs(finder):
    """Slow twin: a track joins all whose pair with any member is above the threshold."""
    pairs = finder.probabilities(JETS)
    for jet, matrix, vertices in zip(JETS, pairs.to_list(), finder(JETS).to_list()):
        tracks = range(len(jet.tracks))
        groups = [{i} for i in tracks]
        for i in tracks:
            for j in tracks:
                if i != j and matrix[i][j] > finder.threshold:
                    joined = [group for group in groups if i in group or j in group]
                    groups = [group for group in groups if group not in joined] + [set().union(*joined)]
        assert all((vertices[i] == vertices[j]) == any({i, j} <= g for g in groups) for i in tracks for j in tracks)


def test_probabilities_are_symmetric_with_ones_on_the_diagonal(finder):
    for matrix in finder.probabilities(JETS[ak.num(JETS.tracks) > 0]).to_list():
        array = np.array(matrix)
        np.testing.assert_allclose(array, array.T, atol=1e-6)
        assert np.all(np.diag(array) == 1)


@pytest.mark.parametrize("batch_size", [1, 3, 512])
def test_batches_and_order_change_nothing(finder, batch_size):
    small = dataclasses.replace(finder, batch_size=batch_size)
    order = np.random.default_rng(1).permutation(len(JETS))
    assert small(JETS[order]).to_list() == finder(JETS)[order].to_list()


def test_any_nesting_is_kept(finder):
    nested = ak.unflatten(JETS, [3, 0, len(JETS) - 3])
    assert ak.flatten(finder(nested)).to_list() == finder(JETS).to_list()
    assert ak.num(finder(nested)).to_list() == [3, 0, len(JETS) - 3]
    assert ak.flatten(finder.probabilities(nested)).to_list() == finder.probabilities(JETS).to_list()
    first = ak.firsts(nested)
    assert finder(first)[1] is None


def test_no_jets(finder):
    assert len(finder(JETS[:0])) == 0
    assert str(finder(JETS[:0]).type) == "0 * var * int32"
    assert len(finder.vertices(JETS[:0])) == 0


def test_neither_truth_nor_tracks_are_needed(finder):
    bare = jets_of(truth=False)
    assert finder(bare).to_list() == finder(JETS).to_list()
    few = JETS[ak.num(JETS.tracks) < 2]
    assert set(ak.num(few.tracks).to_list()) == {0, 1}
    assert finder(few).to_list() == [[0] * count for count in ak.num(few.tracks)]


def test_more_tracks_than_any_seen(finder):
    many = ak.concatenate([JETS.tracks[ak.num(JETS.tracks) > 0]], axis=0)
    one = ak.unflatten(ak.flatten(many), [len(ak.flatten(many))])
    jet = ak.with_field(JETS[:1], one, "tracks")
    assert ak.num(finder(jet)).to_list() == [len(ak.flatten(many))]


def test_vertices_hold_the_tracks_of_the_partition(finder):
    found, vertices = finder(JETS), finder.vertices(JETS)
    for numbers, fitted in zip(found.to_list(), vertices.to_list()):
        groups = [[i for i, x in enumerate(numbers) if x == number] for number in sorted(set(numbers))]
        assert [vertex["tracks"] for vertex in fitted] == [group for group in groups if len(group) > 1]


def test_a_finder_is_small_and_survives_pickling(finder):
    assert len(pickle.dumps(finder)) < 2000
    assert pickle.loads(pickle.dumps(finder)) == finder


def test_exported_pairs_have_the_probabilities_of_the_finder(path, finder, tmp_path):
    assert export.to_onnx(path, tmp_path / "finder.onnx").difference < 1e-5
    assert export.to_torch_export(path, tmp_path / "finder.pt2").difference < 1e-5
    jets = JETS[ak.num(JETS.tracks) == 5]
    session = onnxruntime.InferenceSession(tmp_path / "finder.onnx")
    _, found = session.run(None, TrackSet()(jets)._asdict())
    expected = np.array(finder.probabilities(jets).to_list())
    off_diagonal = ~np.eye(5, dtype=bool)
    np.testing.assert_allclose(found[:, off_diagonal], expected[:, off_diagonal], atol=1e-5)


def test_a_nan_is_refused(finder):
    broken = ak.with_field(JETS, ak.with_field(JETS.tracks, JETS.tracks.d0 * np.nan, "d0"), "tracks")
    with pytest.raises(ValueError, match="d0"):
        finder(broken)


def test_each_load_says_which_other_reads_the_bundle(path, tmp_path):
    with pytest.raises(ValueError, match=r"gives no score of a jet: cortado.load_finder reads it"):
        cortado.load(path)
    tagger = bundle.Bundle(
        representation=ParticleList(), model=PFN(), arguments={}, classes=("QCD", "top"), signal="top"
    )
    other = bundle.save(tagger, tmp_path / "pfn.cortado", canary_jets=toy_jets(4))
    with pytest.raises(ValueError, match=r"is a tagger \(QCD, top\): cortado.load reads it"):
        cortado.load_finder(other)


@pytest.mark.parametrize(("changes", "message"), [({"threshold": 1.0}, "threshold"), ({"batch_size": 0}, "batch_size")])
def test_settings_are_checked(finder, changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(finder, **changes)


@pytest.fixture(scope="module")
def flavour_tagger(tmp_path_factory):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = FlavourTagger()
    tagger = bundle.Bundle(
        representation=TrackSet(),
        scaling=SET2GRAPH_SCALING,
        model=model,
        arguments={},
        classes=("b", "c", "light"),
        signal="b",
    )
    where = tmp_path_factory.mktemp("tagger") / "tagger.cortado"
    scores = scoring.load(bundle.save(tagger, where, canary_jets=JETS[:8]))(JETS[ak.num(JETS.tracks) > 0])
    point = WorkingPoint(
        name="70%",
        threshold=float(np.median(ak.to_numpy(scores))),
        efficiency=0.7,
        efficiency_err=0.05,
        mistag=0.2,
        mistag_err=0.02,
        n_signal=100,
        n_background=100,
    )
    measured = dataclasses.replace(tagger, working_points=(point,))
    return scoring.load(bundle.save(measured, where, canary_jets=JETS[:8]))


@pytest.fixture(scope="module")
def fileset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    paths = [write_tracks(folder / f"jets{i}.root", 60, seed=i) for i in (1, 2)]
    return {
        "one": {"files": {str(paths[0]): "tree"}, "metadata": {}},
        "two": {"files": {str(paths[1]): "tree"}, "metadata": {}},
    }


def run(fileset, instance, **options):
    from coffea.nanoevents import BaseSchema

    return processors.run(fileset, instance, schema=BaseSchema, progress=False, **options)


def test_the_processor_loses_no_jet_and_no_weight(finder, flavour_tagger, fileset):
    output = run(fileset, processors.VertexingProcessor(finder, flavour_tagger), executor="iterative")
    assert output["events"] == {"one": 60, "two": 60}
    two_tracks = sum(int(np.sum(ak.num(jets_of(60, seed=i).tracks) >= 2)) for i in (1, 2))
    for name in ("vertices", "score"):
        nominal = output[name][{"variation": "nominal"}]
        assert nominal.sum(flow=True).variance == pytest.approx(two_tracks)
    truth = output["score"].axes["truth"]
    assert list(truth) == ["b", "c", "light"]
    assert list(output["score"].axes["region"]) == ["fail", "pass"]
    assert {"nominal", "taggerUp", "taggerDown"} == set(output["score"].axes["variation"])


@pytest.mark.timeout(600)
def test_chunks_and_executors_give_the_same_histograms(finder, flavour_tagger, fileset):
    instance = processors.VertexingProcessor(finder, flavour_tagger)
    reference = run(fileset, instance, executor="iterative")
    for options in ({"executor": "iterative", "chunksize": 7}, {"executor": "futures", "chunksize": 30, "workers": 2}):
        again = run(fileset, instance, **options)
        for name in ("vertex_mass", "flight_significance", "vertices", "score", "cutflow"):
            assert [list(axis) for axis in again[name].axes[:2]] == [list(axis) for axis in reference[name].axes[:2]]
            np.testing.assert_allclose(
                again[name].view(flow=True)["value"], reference[name].view(flow=True)["value"], rtol=1e-6, atol=1e-9
            )


def test_a_processor_without_tagger_shows_all_jets(finder, fileset):
    output = run(fileset, processors.VertexingProcessor(finder), executor="iterative")
    assert list(output["vertices"].axes["region"]) == ["all"]
    assert output["score"].sum(flow=True).value == 0


def test_a_working_point_that_is_not_there_is_named(finder, flavour_tagger):
    with pytest.raises(ValueError, match=r"working point.*'7%'"):
        processors.VertexingProcessor(finder, flavour_tagger, working_point="7%")


def test_the_same_bundles_run_on_fcc_events(finder, flavour_tagger, test_data):
    """EDM4hep has several jets an event and another tree; every jet of two tracks is there once."""
    path = test_data / "vertexing/test_FCC_Spring2021.root"
    fileset = {"fcc": {"files": {str(path): "events"}, "metadata": {}}}
    output = run(fileset, processors.VertexingProcessor(finder, flavour_tagger), executor="iterative", chunksize=30)
    jets = ak.flatten(cortado.read(path).jets)
    chosen = (jets.pt >= 20) & (abs(jets.eta) < 2.5) & (ak.num(jets.tracks) >= 2)
    assert output["events"] == {"fcc": 100}
    nominal = output["vertices"][{"variation": "nominal", "dataset": "fcc"}]
    assert nominal.sum(flow=True).variance == pytest.approx(ak.sum(chosen))
    assert ak.sum(chosen) > 10
