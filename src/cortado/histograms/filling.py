"""Filling histograms with weighted events, under every variation of the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import hist
import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.masks import unmasked
from cortado.names import nearest

__all__ = ["NOMINAL", "VariedWeights", "fill_variations", "varied_weights"]

NOMINAL = "nominal"


@runtime_checkable
class VariedWeights(Protocol):
    """What is asked of event weights with variations; `coffea.analysis_tools.Weights` has it."""

    @property
    def variations(self) -> set[str]:
        """Names of the variations, without the nominal one."""

    def weight(self, modifier: str | None = None) -> NDArray[np.float64]:
        """Weights of all events, shape (n,), nominal or of one variation."""


def fill_variations(
    histogram: hist.Hist,
    dataset: str,
    values: Mapping[str, ArrayLike],
    weights: VariedWeights | Mapping[str, ArrayLike] | ArrayLike,
    *,
    selection: ArrayLike | None = None,
    variation: str = NOMINAL,
) -> None:
    """Fill one data set's events under the nominal weights and under every variation of the weights.

    Where the objects are varied, such as the energy of jets, the values are others: one call for each variation, by its
    name and with its nominal weights alone. The weights are read, never changed. NaN is refused, because it would hide
    in the overflow bin.

    Args:
        histogram: Made by `book`.
        dataset: Name of the data set.
        values: For every further axis the values, shape (n,), or one value that all events share.
        weights: coffea's `Weights`; or arrays of shape (n,) by variation; or one array, the nominal weights.
        selection: True for the events to fill, shape (n,); all of them if not given.
        variation: Of the objects whose values these are, such as "JES_TotalUp".

    Raises:
        ValueError: If values, weights and selection differ in length, or contain NaN or (weights) infinity.
        KeyError: If the values do not name exactly the histogram's further axes.
    """
    columns = {name: unmasked(column) for name, column in values.items()}
    _require_axes(histogram, columns)
    varied = varied_weights(weights)
    if variation != NOMINAL:
        if variation in varied:
            raise ValueError(f"data set {dataset!r}: {variation!r} is a variation of the weights, not of objects alone")
        varied = {variation: varied[NOMINAL]}
    first = next(iter(varied.values()))
    chosen = np.ones(len(first), dtype=bool) if selection is None else unmasked(selection, dtype=bool)
    _require_one_length(dataset, columns, varied, chosen)
    picked = {name: column[chosen] if column.ndim else column.item() for name, column in columns.items()}
    _require_numbers(dataset, picked)
    for name, weight in varied.items():
        _require_finite(dataset, name, weight[chosen])
        histogram.fill(dataset=dataset, variation=name, weight=weight[chosen], **picked)
        if not chosen.any():
            _name(histogram, dataset, name, picked)


def _name(histogram: hist.Hist, dataset: str, variation: str, columns: Mapping[str, Any]) -> None:
    """Put a data set without events into the histogram, with zeros: by an entry of weight 0."""
    entry: dict[str, Any] = {"dataset": dataset, "variation": variation}
    for axis in histogram.axes:
        if axis.name in entry:
            continue
        if isinstance(axis, hist.axis.StrCategory | hist.axis.IntCategory):
            given = columns[axis.name] if np.ndim(columns[axis.name]) == 0 else next(iter(axis), None)
            if given is None:
                return  # which categories there will be is not known yet
            entry[axis.name] = given
        else:
            entry[axis.name] = axis.edges[0]
    histogram.fill(**entry, weight=0.0)


def varied_weights(
    weights: VariedWeights | Mapping[str, ArrayLike] | ArrayLike,
) -> dict[str, NDArray[np.float64]]:
    """Arrays of weights by variation, nominal first and the others sorted, whatever form they come in.

    Raises:
        ValueError: If a mapping is empty.
    """
    if isinstance(weights, VariedWeights):
        nominal = {NOMINAL: np.asarray(weights.weight())}
        return nominal | {name: np.asarray(weights.weight(name)) for name in sorted(weights.variations)}
    if not isinstance(weights, Mapping):
        return {NOMINAL: unmasked(weights, dtype=np.float64)}
    if not weights:
        raise ValueError("no weights to fill with: the mapping of variations is empty")
    names = sorted(weights, key=lambda name: (name != NOMINAL, name))
    return {name: unmasked(weights[name], dtype=np.float64) for name in names}


def _require_axes(histogram: hist.Hist, columns: Mapping[str, Any]) -> None:
    needed = [name for name in histogram.axes.name if name not in ("dataset", "variation")]
    if missing := [name for name in needed if name not in columns]:
        raise KeyError(f"no values for the axes {missing} of the histogram; given: {list(columns)}")
    for name in columns:
        if name not in needed:
            raise KeyError(f"the histogram has no axis {name!r}; {nearest(name, needed)}")


def _require_one_length(
    dataset: str, columns: Mapping[str, Any], varied: Mapping[str, Any], chosen: NDArray[np.bool_]
) -> None:
    lengths = {name: len(column) for name, column in columns.items() if column.ndim}
    lengths |= {f"weights of {name}": len(weight) for name, weight in varied.items()}
    lengths["selection"] = len(chosen)
    if len(set(lengths.values())) > 1:
        raise ValueError(f"data set {dataset!r}: values, weights and selection differ in length: {lengths}")


def _require_numbers(dataset: str, columns: Mapping[str, Any]) -> None:
    for name, column in columns.items():
        array = np.asarray(column)
        if array.dtype.kind == "f" and (count := int(np.isnan(array).sum())):
            raise ValueError(f"data set {dataset!r}: {count} of {array.size} values of {name!r} are NaN")


def _require_finite(dataset: str, variation: str, weight: NDArray[np.float64]) -> None:
    if count := int((~np.isfinite(weight)).sum()):
        raise ValueError(f"data set {dataset!r}: {count} weights of variation {variation!r} are NaN or infinite")
