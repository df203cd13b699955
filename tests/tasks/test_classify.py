"""Classes: loss and merits against slow counts."""

import numpy as np
import pytest
import torch

from cortado.tasks import Batch, Classify
from cortado.tasks.classify import ClassTarget

TASK = Classify(classes={"qcd": len, "w": len}, signal="w")


def network():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))
    return {"model": model.eval()}


def test_a_weight_of_two_counts_a_jet_twice():
    networks = network()
    x, target = torch.randn(4, 3), torch.tensor([0, 1, 1, 0])
    once = Batch((x,), ClassTarget(target), torch.tensor([2.0, 1.0, 1.0, 1.0]))
    twice = Batch((torch.cat([x, x[:1]]),), ClassTarget(torch.cat([target, target[:1]])), torch.ones(5))
    (one,), (other,) = TASK.moves(networks, once), TASK.moves(networks, twice)
    assert one.network == "model"
    assert one.loss.item() * 4 == pytest.approx(other.loss.item() * 5)


def test_merits_equal_a_slow_count():
    """Weighted loss, AUC and rejection over batches of different sizes."""
    networks = network()
    x, target, weight = torch.randn(300, 3), torch.randint(0, 2, (300,)), torch.rand(300)
    with torch.inference_mode():
        parts = (slice(0, 1), slice(1, 130), slice(130, 300))
        rows = [TASK.rows(networks, Batch((x[part],), ClassTarget(target[part]), weight[part])) for part in parts]
        judged = TASK.judged(torch.cat(rows))
        p = networks["model"](x).softmax(dim=1).double().numpy()
    w, t = weight.double().numpy(), target.numpy()
    assert judged["loss"] == pytest.approx(-(w * np.log(p[np.arange(300), t])).sum() / w.sum())
    s, b = t == 1, t == 0
    above = (p[s, 1][:, None] > p[b, 1]) + 0.5 * (p[s, 1][:, None] == p[b, 1])
    expected = np.einsum("i,j,ij", w[s], w[b], above) / (w[s].sum() * w[b].sum())
    assert judged["auc"] == pytest.approx(expected, rel=1e-5)
    kept = np.cumsum(w[s][np.argsort(-p[s, 1])])
    threshold = np.sort(p[s, 1])[::-1][np.argmax(kept >= kept[-1] / 2)]
    mistag = w[b][p[b, 1] >= threshold].sum() / w[b].sum()
    assert judged["rejection"] == pytest.approx(1 / mistag, rel=1e-4)


def test_rows_of_a_diverged_network_are_not_finite():
    x = torch.full((5, 3), torch.nan)
    rows = TASK.rows(network(), Batch((x,), ClassTarget(torch.tensor([0, 1, 0, 1, 0])), torch.ones(5)))
    assert not torch.isfinite(rows).all(dim=1).any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": {"w": len}}, r"classes = .* required: two or more classes"),
        ({"signal": "ww"}, r"signal = 'ww', required: one of qcd, w; nearest: w"),
        ({"label_smoothing": 1.0}, r"label_smoothing = 1.0, required: in \[0, 1\)"),
        ({"working_points": (1.0,)}, r"working_points = .* required: signal efficiencies in \(0, 1\)"),
        ({"mistags": (0.0,)}, r"mistags = .* required: mistag rates in \(0, 1\)"),
        ({"mistag_class": "w"}, r"mistag_class = 'w', required: one of qcd"),
    ],
)
def test_classes_that_cannot_be(changes, message):
    with pytest.raises(ValueError, match=message):
        Classify(**{"classes": TASK.classes, "signal": "w"} | changes)
