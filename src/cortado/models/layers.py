"""Pieces that three or more models share: checks, perceptrons, ragged packing, batch-norm folding.

Jets have between no and some hundred constituents, and a padded array (n, p, f) holds mostly zeros. The models
therefore compute on *nodes*: the real constituents of all jets of a batch in one array (N, f), jet after jet. An
exported program (torch.export, ONNX) has no ragged arrays; there the nodes are all n p positions, in the same order,
and those without a constituent are zeros that no result sees.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval


def require_positive(model: str, **sizes: int) -> None:
    """Check constructor arguments that count something.

    Raises:
        ValueError: If one of the sizes is not an integer of at least 1.
    """
    for name, size in sizes.items():
        given: Any = size  # of numpy, too
        if isinstance(given, bool) or not isinstance(given, Integral) or given < 1:
            raise ValueError(f"{model}: {name} must be an integer of at least 1, got {size!r}")


def require_width(model: str, features: Tensor, expected: int) -> None:
    """Check that a representation gives the number of features that a model was made for.

    Raises:
        ValueError: If the last dimension of `features` has another length than `expected`.
    """
    if features.shape[-1] != expected:
        raise ValueError(
            f"{model} was made with features={expected}, but the representation gives {features.shape[-1]} features "
            f"(input of shape {tuple(features.shape)}); make the model with features={features.shape[-1]} "
            "or choose other features"
        )


def perceptron(
    inputs: int,
    hidden: Sequence[int],
    outputs: int | None = None,
    dropout: float = 0.0,
    activation: Callable[[], nn.Module] = nn.ReLU,
) -> nn.Sequential:
    """Linear layers with activation, and dropout when asked for; with `outputs`, a last linear layer without."""
    layers: list[nn.Module] = []
    for before, after in zip([inputs, *hidden], hidden):
        layers += [nn.Linear(before, after), activation()]
        layers += [nn.Dropout(dropout)] if dropout else []
    if outputs is not None:
        layers.append(nn.Linear([inputs, *hidden][-1], outputs))
    return nn.Sequential(*layers)


class NodeNorm(nn.BatchNorm1d):
    """Batch norm of nodes (N, c) that takes a batch of fewer than two, which has no variance, by running statistics."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def forward(self, nodes: Tensor) -> Tensor:
        """Normalise nodes (N, c)."""
        if self.training and len(nodes) < 2:
            return nn.functional.batch_norm(
                nodes, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(nodes)

    @torch.no_grad()
    def keep(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Move the running statistics towards those (c,) of `count` values that were normalised elsewhere."""
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)


def pack(values: Tensor, mask: Tensor) -> Tensor:
    """Values (n, p, f) of the constituents that exist as nodes (N, f); all positions while exporting."""
    if torch.compiler.is_exporting():
        return values.masked_fill(~mask.unsqueeze(-1), 0.0).flatten(0, 1)
    return values[mask]


def sum_per_jet(nodes: Tensor, mask: Tensor) -> Tensor:
    """Sum nodes (N, c) over each jet to (n, c), at least in float32; zero for a jet without constituents."""
    nodes = nodes.to(torch.promote_types(nodes.dtype, torch.float32))
    if torch.compiler.is_exporting():
        return nodes.view(*mask.shape, -1).masked_fill(~mask.unsqueeze(-1), 0.0).sum(1)
    return torch.segment_reduce(nodes, "sum", lengths=mask.sum(1), unsafe=True, initial=0.0)


def fold_batch_norm(model: nn.Module) -> nn.Module:
    """Copy a model for inference, each batch norm folded into the linear or convolution layer before it.

    Folded are neighbours in an `nn.Sequential`; the logits agree with those of `model.eval()` up to rounding.
    """
    folded = copy.deepcopy(model).eval()
    for sequence in [module for module in folded.modules() if isinstance(module, nn.Sequential)]:
        for index in range(1, len(sequence)):
            layer, norm = sequence[index - 1], sequence[index]
            if isinstance(layer, nn.Linear) and isinstance(norm, nn.BatchNorm1d):
                sequence[index - 1] = fuse_linear_bn_eval(layer, norm)
            elif isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                sequence[index - 1] = fuse_conv_bn_eval(layer, norm)
            else:
                continue
            sequence[index] = nn.Identity()
    return folded
