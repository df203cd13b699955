"""What every task does alike."""

import pytest
import torch

from cortado.training.optimisation import averaged


def after(decay, values):
    """The average after the steps of torch's `AveragedModel`, which begins with the first value as it is."""
    average = torch.tensor(float(values[0]))
    for step, value in enumerate(values[1:], start=1):
        average = averaged(decay, average, torch.tensor(float(value)), torch.tensor(step))
    return average.item()


def test_a_constant_is_its_own_average():
    assert after(0.99, [3.0] * 50) == pytest.approx(3)


def test_the_untrained_weights_are_soon_forgotten():
    """The plain average would still hold 0.9 of them."""
    assert after(0.999, [1] + 100 * [0]) < 1e-6


def test_the_average_of_many_steps_is_exponential():
    values = torch.rand(400, generator=torch.Generator().manual_seed(1)).tolist()
    expected = values[0]
    for value in values[1:]:
        expected = 0.9 * expected + 0.1 * value
    assert after(0.9, values) == pytest.approx(expected, rel=1e-5)


def test_counters_are_not_averaged():
    assert averaged(0.9, torch.tensor(3), torch.tensor(8), torch.tensor(20)).item() == 8
