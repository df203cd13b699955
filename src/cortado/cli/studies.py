"""Studies that the commands name: folders with a study.py, their functions and networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cortado.names import nearest, require_one_of
from cortado.own_files import imported

DEFINES = {
    "train": "studies(preset, folder), which gives the training.Study of each network by name",
    "run": "run(*, preset, folder, files, executor, workers, scheduler, accelerator), which makes everything",
    "plot": "plot(folder, plots), which draws the figures of a run and gives their paths",
}
"""What each command calls."""


def function(folder: Path, name: str) -> Callable[..., Any]:
    """A function of the module `study` in an analysis folder.

    Args:
        folder: Of the analysis, or the path of its study.py.
        name: Of the function.
    Raises:
        FileNotFoundError: If there is no such file; names the nearest.
        ValueError: If it has no such function; says what it must define.
    """
    folder = _folder(folder)
    if not (folder / "study.py").is_file():
        there = [path.parent.name for path in sorted(folder.parent.glob("*/study.py"))]
        raise FileNotFoundError(f"no study.py in {folder}; {nearest(folder.name, there, prefix=f'{folder.parent}/')}")
    module = imported(folder / "study.py")
    wanted: Callable[..., Any] | None = getattr(module, name, None)
    if not callable(wanted):
        needs = "".join(f"\n  {command}: {what}" for command, what in DEFINES.items())
        raise ValueError(
            f"{folder / 'study.py'} has no function {name!r}, which this command calls; commands need{needs}"
        )
    return wanted


def networks(folder: Path, preset: str, out: Path, only: str | None) -> dict[str, Any]:
    """The study of each network by name; of one alone, if that is wanted."""
    studies: dict[str, Any] = function(folder, "studies")(preset, out)
    if only is not None:
        require_one_of(f"network of {folder}", only, studies)
    return {name: study for name, study in studies.items() if only in (None, name)}


def output(analysis: Path, preset: str) -> Path:
    """Folder of everything that a preset makes, if the user names none."""
    return Path("output") / _folder(analysis).name / preset


def _folder(analysis: Path) -> Path:
    path = analysis.resolve()
    return path.parent if path.name == "study.py" else path
