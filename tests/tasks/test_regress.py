"""Regression: losses against slow twins, what is learned from known distributions, from file to column."""

import math
from functools import partial

import awkward as ak
import numpy as np
import pytest
import torch

import cortado
from cortado import bundle as bundles
from cortado import metrics
from cortado.models import PFN
from cortado.representations import ParticleList
from cortado.splits import Split
from cortado.tasks import Numbers, Regress
from cortado.tasks.regress import regression_loss
from cortado.training import Objects, Recipe, Study, evaluate, train

QUANTILES = (0.16, 0.5, 0.84)


def slow_loss(outputs, values, loss):
    """The same for one object, target by target."""
    total = 0.0
    for given, true in zip(outputs, values):
        if loss == "huber":
            d = abs(given[0] - true)
            total += d**2 / 2 if d < 1 else d - 0.5
        elif loss == "gaussian":
            width = 1e-3 + math.log1p(math.exp(given[1]))
            total += (true - given[0]) ** 2 / (2 * width**2) + math.log(width)
        else:
            pinball = [q * (true - x) if true > x else (1 - q) * (x - true) for q, x in zip(loss, given)]
            total += sum(pinball) / len(loss)
    return total / len(values)


@pytest.mark.parametrize(("loss", "each"), [("huber", 1), ("gaussian", 2), (QUANTILES, 3)])
def test_losses_equal_slow_ones(loss, each):
    torch.manual_seed(1)
    outputs, values = 2 * torch.randn(9, 2 * each), 2 * torch.randn(9, 2)
    expected = [slow_loss(o.reshape(2, each).tolist(), v.tolist(), loss) for o, v in zip(outputs, values)]
    np.testing.assert_allclose(regression_loss(outputs, values, loss), expected, rtol=1e-5)


def test_the_least_loss_is_where_it_should_be():
    """Of a normal distribution: at its median, at its mean and width, at its quantiles."""
    values = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(2)) * 0.5 + 1
    wanted = {"gaussian": (1.0, math.log(math.expm1(0.499))), QUANTILES: (0.5027, 1.0, 1.4973)}
    for loss, best in wanted.items():
        outputs = torch.tensor(best).expand(len(values), -1)
        least = regression_loss(outputs, values, loss).mean()
        for shift in (-0.05, 0.05):
            for place in range(len(best)):
                moved = outputs.clone()
                moved[:, place] += shift
                assert regression_loss(moved, values, loss).mean() > least


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": {}}, r"targets = {}, required: at least one target"),
        ({"loss": "l2"}, r"loss = 'l2', required: \"huber\", \"gaussian\" or rising quantiles"),
        ({"loss": (0.1, 0.9)}, r"loss = \(0.1, 0.9\), required: .* with the median"),
        ({"loss": (0.5, 0.1)}, r"required: .* rising quantiles"),
        ({"loss": (0.5, 1.0)}, r"quantiles in \(0, 1\)"),
        ({"centre": (1.0, 2.0)}, r"centre = .* required: None or one number for each target"),
        ({"scale": (0.0,)}, r"scale = \(0.0,\), required: positive numbers"),
    ],
)
def test_regressions_that_cannot_be(changes, message):
    with pytest.raises(ValueError, match=message):
        Regress(**{"targets": {"mass": "mass"}} | changes)


def test_centre_and_scale_are_those_of_the_training_objects():
    rng = np.random.default_rng(1)
    objects = ak.Array({"mass": rng.normal(80, 5, 4000), "pt": rng.uniform(400, 600, 4000)})
    weight = rng.uniform(0, 2, 4000)
    task = Regress(targets={"mass": "mass"}, relative_to="pt")
    parts = [task.sums(objects[part], weight[part]) for part in (slice(0, 1000), slice(1000, None))]
    fitted = task.fitted(sum(parts))
    ratio = np.asarray(objects.mass / objects.pt)
    mean = np.average(ratio, weights=weight)
    assert fitted.centre[0] == pytest.approx(mean)
    assert fitted.scale[0] == pytest.approx(np.sqrt(np.average((ratio - mean) ** 2, weights=weight)))
    given = Regress(targets={"mass": "mass"}, centre=(80.0,), scale=(5.0,))
    assert given.fitted(given.sums(objects, weight)) == given


def test_targets_that_teach_nothing_or_are_not_finite_are_refused():
    task = Regress(targets={"mass": "mass"}, relative_to="pt")
    same = ak.Array({"mass": [80.0, 40.0], "pt": [400.0, 200.0]})
    with pytest.raises(ValueError, match=r"mass: the same for all training objects \(0.2\)"):
        task.fitted(task.sums(same, np.ones(2)))
    with pytest.raises(ValueError, match="1 of 2 targets are not finite over pt"):
        task.sums(ak.Array({"mass": [80.0, 40.0], "pt": [400.0, 0.0]}), np.ones(2))


def test_quantiles_that_cross_are_put_in_order():
    use = Numbers(names=("mass",), loss=QUANTILES, centre=(80.0,), scale=(10.0,))
    answers = use.answers(torch.tensor([[1.0, -1.0, 0.0]]), None)
    assert {name: answer.tolist() for name, answer in answers.items()} == {
        "mass_q16": [70.0],
        "mass": [80.0],
        "mass_q84": [90.0],
    }


def test_answers_are_multiplied_by_what_they_are_relative_to():
    use = Numbers(names=("mass",), loss="gaussian", centre=(0.2,), scale=(0.1,), relative_to="pt")
    answers = use.answers(torch.tensor([[1.0, 0.0]]), None)
    columns = use.columns(answers, ak.Array({"pt": [500.0]}))
    width = 500 * 0.1 * (math.log(2) + 1e-3)
    np.testing.assert_allclose([columns["mass"][0], columns["mass_width"][0]], [150, width], rtol=1e-6)


def test_an_ensemble_has_the_mean_and_adds_its_spread_to_the_width():
    use = Numbers(names=("mass",), loss="gaussian", centre=(0.0,), scale=(1.0,))
    members = [ak.Array({"mass": [value], "mass_width": [4.0]}) for value in (7.0, 13.0)]
    together = use.combined(members)
    assert together.mass.to_list() == [10.0]
    assert together.mass_width.to_list() == [5.0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale": ()}, "one name, centre and scale is needed"),
        ({"loss": "l2"}, r"loss = 'l2', required"),
    ],
)
def test_numbers_that_cannot_be(changes, message):
    numbers = {"names": ("mass",), "loss": "huber", "centre": (0.0,), "scale": (1.0,)}
    with pytest.raises(ValueError, match=message):
        Numbers(**numbers | changes).check("one.cortado")


# ---------------------------------------------------------------- from file to column


@pytest.fixture(scope="module", params=["huber", "gaussian", QUANTILES], ids=str)
def trained(request, toy_files, tmp_path_factory):
    """The mass of toy jets from their constituents, learned relative to pT."""
    study = Study(
        name="mass",
        objects=Objects(files=toy_files, split=Split(validation=0.2, test=0.2)),
        representation=ParticleList(max_constituents=60),
        scaling="fit",
        model=partial(PFN, features=3, phi=(32, 32), hidden=(32,)),
        task=Regress(targets={"regressed_mass": "mass"}, loss=request.param, relative_to="pt"),
        recipe=Recipe(epochs=25, batch_size=32, learning_rate=1e-2, workers=0, gradient_clip=1.0),
    )
    return study, train(study, tmp_path_factory.mktemp("mass"), progress=False)


def test_a_mass_is_learned(trained):
    study, result = trained
    judged = evaluate(result.bundle, study, columns=("pt",))
    mass = ak.to_numpy(judged.objects.mass)
    residuals = metrics.residuals(ak.to_numpy(judged.answers.regressed_mass) - mass)
    assert abs(residuals.bias.value) < 4 * residuals.bias.error + 0.02 * mass.mean()
    assert residuals.resolution.value < 0.35 * metrics.residuals(mass - mass.mean()).resolution.value


def test_metrics_of_the_bundle_are_those_of_the_table(trained):
    _, result = trained
    best = min(result.epochs, key=lambda epoch: epoch.validation_loss)
    for name, value in best.merits.items():
        assert result.metrics[name] == pytest.approx(value, rel=1e-3, abs=1e-6)
        assert result.metrics[f"{name}_error"] > 0
    assert "resolution" in str(result)


def test_a_loaded_bundle_gives_the_nesting_of_the_jets(trained):
    study, result = trained
    jets = cortado.read(study.objects.files[0]).jets
    answers = cortado.load(result.bundle)(jets)
    assert ak.all(ak.num(answers.regressed_mass) == ak.num(jets))
    assert bundles.load(result.bundle).use.names == ("regressed_mass",)
    if study.task.loss == QUANTILES:
        assert ak.all(answers.regressed_mass_q16 <= answers.regressed_mass)
    if study.task.loss == "gaussian":
        assert ak.all(answers.regressed_mass_width > 0)
