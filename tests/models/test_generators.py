"""Laws that every generator of showers obeys; the generators are the rows `GENERATORS` of cases.py."""

import io
import json

import pytest
import torch
from models.cases import CRITICS, GENERATORS

by_name = pytest.mark.parametrize("case", GENERATORS, ids=[case.name for case in GENERATORS])
LEARNERS = [case for case in GENERATORS if hasattr(case.small(), "loss")]
by_learner = pytest.mark.parametrize("case", LEARNERS, ids=[case.name for case in LEARNERS])


def make(case):
    """A small generator in evaluation, none of its parameters where it started."""
    torch.manual_seed(3)
    model = case.small()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    for seed in range(3):
        model(*seeds(model, 40, seed))
    return model.eval()


def seeds(model, number, seed=0):
    """What showers are made of: energies (n,) [GeV] and noise (n, latent)."""
    generator = torch.Generator().manual_seed(seed)
    energy = 1 + 99 * torch.rand(number, generator=generator)
    return energy, torch.randn(number, model.latent, generator=generator)


def showers(case, number, seed=0):
    """Showers to learn from: energies (n,) [GeV] and features (n, f)."""
    generator = torch.Generator().manual_seed(seed)
    energy = 1 + 99 * torch.rand(number, generator=generator)
    return energy, torch.randn(number, case.features, generator=generator)


def same(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


def reached(model):
    return all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize("case", [*GENERATORS, *CRITICS], ids=lambda case: case.name)
def test_published_number_of_parameters(case):
    assert sum(parameter.numel() for parameter in case.published().parameters()) == case.parameters


@by_name
@pytest.mark.parametrize("number", [0, 1, 300])
def test_any_number_of_showers(case, number):
    model = make(case)
    features = model(*seeds(model, number))
    assert features.shape == (number, case.features)
    assert features.dtype == torch.float32
    assert features.isfinite().all()


@by_name
def test_same_noise_same_showers(case):
    model = make(case)
    assert torch.equal(model(*seeds(model, 9)), model(*seeds(model, 9)))
    assert (model(*seeds(model, 9)) - model(*seeds(model, 9, seed=1))).abs().max() > 1e-3


@by_name
def test_showers_do_not_see_each_other_in_evaluation(case):
    model = make(case)
    energy, noise = seeds(model, 7)
    alone = torch.cat([model(energy[i : i + 1], noise[i : i + 1]) for i in range(7)])
    same(alone, model(energy, noise))


@by_name
def test_another_energy_gives_other_showers(case):
    model = make(case)
    energy, noise = seeds(model, 9)
    difference = (model(energy, noise) - model(0.5 * energy, noise)).abs().amax(1)
    assert (difference > 1e-4).all()


@by_name
def test_inputs_are_not_modified(case):
    model = make(case)
    inputs = seeds(model, 9)
    model(*inputs)
    assert all(torch.equal(one, other) for one, other in zip(inputs, seeds(model, 9)))


@by_name
def test_every_random_number_matters(case):
    model = make(case)
    energy, noise = seeds(model, 1)
    moved = model(energy.expand(model.latent), noise + torch.eye(model.latent))
    assert ((moved - model(energy, noise)).abs().amax(1) > 1e-6).all()


@pytest.mark.parametrize("case", [case for case in GENERATORS if case not in LEARNERS], ids=lambda case: case.name)
def test_gradients_reach_every_parameter(case):
    model = make(case).train()
    model(*seeds(model, 40)).square().sum().backward()
    assert reached(model)


@by_learner
def test_gradients_of_the_loss_reach_every_parameter_in_training(case):
    model = make(case).train()
    model.loss(*showers(case, 40)).mean().backward()
    assert reached(model)


@by_learner
@pytest.mark.parametrize("number", [0, 1, 40])
@pytest.mark.parametrize("training", [False, True])
def test_loss_is_finite_for_each_shower(case, number, training):
    model = make(case).train(training)
    inputs = showers(case, number)
    loss = model.loss(*inputs)
    assert loss.shape == (number,)
    assert loss.isfinite().all()
    assert all(torch.equal(one, other) for one, other in zip(inputs, showers(case, number)))


@by_name
def test_state_dict_round_trip(case):
    model, file = make(case), io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    other = case.small().eval()
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other(*seeds(model, 9)), model(*seeds(model, 9)))


@pytest.mark.parametrize("case", [*GENERATORS, *CRITICS], ids=lambda case: case.name)
def test_arguments_survive_json(case):
    plain = json.loads(json.dumps(case.small.keywords))
    shapes = [
        {key: value.shape for key, value in model.state_dict().items()}
        for model in (case.small(), case.small.func(**plain))
    ]
    assert shapes[0] == shapes[1]


@by_name
def test_noise_of_another_width_is_refused(case):
    model = make(case)
    energy, noise = seeds(model, 4)
    with pytest.raises(
        ValueError, match=rf"{case.small.func.__name__} was made with .*, got noise of shape \(4, {model.latent - 1}\)"
    ):
        model(energy, noise[:, 1:])
