"""Files of a manifest downloaded, resumed where the connection broke, and verified."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any, NamedTuple

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from cortado.extras import extra
from cortado.manifest.description import File, Manifest, unpacked_folder
from cortado.manifest.transfer import transfer
from cortado.manifest.unpacking import checksum_of, unpack, verify_unpacked


class Fetched(NamedTuple):
    """A file in the folder: ``checksum`` as found, ``verified`` if the manifest states it too."""

    path: Path
    checksum: str
    verified: bool


def fetch(manifest: Manifest, folder: str | Path, *, progress: bool = True) -> list[Fetched]:
    """Download the files of a manifest that are not in the folder yet, and check all of them.

    A download that broke off is resumed, if its server can, and if it says which version of the file it has or a
    checksum is known; it is tried again as long as each attempt brings more bytes. A file without a published checksum
    is reported by a warning, and its SHA256 is kept beside it, in ``<file>.sha256``, for later checks. Archives are
    unpacked into ``<folder>/<sample>/``; what is not as in the archive is unpacked again, with a warning.

    Args:
        manifest: The data set.
        folder: Folder for its files, made if necessary.
        progress: Show bars.

    Raises:
        ValueError: If a checksum does not match, there is nothing to download, or an archive is damaged or has two
            files of a name.
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
                    unpack(Path(folder) / file.path, file.unpack, unpacked_folder(folder, sample))
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
        part, task = target.with_name(f"{target.name}.part"), bars.add_task(target.name, total=None)

        def told(there: int, total: int | None) -> None:
            bars.update(task, completed=there, total=total)

        transfer(url, part, checked=file.checksum is not None, told=told)
        os.replace(part, output)

    try:
        pooch.retrieve(file.url, file.checksum, fname=target.name, path=target.parent, downloader=download)
    except ValueError as error:
        raise ValueError(f"{target} from {file.url} has a wrong checksum: {error}") from error
    if file.checksum is not None:
        return Fetched(target, file.checksum, True)
    _keep(target)
    return _unpublished(target)


def _keep(path: Path) -> None:
    """Write the checksum of a file that has no published one beside it, once, and warn."""
    kept = _kept(path)
    if not kept.exists():
        digest = checksum_of(path, "sha256")
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
    digest = checksum_of(path, "sha256")
    expected = _kept(path).read_text().split()[0] if _kept(path).exists() else digest
    if digest != expected:
        raise ValueError(f"{path} has the SHA256 {digest}, {_kept(path).name} says {expected}: it was changed")
    return Fetched(path, f"sha256:{digest}", False)


def verify(manifest: Manifest, folder: str | Path) -> list[Fetched]:
    """Check that all files of a manifest are in the folder and have their checksums, what was unpacked included.

    Raises:
        ValueError: If files are missing or have another checksum; all of them are listed.
    """
    verified, problems = [], []
    for sample in manifest.samples:
        for file in sample.files:
            if "://" not in file.path:
                try:
                    verified.append(_verified(Path(folder) / file.path, file.checksum))
                    if file.unpack:
                        verify_unpacked(Path(folder) / file.path, unpacked_folder(folder, sample))
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
    digest = checksum_of(path, kind)
    if digest != expected:
        raise ValueError(f"{path} has the {kind} {digest}, the manifest says {expected}")
    return Fetched(path, checksum, True)
