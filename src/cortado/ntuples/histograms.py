"""Histograms to files and back: ROOT for others, JSON for everything that hist knows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import boost_histogram as bh
import hist
import numpy as np
import uhi.io.json
import uproot

from cortado.files import replacing
from cortado.ntuples.paths import existing
from cortado.ntuples.root import open_directory
from cortado.ntuples.table import first_line, named

_CATEGORIES = (bh.axis.StrCategory, bh.axis.IntCategory)
_STORAGES = (bh.storage.Weight, bh.storage.Double, bh.storage.Int64, bh.storage.AtomicInt64)


def write_histograms(path: str | Path, histograms: Mapping[str, hist.Hist]) -> None:
    """Write histograms to a ``.root`` file or, with all that hist knows, to a ``.json`` file.

    ROOT has no axes of names: a histogram ``mass`` with axes ``dataset`` and ``variation`` becomes TH1 or TH2
    ``<dataset>/<variation>/mass``. Variances, under- and overflow and labels of axes are kept, their
    names are not. JSON follows the serialisation of uhi, https://uhi.readthedocs.io, and loses nothing.

    Raises:
        ValueError: If the suffix is neither, there are no histograms, or one does not fit into ROOT: none
            or more than three axes of numbers, entries outside the names of an axis, a storage of means, or two
            of one name.
        OSError: If the disk is full or the folder cannot be written to; an earlier file stays.
    """
    if not histograms:
        raise ValueError(f"no histograms to write to {path}")
    if _suffix(path) == ".json":
        text = json.dumps(dict(histograms), default=uhi.io.json.default)
        with replacing(path) as partial:
            partial.write_text(text)
        return
    parts = [part for title, histogram in histograms.items() for part in _parts(title, histogram)]
    names = Counter(name for name, _ in parts)
    if twice := [name for name, times in names.items() if times > 1]:
        raise ValueError(f"several histograms would be called {twice[0]} in {path}")
    with replacing(path) as partial, uproot.recreate(partial) as file:
        for name, part in parts:
            file[name] = part


def read_histograms(path: str | Path) -> dict[str, hist.Hist]:
    """Read all histograms of a ``.root`` or ``.json`` file, by their names in the file.

    Raises:
        FileNotFoundError: If the file does not exist.
        OSError: If it cannot be read.
        ValueError: If the suffix is neither, or there are no histograms in the file.
    """
    histograms = _read_json(path) if _suffix(path) == ".json" else _read_root(path)
    if not histograms:
        raise ValueError(f"{path} holds no histograms")
    return histograms


def _suffix(path: str | Path) -> str:
    suffix = Path(path).suffix
    if suffix not in (".root", ".json"):
        raise ValueError(f"histograms are kept in .root or .json files, not in {suffix!r} ({path})")
    return suffix


def _parts(title: str, histogram: hist.Hist) -> Iterator[tuple[str, hist.Hist]]:
    """One histogram of numbers for each combination of names, with its path in the ROOT file."""
    if not issubclass(histogram.storage_type, _STORAGES):
        raise ValueError(f"histogram {title!r} has the storage {histogram.storage_type.__name__}; ROOT has no such")
    names = {k: list(axis) for k, axis in enumerate(histogram.axes) if isinstance(axis, _CATEGORIES)}
    if not 1 <= histogram.ndim - len(names) <= 3:
        raise ValueError(f"histogram {title!r} has {histogram.ndim - len(names)} axes of numbers; ROOT has 1, 2 or 3")
    _check_named(title, histogram)
    if not issubclass(histogram.storage_type, bh.storage.Weight | bh.storage.Double):
        # uproot does not write the 64-bit integers of hist
        histogram = hist.Hist(*histogram.axes, storage=bh.storage.Double(), data=histogram.values(flow=True))
    for chosen in product(*names.values()):
        where = {position: hist.loc(value) for position, value in zip(names, chosen)}
        yield "/".join([*map(str, chosen), title]), _with_flow(histogram[where] if where else histogram)


def _with_flow(histogram: hist.Hist) -> hist.Hist:
    """The same with under- and overflow on every axis, empty where there were none: ROOT has both or loses both."""
    if all(axis.traits.underflow and axis.traits.overflow for axis in histogram.axes):
        return histogram
    axes = [_plain_axis(axis) for axis in histogram.axes]
    made = hist.Hist(*axes, storage=histogram.storage_type(), label=histogram.label, name=histogram.name)
    place = tuple(slice(1 - axis.traits.underflow, 1 - axis.traits.underflow + axis.extent) for axis in histogram.axes)
    made.view(flow=True)[place] = histogram.view(flow=True)
    return made


def _plain_axis(axis: Any) -> Any:
    """An axis of the same bins with flow."""
    edges, titles = np.asarray(axis.edges, np.float64), {"name": axis.name, "label": axis.label}
    if np.allclose(np.diff(edges), edges[1] - edges[0]):
        return hist.axis.Regular(len(edges) - 1, edges[0], edges[-1], **titles)
    return hist.axis.Variable(edges, **titles)


def _check_named(title: str, histogram: hist.Hist) -> None:
    """Refuse entries that were filled under a name that the axis does not have: ROOT would lose them."""
    values = histogram.values(flow=True)
    for position, axis in enumerate(histogram.axes):
        if isinstance(axis, _CATEGORIES) and axis.traits.overflow:
            lost = np.take(values, axis.size, axis=position).sum()
            if lost:
                raise ValueError(
                    f"histogram {title!r} has a sum of weights of {lost:g} outside the names {list(axis)} "
                    f"of its axis {axis.name!r}: add the missing name, or use growth=True"
                )


def _read_json(path: str | Path) -> dict[str, hist.Hist]:
    try:
        content = json.loads(Path(existing(path)).read_text(), object_hook=uhi.io.json.object_hook)
        return {name: hist.Hist(value) for name, value in content.items()}
    except Exception as error:  # uhi and boost-histogram have many
        if isinstance(error, OSError):
            raise
        raise OSError(f"{path} is not a file of histograms: {first_line(error)}") from error


def _read_root(path: str | Path) -> dict[str, hist.Hist]:
    with open_directory(str(path)) as directory, named(str(path)):
        classes: Mapping[str, Any] = directory.classnames(recursive=True, cycle=False)
        return {
            name: directory[name].to_hist() for name, kind in classes.items() if kind.startswith(("TH1", "TH2", "TH3"))
        }
