"""Laws of all tasks: what a training, a bundle and an export may count on."""

import dataclasses
import json

import awkward as ak
import numpy as np
import pytest
import torch
from tasks.cases import CASES, batch_of, made

from cortado import bundle as bundles
from cortado import export
from cortado.bundle.description import tuples
from cortado.tasks import optional

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit", "ignore:.*isinstance.treespec")


@pytest.fixture(params=CASES, scope="module")
def one(request):
    return made(CASES[request.param])


@pytest.fixture(params=[name for name, case in CASES.items() if case.each], scope="module")
def summed(request):
    return made(CASES[request.param])


def rows_of(made, objects, **options):
    torch.manual_seed(3)
    with torch.inference_mode():
        return made.task.rows(made.networks, batch_of(made, objects, **options)).double()


def bundle_of(made):
    return bundles.Bundle(
        representation=made.case.representation,
        model=made.networks["model"],
        arguments={**made.case.arguments, **optional.arguments(made.task)},
        use=made.task.use(made.case.representation, made.networks["model"]),
    )


def test_moves_give_gradients_to_all_parameters_of_their_network(one):
    fresh = made(one.case)
    for network in fresh.networks.values():
        network.train()
    moved = set()
    for move in fresh.task.moves(fresh.networks, batch_of(fresh, fresh.objects)):
        assert torch.isfinite(move.loss)
        fresh.networks[move.network].zero_grad()
        move.loss.backward()
        parameters = dict(fresh.networks[move.network].named_parameters())
        assert [name for name, p in parameters.items() if p.requires_grad and p.grad is None] == []
        moved.add(move.network)
    assert moved == set(fresh.networks)


def test_a_step_lowers_the_loss_of_its_batch(summed):
    fresh = made(summed.case)
    batch = batch_of(fresh, fresh.objects)
    optimiser = torch.optim.SGD(fresh.networks["model"].parameters(), lr=1e-3)
    *_, move = fresh.task.moves(fresh.networks, batch)
    move.loss.backward()
    optimiser.step()
    *_, after = fresh.task.moves(fresh.networks, batch)
    assert after.loss < move.loss


def test_judged_names_the_merits(one):
    judged = one.task.judged(rows_of(one, one.objects))
    assert set(judged) == {"loss", *one.task.merits}
    assert all(np.isfinite(value) for value in judged.values())
    for name, merit in one.task.merits.items():
        assert format(judged[name], merit.form)
        assert merit.title


def test_merits_do_not_depend_on_the_order_nor_on_batches_and_devices(summed):
    """Rows of parts, as batches and devices have them, are those of the whole."""
    expected = summed.task.judged(rows_of(summed, summed.objects))
    order = np.random.default_rng(2).permutation(len(summed.objects))
    shuffled = summed.objects[order]
    parts = [rows_of(summed, shuffled[part]) for part in (slice(0, 1), slice(1, 17), slice(17, None))]
    assert summed.task.judged(torch.cat(parts)) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_padding_does_not_matter(summed):
    if not hasattr(summed.case.representation(summed.objects), "mask"):
        pytest.skip("nothing is padded")
    torch.testing.assert_close(
        rows_of(summed, summed.objects, pad=3), rows_of(summed, summed.objects), rtol=1e-4, atol=1e-5
    )


def test_a_weight_counts_in_the_loss(summed):
    """An object of weight two counts twice, one of weight nought not at all."""
    weight = np.ones(len(summed.objects), np.float32)
    weight[:5], weight[5:9] = 2, 0
    copies = ak.concatenate([summed.objects[:5], summed.objects[:5], summed.objects[9:]])
    weighted = summed.task.judged(rows_of(summed, summed.objects, weight=weight))
    assert weighted["loss"] == pytest.approx(summed.task.judged(rows_of(summed, copies))["loss"], rel=1e-5)


def test_rows_of_a_diverged_network_are_not_finite(one):
    broken = made(one.case)
    with torch.no_grad():
        for parameter in broken.networks["model"].parameters():
            parameter.fill_(torch.nan)
    assert not torch.isfinite(rows_of(broken, broken.objects)).all()


def test_a_use_comes_back_from_json(one):
    use = one.task.use(one.case.representation, one.networks["model"])
    assert type(use) is one.task.gives
    back = json.loads(json.dumps(dataclasses.asdict(use)))
    assert type(use)(**tuples(back)) == use


def test_a_bundle_answers_as_before(one, tmp_path):
    bundle = bundle_of(one)
    path = bundles.save(bundle, tmp_path / "one.cortado", canary=one.objects)
    needed = bundles.columns(one.objects, bundle.fields)
    before, after = (bundles.answers(each, needed) for each in (bundle, bundles.load(path)))
    assert len(before) == len(one.objects)
    for name in before.fields:
        flat = (ak.to_numpy(ak.flatten(column[name], axis=None)) for column in (after, before))
        np.testing.assert_allclose(*flat, rtol=1e-5, atol=1e-6)


def test_answers_do_not_depend_on_the_batch(summed):
    bundle = bundle_of(summed)
    needed = bundles.columns(summed.objects, bundle.fields)
    whole, single = (bundles.answers(bundle, needed, batch_size=size) for size in (512, 1))
    for name in whole.fields:
        flat = (ak.to_numpy(ak.flatten(column[name], axis=None)) for column in (single, whole))
        np.testing.assert_allclose(*flat, rtol=1e-4, atol=1e-5)


def test_no_objects_have_columns_of_the_same_types(one):
    bundle = bundle_of(one)
    needed = bundles.columns(one.objects, bundle.fields)
    assert bundles.answers(bundle, needed[:0]).layout.form.type == bundles.answers(bundle, needed).layout.form.type


def test_an_export_answers_alike(one, tmp_path):
    path = bundles.save(bundle_of(one), tmp_path / "one.cortado", canary=one.objects)
    exported = export.to_torch_export(path, tmp_path / "one.pt2")
    assert exported.difference < 1e-4
