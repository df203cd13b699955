"""A vertex finder in use: tracks that share a vertex, whatever the nesting, batches and neighbours of a jet."""

import dataclasses
import pickle

import awkward as ak
import numpy as np
import onnxruntime
import pytest
import torch
from samples import write_tree
from toy_taggers import changed
from toy_tracks import jets_of, save_finder, track_columns, write_tracks
from toys import toy_jets

import cortado
from cortado import bundle, export, processors, reconstruction, scoring
from cortado.models import PFN, FlavourTagger
from cortado.representations import ParticleList, TrackSet
from cortado.representations.track_set import RICH_FEATURES
from cortado.scaling import SET2GRAPH_SCALING
from cortado.scoring import Scorer, VertexFinder
from cortado.tasks import Classes
from cortado.weights import WorkingPoint

JETS = jets_of()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save_finder(tmp_path_factory.mktemp("finder") / "finder.cortado")


@pytest.fixture(scope="module")
def finder(path):
    median = np.median(ak.to_numpy(ak.flatten(cortado.load(path).probabilities(JETS), axis=None)))
    return cortado.load(path, threshold=float(np.clip(median, 0.01, 0.99)))


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
    small = changed(finder, batch_size=batch_size)
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


@pytest.mark.parametrize("counts", [[3, 0, 37], [40], [0, 40, 0]])
def test_each_entry_may_have_a_primary_vertex_of_its_own(finder, counts):
    rng = np.random.default_rng(1)
    events = ak.unflatten(JETS, counts)
    position = rng.normal(0, 1, (len(counts), 3))
    covariance = np.eye(3) * rng.uniform(0.1, 1, (len(counts), 1, 1))
    found = finder.vertices(events, primary=reconstruction.Prior(position, covariance))
    each = reconstruction.Prior(np.repeat(position, counts, axis=0), np.repeat(covariance, counts, axis=0))
    assert ak.flatten(found).tolist() == finder.vertices(JETS, primary=each).tolist()
    deeper = finder.vertices(events[:, :, np.newaxis], primary=reconstruction.Prior(position, covariance))
    assert ak.flatten(deeper, axis=2).tolist() == found.tolist()
    optional = ak.mask(events, ak.num(events) != 3)
    some = finder.vertices(optional, primary=reconstruction.Prior(position, covariance))
    assert some.tolist() == [None if n == 3 else vertices for n, vertices in zip(counts, found.tolist())]


def test_a_primary_vertex_is_one_or_one_of_each_entry(finder):
    events = ak.unflatten(JETS, [10, 30])
    with pytest.raises(ValueError, match=r"position of the prior has shape \(40, 3\), must be \(3,\) or \(2, 3\)"):
        finder.vertices(events, primary=reconstruction.Prior(np.zeros((40, 3)), np.eye(3)))


def test_a_finder_is_small_and_survives_pickling(finder):
    assert len(pickle.dumps(finder)) < 2000
    assert pickle.loads(pickle.dumps(finder)) == finder


def test_exported_pairs_have_the_probabilities_of_the_finder(path, finder, tmp_path):
    assert export.to_onnx(path, tmp_path / "finder.onnx").difference < 1e-5
    assert export.to_torch_export(path, tmp_path / "finder.pt2").difference < 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "finder.onnx")
    for tracks in (5, 3):
        jets = JETS[ak.num(JETS.tracks) == tracks]
        assert len(jets)
        _, found = session.run(None, TrackSet()(jets)._asdict())
        expected = np.array(finder.probabilities(jets).to_list())
        off_diagonal = ~np.eye(tracks, dtype=bool)
        np.testing.assert_allclose(found[:, off_diagonal], expected[:, off_diagonal], atol=1e-5)


def spoil(jets, jet, field, value):
    """The jets with another value of a field of the first track of one of them."""
    chosen = (ak.local_index(jets.tracks[field]) == 0) & (np.arange(len(jets)) == jet)
    return ak.with_field(jets, ak.where(chosen, value, jets.tracks[field]), ("tracks", field))


@pytest.mark.parametrize("batch_size", [1, 7, 512])
def test_a_nan_is_refused_and_its_jet_is_named(finder, batch_size):
    broken = spoil(JETS, 16, "d0", np.nan)
    with pytest.raises(ValueError, match=r"TrackSet: tracks\.d0 of jet 16 is nan, must be finite"):
        changed(finder, batch_size=batch_size)(broken)


@pytest.fixture(scope="module")
def rich_finder(tmp_path_factory):
    """A finder whose network sees errors of the tracks."""
    where = save_finder(tmp_path_factory.mktemp("finder") / "rich.cortado", RICH_FEATURES)
    return cortado.load(where, threshold=0.505)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("cov_d0_d0", np.nan, r"TrackSet: tracks\.cov_d0_d0 of jet 16 is nan, must be finite"),
        ("cov_d0_d0", -1.0, r"TrackSet: log_d0_error of jet 16 is nan, must be finite"),
        ("cov_d0_phi", 5.0, r"vertices: track 0 of jet 16 cannot be fitted: smallest eigenvalue"),
    ],
)
def test_tracks_that_cannot_be_fitted_are_refused_or_left_out(rich_finder, field, value, message):
    broken = spoil(JETS, 16, field, value)
    with pytest.raises(ValueError, match=message):
        rich_finder.vertices(broken)
    with pytest.warns(UserWarning, match=r"VertexFinder: 1 of 163 tracks cannot be fitted, left out"):
        found = rich_finder(broken, skip_unfit=True)
    with pytest.warns(UserWarning, match=r"vertices: 1 of 163 tracks cannot be fitted, left out"):
        vertices = rich_finder.vertices(broken, skip_unfit=True)
    whole = rich_finder(JETS)
    rest = ak.with_field(JETS, JETS.tracks[(np.arange(40) != 16) | (ak.local_index(JETS.tracks.d0) > 0)], "tracks")
    assert found[16].tolist() == [-1, *rich_finder(rest)[16].tolist()]
    assert found[np.arange(40) != 16].tolist() == whole[np.arange(40) != 16].tolist()
    expected = rich_finder.vertices(rest)
    assert vertices.mass.tolist() == expected.mass.tolist()
    assert vertices.tracks[16].tolist() == (expected.tracks[16] + 1).tolist()


def test_errors_by_a_function_are_those_by_which_tracks_are_left_out(finder):
    bare = jets_of(covariance=False)
    with pytest.raises(KeyError, match="VertexFinder needs the covariance of the tracks"):
        finder.vertices(bare, skip_unfit=True)
    found = finder.vertices(bare, skip_unfit=True, resolution=reconstruction.typical_resolution)
    assert ak.num(found).tolist() == ak.num(finder.vertices(JETS)).tolist()


def test_a_missing_field_is_named(finder):
    for call in (finder, finder.probabilities, finder.vertices):
        with pytest.raises(ValueError, match="objects have no field 'tracks'; there are "):
            call(ak.without_field(JETS, "tracks"))
        with pytest.raises(ValueError, match=r"objects have no field 'tracks\.theta'; nearest: tracks.eta"):
            call(ak.without_field(JETS, ("tracks", "theta")))


def test_each_load_says_which_other_reads_the_bundle(path, tmp_path):
    with pytest.raises(ValueError, match=r"is not for a Scorer: it gives Pairs, which VertexFinder.load reads"):
        Scorer.load(path)
    tagger = bundle.Bundle(
        representation=ParticleList(), model=PFN(), arguments={}, use=Classes(classes=("QCD", "top"), signal="top")
    )
    other = bundle.save(tagger, tmp_path / "pfn.cortado", canary=toy_jets(4))
    with pytest.raises(ValueError, match=r"is not for a VertexFinder: it gives Classes, which Scorer.load reads"):
        VertexFinder.load(other)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": 1.0}, r"threshold must be a probability in \(0, 1\), got 1.0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
    ],
)
def test_settings_are_checked(path, settings, message):
    for load in (cortado.load, VertexFinder.load):
        with pytest.raises(ValueError, match=message):
            load(path, **settings)


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
        use=Classes(classes=("b", "c", "light"), signal="b"),
    )
    where = tmp_path_factory.mktemp("tagger") / "tagger.cortado"
    scores = scoring.load(bundle.save(tagger, where, canary=JETS[:8]))(JETS[ak.num(JETS.tracks) > 0])
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
    return scoring.load(bundle.save(measured, where, canary=JETS[:8]))


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


def test_chunks_and_pickling_do_not_change_histograms(finder, flavour_tagger, fileset):
    instance = processors.VertexingProcessor(finder, flavour_tagger)
    reference = run(fileset, instance, executor="iterative")
    sent = pickle.loads(pickle.dumps(instance))  # as to a worker process
    for processor, chunksize in ((instance, 7), (sent, 30)):
        again = run(fileset, processor, executor="iterative", chunksize=chunksize)
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


def fcc(test_data, min_pt=20):
    """The FCC file, and which of its jets the processor takes: EDM4hep has several jets an event and another tree."""
    path = test_data / "vertexing/test_FCC_Spring2021.root"
    jets = cortado.read(path).jets
    return path, (jets.pt >= min_pt) & (abs(jets.eta) < 2.5) & (ak.num(jets.tracks, axis=2) >= 2)


def test_the_same_bundles_run_on_fcc_events(finder, flavour_tagger, test_data):
    path, chosen = fcc(test_data)
    fileset = {"fcc": {"files": {str(path): "events"}, "metadata": {}}}
    output = run(fileset, processors.VertexingProcessor(finder, flavour_tagger), executor="iterative", chunksize=30)
    assert output["events"] == {"fcc": 100}
    nominal = output["vertices"][{"variation": "nominal", "dataset": "fcc"}]
    assert nominal.sum(flow=True).variance == pytest.approx(ak.sum(chosen))
    assert ak.sum(chosen) > 10


def test_flights_of_fcc_events_begin_at_the_primary_vertex_of_their_event(finder, test_data):
    path, chosen = fcc(test_data, min_pt=2)
    fileset = {"fcc": {"files": {str(path): "events"}, "metadata": {}}}
    spot = reconstruction.Prior((0.0, 0.0, 0.0), np.diag([9e-3, 26e-6, 0.6]) ** 2)
    output = run(fileset, processors.VertexingProcessor(finder, beam_spot=spot, min_pt=2), executor="iterative")
    shown = output["flight_significance"][{"variation": "nominal", "dataset": sum, "region": sum, "truth": sum}]
    record = cortado.read(path)
    primary = reconstruction.primary_vertices(record.tracks, beam_spot=spot)
    for point, agrees in ((primary, True), (None, False)):
        vertices = finder.vertices(record.jets[chosen], primary=point)
        best = ak.max(vertices.significance[~vertices.is_primary], axis=-1)
        counts, _ = np.histogram(ak.to_numpy(ak.drop_none(ak.flatten(best))), shown.axes[0].edges)
        assert np.array_equal(shown.values(), counts) == agrees
    assert shown.sum(flow=True).value > 10


def spoilt(tmp_path, branch, value):
    """Files of which one has another number in a branch of one track."""
    columns = track_columns(60, seed=1)
    values = ak.to_numpy(ak.flatten(columns[branch])).copy()
    values[4] = value
    columns[branch] = ak.unflatten(values, ak.num(columns[branch]))
    write_tree(tmp_path / "spoilt.root", columns, tree="tree")
    return {"spoilt": {"files": {str(tmp_path / "spoilt.root"): "tree"}, "metadata": {}}}


@pytest.mark.parametrize(
    ("branch", "value", "message"),
    [
        ("trk_cov_z0_phi", np.nan, "cov_z0_phi is nan, must be finite"),
        ("trk_cov_d0_phi", 3.0, "smallest eigenvalue of its correlation matrix is -.*, must be positive"),
    ],
)
def test_the_processor_refuses_tracks_that_cannot_be_fitted_unless_told(finder, tmp_path, branch, value, message):
    fileset = spoilt(tmp_path, branch, value)
    with pytest.raises(RuntimeError, match=rf"spoilt.root.*track \d of jet \d cannot be fitted: {message}"):
        run(fileset, processors.VertexingProcessor(finder), executor="iterative")
    with pytest.warns(UserWarning, match=r"vertices: 1 of \d+ tracks cannot be fitted, left out"):
        output = run(fileset, processors.VertexingProcessor(finder, skip_unfit=True), executor="iterative")
    assert output["events"] == {"spoilt": 60}


def test_tracks_that_are_none_are_refused(finder):
    tracks = ak.mask(JETS.tracks, JETS.tracks.pt != JETS.tracks.pt[0][0])
    with pytest.raises(ValueError, match="1 of tracks are None, and answers are of each: drop them"):
        finder(ak.with_field(JETS, tracks, "tracks"))
