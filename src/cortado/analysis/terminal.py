"""What a run says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

__all__ = ["console", "done"]

console = Console(highlight=False)


def done(folder: Path, figures: Sequence[Path]) -> None:
    """Say where the figures and numbers of a run are.

    Args:
        folder: Of the run.
        figures: Their files.
    """
    made = [name for name in ("results.json", "histograms.root") if (folder / name).exists()]
    numbers = f"; {' and '.join(made)} to {folder}" if made else ""
    console.print(f"wrote {len(figures)} figures to {figures[0].parent}{numbers}", markup=False)
