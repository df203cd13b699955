"""Studies that the commands name: folders with a study.py, their functions and networks."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cortado.names import nearest, require_one_of


def function(folder: Path, name: str) -> Callable[..., Any]:
    """A function of the module `study` in an analysis folder, imported so that worker processes can import it too."""
    folder = folder.resolve()
    if not (folder / "study.py").is_file():
        there = [path.parent.name for path in sorted(folder.parent.glob("*/study.py"))]
        raise FileNotFoundError(f"no study.py in {folder}; {nearest(folder.name, there, prefix=f'{folder.parent}/')}")
    root = folder.parent.parent
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    module = importlib.import_module(".".join([*folder.relative_to(root).parts, "study"]))
    if (imported := Path(str(module.__file__)).resolve()) != folder / "study.py":
        raise ImportError(f"{folder} has the name of an installed package ({imported}): rename the folder")
    if not hasattr(module, name):
        raise ValueError(f"{folder / 'study.py'} has no function {name!r}, which this command calls")
    wanted: Callable[..., Any] = getattr(module, name)
    return wanted


def networks(folder: Path, preset: str, out: Path, only: str | None) -> dict[str, Any]:
    """The study of each network by name; of one alone, if that is wanted."""
    studies: dict[str, Any] = function(folder, "studies")(preset, out)
    if only is not None:
        require_one_of(f"network of {folder}", only, studies)
    return {name: study for name, study in studies.items() if only in (None, name)}


def output(analysis: Path, preset: str) -> Path:
    """Folder of everything that a preset makes, if the user names none."""
    return Path("output") / analysis.resolve().name / preset
