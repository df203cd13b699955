"""Flow matching: the loss is the published one, what is learned comes out, more steps converge."""

import math

import pytest
import torch

from cortado.models import CaloFlowMatching
from cortado.models.calo_flow_matching import carried
from cortado.models.draws import draws

SIZES = {"layer_hidden": 16, "hidden": 16, "blocks": 1, "units": 8, "layer_steps": 8}
SMALL = {"layers": (2, 2), "groups": ((3,), (5,)), **SIZES}
RESPONSE, CELL = 0.5, 0.2  # widths


def showers(n):
    """Two features of layers, the first the response, and four cells.

    The first follows the response, two have two values; the last, which is the second group, follows the second, which
    is the first.
    """
    energy = 10 ** (2 * torch.rand(n))
    layers = torch.stack([energy.log10() - 1 + RESPONSE * torch.randn(n), torch.randn(n)], dim=1)
    core = torch.randn(n).sign() + CELL * torch.randn(n)
    cells = torch.stack([layers[:, 0], torch.randn(n).sign(), core], dim=1) + CELL * torch.randn(n, 3)
    return energy, torch.cat([layers, cells[:, :1], core.unsqueeze(1), cells[:, 1:]], dim=1)


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(0)
    model = CaloFlowMatching(**SMALL)
    optimizer = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=400)
    for _ in range(400):
        optimizer.zero_grad()
        model.loss(*showers(128)).mean().backward()
        optimizer.step()
        schedule.step()
    return model.eval().requires_grad_(False)


def made(model, energy, n=4000):
    noise = torch.randn(n, model.latent, generator=torch.Generator().manual_seed(0))
    return model(torch.full((n,), energy), noise)


@pytest.mark.parametrize("energy", [2.0, 10.0, 50.0])
def test_learns_a_normal_response_that_grows_with_energy(trained, energy):
    response = made(trained, energy)[:, 0]
    assert response.mean().item() == pytest.approx(math.log10(energy) - 1, abs=0.1)
    assert response.std().item() == pytest.approx(RESPONSE, rel=0.15)
    inside = (response - response.mean()).abs() < response.std()
    assert inside.float().mean().item() == pytest.approx(0.683, abs=0.04)


def test_cells_follow_the_layers_of_their_own_shower(trained):
    features = made(trained, 10.0)
    left = features[:, 2] - features[:, 0]
    assert left.mean().item() == pytest.approx(0, abs=0.1)
    assert left.std().item() == pytest.approx(CELL, abs=0.1)


def test_a_group_follows_the_one_before_of_its_own_shower(trained):
    features = made(trained, 10.0)
    left = features[:, 5] - features[:, 3]
    assert left.mean().item() == pytest.approx(0, abs=0.1)
    assert left.std().item() == pytest.approx(CELL, abs=0.1)


def test_cells_with_two_values_stay_apart(trained):
    cells = made(trained, 10.0)[:, 3:5]
    assert ((cells.abs() > 0.4) & (cells.abs() < 1.6)).float().mean() > 0.9
    torch.testing.assert_close(cells.sign().mean(0), torch.zeros(2), rtol=0, atol=0.15)
    assert abs(torch.corrcoef(cells.T)[0, 1]) < 0.15


def test_more_steps_converge(trained):
    features = {}
    for steps in (2, 4, 16, 32):
        model = CaloFlowMatching(**SMALL | {"steps": steps, "layer_steps": steps}).eval()
        model.load_state_dict(trained.state_dict())
        features[steps] = made(model, 10.0, 500)
    first, last = ((features[few] - features[many]).abs().mean() for few, many in ((2, 4), (16, 32)))
    assert last < 0.2 * first


def test_midpoint_rule_is_exact_for_a_velocity_that_is_linear_in_time():
    noise = torch.randn(5, 3)
    for steps in (1, 7):
        end = carried(lambda time, place, condition: condition * time, noise, torch.ones(5, 1), steps)
        torch.testing.assert_close(end, noise + 0.5)


@torch.no_grad()
def test_without_networks_noise_is_carried_to_itself():
    """Standard normal features: on straight paths their width shrinks to r(t), and grows again to 1."""
    model = CaloFlowMatching(**SMALL | {"steps": 32, "layer_steps": 32})
    for velocity in (model.layer_velocity, *model.group_velocities, model.cell_velocity):
        torch.nn.init.zeros_(velocity.last)
    noise = torch.randn(100, model.latent)
    torch.testing.assert_close(model(torch.ones(100), noise), noise, rtol=1e-3, atol=1e-3)


def flows(model, energy, features):
    """Each network, with its features and those that it is given."""
    layers, first, second, cells = features[:, :2], features[:, 3:4], features[:, 5:], features[:, [2, 4]]
    energy = torch.log10(energy / 10).unsqueeze(1)
    return [
        (model.layer_velocity, layers, energy),
        (model.group_velocities[0], first, torch.cat([energy, layers], dim=1)),
        (model.group_velocities[1], second, torch.cat([energy, layers, first], dim=1)),
        (model.cell_velocity, cells, torch.cat([energy, layers, first, second], dim=1)),
    ]


def slow_error(network, features, given, time, noise):
    """Of one shower at one point, written out."""
    place = (1 - time) * noise + time * features
    velocity = network(time.view(1, 1), place.unsqueeze(0), given.unsqueeze(0))[0]
    return sum((one - other) ** 2 for one, other in zip(velocity, features - noise)) / len(features)


def test_loss_in_evaluation_equals_a_loop_and_depends_on_the_shower_alone(trained):
    torch.manual_seed(1)
    energy, features = showers(40)
    expected = torch.zeros(40)
    for network, its, given in flows(trained, energy, features):
        each = zip(its, given, *draws(its, its.shape[1], training=False))
        expected += torch.stack([slow_error(network, *one) for one in each])
    torch.testing.assert_close(trained.loss(energy, features), expected)
    alone = torch.cat([trained.loss(energy[i : i + 1], features[i : i + 1]) for i in range(40)])
    torch.testing.assert_close(alone, expected)


def test_in_training_layers_and_groups_learn_from_several_points_of_each_path(trained):
    model = CaloFlowMatching(**SMALL, layer_draws=3)
    model.load_state_dict(trained.state_dict())
    torch.manual_seed(1)
    energy, features = showers(40)
    torch.manual_seed(2)
    loss = model.loss(energy, features)
    torch.manual_seed(2)
    expected = torch.zeros(40)
    for (network, its, given), number in zip(flows(model, energy, features), (3, 3, 3, 1)):
        time, noise = draws(its.repeat(number, 1), its.shape[1], training=True)
        for point in range(number):
            part = slice(40 * point, 40 * (point + 1))
            each = zip(its, given, time[part], noise[part])
            expected += torch.stack([slow_error(network, *one) for one in each]) / number
    torch.testing.assert_close(loss, expected)


def test_bfloat16_is_close(trained):
    torch.manual_seed(1)
    energy, features = showers(40)
    with torch.autocast("cpu", torch.bfloat16):
        loss = trained.loss(energy, features)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, trained.loss(energy, features), rtol=0.05, atol=0.05)


def test_refuses_wrong_sizes():
    with pytest.raises(ValueError, match="CaloFlowMatching: steps must be an integer of at least 1, got 0"):
        CaloFlowMatching(steps=0)
    with pytest.raises(ValueError, match="CaloFlowMatching: layers must be an integer of at least 1, got 0"):
        CaloFlowMatching(layers=())
    for groups in (((1, 3),), ((3,), (3,)), ((6,),), ((2, 3), (4, 5)), ((3,), ())):
        with pytest.raises(ValueError, match=r"groups must have some of the features of cells, .* of 2 to 5"):
            CaloFlowMatching(**SMALL | {"groups": groups})
    model = CaloFlowMatching(**SMALL)
    with pytest.raises(ValueError, match=r"made with 2 features of layers, .* got features of shape \(3, 7\)"):
        model.loss(torch.ones(3), torch.zeros(3, 7))
    with pytest.raises(ValueError, match=r"made with 2 features of layers, .* got noise of shape \(3, 4\)"):
        model(torch.ones(3), torch.zeros(3, 4))
