import pytest
import torch

from cortado.models.autoregressive import AutoregressiveFlow, MaskedNetwork
from cortado.models.splines import inverse_spline, spline


def flow(groups=(4, 3), condition=2, dtype=torch.float64, strength=2.0, **arguments):
    """A small flow in evaluation that is far from the identity."""
    torch.manual_seed(1)
    made = AutoregressiveFlow(
        groups, condition, **{"blocks": 3, "hidden": (9, 8), "bins": 4, "bound": 3.0, **arguments}
    )
    for block in made.blocks:
        block.last.weight.data *= strength
    return made.eval().to(dtype)


def inputs(n, features=7, condition=2, dtype=torch.float64):
    generator = torch.Generator().manual_seed(5)
    draw = [torch.randn(n, width, generator=generator, dtype=dtype) for width in (features, condition)]
    return draw[0], draw[1]


@pytest.mark.parametrize("hidden", [(3,), (4, 4), (12, 10), (50, 20, 30)], ids=str)
def test_outputs_see_all_features_before_them_and_no_others(hidden):
    torch.manual_seed(0)
    network = MaskedNetwork(6, 2, hidden, 5, 0.0).double()
    for layer in network.hidden:
        layer.bias.data += 5.0  # no unit is off
    features, condition = inputs(1, 6)
    seen, conditions = torch.autograd.functional.jacobian(
        lambda *given: network(*given).abs().sum((0, 1)), (features, condition)
    )
    sees = seen[:, 0] != 0  # (output, feature)
    assert not sees.triu().any()
    spacing = -(-6 // min(hidden))
    assert all(sees[i, : max(i - spacing + 1, 0)].all() for i in range(6))
    assert (conditions[:, 0] != 0).all()


def test_few_hidden_units_ignore_only_the_last_features():
    network = MaskedNetwork(60, 1, (20, 20), 2, 0.0)
    features, condition = inputs(1, 60, 1, torch.float32)
    seen = torch.autograd.functional.jacobian(lambda given: network(given, condition).abs().sum((0, 1)), features)
    assert (seen[-1, 0, 20:55] != 0).any()


@pytest.mark.parametrize("groups", [(7,), (4, 3), (1, 1, 5)], ids=str)
def test_inverts_what_it_maps(groups):
    made, (features, condition) = flow(groups, blocks=8), inputs(50)
    noise, _ = made(features, condition)
    assert (noise - features).abs().max() > 0.5
    torch.testing.assert_close(made.invert(noise, condition), features)


def test_inverse_agrees_with_the_slow_one():
    made, (noise, condition) = flow(), inputs(20)
    expected = noise
    for block, order in zip(reversed(made.blocks), made.orders.flip(0)):
        target, values = expected[:, order], torch.zeros_like(noise)
        for _ in range(noise.shape[1]):
            values = inverse_spline(target, block(values, condition), made.bound)
        expected = torch.empty_like(noise)
        expected[:, order] = values
    torch.testing.assert_close(made.invert(noise, condition), expected)


def test_determinant_is_that_of_the_jacobian():
    made, (features, condition) = flow(), inputs(5)
    _, logarithm = made(features, condition)
    for i in range(5):
        jacobian = torch.autograd.functional.jacobian(
            lambda given, i=i: made(given.unsqueeze(0), condition[i : i + 1])[0].squeeze(0), features[i]
        )
        assert torch.linalg.slogdet(jacobian).logabsdet.item() == pytest.approx(logarithm[i].item())


@pytest.mark.parametrize("condition", [-1.0, 2.0])
def test_density_of_one_feature_integrates_to_1(condition):
    made = flow((1,), 1)
    grid = torch.linspace(-12, 12, 20_001, dtype=torch.float64).unsqueeze(1)
    density = made.log_density(grid, torch.full_like(grid, condition)).exp()
    assert torch.trapezoid(density, grid[:, 0]).item() == pytest.approx(1, abs=1e-3)


def test_density_of_two_features_integrates_to_1_and_depends_on_the_condition():
    made, line = flow((2,), 1, strength=1.0), torch.linspace(-7, 7, 251, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)
    densities = [made.log_density(grid, torch.full_like(grid[:, :1], c)).exp().view(251, 251) for c in (-1.0, 1.0)]
    for density in densities:
        assert torch.trapezoid(torch.trapezoid(density, line), line).item() == pytest.approx(1, abs=3e-3)
    assert (densities[0] - densities[1]).abs().max() > 0.01


def test_quick_steps_are_undone_by_splines_of_their_parameters():
    made, (noise, condition) = flow(), inputs(20)
    after = noise
    for (parameters, values), order in zip(made.quick_steps(noise, condition), made.orders.flip(0)):
        torch.testing.assert_close(spline(values[:, order], parameters, made.bound)[0], after[:, order])
        after = values
    assert not torch.allclose(after, made.invert(noise, condition))


def test_quick_steps_take_one_direction_only():
    made, (noise, condition) = flow(blocks=1), inputs(1)
    jacobian = torch.autograd.functional.jacobian(lambda z: next(made.quick_steps(z, condition))[1], noise)[0, :, 0]
    assert not jacobian.triu(1).any()
    assert (jacobian.diagonal() > 0).all()


def test_orders_are_reversed_or_drawn_within_groups():
    orders = flow((40, 30), blocks=5).orders
    for order in orders:
        assert torch.equal(order[:40].sort().values, torch.arange(40))
        assert torch.equal(order[40:].sort().values, torch.arange(40, 70))
    assert torch.equal(orders[0], torch.arange(70))
    for first, reversed_first in ((0, 1), (2, 3)):
        assert torch.equal(orders[reversed_first, :40], orders[first, :40].flip(0))
    assert len({tuple(order.tolist()) for order in orders}) == 5


def test_orders_follow_from_the_seed_and_travel_with_the_weights():
    one, same, other = (flow((40,), seed=seed, blocks=4) for seed in (1, 1, 2))
    assert torch.equal(one.orders, same.orders)
    assert not torch.equal(one.orders, other.orders)
    other.load_state_dict(one.state_dict())
    features, condition = inputs(4, 40)
    torch.testing.assert_close(other(features, condition), one(features, condition))


def test_dropout_acts_in_training_only():
    made, (features, condition) = flow(dropout=0.5), inputs(4)
    assert torch.equal(made(features, condition)[0], made(features, condition)[0])
    made.train()
    assert not torch.equal(made(features, condition)[0], made(features, condition)[0])
