"""Bundles for other runtimes: ONNX and torch.export (.pt2), with any number of jets and constituents.

The exported graph takes what the representation makes of the jets, before scaling, under the names of its
fields; scaling is part of the graph. It gives `logits` and `probabilities`, shape (jets, classes), or of pairs
(jets, constituents, constituents). The file's metadata holds the description of the bundle (classes, signal, working
points, representation with its arguments) as JSON under "cortado". Both are compared with the original on the canary
before the file is put in place.

Needs the extra `export` for ONNX.
"""

import json
import os
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray

from cortado import bundle as bundles

TOLERANCE = 1e-4
OUTPUTS = ("logits", "probabilities")
Arrays = tuple[NDArray[Any], ...]


class Exported(NamedTuple):
    """The file written, and the largest difference of its outputs from the original's on the canary."""

    path: Path
    difference: float


def to_onnx(
    bundle: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    representations: Iterable[type] = (),
    models: Iterable[type] = (),
) -> Exported:
    """Write the bundle at `bundle` as an ONNX file, checked with onnxruntime.

    Args:
        bundle: Path of a bundle.
        path: `name.onnx`.
        representations: As `cortado.bundle.load`.
        models: As `cortado.bundle.load`.
    Raises:
        ImportError: If the extra `export` is not installed.
        ValueError: If outputs differ by more than 1e-4 from the original's.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401  (torch.onnx needs it and says so less clearly)
    except ImportError as error:
        raise ImportError(f"ONNX needs the extra `export`: pip install 'cortado[export]' ({error})") from error
    original = _read(bundle, representations, models)
    program = torch.onnx.export(
        original.program, input_names=original.names, output_names=OUTPUTS, dynamo=True, verbose=False
    )
    assert program is not None, "torch.onnx gives no program only for TorchScript exports"
    program.model.metadata_props["cortado"] = original.description

    def outputs(file: Path) -> Callable[[Arrays], Sequence[NDArray[Any]]]:
        session = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
        return lambda inputs: session.run(OUTPUTS, dict(zip(original.names, inputs)))

    return _write_checked(Path(path), original, program.save, outputs)


def to_torch_export(
    bundle: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    representations: Iterable[type] = (),
    models: Iterable[type] = (),
) -> Exported:
    """Write the bundle at `bundle` as a torch.export file, to be read by `torch.export.load`.

    Args:
        bundle: Path of a bundle.
        path: `name.pt2`.
        representations: As `cortado.bundle.load`.
        models: As `cortado.bundle.load`.
    Raises:
        ValueError: If outputs differ by more than 1e-4 from the original's.
    """
    original = _read(bundle, representations, models)

    def write(file: Path) -> None:
        torch.export.save(original.program, file, extra_files={"cortado": original.description})

    def outputs(file: Path) -> Callable[[Arrays], Sequence[NDArray[Any]]]:
        module = torch.export.load(file).module()
        return lambda inputs: [output.detach().numpy() for output in module(*map(torch.from_numpy, inputs))]

    return _write_checked(Path(path), original, write, outputs)


class _Original(NamedTuple):
    """What is exported, and the canary that tells whether it came out the same."""

    program: torch.export.ExportedProgram
    names: tuple[str, ...]
    canary: tuple[tuple[Arrays, torch.Tensor], ...]  # unscaled inputs, logits; of different sizes and lengths
    description: str
    task: bundles.Task


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
    """Unscaled inputs -> logits, probabilities."""

    def __init__(self, tagger: bundles.Bundle, names: Sequence[str]) -> None:
        super().__init__()
        self.model, self.names, self.task = tagger.model, names, tagger.task
        self.scaled: _Scaled | _Mapped | None = None
        scaling: Any = tagger.scaling
        if hasattr(scaling, "quantiles"):
            self.scaled = _Mapped(scaling.quantiles, scaling.normal)
        elif scaling is not None:
            self.scaled = _Scaled(center=scaling.center, scale=scaling.scale, clip=scaling.clip)

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        named = dict(zip(self.names, inputs))
        if self.scaled is not None:
            named["features"] = self.scaled(named["features"], named.get("mask"))
        logits = self.model(*named.values())
        return logits, bundles.probabilities(logits, self.task)


def _read(path: str | os.PathLike[str], representations: Iterable[type], models: Iterable[type]) -> _Original:
    tagger = bundles.load(path, representations=representations, models=models)
    jets = bundles.canary_jets(path)
    # Traced with two jets or more: torch.export takes a size of one for a constant.
    batches = [ak.concatenate([jets, jets]), jets, jets[:1]]
    inputs = [tuple(map(np.ascontiguousarray, tagger.representation(batch))) for batch in batches]
    names = tagger.representation(jets[:1])._fields
    program = torch.export.export(
        _Graph(tagger, names).eval(),
        tuple(map(torch.from_numpy, inputs[0])),
        dynamic_shapes=(_dynamic_shapes(names),),
    )
    logits = [bundles.run(tagger.model, tagger.prepare(batch)) for batch in batches]
    return _Original(program, names, tuple(zip(inputs, logits)), json.dumps(bundles.describe(path)), tagger.task)


def _dynamic_shapes(names: Sequence[str]) -> tuple[dict[int, Any], ...]:
    """Free dimensions of each input: the jets, and the constituents of everything that comes with a mask."""
    jets, constituents = torch.export.Dim("jets"), torch.export.Dim("constituents")
    free: dict[int, Any] = {0: jets} | ({1: constituents} if "mask" in names else {})
    return tuple(free | {2: constituents} if name == "edges" else free for name in names)


def _write_checked(
    path: Path,
    original: _Original,
    write: Callable[[Path], Any],
    outputs: Callable[[Path], Callable[[Arrays], Sequence[NDArray[Any]]]],
) -> Exported:
    """Write under a temporary name, compare with the original, and only then move into place."""
    temporary = path.with_name(f".{uuid.uuid4().hex[:8]}.{path.name}")
    try:
        write(temporary)
        difference = _difference(path, outputs(temporary), original)
        if not difference <= TOLERANCE:
            raise ValueError(
                f"{path}: outputs on the canary differ from the original's by {difference:.3g}, "
                f"more than {TOLERANCE:g}; nothing was written"
            )
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return Exported(path, difference)


def _difference(path: Path, run: Callable[[Arrays], Sequence[NDArray[Any]]], original: _Original) -> float:
    """Largest absolute difference of logits and probabilities on the canary, in batches of several sizes."""
    differences = []
    for inputs, logits in original.canary:
        try:
            found = run(inputs)
        except (AssertionError, RuntimeError) as error:  # a guard of torch.export that a size was baked in
            shapes = ", ".join(str(array.shape) for array in inputs)
            raise ValueError(f"{path}: the exported graph does not take inputs of {shapes}: {error}") from error
        expected = logits.numpy(), bundles.probabilities(logits, original.task).numpy()
        counted = _pairs(dict(zip(original.names, inputs))["mask"]) if original.task == "pairing" else ...
        differences += [np.abs(a - b)[counted].max(initial=0.0) for a, b in zip(found, expected)]
    return float(np.max(differences))


def _pairs(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pairs of different constituents, (n, p, p): whatever else stands in logits of pairs has no meaning."""
    pairs: NDArray[np.bool_] = mask[:, :, None] & mask[:, None, :] & ~np.eye(mask.shape[1], dtype=np.bool_)
    return pairs
