"""What the dialects with several files of an event have in common: which belong together, and cells of hits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import awkward as ak
import numpy as np

from cortado.readers import columns
from cortado.truth.trajectories import positions

__all__ = ["columns_of_files", "with_cells"]


def columns_of_files(
    files: Mapping[str, Iterable[str]], available: Iterable[str], dialect: str, *, together: Iterable[str] = ()
) -> list[str]:
    """Columns of those files of an event that are there, each with all that it needs.

    Args:
        files: Columns by the file that needs them.
        available: Names of all columns, `file_column`.
        dialect: Name of the dialect, for the message.
        together: Files that are there all or none.

    Raises:
        KeyError: If a file lacks a column (names the nearest), or one of those that belong together is missing.
    """
    there = set(available)
    present = [file for file in files if any(name.startswith(f"{file}_") for name in there)]
    absent = [file for file in together if file not in present]
    if absent and len(absent) < len(list(together)):
        others = ", ".join(file for file in together if file in present)
        raise KeyError(f"{dialect}: the file of {absent[0]} is missing, which belongs to that of {others}")
    wanted = [f"{file}_{name}" for file in present for name in files[file]]
    columns.require(wanted, there, dialect)
    return wanted


def with_cells(hit_id: ak.Array, cell_hit_id: ak.Array, value: ak.Array) -> dict[str, ak.Array]:
    """Number of cells and sum of their values of each hit.

    Args:
        hit_id: Of the hits, shape (n_events, var).
        cell_hit_id: Of the cells, shape (n_events, var).
        value: What the cells measured, same shape.

    Returns:
        cells and charge, shape (n_events, var).

    Raises:
        ValueError: If hit_id are not different, or a cell has one that no hit has.
    """
    hit, counts = positions(hit_id, cell_hit_id, "hit_id of hits"), ak.num(hit_id)
    if np.any(hit < 0):
        raise ValueError(f"{np.sum(hit < 0)} of {len(hit)} cells have a hit_id that no hit has")
    number = int(ak.sum(counts))
    cells, charge = np.bincount(hit, minlength=number), np.bincount(hit, columns.flat(value), minlength=number)
    return {"cells": ak.unflatten(cells, counts), "charge": ak.unflatten(charge, counts)}
