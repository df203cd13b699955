"""Long short-term memory with one bias a gate, which an exported program unrolls for any number of steps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class LSTM(nn.Module):
    """One layer; torch's own has two biases a gate, of which one is in vain.

    Weights begin as in Keras: those of the inputs Glorot's, those of the state orthogonal, and forget gates open.

    Args:
        inputs: Number f of features of a step.
        hidden: Number h of units.

    References:
        Hochreiter, Schmidhuber, Long short-term memory (1997), doi:10.1162/neco.1997.9.8.1735; with the forget gate of
        Gers et al., Learning to forget (2000), doi:10.1162/089976600300015015.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        # Gates in the order of torch: input, forget, cell, output.
        self.of_input = nn.Parameter(torch.empty(4 * hidden, inputs))
        self.of_state = nn.Parameter(torch.empty(4 * hidden, hidden))
        self.bias = nn.Parameter(torch.zeros(4 * hidden))
        nn.init.xavier_uniform_(self.of_input)
        nn.init.orthogonal_(self.of_state)
        nn.init.ones_(self.bias.data[hidden : 2 * hidden])

    def forward(self, steps: Tensor) -> Tensor:
        """States (n, l, h) after each of the steps (n, l, f)."""
        if torch.compiler.is_exporting():
            return self._scanned(steps)
        start = steps.new_zeros(1, len(steps), self.of_state.shape[1])
        weights = [self.of_input, self.of_state, self.bias, torch.zeros_like(self.bias)]
        states, _, _ = torch.lstm(steps, (start, start), weights, True, 1, 0.0, self.training, False, True)
        return states

    def _scanned(self, steps: Tensor) -> Tensor:
        # The only way to a loop of any length in torch.export and ONNX; not public yet.
        from torch._higher_order_ops import scan

        gates = nn.functional.linear(steps, self.of_input, self.bias).transpose(0, 1)
        start = steps.new_zeros(1, self.of_state.shape[1]).expand(steps.shape[0], -1).clone()

        def step(memory: tuple[Tensor, Tensor], gate: Tensor) -> tuple[Any, Tensor]:
            state, cell = memory
            inward, forget, new, outward = (gate + state @ self.of_state.T).chunk(4, dim=1)
            cell = torch.sigmoid(forget) * cell + torch.sigmoid(inward) * torch.tanh(new)
            state = torch.sigmoid(outward) * torch.tanh(cell)
            return (state, cell), state.clone()

        _, states = scan(step, (start, start.clone()), gates)
        turned: Tensor = states.transpose(0, 1)
        return turned
