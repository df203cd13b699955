"""Archives unpacked into the folder of a sample, with the checksums of what came out of them."""

from __future__ import annotations

import hashlib
import lzma
import os
import shutil
import tarfile
import tempfile
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from cortado.files import replacing

__all__ = ["checksum_of", "unpack", "verify_unpacked"]

_BLOCK = 1 << 20
_DAMAGED = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError)


def unpack(archive: Path, pattern: str, folder: Path) -> None:
    """Write the members of a tar archive whose names fit, without their folders.

    Their SHA256 are kept beside the archive, in `<archive>.<folder>.sha256`, as `sha256sum --check` takes them. Members
    that are there stay; those that are not as in the archive are written again, with a warning.

    Args:
        archive: Path of it.
        pattern: Of the names of the members.
        folder: Made if necessary.

    Raises:
        ValueError: If the archive is damaged, has two files of a name, or one that leads out of the folder.
        OSError: If the disk is full.
    """
    known = _sums(archive, folder)
    if known and all(_is(folder / name, expected) for name, expected in known.items()):
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as aside:
        sums = _extracted(archive, pattern, folder, Path(aside))  # all of it, or nothing: sums come at the very end
        for name, expected in sums.items():
            if (folder / name).exists() and not _is(folder / name, expected):
                warnings.warn(f"{folder / name} was not as {archive} has it: unpacked again", stacklevel=3)
            os.replace(Path(aside) / name, folder / name)
    with replacing(_sums_file(archive, folder)) as partial:
        partial.write_text("".join(f"{each}  {name}\n" for name, each in sums.items()))


def verify_unpacked(archive: Path, folder: Path) -> None:
    """Whether all that came out of an archive is there as it was.

    Raises:
        ValueError: If it was not unpacked, or a file is missing or was changed; all of these are named.
    """
    known = _sums(archive, folder)
    if known is None:
        raise ValueError(f"{archive} was not unpacked into {folder}, or without checksums: `cortado fetch` does it")
    if wrong := [name for name, expected in known.items() if not _is(folder / name, expected)]:
        raise ValueError(
            f"in {folder} not as {archive} has them: {', '.join(wrong)}; `cortado fetch` unpacks them anew"
        )


def checksum_of(path: Path, kind: str = "sha256") -> str:
    """Checksum of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def _extracted(archive: Path, pattern: str, folder: Path, aside: Path) -> dict[str, str]:
    """Write the members that are for a folder into another one; the checksum of each by its name."""
    came_from: dict[str, str] = {}
    with _named(archive), tarfile.open(archive) as members:
        for member in members:
            name = PurePosixPath(member.name).name
            content = members.extractfile(member) if member.isfile() and fnmatch(name, pattern) else None
            if content is None:
                continue
            if name in ("", ".."):
                raise ValueError(f"{archive} has a member {member.name!r}, which leads out of {folder}")
            if name in came_from:
                raise ValueError(f"{archive} has two files {name}: {came_from[name]} and {member.name}")
            came_from[name] = member.name
            with (aside / name).open("wb") as file:
                shutil.copyfileobj(content, file)
        stream = members.fileobj
        while stream is not None and stream.read(_BLOCK):
            pass  # behind the last member: the checksum of what is compressed
    return {name: checksum_of(aside / name) for name in came_from}


@contextmanager
def _named(archive: Path) -> Iterator[None]:
    """Have errors about an archive name it."""
    try:
        yield
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk
        why = str(error).partition(":\n")[0]  # what each kind of compression says comes after it
        raise ValueError(f"{archive} is no tar archive or damaged: {why}; remove it and download it anew") from error


def _sums_file(archive: Path, folder: Path) -> Path:
    return archive.with_name(f"{archive.name}.{folder.name}.sha256")


def _sums(archive: Path, folder: Path) -> dict[str, str] | None:
    """Checksum of each file by its name, if the archive was unpacked."""
    file = _sums_file(archive, folder)
    if not file.exists():
        return None
    lines = (line.partition("  ") for line in file.read_text().splitlines())
    return {name: known for known, _, name in lines}


def _is(path: Path, expected: str) -> bool:
    return path.is_file() and checksum_of(path) == expected
