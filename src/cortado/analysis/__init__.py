"""What studies share, so that a study is its physics: presets, samples, trainings, coffea runs, results, figures.

A study is a folder with a `study.py`, which the commands `train`, `run` and `plot` call. It states its objects, its
networks and how they are judged, and leaves to this room what every study does: samples and trainings that are there
already are kept, histograms and numbers are written where `plot` finds them again.
"""

from __future__ import annotations

from cortado.analysis.figures import histogram_of, save_figures
from cortado.analysis.presets import preset_named
from cortado.analysis.processing import at_luminosity, fileset_of, named_files, process, process_files, saved_histograms
from cortado.analysis.results import read_results, results_table, tagging_merits, write_results
from cortado.analysis.samples import sample_paths, simulate_once, simulate_samples
from cortado.analysis.showers import ShowerSample, compare_shower_files, read_shower_sample, write_twins
from cortado.analysis.terminal import console, done
from cortado.analysis.trainings import bundle_path, history, load, train, training_seconds

__all__ = [
    "ShowerSample",
    "at_luminosity",
    "bundle_path",
    "compare_shower_files",
    "console",
    "done",
    "fileset_of",
    "histogram_of",
    "history",
    "load",
    "named_files",
    "preset_named",
    "process",
    "process_files",
    "read_results",
    "read_shower_sample",
    "results_table",
    "sample_paths",
    "save_figures",
    "saved_histograms",
    "simulate_once",
    "simulate_samples",
    "tagging_merits",
    "train",
    "training_seconds",
    "write_results",
    "write_twins",
]
