"""What became of each chunk of a run, in words and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from cortado.cluster import Done
from cortado.files import replacing
from cortado.processors.fileset import File

__all__ = ["Attempt", "Chunk"]


class Chunk(NamedTuple):
    """A chunk of a run, or a whole file that could not be read.

    Attributes:
        dataset: Name of the data set.
        path: Of the file.
        start: First entry; None for a whole file.
        stop: One past the last entry.
        attempts: How often it was tried; 0 if its result was there already.
        seconds: Time of the last attempt [s].
        bytes_read: From the file.
        cause: Why it failed; "" if it did not.
    """

    dataset: str
    path: str
    start: int | None
    stop: int | None
    attempts: int
    seconds: float
    bytes_read: int
    cause: str

    @classmethod
    def of(cls, done: Done) -> Chunk:
        """The chunk of a piece of work."""
        read = 0 if done.result is None else done.result["metrics"].get("bytesread", 0)
        cause = "" if done.error is None else _words(done.error)
        where = (done.item.dataset, done.item.filename, done.item.entrystart, done.item.entrystop)
        return cls(*where, done.attempts, done.seconds, int(read), cause)

    @classmethod
    def of_file(cls, file: File, error: Exception) -> Chunk:
        """A file that cannot be read."""
        return cls(file.dataset, file.path, None, None, 1, 0.0, 0, _words(error))

    @property
    def events(self) -> int:
        """Number of entries."""
        return 0 if self.start is None or self.stop is None else self.stop - self.start

    def __str__(self) -> str:
        entries = "" if self.start is None else f", entries {self.start} to {self.stop}"
        return f"{self.path}{entries} of data set {self.dataset!r}" + (f": {self.cause}" if self.cause else "")


def _words(error: Exception) -> str:
    """An error in one line: what it says, after its kind where the words alone may not be understood."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return text if isinstance(error, RuntimeError) else f"{type(error).__name__}: {text}"


class Attempt(NamedTuple):
    """A run as far as it went.

    Attributes:
        output: Accumulated output of the processor over the chunks that were processed.
        chunks: All chunks, failed ones too.
        seconds: Time of the whole run [s].
    """

    output: Any
    chunks: tuple[Chunk, ...]
    seconds: float

    @property
    def failed(self) -> tuple[Chunk, ...]:
        """Chunks, and whole files, that are not in the output."""
        return tuple(chunk for chunk in self.chunks if chunk.cause)

    def summary(self) -> dict[str, Any]:
        """Numbers of the run and its failures, for JSON."""
        done = [chunk for chunk in self.chunks if not chunk.cause]
        return {
            "files": len({chunk.path for chunk in self.chunks}),
            "chunks": len(self.chunks),
            "processed": sum(chunk.attempts > 0 for chunk in done),
            "kept_from_before": sum(chunk.attempts == 0 for chunk in done),
            "repeated": sum(chunk.attempts > 1 for chunk in self.chunks),
            "events": sum(chunk.events for chunk in done),
            "bytes_read": sum(chunk.bytes_read for chunk in done if chunk.attempts),
            "seconds": round(self.seconds, 3),
            "failed": [chunk._asdict() for chunk in self.failed],
        }

    def lines(self) -> Iterator[str]:
        """The same in words."""
        numbers = self.summary()
        again = f", {numbers['kept_from_before']} from before" if numbers["kept_from_before"] else ""
        tried = f", {numbers['repeated']} more than once" if numbers["repeated"] else ""
        yield (
            f"{numbers['events']:,} events of {numbers['files']} files: {numbers['processed']} chunks processed{again}"
            f"{tried}, {numbers['bytes_read'] / 1e6:.1f} MB read, {self.seconds:.1f} s"
        )
        if self.failed:
            yield f"failed and left out: {len(self.failed)} of {len(self.chunks)} chunks"
        yield from map(str, self.failed)

    def write(self, path: str | Path) -> None:
        """Keep the numbers as JSON."""
        with replacing(path, suffix=".json") as partial:
            partial.write_text(json.dumps(self.summary(), indent=1))
