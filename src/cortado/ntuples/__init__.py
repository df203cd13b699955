"""ROOT, HDF5 and parquet ntuples in and out, and events in CSV, JSON and npz in: the only file opener of the package.

Reading goes in steps: `steps` cuts files into ranges of entries that follow the file's clusters; `arrays`
reads chosen branches of one range, `iterate` does both and keeps each file open while it reads it. Nothing is
skipped: what cannot be read is an error that names the file, what was asked for, and what is there.

A path is a local file, a glob, or a URL (`root://`, `https://`) that is passed on untouched. Each may be
followed by `:tree`, as in `nano.root:Events`.
"""

from __future__ import annotations

from cortado.ntuples.friends import ENTRY_KEY, EVENT_KEYS, check_aligned, friend, write_friend
from cortado.ntuples.hdf5 import write_hdf5
from cortado.ntuples.histograms import read_histograms, write_histograms
from cortado.ntuples.monitoring import FOLDERS, MonitoringHistogram, iterate_monitoring
from cortado.ntuples.notes import identity, read_note
from cortado.ntuples.parquet import write_parquet
from cortado.ntuples.reading import Step, arrays, branch_names, find_tree, iterate, num_entries, steps
from cortado.ntuples.root import TreeFacts, tree_facts
from cortado.ntuples.writing import write, write_rntuple, write_trees

__all__ = [
    "ENTRY_KEY",
    "EVENT_KEYS",
    "FOLDERS",
    "MonitoringHistogram",
    "Step",
    "TreeFacts",
    "arrays",
    "branch_names",
    "check_aligned",
    "find_tree",
    "friend",
    "identity",
    "iterate",
    "iterate_monitoring",
    "num_entries",
    "read_histograms",
    "read_note",
    "steps",
    "tree_facts",
    "write",
    "write_friend",
    "write_hdf5",
    "write_histograms",
    "write_parquet",
    "write_rntuple",
    "write_trees",
]
