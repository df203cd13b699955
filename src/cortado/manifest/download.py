"""Files of a manifest downloaded, resumed where the connection broke, and verified."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import warnings
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import requests
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from cortado.extras import extra
from cortado.files import replacing
from cortado.manifest.description import File, Manifest, unpacked_folder

_CHUNK = 1 << 16
"""Bytes at a time: at most that many are lost when a connection breaks."""

_TIMEOUT = (30, 60)
"""Seconds to wait for a connection, and for the next bytes."""


class Fetched(NamedTuple):
    """A file in the folder: ``checksum`` as found, ``verified`` if the manifest states it too."""

    path: Path
    checksum: str
    verified: bool


def fetch(manifest: Manifest, folder: str | Path, *, progress: bool = True) -> list[Fetched]:
    """Download the files of a manifest that are not in the folder yet, and check all of them.

    A download that broke off is resumed, if its server can and a checksum is known; it is tried again as long
    as each attempt brings more bytes. A file without a published checksum is reported by a warning, and its
    SHA256 is kept beside it, in ``<file>.sha256``, for later checks. Archives are unpacked into
    ``<folder>/<sample>/``.

    Args:
        manifest: The data set.
        folder: Folder for its files, made if necessary.
        progress: Show bars.

    Raises:
        ValueError: If a checksum does not match, there is nothing to download, or an archive has two files of a
            name.
        ConnectionError: If a server cannot be reached, answers with an error or breaks off.
        OSError: If the disk is full.
    """
    wanted = {file.path: file for sample in manifest.samples for file in sample.files if file.url}
    if not wanted:
        raise ValueError(
            f"{manifest.name!r} has nothing to download: `cortado simulate` makes its samples, from the recipes in "
            f"{manifest.source}"
        )
    Path(folder).mkdir(parents=True, exist_ok=True)
    with _bars(progress) as bars:
        fetched = [_fetch_one(file, Path(folder), bars) for file in wanted.values()]
        for sample in manifest.samples:
            for file in sample.files:
                if file.unpack:
                    _unpack(Path(folder) / file.path, file.unpack, unpacked_folder(folder, sample))
    return fetched


def _bars(shown: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        disable=not shown,
    )


def _fetch_one(file: File, folder: Path, bars: Progress) -> Fetched:
    with extra("train", "a download"):
        import pooch
    target = folder / file.path
    target.parent.mkdir(parents=True, exist_ok=True)

    def download(url: str, output: str, _: Any) -> None:
        part = target.with_name(f"{target.name}.part")
        if file.checksum is None:
            part.unlink(missing_ok=True)  # nothing would tell whether an old part fits the file of today
        _download(url, part, bars)
        os.replace(part, output)

    try:
        pooch.retrieve(file.url, file.checksum, fname=target.name, path=target.parent, downloader=download)
    except ValueError as error:
        raise ValueError(f"{target} from {file.url} has a wrong checksum: {error}") from error
    if file.checksum is not None:
        return Fetched(target, file.checksum, True)
    _keep(target)
    return _unpublished(target)


def _download(url: str, part: Path, bars: Progress) -> None:
    """Write a URL to a file, after what it already holds; once more whenever an attempt brought bytes."""
    task = bars.add_task(part.name.removesuffix(".part"), total=None)
    while True:
        before = _size(part)
        try:
            _download_once(url, part, bars, task)
            return
        except requests.HTTPError as error:
            if error.response.status_code == requests.codes.requested_range_not_satisfiable:
                part.unlink()  # longer than the file is today
                continue
            raise ConnectionError(
                f"{url}: the server answers {error.response.status_code} {error.response.reason}"
            ) from error
        except requests.RequestException as error:
            if _size(part) <= before:
                raise ConnectionError(
                    f"cannot download {url}: {error}; {_size(part)} bytes are in {part} for another attempt"
                ) from error


def _download_once(url: str, part: Path, bars: Progress, task: Any) -> None:
    start = _size(part)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
        if response.headers.get("Content-Range") == f"bytes */{start}":
            return  # the part is the whole file
        response.raise_for_status()
        resumed = response.status_code == requests.codes.partial_content
        start = start if resumed else 0
        length = response.headers.get("Content-Length")
        bars.update(task, completed=start, total=start + int(length) if length else None)
        with part.open("ab" if resumed else "wb") as file:
            for chunk in response.iter_content(_CHUNK):
                file.write(chunk)
                bars.advance(task, len(chunk))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _keep(path: Path) -> None:
    """Write the checksum of a file that has no published one beside it, once, and warn."""
    kept = _kept(path)
    if not kept.exists():
        digest = _digest(path, "sha256")
        kept.write_text(f"{digest}  {path.name}\n")
        warnings.warn(
            f"the manifest has no checksum for {path}: nothing says that it is what was published; "
            f"its SHA256 {digest} is kept in {kept.name}",
            stacklevel=4,
        )


def _kept(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _unpublished(path: Path) -> Fetched:
    """Compare a file that has no published checksum with the one kept beside it, if there is one."""
    digest = _digest(path, "sha256")
    expected = _kept(path).read_text().split()[0] if _kept(path).exists() else digest
    if digest != expected:
        raise ValueError(f"{path} has the SHA256 {digest}, {_kept(path).name} says {expected}: it was changed")
    return Fetched(path, f"sha256:{digest}", False)


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def verify(manifest: Manifest, folder: str | Path) -> list[Fetched]:
    """Check that all files of a manifest are in the folder and have their checksums.

    Raises:
        ValueError: If files are missing or have another checksum; all of them are listed.
    """
    verified, problems = [], []
    for sample in manifest.samples:
        for file in sample.files:
            if "://" not in file.path:
                try:
                    verified.append(_verified(Path(folder) / file.path, file.checksum))
                except (OSError, ValueError) as error:
                    problems.append(f"sample {sample.name!r}: {error}")
    if problems:
        raise ValueError(f"{len(problems)} files of {manifest.name!r} are not right:\n" + "\n".join(problems))
    return list(dict.fromkeys(verified))


def _verified(path: Path, checksum: str | None) -> Fetched:
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if checksum is None:
        return _unpublished(path)
    kind, _, expected = checksum.partition(":")
    digest = _digest(path, kind)
    if digest != expected:
        raise ValueError(f"{path} has the {kind} {digest}, the manifest says {expected}")
    return Fetched(path, checksum, True)


def _unpack(archive: Path, pattern: str, folder: Path) -> None:
    """Write the members of a tar archive whose names fit, without their folders; those there already stay."""
    folder.mkdir(parents=True, exist_ok=True)
    seen: dict[Path, str] = {}
    with tarfile.open(archive) as members:
        for member in members:
            target = folder / PurePosixPath(member.name).name
            if not member.isfile() or not fnmatch(target.name, pattern):
                continue
            if target.parent != folder or target.name == "..":
                raise ValueError(f"{archive} has a member {member.name!r}, which leads out of {folder}")
            if target in seen:
                raise ValueError(f"{archive} has two files {target.name}: {seen[target]} and {member.name}")
            seen[target] = member.name
            if _size(target) == member.size:
                continue
            content = members.extractfile(member)
            assert content is not None  # a regular file has content
            with replacing(target) as partial, partial.open("wb") as file:
                shutil.copyfileobj(content, file)
