import torch
from torch import nn

from cortado.models.layers import NodeNorm, fold_batch_norm, perceptron


def trained(model, inputs):
    for _ in range(3):
        model(inputs)
    return model.eval()


def test_convolutions_and_linear_layers_are_folded():
    torch.manual_seed(0)
    images = torch.randn(5, 2, 6, 6) + 1
    convolutions = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU())
    linears = nn.Sequential(nn.Flatten(), nn.Linear(48, 4, bias=False), NodeNorm(4))
    model = trained(nn.Sequential(convolutions, linears), images)
    folded = fold_batch_norm(model)
    assert not any(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) for module in folded.modules())
    torch.testing.assert_close(folded(images), model(images))


def test_batch_norm_without_a_layer_before_stays():
    model = nn.Sequential(NodeNorm(3), nn.Linear(3, 2))
    nodes = torch.randn(9, 3)
    torch.testing.assert_close(fold_batch_norm(trained(model, nodes))(nodes), model(nodes))


def test_node_norm_is_batch_norm_from_two_nodes():
    ours, theirs, nodes = NodeNorm(3), nn.BatchNorm1d(3), torch.randn(7, 3)
    torch.testing.assert_close(ours(nodes), theirs(nodes))
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())
    assert torch.equal(ours(nodes[:1]), ours.eval()(nodes[:1]))


def test_statistics_kept_are_those_of_batch_norm():
    ours, theirs, nodes = NodeNorm(3), nn.BatchNorm1d(3), torch.randn(7, 3)
    theirs(nodes)
    ours.keep(nodes.mean(0), nodes.var(0, correction=0), 7)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())


def test_perceptron_has_dropout_behind_each_hidden_layer():
    kinds = [type(layer).__name__ for layer in perceptron(3, (4, 5), 2, dropout=0.1)]
    assert kinds == ["Linear", "ReLU", "Dropout", "Linear", "ReLU", "Dropout", "Linear"]
