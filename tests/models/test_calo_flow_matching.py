"""Flow matching: the loss is the published one, what is learned comes out, more steps converge."""

import math

import pytest
import torch

from cortado.models import CaloFlowMatching
from cortado.models.calo_flow_matching import carried
from cortado.models.draws import draws

SMALL = {"layers": (2, 1), "layer_hidden": 16, "hidden": 16, "blocks": 1, "units": 8}
RESPONSE, CELL = 0.5, 0.2  # widths


def showers(n):
    """Two features of layers, the first the response; the first cell follows it, the others have two values."""
    energy = 10 ** (2 * torch.rand(n))
    layers = torch.stack([energy.log10() - 1 + RESPONSE * torch.randn(n), torch.randn(n)], dim=1)
    cells = torch.stack([layers[:, 0], torch.randn(n).sign(), torch.randn(n).sign()], dim=1)
    return energy, torch.cat([layers, cells + CELL * torch.randn(n, 3)], dim=1)


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(0)
    model = CaloFlowMatching(**SMALL)
    optimizer = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=400)
    for _ in range(400):
        optimizer.zero_grad()
        model.loss(*showers(256)).mean().backward()
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


def test_cells_with_two_values_stay_apart(trained):
    cells = made(trained, 10.0)[:, 3:]
    assert ((cells.abs() > 0.4) & (cells.abs() < 1.6)).float().mean() > 0.9
    torch.testing.assert_close(cells.sign().mean(0), torch.zeros(2), rtol=0, atol=0.15)
    assert abs(torch.corrcoef(cells.T)[0, 1]) < 0.15


def test_more_steps_converge(trained):
    features = {}
    for steps in (2, 4, 16, 32):
        model = CaloFlowMatching(**SMALL, steps=steps).eval()
        model.load_state_dict(trained.state_dict())
        features[steps] = made(model, 10.0, 500)
    first, last = ((features[few] - features[many]).abs().mean() for few, many in ((2, 4), (16, 32)))
    assert last < 0.2 * first


def test_midpoint_rule_is_exact_for_a_velocity_that_is_linear_in_time():
    noise = torch.randn(5, 3)
    for steps in (1, 7):
        found = carried(lambda time, place, condition: condition * time, noise, torch.ones(5, 1), steps)
        torch.testing.assert_close(found, noise + 0.5)


@torch.no_grad()
def test_without_networks_noise_is_carried_to_itself():
    """Standard normal features: on straight paths their width shrinks to r(t), and grows again to 1."""
    model = CaloFlowMatching(**SMALL, steps=32)
    for velocity in (model.layer_velocity, model.cell_velocity):
        torch.nn.init.zeros_(velocity.last)
    noise = torch.randn(100, model.latent)
    torch.testing.assert_close(model(torch.ones(100), noise), noise, rtol=1e-3, atol=1e-3)


def slow_loss(model, energy, features, time, noise):
    """Loss of one shower, written out."""
    place, velocity = (1 - time) * noise + time * features, features - noise
    condition, loss = torch.log10(energy / 10).view(1), 0
    for network, part, given in (
        (model.layer_velocity, slice(None, 2), condition),
        (model.cell_velocity, slice(2, None), torch.cat([condition, features[:2]])),
    ):
        found = network(time.view(1, 1), place[part].unsqueeze(0), given.unsqueeze(0))[0]
        loss = loss + sum((found - velocity[part]) ** 2) / len(found)
    return loss


def test_loss_in_evaluation_equals_a_loop_and_depends_on_the_shower_alone(trained):
    torch.manual_seed(1)
    energy, features = showers(40)
    given = draws(features, trained.latent, training=False)
    expected = torch.stack([slow_loss(trained, *one) for one in zip(energy, features, *given)])
    torch.testing.assert_close(trained.loss(energy, features), expected)
    alone = torch.cat([trained.loss(energy[i : i + 1], features[i : i + 1]) for i in range(40)])
    torch.testing.assert_close(alone, expected)


def test_bfloat16_is_close(trained):
    torch.manual_seed(1)
    energy, features = showers(40)
    with torch.autocast("cpu", torch.bfloat16):
        found = trained.loss(energy, features)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, trained.loss(energy, features), rtol=0.05, atol=0.05)


def test_refuses_wrong_sizes():
    with pytest.raises(ValueError, match="CaloFlowMatching: steps must be an integer of at least 1, got 0"):
        CaloFlowMatching(steps=0)
    with pytest.raises(ValueError, match="CaloFlowMatching: layers must be an integer of at least 1, got 0"):
        CaloFlowMatching(layers=())
    model = CaloFlowMatching(**SMALL)
    with pytest.raises(ValueError, match=r"made with 2 features of layers, .* got features of shape \(3, 7\)"):
        model.loss(torch.ones(3), torch.zeros(3, 7))
    with pytest.raises(ValueError, match=r"made with 2 features of layers, .* got noise of shape \(3, 4\)"):
        model(torch.ones(3), torch.zeros(3, 4))
