"""Files of a fileset that cannot be opened: left out if the user wants it, with a word on each."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from cortado import ntuples

__all__ = ["without_bad_files"]

Skipped = dict[str, dict[str, str]]


def without_bad_files(fileset: Mapping[str, Any]) -> tuple[dict[str, Any], Skipped]:
    """A fileset without files that are missing, empty, damaged at their header or without the tree.

    Args:
        fileset: As for `run`.
    Returns:
        The rest of it; why which file of which data set is left out.
    Raises:
        ValueError: If no file of a data set can be opened.
    """
    kept: dict[str, Any] = {}
    skipped: Skipped = {}
    for name, entry in fileset.items():
        entry = entry.model_dump() if hasattr(entry, "model_dump") else entry
        files = entry["files"] if isinstance(entry, Mapping) else entry
        bad = {path: why for path in files if (why := _why_not(path, _tree(entry, files, path)))}
        if bad and len(bad) == len(files):
            raise ValueError(
                f"data set {name!r}: none of its {len(files)} files can be opened; {next(iter(bad.values()))}"
            )
        for path, why in bad.items():
            warnings.warn(f"data set {name!r}: {path} is left out, 1 of {len(files)} files: {why}", stacklevel=3)
        if bad:
            skipped[name] = bad
            rest = [path for path in files if path not in bad]
            files = {path: files[path] for path in rest} if isinstance(files, Mapping) else rest
            entry = {**entry, "files": files} if isinstance(entry, Mapping) else files
        kept[name] = entry
    return kept, skipped


def _tree(entry: Any, files: Any, path: str) -> str | None:
    """Name of the tree that is wanted of a file; None if any."""
    if isinstance(files, Mapping):
        described = files[path]
        tree = described.get("object_path") if isinstance(described, Mapping) else described
    else:
        tree = entry.get("treename") if isinstance(entry, Mapping) else None
    return None if tree is None else str(tree)


def _why_not(path: str, tree: str | None) -> str:
    """Why a file cannot be opened; empty if it can."""
    try:
        ntuples.num_entries(path, tree)
    except (OSError, KeyError, ValueError) as error:
        return str(error.args[0] if isinstance(error, KeyError) else error).partition("\n")[0]
    return ""
