"""Laws that every model obeys; the models are the rows of cases.py."""

import io
import typing

import pytest
import torch
from models.cases import (
    AUTOENCODERS,
    CASES,
    CRITICS,
    DENSITIES,
    EDGE_NETWORKS,
    FINDERS,
    FITTED,
    GENERATORS,
    HIT_CLOUDS,
    RAGGED,
    SEQUENCES,
    WITHOUT_PARAMETERS,
)

import cortado.models
from cortado.models.layers import fold_batch_norm

LENGTHS = [7, 12, 1, 0, 30, 3, 5, 9]


def make(case, *, trained=True):
    """A small model in evaluation, with other running statistics than the initial ones."""
    torch.manual_seed(3)
    model = case.small()
    if trained:
        for seed in range(3):
            model(*case.inputs(LENGTHS, seed))
    return model.eval()


def by_name(cases):
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


def same(actual, expected, tolerance=1e-5):
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


def test_every_model_has_a_case():
    cases = [*CASES, *FINDERS, *EDGE_NETWORKS, *HIT_CLOUDS, *SEQUENCES, *GENERATORS, *CRITICS]
    others = (*AUTOENCODERS, *DENSITIES, *WITHOUT_PARAMETERS)
    names = {type(case.small()).__name__ for case in cases} | {model.__name__ for model in others}
    assert names | set(FITTED) == set(cortado.models.__all__)


@by_name([*CASES, *FINDERS, *EDGE_NETWORKS, *HIT_CLOUDS, *SEQUENCES, *GENERATORS, *CRITICS])
def test_a_model_can_be_made_without_memory(case):
    """On torch's device "meta", on which a bundle's shapes are compared before anything is made."""
    with torch.device("meta"):
        sketch = case.small()
    assert {tensor.device.type for tensor in sketch.state_dict().values()} <= {"meta"}
    made = case.small().state_dict()
    assert {name: each.shape for name, each in sketch.state_dict().items()} == {n: x.shape for n, x in made.items()}


@pytest.mark.parametrize(
    ("model", "arguments"),
    [
        *AUTOENCODERS.items(),
        (cortado.models.PrincipalComponents, {"size": (4, 4), "components": 2}),
        (cortado.models.BoostedTrees, {"features": 2, "trees": 1, "nodes": 5, "depth": 2}),
        (cortado.models.IsolationForest, {"features": 2, "nodes": 5, "depth": 2, "trees": 1, "samples": 3}),
        (cortado.models.NearestNeighbours, {"features": 2, "references": 5, "neighbours": 2}),
        (cortado.models.OnnxNetwork, {"size": 7, "inputs": {"features": "x"}, "output": "y"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_models_of_other_tasks_can_be_made_without_memory(model, arguments):
    with torch.device("meta"):
        sketch = model(**arguments)
    assert {tensor.device.type for tensor in sketch.state_dict().values()} <= {"meta"}


@by_name(CASES)
def test_published_number_of_parameters(case):
    assert sum(parameter.numel() for parameter in case.published().parameters()) == case.parameters


@by_name(CASES)
def test_published_model_gives_finite_logits(case):
    model = case.published().eval()
    inputs = case.inputs(LENGTHS, **({"pixels": 25} if case.name == "JetImageCNN" else {}))
    logits = model(*inputs)
    assert logits.shape == (len(LENGTHS), case.classes)
    assert logits.isfinite().all()


@by_name(CASES)
def test_inputs_are_not_modified(case):
    inputs = case.inputs(LENGTHS)
    before = [values.clone() for values in inputs]
    model = make(case)
    model(*inputs)
    model.train()(*inputs).sum().backward()
    assert all(torch.equal(one, other) for one, other in zip(before, inputs))


@by_name(CASES)
@pytest.mark.parametrize("lengths", [[], [0], [1], [0, 0, 0], [5]], ids=str)
@pytest.mark.parametrize("training", [False, True])
def test_few_jets_and_few_constituents(case, lengths, training):
    model = make(case).train(training)
    logits = model(*case.inputs(lengths))
    assert logits.shape == (len(lengths), case.classes)
    assert logits.isfinite().all()
    logits.sum().backward()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in model.parameters())


@by_name(CASES)
def test_jets_do_not_see_each_other_in_evaluation(case):
    model, inputs = make(case), case.inputs(LENGTHS)
    alone = torch.cat([model(*(values[i : i + 1] for values in inputs)) for i in range(len(LENGTHS))])
    same(alone, model(*inputs))


@by_name(CASES)
def test_gradients_reach_every_parameter(case):
    model = case.small()
    (model(*case.inputs(LENGTHS)) * torch.randn(len(LENGTHS), case.classes)).sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters() if parameter.requires_grad)


@by_name(CASES)
def test_gradients_in_evaluation_reach_the_inputs(case):
    inputs = case.inputs(LENGTHS)
    features = inputs[-2] if case.ragged else inputs[0]
    features.requires_grad_()
    make(case)(*inputs)[:, 1].sum().backward()
    assert features.grad.isfinite().all()
    assert features.grad.abs().sum() > 0


@by_name(CASES)
def test_a_few_steps_of_training_lower_the_loss(case):
    torch.manual_seed(5)
    model, inputs = case.small(), case.inputs([5, 8] * 20)
    mean = inputs[0].flatten(1).mean(1)
    label = (mean > mean.median()).long()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        losses.append(torch.nn.functional.cross_entropy(model(*inputs), label))
        if losses[-1] < 0.9 * losses[0]:
            return
        losses[-1].backward()
        optimizer.step()
    pytest.fail(f"after 30 steps the loss is still {losses[-1]:.3f}, it was {losses[0]:.3f}")


@by_name(CASES)
def test_state_dict_round_trip(case):
    model, inputs = make(case), case.inputs(LENGTHS)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    other = case.small().eval()
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other(*inputs), model(*inputs))


@by_name(CASES)
def test_folded_batch_norm_gives_the_same_logits(case):
    model, inputs = make(case), case.inputs(LENGTHS)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    same(fold_batch_norm(model)(*inputs), model(*inputs))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@by_name(CASES)
def test_bfloat16_is_close(case):
    model, inputs = make(case), case.inputs(LENGTHS)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(*inputs)
    same(logits.float(), model(*inputs), tolerance=0.05)


@by_name(CASES)
def test_parameters_of_forward_are_tensors_by_name(case):
    hints = typing.get_type_hints(case.small().forward)
    assert set(hints.values()) == {torch.Tensor}
    assert len(hints) == len(case.inputs([1])) + 1


@by_name(RAGGED)
def test_padding_does_not_matter(case):
    model, inputs = make(case), case.inputs(LENGTHS)
    longer = [torch.cat([values, torch.zeros_like(values[:, :17])], dim=1) for values in inputs]
    same(model(*longer), model(*inputs))


@by_name(RAGGED)
@pytest.mark.parametrize("rubbish", [1e6, float("nan")])
def test_masked_values_do_not_matter(case, rubbish):
    model, (*arrays, mask) = make(case), case.inputs(LENGTHS)
    filled = [values.masked_fill(~mask.unsqueeze(-1), rubbish) for values in arrays]
    same(model(*filled, mask), model(*arrays, mask))


@by_name(RAGGED)
def test_padding_does_not_matter_in_training(case):
    model, inputs = case.small(), case.inputs(LENGTHS)
    longer = [torch.cat([values, torch.zeros_like(values[:, :17])], dim=1) for values in inputs]
    torch.manual_seed(1)
    expected = model(*inputs)
    torch.manual_seed(1)
    same(model(*longer), expected)


@by_name(RAGGED)
def test_order_of_constituents_does_not_matter(case):
    model, inputs = make(case), case.inputs(LENGTHS, longest=40)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    same(model(*(values[:, order] for values in inputs)), model(*inputs))


@by_name(RAGGED)
def test_coincident_constituents_give_the_same_logits_in_any_batch(case):
    model, (*arrays, mask) = make(case), case.inputs([30] * 40)
    points = [values.round(decimals=0) for values in arrays[:1]]
    inputs = (*points, *arrays[1:], mask)
    same(model(*inputs)[3:5], model(*(values[3:5] for values in inputs)))


@by_name(RAGGED)
def test_exported_program_takes_any_number_of_jets_and_constituents(case):
    model, inputs = make(case), case.inputs(LENGTHS)
    free = {0: torch.export.Dim("jets"), 1: torch.export.Dim("constituents")}
    program = torch.export.export(model, inputs, dynamic_shapes=(free,) * len(inputs), strict=False).module()
    for lengths in (LENGTHS, [2], [50, 1, 0], [1, 1]):
        same(program(*case.inputs(lengths)), model(*case.inputs(lengths)))


@by_name([case for case in CASES if not case.ragged])
def test_exported_program_takes_any_number_of_jets(case):
    model, inputs = make(case), case.inputs(LENGTHS)
    free = ({0: torch.export.Dim("jets")},) * len(inputs)
    program = torch.export.export(model, inputs, dynamic_shapes=free, strict=False).module()
    for lengths in (LENGTHS, [2]):
        same(program(*case.inputs(lengths)), model(*case.inputs(lengths)))


@by_name(RAGGED)
def test_other_features_than_the_models_are_refused(case):
    (*arrays, features, mask) = case.inputs([4])
    message = r"made with features=\d+, but the representation gives 9 features"
    with pytest.raises(ValueError, match=message):
        make(case)(*arrays, torch.nn.functional.pad(features, (0, 9 - features.shape[-1])), mask)


@pytest.mark.parametrize("name", ["features", "classes"])
@pytest.mark.parametrize("size", [0, -1, 2.0, True])
@pytest.mark.parametrize(
    "model", [cortado.models.MLP, cortado.models.PFN, cortado.models.EFN, cortado.models.ParticleNet]
)
def test_sizes_below_one_are_refused(model, name, size):
    with pytest.raises(ValueError, match=f"{model.__name__}: {name} must be an integer of at least 1, got {size!r}"):
        model(**{"features": 3, name: size})
