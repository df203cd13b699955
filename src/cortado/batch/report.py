"""What became of each file, in words and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cortado.batch.answering import Answering, Sums
from cortado.files import replacing
from cortado.scoring.domain import domain_shifts, told_of_shifts

__all__ = ["File", "Report"]


class File(NamedTuple):
    """A file that was to be scored.

    Attributes:
        path: File or URL.
        target: Where its scores are.
        entries: Number of entries.
        scored: How many of them were scored now; those of the others were there already.
        size: Of the file [bytes]; 0 of a URL.
        cause: Why it was skipped; "" if it was not.
    """

    path: str
    target: str
    entries: int = 0
    scored: int = 0
    size: int = 0
    cause: str = ""


class Report(NamedTuple):
    """What a pass over files has done.

    Attributes:
        files: All of them.
        sums: Of each bundle, over all files that were not skipped.
        uses: The bundles.
        seconds: Time of the pass [s].
    """

    files: tuple[File, ...]
    sums: tuple[Sums, ...]
    uses: Sequence[Answering]
    seconds: float

    @property
    def scored(self) -> int:
        """Entries that were scored now."""
        return sum(file.scored for file in self.files)

    @property
    def finished(self) -> int:
        """Files whose scores were all there already."""
        return sum(not file.scored and file.entries > 0 for file in self.done)

    @property
    def skipped(self) -> tuple[File, ...]:
        """Files that have no scores."""
        return tuple(file for file in self.files if file.cause)

    @property
    def done(self) -> tuple[File, ...]:
        """Files that have scores now."""
        return tuple(file for file in self.files if not file.cause)

    def summary(self) -> dict[str, Any]:
        """Numbers and skipped files, for JSON."""
        entries = sum(file.entries for file in self.done)
        return {
            "files": len(self.files),
            "finished_before": self.finished,
            "skipped": [file._asdict() for file in self.skipped],
            "entries": entries,
            "entries_scored_now": self.scored,
            "input_bytes": sum(file.size for file in self.done),
            "seconds": round(self.seconds, 3),
            "entries_per_second": round(self.scored / self.seconds, 1) if self.seconds else None,
            "bundles": [
                {"bundle": use.bundle, "tree": use.tree, "objects": each.members, "notes": +each.notes}
                for use, each in zip(self.uses, self.sums)
            ],
        }

    def lines(self, where: str) -> Iterator[str]:
        """The same in words, and whether the objects are like those that each bundle was trained on.

        Args:
            where: What was written.
        """
        entries = sum(file.entries for file in self.done)
        for use, each in zip(self.uses, self.sums):
            yield from (f"{number} {note}" for note, number in each.notes.items())
            written = ", ".join(f"{number} {name}" for name, number in each.members.items()) or "nothing"
            named = f" ({use.bundle})" if len(self.uses) > 1 else ""
            yield f"wrote {where}{named}: {written} in {entries} entries"
            if not isinstance(each.domain, float):
                told = told_of_shifts("warning: what was scored", domain_shifts(use.use, each.domain))
                if told:
                    yield told
        if self.finished:
            yield f"{self.finished} of {len(self.files)} files were finished before"
        rate = f", {self.scored / self.seconds:,.0f} entries/s" if self.scored and self.seconds else ""
        if len(self.files) > 1:
            yield f"{self.scored} entries scored in {self.seconds:.1f} s{rate}"
        if self.skipped:
            yield f"skipped {len(self.skipped)} of {len(self.files)} files, which have no scores:"
            yield from (f"  {file.path}: {file.cause}" for file in self.skipped)

    def write(self, path: str | Path) -> None:
        """Keep the numbers as JSON."""
        with replacing(path, suffix=".json") as temporary:
            temporary.write_text(json.dumps(self.summary(), indent=1))
