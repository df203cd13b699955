"""Which files are scored, and where the scores of each go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from cortado.ntuples.paths import expand, is_url

__all__ = ["Format", "Input", "of_files", "of_fileset", "targets"]

Format = Literal["ttree", "rntuple", "parquet"]
SUFFIXES: dict[str, str] = {"ttree": ".root", "rntuple": ".root", "parquet": ".parquet"}


class Input(NamedTuple):
    """A file to be scored.

    Attributes:
        path: File or URL.
        tree: Name of the tree; None if it is to be looked for.
        dataset: Name of the data set, if it has one.
    """

    path: str
    tree: str | None = None
    dataset: str = ""


def of_files(paths: str | Path | Iterable[str | Path], tree: str | None = None, *, check: bool = True) -> list[Input]:
    """Files, globs and URLs, each perhaps with `:tree`.

    Args:
        paths: One or more.
        tree: Of those that do not say it themselves.
        check: Whether files must be there and have content.
    Raises:
        FileNotFoundError: If a file does not exist or a glob matches nothing.
        ValueError: If there is no path.
    """
    return [Input(path, own or tree) for path, own in expand(paths, check=check)]


def of_fileset(fileset: Mapping[str, Any], tree: str | None = None) -> list[Input]:
    """Files of a fileset, as coffea has them: `{name: {"files": {path: tree}}}`, or with lists of files.

    Raises:
        ValueError: If it has no files.
    """
    inputs = []
    for name, entry in fileset.items():
        files = entry["files"] if isinstance(entry, Mapping) else entry
        trees = files if isinstance(files, Mapping) else dict.fromkeys(files)
        for path, given in trees.items():
            own = given.get("object_path") if isinstance(given, Mapping) else given
            inputs.append(Input(str(path), own or tree, name))
    if not inputs:
        raise ValueError("the fileset names no files")
    return inputs


def targets(inputs: Iterable[Input], out: str | Path, form: Format = "ttree") -> dict[Input, Path]:
    """Where the scores of each file go: one file, or below a folder as the inputs lie below the one common to them.

    Inputs of a data set lie below a folder of its name.

    Raises:
        ValueError: If one file shall hold the scores of several, two inputs would share theirs, scores would replace an
            input, or `out` is a file of another format.
    """
    inputs, out, suffix = list(inputs), Path(out), SUFFIXES[form]
    if out.suffix in {".root", ".h5", ".hdf5", ".parquet", ".csv"}:
        if out.suffix != suffix:
            raise ValueError(f"{out}: scores go to NAME{suffix}, or to a folder")
        if len(inputs) > 1:
            raise ValueError(f"{out} cannot hold the scores of {len(inputs)} files: give --out a folder")
        chosen = {inputs[0]: out}
    else:
        parts = {each: _parts(each.path) for each in inputs}
        folders = [part[:-1] for part in parts.values()]
        common = sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, zip(*folders)))
        chosen = {
            each: out.joinpath(each.dataset, *part[common:-1], PurePosixPath(part[-1]).stem + suffix)
            for each, part in parts.items()
        }
    _require_different(chosen)
    return chosen


def _parts(path: str) -> tuple[str, ...]:
    """Host, folders and name."""
    if is_url(path):
        url = urlsplit(path)
        return (url.netloc, *PurePosixPath(url.path).parts[1:])
    return Path(path).resolve().parts


def _require_different(chosen: Mapping[Input, Path]) -> None:
    first: dict[Path, Input] = {}
    local = {Path(each.path).resolve() for each in chosen if not is_url(each.path)}
    for each, target in chosen.items():
        if (other := first.setdefault(target, each)) != each:
            raise ValueError(
                f"{target} would hold the scores of {other.path} and of {each.path}: score them one by one"
            )
        if target.resolve() in local:
            raise ValueError(f"{target} is an ntuple to be scored: write the scores elsewhere")
