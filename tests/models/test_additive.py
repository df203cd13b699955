import numpy as np
import pytest
import torch

from cortado.models import MLP
from cortado.models.additive import Additive


@pytest.fixture
def additive():
    model = Additive(3, 2, 5)
    torch.nn.init.normal_(model.heights.weight, generator=torch.Generator().manual_seed(1))
    return model


def features(n=500):
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(2))


def test_what_one_feature_adds_does_not_depend_on_the_others(additive):
    x, other = features(), features().flip(0)
    with torch.no_grad():
        changed = additive(torch.cat([other[:, :1], x[:, 1:]], dim=1)) - additive(x)
        elsewhere = additive(torch.cat([other[:, :1], 0 * x[:, 1:]], dim=1)) - additive(
            torch.cat([x[:, :1], 0 * x[:, 1:]], dim=1)
        )
    torch.testing.assert_close(changed, elsewhere)


def test_functions_pass_through_their_heights_and_are_linear_between(additive):
    first, second = additive.knots[1:3]
    points = torch.stack([first, 0.25 * first + 0.75 * second, second])
    with torch.no_grad():
        sums = additive(torch.stack([points, torch.zeros(3), torch.zeros(3)], dim=1))
        heights = additive.heights.weight.reshape(2, 3, 5)
    torch.testing.assert_close(sums[2] - sums[0], heights[:, 0, 2] - heights[:, 0, 1])
    torch.testing.assert_close(sums[1], 0.25 * sums[0] + 0.75 * sums[2])


def test_functions_are_constant_beyond_the_outermost_knots(additive):
    ends = torch.tensor([-1.0, 1.0])[:, None].expand(2, 3)
    with torch.no_grad():
        torch.testing.assert_close(additive(100 * ends), additive(additive.knots[-1] * ends))


def test_knots_are_quantiles_of_a_normal_distribution(additive):
    below = (features(100_000)[:, 0, None] < additive.knots).float().mean(dim=0)
    np.testing.assert_allclose(below, [0.1, 0.3, 0.5, 0.7, 0.9], atol=0.01)


def test_logistic_regression_on_knots_closes_one_dimensional_distributions():
    """The weighted sums of all knots agree where the likelihood is largest: its derivatives are their differences."""
    rng = np.random.default_rng(3)
    wanted, made = rng.normal(0.3, 0.9, (4000, 2)), rng.normal(0.0, 1.0, (4000, 2))
    x = torch.tensor(np.concatenate([wanted, made]))
    target = torch.tensor(np.repeat([1.0, 0.0], 4000))
    model = Additive(2, 1, 6).double()
    optimiser = torch.optim.LBFGS(model.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def loss():
        optimiser.zero_grad()
        found = torch.nn.functional.binary_cross_entropy_with_logits(model(x)[:, 0], target)
        found.backward()
        return found

    before = (wanted.mean(axis=0) - made.mean(axis=0)) / np.sqrt(2 / 4000)
    optimiser.step(loss)
    with torch.no_grad():
        weights = model(x[4000:])[:, 0].exp().numpy()
    weighted = np.average(made, axis=0, weights=weights)
    assert np.all(abs(before) > 10)
    assert np.all(abs(wanted.mean(axis=0) - weighted) / np.sqrt(2 / 4000) < 1)


def test_an_untrained_perceptron_is_the_same_with_knots():
    made = []
    for knots in (None, 5):
        torch.manual_seed(4)
        made.append(MLP(features=3, hidden=(8,), knots=knots))
    torch.testing.assert_close(made[0](features()), made[1](features()))


def test_one_knot_is_refused():
    with pytest.raises(ValueError, match=r"Additive: knots - 1 must be an integer of at least 1, got 0"):
        MLP(features=3, knots=1)
