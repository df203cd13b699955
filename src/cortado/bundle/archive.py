"""Named members in one uncompressed zip file or one directory: written whole or not at all, read without trust.

Knows bytes and names only; what they mean is the business of `cortado.bundle`.
"""

from __future__ import annotations

import io
import os
import platform
import shutil
import stat
import uuid
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path

from cortado.files import replacing
from cortado.names import nearest

_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".bin", ".ckpt", ".joblib", ".npy", ".npz")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # zip's first date: equal members give equal files


def write(path: str | os.PathLike[str], members: Mapping[str, bytes], *, directory: bool | None = None) -> Path:
    """Write the members beside `path` under a temporary name, then move them into place.

    On any failure (disk full, Ctrl-C) what was at `path` before is still there and nothing else is left
    behind.

    Args:
        path: Where to write; folders above it are made.
        members: Content of each member by name.
        directory: A directory instead of one zip file. By default when `path` ends with "/" or is a
            directory.
    Returns:
        The path written.
    Raises:
        FileExistsError: If a directory with other content than a former archive would be replaced.
    """
    target = Path(path)
    as_directory = str(path).endswith(("/", os.sep)) or target.is_dir() if directory is None else directory
    if target.is_dir() and (foreign := sorted({p.name for p in target.iterdir()} - set(members))):
        raise FileExistsError(f"{target}: holds {_listed(foreign)}, so it is not replaced; choose another name")
    target.parent.mkdir(parents=True, exist_ok=True)
    if as_directory:
        _replace_directory(target, members)
    else:
        with replacing(target) as partial:
            partial.write_bytes(_zipped(members))
    return target


def read(path: str | os.PathLike[str], names: Collection[str]) -> dict[str, bytes]:
    """Content of the members; exactly those named must be there, and nothing from them is executed.

    Args:
        path: File or directory that `write` made.
        names: The members that must be there, and no others.
    Returns:
        Content by name.
    Raises:
        FileNotFoundError: If there is nothing at `path`; names the host and the nearest names.
        ValueError: If it is no archive, is cut short, damaged, compressed, lacks a member or holds another
            one.
    """
    source = Path(path)
    if not source.exists():
        raise FileNotFoundError(_missing(source))
    if source.is_dir():
        return _read_directory(source, names)
    if not source.is_file():
        raise ValueError(f"{source}: not a bundle: neither a file nor a directory but a device or pipe")
    return _read_zip(source, names)


def _zipped(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return buffer.getvalue()


def _replace_directory(target: Path, members: Mapping[str, bytes]) -> None:
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        temporary.mkdir()
        for name, content in members.items():
            with replacing(temporary / name) as partial:
                partial.write_bytes(content)
        _move_directory(temporary, target)
    finally:
        _remove(temporary)


def _move_directory(temporary: Path, target: Path) -> None:
    """Move a directory over another; the former one comes back when the second move fails."""
    former = temporary.with_suffix(".former")
    replaces = target.is_dir()
    if replaces:
        target.rename(former)
    try:
        temporary.rename(target)
    except BaseException:
        if replaces:
            former.rename(target)
        raise
    _remove(former)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _read_directory(path: Path, names: Collection[str]) -> dict[str, bytes]:
    _check_names(path, [p.name for p in path.iterdir()], names)
    return {name: _content(path / name) for name in names}


def _content(path: Path) -> bytes:
    """Content of a regular file: a device or a pipe would have no end, or wait for one who writes."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError(f"{path.parent}: {path.name} is no regular file but a device, pipe or folder; refused")
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def _read_zip(path: Path, names: Collection[str]) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_names(path, [member.filename for member in members], names)
            # Uncompressed members cannot be larger than the file: no zip bombs.
            if packed := [m.filename for m in members if m.compress_type != zipfile.ZIP_STORED]:
                raise ValueError(f"{path}: {_listed(packed)} compressed; a bundle stores its members as they are")
            return {name: archive.read(name) for name in names}
    except Exception as error:  # zipfile has many for what is damaged
        if str(error).startswith(f"{path}: ") or (isinstance(error, OSError) and error.filename):
            raise
        raise ValueError(_unreadable(path, error)) from error


def _check_names(path: Path, present: Collection[str], names: Collection[str]) -> None:
    if pickles := sorted(name for name in present if name.endswith(_PICKLES)):
        raise ValueError(
            f"{path}: holds {_listed(pickles)}, which may be a pickle: reading one can "
            "run any code, so it is refused; save the model again with cortado.bundle.save"
        )
    if missing := sorted(set(names) - set(present)):
        raise ValueError(f"{path}: not a bundle, it lacks {_listed(missing)} (it holds {_listed(sorted(present))})")
    if len(present) != len(names):
        extra = sorted(set(present) - set(names)) or ["one name twice"]
        raise ValueError(f"{path}: holds {_listed(extra)} beside {_listed(sorted(names))}; refused")


def _unreadable(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"PK\x03\x04":
        return f"{path}: cut short or damaged: {error} ({path.stat().st_size} bytes)"
    if start[:1] == b"\x80":
        return f"{path}: not a bundle but a pickle: reading one can run any code, so it is refused"
    return f"{path}: not a bundle: neither a zip file nor a directory (it starts with {start!r})"


def _missing(path: Path) -> str:
    folder = path.parent
    present: list[str] = []
    if folder.is_dir():
        present = sorted(p.name for p in folder.iterdir() if p.suffix == path.suffix or p.suffix == ".cortado")
    hint = nearest(path.name, present) if present else f"no bundle in {folder}"
    return f"no bundle {path.absolute()} on host {platform.node()}; {hint}"


def _listed(names: Collection[str]) -> str:
    shown = list(names)[:5]
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")
