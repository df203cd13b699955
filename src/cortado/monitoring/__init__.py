"""Monitoring maps of a detector: which region broke in which lumisection, with a stated rate of false alarms.

==================  ========================================================================================
`classical`         good maps -> bundle that expects every map to be as their mean, without a network
`linear`            the same, up to a few directions in which good maps differ (PCA)
`watching`          bundle of an autoencoder and good maps -> the same, ready to be calibrated
`calibrated`        bundle and other good maps -> the same with thresholds of alarms
`three_ways`        bundle of an autoencoder -> it, its linear rival and the mean map, all calibrated
`cyclic_axes`       histogram -> which of its axes close on themselves, such as phi
`examine`           bundle and maps -> what is wrong in each, `Examined`
`episodes`          faults in single lumisections -> faults with their beginning and end
`write_report`      all of it -> HTML page with figures, and JSON; `report_maps` does all for maps in memory
`alarm_merits`      scores of good and faulty maps -> whether the rate holds, and what is found
`with_squares`      good map -> copies with a fault each, to measure how many are found; `with_histogram_fault`
==================  ========================================================================================

Maps are those of `readers.occupancy`; `reading.read_maps` reads them from histograms, too.

Example:
    bundle = monitoring.calibrated(monitoring.classical(good), other_good, rates=(0.01,))
    cortado.bundle.save(bundle, "monitor.cortado", canary=good[:16])
"""

from __future__ import annotations

from cortado.monitoring.axes import cyclic_axes
from cortado.monitoring.calibration import alarm_of, calibrated, classical, linear, three_ways, watching
from cortado.monitoring.episodes import Episode, episodes
from cortado.monitoring.examination import STATUS, Examined, Pictures, examine, joined, pictures
from cortado.monitoring.injection import HISTOGRAM_FAULTS, with_histogram_fault, with_squares
from cortado.monitoring.merits import alarm_merits
from cortado.monitoring.report import Report, report, report_maps, worst_maps, write_report

__all__ = [
    "HISTOGRAM_FAULTS",
    "STATUS",
    "Episode",
    "Examined",
    "Pictures",
    "Report",
    "alarm_merits",
    "alarm_of",
    "calibrated",
    "classical",
    "cyclic_axes",
    "episodes",
    "examine",
    "joined",
    "linear",
    "pictures",
    "report",
    "report_maps",
    "three_ways",
    "watching",
    "with_histogram_fault",
    "with_squares",
    "worst_maps",
    "write_report",
]
