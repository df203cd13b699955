"""Following hits: what is compared with what, by loops, and that widths are learned."""

import awkward as ak
import numpy as np
import pytest
import torch
from tasks.cases import CASES, batch_of, made

from cortado.tasks import Evaluation, Follow, Followed


@pytest.fixture(scope="module")
def toy():
    return made(CASES["follow"], 80)


def spread(hits, seed=0):
    """Outputs that miss every hit by known widths, and the residuals over these, shape (n, p, 2)."""
    rng = np.random.default_rng(seed)
    n, p, _ = hits.shape
    log_widths, correlation = rng.normal(-1, 1, (n, p, 2)), rng.uniform(-0.8, 0.8, (n, p))
    pulls = rng.normal(size=(n, p, 2))
    pulls[..., 1] = correlation * pulls[..., 0] + np.sqrt(1 - correlation**2) * pulls[..., 1]
    x, y, z = np.moveaxis(np.roll(hits, -1, axis=1).astype(float), -1, 0)
    missed = pulls * np.exp(log_widths)
    phi = np.arctan2(y, x) - missed[..., 0] / np.maximum(np.hypot(x, y), 1e-9)
    outputs = np.stack([phi, z - missed[..., 1], *np.moveaxis(log_widths, -1, 0), correlation], axis=-1)
    return outputs, pulls


def rows_of(toy, outputs):
    batch = batch_of(toy, toy.objects)
    return toy.task.rows({"model": lambda hits, mask: torch.from_numpy(outputs)}, batch), batch


def test_loss_agrees_with_the_density_of_a_normal_distribution(toy):
    batch = batch_of(toy, toy.objects)
    outputs, pulls = spread(batch.inputs.hits.numpy())
    rows, _ = rows_of(toy, outputs.astype(np.float32))
    for i, count in enumerate(ak.num(toy.objects.hits)):
        expected = []
        for place in range(2, count - 1):
            widths, correlation = np.exp(outputs[i, place, 2:4]), outputs[i, place, 4]
            covariance = np.outer(widths, widths) * [[1, correlation], [correlation, 1]]
            missed = pulls[i, place] * widths
            log_density = -missed @ np.linalg.solve(covariance, missed) / 2
            expected.append(-log_density + np.log(np.linalg.det(2 * np.pi * covariance)) / 2)
        assert rows[i, 0] == pytest.approx(np.mean(expected), rel=0.02, abs=0.02)
        assert rows[i, 2] == len(expected)


def test_right_widths_have_pulls_of_one(toy):
    batch = batch_of(toy, toy.objects)
    merits = toy.task.judged(rows_of(toy, spread(batch.inputs.hits.numpy())[0].astype(np.float32))[0])
    assert merits["across_pull"] == pytest.approx(1, abs=0.1)
    assert merits["along_pull"] == pytest.approx(1, abs=0.1)
    assert merits["within"] > 0.98


def test_a_bundle_is_measured_by_its_columns(toy):
    batch = batch_of(toy, toy.objects)
    outputs, pulls = spread(batch.inputs.hits.numpy())
    use = Followed()
    answers = use.columns(use.answers(torch.from_numpy(outputs), batch.inputs), toy.objects)
    assert ak.num(answers["next"]).tolist() == ak.num(toy.objects.hits).tolist()
    evaluation = Evaluation(ak.zip(answers, depth_limit=1), toy.objects, np.zeros(80, np.int64), np.ones(80), ())
    merits = toy.task.measured(lambda: evaluation).merits
    there = batch.target.there.numpy()
    low, high = np.quantile(pulls[there][:, 0], [0.16, 0.84])
    assert merits["across_pull"] == pytest.approx((high - low) / 2, rel=0.05)
    assert merits["within"] > 0.98
    assert set(merits) == {name + end for name in toy.task.merits for end in ("", "_error")}


def test_a_few_steps_make_predictions_better():
    toy = made(CASES["follow"], 200)
    batch, network = batch_of(toy, toy.objects), toy.networks["model"]
    optimiser = torch.optim.Adam(network.parameters(), lr=0.02)
    with torch.no_grad():
        before = toy.task.judged(toy.task.rows(toy.networks, batch))
    for _ in range(60):
        optimiser.zero_grad()
        next(iter(toy.task.moves(toy.networks, batch))).loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
    with torch.no_grad():
        after = toy.task.judged(toy.task.rows(toy.networks, batch))
    assert after["loss"] < before["loss"] - 1
    assert after["along_pull"] == pytest.approx(1, abs=0.35)


def test_particles_without_a_hit_to_predict_are_left_out(toy):
    short = ak.with_field(toy.objects, toy.objects.hits[:, :3], "hits")
    assert set(Follow().category(short).tolist()) == {-1}
    assert set(Follow().category(toy.objects).tolist()) == {0}


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="Follow: seed_hits = 2, required: at least 3, which make a helix"):
        Follow(seed_hits=2)
    with pytest.raises(ValueError, match=r"one\.cortado: seed_hits must be an integer of at least 3, got 2"):
        Followed(seed_hits=2).check("one.cortado")
    with pytest.raises(ValueError, match="followers cannot be averaged"):
        Followed().combined([])
