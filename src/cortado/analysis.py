"""What studies share: samples of simulated jets, as a manifest lists them."""

from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from cortado.manifest import Manifest
from cortado.simulation import simulate_jets

__all__ = ["sample_paths", "simulate_samples"]


def sample_paths(manifest: Manifest, folder: Path) -> list[Path]:
    """Paths of the files of a manifest in a folder, in its order."""
    return [folder / file.path for sample in manifest.samples for file in sample.files]


def simulate_samples(manifest: Manifest, folder: Path, *, workers: int = 1) -> list[Path]:
    """Simulate the jets of a manifest whose samples have a recipe each; files that are there are kept.

    Args:
        manifest: With recipes, whose entries are arguments of `simulate_jets`.
        folder: Where the files go.
        workers: Number of processes.
    """
    console, paths = Console(highlight=False), sample_paths(manifest, folder)
    folder.mkdir(parents=True, exist_ok=True)
    for sample, path in zip(manifest.samples, paths, strict=True):
        if path.exists():
            console.print(f"{path} is there")
            continue
        recipe = dict(sample.recipe or {})
        recipe["pt_range"] = tuple(recipe["pt_range"])
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task(f"simulating {sample.name}", total=recipe["jets"])
            made = simulate_jets(path, **recipe, workers=workers, progress=partial(bar.advance, task))
        console.print(f"wrote {made.path}: {made.jets} jets of {made.process} in {made.events} events")
    return paths
