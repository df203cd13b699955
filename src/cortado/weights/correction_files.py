"""Working points and efficiencies as files of correctionlib (JSON, schema version 2), for any framework and for C++."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cortado.files import replacing
from cortado.statistics import proportion_error
from cortado.weights.working_points import WorkingPoint

if TYPE_CHECKING:
    import hist

__all__ = ["efficiency_correction", "measured_efficiency", "threshold_correction", "write_corrections"]

Floats = NDArray[np.float64]

SYSTEMATICS = ("nominal", "up", "down")
_WORKING_POINT = {"name": "working_point", "type": "string", "description": "name of the working point"}
_TRUTH = {"name": "truth", "type": "string", "description": "what the jet truly is: signal or background"}
_SYSTEMATIC = {"name": "systematic", "type": "string", "description": "nominal, up or down by the statistical error"}


def write_corrections(
    path: str | os.PathLike[str], corrections: Iterable[Mapping[str, Any]], *, description: str = ""
) -> None:
    """Write corrections to one file, whole or not at all, after correctionlib has read them.

    Args:
        path: ``name.json``, or ``name.json.gz`` to be compressed.
        corrections: Of the functions of this module, or of your own in the same form.
        description: Of the file.
    Raises:
        ValueError: If the name ends otherwise, there is no correction, two have one name, or correctionlib refuses one.
        FileNotFoundError: If the folder does not exist.
    """
    text = correction_text(str(path), corrections, description)
    if not str(path).endswith((".json", ".json.gz")):
        raise ValueError(f"{path}: corrections are kept in .json or .json.gz files")
    with replacing(path) as partial:
        # Without the time in its head, so that equal corrections make equal files.
        partial.write_bytes(gzip.compress(text.encode(), mtime=0) if str(path).endswith(".gz") else text.encode())


def correction_text(path: str, corrections: Iterable[Mapping[str, Any]], description: str) -> str:
    """JSON of `write_corrections`.

    Raises:
        ValueError: If there is no correction, two have one name, or correctionlib refuses one.
    """
    import correctionlib

    given = list(corrections)
    names = [each["name"] for each in given]
    if not given or len(set(names)) < len(names):
        raise ValueError(f"{path}: corrections are {names}; needed is one or more, each of its own name")
    content = {"schema_version": 2, "description": description, "corrections": given}
    text = json.dumps(content, allow_nan=False)
    try:
        correctionlib.CorrectionSet.from_string(text)
    except RuntimeError as error:
        raise ValueError(f"{path}: correctionlib does not take corrections {', '.join(names)}: {error}") from error
    return text


def threshold_correction(points: Iterable[WorkingPoint], *, name: str = "threshold") -> dict[str, Any]:
    """Smallest score that passes, by the name of the working point (input `working_point`).

    Args:
        points: The working points.
        name: Of the correction.
    """
    content = _by_name("working_point", {point.name: point.threshold for point in points})
    return _correction(name, [_WORKING_POINT], "threshold", "smallest score that passes", content)


def efficiency_correction(points: Iterable[WorkingPoint], *, name: str = "efficiency") -> dict[str, Any]:
    """Efficiencies of working points as they were measured in training.

    Its inputs are `systematic` (nominal, up, down: by the statistical error, not below 0 or above 1), `working_point`
    and `truth` (signal, background).

    Args:
        points: The working points.
        name: Of the correction.
    """
    measured = {
        point.name: {
            "signal": (point.efficiency, point.efficiency_err),
            "background": (point.mistag, point.mistag_err),
        }
        for point in points
    }
    content = _by_name(
        "systematic",
        {
            systematic: _by_name(
                "working_point",
                {
                    point: _by_name("truth", {truth: float(_shifted(*pair, systematic)) for truth, pair in of.items()})
                    for point, of in measured.items()
                },
            )
            for systematic in SYSTEMATICS
        },
    )
    inputs = [_SYSTEMATIC, _WORKING_POINT, _TRUTH]
    return _correction(name, inputs, "efficiency", "part that passes the working point", content)


def measured_efficiency(
    passed: hist.Hist,
    every: hist.Hist,
    *,
    name: str = "efficiency",
    flow: Literal["error", "clamp"] = "error",
) -> dict[str, Any]:
    """Efficiency in bins, from histograms of those that pass and of all.

    Its inputs are `systematic` (nominal, up, down: by half the width of the Wilson interval, as `efficiency`; not below
    0 or above 1), and the axes of the histograms by their names: texts of a category axis, numbers of the others.

    Args:
        passed: Weighted jets that pass, with the axes in which the efficiency is wanted alone.
        every: All jets, likewise; those that pass among them.
        name: Of the correction.
        flow: What a jet outside of the bins is: an error, or one of the nearest bin.
    Raises:
        ValueError: If the axes differ, have no name, or are integer categories; if the storage has no variances; if the
            weights of a bin do not sum to a positive number, or more pass than there are.
    """
    if passed.axes != every.axes or not all(axis.name for axis in every.axes):
        raise ValueError(
            f"efficiency: axes of those that pass, {passed.axes}, and of all, {every.axes}, must be named and equal"
        )
    if unknown := [axis.name for axis in every.axes if _is_category(axis) and _type_of(axis) != "string"]:
        raise ValueError(f"efficiency: axis {unknown[0]!r} is of integer categories, required: texts or numbers")
    if any(each.variances() is None for each in (passed, every)):
        raise ValueError("efficiency: the histograms have no variances, required: hist.storage.Weight()")
    value, error = _proportions(passed, every)
    content = _by_name(
        "systematic", {each: _binned(every.axes, _shifted(value, error, each), flow) for each in SYSTEMATICS}
    )
    inputs = [
        {"name": axis.name, "type": _type_of(axis), **({"description": axis.label} if axis.label else {})}
        for axis in every.axes
    ]
    return _correction(name, [_SYSTEMATIC, *inputs], "efficiency", "part that passes", content)


def _proportions(passed: hist.Hist, every: hist.Hist) -> tuple[Floats, Floats]:
    (inside, inside_w2), (total, total_w2) = ((each.values(), each.variances()) for each in (passed, every))
    if (empty := ~(total > 0)).any():
        raise ValueError(
            f"efficiency: {empty.sum()} of {empty.size} bins, first {_where(every.axes, empty)}, have weights of all "
            "jets that do not sum to a positive number: wider bins are needed"
        )
    fraction = inside / total
    if (outside := ~((fraction >= 0) & (fraction <= 1))).any():
        raise ValueError(
            f"efficiency: {outside.sum()} of {outside.size} bins, first {_where(every.axes, outside)}, have one "
            f"outside of [0, 1], such as {fraction[outside][0]:g}: those that pass must be among all"
        )
    return fraction, proportion_error(fraction, np.clip(inside_w2 / total_w2, 0, 1), total**2 / total_w2)


def _where(axes: Sequence[Any], chosen: NDArray[np.bool_]) -> str:
    """The first of the chosen bins: "pt 200 to 300, flavour b"."""
    places = zip(axes, np.argwhere(chosen)[0])
    return ", ".join(f"{axis.name} {_bin(axis, int(index))}" for axis, index in places)


def _bin(axis: Any, index: int) -> str:
    return str(axis[index]) if _is_category(axis) else f"{axis.edges[index]:g} to {axis.edges[index + 1]:g}"


def _shifted(value: Any, error: Any, systematic: str) -> Any:
    return np.clip(value + {"nominal": 0.0, "up": 1.0, "down": -1.0}[systematic] * error, 0.0, 1.0)


def _binned(axes: Sequence[Any], values: Floats, flow: str) -> Any:
    """Categories outside, numbers inside: the content of a correction for values of the shape of the axes."""
    names = [position for position, axis in enumerate(axes) if _type_of(axis) == "string"]
    if names:
        axis, rest = axes[names[0]], [each for k, each in enumerate(axes) if k != names[0]]
        parts = np.moveaxis(values, names[0], 0)
        return _by_name(axis.name, {key: _binned(rest, part, flow) for key, part in zip(axis, parts)})
    if not axes:
        return float(values)
    edges = [[_edge(edge) for edge in axis.edges] for axis in axes]
    return {
        "nodetype": "multibinning",
        "inputs": [axis.name for axis in axes],
        "edges": edges,
        "content": values.ravel().tolist(),
        "flow": flow,
    }


def _edge(edge: float) -> float | str:
    return float(edge) if np.isfinite(edge) else ("inf" if edge > 0 else "-inf")


def _type_of(axis: Any) -> str:
    return "string" if _is_category(axis) and all(isinstance(key, str) for key in axis) else "real"


def _is_category(axis: Any) -> bool:
    return not axis.traits.ordered


def _by_name(name: str, contents: Mapping[str, Any]) -> dict[str, Any]:
    content = [{"key": key, "value": value} for key, value in contents.items()]
    return {"nodetype": "category", "input": name, "content": content}


def _correction(
    name: str, inputs: Sequence[Mapping[str, str]], output: str, description: str, content: Any
) -> dict[str, Any]:
    return {
        "name": name,
        "version": 1,
        "inputs": list(inputs),
        "output": {"name": output, "type": "real", "description": description},
        "data": content,
    }
