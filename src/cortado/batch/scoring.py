"""The pass over all files: parts go to the workers, come back as they are done, and are joined file by file."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from cortado.batch.answering import NOTHING, Answering, Sums, described
from cortado.batch.inputs import Format, Input, targets
from cortado.batch.parts import Answer, Layout, Part, answered, layout
from cortado.batch.report import File, Report
from cortado.batch.storing import Note, joined, keep_part, key_of, note_of, part_path, write_answers
from cortado.cluster import opened, spread
from cortado.names import require_one_of
from cortado.ntuples.paths import is_url
from cortado.scoring.delivery import delivery

__all__ = ["score"]

PARTS = ".parts"
"""Folder of the answers for parts of files that are not finished."""
_AHEAD = 64  # parts with the workers at once


def score(
    uses: Sequence[Answering],
    inputs: Sequence[Input],
    out: str | Path,
    *,
    executor: str | Executor = "iterative",
    workers: int = 2,
    scheduler: str | None = None,
    form: Format = "ttree",
    dialect: Any = None,
    step: int = 20_000,
    part: int = 100_000,
    retries: int = 0,
    skip_bad: bool = False,
    overwrite: bool = False,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Write what bundles say of the events of files as friend trees, entry by entry beside the files.

    Each file is read once for all bundles. Parts are kept as they are done: called again after a kill, only those that
    are not there are worked on. A file whose scores are there already, of the same content by the same bundles, is left
    alone.

    Args:
        uses: Bundles, see `load`; of several, each has a tree of its own.
        inputs: Files, see `of_files` and `of_fileset`.
        out: NAME.root for one file, or a folder, see `targets`.
        executor: See `cortado.cluster.opened`: "iterative" (this process, whose threads share the work), "futures",
            "dask", "parsl", or an executor of your own.
        workers: Processes, where they are started here.
        scheduler: Address of a running dask scheduler, whose workers must see the files, but not the bundles.
        form: Of the friend trees: "ttree", "rntuple", or "parquet" for a single bundle.
        dialect: Of the files, if it is not recognised.
        step: Most entries that are read at once; bounds the memory.
        part: Entries of one piece of work, about.
        retries: How often a piece of work that failed is tried again.
        skip_bad: Leave out files that cannot be read or scored, and report them; otherwise the first one is an error.
        overwrite: Replace files that are there and are something else.
        advance: Is told the number of entries that are done, and of all.
    Raises:
        ValueError: If there is no bundle or no file, bundles would share a tree, or see `targets`.
        FileExistsError: If a file is there that is something else.
        OSError, RuntimeError: If a file cannot be read or scored, with `skip_bad` if none can; names it.
    """
    require_one_of("form", form, ("ttree", "rntuple", "parquet"))
    uses = _with_trees(uses, form)
    wanted, begin = targets(inputs, out, form), time.perf_counter()
    own_events = all(use.names_events for use in uses) if dialect is None else isinstance(dialect, str)
    dialect = dialect or _common_dialect(uses)
    setup = delivery(uses) if scheduler else None
    folder = _parts_folder(Path(out))
    with opened(executor, workers=workers, scheduler=scheduler, setup=setup) as pool:
        run = _Run(uses, form, dialect, pool, retries, skip_bad, overwrite, folder, part)
        plans, failed = run.plan(wanted, step, own_events)
        files, sums = failed, [NOTHING for _ in uses]
        for file, own in run.finish(plans, advance):
            files.append(file)
            sums = [one.plus(other) for one, other in zip(sums, own)] if own else sums
    if all(file.cause for file in files):
        raise RuntimeError(f"none of {len(files)} files could be scored; the first: {files[0].cause}")
    if not any(file.cause for file in files):
        shutil.rmtree(folder, ignore_errors=True)
    return Report(tuple(files), tuple(sums), uses, time.perf_counter() - begin)


def _with_trees(uses: Sequence[Answering], form: Format) -> tuple[Answering, ...]:
    """Bundles with different names of their trees: several are named as the bundles."""
    if not uses:
        raise ValueError("no bundle to score with")
    if len(uses) == 1:
        return tuple(uses)
    if form == "parquet":
        raise ValueError("a parquet file holds one table: score with one bundle, or write ROOT files")
    names = [Path(use.bundle).stem for use in uses]
    if several := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"bundles in one pass need different names, there are several of {several}")
    return tuple(use._replace(tree=name) for use, name in zip(uses, names))


def _common_dialect(uses: Sequence[Answering]) -> Any:
    """Branches of the user's own that bundles were trained on."""
    every = [use.dialect for use in uses if use.dialect is not None]
    if any(each != every[0] for each in every):
        named = ", ".join(use.bundle for use in uses if use.dialect is not None)
        raise ValueError(f"{named} were trained on different branches of your own: score with one after the other")
    return every[0] if every else None


def _parts_folder(out: Path) -> Path:
    return out.with_name(f".{out.name}{PARTS}") if out.suffix in {".root", ".parquet"} else out / PARTS


class _Plan(NamedTuple):
    """A file, and what is to be done with it."""

    input: Input
    target: Path
    layout: Layout
    key: str
    parts: tuple[Part, ...]
    finished: Note | None

    def file(self, scored: Sequence[Part]) -> File:
        """For the report, with the parts that were scored now."""
        local = Path(self.input.path)
        size = local.stat().st_size if not is_url(self.input.path) and local.exists() else 0
        return File(self.input.path, str(self.target), self.layout.entries, _length(scored), size)


class _Run(NamedTuple):
    """How files are worked on."""

    uses: tuple[Answering, ...]
    form: Format
    dialect: Any
    pool: Executor | None
    retries: int
    skip_bad: bool
    overwrite: bool
    folder: Path
    part: int

    def plan(self, wanted: Mapping[Input, Path], step: int, own_events: bool) -> tuple[list[_Plan], list[File]]:
        """What each file needs, and those that cannot be read."""
        look = partial(layout, size=step, own_events=own_events)
        plans, failed = {}, []
        for done in spread(look, wanted, self.pool, retries=self.retries):
            if done.error is not None:
                failed.append(self._skipped(done.item, wanted[done.item], done.error))
                continue
            plans[done.item] = self._plan(done.item, wanted[done.item], done.result)
        return [plans[each] for each in wanted if each in plans], failed

    def _plan(self, given: Input, target: Path, found: Layout) -> _Plan:
        settings = {"form": self.form, "dialect": described(self.dialect)}
        key = key_of(found, self.uses, settings)
        note = note_of(target)
        finished = note if note is not None and note.key == key else None
        if finished is None and target.exists() and not self.overwrite:
            other = "what other bundles, settings or another input gave" if note else "not made by this command"
            raise FileExistsError(f"{target} is there already and is {other}: choose another name, or --overwrite")
        return _Plan(given, target, found, key, tuple(found.parts(given, self.part)), finished)

    def finish(
        self, plans: Sequence[_Plan], advance: Callable[[int, int], None]
    ) -> Iterator[tuple[File, Sequence[Sums]]]:
        """Score all parts that are not there; yields each file when it is written or skipped, with its sums."""
        missing = {plan.input: self._missing(plan) for plan in plans}
        entries = sum(plan.layout.entries for plan in plans)
        done = entries - sum(map(_length, missing.values()))
        advance(done, entries)
        for plan in plans:
            if not missing[plan.input]:
                yield plan.file(()), plan.finished.sums if plan.finished else self._join(plan)
        plan_of, left = (
            {plan.input: plan for plan in plans},
            {each: {*parts} for each, parts in missing.items() if parts},
        )
        work = [part for parts in missing.values() for part in parts]
        scored = partial(answered, uses=self.uses, dialect=self.dialect)
        for part, answers, error, *_ in spread(scored, work, self.pool, ahead=_AHEAD, retries=self.retries):
            done += _length([part])
            advance(done, entries)
            if part.input not in left:  # its file was skipped
                continue
            plan = plan_of[part.input]
            left[part.input].remove(part)
            if error is not None:
                del left[part.input]
                yield self._skipped(part.input, plan.target, error), ()
            elif len(plan.parts) == 1:
                write_answers(plan.target, plan.key, plan.layout, answers, self.uses, self.form)
                yield plan.file(plan.parts), [answer.sums for answer in answers]
            else:
                keep_part(part_path(self.folder, plan.key, part), answers, self.uses)
                if not left[part.input]:
                    yield plan.file(missing[plan.input]), self._join(plan)

    def _missing(self, plan: _Plan) -> list[Part]:
        """Parts of a file that are still to be scored."""
        if plan.finished is not None:
            return []
        return [part for part in plan.parts if note_of(part_path(self.folder, plan.key, part)) is None]

    def _join(self, plan: _Plan) -> list[Sums]:
        """Make one file of its parts."""
        paths = [part_path(self.folder, plan.key, part) for part in plan.parts]
        answers: list[Answer] = joined(paths, self.uses)
        write_answers(plan.target, plan.key, plan.layout, answers, self.uses, self.form)
        for path in paths:
            path.unlink(missing_ok=True)
        return [answer.sums for answer in answers]

    def _skipped(self, given: Input, target: Path, error: Exception) -> File:
        text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
        if not self.skip_bad:
            if Path(given.path).name in text:
                raise error
            raise RuntimeError(f"{given.path}: {text}") from error
        return File(given.path, str(target), cause=text)


def _length(parts: Iterable[Part]) -> int:
    return sum(part.stop - part.start for part in parts)
