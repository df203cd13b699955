"""Contributions to a score: they add up to it, whatever the order, the batches and the padding."""

import dataclasses
import subprocess
import sys
import warnings
from functools import partial

import awkward as ak
import numpy as np
import pytest
import sklearn.ensemble
import torch
from toy_taggers import OWN, QCD_OR_W, Linear, fold_bundles, load_toy, save_toy
from toys import toy_event_jets, toy_jets

import cortado
from cortado import models, scoring
from cortado.representations import Columns, HighLevel, JetImage, ParticleList, PointCloud
from cortado.scaling import fit
from cortado.scoring import contributions
from cortado.tasks import Anomaly, Classes, Numbers, Reconstructed

THREE = Classes(classes=("qcd", "w", "top"), signal="w")
LIST = ParticleList(max_constituents=40)


def scaling_of(representation):
    return fit([representation(toy_jets(200, seed=9))], representation.features)


def chain(representation, network, use, *, scaled=True, **arguments):
    torch.manual_seed(4)
    return {
        "representation": representation,
        "scaling": scaling_of(representation) if scaled else None,
        "model": network(**arguments).eval(),
        "arguments": arguments,
        "use": use,
        "working_points": (),
    }


PFN = partial(chain, LIST, models.PFN, features=3, phi=(8, 8), hidden=(8,))
CASES = {
    "particles": lambda: PFN(QCD_OR_W),
    "three classes": lambda: PFN(THREE, classes=3),
    # One edge convolution: neighbours are those of the points, which stay; those of its features would jump.
    "cloud": lambda: chain(PointCloud(), models.ParticleNet, QCD_OR_W, features=7, k=5, edge_convs=((8, 8),), hidden=8),
    "image": lambda: chain(JetImage(), models.JetImageCNN, QCD_OR_W, scaled=False, pixels=25, filters=4, hidden=8),
    "features": lambda: chain(Columns(features=("pt", "mass")), models.MLP, QCD_OR_W, features=2, hidden=(8,)),
    "set": lambda: chain(LIST, models.SetAutoencoder, Reconstructed(loss="chamfer", particles=24), features=3),
    "pixels": lambda: chain(
        JetImage(pixels=20), models.DenseImageAutoencoder, Reconstructed(), scaled=False, pixels=20, hidden=(30,)
    ),
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    folder, kept = tmp_path_factory.mktemp("explained"), {}

    def load(name):
        if name not in kept:
            path = save_toy(folder / f"{name}.cortado", **CASES[name]())
            kept[name] = cortado.load(path)
        return kept[name]

    return load


def with_settings(scorer, **settings):
    if isinstance(scorer, scoring.Predictor):
        return dataclasses.replace(scorer, **settings)
    return dataclasses.replace(scorer, predictor=dataclasses.replace(scorer.predictor, **settings))


def total(shares):
    while shares.ndim > 1:
        shares = ak.sum(shares, axis=-1)
    return ak.to_numpy(shares)


@pytest.mark.parametrize("mean", [False, True], ids=["from zero", "from the mean"])
@pytest.mark.parametrize("name", CASES)
def test_contributions_add_up_to_the_score(loaded, name, mean):
    jets = toy_jets(12, seed=5, max_constituents=60)
    baseline = toy_jets(20, seed=6) if mean else None
    steps = 256 if name == "image" else 96  # on whose way most maxima change their pixel
    found = contributions(loaded(name), jets, steps=steps, baseline=baseline)
    size = total(abs(found.contribution))
    np.testing.assert_array_less(abs(total(found.contribution) - (found.score - found.baseline)), 0.02 * size + 1e-6)
    assert np.all(size > 0)


def test_the_score_is_the_log_odds_of_the_signal_or_the_anomaly(loaded):
    jets = toy_jets(10, seed=5)
    for name in ("particles", "three classes"):
        score = ak.to_numpy(loaded(name)(jets)).astype(float)
        expected = np.log(score / (1 - score))
        np.testing.assert_allclose(contributions(loaded(name), jets, steps=64).score, expected, atol=1e-4)
    np.testing.assert_allclose(contributions(loaded("set"), jets, steps=64).score, loaded("set")(jets).anomaly)


def test_a_linear_network_has_its_weights_times_the_numbers(tmp_path):
    arguments = {"features": 2}
    model = Linear(**arguments)
    columns = Columns(features=("pt", "mass"))
    path = save_toy(tmp_path / "linear.cortado", representation=columns, model=model, arguments=arguments)
    jets, others = toy_jets(9, seed=2), toy_jets(30, seed=3)
    slope = (model.layer.weight[1] - model.layer.weight[0]).detach().numpy()
    numbers, mean = columns(jets).features, columns(others).features.mean(axis=0)
    for baseline, away in ((None, numbers), (others, numbers - mean)):
        found = contributions(load_toy(path), jets, baseline=baseline, steps=3)
        np.testing.assert_allclose(ak.to_numpy(found.contribution), away * slope, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", ["particles", "cloud", "set"])
def test_constituents_keep_their_contribution_wherever_they_stand(loaded, name):
    jets = toy_jets(12, seed=7, max_constituents=60)
    rng = np.random.default_rng(1)
    order = ak.argsort(ak.unflatten(rng.random(ak.sum(ak.num(jets.constituents))), ak.num(jets.constituents)))
    shuffled = ak.with_field(jets, jets.constituents[order], "constituents")
    before, after = (contributions(loaded(name), each).contribution for each in (jets, shuffled))
    assert ak.all(ak.num(before) == ak.num(jets.constituents))
    np.testing.assert_allclose(ak.flatten(after), ak.flatten(before[order]), rtol=1e-3, atol=1e-4)
    assert np.std(ak.flatten(before)) > 1e-3


def test_what_is_cut_off_contributes_nothing(tmp_path):
    """The softest beyond the tenth are not shown to the network."""
    short = chain(ParticleList(max_constituents=10), models.PFN, QCD_OR_W, features=3, phi=(8,), hidden=(8,))
    scorer = cortado.load(save_toy(tmp_path / "short.cortado", **short))
    jets = toy_jets(12, seed=7, min_constituents=20, max_constituents=40)
    shares = contributions(scorer, jets).contribution
    rank = ak.argsort(ak.argsort(-jets.constituents.pt))
    assert ak.all(shares[rank >= 10] == 0, axis=None)
    assert ak.all(shares[rank < 10] != 0, axis=None)


@pytest.mark.parametrize("mean", [False, True], ids=["from zero", "from the mean"])
@pytest.mark.parametrize("name", ["particles", "cloud", "set"])
def test_padding_has_exactly_nothing(loaded, monkeypatch, name, mean):
    seen, room = [], sys.modules["cortado.scoring.contributions"]
    nested = room._nested
    monkeypatch.setattr(room, "_nested", lambda *given: seen.append(given) or nested(*given))
    jets = toy_jets(12, seed=7, max_constituents=30)
    contributions(loaded(name), jets, baseline=jets if mean else None)
    ((bundle, objects, shares),) = seen
    mask = bundle.prepare(objects).mask
    assert not mask.all()
    assert np.all(shares[~mask] == 0)
    assert np.all(np.isfinite(shares))


@pytest.mark.parametrize("name", ["particles", "image", "set"])
def test_batches_and_padding_do_not_matter(loaded, name):
    jets = toy_jets(7, seed=5)
    whole = contributions(loaded(name), jets, steps=32)
    for batch_size in (1, 4):
        parts = contributions(with_settings(loaded(name), batch_size=batch_size), jets, steps=32)
        flat = [ak.to_numpy(ak.flatten(each.contribution, axis=None)) for each in (parts, whole)]
        np.testing.assert_allclose(*flat, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(parts.score, whole.score, rtol=1e-5, atol=1e-5)


def test_the_nesting_is_that_of_the_jets(loaded):
    events = toy_event_jets(12, seed=3)
    found = contributions(loaded("particles"), events)
    assert ak.all(ak.num(found.contribution, axis=2) == ak.num(events.constituents, axis=2), axis=None)
    flat = contributions(loaded("particles"), ak.flatten(events))
    np.testing.assert_allclose(ak.flatten(found.score), flat.score)
    first = contributions(loaded("particles"), ak.firsts(events))
    assert ak.all(ak.is_none(first) == (ak.num(events) == 0))


@pytest.mark.parametrize("name", ["particles", "image"])
def test_no_jets_have_no_contributions(loaded, name):
    found = contributions(loaded(name), toy_jets(3)[:0])
    assert len(found) == 0
    assert found.fields == ["contribution", "score", "baseline"]


def test_jets_without_constituents(loaded):
    jets = toy_jets(20, seed=3, min_constituents=0, max_constituents=3)
    empty = ak.to_numpy(ak.num(jets.constituents) == 0)
    assert 0 < empty.sum() < 20
    with pytest.raises(ValueError, match=f"{empty.sum()} of 20 jets have no constituents"):
        contributions(loaded("particles"), jets)
    found = contributions(with_settings(loaded("particles"), without_constituents="nan"), jets)
    np.testing.assert_array_equal(np.isnan(ak.to_numpy(found.score)), empty)
    assert ak.all(ak.num(found.contribution) == ak.num(jets.constituents))


def test_inputs_and_bundle_are_left_as_they_are(loaded):
    jets = toy_jets(8, seed=4)
    before, score = ak.to_list(jets), ak.to_list(loaded("particles")(jets))
    contributions(loaded("particles"), jets, baseline=jets)
    assert ak.to_list(jets) == before
    assert ak.to_list(loaded("particles")(jets)) == score
    assert all(each.grad is None for each in loaded("particles").predictor.loaded().network.parameters())


def test_steps_of_a_real_tagger(request):
    """The published size, trained: ReLUs of seven layers, whose bends lie anywhere on the line."""
    scorer = cortado.load(request.config.rootpath / "analyses" / "top_tagging" / "bundles" / "pfn.cortado")
    jets = toy_jets(12, seed=3, max_constituents=150)
    message = r"of 12 objects miss score - baseline by more than 2% of their absolute sum.* steps = 2, take more"
    with pytest.warns(UserWarning, match=message):
        contributions(scorer, jets, steps=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        contributions(scorer, jets, steps=128)
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        contributions(scorer, jets, steps=0)


def test_trees_have_no_gradients(tmp_path):
    representation = HighLevel(features=("mass", "multiplicity"))
    forest = sklearn.ensemble.IsolationForest(n_estimators=3, random_state=1)
    forest.fit(representation(toy_jets(50)).features)
    model = models.IsolationForest.of(forest)
    about = {"representation": representation, "model": model, "arguments": model.arguments, "use": Anomaly()}
    path = save_toy(tmp_path / "forest.cortado", working_points=(), **about)
    with pytest.raises(ValueError, match="IsolationForest was fitted as IsolationForest and has no gradients"):
        contributions(cortado.load(path), toy_jets(3))


def test_what_cannot_be_explained_is_refused(tmp_path, loaded):
    folds = scoring.folds(fold_bundles(tmp_path, is_fold=True), **OWN)
    with pytest.raises(ValueError, match="SeveralPredictors: contributions are those of one bundle"):
        contributions(folds, toy_jets(3))
    with pytest.raises(
        ValueError, match=r"Prongs gives features, mask; contributions are of particles of ParticleList"
    ):
        contributions(load_toy(save_toy(tmp_path / "own.cortado")), toy_jets(3))
    use = Numbers(names=("a", "b"), centre=(0.0, 0.0), scale=(1.0, 1.0), loss="huber")
    numbers = save_toy(tmp_path / "numbers.cortado", **PFN(use))
    with pytest.raises(ValueError, match="no contributions to Numbers, only to Classes, Reconstructed"):
        contributions(cortado.load(numbers), toy_jets(3))
    with pytest.raises(ValueError, match="baseline: no objects or no constituents, required: at least one"):
        contributions(loaded("particles"), toy_jets(3), baseline=toy_jets(3)[:0])


def test_without_the_extra_the_error_says_how_to_install_it(loaded, monkeypatch):
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(ImportError, match="needs captum, of the extra `explain`: pip install"):
        contributions(loaded("particles"), toy_jets(3))


def test_captum_is_not_imported_before_it_is_needed():
    code = "import cortado.scoring, sys; print('captum' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
