"""The task of the toy of HEP.TrkX: which layers count, and what is said of hits."""

import awkward as ak
import numpy as np
import pytest
import torch
from tasks.cases import CASES, batch_of, made
from toy_layers import toy_layers

from cortado import metrics
from cortado.representations import LayerImage
from cortado.tasks import Batch, Evaluation, Locate, Located
from cortado.tasks.locate import NOWHERE

IMAGE = LayerImage(layers=12, pixels=10)
TASK = Locate(seed_layers=3)


def target_of(events):
    return TASK.target(events, np.zeros(len(events), np.int64), IMAGE(events)).pixel


def judged(events, logits):
    """Merits of outputs that are given."""
    inputs, pixel = IMAGE(events), target_of(events)
    target = type(TASK.target(events, None, inputs))(torch.from_numpy(pixel))
    batch = Batch(type(inputs)(torch.from_numpy(inputs.image)), target, torch.ones(len(events)))
    return TASK.judged(TASK.rows({"model": lambda image: torch.from_numpy(logits)}, batch))


def test_the_target_is_the_pixel_of_the_particle_of_the_first_layer():
    events = toy_layers(8, tracks=3, seed=3)
    for row, hits in zip(target_of(events), events.hits.to_list()):
        expected = [NOWHERE] * 12
        for hit in hits:
            if hit["particle_id"] == 1:
                expected[hit["layer"]] = hit["module"]
        assert row.tolist() == expected


def test_accuracies_are_those_of_the_metrics():
    events = toy_layers(30, seed=5)
    logits = np.random.default_rng(1).normal(size=(30, 12, 10)).astype(np.float32)
    found, image, pixel = judged(events, logits), IMAGE(events).image, target_of(events)
    assert found["hit_accuracy"] == pytest.approx(metrics.hit_accuracy(logits, pixel, image=image).value)
    assert found["pixel_accuracy"] == pytest.approx(metrics.hit_accuracy(logits, pixel, first_layer=3).value)


def test_seed_layers_are_right_by_themselves():
    """Where the track is alone no network can choose another hit."""
    events = toy_layers(20, noise=0.0, tracks=1)
    merits = judged(events, np.random.default_rng(2).normal(size=(20, 12, 10)).astype(np.float32))
    assert merits["hit_accuracy"] == 1 > merits["pixel_accuracy"]


def test_layers_without_the_track_do_not_count():
    events = toy_layers(20, seed=6)
    logits = np.random.default_rng(3).normal(size=(20, 12, 10)).astype(np.float32)
    kept = (events.hits.particle_id != 1) | (events.hits.layer < 8)
    shorter = ak.with_field(events, events.hits[kept], "hits")
    assert (target_of(shorter)[:, 8:] == NOWHERE).all()
    changed = logits.copy()
    changed[:, 8:] = 0
    assert judged(shorter, logits) == pytest.approx(judged(shorter, changed))


def test_columns_follow_the_hits():
    events = toy_layers(5, seed=7)
    logits = torch.from_numpy(np.random.default_rng(4).normal(size=(5, 12, 10)).astype(np.float32))
    use = Located()
    columns = use.columns(use.answers(logits, None), events)
    probabilities = torch.softmax(logits, dim=-1).numpy()
    for event, hits in enumerate(events.hits.to_list()):
        scores = [probabilities[event, hit["layer"], hit["module"]] for hit in hits]
        np.testing.assert_allclose(columns["score"][event], scores, rtol=1e-6)
        for hit, score, label in zip(hits, scores, columns["label"][event]):
            best = max(s for s, other in zip(scores, hits) if other["layer"] == hit["layer"])
            assert label == (0 if score == best else -1)


def test_a_bundle_is_measured_by_its_labels():
    events = toy_layers(30, seed=5)
    logits = np.random.default_rng(1).normal(size=(30, 12, 10)).astype(np.float32)
    use = TASK.use(IMAGE, None)
    answers = ak.zip(use.columns(use.answers(torch.from_numpy(logits), None), events), depth_limit=1)
    evaluation = Evaluation(answers, events, np.zeros(30, np.int64), np.ones(30), ())
    measured = TASK.measured(lambda: evaluation).merits
    expected = metrics.hit_accuracy(logits, target_of(events), image=IMAGE(events).image)
    assert measured["hit_accuracy"] == pytest.approx(expected.value)
    assert measured["hit_accuracy_error"] == pytest.approx(expected.error, rel=0.1)
    one = Evaluation(answers[:1], events[:1], np.zeros(1, np.int64), np.ones(1), ())
    assert TASK.measured(lambda: one).merits["hit_accuracy_error"] is None


def test_a_few_steps_find_the_track():
    toy = made(CASES["locate"], 200)
    batch, network = batch_of(toy, toy.objects), toy.networks["model"]
    optimiser = torch.optim.Adam(network.parameters(), lr=0.02)
    before = accuracy(toy, batch)
    for _ in range(60):
        optimiser.zero_grad()
        next(iter(TASK.moves(toy.networks, batch))).loss.backward()
        optimiser.step()
    assert accuracy(toy, batch) > before + 0.2


def accuracy(toy, batch):
    with torch.inference_mode():
        return TASK.judged(TASK.rows(toy.networks, batch))["hit_accuracy"]


def test_events_without_one_track_to_follow_are_refused():
    events = toy_layers(4)
    is_second, first = np.arange(4) == 2, events.hits.layer == 0
    none = ak.with_field(events.hits, ak.where(is_second & first, 0, events.hits.particle_id), "particle_id")
    with pytest.raises(ValueError, match=r"event 2: no particle has hits in layer 0, one is required.*1 of 4"):
        target_of(ak.with_field(events, none, "hits"))
    extra = ak.with_field(events.hits[:, :1], 7, "particle_id")
    with pytest.raises(ValueError, match=r"event 0: several particles have hits in layer 0.*4 of 4"):
        target_of(ak.with_field(events, ak.concatenate([events.hits, extra], axis=1), "hits"))


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match=r"Locate: particle = 'particle_id', required: a field of the hits"):
        Locate(particle="particle_id")
    with pytest.raises(ValueError, match=r"Locate: seed_layers = 0, required: at least 1"):
        Locate(seed_layers=0)
    with pytest.raises(
        ValueError, match=r"one.cortado: pixel must be a field of the hits such as 'hits.module', got 'x'"
    ):
        Located(pixel="x").check("one.cortado")
    with pytest.raises(ValueError, match=r"pixels of several trainings cannot be averaged"):
        Located().combined([])
