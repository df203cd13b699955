"""Any processor over a fileset, on this machine or on a cluster; every chunk is accounted for."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

from coffea import processor
from coffea.nanoevents import NanoAODSchema
from coffea.processor.executor import ExecutorBase, WorkItem
from coffea.util import coffea_console
from rich.progress import Progress

from cortado.cluster import Done, opened, require_executor, spread
from cortado.processors import checkpoints as disk
from cortado.processors.fileset import File, chunks_of, files_of
from cortado.processors.report import Attempt, Chunk
from cortado.scoring.delivery import delivery

__all__ = ["NanoAOD", "attempt", "run"]


class NanoAOD(NanoAODSchema):  # type: ignore[misc]
    """coffea's schema without its warnings that a file lacks collections which others refer to.

    Skims and our own samples lack most of them. No number depends on it: the reference is dropped either way,
    and whoever follows it is told that it is not there.
    """

    warn_missing_crossrefs = False


def run(fileset: Mapping[str, Any], instance: processor.ProcessorABC, **options: Any) -> dict[str, Any]:
    """Run a processor over a fileset; a chunk that fails stops the run.

    Args:
        fileset: `{name: {"files": {path: tree}, "metadata": {...}}}`, or the output of `dataset_tools.preprocess`,
            whose steps are then the chunks. A tree that is None is looked for.
        instance: The processor.
        **options: Of `attempt`: executor, workers, scheduler, chunksize, schema, retries, checkpoints, progress.
    Returns:
        The accumulated output of the processor.
    Raises:
        ValueError, ImportError: As `attempt`.
        RuntimeError: If a file cannot be read or a chunk failed; names file, entries and cause.
    """
    output: dict[str, Any] = attempt(fileset, instance, stop_at_failure=True, **options).output
    return output


def attempt(
    fileset: Mapping[str, Any],
    instance: processor.ProcessorABC,
    *,
    executor: str | Executor = "futures",
    workers: int = 2,
    scheduler: str | None = None,
    chunksize: int = 100_000,
    schema: Any = NanoAOD,
    retries: int = 0,
    checkpoints: str | Path | None = None,
    stop_at_failure: bool = False,
    progress: bool = True,
) -> Attempt:
    """Run a processor over a fileset as far as it goes: files and chunks that fail are left out, and reported.

    With `checkpoints` the result of each chunk is kept as it comes. Called again, with the same or with more files,
    only what is not there is worked on: after a kill, or with the chunks that failed. A chunk of another file, of other
    entries, of a changed processor or with another bundle is another one.

    Args:
        fileset: See `run`.
        instance: The processor.
        executor: "iterative" (this process), "futures" (processes on this machine), "dask", "parsl" (the configuration
            that is loaded), or a `concurrent.futures.Executor`, as TaskVine and others have.
        workers: Processes of "futures", or of a cluster that is started for this run.
        scheduler: Address of a running dask scheduler; without it a local cluster is started. The bundles of the
            processor are sent to its workers, which need not share a disk with this process.
        chunksize: Events in a chunk, about; each file is divided evenly.
        schema: Schema of the NanoEvents.
        retries: How often a chunk that failed is tried again, with a warning: for files on unreliable servers.
        checkpoints: Folder of the results of chunks.
        stop_at_failure: Raise the first failure instead.
        progress: Show progress bars, if the output is a terminal.
    Raises:
        ValueError: If the executor is unknown, a scheduler is given for another executor than dask, the chunksize
            is below 1, or a data set has no files.
        ImportError: If the executor is dask or parsl, and that is not installed.
        RuntimeError: If nothing at all could be done, or the first failure; names file, entries and cause.
    """
    require_executor(executor, scheduler)
    if chunksize < 1:
        raise ValueError(f"chunksize must be at least 1 event, got {chunksize}")
    files, begin = files_of(fileset), time.perf_counter()
    folder = None if checkpoints is None else _made(Path(checkpoints))
    setup = delivery(instance) if scheduler else None
    shown = progress and coffea_console.is_terminal
    with (
        opened(executor, workers=workers, scheduler=scheduler, setup=setup) as pool,
        Progress(console=coffea_console, transient=True, disable=not shown) as bars,
    ):
        work = _Work(pool, retries, folder, disk.identity(instance, schema) if folder else "", stop_at_failure, bars)
        items, failed = work.divide(files, chunksize)
        output, chunks = _processed(items, instance, schema, work) if items else (None, [])
    done = Attempt(output, (*failed, *chunks), time.perf_counter() - begin)
    if output is None:
        raise RuntimeError(f"none of {len(done.chunks)} chunks could be processed; the first: {done.failed[0]}")
    return done


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@dataclasses.dataclass(frozen=True)
class _Work:
    """How chunks are worked on."""

    pool: Executor | None
    retries: int
    folder: Path | None
    identity: str
    stop_at_failure: bool
    bars: Progress

    def divide(self, files: list[File], chunksize: int) -> tuple[list[WorkItem], list[Chunk]]:
        """All chunks in the order of the files, and the files that cannot be read."""
        items_of: dict[tuple[str, str], list[WorkItem]] = {}
        failed = []
        counting = chunks_of(files, chunksize, self.pool, retries=self.retries)
        for file, items, error in self.bars.track(counting, total=len(files), description="counting events"):
            if error is not None:
                failed.append(Chunk.of_file(file, error))
                self._stop(failed[-1], error)
            items_of[file.dataset, file.path] = items
        return [item for file in files for item in items_of[file.dataset, file.path]], failed

    def results(self, items: list[WorkItem], function: Callable[[WorkItem], Any]) -> Iterator[tuple[Chunk, Any]]:
        """Each chunk, and what coffea makes of it; None if it failed."""
        places = {item: disk.place(self.folder, self.identity, item) for item in items} if self.folder else {}
        missing = []
        for item in items:
            if places and (result := disk.kept(places[item])) is not None:
                yield Chunk.of(Done(item, result, None, 0, 0.0)), result
            else:
                missing.append(item)
        for done in spread(partial(_cause, function), missing, self.pool, retries=self.retries):
            chunk = Chunk.of(done)
            if done.error is not None:
                self._stop(chunk, done.error)
            elif places:
                disk.keep(places[done.item], done.result)
            yield chunk, done.result

    def _stop(self, chunk: Chunk, error: Exception) -> None:
        if self.stop_at_failure:
            raise RuntimeError(str(chunk)) from error


def _cause(function: Callable[[WorkItem], Any], item: WorkItem) -> Any:
    """What coffea makes of a chunk; errors without the words that it wraps around them.

    Raises:
        ValueError: If some of its events are not there: uproot gives fewer where a file holds fewer.
    """
    try:
        result = function(item)
    except Exception as error:
        if error.__cause__ is None:
            raise
        raise error.__cause__ from None
    there, wanted = result["metrics"]["entries"], item.entrystop - item.entrystart
    if there != wanted:
        raise ValueError(f"{there} of its {wanted} events are there")
    return result


@dataclasses.dataclass
class _Spreading(ExecutorBase):  # type: ignore[misc]
    """Executor of coffea's Runner, which hands over the chunks and what is to be done with each."""

    work: _Work | None = None
    chunks: list[Chunk] = dataclasses.field(default_factory=list)

    def __call__(self, items: list[WorkItem], function: Any, accumulator: Any) -> tuple[Any, int]:
        assert self.work is not None
        done = self.work.results(items, function)
        for chunk, result in self.work.bars.track(done, total=len(items), description="processing"):
            self.chunks.append(chunk)
            if result is not None:
                accumulator = processor.accumulate([result], accumulator)
        if accumulator is None:
            raise _Nothing
        return accumulator, 0


class _Nothing(Exception):
    """No chunk could be processed."""


def _processed(items: list[WorkItem], instance: Any, schema: Any, work: _Work) -> tuple[Any, list[Chunk]]:
    """The output of all chunks that could be processed, None if there is none; and all chunks."""
    executor = _Spreading(work=work)
    runner = processor.Runner(executor=executor, schema=schema, savemetrics=True, metadata_cache={})
    with contextlib.suppress(_Nothing):
        output, _ = runner(items, processor_instance=instance)
        return output, executor.chunks
    return None, executor.chunks
