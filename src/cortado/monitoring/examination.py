"""What is wrong in single maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado import bundle as bundles
from cortado.bundle import Bundle
from cortado.monitoring.calibration import alarm_of
from cortado.reconstruction import Cyclic, Regions, fault_regions, largest_significance
from cortado.weights import AlarmThreshold

__all__ = ["STATUS", "Examined", "Pictures", "examine", "joined", "pictures"]

STATUS = ("good", "fault", "few hits", "empty")
"""What a map can be: those with few hits are not judged, and so are those without any."""

_LOOKS = 3
_STRONG = 0.5  # of the significance of the strongest region of a map
_BATCH = 256

_GOOD, _FAULT, _FEW, _EMPTY = range(len(STATUS))


class Examined(NamedTuple):
    """Maps as they were found.

    Attributes:
        run: Of each map, shape (n,).
        lumi: Of each map.
        name: Of the monitoring element of each map.
        hits: Of each map.
        status: Index in `STATUS` of each map.
        score: Significance of the most significant rectangle of each map.
        regions: Those of maps with a fault; `regions.map` is the index of the map.
        grid: Rows and columns of a map.
        cyclic: Axes along which regions go over the seam.
    """

    run: NDArray[np.int64]
    lumi: NDArray[np.int64]
    name: NDArray[Any]
    hits: NDArray[np.float64]
    status: NDArray[np.int64]
    score: NDArray[np.float64]
    regions: Regions
    grid: tuple[int, int]
    cyclic: Cyclic


class Pictures(NamedTuple):
    """Single maps to look at, all of shape (n, h, w).

    Attributes:
        counts: What was counted.
        expected: What a good map would hold.
        pulls: How far apart they are.
        regions: Number of the region of each cell, 0 for none.
    """

    counts: NDArray[np.float64]
    expected: NDArray[np.float64]
    pulls: NDArray[np.float64]
    regions: NDArray[np.int64]


def examine(
    bundle: Bundle, maps: ak.Array, alarm: AlarmThreshold | None = None, cyclic: Cyclic | None = None
) -> Examined:
    """Judge maps; one with a score above the threshold has a fault, and at least one region.

    Args:
        bundle: From `calibrated`.
        maps: With run, lumi, name, values, shape (n,).
        alarm: Threshold; the first of the bundle if not given.
        cyclic: Axes along which regions go over the seam, if not those of the bundle. Which maps are at fault stays
            what the bundle says: its scores are those that were calibrated.

    Raises:
        ValueError: If the bundle is not calibrated, or the maps do not fit it.
    """
    alarm = alarm or alarm_of(bundle)
    _require_shape(bundle, maps)
    answers = bundles.answers(bundle, bundles.columns(maps, bundle.fields))
    score, hits = (ak.to_numpy(answers[name]).astype(np.float64) for name in ("anomaly", "hits"))
    few = ak.to_numpy(answers.few_hits)
    status = np.select([hits == 0, few, score > alarm.threshold], [_EMPTY, _FEW, _FAULT], _GOOD)
    faulty = np.flatnonzero(status == _FAULT)
    use: Any = bundle.use
    closed = use.cyclic if cyclic is None else cyclic
    regions = _with_pictures(bundle, maps[faulty], alarm, closed)[0]
    run, lumi, name = (ak.to_numpy(maps[field]) for field in ("run", "lumi", "name"))
    placed, representation = regions._replace(map=faulty[regions.map]), cast(Any, bundle.representation)
    return Examined(run, lumi, name, hits, status, score, placed, representation.shape, closed)


def pictures(
    bundle: Bundle, maps: ak.Array, alarm: AlarmThreshold | None = None, cyclic: Cyclic | None = None
) -> Pictures:
    """Maps to look at.

    Args:
        bundle: From `calibrated`.
        maps: A few, with values, shape (n,).
        alarm: Threshold; the first of the bundle if not given.
        cyclic: As of `examine`.
    """
    use: Any = bundle.use
    return _with_pictures(bundle, maps, alarm or alarm_of(bundle), use.cyclic if cyclic is None else cyclic)[1]


def joined(parts: Sequence[Examined]) -> Examined:
    """Maps that were examined one part after the other, in a row.

    Args:
        parts: At least one.

    Raises:
        ValueError: If there is none.
    """
    if not parts:
        raise ValueError("no maps were examined")
    starts = np.cumsum([0, *(len(part.run) for part in parts)])
    shifted = [part.regions._replace(map=part.regions.map + start) for part, start in zip(parts, starts)]
    regions = Regions._make(np.concatenate(each) for each in zip(*shifted, strict=True))
    columns: list[Any] = [np.concatenate(each) for each in zip(*(part[:-3] for part in parts), strict=True)]
    return Examined._make([*columns, regions, parts[0].grid, parts[0].cyclic])


def _require_shape(bundle: Bundle, maps: ak.Array) -> None:
    wanted = np.shape(cast(Any, bundle.representation).reference)
    given = ak.to_numpy(maps["values"]).shape[1:]
    if len(maps) and given != wanted:
        here, there = (" x ".join(map(str, given)) for given in (given, wanted))
        raise ValueError(
            f"run {maps.run[0]}, lumisection {maps.lumi[0]}, {maps.name[0]!r} has {here} bins, the bundle is made for "
            f"{there}; choose elements by their name"
        )


def _with_pictures(bundle: Bundle, maps: ak.Array, alarm: AlarmThreshold, cyclic: Cyclic) -> tuple[Regions, Pictures]:
    """Regions of maps, and the maps to look at.

    An autoencoder reproduces a part of a large fault, and something of the other sign beside it. So the cells of the
    strongest regions are set to what is expected of them, and what the network then makes of the map is compared with
    the map as it is. A map that is above the threshold has the regions of the first look if there are none any more.
    """
    use: Any = bundle.use
    representation: Any = bundle.representation
    counts = representation.counts(maps)
    image = representation(maps).image
    from_reference = representation.pulls(counts)
    # In the precision of the scores, so that a map above the threshold has a region.
    threshold, where = alarm.threshold * (1 - 1e-6), (use.boxes, cyclic)
    outputs = _outputs(bundle, image)
    first = _pulls(use, outputs, image)
    pulls, expected = first, representation.shifted(counts, from_reference - first * np.asarray(use.spread))
    regions, labels = fault_regions(pulls, counts, expected, threshold, *where)
    lost = np.zeros(len(image), bool)
    for _ in range(_LOOKS if len(regions.map) else 0):
        usual = np.exp(outputs) if use.rates else np.float32(0)
        outputs = _outputs(bundle, np.where(_strongest(regions, labels)[:, np.newaxis], usual, image))
        pulls = _pulls(use, outputs, image)
        lost |= (largest_significance(pulls, *where) <= threshold) & (largest_significance(first, *where) > threshold)
        pulls = np.where(lost[:, np.newaxis, np.newaxis], first, pulls)
        expected = representation.shifted(counts, from_reference - pulls * np.asarray(use.spread))
        regions, labels = fault_regions(pulls, counts, expected, threshold, *where)
    return regions, Pictures(counts, expected, pulls, labels)


def _strongest(regions: Regions, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Cells of the regions that are at least half as significant as the strongest of their map, (n, h, w)."""
    most = np.zeros(len(labels))
    np.maximum.at(most, regions.map, regions.significance)
    strong: NDArray[np.bool_] = np.append(False, regions.significance >= _STRONG * most[regions.map])[labels]
    return strong


def _outputs(bundle: Bundle, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the network makes of images, (n, 1, h, w)."""
    parts = [bundles.run(bundle.model, (image[k : k + _BATCH],)).numpy() for k in range(0, len(image), _BATCH)]
    return np.concatenate(parts) if parts else np.zeros_like(image)


def _pulls(use: Any, outputs: NDArray[np.float32], image: NDArray[np.float32]) -> NDArray[np.float64]:
    """What is left of images, in units of its spread in good maps, (n, h, w)."""
    pulls: NDArray[np.float64] = use.pulls(use.left(outputs, image))
    return pulls
