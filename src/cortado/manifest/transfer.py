"""One URL written to a file, going on where the connection broke, and never with bytes of two versions of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import requests

__all__ = ["transfer"]

_CHUNK = 1 << 16
"""Bytes at a time: at most that many are lost when a connection breaks."""

_TIMEOUT = (30, 60)
"""Seconds to wait for a connection, and for the next bytes."""

_RESTARTS = 3  # of a file that changes while it is read

Told = Callable[[int, int | None], None]


class _Changed(Exception):
    """The server has another file than the one whose beginning is here, or does not say which part it sends."""


def transfer(url: str, part: Path, *, checked: bool, told: Told) -> None:
    """Write a URL to a file, after what it already holds; once more whenever an attempt brought bytes.

    What the server calls this version of the file, its ETag or time, is kept beside the part until it is whole. A part
    whose version is not known is only continued where a checksum will be compared, and any part only with the bytes
    that follow it.

    Args:
        url: Of the file.
        part: What is there of it.
        checked: Whether a checksum of the whole file will be compared.
        told: Called with the number of bytes that are there, and that of all where it is known.

    Raises:
        ConnectionError: If the server cannot be reached, answers with an error, breaks off, or changes the file again
            and again.
        OSError: If the disk is full.
    """
    restarts, most = 0, None  # bytes that an attempt has left
    while True:
        if not (checked or _version(part)):
            _forget(part)
        most = _size(part) if most is None else most
        try:
            _attempt(url, part, told, checked=checked)
            _version_file(part).unlink(missing_ok=True)
            return
        except _Changed as error:
            _forget(part)
            restarts, most = restarts + 1, 0
            if restarts > _RESTARTS:
                raise ConnectionError(f"cannot download {url}: {error}, {restarts} times in a row") from error
        except requests.HTTPError as error:
            answer = f"{error.response.status_code} {error.response.reason}"
            raise ConnectionError(f"{url}: the server answers {answer}") from error
        except requests.RequestException as error:
            if _size(part) <= most:
                raise ConnectionError(
                    f"cannot download {url}: {error}; {_size(part)} bytes are in {part} for another attempt"
                ) from error
            most = _size(part)


def _attempt(url: str, part: Path, told: Told, *, checked: bool) -> None:
    start, version = _size(part), _version(part)
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-"} | ({"If-Range": version} if version else {})
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
        _, total = _range(response)
        if start and response.status_code == requests.codes.requested_range_not_satisfiable:
            if total == start and (checked or _named(response) == version):
                return  # the part is the whole file
            raise _Changed(f"{start} bytes are here, the server has another file")
        response.raise_for_status()
        if response.status_code == requests.codes.partial_content:
            _require_rest(response, start, version)
        else:
            start, length = 0, response.headers.get("Content-Length")
            total = int(length) if length else None
        if not start:
            _keep_version(part, _named(response))
        told(start, total)
        with part.open("ab" if start else "wb") as file:
            for chunk in response.iter_content(_CHUNK):
                file.write(chunk)
                start += len(chunk)
                told(start, total)
    if total is not None and start > total:
        raise _Changed(f"{start} bytes came of a file of {total}")
    if total is not None and start < total:
        raise requests.ConnectionError(f"{start} of {total} bytes came")


def _require_rest(response: requests.Response, start: int, version: str | None) -> None:
    """Whether an answer is what follows the part that is here."""
    first, _ = _range(response)
    if first != start:
        raise _Changed(f"asked for the bytes from {start} on, the server sends {response.headers.get('Content-Range')}")
    named = _named(response)
    if start and version and named and named != version:
        raise _Changed(f"the server's file is {named}, the part that is here of {version}")


def _range(response: requests.Response) -> tuple[int | None, int | None]:
    """First byte of an answer and length of the whole file, as far as Content-Range says so."""
    said = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    if said is None:
        return None, None
    first, total = said.groups()
    return (int(first) if first else None), (int(total) if total != "*" else None)


def _named(response: requests.Response) -> str | None:
    """What a server calls this version of a file: a strong ETag, else the time of the last change."""
    tag: str | None = response.headers.get("ETag")
    time: str | None = response.headers.get("Last-Modified")
    return tag if tag and not tag.startswith("W/") else time


def _version_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.version")


def _version(part: Path) -> str | None:
    """What the server called the file of which this is a part."""
    file = _version_file(part)
    return (file.read_text() or None) if file.exists() and part.exists() else None


def _keep_version(part: Path, version: str | None) -> None:
    part.unlink(missing_ok=True)  # before: a version never stands beside bytes of another one
    if version is None:
        _version_file(part).unlink(missing_ok=True)
    else:
        _version_file(part).write_text(version)


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _version_file(part).unlink(missing_ok=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
