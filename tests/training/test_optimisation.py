"""Schedule, optimiser, averages."""

import numpy as np
import pytest
import torch

from cortado.training import Recipe
from cortado.training.optimisation import adamw, averaged, learning_rate


def test_one_cycle_is_that_of_particlenet():
    """Of 20 epochs, 8 up from a tenth of the highest rate, 8 down, 4 to 5e-7 (arXiv:1902.08570, sec. IV A)."""
    recipe = Recipe(learning_rate=3e-3)
    rates = [learning_rate(recipe, epoch / 20) for epoch in (0, 4, 8, 12, 16, 20)]
    np.testing.assert_allclose(rates, [3e-4, 1.65e-3, 3e-3, 1.65e-3, 3e-4, 5e-7])


def test_cosine_rises_and_falls_to_zero():
    recipe = Recipe(learning_rate=1.0, schedule="cosine")
    rates = np.array([learning_rate(recipe, x) for x in np.linspace(0, 1, 201)])
    assert 0 < rates[0] < 0.1
    assert 0.99 < rates.max() <= 1
    assert np.all(np.diff(rates[rates.argmax() :]) <= 0)
    assert rates[-1] == pytest.approx(0, abs=1e-12)


def test_constant_is_constant():
    assert {learning_rate(Recipe(schedule="constant"), x) for x in (0.0, 0.3, 1.0)} == {Recipe().learning_rate}


def test_only_matrices_decay():
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))
    optimiser = adamw(model, Recipe(weight_decay=0.1, betas=(0.5, 0.9)))
    groups = {group["weight_decay"]: group["params"] for group in optimiser.param_groups}
    assert all(p.ndim == 2 for p in groups[0.1])
    assert all(p.ndim == 1 for p in groups[0.0])
    assert sum(map(len, groups.values())) == len(list(model.parameters()))
    assert {group["betas"] for group in optimiser.param_groups} == {(0.5, 0.9)}


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
