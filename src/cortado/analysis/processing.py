"""coffea processors of a study: over its samples or the user's files, with all histograms kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hist
from rich.table import Table

from cortado import ntuples
from cortado.analysis.terminal import console
from cortado.histograms import scale_to_luminosity

__all__ = ["at_luminosity", "fileset_of", "named_files", "process", "process_files", "saved_histograms"]

CUTFLOW = "cutflow"
"""Has no numbers on its axes, which ROOT asks for."""


def named_files(files: Sequence[str | Path]) -> dict[str, str | Path]:
    """Files by their names without folder and suffix.

    Raises:
        ValueError: If two have the same name.
    """
    stems = [Path(path).stem for path in files]
    if several := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise ValueError(f"files need different names, for data sets and figures; there are several of {several}")
    return dict(zip(stems, files))


def fileset_of(files: Mapping[str, str | Path], **metadata: Any) -> dict[str, Any]:
    """A fileset with one data set for each file; the tree of events is looked for.

    Args:
        files: By name of the data set.
        metadata: Of every data set, such as `trained_on=True` or a cross section.
    """
    return {
        name: {"files": {str(path): ntuples.find_tree(path)}, "metadata": dict(metadata)}
        for name, path in files.items()
    }


def process(
    fileset: Mapping[str, Any], instance: Any, folder: Path, histograms: Sequence[str], **options: Any
) -> dict[str, Any]:
    """Run a processor and keep its histograms: as JSON without loss, as ROOT for others, and what normalises them.

    Args:
        fileset: As for `processors.run`.
        instance: The processor.
        folder: Where `histograms.json`, `histograms.root` and `normalisation.json` go.
        histograms: Names in the output of the processor.
        options: For `processors.run`.
    Returns:
        The output of the processor.
    """
    from cortado import processors  # with coffea, which takes seconds

    output = processors.run(fileset, instance, **options)
    chosen = {name: output[name] for name in histograms}
    normalisation: dict[str, Any] = {name: output[name] for name in ("events", "sum_of_weights") if name in output}
    normalisation["cross_sections"] = {name: entry["metadata"].get("cross_section") for name, entry in fileset.items()}
    (folder / "normalisation.json").write_text(json.dumps(normalisation, indent=1))
    ntuples.write_histograms(folder / "histograms.json", chosen)
    ntuples.write_histograms(folder / "histograms.root", {n: each for n, each in chosen.items() if n != CUTFLOW})
    console.print(f"wrote {folder / 'histograms.root'}: {sum(output['events'].values()):,} entries", markup=False)
    return output


def process_files(
    files: Sequence[str | Path], instance: Any, folder: Path, histograms: Sequence[str], **options: Any
) -> dict[str, Any]:
    """Run a processor over files that a user names, one data set a file, and show the cutflow.

    Args:
        files: ROOT files of any names that differ.
        instance: The processor.
        folder: Of the run; the histograms go to its folder `files`.
        histograms: Names in the output of the processor.
        options: For `processors.run`.
    Raises:
        ValueError: If two files have the same name.
    """
    named = named_files(files)
    out = folder / "files"
    out.mkdir(parents=True, exist_ok=True)
    output = process(fileset_of(named), instance, out, histograms, **options)
    if CUTFLOW in output:
        console.print(_cutflow_table(output[CUTFLOW]))
    return output


def _cutflow_table(cutflow: hist.Hist) -> Table:
    lines = Table("data set", *cutflow.axes["cut"], title="left after each cut, weighted")
    for name in cutflow.axes["dataset"]:
        counts = cutflow[{"dataset": name}].view()["value"]
        lines.add_row(name, *(f"{count:.6g}" for count in counts))
    return lines


def saved_histograms(folder: str | Path) -> dict[str, hist.Hist]:
    """The histograms that `process` has kept."""
    return ntuples.read_histograms(Path(folder) / "histograms.json")


def at_luminosity(folder: str | Path, name: str, luminosity: float) -> hist.Hist:
    """A histogram that `process` has kept, scaled to a luminosity by cross sections and sums of weights.

    Args:
        folder: Where it is kept.
        name: Of the histogram.
        luminosity: In 1/fb, for cross sections in pb.
    """
    numbers = json.loads((Path(folder) / "normalisation.json").read_text())
    chosen = saved_histograms(folder)[name]
    return scale_to_luminosity(chosen, numbers["cross_sections"], numbers["sum_of_weights"], luminosity)
