import pytest
import torch
from models.cases import particles

from cortado.models import EFN, PFN


def one_by_one(model, features, mask, weighted):
    """The sum over constituents, as the formula of the paper says it."""
    logits = []
    for jet, real in zip(features, mask):
        latent = torch.zeros(model.head[0].in_features)
        for constituent in jet[real]:
            latent += constituent[0] * model.phi(constituent[1:]) if weighted else model.phi(constituent)
        logits.append(model.head(latent))
    return torch.stack(logits)


@pytest.mark.parametrize("model", [PFN, EFN])
def test_equals_the_sum_one_by_one(model):
    network, (features, mask) = model(), particles([4, 0, 11, 1])
    torch.testing.assert_close(network(features, mask), one_by_one(network, features, mask, model is EFN))


def test_holes_in_the_mask_are_no_constituents():
    network, (features, mask) = PFN(), particles([6, 6])
    mask[0, 2] = False
    compact = torch.cat([features[0, :2], features[0, 3:]]).unsqueeze(0)
    torch.testing.assert_close(network(features, mask)[:1], network(compact, torch.ones(1, 5, dtype=torch.bool)))


def test_energy_flow_is_collinear_and_infrared_safe():
    network, (features, mask) = EFN(), particles([5])
    half = features[:, :1] * torch.tensor([0.5, 1, 1])
    soft = torch.tensor([[[0.0, 0.3, -0.2]]])
    changed = torch.cat([half, half, features[:, 1:], soft], dim=1)
    torch.testing.assert_close(network(changed, torch.ones(1, 7, dtype=torch.bool)), network(features, mask))


def test_weights_start_he_uniform():
    weight = PFN().phi[2].weight
    bound = (6 / 100) ** 0.5
    assert bound * 0.98 < weight.abs().max() <= bound
    assert not PFN().phi[2].bias.any()


@pytest.mark.parametrize("model", [PFN, EFN])
def test_no_per_constituent_layer_is_refused(model):
    with pytest.raises(ValueError, match=f"{model.__name__}: phi must be an integer of at least 1, got 0"):
        model(phi=())


def test_energy_flow_needs_an_angle():
    with pytest.raises(ValueError, match="EFN: features must be at least 2, the energy weight and one angle, got 1"):
        EFN(features=1)
