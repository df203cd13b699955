"""A critic with a penalty on its gradient: closed forms, a slow twin, and what its loss becomes."""

import functools

import numpy as np
import pytest
import torch
from torch import nn

from cortado import metrics
from cortado.models import CaloGANDiscriminator
from cortado.representations.showers import ShowerInputs
from cortado.tasks import Batch, GenerateAgainst

N = 64


class Shifted(nn.Module):
    """Makes what is simulated, the same for all numbers, moved by (3, 4)."""

    latent = 2

    def __init__(self):
        super().__init__()
        self.by = nn.Parameter(torch.tensor([3.0, 4.0]))

    def forward(self, energy, noise):
        return noise + self.by


class Critic(nn.Module):
    """Any function of the features."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def score(self, energy, features):
        return self.function(features)

    def loss(self, energy, features, *, real):
        return self.score(energy, features) * (-1 if real else 1)

    def summary(self, energy, features):
        return features


class Linear(nn.Linear):
    def forward(self, features):
        return super().forward(features).squeeze(1)


def perceptron():
    return nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1), nn.Flatten(0))


def batch(n=N, seed=1, weight=None):
    features = torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))
    return Batch(ShowerInputs(torch.ones(n), features), (), torch.ones(n) if weight is None else weight)


def networks(function):
    return {"model": Shifted(), "critic": Critic(function)}


def task(**changes):
    return GenerateAgainst(critic=functools.partial(Critic), generator_steps=1, **changes)


def first_loss(penalty, function, given):
    torch.manual_seed(4)
    return next(task(penalty=penalty).moves(networks(function), given)).loss


@pytest.mark.parametrize("weights", [(3.0, -4.0), (0.6, 0.8), (0.0, 0.0)])
def test_the_penalty_of_a_linear_critic_is_its_slope_less_one_squared(weights):
    """Beside a Wasserstein loss, the difference of the mean scores."""
    function = Linear(2, 1)
    with torch.no_grad():
        function.weight.copy_(torch.tensor([weights]))
    slope = float(np.hypot(*weights))
    plain, with_penalty = (first_loss(penalty, function, batch()).detach() for penalty in (1e-9, 10.0))
    assert float(with_penalty - plain) == pytest.approx(10 * (slope - 1) ** 2, abs=1e-4)
    torch.manual_seed(4)
    made = torch.randn(N, 2) + torch.tensor([3.0, 4.0])
    expected = (function(made) - function(batch().inputs.features)).mean()
    torch.testing.assert_close(plain, expected, atol=1e-5, rtol=1e-5)


def test_the_penalty_equals_a_loop_over_places_between_pairs():
    """Gradients by differences, at the places that the same random numbers choose."""

    def function(features):
        return features[:, 0].square() / 3 + (features[:, 0] * features[:, 1]).sin()

    found = float((first_loss(1.0, function, batch()) - first_loss(1e-9, function, batch())).detach())
    torch.manual_seed(4)
    noise, part = torch.randn(N, 2), torch.rand(N, 1).double()
    penalties = []
    for one, other, share in zip(batch().inputs.features.double(), noise.double() + torch.tensor([3.0, 4.0]), part):
        place, gradient = one + share * (other - one), []
        for axis in torch.eye(2, dtype=torch.float64) * 1e-5:
            ends = torch.stack([place + axis, place - axis])
            gradient.append(float(function(ends) @ torch.tensor([1.0, -1.0], dtype=torch.float64)) / 2e-5)
        penalties.append((np.hypot(*gradient) - 1) ** 2)
    assert found == pytest.approx(np.mean(penalties), rel=1e-4)


def test_objects_of_no_weight_count_in_the_penalty_alone():
    weight = torch.ones(N)
    weight[::2] = 0
    whole, half = (first_loss(5.0, perceptron_of(3), batch(weight=given)) for given in (None, weight))
    scores = perceptron_of(3)(batch().inputs.features)
    torch.testing.assert_close(half - whole, (scores * (1 - weight)).mean())


def perceptron_of(seed):
    torch.manual_seed(seed)
    return perceptron()


def test_a_critic_learns_the_distance_that_the_generator_is_off():
    """Kantorovich: of functions of slope 1 the best has mean scores that differ by the distance d.

    The penalty P allows for some more: s d - P (s - 1)^2 is greatest for a slope s of 1 + d / 2P.
    """
    both = networks(perceptron_of(1))
    optimiser = torch.optim.Adam(both["critic"].parameters(), lr=5e-3)
    for move in task(penalty=10.0, critic_steps=400).moves(both, batch(512)):
        if move.network == "critic":
            optimiser.zero_grad()
            move.loss.backward()
            optimiser.step()
    given, score = batch(2000, seed=2).inputs.features, both["critic"].function
    with torch.no_grad():
        apart = (score(given) - score(given + both["model"].by)).mean()
    assert float(apart) == pytest.approx(5 * (1 + 5 / 20), rel=0.05)
    move.loss.backward()
    back = both["model"].by.grad / (1 + 5 / 20)  # a step against it brings the generator nearer
    torch.testing.assert_close(back, torch.tensor([0.6, 0.8]), rtol=0, atol=0.1)


@pytest.mark.parametrize("penalty", [0.0, 10.0])
def test_the_critic_sees_what_the_generator_makes_in_training(penalty):
    """Also where batch norms have other running statistics than those of any batch."""

    class Normed(Shifted):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(2)
            self.norm.running_mean.fill_(100.0)

        def forward(self, energy, noise):
            return super().forward(energy, self.norm(noise))

    def function(features):
        greatest.append(float(features.detach().abs().max()))
        return features.sum(1)

    greatest = []
    both = networks(function) | {"model": Normed().train()}
    moves = [move.network for move in task(penalty=penalty, critic_steps=2).moves(both, batch())]
    assert moves == ["critic"] * (2 if penalty else 4) + ["model"]
    assert max(greatest) < 20


def test_the_validation_loss_is_the_mean_wasserstein_distance_of_the_summary():
    """A number that all simulated objects share counts by its own unit."""
    rng = np.random.default_rng(3)
    simulated, made = rng.normal(size=(500, 3)), rng.normal(0.3, 2, (500, 3))
    simulated[:, 2], made[:, 2] = 7, 7.5
    judged = task().judged(torch.from_numpy(np.column_stack([simulated, made, np.full(500, 0.2)])))
    distances = [
        metrics.wasserstein_distance(simulated[:, column], made[:, column]).distance.value for column in (0, 1)
    ]
    assert judged == {"loss": pytest.approx(np.mean([*distances, 0.5])), "critic": pytest.approx(0.2)}


def test_calogans_critic_sums_up_energies_and_hits():
    critic = CaloGANDiscriminator(layers=((1, 2), (1, 1)), filters=(2, 2, 2, 2))
    cells = torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.0, 4.0]])
    expected = torch.tensor([[0.75, 1.0, 2.0], [0.5, 4.0, 1.0]])
    torch.testing.assert_close(critic.summary(torch.tensor([2.0, 8.0]), cells), expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"penalty": -1.0}, "penalty = -1.0, required: 0 or a positive number"),
        ({"penalty": np.nan}, "penalty = nan, required: 0 or a positive number"),
        (
            {"penalty": 10.0, "critic": functools.partial(CaloGANDiscriminator)},
            r"critic = .*CaloGANDiscriminator.*, required: with a penalty a network that has score\(energy, features\)",
        ),
    ],
)
def test_penalties_that_cannot_be(changes, message):
    with pytest.raises(ValueError, match=message):
        GenerateAgainst(**{"critic": functools.partial(Critic)} | changes)
