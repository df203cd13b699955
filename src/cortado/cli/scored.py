"""What bundles say of events, by their task: columns of friend trees, and how these are summed up in words."""

import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

Columns = dict[str, Any]


class Scored(NamedTuple):
    """A bundle in use.

    Attributes:
        tree: Name of the friend tree.
        columns: Record of events -> collections to be written, beside the keys of the events.
        sums: Columns -> numbers to be added up over all files.
        report: Sums of all files, with the number of entries, and where it was written -> lines.
    """

    tree: str
    columns: Callable[[Any], Columns]
    sums: Callable[[Columns], Counter[str]]
    report: Callable[[Counter[str], str], list[str]]


def load(bundle: Path, fit: dict[str, Any], *, device: str, precision: Any) -> Scored:
    """The bundle, ready to be used; `fit` are the options of vertex fits that the user gave.

    Raises:
        ValueError: If there are such options for a tagger, or the bundle cannot be used.
    """
    import cortado
    from cortado.bundle import describe

    if describe(bundle).get("task") == "pairing":
        finder = cortado.load_finder(bundle, device=device, precision=precision)
        return Scored("vertices", partial(_vertices, finder, fit), _count_vertices, _report_vertices)
    scorer = cortado.load(bundle, device=device, precision=precision, without_constituents="nan")
    if fit:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in fit)
        raise ValueError(f"{options}: for vertex finders, but {bundle} is a tagger of {', '.join(scorer.classes)}")
    return Scored("scores", partial(_scores, scorer), partial(_count_scores, scorer.signal), _report_scores)


def _scores(scorer: Any, record: Any) -> Columns:
    """Scores of the jets, or of the showers of an event."""
    name = "shower" if "showers" in record.fields else "jet"
    return {name: scorer.probabilities(record[f"{name}s"])}


def _count_scores(signal: str, columns: Columns) -> Counter[str]:
    import awkward as ak
    import numpy as np

    (scores,) = (column[signal] for column in columns.values())
    return Counter(jets=int(ak.count(scores)), empty=int(ak.sum(np.isnan(scores))))


def _report_scores(total: Counter[str], where: str) -> list[str]:
    lines = [f"wrote {where}: scores of {total['jets']} jets in {total['entries']} entries"]
    if total["empty"]:
        lines.insert(0, f"{total['empty']} of {total['jets']} jets have no constituents: their score is NaN")
    return lines


def _vertices(finder: Any, fit: dict[str, Any], record: Any) -> Columns:
    from cortado.scoring import vertex_columns

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* cannot be fitted, left out")  # they are counted and reported
        try:
            return vertex_columns(finder, record, **fit)
        except ValueError as error:
            raise ValueError(str(error).replace("skip_unfit=True", "--skip-unfit")) from error


def _count_vertices(columns: Columns) -> Counter[str]:
    import awkward as ak

    jet, track, vertex = columns["jet"], columns["track"], columns["vertex"]
    counts = Counter(jets=ak.count(jet.n_tracks), tracks=ak.count(track.jetIdx), vertices=ak.count(vertex.jetIdx))
    if "unfit" in track.fields:
        counts["unfit"] = ak.sum(track.unfit)
    else:
        counts["without_covariance"] = len(jet)
    return counts


def _report_vertices(total: Counter[str], where: str) -> list[str]:
    lines = []
    if total["without_covariance"]:
        entries = f"{total['without_covariance']} of {total['entries']} entries"
        lines.append(f"the tracks of {entries} have no covariance: it is written which share a vertex, but no fit")
    if total["unfit"]:
        lines.append(f"{total['unfit']} of {total['tracks']} tracks cannot be fitted: they are left out")
    found = f"{total['vertices']} vertices in {total['jets']} jets of {total['tracks']} tracks"
    return [*lines, f"wrote {where}: {found} in {total['entries']} entries"]
