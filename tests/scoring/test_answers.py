"""Answers of a bundle for objects that have no constituents, in any batches and order, and for none at all."""

import awkward as ak
import numpy as np
import pytest
from toy_taggers import OWN, Winner, load_toy, save_toy
from toy_tracks import jets_of, save_finder
from toys import toy_event_jets, toy_jets

import cortado
from cortado import bundle
from cortado.tasks import Numbers

MASS = Numbers(names=("mass",), loss="gaussian", centre=(80.0,), scale=(10.0,), relative_to="pt")
TRACKS = jets_of()


def without(jets, empty, collection="constituents"):
    """The jets, some of them without constituents."""
    kept, _ = ak.broadcast_arrays(~np.asarray(empty), jets[collection][jets[collection].fields[0]])
    return ak.with_field(jets, jets[collection][kept], collection)


EMPTY = np.arange(30) % 4 == 1


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("answers")
    return {
        "tagger": save_toy(folder / "tagger.cortado"),
        "numbers": save_toy(folder / "numbers.cortado", use=MASS),
        "finder": save_finder(folder / "finder.cortado"),
    }


def load(path, **settings):
    found = cortado.load(path, **OWN, **settings)
    return getattr(found, "predictor", found)


@pytest.mark.parametrize("name", ["tagger", "numbers"])
def test_numbers_of_objects_without_constituents_are_nan_or_an_error(paths, name):
    jets, empty = toy_jets(30), EMPTY
    answers = load(paths[name], without_constituents="nan")(without(jets, empty))
    whole = load(paths[name])(jets)
    assert answers.type == whole.type
    for column in answers.fields:
        assert np.isnan(answers[column]).tolist() == empty.tolist()
        np.testing.assert_allclose(answers[column][~empty], whole[column][~empty], rtol=1e-5)
    with pytest.raises(ValueError, match=r"8 of 30 jets have no constituents .* drop them, .*'nan'"):
        load(paths[name])(without(jets, empty))


@pytest.mark.parametrize("empties", ["raise", "nan"])
def test_lists_of_objects_without_constituents_are_empty(paths, empties):
    empty = np.arange(len(TRACKS)) % 4 == 1
    finder = cortado.load(paths["finder"], threshold=0.502, without_constituents=empties)
    found, pairs = finder(without(TRACKS, empty, "tracks")), finder.probabilities(without(TRACKS, empty, "tracks"))
    assert found.tolist() == [[] if none else each for none, each in zip(empty, finder(TRACKS).tolist())]
    assert pairs[empty].tolist() == [[]] * empty.sum()
    for matrix, expected in zip(pairs[~empty], finder.probabilities(TRACKS)[~empty]):
        np.testing.assert_allclose(ak.flatten(matrix), ak.flatten(expected), atol=1e-6)
    assert str(found.type) == "40 * var * int32"
    assert str(pairs.type) == "40 * var * var * float32"


@pytest.mark.parametrize("batch_size", [1, 2, 7, 512])
@pytest.mark.parametrize("name", ["tagger", "numbers"])
def test_neither_batches_nor_order_change_numbers(paths, name, batch_size):
    jets = without(toy_jets(30), EMPTY)
    expected = load(paths[name], without_constituents="nan")(jets)
    for seed in (1, 2):
        order = np.random.default_rng(seed).permutation(30)
        found = load(paths[name], without_constituents="nan", batch_size=batch_size)(jets[order])
        for column in expected.fields:
            np.testing.assert_allclose(found[column], expected[column][order], rtol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 7, 512])
def test_neither_batches_nor_order_change_pairs(paths, batch_size):
    jets = without(TRACKS, np.arange(len(TRACKS)) % 4 == 1, "tracks")
    whole = cortado.load(paths["finder"], threshold=0.502)
    small = cortado.load(paths["finder"], threshold=0.502, batch_size=batch_size)
    for seed in (1, 2):
        order = np.random.default_rng(seed).permutation(len(jets))
        assert small(jets[order]).tolist() == whole(jets)[order].tolist()
        found, expected = small.probabilities(jets[order]), whole.probabilities(jets)[order]
        assert ak.num(found).tolist() == ak.num(expected).tolist()
        np.testing.assert_allclose(ak.flatten(found, axis=None), ak.flatten(expected, axis=None), atol=1e-6)


def choices(jets):
    """The same jets and fewer of them, down to none."""
    return {"all": jets, "some": jets[:3], "none": jets[:0]}


@pytest.mark.parametrize("which", ["all", "some", "none"])
@pytest.mark.parametrize("is_empty", [False, True])
def test_types_are_the_same_for_any_objects(paths, which, is_empty):
    jets = choices(without(toy_jets(5), [is_empty] * 5))[which]
    tracks = choices(without(TRACKS, [is_empty] * 40, "tracks"))[which]
    settings = {"without_constituents": "nan"}
    n, m = len(jets), len(tracks)
    assert str(load(paths["tagger"], **settings)(jets).type) == f"{n} * {{qcd: float32, w: float32}}"
    assert str(load(paths["numbers"], **settings)(jets).type) == f"{n} * {{mass: float32, mass_width: float32}}"
    finder = cortado.load(paths["finder"], **settings)
    assert str(finder(tracks).type) == f"{m} * var * int32"
    assert str(finder.probabilities(tracks).type) == f"{m} * var * var * float32"
    assert ak.count(finder(tracks)) == ak.count(tracks.tracks.pt)
    if is_empty:
        assert np.all(np.isnan(load_toy(paths["tagger"], **settings)(jets)))


def test_events_of_empty_jets_keep_their_nesting(paths):
    jets = toy_event_jets(12)
    empty = ak.with_field(jets, jets.constituents[:, :, :0], "constituents")
    scores = load_toy(paths["tagger"], without_constituents="nan")(empty)
    assert ak.num(scores).tolist() == ak.num(jets).tolist()
    assert np.isnan(ak.flatten(scores)).tolist() == [True] * ak.count(jets.pt)
    optional = ak.firsts(empty)
    assert str(load_toy(paths["tagger"], without_constituents="nan")(optional).type) == "12 * ?float32"


def test_a_bundle_can_show_empty_objects_to_its_network(paths):
    """Slow twin: one by one. A network of sums has an answer for no constituents, too."""
    tagger, jets = bundle.load(paths["tagger"], **OWN), without(toy_jets(30), EMPTY)
    found = bundle.answers(tagger, bundle.columns(jets, tagger.fields), batch_size=4)
    each = [bundle.run(tagger.model, tagger.prepare(jets[i : i + 1])).softmax(1)[0, 1].item() for i in range(30)]
    np.testing.assert_allclose(found.w, each, atol=1e-5)
    skipped = bundle.answers(tagger, bundle.columns(jets, tagger.fields), skip_empty=True)
    assert np.isnan(skipped.w).tolist() == EMPTY.tolist()


def test_answers_of_a_use_of_our_own_keep_their_type(tmp_path):
    path = save_toy(tmp_path / "own.cortado", use=Winner(labels=("qcd", "w")))
    found = cortado.load(path, **OWN, uses=(Winner,))
    for jets in choices(toy_jets(5)).values():
        assert str(found(jets).type) == f"{len(jets)} * {{winner: int64, margin: float32}}"
