"""Laws of networks on hits without edges."""

import typing

import pytest
import torch
from models.cases import HIT_CLOUDS

from cortado.models import HitEmbedding

LENGTHS = [7, 12, 1, 0, 30]
by_name = pytest.mark.parametrize("case", HIT_CLOUDS, ids=[case.name for case in HIT_CLOUDS])


def make(case):
    torch.manual_seed(3)
    return case.small().eval()


@by_name
def test_number_of_parameters(case):
    model, inputs = case.published(), case.inputs(LENGTHS)
    assert sum(parameter.numel() for parameter in model.parameters()) == case.parameters
    assert model(*inputs).shape == (50, 8)


@by_name
def test_inputs_are_not_modified_and_gradients_reach_every_parameter(case):
    model, inputs = make(case), case.inputs(LENGTHS)
    before = [values.clone() for values in inputs]
    model(*inputs).square().sum().backward()
    assert all(torch.equal(one, other) for one, other in zip(before, inputs))
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())


@by_name
@pytest.mark.parametrize("lengths", [[], [0], [1], [0, 2]], ids=str)
def test_few_hits(case, lengths):
    places = make(case)(*case.inputs(lengths))
    assert places.shape == (sum(lengths), 3)
    assert places.isfinite().all()


@by_name
def test_hits_do_not_see_each_other(case):
    model, (nodes, event) = make(case), case.inputs(LENGTHS)
    alone = torch.cat([model(nodes[i : i + 1], event[i : i + 1]) for i in range(len(nodes))])
    torch.testing.assert_close(alone, model(nodes, event), rtol=1e-5, atol=1e-5)


@by_name
def test_bfloat16_is_close(case):
    model, inputs = make(case), case.inputs(LENGTHS)
    with torch.autocast("cpu", torch.bfloat16):
        places = model(*inputs)
    torch.testing.assert_close(places.float(), model(*inputs), rtol=0.05, atol=0.05)


@by_name
def test_parameters_of_forward_are_those_of_the_representation(case):
    hints = typing.get_type_hints(case.small().forward)
    assert list(hints) == ["nodes", "event", "return"]


def test_other_features_are_refused():
    with pytest.raises(ValueError, match="HitEmbedding was made with features=5, but the representation gives 4"):
        HitEmbedding()(torch.zeros(3, 4), torch.zeros(3, dtype=torch.int64))


@pytest.mark.parametrize("name", ["nodes", "hidden", "layers", "dimensions"])
@pytest.mark.parametrize("size", [0, True])
def test_sizes_below_one_are_refused(name, size):
    with pytest.raises(ValueError, match=f"HitEmbedding: {name} must be an integer of at least 1, got {size!r}"):
        HitEmbedding(**{name: size})
