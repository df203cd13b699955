"""Bundles by path: whatever they hold, ready to be used on objects."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from cortado.bundle import Own
from cortado.scoring.finder import VertexFinder
from cortado.scoring.generator import ShowerGenerator
from cortado.scoring.predictor import VERBS, Predictor
from cortado.scoring.sampler import EventSampler
from cortado.scoring.scorer import Scorer
from cortado.scoring.track_finder import TrackFinder

_COMMON = ("device", "threads", "batch_size", "precision", "without_constituents", "invalid", *Own._fields)
_CLASSES = {each.__name__: each for each in (Scorer, VertexFinder, ShowerGenerator, TrackFinder, EventSampler)}


def load(path: str | os.PathLike[str], **settings: Any) -> Any:
    """What the bundle at `path` can do: a `Scorer`, a finder, a generator; for a use without verbs a `Predictor`.

    `Scorer.load` and its like take the same and are typed.

    Args:
        path: The bundle.
        **settings: Attributes of `Predictor`: device, threads, batch_size, precision, without_constituents, invalid;
            classes of your own: representations, models, uses; lengths, see `cortado.bundle.load`; and what the
            class of the result takes: threshold of a `VertexFinder`, extrapolate of a `ShowerGenerator`, working_points
            of a `Scorer`; threshold, min_hits, build and proposers of a `TrackFinder`.
    Raises:
        FileNotFoundError: If there is no bundle.
        ValueError: If it cannot be trusted (see `cortado.bundle.load`), or the device is not there.
        TypeError: If there is no such setting.
    """
    (predictor,), wrap = with_verbs((path,), **settings)
    return wrap(predictor)


def with_verbs(
    paths: Iterable[str | os.PathLike[str]], **settings: Any
) -> tuple[tuple[Predictor, ...], Callable[[Any], Any]]:
    """Predictors of bundles of one kind, and what turns one of them, or several together, into the class with verbs.

    Raises:
        ValueError: As `load`, or if there is no bundle.
        TypeError: If there is no such setting.
    """
    if isinstance(paths, str | os.PathLike):
        raise ValueError(f"{paths}: paths of several bundles are needed, in a list")
    common = {name: value for name, value in settings.items() if name in _COMMON}
    special = {name: value for name, value in settings.items() if name not in _COMMON}
    predictors = tuple(Predictor.load(path, **common) for path in paths)
    if not predictors:
        raise ValueError("no bundle to load")
    name = VERBS.get(type(predictors[0].use).__name__, "Predictor")
    if name not in _CLASSES:
        _require_settings(name, special, ())
        return predictors, lambda predictor: predictor
    make = _CLASSES[name].of
    _require_settings(name, special, tuple(inspect.signature(make).parameters)[1:])
    return predictors, partial(make, **special)


def _require_settings(verbs: str, given: dict[str, Any], known: tuple[str, ...]) -> None:
    if unknown := [name for name in given if name not in known]:
        raise TypeError(f"{verbs} has no setting {', '.join(unknown)}; there are {', '.join((*_COMMON, *known))}")
