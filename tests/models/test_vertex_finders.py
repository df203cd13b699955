"""Laws that every model of pairs of tracks obeys; the models are the rows `FINDERS` of cases.py."""

import pytest
import torch
from models.cases import FINDERS, graphs

import cortado.models
from cortado.models import EdgeFlavourTagger

LENGTHS = [7, 12, 1, 0, 30, 3, 7, 2, 5]
by_name = pytest.mark.parametrize("case", FINDERS, ids=[case.name for case in FINDERS])


def make(case):
    torch.manual_seed(3)
    return case.small().eval()


def of_pairs(logits, mask, *, diagonal=True):
    """Logits of the pairs of tracks that exist, in one row."""
    real = mask.unsqueeze(1) & mask.unsqueeze(2)
    return logits[real if diagonal else real & ~torch.eye(mask.shape[1], dtype=torch.bool)]


def same(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


@by_name
def test_published_number_of_parameters(case):
    assert sum(parameter.numel() for parameter in case.published().parameters()) == case.parameters


@by_name
@pytest.mark.parametrize("lengths", [LENGTHS, [60, 2], [1], [0], [0, 0], []], ids=str)
def test_published_model_takes_any_number_of_tracks(case, lengths):
    model, (features, mask) = case.published(), case.inputs(lengths)
    logits = model(features, mask)
    assert logits.shape == (*mask.shape, mask.shape[1])
    assert logits.isfinite().all()
    logits.sum().backward()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in model.parameters())


@by_name
def test_the_model_is_not_blind(case):
    features, mask = case.inputs(LENGTHS)
    assert of_pairs(make(case)(features, mask), mask).unique().numel() > 30


@by_name
def test_order_of_tracks_moves_the_pairs_with_them(case):
    model, (features, mask) = make(case), case.inputs(LENGTHS, longest=40)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    moved = model(features[:, order], mask[:, order])
    same(of_pairs(moved, mask[:, order]), of_pairs(model(features, mask)[:, order][:, :, order], mask[:, order]))


@by_name
def test_padding_does_not_matter(case):
    model, (features, mask) = make(case), case.inputs(LENGTHS)
    p = mask.shape[1]
    longer = model(torch.nn.functional.pad(features, (0, 0, 0, 17)), torch.nn.functional.pad(mask, (0, 17)))
    same(of_pairs(longer[:, :p, :p], mask), of_pairs(model(features, mask), mask))


@by_name
@pytest.mark.parametrize("rubbish", [1e6, float("nan")])
def test_masked_values_do_not_matter(case, rubbish):
    model, (features, mask) = make(case), case.inputs(LENGTHS)
    filled = features.masked_fill(~mask.unsqueeze(-1), rubbish)
    assert torch.equal(model(filled, mask), model(features, mask))


@by_name
def test_jets_do_not_see_each_other_in_training_either(case):
    model, (features, mask) = make(case).train(), case.inputs(LENGTHS)
    together = model(features, mask)
    for i in range(len(LENGTHS)):
        same(model(features[i : i + 1], mask[i : i + 1])[0], together[i])
    same(model(features.flip(0), mask.flip(0)).flip(0), together)


@by_name
def test_a_doubled_batch_gives_everything_twice(case):
    model, (features, mask) = make(case), case.inputs(LENGTHS)
    once = model(features, mask)
    same(model(features.repeat(2, 1, 1), mask.repeat(2, 1)), once.repeat(2, 1, 1))


@by_name
def test_gradients_reach_every_parameter_and_every_track(case):
    model, (features, mask) = case.small(), case.inputs(LENGTHS)
    features.requires_grad_()
    logits = of_pairs(model(features, mask), mask)
    (logits * torch.randn(len(logits))).sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())
    assert (features.grad.abs().sum(-1) > 0)[mask].all()
    assert not features.grad[~mask].any()


@by_name
def test_inputs_are_not_modified(case):
    features, mask = case.inputs(LENGTHS)
    before = features.clone(), mask.clone()
    make(case).train()(features, mask).sum().backward()
    assert torch.equal(features, before[0])
    assert torch.equal(mask, before[1])


@by_name
def test_blocks_do_not_matter(case, monkeypatch):
    model, (features, mask) = make(case), case.inputs(LENGTHS * 3)
    expected = torch.autograd.grad(model(features, mask).square().sum(), model.pairs.first.weight)[0]
    monkeypatch.setattr("cortado.models.by_multiplicity._BLOCK_VALUES", 1)
    same(torch.autograd.grad(model(features, mask).square().sum(), model.pairs.first.weight)[0], expected)
    with torch.no_grad():
        without = model(features, mask)
    same(without, model(features, mask))


@by_name
def test_bfloat16_is_close(case):
    model, (features, mask) = make(case), case.inputs(LENGTHS)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(features, mask)
    torch.testing.assert_close(logits.float(), model(features, mask), rtol=0.05, atol=0.05)


@by_name
def test_a_few_steps_of_training_find_the_pairs(case):
    torch.manual_seed(5)
    model, (features, mask) = case.small(), case.inputs([4, 6] * 20)
    vertex = features[..., 0] > 0
    together = (vertex.unsqueeze(1) & vertex.unsqueeze(2)).float()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        logits, target = (of_pairs(x, mask, diagonal=False) for x in (model(features, mask), together))
        losses.append(torch.nn.functional.binary_cross_entropy_with_logits(logits, target))
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("case", FINDERS[:3], ids=[case.name for case in FINDERS[:3]])
def test_exported_program_takes_any_number_of_jets_and_tracks(case):
    model, inputs = make(case), case.inputs(LENGTHS)
    free = {0: torch.export.Dim("jets"), 1: torch.export.Dim("tracks")}
    program = torch.export.export(model, inputs, dynamic_shapes=(free, free), strict=False).module()
    for lengths in (LENGTHS, [2, 4], [50, 1, 0]):
        features, mask = case.inputs(lengths)
        logits = program(features, mask)
        assert logits.isfinite().all()
        same(of_pairs(logits, mask), of_pairs(model(features, mask), mask))


@by_name
def test_other_features_than_the_models_are_refused(case):
    features, mask = case.inputs([4])
    message = r"made with features=10, but the representation gives 12 features"
    with pytest.raises(ValueError, match=message):
        make(case)(torch.nn.functional.pad(features, (0, 2)), mask)


@pytest.mark.parametrize("model", ["SetToGraph", "TrackPair", "VertexRNN"])
@pytest.mark.parametrize("name, value", [("features", 0), ("hidden", ()), ("hidden", (8, 0)), ("edge_hidden", ())])
def test_sizes_below_one_are_refused(model, name, value):
    with pytest.raises(ValueError, match=f"{model}: {name} must be an integer of at least 1, got 0"):
        getattr(cortado.models, model)(**{name: value})


@pytest.mark.parametrize("lengths", [LENGTHS, [3], [0, 4]], ids=str)
def test_edges_of_missing_tracks_and_of_tracks_with_themselves_do_not_matter(lengths):
    model, (features, mask, edges) = EdgeFlavourTagger().eval(), graphs(lengths, longest=33)
    expected = model(features, mask, edges)
    ignored = ~(mask.unsqueeze(1) & mask.unsqueeze(2)) | torch.eye(33, dtype=torch.bool)
    same(model(features, mask, edges.masked_fill(ignored, float("nan"))), expected)
    longer = [torch.nn.functional.pad(x, pad) for x, pad in ((features, (0, 0, 0, 5)), (mask, (0, 5)))]
    same(model(*longer, torch.nn.functional.pad(edges, (0, 5, 0, 5))), expected)
    order = torch.randperm(33, generator=torch.Generator().manual_seed(0))
    same(model(features[:, order], mask[:, order], edges[:, order][:, :, order]), expected)


def test_edges_matter():
    model, (features, mask, edges) = EdgeFlavourTagger().eval(), graphs([4, 9])
    assert (model(features, mask, edges) - model(features, mask, 1 - edges)).abs().max() > 1e-4
