import itertools

import torch

from cortado.models import MLP
from cortado.models.piecewise_linear import PiecewiseLinear


def encoding(features=3, bins=7, units=2):
    torch.manual_seed(0)
    model = PiecewiseLinear(features, bins, units).double()
    torch.nn.init.normal_(model.bias)
    return model


def slow(model, value, feature):
    """Units of one feature: the slopes of all intervals below the value, and of a part of the one that has it."""
    edges = [-3.5 + k * 7 / model.slopes.shape[1] for k in range(model.slopes.shape[1] + 1)]
    units = model.bias[feature].clone()
    for slope, (low, high) in zip(model.slopes[feature], itertools.pairwise(edges)):
        units = units + slope * (min(max(value, low), high) - low) / (high - low)
    return torch.relu(units)


@torch.no_grad()
def test_equals_a_loop_over_features_and_intervals():
    model, values = encoding(), 2 * torch.randn(20, 3, dtype=torch.float64)
    for row, encoded in zip(values, model(values)):
        expected = torch.cat([row, *(slow(model, float(value), feature) for feature, value in enumerate(row))])
        torch.testing.assert_close(encoded, expected)


@torch.no_grad()
def test_units_are_constant_beyond_the_ends_but_the_feature_goes_on():
    encoded = encoding()(torch.tensor([[3.5], [4.0], [9.0]], dtype=torch.float64) * torch.ones(3))
    torch.testing.assert_close(encoded[1:, 3:], encoded[:1, 3:].expand(2, -1))
    assert encoded[:, 0].tolist() == [3.5, 4.0, 9.0]


def test_a_narrow_region_is_learned_and_the_rest_left_alone():
    """A hundredth of a normal distribution, near its middle, holds one class alone; else both are as frequent."""

    def left_to_learn(bins):
        torch.manual_seed(1)
        values = torch.randn(4000, 1)
        inside = (values[:, 0] - 0.6).abs() < 0.06
        target = torch.where(inside, 1, torch.arange(4000) % 2)
        model = MLP(features=1, hidden=(16,), bins=bins)
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        for _ in range(150):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(values), target).backward()
            optimizer.step()
        with torch.no_grad():
            probability = model(values).softmax(1)[:, 1]
        return 1 - probability[inside].mean(), (probability[~inside] - 0.5).abs().mean()

    (encoded, elsewhere), (plain, _) = left_to_learn(56), left_to_learn(None)
    assert encoded < 0.25 < 0.4 < plain
    assert elsewhere < 0.05
