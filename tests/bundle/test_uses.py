"""What the outputs of a bundle mean: bundles of the former format, uses that make no sense, and uses of our own."""

import json
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import safetensors.numpy
from toy_showers import save_generator
from toy_taggers import OWN, Winner, forge, load_toy, members_of, save_toy, to_format_1
from toy_tracks import jets_of, save_finder
from toys import toy_jets

import cortado
from cortado import bundle
from cortado.tasks import Classes, Numbers, Pairs, Showers

MASS = Numbers(names=("mass",), loss="gaussian", centre=(80.0,), scale=(10.0,), relative_to="pt")
COMMITTED = sorted((Path(__file__).parents[2] / "analyses" / "top_tagging" / "bundles").glob("*.cortado"))


def save_numbers(path):
    return save_toy(path, use=MASS)


# The former format


def test_a_tagger_of_format_1_answers_as_that_of_format_2(tmp_path):
    path, jets = save_toy(tmp_path / "toy.cortado"), toy_jets(20)
    expected = load_toy(path)
    to_format_1(path, classes=["qcd", "w"], signal="w", task="tagging")
    found = load_toy(path)
    assert found.bundle().use == expected.bundle().use == Classes(classes=("qcd", "w"), signal="w")
    assert found.points == expected.points
    assert found.probabilities(jets).tolist() == expected.probabilities(jets).tolist()
    assert bundle.canary_objects(path).pt.tolist() == toy_jets(8, seed=3).pt.tolist()


def test_a_finder_of_format_1_answers_as_that_of_format_2(tmp_path):
    path, jets = save_finder(tmp_path / "finder.cortado"), jets_of()
    expected = cortado.load(path)
    to_format_1(path, classes=["different", "same"], signal="same", task="pairing")
    found = cortado.load(path)
    assert found.bundle().use == Pairs(collection="tracks", threshold=0.5)
    assert found(jets).tolist() == expected(jets).tolist()
    assert found.probabilities(jets).tolist() == expected.probabilities(jets).tolist()


def test_a_generator_of_format_1_makes_the_showers_of_that_of_format_2(tmp_path):
    path, energies = save_generator(tmp_path / "vae.cortado"), np.linspace(2, 90, 7)
    expected = cortado.load(path)
    to_format_1(path, classes=[], signal="", task="generation")
    found = cortado.load(path)
    assert found.bundle().use == expected.bundle().use
    assert found.energy_range == (1.0, 100.0)
    assert found(energies, seed=3).tolist() == expected(energies, seed=3).tolist()


def test_bundles_of_format_1_were_written_without_a_task_at_first(tmp_path):
    path = save_toy(tmp_path / "toy.cortado")
    to_format_1(path, classes=["qcd", "w"], signal="w")
    assert load_toy(path).signal == "w"


@pytest.mark.filterwarnings("ignore:.*written with")
@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_published_bundles_of_format_1_score_jets(path):
    assert bundle.describe(path)["format_version"] == 1
    tagger = cortado.load(path)
    assert (tagger.classes, tagger.signal) == (("qcd", "top"), "top")
    scores = tagger(toy_jets(20))
    assert str(scores.type) == "20 * float32"
    assert ak.all((scores > 0) & (scores < 1))
    assert len(tagger.working_points) > 0


def test_there_are_published_bundles():
    assert len(COMMITTED) == 3


@pytest.mark.parametrize(
    "about, message",
    [
        ({"task": "clustering"}, "unknown task 'clustering'; tasks of format 1 are tagging, pairing and generation"),
        ({"task": "tagging"}, "bundle.json lacks 'classes'"),
        ({"task": "pairing"}, r"Sum gives outputs of shape \(8, 2\) .* is needed for Pairs\(collection='constituents'"),
        ({"task": "generation"}, r"Showers\(energy_range=None, latent=None\) makes no sense here"),
    ],
)
def test_a_task_of_format_1_that_makes_no_sense(tmp_path, about, message):
    path = save_toy(tmp_path / "toy.cortado")
    to_format_1(path, **about)
    with pytest.raises(ValueError, match=rf"toy\.cortado: {message}"):
        load_toy(path)


# Uses that make no sense


def use_in(path, name, arguments):
    def change(content):
        content["use"] = {"name": name, "arguments": arguments}

    forge(path, change)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"classes": 3, "signal": "w"}, r"Classes\(classes=3, signal='w'\) makes no sense here: 'int' object"),
        ({"classes": ["qcd", 5], "signal": "qcd"}, r"needs two or more different classes, got \('qcd', 5\)"),
        ({"classes": ["w"], "signal": "w"}, r"needs two or more different classes, got \('w',\)"),
        ({"classes": ["qcd", "z"], "signal": "w"}, "signal 'w' is none of the classes qcd, z"),
        ({"signal": "w"}, "Classes cannot be made of {'signal': 'w'}: .*missing"),
        ({"classes": ["qcd", "w"], "signal": "w", "colour": 1}, "Classes cannot be made of .*'colour'"),
        (None, "bundle.json is not ours: use.arguments = None, required: an object"),
    ],
)
def test_classes_that_make_no_sense(tmp_path, arguments, message):
    path = save_toy(tmp_path / "toy.cortado")
    use_in(path, "Classes", arguments)
    with pytest.raises(ValueError, match=rf"toy\.cortado: {message}"):
        bundle.load(path, **OWN)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"collection": 3}, "collection must be a field such as 'tracks', got 3"),
        ({"collection": "hits"}, r"Pairs\(collection='hits', .* makes no sense here: no field 'hits'"),
        ({"collection": "pt"}, r"canary: Pairs\(collection='pt', .* makes no columns of it"),
        ({"collection": "tracks", "threshold": 1.5}, r"threshold must be a probability in \(0, 1\), got 1.5"),
        ({"collection": "tracks", "threshold": "0.5"}, r"Pairs\(.*threshold='0.5'.* makes no sense here: .*'str'"),
    ],
)
def test_pairs_that_make_no_sense(tmp_path, arguments, message):
    path = save_finder(tmp_path / "toy.cortado")
    use_in(path, "Pairs", arguments)
    with pytest.raises(ValueError, match=rf"toy\.cortado: {message}"):
        bundle.load(path)


@pytest.mark.parametrize(
    "energies, latent, message",
    [
        (5, 510, r"Showers\(energy_range=5, latent=510\) makes no sense here"),
        ([1, 2, 3], 510, "a generator needs two positive energies in rising order, got Showers"),
        ([100, 1], 510, "a generator needs two positive energies in rising order, got Showers"),
        (["a", "b"], 510, r"Showers\(energy_range=\('a', 'b'\), latent=510\) makes no sense here"),
        ([1, 100], 0, "a generator needs noise, got Showers"),
        ([1, 100], 1.5, r"Showers\(.* latent=1.5\) makes no sense here: 'float' object"),
        ([1, 100], 7, r"canary: noise of CaloVAE has shape \(4, 7\), at training it had \(4, 510\)"),
    ],
)
def test_showers_that_make_no_sense(tmp_path, energies, latent, message):
    path = save_generator(tmp_path / "toy.cortado")
    use_in(path, "Showers", {"energy_range": energies, "latent": latent})
    with pytest.raises(ValueError, match=rf"toy\.cortado: {message}"):
        bundle.load(path)


def test_noise_that_is_not_there(tmp_path):
    path = save_generator(tmp_path / "toy.cortado")
    arrays = safetensors.numpy.load(members_of(path)["canary.safetensors"])
    arrays.pop("drawn/noise")
    forge(path, canary_safetensors=safetensors.numpy.save(arrays))
    with pytest.raises(ValueError, match=r"noise of CaloVAE has shape \(4, 510\), at training it was not there"):
        bundle.load(path)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"centre": ["x"]}, r"canary: Numbers\(.* makes no columns of it: unsupported operand"),
        ({"centre": [1.0, 2.0]}, "one name, centre and scale is needed for each number"),
        ({"names": ["a", "a"], "loss": "huber", "centre": [1, 2], "scale": [1, 1]}, "one name, centre and scale"),
        ({"loss": "hubert"}, 'Numbers: loss = \'hubert\', required: "huber", "gaussian" or rising quantiles'),
        ({"loss": "huber"}, r"Sum gives outputs of shape \(8, 2\) .*, \(8, 1\) is needed for Numbers"),
        ({"relative_to": "hits"}, r"Numbers\(.* makes no sense here: no field 'hits'"),
        ({"relative_to": "constituents"}, r"canary: Numbers\(.* makes no columns of it"),
    ],
)
def test_numbers_that_make_no_sense(tmp_path, changes, message):
    path = save_numbers(tmp_path / "toy.cortado")
    arguments = {"names": ["mass"], "loss": "gaussian", "centre": [80.0], "scale": [10.0], "relative_to": "pt"}
    use_in(path, "Numbers", arguments)
    assert bundle.load(path, **OWN).use == MASS
    use_in(path, "Numbers", arguments | changes)
    with pytest.raises(ValueError, match=rf"toy\.cortado: {message}"):
        bundle.load(path, **OWN)


@pytest.mark.parametrize(
    "save, use, message",
    [
        (save_toy, Showers(energy_range=(1.0, 2.0), latent=3), "'ProngsInputs' object has no attribute 'energy'"),
        (save_toy, Pairs(collection="constituents"), r"outputs of shape \(8, 2\) .* \(8, 38, 38\) is needed for Pairs"),
        (save_finder, Classes(classes=("a", "b"), signal="a"), r"outputs of shape \(8, 7, 7\) .* \(8, 2\) is needed"),
        (save_generator, Pairs(collection="cells"), r"gives \('energy', 'features'\) but CaloVAE.forward takes"),
    ],
)
def test_a_use_of_another_network(tmp_path, save, use, message):
    path = save(tmp_path / "toy.cortado")
    use_in(path, type(use).__name__, {name: value for name, value in vars(use).items() if name != "matrix"})
    with pytest.raises(ValueError, match=message):
        bundle.load(path, **OWN)


@pytest.mark.parametrize("use", [5, "Classes", None, ["Classes"]])
def test_a_use_that_is_no_use(tmp_path, use):
    path = save_toy(tmp_path / "toy.cortado")
    forge(path, lambda content: content.update(use=use))
    with pytest.raises(ValueError, match=r"toy\.cortado: bundle.json is not ours: "):
        bundle.load(path, **OWN)


# Uses of our own


def test_a_use_of_our_own_is_made_only_if_it_is_passed_in(tmp_path):
    use = Winner(labels=("qcd", "w"))
    path = save_toy(tmp_path / "toy.cortado", use=use)
    assert json.loads(members_of(path)["bundle.json"])["use"] == {
        "name": "Winner",
        "arguments": {"labels": ["qcd", "w"]},
    }
    with pytest.raises(ValueError, match=r"unknown use 'Winner'; there are .*; or pass uses=\(Winner,\)"):
        bundle.load(path, **OWN)
    assert bundle.load(path, **OWN, uses=(Winner,)).use == use


def test_only_uses_are_uses(tmp_path):
    """Neither a task nor a network is made where a use is asked for."""
    path = save_toy(tmp_path / "toy.cortado")
    for name in ("Classify", "Sum", "MLP"):
        use_in(path, name, {})
        with pytest.raises(ValueError, match=f"unknown use '{name}'; "):
            bundle.load(path, **OWN)


def test_a_use_is_checked_before_it_is_written(tmp_path):
    with pytest.raises(ValueError, match=r"toy\.cortado: no labels"):
        save_toy(tmp_path / "toy.cortado", use=Winner(labels=()))
    with pytest.raises(ValueError, match="objects have no field 'hits'"):
        save_toy(tmp_path / "toy.cortado", use=Numbers(**(vars(MASS) | {"relative_to": "hits"})))
    assert list(tmp_path.iterdir()) == []
