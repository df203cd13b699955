"""Reproducing normal objects: losses against loops and other libraries, and that anomalies are never learned from."""

import dataclasses

import awkward as ak
import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from tasks.cases import CASES, batch_of, made
from toys import toy_jets

from cortado.tasks import Reconstruct, Reconstructed
from cortado.tasks.reconstruction_losses import cell_losses, object_losses, smeared


def test_images_are_smeared_by_a_gaussian():
    images = torch.rand(2, 3, 9, 12, dtype=torch.float64)
    for width in (0.7, 1.5):
        expected = ndimage.gaussian_filter(images.numpy(), (0, 0, width, width), mode="constant", truncate=4.0)
        torch.testing.assert_close(smeared(images, width), torch.from_numpy(expected), rtol=1e-3, atol=1e-3)


def test_a_pixel_beside_its_place_costs_less_when_smeared():
    given, near, far = torch.zeros(3, 1, 1, 20, 20).unbind(0)
    given[..., 5, 5], near[..., 5, 6], far[..., 15, 15] = 1, 1, 1
    plain = [float(object_losses("squared", 0.0, one, given, None)) for one in (near, far)]
    assert plain == [2.0, 2.0]
    close, away = (float(object_losses("squared", 2.0, one, given, None)) for one in (near, far))
    assert close < 0.1 * away


def test_counts_have_the_deviance_of_poisson_rates():
    given = torch.tensor([[0.0, 1.0, 7.0], [3.0, 0.0, 2.0]])
    rates = torch.tensor([[0.5, 1.0, 4.0], [3.0, 0.1, 9.0]])
    counts = given.numpy()
    best = stats.poisson.logpmf(counts, np.maximum(counts, 1e-300))
    expected = 2 * (best - stats.poisson.logpmf(counts, rates.numpy())).sum(1)
    np.testing.assert_allclose(object_losses("poisson", 0.0, rates.log(), given, None), expected, rtol=1e-5)


def slow_chamfer(outputs, given):
    towards = [min(np.square(one - other).sum() for other in outputs) for one in given]
    back = [min(np.square(one - other).sum() for one in given) for other in outputs]
    return np.mean(towards) + np.mean(back)


def test_sets_have_the_distance_to_the_nearest():
    torch.manual_seed(1)
    outputs, given, lengths = torch.randn(4, 3, 2), torch.randn(4, 6, 2), [6, 1, 4, 0]
    mask = torch.arange(6) < torch.tensor(lengths).unsqueeze(1)
    losses = object_losses("chamfer", 0.0, outputs, given, mask)
    for index, length in enumerate(lengths[:3]):
        expected = slow_chamfer(outputs[index].numpy(), given[index, :length].numpy())
        assert float(losses[index]) == pytest.approx(expected, rel=1e-5)
    assert losses[3] == 0
    torch.testing.assert_close(object_losses("chamfer", 0.0, outputs, given, torch.ones(4, 6, dtype=torch.bool)),
                               object_losses("chamfer", 0.0, outputs, given, None))  # fmt: skip
    assert cell_losses("chamfer", 0.0, outputs, given, mask).shape == (4, 6)


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("reconstruct")])
def test_anomalies_are_not_learned_from(name):
    one = made(CASES[name])
    objects = toy_jets(30, seed=8)
    strange = ak.to_numpy(objects.truth_pdg_id == 24)
    assert 0 < strange.sum() < 30
    torch.manual_seed(5)
    (whole,) = one.task.moves(one.networks, batch_of(one, objects))
    torch.manual_seed(5)
    (alone,) = one.task.moves(one.networks, batch_of(one, objects[~strange]))
    assert whole.loss.item() * 30 == pytest.approx(alone.loss.item() * (30 - strange.sum()), rel=1e-4)


def test_a_batch_of_anomalies_moves_nothing():
    one = made(CASES["reconstruct"])
    objects = toy_jets(30, seed=8)
    (move,) = one.task.moves(one.networks, batch_of(one, objects[objects.truth_pdg_id == 24]))
    assert move.loss == 0
    move.loss.backward()


def is_heavy(objects):
    return objects.mass > 5


def test_what_is_normal():
    objects = ak.Array({"mass": [1.0, 9.0, 2.0], "light": [True, False, False]})
    assert Reconstruct().category(objects).tolist() == [0, 0, 0]
    assert Reconstruct(anomalies={"heavy": is_heavy}).category(objects).tolist() == [0, 1, 0]
    known = Reconstruct(normal=lambda jets: jets.light, anomalies={"heavy": is_heavy})
    assert known.category(objects).tolist() == [0, 1, -1]
    assert known.categories == ("normal", "heavy")
    assert list(known.merits) == ["auc_heavy"]
    with pytest.raises(ValueError, match="more than one class, the first in normal and heavy"):
        Reconstruct(normal=is_heavy, anomalies={"heavy": is_heavy}).category(objects)


def test_cells_say_where_it_is_strange():
    use = Reconstructed(cells=True)
    inputs = CASES["reconstruct_images"].representation(toy_jets(4, seed=1))
    given = type(inputs)(*map(torch.from_numpy, inputs))
    answers = use.answers(torch.zeros_like(given.image), given)
    columns = use.columns(answers, None)
    assert columns["cell_loss"].ndim == 4
    each = ak.to_numpy(columns["cell_loss"]).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(each, columns["anomaly"], rtol=1e-5)
    assert set(Reconstructed().columns(answers, None)) == {"anomaly"}


def test_several_trainings_have_a_mean():
    members = [ak.Array({"anomaly": [1.0, 2.0]}), ak.Array({"anomaly": [3.0, 2.0]})]
    assert Reconstructed().combined(members).anomaly.tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": "mae"}, "Reconstruct: loss = 'mae', required: 'squared' or 'poisson' or 'chamfer'"),
        ({"anomalies": {"normal": is_heavy}}, "anomalies .* required: names other than 'normal'"),
        ({"noise": -1.0}, r"noise = -1\.0, required: a number of at least 0"),
        ({"smearing": float("nan")}, "smearing = nan, required: a number of at least 0"),
        (
            {"smearing": 1.0, "loss": "poisson"},
            r"smearing = 1\.0, required: 0 but for the loss 'squared' of images",
        ),
    ],
)
def test_tasks_that_make_no_sense(arguments, message):
    with pytest.raises(ValueError, match=message):
        Reconstruct(**arguments)


def test_a_bundle_with_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match=r"x\.cortado: loss must be 'squared' or .* got 'mae'"):
        dataclasses.replace(Reconstructed(), loss="mae").check("x.cortado")
