"""CSV, JSON and npz files of one event each, opened as tables of one entry; and CSV files of rows with event numbers.

Columns of `event000000001-hits.csv.gz` and of the files beside it that have the same number are `hits_x`,
`particles_px`, ... of one entry: naming the hits opens the whole event. The number in the name of a file is its
column `event`.

Identifiers (columns whose name ends with "_id" or begins with "particle_id") are read as int64 from their text, never
through a floating-point number; all other columns of CSV files as float64.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow  # type: ignore[import-untyped]
import pyarrow.csv  # type: ignore[import-untyped]

from cortado.ntuples.paths import existing, is_url
from cortado.ntuples.table import Table, first_line

SUFFIXES = (".csv", ".csv.gz", ".json", ".npz")
_OF_EVENT = re.compile(r"(?P<event>event\d+)-(?P<kind>[^.]+)\.csv(\.gz)?")
_LEADING = ("hits", "measurements")
_EVENT = "event"


def is_event_file(path: str) -> bool:
    """Whether the name is that of a file which this module opens."""
    return path.lower().endswith(SUFFIXES)


@contextmanager
def open_event_file(path: str) -> Iterator[Table]:
    """Open one event, or one CSV file of rows that have event numbers.

    Raises:
        OSError: If the file is remote, empty, damaged or holds something else.
        ValueError: If it is a CSV file of an event other than that of its hits, or its name has no number.
    """
    if is_url(path):
        raise OSError(f"{path} is remote: events in CSV, JSON and npz files are read from disk, copy it first")
    name = Path(existing(path)).name.lower()
    if name.endswith(".json"):
        yield _one_entry(path, _json_columns(path))
    elif name.endswith(".npz"):
        yield _one_entry(path, _npz_columns(path))
    else:
        yield _open_csv_event(path) if _OF_EVENT.fullmatch(name) else _open_csv_rows(path)


def files_of(path: str) -> dict[str, Path]:
    """All files that are opened with one, by what they hold: those of the same event in its folder, or it alone."""
    named = _OF_EVENT.fullmatch(Path(path).name)
    if not named:
        return {"": Path(path)}
    beside = sorted(Path(path).parent.glob(f"{named[_EVENT]}-*"))
    matches = ((file, _OF_EVENT.fullmatch(file.name)) for file in beside)
    return {match["kind"].replace("-", "_"): file for file, match in matches if match}


def _event_number(path: str) -> int:
    """The number after "event" in the name of a file, else the last one in it."""
    name = Path(path).name.partition(".")[0]
    numbers = re.findall(r"event_?(\d+)", name) or re.findall(r"\d+", name)[-1:]
    if not numbers:
        raise ValueError(f"{path}: the name of a file of one event needs its number, as in event000000001{_end(path)}")
    return int(numbers[0])


def _end(path: str) -> str:
    return next(suffix for suffix in SUFFIXES if path.lower().endswith(suffix))


def _one_entry(path: str, columns: Mapping[str, Any]) -> Table:
    def read(branches: Sequence[str], start: int, stop: int) -> ak.Array:
        return ak.zip({branch: everything[branch] for branch in branches}, depth_limit=1)[start:stop]

    everything = {**columns, _EVENT: ak.Array(np.array([_event_number(path)], np.int64))}
    return Table(path, "", 1, tuple(everything), lambda: [0, 1], read)


def _json_columns(path: str) -> dict[str, ak.Array]:
    """Lists of numbers under their names, and rows under "description" (the names of their columns) as columns."""
    try:
        content = json.loads(Path(path).read_text())
        lists = {name: values for name, values in content.items() if isinstance(values, list)}
        for described in content.values():
            if isinstance(described, dict) and isinstance(described.get("description"), list):
                lists |= _columns_of_rows(described)
        return {name: ak.Array([values]) for name, values in lists.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise OSError(f"cannot read {path} as a JSON event: {first_line(error)}") from error


def _columns_of_rows(described: Mapping[str, Any]) -> dict[str, list[Any]]:
    names = described["description"]
    columns: dict[str, list[Any]] = {}
    for kind, rows in described.items():
        if kind == "description":
            continue
        for number, row in enumerate(rows):
            if len(row) != len(names):
                raise ValueError(f"row {number} of {kind!r} has {len(row)} values, its description {len(names)} names")
        columns |= {f"{kind}_{name}": [row[place] for row in rows] for place, name in enumerate(names)}
    return columns


def _npz_columns(path: str) -> dict[str, ak.Array]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: ak.from_regular(ak.Array(np.atleast_1d(arrays[name])[None])) for name in arrays}
    except Exception as error:  # zipfile, zlib, struct and numpy have their own
        raise OSError(f"cannot read {path} as an npz event: {first_line(error)}") from error


def _open_csv_event(path: str) -> Table:
    files = files_of(path)
    kind = next(kind for kind, file in files.items() if file == Path(path))
    if kind not in _LEADING:
        leading = next((files[name].name for name in _LEADING if name in files), f"those of the {_LEADING[0]}")
        raise ValueError(f"{path} is one of several files of an event: name {leading}, the others are read with it")
    named = {kind: {f"{kind}_{column}": column for column in _header(file)} for kind, file in files.items()}
    known = {branch: kind for kind, names in named.items() for branch in names}

    def read(branches: Sequence[str], start: int, stop: int) -> ak.Array:
        columns = {_EVENT: np.array([_event_number(path)], np.int64)}
        for kind in dict.fromkeys(known[branch] for branch in branches if branch != _EVENT):
            wanted = {branch: named[kind][branch] for branch in branches if known.get(branch) == kind}
            values = _csv_columns(files[kind], list(wanted.values()))
            columns |= {branch: ak.from_regular(ak.Array(values[name][None])) for branch, name in wanted.items()}
        return ak.zip({branch: columns[branch] for branch in branches}, depth_limit=1)[start:stop]

    return Table(path, "", 1, (_EVENT, *known), lambda: [0, 1], read)


def _open_csv_rows(path: str) -> Table:
    """Rows with the number of their event: an entry is an event, in ascending order, with its rows as in the file."""
    names = _header(Path(path))
    if _EVENT not in names:
        raise OSError(f"{path} has no column {_EVENT!r}, which says what rows are of one event; it has {names}")
    number = _csv_columns(Path(path), [_EVENT])[_EVENT]
    if not np.all(number == np.round(number)):
        raise OSError(f"{path}: event {number[number != np.round(number)][0]} is no integer")
    order = np.argsort(number, kind="stable")
    events, counts = np.unique(number.astype(np.int64), return_counts=True)
    edges = np.append(0, np.cumsum(counts))

    def read(branches: Sequence[str], start: int, stop: int) -> ak.Array:
        rows = order[edges[start] : edges[stop]]
        columns = {_EVENT: events[start:stop]}
        values = _csv_columns(Path(path), [branch for branch in branches if branch != _EVENT])
        columns |= {name: ak.unflatten(column[rows], counts[start:stop]) for name, column in values.items()}
        return ak.zip({branch: columns[branch] for branch in branches}, depth_limit=1)

    return Table(path, "", len(events), tuple(names), lambda: [0, len(events)], read)


def _header(path: Path) -> list[str]:
    existing(path)
    return list(_parsed(path, lambda: pyarrow.csv.open_csv(path).schema.names))


def _csv_columns(path: Path, names: Sequence[str]) -> dict[str, Any]:
    if not names:
        return {}
    types = {name: pyarrow.int64() if _is_identifier(name) else pyarrow.float64() for name in names}
    options = pyarrow.csv.ConvertOptions(include_columns=list(names), column_types=types, null_values=[])
    table = _parsed(path, lambda: pyarrow.csv.read_csv(path, convert_options=options))
    return {name: table[name].to_numpy() for name in names}


def _is_identifier(name: str) -> bool:
    return name.endswith("_id") or name.startswith("particle_id")


def _parsed(path: Path, parse: Callable[[], Any]) -> Any:
    try:
        return parse()
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise OSError(f"cannot read {path} as CSV: {first_line(error)}") from error
