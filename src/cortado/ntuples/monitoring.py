"""Histograms of a monitoring system: one of each element in each lumisection, in ROOT folders, HDF5 or CSV.

ROOT: TH1 and TH2 in folders that name run and lumisection. HDF5: datasets (lumisections, rows, columns), one an
element, as of the maps of the HCAL in ML4DQM. CSV: a histogram a row, as text, as of the CMS pixel histograms of
ML4DQM-DC.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO, cast

import h5py
import numpy as np
from numpy.typing import NDArray

from cortado.names import nearest
from cortado.ntuples.columnar import require_held
from cortado.ntuples.paths import existing
from cortado.ntuples.root import open_directory
from cortado.ntuples.table import first_line, named

__all__ = ["FOLDERS", "MonitoringHistogram", "iterate_monitoring"]

FOLDERS = r"(?:.*/)?Run[ _]?(?P<run>\d+)/(?:.*/)?(?:By )?Lumi(?: ?[Ss]ection)?[ _]?(?P<lumi>\d+)(?:-\d+)?/(?P<name>.+)"
"""Pattern of a path in a ROOT file, as `Run_355374/Lumi_12/PixelPhase1/digi_occupancy`."""

_RUN, _LUMI, _NAME, _HISTOGRAM, _GOLDEN = "fromrun", "fromlumi", "hname", "histo", "Json"
_KINDS = ("TH1", "TH2")
_NUMBERS = "biuf"  # kinds of numpy


class MonitoringHistogram(NamedTuple):
    """One histogram as it was stored.

    Attributes:
        run: Number of the run.
        lumi: Number of the lumisection.
        name: Of the monitoring element.
        values: Without under- and overflow, (bins,) or (y, x): rows are along y.
        entries: As the file counts them, under- and overflow among them.
        edges: Of the bins of each axis, as (y, x); empty where the file has none.
        golden: Whether the lumisection was certified as good; None where the file does not say.
    """

    run: int
    lumi: int
    name: str
    values: NDArray[Any]
    entries: float
    edges: tuple[NDArray[np.float64], ...] = ()
    golden: bool | None = None


def iterate_monitoring(
    path: str | Path, *, pattern: str = FOLDERS, name: str | None = None
) -> Iterator[MonitoringHistogram]:
    """Histograms of a file, one by one, in its order.

    Args:
        path: ROOT, HDF5 or CSV file.
        pattern: Regular expression with the groups run, lumi and name, that the whole path of a histogram in a ROOT
            file must match; others are left out.
        name: Regular expression that the whole name of an element must match; all if not given.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the pattern lacks a group, no histogram matches, or the file has none.
    """
    wanted, place = re.compile(name or ".*"), re.compile(pattern)
    suffix = Path(str(path).removesuffix(".gz")).suffix.lower()
    if suffix in (".h5", ".hdf5"):
        histograms = _of_hdf5(str(path), wanted)
    elif suffix == ".csv":
        histograms = _of_csv(str(path), wanted)
    else:
        histograms = _of_root(str(path), place, wanted)
    with named(str(path)):
        yield from histograms


def _of_root(path: str, place: re.Pattern[str], wanted: re.Pattern[str]) -> Iterator[MonitoringHistogram]:
    if missing := {"run", "lumi", "name"} - set(place.groupindex):
        raise ValueError(
            f"{path}: pattern {place.pattern!r} lacks the named groups {sorted(missing)}, as in {FOLDERS!r}"
        )
    with open_directory(path) as directory:
        stored = directory.classnames(recursive=True, cycle=False).items()
        histograms = [key for key, kind in stored if kind.startswith(_KINDS)]
        matches = [(key, match) for key in histograms if (match := place.fullmatch(key))]
        chosen = [(key, match) for key, match in matches if wanted.fullmatch(match["name"])]
        _require_some(path, chosen, [match["name"] for _, match in matches], wanted, histograms, place.pattern)
        for key, match in chosen:
            try:
                yield _histogram(directory[key], match)
            except Exception as error:
                raise OSError(f"cannot read {key!r} of {path}: {first_line(error)}") from error


def _histogram(stored: Any, match: re.Match[str]) -> MonitoringHistogram:
    values = np.asarray(stored.values())
    edges = tuple(np.asarray(axis.edges(), np.float64) for axis in reversed(stored.axes))
    run, lumi, name = int(match["run"]), int(match["lumi"]), match["name"]
    return MonitoringHistogram(run, lumi, name, values.T, float(stored.member("fEntries")), edges)


def _of_hdf5(path: str, wanted: re.Pattern[str]) -> Iterator[MonitoringHistogram]:
    """Elements one after the other; entries of a dataset are taken for the lumisections 1, 2, ... of run 0."""
    try:
        file = h5py.File(existing(path), "r")
    except OSError as error:
        raise OSError(f"cannot open {path} as HDF5: {first_line(error)}") from error
    with file:
        stored = {key: item for key, item in file.items() if isinstance(item, h5py.Dataset)}
        elements = [key for key, item in stored.items() if item.ndim in (2, 3) and item.dtype.kind in _NUMBERS]
        chosen = [key for key in elements if wanted.fullmatch(key)]
        _require_some(path, chosen, elements, wanted, list(stored), "numbers (lumisections, rows, columns)")
        for key in chosen:
            require_held(path, cast(h5py.Dataset, file[key]))
            for k, values in enumerate(cast(Any, file[key])):
                yield MonitoringHistogram(0, k + 1, key, np.asarray(values), float(values.sum()))


def _of_csv(path: str, wanted: re.Pattern[str]) -> Iterator[MonitoringHistogram]:
    csv.field_size_limit(1 << 24)
    names: set[str] = set()
    matched = False
    with _text(existing(path)) as file:
        # Columns may be named twice, with the same content.
        for number, row in enumerate(csv.DictReader(line for line in file if line.strip())):
            if absent := [column for column in (_RUN, _LUMI, _HISTOGRAM) if column not in row]:
                raise ValueError(f"{path} lacks the columns {', '.join(absent)}; it has {', '.join(map(str, row))}")
            name = row.get(_NAME) or "histogram"
            names.add(name)
            if not wanted.fullmatch(name):
                continue
            matched = True
            try:
                # The first and the last are under- and overflow.
                values = np.asarray(json.loads(row[_HISTOGRAM]), np.float64)
                entries = float(row.get("entries") or values.sum())
                golden = None if row.get(_GOLDEN) is None else row[_GOLDEN] == "True"
                run, lumi = int(row[_RUN]), int(row[_LUMI])
            except (ValueError, TypeError, IndexError) as error:
                raise ValueError(f"{path}, histogram {number}: {first_line(error)}") from error
            yield MonitoringHistogram(run, lumi, name, values[1:-1], entries, (), golden)
    if not matched:
        raise ValueError(f"{path}: no element matches {wanted.pattern!r}; {nearest(wanted.pattern, sorted(names))}")


def _text(path: str) -> TextIO:
    return cast(TextIO, gzip.open(path, "rt")) if path.endswith(".gz") else open(path)


def _require_some(
    path: str, chosen: list[Any], names: list[str], wanted: re.Pattern[str], stored: list[str], pattern: str
) -> None:
    if not names:
        there = ", ".join(stored[:3]) or "none"
        raise ValueError(f"{path}: no histogram matches {pattern!r}; the first of {len(stored)}: {there}")
    if not chosen:
        unique = list(dict.fromkeys(names))
        raise ValueError(f"{path}: no element matches {wanted.pattern!r}; {nearest(wanted.pattern, unique)}")
