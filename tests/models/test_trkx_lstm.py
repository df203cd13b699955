"""The LSTM of HEP.TrkX: its published sizes, its arithmetic, and that it never looks ahead."""

import numpy as np
import pytest
import torch

from cortado.models import TrkXLSTM


def made(**sizes):
    torch.manual_seed(0)
    return TrkXLSTM(**sizes).eval()


def test_it_agrees_with_the_equations_step_by_step():
    """Hochreiter, Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735, with the forget gate of Gers et al. (2000)."""
    model = made(pixels=7, hidden=5)
    image = torch.rand(2, 4, 7) < 0.4
    of_input, of_state, bias = (p.detach().double().numpy() for p in model.recurrent.parameters())
    out_weight, out_bias = (p.detach().double().numpy() for p in model.output.parameters())
    expected = []
    for rows in image.double().numpy():
        state, cell = np.zeros(5), np.zeros(5)
        for row in rows:
            inward, forget, new, outward = np.split(of_input @ row + of_state @ state + bias, 4)
            cell = sigmoid(forget) * cell + sigmoid(inward) * np.tanh(new)
            state = sigmoid(outward) * np.tanh(cell)
            expected.append(out_weight @ state + out_bias)
    np.testing.assert_allclose(model(image).detach().numpy().reshape(8, 7), expected, atol=1e-6)


def sigmoid(value):
    return 1 / (1 + np.exp(-value))


def test_layers_further_out_do_not_matter():
    model, image = made(), torch.rand(3, 50, 50) < 0.2
    other = image.clone()
    other[:, 20:] = ~other[:, 20:]
    assert torch.equal(model(image)[:, :20], model(other)[:, :20])
    assert not torch.equal(model(image)[:, 20], model(other)[:, 20])


def test_forget_gates_begin_open():
    model = made(hidden=4)
    assert model.recurrent.bias.detach().tolist() == [0] * 4 + [1] * 4 + [0] * 8


def test_other_pictures_are_refused():
    with pytest.raises(ValueError, match="made with pixels=50, but the pictures have 40 in a layer"):
        made()(torch.zeros(1, 50, 40))
    with pytest.raises(ValueError, match="TrkXLSTM: hidden must be an integer of at least 1, got 0"):
        TrkXLSTM(hidden=0)
