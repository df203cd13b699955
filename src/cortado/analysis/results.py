"""Figures of merit of a study: computed, written, shown as a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike
from rich.box import SIMPLE
from rich.table import Table

from cortado import metrics

__all__ = ["read_results", "results_table", "tagging_merits", "write_results"]

RESULTS = "results.json"


def tagging_merits(
    is_signal: ArrayLike, score: ArrayLike, efficiencies: Sequence[float] = (0.5, 0.3)
) -> dict[str, Any]:
    """AUC and rejections of the background at signal efficiencies.

    Args:
        is_signal: Truth of each object, shape (n,).
        score: Higher for signal, shape (n,).
        efficiencies: Of the signal.
    """
    curve = metrics.roc(is_signal, score)
    rejections = {f"1/mistag at {100 * one:g} %": metrics.rejection_at(curve, one) for one in efficiencies}
    return {"AUC": curve.auc, **rejections}


def write_results(folder: Path, results: Mapping[str, Any]) -> None:
    """Write numbers of a run, estimates as pairs of value and error."""
    (folder / RESULTS).write_text(json.dumps(results, indent=1))


def read_results(folder: str | Path) -> Any:
    """What `write_results` has written."""
    return json.loads((Path(folder) / RESULTS).read_text())


def results_table(
    results: Mapping[str, Mapping[str, Any]], *, title: str, titles: Mapping[str, str] | None = None, first: str = ""
) -> Table:
    """Rows of named numbers as a table; pairs are shown as value and error, intervals and other records as they say.

    Args:
        results: By row and column; a row need not have all columns.
        title: Above the table.
        titles: Of rows, if not their names.
        first: Title of the column of row titles.
    """
    columns = list(dict.fromkeys(name for row in results.values() for name in row))
    lines = Table(first, *columns, title=title, box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    for name, row in results.items():
        lines.add_row((titles or {}).get(name, name), *(_cell(row.get(column, "")) for column in columns))
    return lines


def _cell(value: Any) -> str:
    if type(value) in (list, tuple):
        return str(metrics.Estimate(*value))
    return f"{value:,}" if isinstance(value, int) else str(value)
