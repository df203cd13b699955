import math

import pytest
import torch
from zuko.transforms import MonotonicRQSTransform

from cortado.models.splines import SMALLEST, inverse_spline, spline

BOUND = 4.0
BINS = 5


def parameters(n, features, scale=1.0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(2)
    return scale * torch.randn(n, 3 * BINS - 1, features, generator=generator, dtype=dtype)


def values(n, features, scale=2.0, dtype=torch.float64):
    return scale * torch.randn(n, features, generator=torch.Generator().manual_seed(3), dtype=dtype)


def knots(numbers):
    """Knots x, y and slopes of one spline, one after the other."""
    ends = []
    for logits in (numbers[:BINS], numbers[BINS : 2 * BINS]):
        total = sum(math.exp(logit) for logit in logits)
        ends.append([-BOUND])
        for logit in logits:
            share = SMALLEST + (1 - BINS * SMALLEST) * math.exp(logit) / total
            ends[-1].append(ends[-1][-1] + 2 * BOUND * share)
    one = math.log(math.expm1(1 - SMALLEST))
    slopes = [SMALLEST + math.log1p(math.exp(number + one)) for number in numbers[2 * BINS :]]
    return *ends, [1.0, *slopes, 1.0]


def test_agrees_with_zuko():
    given, at = parameters(6, 4), values(6, 4)
    expected = MonotonicRQSTransform(*torch.zeros(3 * BINS - 1).split((BINS, BINS, BINS - 1)), bound=BOUND)
    rows = [[knots(numbers.tolist()) for numbers in one.T] for one in given]
    expected.horizontal, expected.vertical, expected.derivatives = torch.tensor(rows, dtype=torch.float64).movedim(2, 0)
    result, logarithm = spline(at, given, BOUND)
    there, slope = expected.call_and_ladj(at)
    torch.testing.assert_close(result, there)
    torch.testing.assert_close(logarithm, slope)
    torch.testing.assert_close(inverse_spline(at, given, BOUND), expected.inv(at))


def test_goes_through_its_knots_with_their_slopes():
    given = parameters(1, 1)
    x, y, slopes = knots(given.flatten().tolist())
    for k in range(1, BINS):
        at = torch.tensor([[x[k]]], dtype=torch.float64)
        result, logarithm = spline(at, given, BOUND)
        assert result.item() == pytest.approx(y[k])
        assert logarithm.exp().item() == pytest.approx(slopes[k])


def test_parameters_of_0_make_the_identity():
    at = values(50, 3, dtype=torch.float32)
    result, logarithm = spline(at, torch.zeros(50, 3 * BINS - 1, 3), BOUND)
    torch.testing.assert_close(result, at)
    torch.testing.assert_close(logarithm, torch.zeros_like(at), rtol=0, atol=1e-5)


def test_slope_is_the_derivative():
    at = values(200, 3).requires_grad_()
    result, logarithm = spline(at, parameters(200, 3), BOUND)
    (slope,) = torch.autograd.grad(result.sum(), at)
    assert (slope > 0).all()
    torch.testing.assert_close(logarithm, slope.log())


def test_values_beyond_the_bound_stay():
    at = torch.tensor([[-30.0, -BOUND, BOUND, 30.0]])
    given = parameters(1, 4, dtype=torch.float32)
    result, logarithm = spline(at, given, BOUND)
    assert torch.equal(result, at)
    assert torch.equal(logarithm, torch.zeros_like(at))
    assert torch.equal(inverse_spline(at, given, BOUND), at)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-3), (torch.float64, 1e-10)])
def test_inverse_undoes(dtype, tolerance):
    at, given = values(500, 3, dtype=dtype), parameters(500, 3, dtype=dtype)
    torch.testing.assert_close(inverse_spline(spline(at, given, BOUND)[0], given, BOUND), at, rtol=0, atol=tolerance)
    torch.testing.assert_close(spline(inverse_spline(at, given, BOUND), given, BOUND)[0], at, rtol=0, atol=tolerance)


@pytest.mark.parametrize("scale", [1, 10, 1000])
@pytest.mark.parametrize("function", [lambda *given: sum(spline(*given)), inverse_spline], ids=["spline", "inverse"])
def test_wild_parameters_give_finite_values_and_gradients(scale, function):
    at = values(4000, 3, dtype=torch.float32).requires_grad_()
    given = parameters(4000, 3, scale, torch.float32).requires_grad_()
    result = function(at, given, BOUND)
    result.sum().backward()
    assert result.isfinite().all()
    assert at.grad.isfinite().all()
    assert given.grad.isfinite().all()
