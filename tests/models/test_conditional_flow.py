"""Laws of the flow of zuko as it stands in cortado: a density, and its samples."""

import sys

import pytest
import torch

from cortado.models import ConditionalFlow

pytest.importorskip("zuko")
KINDS = pytest.mark.parametrize("kind", ["affine", "spline"])


def flow(kind, **arguments):
    torch.manual_seed(2)
    small = {"features": 2, "transforms": 3, "hidden": (16,), "kind": kind}
    made = ConditionalFlow(**(small | arguments))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made.double().eval()


@KINDS
def test_the_density_of_two_features_integrates_to_one_under_every_condition(kind):
    made = flow(kind)
    axis = torch.linspace(-12, 12, 241, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    for condition in (-0.7, 0.9):
        with torch.no_grad():
            log = made(grid, torch.full((len(grid), 1), condition, dtype=torch.float64), torch.zeros(len(grid)))
        assert float(log.exp().sum()) * (24 / 240) ** 2 == pytest.approx(1, abs=2e-3)


@KINDS
def test_samples_have_the_density_of_their_noise_over_the_derivative(kind):
    """log p(x) = log N(z) - log |dx/dz|, the derivative by automatic differentiation of `sample`."""
    made = flow(kind)
    noise = torch.randn(20, 2, dtype=torch.float64)
    condition = torch.linspace(-1, 1, 20, dtype=torch.float64).unsqueeze(1)

    def each(z, c):
        return made.flow.transform(c).inv(z)

    jacobians = torch.stack([torch.func.jacrev(each)(z, c) for z, c in zip(noise, condition)])
    normal = torch.distributions.Normal(0, 1).log_prob(noise).sum(dim=1)
    expected = normal - jacobians.det().abs().log()
    features = made.sample(condition, noise)
    torch.testing.assert_close(made(features, condition, torch.zeros(20)), expected, rtol=1e-5, atol=1e-4)


@KINDS
def test_the_jacobian_of_the_representation_is_added(kind):
    made = flow(kind)
    features, condition, more = torch.randn(5, 2).double(), torch.zeros(5, 1).double(), torch.arange(5.0)
    torch.testing.assert_close(
        made(features, condition, more) - made(features, condition, 0 * more), more.double(), atol=1e-9, rtol=0
    )


def test_the_default_has_the_sizes_of_cathode():
    """15 MADE blocks of one hidden layer of 128 units: with 5 inputs (4 and the mass) and 8 outputs."""
    made = ConditionalFlow(features=4)
    assert sum(p.numel() for p in made.parameters()) == 15 * (5 * 128 + 128 + 128 * 8 + 8)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"kind": "cubic"}, "kind = 'cubic', required: 'affine' or 'spline'"),
        ({"transforms": 0}, "transforms must be an integer of at least 1"),
        ({"hidden": (0,)}, r"hidden\[0\] must be"),
        ({"conditions": 0}, "conditions must be"),
        ({"bins": 0}, "bins must be"),
    ],
)
def test_senseless_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ConditionalFlow(features=2, **arguments)


def test_other_widths_are_refused():
    with pytest.raises(ValueError, match="was made with features=2"):
        flow("affine")(torch.zeros(1, 3), torch.zeros(1, 1), torch.zeros(1))
    with pytest.raises(ValueError, match="was made with features=2"):
        flow("affine").sample(torch.zeros(1, 1), torch.zeros(1, 3))


def test_without_zuko_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "zuko", None)
    with pytest.raises(ImportError, match="ConditionalFlow needs zuko, of the extra `flows`: pip install"):
        ConditionalFlow(features=2)
