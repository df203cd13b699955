"""`cortado.load`: the class of what is loaded follows from the bundle, and settings are those of that class."""

import dataclasses
import pickle

import awkward as ak
import numpy as np
import pytest
from toy_showers import save_generator, toy_showers
from toy_taggers import HALF, OWN, Winner, fold_bundles, load_toy, save_toy, toy_bundle
from toy_tracks import jets_of, save_finder
from toys import toy_event_jets, toy_jets

import cortado
from cortado import scoring
from cortado.bundle import Bundle, save
from cortado.models import ConditionalFlow
from cortado.representations import ConditionalColumns
from cortado.scoring import EventSampler, Predictor, Scorer, ShowerGenerator, VertexFinder
from cortado.tasks import Density, Numbers

MASS = Numbers(names=("mass",), loss="gaussian", centre=(80.0,), scale=(10.0,), relative_to="pt")
ALL = {**OWN, "uses": (Winner,)}


def save_density(path):
    """An untrained flow of one feature."""
    representation = ConditionalColumns(features={"tau1": (0, 1)}, condition={"pt": (0, 5000)})
    arguments = {"features": 1, "transforms": 1, "hidden": (4,)}
    model = ConditionalFlow(**arguments)
    made = Bundle(representation=representation, model=model, arguments=arguments, use=Density())
    return save(made, path, canary=toy_jets(4))


KINDS = {
    "Classes": (save_toy, Scorer),
    "Pairs": (save_finder, VertexFinder),
    "Showers": (save_generator, ShowerGenerator),
    "Density": (save_density, EventSampler),
    "Numbers": (lambda path: save_toy(path, use=MASS), Predictor),
    "Winner": (lambda path: save_toy(path, use=Winner(labels=("qcd", "w"))), Predictor),
}


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    return {name: save(folder / f"{name}.cortado") for name, (save, _) in KINDS.items()}


@pytest.mark.parametrize("name", KINDS)
def test_each_use_has_its_class(paths, name):
    found = cortado.load(paths[name], **ALL)
    assert type(found) is KINDS[name][1]
    assert found.path == str(paths[name])
    assert pickle.loads(pickle.dumps(found)) == found
    assert len(pickle.dumps(found)) < 2000
    assert type(found).load(paths[name], **ALL) == found
    assert found.bundle().use == found.bundles()[0].use


@pytest.mark.parametrize("wanted", [EventSampler, Scorer, VertexFinder, ShowerGenerator])
@pytest.mark.parametrize("name", KINDS)
def test_a_class_refuses_bundles_of_others_and_names_theirs(paths, name, wanted):
    right = KINDS[name][1]
    if wanted is right:
        return
    message = rf"{name}.cortado is not for a {wanted.__name__}: it gives {name}, which {right.__name__}.load reads"
    with pytest.raises(ValueError, match=message):
        wanted.load(paths[name], **ALL)


COMMON = "device, threads, batch_size, precision, without_constituents, representations, models, uses, lengths"


@pytest.mark.parametrize(
    "name, special, others",
    [
        ("Classes", "working_points", ("threshold", "extrapolate")),
        ("Pairs", "threshold", ("working_points", "extrapolate")),
        ("Showers", "extrapolate", ("working_points", "threshold")),
        ("Density", "", ("extrapolate", "working_points")),
        ("Numbers", "", ("working_points", "threshold", "extrapolate")),
        ("Winner", "", ("working_points", "threshold", "extrapolate")),
    ],
)
def test_settings_are_those_of_the_class(paths, name, special, others):
    there = f"{COMMON}, {special}" if special else COMMON
    for setting in (*others, "colour", "sha256", "use"):
        message = f"^{KINDS[name][1].__name__} has no setting {setting}; there are {there}$"
        with pytest.raises(TypeError, match=message):
            cortado.load(paths[name], **ALL, **{setting: 1})
    with pytest.raises(TypeError, match="has no setting colour, taste; there are"):
        cortado.load(paths[name], **ALL, colour=1, taste=2)


def test_settings_reach_the_predictor(paths):
    settings = {"batch_size": 3, "threads": 2, "precision": "bfloat16", "without_constituents": "nan"}
    for name in KINDS:
        found = cortado.load(paths[name], **ALL, **settings)
        predictor = getattr(found, "predictor", found)
        assert {key: getattr(predictor, key) for key in settings} == settings
    assert cortado.load(paths["Pairs"], threshold=0.9).threshold == 0.9
    assert cortado.load(paths["Showers"], extrapolate=True).extrapolate
    point = dataclasses.replace(HALF, threshold=0.7)
    for found in (load_toy(paths["Classes"], working_points=(point,)), Scorer.load(paths["Classes"], **OWN)):
        assert found.working_points in ((point,), (HALF,))
    assert Scorer.load(paths["Classes"], **OWN, working_points=(point,)).working_points == (point,)


def test_nothing_is_no_bundle():
    for together in (scoring.folds, scoring.ensemble):
        with pytest.raises(ValueError, match="no bundle to load"):
            together([])


def test_a_predictor_of_our_own_use_gives_its_columns(paths):
    """Slow twin: the network, one jet at a time."""
    found, jets = cortado.load(paths["Winner"], **ALL), toy_event_jets(20)
    answers = found(jets)
    assert answers.fields == ["winner", "margin"]
    assert ak.num(answers).tolist() == ak.num(jets).tolist()
    tagger = toy_bundle()
    model = tagger.model.eval()
    flat = ak.flatten(jets)
    for i, (winner, margin) in enumerate(zip(ak.flatten(answers.winner), ak.flatten(answers.margin))):
        logits = cortado.bundle.run(model, tagger.prepare(flat[i : i + 1])).numpy()[0]
        assert winner == logits.argmax()
        assert margin == pytest.approx(logits.max() - logits.mean(), abs=1e-5)


def test_a_predictor_of_numbers_gives_them_in_their_units(paths):
    """Slow twin: the network, one jet at a time."""
    found, jets = cortado.load(paths["Numbers"], **ALL), toy_jets(15)
    answers = found(jets)
    assert str(answers.type) == "15 * {mass: float32, mass_width: float32}"
    tagger = toy_bundle()
    model = tagger.model.eval()
    for i, answer in enumerate(answers.tolist()):
        value, width = cortado.bundle.run(model, tagger.prepare(jets[i : i + 1])).numpy()[0]
        pt = jets.pt[i]
        assert answer["mass"] == pytest.approx((80 + 10 * value) * pt, rel=1e-4)
        assert answer["mass_width"] == pytest.approx(10 * (1e-3 + np.log1p(np.exp(width))) * pt, rel=1e-4)


def test_a_field_that_only_the_use_needs_is_asked_for(paths):
    found = cortado.load(paths["Numbers"], **ALL)
    with pytest.raises(ValueError, match="objects have no field 'pt'"):
        found(ak.without_field(toy_jets(3), "pt"))


# Several bundles


def test_what_cannot_be_averaged_is_refused_when_it_is_loaded(tmp_path):
    finders = [save_finder(tmp_path / f"finder_{seed}.cortado", seed=seed) for seed in (1, 2)]
    with pytest.raises(ValueError, match="partitions of several trainings cannot be averaged: use one bundle"):
        scoring.ensemble(finders)
    generators = [save_generator(tmp_path / f"vae_{seed}.cortado", seed=seed) for seed in (1, 2)]
    with pytest.raises(ValueError, match="showers of several generators cannot be averaged: use one bundle"):
        scoring.ensemble(generators)
    own = [save_toy(tmp_path / f"own_{seed}.cortado", seed, use=Winner(labels=("a", "b"))) for seed in (1, 2)]
    with pytest.raises(ValueError, match="winners cannot be averaged"):
        scoring.ensemble(own, **ALL)


def test_an_ensemble_is_of_one_kind(tmp_path, paths):
    with pytest.raises(ValueError, match="two or more bundles of the same answers, got 2 with 2 kinds"):
        scoring.ensemble([paths["Classes"], paths["Numbers"]], **OWN)


def test_a_shower_has_no_folds(tmp_path):
    rules = [{"fold": {"index": i, "folds": 2, "seed": 1}} for i in (0, 1)]
    paths = [save_generator(tmp_path / f"{i}.cortado", seed=i, provenance=rule) for i, rule in enumerate(rules)]
    with pytest.raises(ValueError, match="a shower is made by one generator, not by several: load one bundle"):
        scoring.folds(paths)


def test_settings_of_several_bundles_are_those_of_one(tmp_path):
    paths = fold_bundles(tmp_path)
    for together in (scoring.folds, scoring.ensemble):
        with pytest.raises(TypeError, match=f"Scorer has no setting threshold; there are {COMMON}, working_points"):
            together(paths, **OWN, threshold=0.5)
    scorer = scoring.folds(paths, **OWN, batch_size=7)
    assert {predictor.batch_size for predictor in scorer.predictor.predictors} == {7}


def test_folds_and_ensembles_of_numbers_are_predictors(tmp_path):
    """Slow twin: the bundle of the fold of each jet; means of all bundles."""
    paths = fold_bundles(tmp_path, use=MASS)
    jets = toy_jets(30)
    each = [cortado.load(path, **OWN)(jets) for path in paths]
    fold = cortado.splits.fold(jets.event_key, 3, 11)
    found = scoring.folds(paths, **OWN)(jets)
    assert type(scoring.folds(paths, **OWN)) is scoring.SeveralPredictors
    for i, number in enumerate(fold):
        assert found.mass[i] == pytest.approx(each[number].mass[i], rel=1e-5)
    (tmp_path / "alike").mkdir()
    together = scoring.ensemble(fold_bundles(tmp_path / "alike", is_fold=False, use=MASS), **OWN)
    assert type(together) is scoring.SeveralPredictors
    values, widths = (np.array([one[name] for one in each]) for name in ("mass", "mass_width"))
    np.testing.assert_allclose(together(jets).mass, values.mean(axis=0), rtol=1e-5)
    spread = np.sqrt((widths**2).mean(axis=0) + values.std(axis=0) ** 2)
    np.testing.assert_allclose(together(jets).mass_width, spread, rtol=1e-5)


def test_showers_are_scored_by_their_own_taggers_alone(paths):
    with pytest.raises(ValueError, match="objects have no field 'pt'; there are"):
        load_toy(paths["Classes"])(toy_showers(3))
    with pytest.raises(ValueError, match="objects have no field 'constituents'; there are"):
        load_toy(paths["Classes"])(jets_of())
