"""ONNX and torch.export (.pt2), with any number of objects and constituents.

The exported graph takes what the representation makes of the objects, before scaling, under the names of its
fields; scaling is part of the graph. It gives the answers of the bundle's use by their names: of a tagger `logits` and
`probabilities`, shape (objects, classes); of pairs the same, (objects, constituents, constituents); of a regression its
numbers, (objects,), before they are multiplied by what they are relative to; of the edges of a graph `logits`,
`probabilities`, (edges,), and the `edges` themselves, (edges, 2); of an embedding the places of the hits, `embedding`,
(hits, dimensions), and their `event_index`, among which the caller looks for neighbours; of a generator, which takes
`energy` and `noise`, the `features`, still scaled. The file's metadata holds the description of the bundle (use,
working points, representation with its arguments) as JSON under "cortado". All answers are compared with the original
on the canary before the file is put in place.

Needs the extra `export` for ONNX.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray

from cortado import bundle as bundles
from cortado.bundle import Own
from cortado.bundle.length_units import Unit
from cortado.export.checking import Arrays, Exported, write_checked
from cortado.extras import extra

__all__ = ["to_onnx", "to_torch_export"]


def to_onnx(
    bundle: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    representations: Iterable[type] = (),
    models: Iterable[type] = (),
    uses: Iterable[type] = (),
    lengths: Unit | None = None,
) -> Exported:
    """Write the bundle at `bundle` as an ONNX file, checked with onnxruntime.

    Args:
        bundle: Path of a bundle.
        path: `name.onnx`.
        representations: As `cortado.bundle.load`.
        models: As `cortado.bundle.load`.
        uses: As `cortado.bundle.load`.
        lengths: As `cortado.bundle.load`.
    Raises:
        ImportError: If the extra `export` is not installed.
        ValueError: If the network cannot be exported, or outputs differ by more than 1e-4 from the original's.
    """
    with extra("export", "ONNX"):
        import onnxruntime
        import onnxscript  # noqa: F401  (torch.onnx needs it and says so less clearly)
    original = _read(bundle, Own(tuple(representations), tuple(models), tuple(uses), lengths))
    try:
        program = torch.onnx.export(
            original.program, input_names=original.names, output_names=original.answers, dynamo=True, verbose=False
        )
    except torch.onnx.OnnxExporterError as error:  # operations that ONNX has not
        reason = re.sub(r"\s+", " ", str(error.__cause__ or error))[:200]
        raise ValueError(f"{bundle} cannot be exported as ONNX, torch.onnx says: {reason}") from error
    assert program is not None, "torch.onnx gives no program only for TorchScript exports"
    program.model.metadata_props["cortado"] = original.description

    def outputs(file: Path) -> Callable[[Arrays], Sequence[NDArray[Any]]]:
        try:
            session = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
        except Exception as error:  # of onnxruntime's own types
            reason = re.sub(r"\s+", " ", str(error))[:200]
            raise ValueError(f"{bundle} cannot be exported as ONNX, onnxruntime says: {reason}") from error
        return lambda inputs: session.run(original.answers, dict(zip(original.names, inputs)))

    return write_checked(Path(path), original.canary, program.save, outputs)


def to_torch_export(
    bundle: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    representations: Iterable[type] = (),
    models: Iterable[type] = (),
    uses: Iterable[type] = (),
    lengths: Unit | None = None,
) -> Exported:
    """Write the bundle at `bundle` as a torch.export file, to be read by `torch.export.load`.

    Args:
        bundle: Path of a bundle.
        path: `name.pt2`.
        representations: As `cortado.bundle.load`.
        models: As `cortado.bundle.load`.
        uses: As `cortado.bundle.load`.
        lengths: As `cortado.bundle.load`.
    Raises:
        ValueError: If the network cannot be exported, or outputs differ by more than 1e-4 from the original's.
    """
    original = _read(bundle, Own(tuple(representations), tuple(models), tuple(uses), lengths))

    def write(file: Path) -> None:
        torch.export.save(original.program, file, extra_files={"cortado": original.description})

    def outputs(file: Path) -> Callable[[Arrays], Sequence[NDArray[Any]]]:
        module = torch.export.load(file).module()
        return lambda inputs: [output.detach().numpy() for output in module(*map(torch.from_numpy, inputs))]

    return write_checked(Path(path), original.canary, write, outputs)


class _Original(NamedTuple):
    """What is exported, and the canary that tells whether it came out the same."""

    program: torch.export.ExportedProgram
    names: tuple[str, ...]  # of the inputs
    answers: tuple[str, ...]
    canary: tuple[tuple[Arrays, Arrays], ...]  # unscaled inputs, answers; of different sizes and lengths
    description: str


class _Scaled(torch.nn.Module):
    """`Scaling.__call__` in torch."""

    def __init__(self, *, center: Sequence[float], scale: Sequence[float], clip: float | None) -> None:
        super().__init__()
        self.center = torch.nn.Buffer(torch.tensor(center, dtype=torch.float32))
        self.scale = torch.nn.Buffer(torch.tensor(scale, dtype=torch.float32))
        self.clip = clip

    def forward(self, features: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        scaled = (features - self.center) * self.scale
        if self.clip is not None:
            scaled = scaled.clamp(-self.clip, self.clip)
        return scaled if mask is None else torch.where(mask.unsqueeze(-1), scaled, features)


class _Mapped(torch.nn.Module):
    """`QuantileScaling.__call__` in torch: a sum of slopes times lengths, of all intervals below the value."""

    def __init__(self, quantiles: Sequence[Sequence[float]], normal: Sequence[Sequence[float]]) -> None:
        super().__init__()
        most = max(map(len, quantiles))
        before, after = (
            torch.tensor([(*row, *(most - len(row)) * (row[-1],)) for row in rows], dtype=torch.float64)
            for rows in (quantiles, normal)
        )
        lengths = before.diff()
        self.begin, self.lengths = torch.nn.Buffer(before[:, :-1].clone()), torch.nn.Buffer(lengths)
        self.slopes = torch.nn.Buffer(torch.where(lengths > 0, after.diff() / lengths, 0.0))
        self.lowest = torch.nn.Buffer(after[:, 0].clone())

    def forward(self, features: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        inside = (features.unsqueeze(-1).double() - self.begin).clamp(min=0).minimum(self.lengths)
        mapped = (self.lowest + (inside * self.slopes).sum(-1)).to(features.dtype)
        return mapped if mask is None else torch.where(mask.unsqueeze(-1), mapped, features)


class _Graph(torch.nn.Module):
    """Unscaled inputs -> answers."""

    def __init__(self, bundle: bundles.Bundle, inputs: Any, *, takes_none: bool) -> None:
        super().__init__()
        self.model, self.use, self.inputs, self.takes_none = bundle.model, bundle.use, inputs, takes_none
        self.most = _most_members(bundle.representation, inputs._fields)
        self.scaled: _Scaled | _Mapped | None = None
        scaling: Any = bundle.scaling
        if hasattr(scaling, "quantiles"):
            self.scaled = _Mapped(scaling.quantiles, scaling.normal)
        elif scaling is not None:
            self.scaled = _Scaled(center=scaling.center, scale=scaling.scale, clip=scaling.clip)

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Answers, if there may be no objects with one more, which is empty and left out at the end.

        Many operations take no empty batch.
        """
        padded = [_padded(tensor, most) for tensor, most in zip(inputs, self.most, strict=True)]
        if not self.takes_none:
            return self._answers(*padded)
        return tuple(answer[:-1] for answer in self._answers(*map(_with_one_more, padded)))

    def _answers(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        given: Any = self.inputs(*inputs)
        if self.scaled is not None and "features" in given._fields:
            given = given._replace(features=self.scaled(given.features, getattr(given, "mask", None)))
        return tuple(self.use.answers(self.model(*given), given).values())


def _most_members(representation: Any, names: Sequence[str]) -> tuple[int | None, ...]:
    """Largest number of members of each input that is one of several collections, each with its mask; else None.

    Networks read these in a row (LSTM), which a graph has step by step: they are padded to it.
    """
    collections = {name.removesuffix("_mask") for name in names if name.endswith("_mask")}
    of = (name.removesuffix("_mask") for name in names)
    return tuple(getattr(representation, f"max_{name}", None) if name in collections else None for name in of)


def _padded(tensor: torch.Tensor, most: int | None) -> torch.Tensor:
    """A collection (n, p, ...) with zeros behind it, (n, most, ...)."""
    if most is None:
        return tensor
    zeros = tensor.new_zeros((tensor.shape[0], most, *tensor.shape[2:]))
    return torch.cat([tensor, zeros], dim=1)[:, :most]  # of a size that is known, whatever p


def _with_one_more(tensor: torch.Tensor) -> torch.Tensor:
    return torch.cat([tensor, tensor.new_zeros((1, *tensor.shape[1:]))])


def _read(path: str | os.PathLike[str], own: Own) -> _Original:
    content = bundles.read(path)
    bundle, objects = content.bundle(own), content.canary_objects(own.lengths)
    # Traced with two objects or more: torch.export takes a size of one for a constant.
    batches = [ak.concatenate([objects, objects]), objects, objects[:1]]
    raw = [bundle.use.inputs(bundle.represent(batch), _seeded()) for batch in batches]
    inputs = [tuple(map(np.ascontiguousarray, each)) for each in raw]
    names = raw[0]._fields
    try:
        program, takes_none = _program(bundle, type(raw[0]), tuple(map(torch.from_numpy, inputs[0])))
    except RuntimeError as error:  # operations of a network that are no graph, or not one of any size
        network, reason = type(bundle.model).__name__, str(error).partition("\n")[0]
        raise ValueError(f"{path}: {network} cannot be exported, torch.export says: {reason}") from error
    expected = [_answers(bundle, batch) for batch in batches]
    canary = tuple((given, tuple(each.values())) for given, each in zip(inputs, expected))
    if takes_none:
        given, answers = (tuple(array[:0] for array in arrays) for arrays in canary[-1])
        canary += ((given, answers),)  # of no objects
    return _Original(program, names, tuple(expected[0]), canary, json.dumps(content.description()))


def _program(bundle: bundles.Bundle, inputs: Any, example: tuple[torch.Tensor, ...]) -> tuple[Any, bool]:
    """The exported program, and whether it takes no objects: graphs and some generators cannot.

    Args:
        bundle: What is exported.
        inputs: Type of its inputs.
        example: Inputs of some objects.
    """
    names = inputs._fields
    shapes = _dynamic_shapes(names, _most_members(bundle.representation, names))
    for takes_none in (True, False) if "edge_index" not in names else (False,):
        graph = _Graph(bundle, inputs, takes_none=takes_none).eval()
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "The tensor attribute.*assigned during export")  # of an LSTM
                return torch.export.export(graph, example, dynamic_shapes=(shapes,)), takes_none
        except RuntimeError:
            if not takes_none:
                raise
    raise AssertionError("no way to export was tried")


def _seeded() -> np.random.Generator:
    return np.random.default_rng(1)


def _answers(bundle: bundles.Bundle, objects: ak.Array) -> dict[str, NDArray[Any]]:
    inputs = bundle.use.inputs(bundle.prepare(objects), _seeded())
    tensors = type(inputs)(*(torch.from_numpy(np.ascontiguousarray(array)) for array in inputs))
    answers = bundle.use.answers(bundles.run(bundle.model, inputs), tensors)
    return {name: answer.numpy() for name, answer in answers.items()}


def _dynamic_shapes(names: Sequence[str], most: Sequence[int | None]) -> tuple[dict[int, Any], ...]:
    """Free dimensions of each input: the objects, and the constituents of everything that comes with a mask of its own.

    Those of a graph are its nodes and edges, of all objects together.
    """
    if "edge_index" in names:
        nodes, edges = torch.export.Dim("nodes"), torch.export.Dim("graph_edges")
        of_graph = {"nodes": {0: nodes}, "edge_index": {1: edges}, "edge_features": {0: edges}}
        return tuple(of_graph[name] for name in names)
    objects, constituents = torch.export.Dim("objects"), torch.export.Dim("constituents")
    if any(most):
        ends = {name.removesuffix("_mask"): end for name, end in zip(names, most) if end is not None}
        of_each = {name: {0: objects, 1: torch.export.Dim(name, max=end)} for name, end in ends.items()}
        return tuple(of_each.get(name.removesuffix("_mask"), {0: objects}) for name in names)
    free: dict[int, Any] = {0: objects} | ({1: constituents} if "mask" in names else {})
    return tuple(free | {2: constituents} if name == "edges" else free for name in names)
