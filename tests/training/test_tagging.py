"""Schedule, loss and optimiser."""

import numpy as np
import pytest
import torch

from cortado.training import Recipe
from cortado.training.loading import Batch
from cortado.training.optimisation import learning_rate
from cortado.training.tagging import Tagging


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


def tagging(**recipe):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))
    return Tagging(model, Recipe(**recipe), signal=1, jets=8)


def test_only_matrices_decay():
    module = tagging(weight_decay=0.1)
    groups = {group["weight_decay"]: group["params"] for group in module.configure_optimizers().param_groups}
    assert all(p.ndim == 2 for p in groups[0.1])
    assert all(p.ndim == 1 for p in groups[0.0])
    assert sum(map(len, groups.values())) == len(list(module.parameters()))


def test_a_weight_of_two_counts_a_jet_twice(monkeypatch):
    module = tagging().eval()
    monkeypatch.setattr(module, "log", lambda *args, **kwargs: None)
    x, target = torch.randn(4, 3), torch.tensor([0, 1, 1, 0])
    once = Batch((x,), target, torch.tensor([2.0, 1.0, 1.0, 1.0]))
    twice = Batch((torch.cat([x, x[:1]]),), torch.cat([target, target[:1]]), torch.ones(5))
    assert module.training_step(once, 0).item() * 4 == pytest.approx(module.training_step(twice, 0).item() * 5)


def test_validation_equals_a_slow_count(monkeypatch):
    """Weighted loss, AUC and rejection over batches of different sizes."""
    module, logged = tagging().eval(), {}
    monkeypatch.setattr(module, "log_dict", logged.update)
    x, target, weight = torch.randn(300, 3), torch.randint(0, 2, (300,)), torch.rand(300)
    with torch.inference_mode():
        for part in (slice(0, 1), slice(1, 130), slice(130, 300)):
            module.validation_step(Batch((x[part],), target[part], weight[part]), 0)
        module.on_validation_epoch_end()
        p = module.model(x).softmax(dim=1).double().numpy()
    w, t = weight.double().numpy(), target.numpy()
    assert logged["validation_loss"].item() == pytest.approx(-(w * np.log(p[np.arange(300), t])).sum() / w.sum())
    s, b = t == 1, t == 0
    above = (p[s, 1][:, None] > p[b, 1]) + 0.5 * (p[s, 1][:, None] == p[b, 1])
    expected = np.einsum("i,j,ij", w[s], w[b], above) / (w[s].sum() * w[b].sum())
    assert logged["validation_auc"].item() == pytest.approx(expected, rel=1e-5)
    kept = np.cumsum(w[s][np.argsort(-p[s, 1])])
    threshold = np.sort(p[s, 1])[::-1][np.argmax(kept >= kept[-1] / 2)]
    mistag = w[b][p[b, 1] >= threshold].sum() / w[b].sum()
    assert logged["validation_rejection"].item() == pytest.approx(1 / mistag, rel=1e-4)


def test_divergence_is_reported(monkeypatch):
    module = tagging().eval()
    x = torch.full((5, 3), torch.nan)
    module.validation_step(Batch((x,), torch.tensor([0, 1, 0, 1, 0]), torch.ones(5)), 0)
    with pytest.raises(FloatingPointError, match=r"5 of 5 validation jets are not finite .* lower learning_rate"):
        module.on_validation_epoch_end()
