"""ParticleNet of weaver-core: known by names and shapes of its weights; its file is read, never run.

The weights do not say how many neighbours there are, and how constituents are averaged: that is looked for in the
network file, as plain values of `conv_params` and `use_counts`.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cortado.models import ParticleNet
from cortado.models.particlenet import from_weaver
from cortado.names import nearest

__all__ = ["Network", "read_network"]

_EPSILON = 1e-5  # of weaver's batch norms, and ours
_FOREIGN = {
    "Particle Transformer": r"(^|\.)(cls_token|pair_embed\.|blocks\.\d+\.attn)",
    "ParticleNeXt": r"(^|\.)(layers\.\d+\.edge_|edge_encode|multi_scale)",
    "ParticleNetTagger (two collections)": r"(^|\.)sv_conv\.",
    "ParticleNet behind a convolution of its features": r"(^|\.)pf_conv\.",
}


class Network(NamedTuple):
    """Our network with weaver's weights, and the arguments that make it."""

    model: ParticleNet
    arguments: dict[str, Any]


def read_network(weights: Path, network: Path | None, *, neighbours: int | None = None) -> Network:
    """Our ParticleNet with the weights of weaver's.

    Args:
        weights: State dict that weaver has saved, `..._best_epoch_state.pt`.
        network: Python file with `get_model`.
        neighbours: In the place of what the file says.
    Raises:
        ValueError: If the weights are of another network, or the number of neighbours is not known.
    """
    state = _state(weights)
    for name, pattern in _FOREIGN.items():
        if found := next((key for key in state if re.search(pattern, key)), None):
            raise ValueError(f"{weights}: {found!r} is a weight of a {name}, which cannot be imported: ParticleNet can")
    source = _Source.of(network)
    arguments = {**_sizes(weights, state), "k": neighbours or _neighbours(source)}
    if source.value("use_counts") is False:
        raise ValueError(
            f"{network}: use_counts=False divides by the longest jet of a batch, so that scores would depend on the "
            "other jets, required: use_counts=True"
        )
    if source.value("for_segmentation") is True:
        raise ValueError(f"{network}: for_segmentation=True answers for constituents, required: a tagger of jets")
    model = ParticleNet(**arguments)
    try:
        model.load_state_dict(from_weaver(state))
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"{weights}: no weights of a ParticleNet that can be imported: {reason}") from error
    return Network(model.eval(), arguments)


def _state(path: Path) -> dict[str, Tensor]:
    """Tensors by their names in the network itself, with the batch norm of features if there is none."""
    try:
        given = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"{path}: not read as weights alone, and a pickle with more is refused, as reading one runs code: {reason}"
        ) from error
    if not isinstance(given, Mapping) or not all(isinstance(value, Tensor) for value in given.values()):
        raise ValueError(f"{path}: holds no state dict, required: tensors by name, as weaver saves them")
    state = {re.sub(r"^((module|_orig_mod|mod)\.)+", "", name): value for name, value in given.items()}
    first = state.get("edge_convs.0.convs.0.weight")
    if "bn_fts.weight" not in state and first is not None:
        state |= {f"bn_fts.{name}": value for name, value in _no_norm(first.shape[1] // 2).items()}
    return state


def _no_norm(features: int) -> dict[str, Tensor]:
    """State of a batch norm that changes nothing: use_fts_bn=False."""
    one, nothing = torch.ones(features), torch.zeros(features)
    scale = {"weight": one * math.sqrt(1 + _EPSILON), "bias": nothing, "running_mean": nothing, "running_var": one}
    return {**scale, "num_batches_tracked": torch.tensor(0)}


def _sizes(path: Path, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Arguments of `ParticleNet` by the shapes of weights."""
    convolutions = re.compile(r"edge_convs\.(\d+)\.convs\.(\d+)\.weight")
    widths: dict[int, dict[int, int]] = {}
    for name, value in state.items():
        if match := convolutions.fullmatch(name):
            widths.setdefault(int(match[1]), {})[int(match[2])] = value.shape[0]
    needed = ("edge_convs.0.convs.0.weight", "fc.0.0.weight", "fc.1.weight")
    for name in needed:
        if name not in state:
            hint = nearest(name, state)
            raise ValueError(f"{path}: no weight {name!r}, so it is no ParticleNet with one hidden layer; {hint}")
    sizes: dict[str, Any] = {
        "features": state[needed[0]].shape[1] // 2,
        "classes": state[needed[2]].shape[0],
        "edge_convs": tuple(tuple(widths[i][j] for j in sorted(widths[i])) for i in sorted(widths)),
        "hidden": state[needed[1]].shape[0],
    }
    if "fusion_block.0.weight" in state:
        sizes["fusion"] = state["fusion_block.0.weight"].shape[0]
    return sizes


class _Source(NamedTuple):
    """A network file as a tree."""

    path: Path | None
    tree: ast.AST

    @classmethod
    def of(cls, path: Path | None) -> _Source:
        if path is None:
            return cls(None, ast.Module([], []))
        try:
            return cls(path, ast.parse(path.read_text()))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ValueError(f"{path}: no Python: {error}") from error

    def value(self, name: str) -> Any:
        """The plain value of a variable or argument; None if there is none.

        Raises:
            ValueError: If there are several.
        """
        known = {repr(value): value for value in self._values(name)}
        if len(known) > 1:
            raise ValueError(f"{self.path}: {name} has several values, {', '.join(known)}; required: one")
        return next(iter(known.values()), None)

    def _values(self, name: str) -> Iterator[Any]:
        """Values that `get_model` gives; without one those of all calls and assignments."""
        functions = [each for each in ast.walk(self.tree) if isinstance(each, ast.FunctionDef)]
        maker: ast.AST = next((each for each in functions if each.name == "get_model"), self.tree)
        for node in ast.walk(maker):
            given: list[ast.expr] = []
            match node:
                case ast.keyword(arg, value) if arg == name:
                    given = [value]
                case ast.Assign(targets, value) if any(getattr(each, "id", "") == name for each in targets):
                    given = [value]
                case ast.Dict(keys, values):
                    given = [v for k, v in zip(keys, values) if isinstance(k, ast.Constant) and k.value == name]
            yield from (found for each in given if (found := _literal(each)) is not None)


def _literal(node: ast.expr) -> Any:
    """A plain value, or the default in ``kwargs.get(name, default)``; None of anything else."""
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "get" and len(node.args) == 2:
        node = node.args[1]
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _neighbours(source: _Source) -> int:
    """The number of neighbours in `conv_params`, [(k, (widths)), ...].

    Raises:
        ValueError: If it is not there as plain values, or differs from layer to layer.
    """
    parameters = source.value("conv_params")
    try:
        numbers = {int(k) for k, _ in parameters}
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{source.path}: no conv_params = [(k, (widths)), ...] in plain values, required, as weights do not tell "
            "the number of neighbours: --neighbours NUMBER says it"
        ) from error
    if len(numbers) != 1:
        raise ValueError(f"{source.path}: conv_params have {sorted(numbers)} neighbours, required: one number for all")
    return numbers.pop()
