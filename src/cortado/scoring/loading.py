"""Bundles by path: whatever they hold, ready to be used on jets."""

import os
from collections.abc import Iterable

from cortado import bundle as bundles
from cortado.scoring import process
from cortado.scoring.finder import VertexFinder
from cortado.scoring.generator import ShowerGenerator
from cortado.scoring.scorer import Empty, Precision, Scorer

_TASKS: dict[bundles.Task, tuple[str, str]] = {
    "tagging": ("is a tagger", "cortado.load"),
    "pairing": ("puts tracks together and gives no score of a jet", "cortado.load_finder"),
    "generation": ("generates showers", "cortado.load_generator"),
}


def load(
    path: str | os.PathLike[str],
    *,
    device: str = "cpu",
    threads: int | None = None,
    batch_size: int = 512,
    precision: Precision = "float32",
    without_constituents: Empty = "raise",
    representations: Iterable[type] = (),
    models: Iterable[type] = (),
) -> Scorer:
    """Scorer of the bundle at `path`; the arguments are the attributes of `Scorer`.

    Raises:
        FileNotFoundError: If there is no bundle.
        ValueError: If it cannot be trusted (see `cortado.bundle.load`), is no tagger, or the device is not
            there.
    """
    where, sha256, tagger = _read(path, device, representations := tuple(representations), models := tuple(models))
    _require_task(path, tagger, "tagging")
    return Scorer(
        path=where,
        sha256=sha256,
        device=device,
        threads=threads,
        batch_size=batch_size,
        precision=precision,
        without_constituents=without_constituents,
        classes=tagger.classes,
        signal=tagger.signal,
        working_points=tagger.working_points,
        representations=representations,
        models=models,
    )


def load_finder(
    path: str | os.PathLike[str],
    *,
    device: str = "cpu",
    threads: int | None = None,
    batch_size: int = 512,
    precision: Precision = "float32",
    threshold: float = 0.5,
    representations: Iterable[type] = (),
    models: Iterable[type] = (),
) -> VertexFinder:
    """Vertex finder of the bundle at `path`; the arguments are the attributes of `VertexFinder`.

    Raises:
        FileNotFoundError: If there is no bundle.
        ValueError: If it cannot be trusted (see `cortado.bundle.load`), finds no vertices, or the device is
            not there.
    """
    where, sha256, found = _read(path, device, representations := tuple(representations), models := tuple(models))
    _require_task(path, found, "pairing")
    return VertexFinder(
        path=where,
        sha256=sha256,
        device=device,
        threads=threads,
        batch_size=batch_size,
        precision=precision,
        threshold=threshold,
        collection=_collection(where, found),
        representations=representations,
        models=models,
    )


def load_generator(
    path: str | os.PathLike[str],
    *,
    device: str = "cpu",
    threads: int | None = None,
    batch_size: int = 1024,
    precision: Precision = "float32",
    extrapolate: bool = False,
    representations: Iterable[type] = (),
    models: Iterable[type] = (),
) -> ShowerGenerator:
    """Shower generator of the bundle at `path`; the arguments are the attributes of `ShowerGenerator`.

    Raises:
        FileNotFoundError: If there is no bundle.
        ValueError: If it cannot be trusted (see `cortado.bundle.load`), generates nothing, or the device is not there.
    """
    where, sha256, found = _read(path, device, representations := tuple(representations), models := tuple(models))
    _require_task(path, found, "generation")
    return ShowerGenerator(
        path=where,
        sha256=sha256,
        device=device,
        threads=threads,
        batch_size=batch_size,
        precision=precision,
        extrapolate=extrapolate,
        energy_range=found.representation.energy_range,  # type: ignore[attr-defined]
        representations=representations,
        models=models,
    )


def _require_task(path: str | os.PathLike[str], found: bundles.Bundle, wanted: bundles.Task) -> None:
    if found.task != wanted:
        what, reader = _TASKS[found.task]
        raise ValueError(f"{path} {what}: {reader} reads it")


def _read(
    path: str | os.PathLike[str], device: str, representations: tuple[type, ...], models: tuple[type, ...]
) -> tuple[str, str, bundles.Bundle]:
    process.check_device(device)
    where, sha256 = os.path.abspath(path), bundles.fingerprint(path)
    return where, sha256, process.loaded(where, sha256, device, representations, models).bundle


def _collection(path: str, found: bundles.Bundle) -> str:
    """Name of what is put together: the one collection of jets that the representation reads."""
    names = {field.partition(".")[0] for field in found.fields if "." in field}
    if len(names) != 1:
        raise ValueError(f"{path}: pairs are of one collection of a jet, the representation reads {sorted(names)}")
    return names.pop()
