"""Simulated samples of a study; files that are there are kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich.progress import Progress

from cortado.analysis.terminal import console
from cortado.manifest import Manifest
from cortado.simulation import simulate_jets

__all__ = ["sample_paths", "simulate_once", "simulate_samples"]

SIZES = ("jets", "events", "showers", "maps")
"""Arguments of simulations that say how many there shall be."""


def sample_paths(manifest: Manifest, folder: Path) -> list[Path]:
    """Paths of the files of a manifest in a folder, in its order."""
    return [folder / file.path for sample in manifest.samples for file in sample.files]


def simulate_samples(
    manifest: Manifest,
    folder: Path,
    *,
    simulate: Callable[..., Any] = simulate_jets,
    most: int | None = None,
    **options: Any,
) -> list[Path]:
    """Simulate the samples of a manifest that have a recipe each; files that are there are kept.

    Args:
        manifest: With recipes, whose entries are arguments of the simulation.
        folder: Where the files go.
        simulate: A simulation of the room `simulation`.
        most: Of each sample, instead of all that the recipe says.
        options: Further arguments of the simulation, such as `workers`, which go before those of a recipe.
    Returns:
        The files.
    """
    paths = sample_paths(manifest, folder)
    for sample, path in zip(manifest.samples, paths, strict=True):
        recipe = {
            key: tuple(value) if isinstance(value, list) else value for key, value in (sample.recipe or {}).items()
        }
        size = _size(recipe)
        recipe[size] = min(recipe[size], most or recipe[size])
        simulate_once(path, simulate, **recipe | options)
    return paths


def simulate_once(path: Path, simulate: Callable[..., Any], **recipe: Any) -> Path:
    """Simulate one file, with a progress bar, unless it is there; the terminal says which.

    Args:
        path: The file; missing folders are made.
        simulate: A simulation of the room `simulation`.
        recipe: Its arguments.
    """
    if path.exists():
        console.print(f"{path} is there", markup=False)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"simulating {path.stem}", total=recipe[_size(recipe)])
        made = simulate(path, **recipe, progress=partial(bar.advance, task))
    counts = [f"{value:,} {name}" for name, value in made._asdict().items() if isinstance(value, int)]
    console.print(f"wrote {path}: {', '.join(counts)}", markup=False)
    return path


def _size(recipe: dict[str, Any]) -> str:
    return next(name for name in SIZES if name in recipe)
