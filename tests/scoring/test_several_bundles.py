"""Folds and ensembles: every verb of a scorer is what loops over the scorers of the single bundles give."""

import dataclasses
import math
import pickle

import awkward as ak
import numpy as np
import pytest
import torch
from coffea.analysis_tools import Weights
from toy_taggers import HALF, OWN, Prongs, Sum, fold_bundles, load_toy, save_toy, toy_bundle
from toy_tracks import jets_of, save_finder
from toys import toy_event_jets, toy_jets

import cortado
from cortado import bundle, scoring, splits
from cortado.models import PFN
from cortado.representations import ParticleList
from cortado.scoring import vertex_columns
from cortado.tasks import Classes

THREE = {
    "use": Classes(classes=("qcd", "w", "top"), signal="w"),
    "arguments": {"hidden": 6, "classes": 3},
}
JETS = toy_event_jets(40)
FOLD = splits.fold(JETS.event_key, 3, 11)
GIVEN = {"signal": (0.9, 0.05), "background": (1.2, 0.1)}
VARIATIONS = ("", "Up", "Down")


def save_three(path, seed, **changes):
    """A tagger of three classes, whose scores are above and below the thresholds."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(100 + seed)
        model = Sum(hidden=6, classes=3)
        torch.nn.init.normal_(model.all.weight, std=0.3)
    tagger = bundle.Bundle(representation=Prongs(), model=model.eval(), **THREE)
    logits = bundle.run(model, tagger.prepare(toy_jets(50)))
    with torch.no_grad():  # half of the jets score above 0.45
        ratio = logits[:, 1] - logits[:, [0, 2]].logsumexp(1)
        model.all.bias[1] += math.log(0.45 / 0.55) - ratio.median()
    return save_toy(path, seed, model=model, **THREE, **changes)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return fold_bundles(tmp_path_factory.mktemp("folds"), save=save_three)


@pytest.fixture(scope="module")
def singles(paths):
    return [load_toy(path) for path in paths]


@pytest.fixture(scope="module")
def folds(paths):
    return scoring.folds(paths[::-1], **OWN)


@pytest.fixture(scope="module")
def alike(tmp_path_factory):
    """The same networks without folds."""
    return fold_bundles(tmp_path_factory.mktemp("alike"), save=save_three, is_fold=False)


@pytest.fixture(scope="module")
def ensemble(alike):
    return scoring.ensemble(alike, **OWN)


def test_folds_and_copies_are_no_ensemble(paths, alike):
    with pytest.raises(ValueError, match=r"bundles of different folds are no ensemble, scoring.folds joins them"):
        scoring.ensemble(paths, **OWN)
    with pytest.raises(ValueError, match="an ensemble needs different bundles, one is there twice"):
        scoring.ensemble([alike[0], alike[0]], **OWN)
    with pytest.raises(ValueError, match="paths of several bundles are needed, in a list"):
        scoring.ensemble(str(alike[0]), **OWN)


def test_a_prior_that_is_none_is_refused(ensemble):
    with pytest.raises(ValueError, match="the prior must be positive, got 0"):
        ensemble.likelihood_ratios(JETS, prior=0)


def by_fold(singles, ask):
    """Slow twin: of each jet what the scorer of its fold says."""
    parts = [ask(single).tolist() for single in singles]
    numbers = FOLD.tolist()
    return [[parts[fold][event][jet] for jet, fold in enumerate(numbers[event])] for event in range(len(numbers))]


def assert_close(found, expected):
    assert ak.num(found).tolist() == [len(event) for event in expected]
    np.testing.assert_allclose(ak.flatten(found), np.concatenate([*expected, []]), rtol=1e-5)


# Folds


def test_folds_give_the_probabilities_of_the_fold_of_each_jet(folds, singles):
    assert set(ak.flatten(FOLD)) == {0, 1, 2}
    assert_close(folds(JETS), by_fold(singles, lambda scorer: scorer(JETS)))
    for name in folds.classes:
        found = folds.probabilities(JETS)[name]
        assert_close(found, by_fold(singles, lambda scorer, name=name: scorer.probabilities(JETS)[name]))


@pytest.mark.parametrize("numerator, denominator", [(("w",), ("qcd",)), (("w", "top"), ("qcd",)), ((), ("qcd",))])
def test_folds_give_the_discriminant_of_the_fold_of_each_jet(folds, singles, numerator, denominator):
    found = folds.discriminant(JETS, numerator, denominator)
    assert_close(found, by_fold(singles, lambda scorer: scorer.discriminant(JETS, numerator, denominator)))


def test_jets_pass_at_the_threshold_of_their_fold(folds, singles):
    expected = by_fold(singles, lambda scorer: scorer.passes(JETS, "50%"))
    assert folds.passes(JETS, "50%").tolist() == expected
    assert folds.passes(JETS, "50%", scores=folds(JETS)).tolist() == expected
    assert 0 < sum(map(sum, expected)) < ak.count(JETS.pt)
    with pytest.raises(ValueError, match=r"each fold has its own threshold: give the jets, passes\(jets"):
        folds.passes(folds(JETS), "50%")
    with pytest.raises(ValueError, match=r"working point of .* = '60%', required: one of 50%; nearest: 50%"):
        folds.passes(JETS, "60%")


def test_working_points_of_folds_are_the_means_of_theirs(folds, singles):
    (found,) = folds.working_points
    points = [scorer.working_point("50%") for scorer in singles]
    assert found == folds.working_point("50%")
    for field in dataclasses.fields(HALF):
        if field.name != "name":
            mean = sum(getattr(point, field.name) for point in points) / 3
            assert getattr(found, field.name) == pytest.approx(mean)


def product(singles, add, name):
    """Slow twin: weights of events as the product of those that each fold gives to its own jets."""
    result = np.ones((3, len(JETS)))
    for number, scorer in enumerate(singles):
        into = Weights(len(JETS))
        add(scorer, into, JETS[number == FOLD])
        for i, variation in enumerate(VARIATIONS):
            result[i] *= into.weight(name + variation if variation else None)
    return result


def assert_weighs(scorer, add, name, expected):
    into = Weights(len(JETS))
    add(scorer, into, JETS)
    for variation, weight in zip(VARIATIONS, expected):
        np.testing.assert_allclose(into.weight(name + variation if variation else None), weight, rtol=1e-5)
    assert np.ptp(expected[0]) > 0.01


@pytest.mark.parametrize("options", [{"scale_factors": GIVEN}, {"scale_factors": GIVEN, "scores": True}])
def test_folds_weigh_by_the_efficiencies_of_the_fold_of_each_jet(folds, singles, options):
    def add(scorer, into, jets):
        known = {"scores": scorer(jets)} if "scores" in options else {}
        scorer.add_weight(into, jets, working_point="50%", scale_factors=GIVEN, name="tag", **known)

    assert_weighs(folds, add, "tag", product(singles, add, "tag"))


def test_folds_vary_by_the_statistics_of_the_fold_of_each_jet(folds, singles):
    def add(scorer, into, jets):
        scorer.add_weight(into, jets, working_point="50%", name="tag")

    expected = product(singles, add, "tag")
    assert np.ptp(expected[1]) > 0.01
    into = Weights(len(JETS))
    add(folds, into, JETS)
    np.testing.assert_allclose(into.weight("tagUp"), expected[1], rtol=1e-5)


def test_folds_weigh_by_the_likelihood_ratio_of_the_fold_of_each_jet(folds, singles):
    def add(scorer, into, jets):
        scorer.add_likelihood_ratio(into, jets, prior=0.5, score_err=0.02, name="ratio")

    assert_weighs(folds, add, "ratio", product(singles, add, "ratio"))


def test_folds_have_the_bundles_of_all(folds, singles):
    assert [each.provenance for each in folds.bundles()] == [scorer.bundle().provenance for scorer in singles]
    assert folds.bundle().provenance == folds.bundles()[0].provenance
    assert folds.path == ", ".join(scorer.path for scorer in singles)
    assert len(pickle.dumps(folds)) < 4000
    assert pickle.loads(pickle.dumps(folds)) == folds


def test_working_points_can_be_given_for_all_folds(paths):
    point = dataclasses.replace(HALF, threshold=0.37)
    scorer = scoring.folds(paths, **OWN, working_points=(point,))
    assert scorer.working_points == (point,)
    assert scorer.passes(JETS, "50%").tolist() == (scorer(JETS) >= np.float32(0.37)).tolist()
    assert scorer.passes(scorer(JETS), "50%").tolist() == scorer.passes(JETS, "50%").tolist()


def test_an_error_names_the_jet_by_its_number_among_those_of_all_folds(tmp_path):
    chain = {"representation": ParticleList(), "model": PFN(), "arguments": {}}
    scorer, jets = scoring.folds(fold_bundles(tmp_path, **chain)), toy_jets(30)
    for broken in (4, 17, 29):
        pt = ak.where(np.arange(30) == broken, np.nan, jets.constituents.pt)
        with pytest.raises(ValueError, match=rf"of jet {broken} is nan, must be"):
            scorer(ak.with_field(jets, pt, ("constituents", "pt")))


def test_no_jets_of_a_fold_and_no_jets_at_all(folds):
    assert str(folds(JETS[:0]).type) == "0 * var * float32"
    assert str(folds(ak.flatten(JETS)[:0]).type) == "0 * float32"
    one = JETS[FOLD == 1]
    assert len(ak.flatten(folds(one))) == ak.count(one.pt) > 0


# Ensembles


def mean_of(singles):
    """Slow twin: geometric mean of the probabilities of each jet by class, scaled to a sum of one."""
    parts = [scorer.probabilities(JETS).tolist() for scorer in singles]
    result = []
    for event, jets in enumerate(JETS.pt.tolist()):
        result.append([])
        for jet in range(len(jets)):
            each = [part[event][jet] for part in parts]
            mean = {name: math.prod(p[name] for p in each) ** (1 / len(each)) for name in each[0]}
            result[-1].append({name: value / sum(mean.values()) for name, value in mean.items()})
    return result


def test_an_ensemble_gives_the_geometric_mean(ensemble, singles):
    expected, found = mean_of(singles), ensemble.probabilities(JETS)
    for name in ("qcd", "w", "top"):
        assert_close(found[name], [[jet[name] for jet in event] for event in expected])
    assert ensemble(JETS).tolist() == found.w.tolist()
    assert str(ensemble(JETS).type) == f"{len(JETS)} * var * float64"
    share = ensemble.discriminant(JETS, ("w",), ("top",))
    assert_close(share, [[jet["w"] / (jet["w"] + jet["top"]) for jet in event] for event in expected])


def test_an_ensemble_passes_at_the_mean_threshold(ensemble, singles):
    threshold = (0.4 + 0.45 + 0.5) / 3
    expected = [[jet["w"] >= threshold for jet in event] for event in mean_of(singles)]
    assert ensemble.working_point("50%").threshold == pytest.approx(threshold)
    assert ensemble.working_point("50%").efficiency == pytest.approx(0.7)
    assert ensemble.passes(JETS, "50%").tolist() == expected
    assert ensemble.passes(ensemble(JETS), "50%").tolist() == expected
    assert ensemble.passes(JETS, "50%", scores=ensemble(JETS)).tolist() == expected
    assert 0 < sum(map(sum, expected)) < ak.count(JETS.pt)


def test_working_points_of_an_ensemble_can_be_given(alike, singles):
    point = dataclasses.replace(HALF, name="70%", threshold=0.3, efficiency=0.8, mistag=0.4)
    ensemble = scoring.ensemble(alike, **OWN, working_points=(point,))
    assert ensemble.working_points == (point,)
    assert ensemble.passes(JETS, "70%").tolist() == [[jet["w"] >= 0.3 for jet in event] for event in mean_of(singles)]
    with pytest.raises(ValueError, match=r"= '50%', required: one of .*; nearest: 70%"):
        ensemble.passes(JETS, "50%")


def test_an_ensemble_knows_the_working_points_that_all_have(tmp_path):
    other = dataclasses.replace(HALF, name="70%")
    first = save_toy(tmp_path / "a.cortado", 1, working_points=(HALF, other))
    second = save_toy(tmp_path / "b.cortado", 2, working_points=(other,))
    assert [point.name for point in scoring.ensemble([first, second], **OWN).working_points] == ["70%"]


def test_an_ensemble_weighs_by_its_mean_efficiencies(ensemble, singles):
    """Slow twin: loops over events, jets and variations."""
    into = Weights(len(JETS))
    ensemble.add_weight(into, JETS, working_point="50%", scale_factors=GIVEN)
    scores, threshold = mean_of(singles), 0.45
    for variation, shift in zip(VARIATIONS, (0, 1, -1)):
        expected = np.ones(len(JETS))
        for event, pdg_ids in enumerate(JETS.truth_pdg_id.tolist()):
            for jet, pdg_id in enumerate(pdg_ids):
                value, error = GIVEN["signal" if pdg_id == 24 else "background"]
                efficiency = 0.7 if pdg_id == 24 else HALF.mistag
                factor = value + shift * error
                passes = scores[event][jet]["w"] >= threshold
                expected[event] *= factor if passes else (1 - factor * efficiency) / (1 - efficiency)
        found = into.weight(f"tagger{variation}" if variation else None)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert np.ptp(expected) > 0.01


def test_an_ensemble_weighs_by_its_mean_likelihood_ratio(ensemble, singles):
    """Slow twin: mean and spread of the logarithms, jet by jet."""
    parts = [scorer.probabilities(JETS).tolist() for scorer in singles]
    expected = np.ones((3, len(JETS)))
    for event, jets in enumerate(JETS.pt.tolist()):
        for jet in range(len(jets)):
            each = [part[event][jet] for part in parts]
            logs = [math.log(p["w"] / (p["qcd"] + p["top"]) / 2) for p in each]
            mean, spread = np.mean(logs), np.std(logs, ddof=1)
            expected[:, event] *= np.exp([mean, mean + spread, mean - spread])
    into = Weights(len(JETS))
    ensemble.add_likelihood_ratio(into, JETS, prior=2.0)
    for variation, weight in zip(VARIATIONS, expected):
        found = into.weight(f"likelihood_ratio{variation}" if variation else None)
        np.testing.assert_allclose(found, weight, rtol=1e-4)


def test_an_ensemble_has_all_bundles_and_survives_pickling(ensemble, singles):
    assert len(ensemble.bundles()) == 3
    assert ensemble.bundle().working_points == singles[0].bundle().working_points
    assert pickle.loads(pickle.dumps(ensemble)) == ensemble


def test_an_ensemble_of_no_jets(ensemble):
    assert str(ensemble(JETS[:0]).type) == "0 * var * float64"
    assert str(ensemble.probabilities(ak.flatten(JETS)[:0]).type) == "0 * {qcd: float64, w: float64, top: float64}"


def test_an_ensemble_may_have_canaries_without_constituents(tmp_path):
    jets = toy_jets(3)
    empty = ak.with_field(jets, jets.constituents[:, :0], "constituents")
    paths = [bundle.save(toy_bundle(seed), tmp_path / f"{seed}.cortado", canary=empty) for seed in (1, 2)]
    assert len(scoring.ensemble(paths, **OWN)(jets)) == 3


def test_an_ensemble_of_empty_jets_is_nan(alike):
    jets = toy_jets(4)
    empty = ak.with_field(jets, jets.constituents[:, :0], "constituents")
    scorer = scoring.ensemble(alike, **OWN, without_constituents="nan")
    assert np.isnan(scorer(ak.concatenate([jets, empty]))).tolist() == [False] * 4 + [True] * 4


# Folds of a vertex finder


@pytest.fixture(scope="module")
def finder_paths(tmp_path_factory):
    def save(path, seed, provenance, working_points):
        return save_finder(path, seed=seed, provenance=provenance)

    return fold_bundles(tmp_path_factory.mktemp("finders"), save=save)


TRACKS = jets_of()
TRACK_FOLD = splits.fold(TRACKS.event_key, 3, 11).tolist()


def test_vertices_are_found_by_the_fold_that_did_not_see_the_event(finder_paths):
    folds = scoring.folds(finder_paths, threshold=0.502)
    singles = [cortado.load(path, threshold=0.502) for path in finder_paths]
    assert folds.threshold == 0.502
    for ask in (
        lambda finder: finder(TRACKS),
        lambda finder: finder(TRACKS, skip_unfit=True),
        lambda finder: finder.vertices(TRACKS).tracks,
    ):
        parts = [ask(single).tolist() for single in singles]
        assert ask(folds).tolist() == [parts[fold][jet] for jet, fold in enumerate(TRACK_FOLD)]
        assert len({str(part) for part in parts}) > 1
    parts = [single.probabilities(TRACKS) for single in singles]
    for jet, matrix in enumerate(folds.probabilities(TRACKS)):
        np.testing.assert_allclose(ak.flatten(matrix), ak.flatten(parts[TRACK_FOLD[jet]][jet]), atol=1e-6)


def test_columns_of_a_finder_of_folds(finder_paths):
    folds = scoring.folds(finder_paths, threshold=0.502)
    events = ak.zip({"jets": ak.unflatten(TRACKS, [3, 0, 17, 20])}, depth_limit=1)
    found = vertex_columns(folds, events)
    assert ak.sum(found["jet"].n_vertices) == ak.count(ak.flatten(folds.vertices(TRACKS).mass))
    assert str(folds(TRACKS[:0]).type) == "0 * var * int32"
    assert ak.num(folds(events.jets)).tolist() == [3, 0, 17, 20]


def test_a_finder_of_folds_needs_event_keys(finder_paths):
    with pytest.raises(ValueError, match="scoring by folds needs event_key of the objects, they have pt"):
        scoring.folds(finder_paths)(ak.without_field(TRACKS, "event_key"))


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda path: cortado.load(path, **OWN, working_points=("50%",)), r"'50%' is no WorkingPoint"),
        (
            lambda path: load_toy(path).add_weight(
                Weights(len(JETS)), JETS, working_point="50%", scale_factors={"signal": 0.9}, is_signal=JETS.pt > 0
            ),
            r"scale factor of 'signal' = 0.9, required: \(value, error\), a ScaleFactor or a Correction",
        ),
    ],
)
def test_settings_of_another_kind_are_named(paths, ask, message):
    with pytest.raises(ValueError, match=message):
        ask(paths[0])
