"""Laws of the models of layers and hits in their order."""

import io
import typing

import pytest
import torch
from models.cases import SEQUENCES

LENGTHS = [7, 12, 3, 30, 5]
pytestmark = pytest.mark.parametrize("case", SEQUENCES, ids=[case.name for case in SEQUENCES])


def small(case):
    """The small model, with inputs of its own size."""
    torch.manual_seed(3)
    model = case.small()
    return model.eval(), case.inputs(LENGTHS, **({"pixels": model.pixels} if hasattr(model, "pixels") else {}))


def test_published_number_of_parameters(case):
    assert sum(parameter.numel() for parameter in case.published().parameters()) == case.parameters


def test_inputs_are_not_modified_and_outputs_finite(case):
    model, inputs = small(case)
    before = [values.clone() for values in inputs]
    assert model(*inputs).isfinite().all()
    assert all(torch.equal(one, other) for one, other in zip(before, inputs))


def test_each_sequence_is_for_itself(case):
    model, inputs = small(case)
    single = torch.cat([model(*(values[i : i + 1] for values in inputs)) for i in range(len(LENGTHS))])
    torch.testing.assert_close(single, model(*inputs), rtol=1e-4, atol=1e-4)


def test_gradients_reach_every_parameter(case):
    model, inputs = small(case)
    outputs = model(*inputs)
    (outputs * torch.randn_like(outputs)).sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())


def test_state_dict_round_trip(case):
    model, inputs = small(case)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    other = case.small().eval()
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other(*inputs), model(*inputs))


def test_parameters_of_forward_are_tensors_by_name(case):
    model, inputs = small(case)
    hints = typing.get_type_hints(model.forward)
    assert set(hints.values()) == {torch.Tensor}
    assert len(hints) == len(inputs) + 1
