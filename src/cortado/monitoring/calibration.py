"""Good maps to bundles that watch others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal, get_args

import awkward as ak
import numpy as np

from cortado import bundle as bundles
from cortado.bundle import Bundle
from cortado.models import AsReference, PrincipalComponents
from cortado.reconstruction import BOXES, Cyclic
from cortado.representations.occupancy_map import OccupancyMap, dispersion_of, reference_shares
from cortado.tasks import Watched
from cortado.weights import AlarmThreshold, alarm_threshold

__all__ = ["alarm_of", "calibrated", "classical", "linear", "three_ways", "watching"]

Boxes = tuple[tuple[int, int], ...]
Dispersion = Literal["none", "one", "cells"]

_NARROWEST = 1.0  # Poisson


def classical(
    good: ak.Array, *, fewest_hits: float = 1000.0, cyclic: Cyclic = "", dispersion: Dispersion = "none"
) -> Bundle:
    """Expect every map to be as the mean of good ones, up to the number of hits; no network.

    Args:
        good: Good maps, shape (n,).
        fewest_hits: Maps with less are not judged.
        cyclic: Axes that close on themselves, such as phi: "x", columns; "y", rows; "xy".
        dispersion: Whether counts have more spread than Poisson ones, fitted on the good maps: "none", "one" for all
            cells, "cells" for one each.

    Raises:
        ValueError: If no map has so many hits, or an argument is unknown.
    """
    # Deep copies of bundles need a real module; its state is empty.
    bare = Bundle(
        representation=_representation(good, fewest_hits, dispersion), model=AsReference(), arguments={}, use=Watched()
    )
    return watching(bare, good, fewest_hits=fewest_hits, cyclic=cyclic)


def linear(
    good: ak.Array,
    components: int,
    *,
    fewest_hits: float = 1000.0,
    cyclic: Cyclic = "",
    dispersion: Dispersion = "none",
) -> Bundle:
    """Expect every map to differ from the mean of good ones in a few directions alone (PCA of the pulls); no training.

    Args:
        good: Good maps, shape (n,).
        components: Number of directions, fewer than maps.
        fewest_hits: Maps with less are not judged.
        cyclic: As of `classical`.
        dispersion: As of `classical`.

    Raises:
        ValueError: If too few maps have so many hits, or an argument is unknown.
    """
    representation = _representation(good, fewest_hits, dispersion)
    enough = representation.counts(good).sum(axis=(1, 2)) >= fewest_hits
    arguments = {"size": representation.shape, "components": components}
    model = PrincipalComponents(**arguments).fitted(representation(good[enough]).image)  # type: ignore[arg-type]
    bare = Bundle(representation=representation, model=model, arguments=arguments, use=Watched())
    return watching(bare, good, fewest_hits=fewest_hits, cyclic=cyclic)


def _representation(good: ak.Array, fewest_hits: float, dispersion: Dispersion) -> OccupancyMap:
    if dispersion not in get_args(Dispersion):
        raise ValueError(f"dispersion is {dispersion!r}, required: {', '.join(map(repr, get_args(Dispersion)))}")
    representation = OccupancyMap(reference=reference_shares(good, fewest_hits=fewest_hits))
    if dispersion == "none":
        return representation
    wide = dispersion_of(good, representation, per_cell=dispersion == "cells", fewest_hits=fewest_hits)
    return replace(representation, dispersion=wide)


def watching(
    bundle: Bundle, good: ak.Array, *, fewest_hits: float = 1000.0, cyclic: Cyclic = "", boxes: Boxes = BOXES
) -> Bundle:
    """The same bundle with the use `Watched`: pulls in units of their width in good maps.

    The width is never taken below that of a Poisson count, 1.

    Args:
        bundle: Of an `OccupancyMap`, whose network reproduces the pulls of good maps, or gives the logarithms of their
            rates if it sees counts.
        good: Good maps, such as those of the training, shape (n,).
        fewest_hits: Maps with less are not judged.
        cyclic: Axes that close on themselves, such as phi: "x", columns; "y", rows; "xy".
        boxes: Rectangles that are moved over the map, rows and columns, 0 for the whole side.

    Raises:
        ValueError: If the bundle is of another representation or has a scaling, few maps have so many hits, or
            an argument is unknown.
    """
    if not isinstance(bundle.representation, OccupancyMap):
        raise ValueError(
            f"maps are watched by bundles of an OccupancyMap, got one of {type(bundle.representation).__name__}"
        )
    if bundle.scaling is not None:
        raise ValueError("pulls are watched as they are: train with scaling=None")
    rates = bundle.representation.image == "counts"
    use = Watched(fewest_hits=fewest_hits, cyclic=cyclic, boxes=boxes, rates=rates, cells=True)
    use.check("watching")
    bare = replace(bundle, use=use, working_points=())
    answers = bundles.answers(bare, good)
    judged = ak.to_numpy(~answers.few_hits)
    if judged.sum() < 2:
        raise ValueError(f"{judged.sum()} of {len(judged)} good maps have {fewest_hits:g} hits, required: 2 or more")
    width = np.sqrt(np.mean(np.square(ak.to_numpy(answers.pull)[judged], dtype=np.float64), axis=0))
    spread = tuple(tuple(row) for row in np.maximum(width, _NARROWEST).round(3).tolist())
    return replace(bare, use=replace(use, spread=spread, cells=False))


def calibrated(bundle: Bundle, good: ak.Array, rates: Iterable[float] = (0.01,)) -> Bundle:
    """The same bundle with a threshold for each rate of false alarms per map; see `weights.alarm_threshold`.

    Args:
        bundle: Of the use `Watched`.
        good: Good maps of other runs than those that `watching` and the training saw, shape (n,).
        rates: Wanted rates.

    Raises:
        ValueError: If the bundle is of another use, or there are too few maps for a rate.
    """
    _require_watched(bundle)
    answers = bundles.answers(bundle, good)
    judged = ~ak.to_numpy(answers.few_hits)
    scores, runs = ak.to_numpy(answers.anomaly)[judged], ak.to_numpy(good.run)[judged]
    return replace(bundle, alarms=tuple(alarm_threshold(scores, rate, groups=runs) for rate in rates))


def three_ways(
    trained: Bundle,
    good: ak.Array,
    others: ak.Array,
    rates: Iterable[float] = (0.01,),
    *,
    components: int,
    fewest_hits: float = 1000.0,
    cyclic: Cyclic = "",
) -> dict[str, Bundle]:
    """An autoencoder, its linear rival and the mean map, all calibrated on the same maps: is the network worth it?

    Args:
        trained: Bundle of the autoencoder, as for `watching`.
        good: Good maps, such as those of the training, shape (n,).
        others: Good maps of other runs, which calibrate, shape (m,).
        rates: Wanted rates of false alarms per map.
        components: Directions of the linear one; as many as the autoencoder has latent numbers compares like with like.
        fewest_hits: Maps with less are not judged.
        cyclic: As of `classical`.

    Returns:
        The bundles `autoencoder`, `linear` and `classical`.

    Raises:
        ValueError: As `watching`, `linear` and `calibrated` do.
    """
    bare = {
        "autoencoder": watching(trained, good, fewest_hits=fewest_hits, cyclic=cyclic),
        "linear": linear(good, components, fewest_hits=fewest_hits, cyclic=cyclic),
        "classical": classical(good, fewest_hits=fewest_hits, cyclic=cyclic),
    }
    wanted = tuple(rates)
    return {name: calibrated(bundle, others, wanted) for name, bundle in bare.items()}


def alarm_of(bundle: Bundle, rate: float | None = None) -> AlarmThreshold:
    """The threshold of a bundle with a rate of false alarms; the first without one.

    Raises:
        ValueError: If the bundle is of another use, or has no such threshold.
    """
    _require_watched(bundle)
    points = [point for point in bundle.alarms if rate is None or np.isclose(point.rate, rate)]
    if not points:
        rates = ", ".join(f"{point.rate:g}" for point in bundle.alarms) or "none: it is not calibrated"
        raise ValueError(f"no threshold for a rate of false alarms of {rate or 'any size'}; the bundle has {rates}")
    return points[0]


def _require_watched(bundle: Bundle) -> None:
    use: Any = bundle.use
    if not isinstance(use, Watched):
        raise ValueError(f"maps are watched by bundles of the use Watched, got {type(use).__name__}: use `watching`")
