"""Names of files: user syntax ``path:tree``, globs and URLs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from glob import glob, has_magic
from pathlib import Path

from cortado.names import nearest

_WITH_TREE = re.compile(r"(?P<path>.+\.(?:root|h5|hdf5|parquet)):(?P<tree>[^:]+)", re.IGNORECASE)


def is_url(path: str | Path) -> bool:
    """Whether the path names a remote file, such as ``root://`` or ``https://``."""
    return "://" in str(path)


@contextmanager
def remote(path: str) -> Iterator[None]:
    """Have the error of a missing package for the protocol of a URL say which file needs it, and how it is installed.

    Raises:
        ImportError: If the package is not installed.
    """
    try:
        yield
    except ImportError as error:
        if not is_url(path):
            raise
        how = 'it is of the extra `xrootd`: pip install ".[xrootd]" in your clone of cortado'
        hint = f"; {how}" if path.lower().startswith("root://") else ""
        raise ImportError(f"cannot open {path}: {error}{hint}") from error


def split_tree(path: str | Path) -> tuple[str, str | None]:
    """Split the user syntax ``file.root:folder/tree`` into the file and the tree (None if not given).

    Only a colon right behind a known file suffix counts: those of ``root://host:1094//a.root`` stay. A local
    file whose own name has such a colon is taken as it is.
    """
    text = str(path)
    match = _WITH_TREE.fullmatch(text)
    if match is None or (not is_url(text) and Path(text).exists()):
        return text, None
    return match["path"], match["tree"]


def expand(paths: str | Path | Iterable[str | Path], *, check: bool = True) -> list[tuple[str, str | None]]:
    """List the files that the paths name as (file, tree): globs expanded and sorted, URLs untouched.

    Args:
        paths: What the user wrote.
        check: Whether each file must be there and not be empty.

    Raises:
        FileNotFoundError: If a local file does not exist or a glob matches nothing.
        ValueError: If there are no paths at all.
    """
    if isinstance(paths, str | Path):
        paths = [paths]
    files = [(existing(file) if check else file, tree) for path in paths for file, tree in _expand_one(path)]
    if not files:
        raise ValueError("no input files: name at least one ROOT, HDF5 or parquet file")
    return files


def _expand_one(path: str | Path) -> list[tuple[str, str | None]]:
    file, tree = split_tree(path)
    if is_url(file) or Path(file).exists() or not has_magic(file):
        return [(file, tree)]
    matches = sorted(glob(file, recursive=True))
    if not matches:
        raise FileNotFoundError(f"no file matches {file}")
    return [(match, tree) for match in matches]


def existing(path: str | Path) -> str:
    """Give the path back, as text, if it is a URL or a local file with content.

    Raises:
        FileNotFoundError: If a local file does not exist.
        IsADirectoryError: If the path is a folder.
        OSError: If the file has no content.
    """
    if is_url(path):
        return str(path)
    local = Path(path)
    if local.is_dir():
        raise IsADirectoryError(f"{local} is a folder, not a file; name its files, as in {local}/*.root")
    if not local.exists():
        raise FileNotFoundError(f"{local} does not exist{_siblings(local)}")
    if local.stat().st_size == 0:
        raise OSError(f"{local} is empty (0 bytes): the program that wrote it failed, or the disk was full")
    return str(path)


def _siblings(path: Path) -> str:
    if not path.parent.is_dir():
        return f", neither does the folder {path.parent}"
    return f"; in that folder, {nearest(path.name, sorted(entry.name for entry in path.parent.iterdir()))}"
