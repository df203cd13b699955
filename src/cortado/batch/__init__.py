"""Many files through bundles: friend trees beside them, on one machine or a cluster; what is there is not made again.

Example:
    tagger = cortado.batch.load("w_tagger.cortado")
    report = cortado.batch.score([tagger], cortado.batch.of_files("nano/*.root"), "scores", executor="futures")
    print(*report.lines("scores"), sep="\\n")
"""

from __future__ import annotations

from cortado.batch.answering import Answering, Sums, load
from cortado.batch.inputs import Format, Input, of_files, of_fileset, targets
from cortado.batch.report import File, Report
from cortado.batch.scoring import score

__all__ = [
    "Answering",
    "File",
    "Format",
    "Input",
    "Report",
    "Sums",
    "load",
    "of_files",
    "of_fileset",
    "score",
    "targets",
]
