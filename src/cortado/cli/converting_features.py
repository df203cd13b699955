"""The command `convert` for tables of dijets: features of the LHC Olympics to ROOT."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

LABELS = {"bkg": 0, "sig": 1}
"""What datasets of a file say of their events by their names, where there is no column of labels."""


class Sums(NamedTuple):
    """What was written."""

    events: int = 0
    signal: int = 0
    unlabelled: int = 0
    undefined: int = 0  # events with a tau21 that is not defined


def are_features(inputs: list[tuple[str, str | None]], dialect: str | None) -> bool:
    """Whether the first input is a table of features; other errors of it are left to who reads it."""
    from cortado import ntuples, readers

    if dialect is not None:
        return dialect == readers.lhco_features.NAME
    try:
        names = ntuples.branch_names(*inputs[0])
    except (OSError, ValueError, KeyError):
        return False
    return any(set(form) <= set(names) for form in readers.lhco_features.FORMS)


def write_features(inputs: list[tuple[str, str | None]], out: Path, advance: Callable[[int], Any]) -> list[str]:
    """Write all events in the dialect of dijets; what is to be said of them."""
    import numpy as np

    from cortado import ntuples, reading
    from cortado.readers import lhco_features

    total = Sums()

    def chunks() -> Iterator[dict[str, Any]]:
        nonlocal total
        for run, (file, tree) in enumerate(inputs, start=1):
            first = 0
            for events in reading.iterate(file if tree is None else f"{file}:{tree}", dialect=lhco_features.NAME):
                columns = lhco_features.columns_of(events, run=run, first=first)
                if "label" not in columns and tree in LABELS:
                    columns["label"] = np.full(len(events), LABELS[tree], np.int32)
                undefined = np.isnan(columns["tau21_1"]) | np.isnan(columns["tau21_2"])
                known = "label" in columns
                more = (len(events), int(columns["label"].sum()) if known else 0, 0 if known else len(events))
                total = Sums(*(a + b for a, b in zip(total, (*more, int(undefined.sum())))))
                first += len(events)
                yield columns
            advance(1)

    ntuples.write(out, "Events", chunks())
    labels = "without labels" if total.unlabelled else f"{total.signal:,} of them signal"
    lines = [f"wrote {out}: {total.events:,} events, {labels}; tau21 = tau2 / tau1, ratios of the files are not used"]
    if total.undefined:
        lines.append(f"{total.undefined:,} events have a jet with tau1 = 0: its tau21 is NaN, select without them")
    return lines
