import torch

from cortado.models.velocity import Velocity


def velocity():
    torch.manual_seed(0)
    return Velocity(4, 2, hidden=8, blocks=2, units=3)


def slow(model, time, place, condition):
    """Velocity of one shower, feature by feature."""
    radius = (time**2 + (1 - time) ** 2) ** 0.5
    phases = time * model.frequencies
    embedded = model.condition(torch.cat([phases.sin(), phases.cos(), condition]))
    common = model.first(torch.cat([place / radius, condition]))
    for block in model.blocks:
        scale, shift = block.scale_and_shift(embedded).chunk(2)
        normal = (common - common.mean()) / (common.var(correction=0) + 1e-5).sqrt()
        common = common + block.last(torch.nn.functional.silu(block.hidden(normal * (1 + scale) + shift)))
    inputs = model.inputs(torch.nn.functional.silu(common)).view(len(place), -1)
    values = []
    for feature, x in enumerate(place / radius):
        units = inputs[feature] + x * model.own[feature] * model.gain(embedded)
        units = torch.nn.functional.silu(model.shared(torch.nn.functional.silu(units)))
        value = units @ model.last[feature] + model.bias[feature]
        values.append(((2 * time - 1) * x + value) / radius)
    return torch.cat(values)


@torch.no_grad()
def test_equals_a_loop_over_showers_and_features():
    model = velocity()
    for parameter in model.parameters():
        parameter += 0.3 * torch.randn_like(parameter)
    time, place, condition = torch.rand(6, 1), torch.randn(6, 4), torch.randn(6, 2)
    expected = torch.stack([slow(model, *one) for one in zip(time, place, condition)])
    torch.testing.assert_close(model(time, place, condition), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_network_has_to_learn_values_of_mean_0_and_width_1_at_all_times():
    model = velocity()
    torch.nn.init.zeros_(model.last)
    for moment in (0.0, 0.2, 0.5, 0.9, 1.0):
        noise, features = torch.randn(2, 20_000, 4)
        place, radius = (1 - moment) * noise + moment * features, (moment**2 + (1 - moment) ** 2) ** 0.5
        velocities = model(torch.full((20_000, 1), moment), place, torch.zeros(20_000, 2))
        left = (features - noise - velocities) * radius
        torch.testing.assert_close(left.mean(0), torch.zeros(4), rtol=0, atol=0.04)
        torch.testing.assert_close(left.std(0), torch.ones(4), rtol=0.03, atol=0)
        assert torch.corrcoef(torch.cat([left, place], dim=1).T)[:4, 4:].abs().max() < 0.04  # nothing linear is left
