"""Perceptron on observables: what its activations are."""

import pytest
import torch

from cortado.models import MLP


@pytest.mark.parametrize(("activation", "is_curved"), [("relu", False), ("gelu", True)])
def test_a_smooth_activation_is_curved_everywhere(activation, is_curved):
    """ReLU networks are linear but at the edges, which a random point does not meet."""
    torch.manual_seed(1)
    model = MLP(features=2, hidden=(16, 16), activation=activation).double()
    point = torch.randn(2, dtype=torch.float64)
    curvature = torch.autograd.functional.hessian(lambda x: model(x[None])[0, 1], point)
    assert bool(curvature.abs().max() > 1e-6) == is_curved


def test_an_unknown_activation_is_refused():
    with pytest.raises(ValueError, match=r"MLP: activation must be relu or gelu, got 'selu'"):
        MLP(features=2, activation="selu")
