"""ParticleNet against an obvious twin: one jet and one node after the other, with weaver-core's names of weights."""

import pytest
import torch
from models.cases import cloud
from torch.nn import functional
from toy_weaver import FEATURES, weaver_state

from cortado.models import ParticleNet
from cortado.models.particlenet import LITE, from_weaver


def normed(values, state, name):
    keys = [f"{name}.{key}" for key in ("running_mean", "running_var", "weight", "bias")]
    return functional.batch_norm(values, *(state[key] for key in keys))


def twin(points, features, state, edge_convs, k):
    """Logits of one jet without padding: points (p, 2), features (p, f)."""
    nodes, coordinates, every = normed(features, state, "bn_fts"), points, []
    for i, widths in enumerate(edge_convs):
        convolved = []
        for a, node in enumerate(nodes):
            order = (coordinates - coordinates[a]).square().sum(-1).argsort(stable=True)
            near = [nodes[b] for b in order if b != a][:k]
            near += [torch.zeros_like(node)] * (k - len(near))
            edges = torch.stack([torch.cat([node, other - node]) for other in near])
            for j in range(len(widths)):
                edges = edges @ state[f"edge_convs.{i}.convs.{j}.weight"].flatten(1).T
                edges = normed(edges, state, f"edge_convs.{i}.bns.{j}").relu()
            shortcut = node
            if f"edge_convs.{i}.sc.weight" in state:
                shortcut = state[f"edge_convs.{i}.sc.weight"].flatten(1) @ node
                shortcut = normed(shortcut.unsqueeze(0), state, f"edge_convs.{i}.sc_bn")[0]
            convolved.append((edges.mean(0) + shortcut).relu())
        coordinates = nodes = torch.stack(convolved)
        every.append(nodes)
    if "fusion_block.0.weight" in state:
        fused = torch.cat(every, dim=1) @ state["fusion_block.0.weight"].flatten(1).T
        nodes = normed(fused, state, "fusion_block.1").relu()
    hidden = (state["fc.0.0.weight"] @ nodes.mean(0) + state["fc.0.0.bias"]).relu()
    return state["fc.1.weight"] @ hidden + state["fc.1.bias"]


@pytest.mark.parametrize("prefix, fusion", [("", None), ("mod.", None), ("", 20)])
def test_equals_the_twin_with_weavers_weights(prefix, fusion):
    edge_convs, k = ((8, 8, 8), (8, 8), (12, 12, 16)), 6
    state = weaver_state(edge_convs, 10, 3, fusion)
    model = ParticleNet(features=FEATURES, classes=3, k=k, edge_convs=edge_convs, hidden=10, fusion=fusion).eval()
    model.load_state_dict(from_weaver({prefix + name: value for name, value in state.items()}))
    points, features, mask = cloud([20, 1, 6, 7, 3, 35], features=FEATURES)
    expected = [twin(p[m], f[m], state, edge_convs, k) for p, f, m in zip(points, features, mask)]
    torch.testing.assert_close(model(points, features, mask), torch.stack(expected), rtol=1e-4, atol=1e-4)


def test_foreign_weights_are_refused():
    with pytest.raises(ValueError, match=r"'fc\.2\.weight' is no weight of a weaver ParticleNet"):
        from_weaver({"fc.2.weight": torch.zeros(1)})


@pytest.mark.parametrize("edge_convs", [(), ((8, 8), ())])
def test_no_edge_convolution_is_refused(edge_convs):
    with pytest.raises(ValueError, match="edge_convs must hold the widths of at least one edge convolution"):
        ParticleNet(edge_convs=edge_convs)


@pytest.mark.parametrize(
    "arguments, message", [({"k": 0}, "k must .* got 0"), ({"edge_convs": ((8, 0),)}, r"edge_convs\[0\]")]
)
def test_sizes_below_one_are_refused(arguments, message):
    with pytest.raises(ValueError, match=f"ParticleNet: {message}"):
        ParticleNet(**arguments)


def test_lite_arguments_are_those_of_the_paper():
    model = ParticleNet(**LITE)
    assert (model.k, len(model.edge_convs)) == (7, 2)
