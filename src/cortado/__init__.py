"""Deep learning for coffea analyses: ROOT ntuples in, event weights and histograms out.

The package is a pipeline, and each stage is a room that can be used alone:

=================  =============================================================================
`ntuples`          opens, iterates and writes ROOT, HDF5 and parquet files
`manifest`         data sets: files, cross sections, checksums, licences; download and verify
`readers`          ntuple dialects (NanoAOD, JetClass, Set2Graph, EDM4hep, ...) to one record form
`truth`            true particles and vertices of any dialect
`reading`          files to records: `read` and `iterate`
`calorimeter`      cells and shapes of showers
`perigee`          parameters of tracks and their helices
`kinematics`       momenta, angles and masses
`units`            lengths: mm of records, cm of CMS files
`splitmix`         64 bits scrambled, for keys and random numbers
`event_keys`       64 bits that name an event
`splits`           training, validation, test and folds, by event
`representations`  records to arrays: images, particle lists, point clouds, high-level features
`scaling`          standardisation and quantiles of features
`models`           networks of the literature, one paper a file
`tasks`            what is learned: classes, pairs, numbers, generators
`training`         the typed study, and its training on Lightning
`bundle`           the artefact of a training: one file that says what produced a score
`scoring`          a bundle in use: objects in, answers of the same shape out
`export`           bundles to ONNX, torch.export and correctionlib
`reconstruction`   vertex fits, adaptive vertex reconstruction, partitions of tracks
`statistics`       proportions and effective sample sizes of weighted events, with uncertainties
`metrics`          ROC, rejection, confusion matrix, distances of samples; numbers with uncertainties
`weights`          scores to event weights with variations
`histograms`       axes and filling
`cluster`          work spread over processes of a machine or a cluster
`batch`            many files through bundles, to friend trees
`processors`       ready-made coffea processors, and any processor over many files
`searches`         histograms to p-values and limits: background fit, bump hunt, workspaces of pyhf
`names`            what a message says of a name that is not there
`files`            files that are written whole or not at all
`own_files`        studies and other files of the user's own as modules, in worker processes too
`workers`          processes that end with the one that started them
`extras`           packages that only parts need, and how they are installed
`monitoring`       maps of a detector: thresholds of alarms, faults found, the report
`plotting`         histograms and metrics to figures
`simulation`       Pythia jets in the NanoAOD dialect, b, c and light jets with tracks, showers (extra `sim`)
`cli`              the command `cortado`
=================  =============================================================================

Example:
    tagger = cortado.load("w_tagger.cortado")
    jets = cortado.read("nano.root").jets
    score = tagger(jets)
"""

from __future__ import annotations

import os
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cortado.reading import read
    from cortado.scoring import load

__all__ = ["load", "read"]
__version__ = "0.2.0"

_HOMES = {
    "load": "cortado.scoring",
    "read": "cortado.reading",
}


if "CORTADO_OWN_FILES" in os.environ:  # a worker process of a command that runs a user's study
    import_module("cortado.own_files").install()


def __getattr__(name: str) -> Any:
    """Import a room, or a public name from its room, when it is first used: `import cortado` loads no torch."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in __dir__():
        return import_module(f"cortado.{name}")
    raise AttributeError(f"module 'cortado' has no attribute {name!r}; it has {', '.join(__dir__())}")


def __dir__() -> list[str]:
    return sorted([*__all__, *(module.name for module in iter_modules(__path__))])
