"""Any processor on any of coffea's executors, with errors that name the file and are told once."""

from __future__ import annotations

import ast
import io
import logging
import math
import os
import re
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, suppress
from typing import Any

import loky
from coffea import processor
from coffea.nanoevents import NanoAODSchema
from coffea.processor.executor import WorkItem
from coffea.util import coffea_console

from cortado import ntuples
from cortado.extras import extra
from cortado.names import require_one_of
from cortado.processors.skipping import without_bad_files
from cortado.workers import end_with

__all__ = ["EXECUTORS", "NanoAOD", "require_executor", "run"]

EXECUTORS = ("iterative", "futures", "dask")
_FAILURE = re.compile(
    r"Failed .*?: WorkItem\(dataset=(?P<dataset>'.*?'), filename='(?P<path>.*?)', .*?entrystart=(?P<start>\d+), "
    r"entrystop=(?P<stop>\d+), .*?The error was: (?P<error>.*)\.",
    re.DOTALL,
)
"""What coffea says of a chunk that failed."""
_WORKERS = {"LOKY_MAX_MEMORY_LEAK_SIZE": "1e18"}
"""Environment of worker processes. By default loky takes a worker that grew by 300 MB, with torch and its bundles, for
a leak, and starts another, which reads them all again."""


class NanoAOD(NanoAODSchema):  # type: ignore[misc]
    """coffea's schema without its warnings that a file lacks collections which others refer to.

    Skims and our own samples lack most of them. No number depends on it: the reference is dropped either way,
    and whoever follows it is told that it is not there.
    """

    warn_missing_crossrefs = False


def run(
    fileset: Mapping[str, Any],
    instance: processor.ProcessorABC,
    *,
    executor: str = "futures",
    workers: int = 2,
    scheduler: str | None = None,
    chunksize: int = 100_000,
    schema: Any = NanoAOD,
    retries: int = 0,
    skip_bad_files: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Run a processor over a fileset with one of coffea's executors; a file that cannot be read stops the run.

    Args:
        fileset: `{name: {"files": {path: tree}, "metadata": {...}}}`, or the output of `dataset_tools.preprocess`,
            whose steps are then the chunks. A tree that is None is looked for.
        instance: The processor.
        executor: "iterative" (this process), "futures" (processes on this machine), "dask".
        workers: Processes of "futures", or of the local dask cluster.
        scheduler: Address of a running dask scheduler; without it a local cluster is started.
        chunksize: Events in a chunk, about; coffea divides each file evenly.
        schema: Schema of the NanoEvents.
        retries: How often a chunk that failed is tried again, with a warning: for files on unreliable servers.
        skip_bad_files: Leave out files that cannot be opened, with a warning on each; `skipped_files` of the output has
            them by data set, with the cause. Recorded data then have less luminosity. A chunk that fails stops the run.
        progress: Show progress bars, if the output is a terminal.
    Returns:
        The accumulated output of the processor.
    Raises:
        ValueError: If the executor is unknown, a scheduler is given for another executor than dask, the chunksize
            is below 1, or a data set has no files.
        ImportError: If the executor is dask, and dask is not installed.
        RuntimeError: If a chunk failed; names file, entries and cause.
        OSError, ValueError, KeyError: If a file cannot be opened, is not a ROOT file, or lacks the tree; names it.
    """
    require_executor(executor, scheduler)
    if chunksize < 1:
        raise ValueError(f"chunksize must be at least 1 event, got {chunksize}")
    fileset, skipped = without_bad_files(fileset) if skip_bad_files else (fileset, {})
    steps, files = _divide(fileset, chunksize)
    shown = progress and coffea_console.is_terminal
    with _bars(shown), _executor(executor, workers, scheduler, status=shown, retries=retries) as chosen:
        # A cache of its own: coffea's would remember the number of entries of a file that was written again.
        runner = processor.Runner(executor=chosen, schema=schema, chunksize=chunksize, metadata_cache={})
        try:
            chunks = [*steps, *(runner.preprocess(files) if files else ())]
            output: dict[str, Any] = runner(chunks, processor_instance=instance)
        except Exception as error:
            if (failure := _FAILURE.search(str(error))) is None:
                raise
            raise RuntimeError(_told(**failure.groupdict())) from error
    return output | {"skipped_files": skipped} if skip_bad_files else output


def _told(*, path: str, start: str, stop: str, dataset: str, error: str) -> str:
    """What failed where; of coffea's sentences on numbers of events only that they are missing."""
    if match := re.fullmatch(r"(?P<kind>\w+)\((?P<text>['\"].*['\"])\)", error, re.DOTALL):
        with suppress(ValueError, SyntaxError):  # not a text alone
            error = f"{match['kind']}: {ast.literal_eval(match['text'])}"
    if missing := re.search(r"missing event ID fields: (\[.*?\])", error):
        error = (
            f"the tree has no {missing[1]}: it is not NanoAOD, give the schema that it has, such as schema=BaseSchema"
        )
    return f"{path}, entries {start} to {stop} of data set {dataset}: {error}"


def require_executor(executor: str, scheduler: str | None = None) -> None:
    """Whether a run can have that executor: to be asked before long work whose result it shall process.

    Args:
        executor: As of `run`.
        scheduler: Likewise.
    Raises:
        ValueError: If the executor is unknown, or a scheduler is given for another one than dask.
        ImportError: If the executor is dask, and dask is not installed.
    """
    require_one_of("executor", executor, EXECUTORS)
    if scheduler is not None and executor != "dask":
        raise ValueError(f"a scheduler ({scheduler}) is for the executor dask, not for {executor}")
    if executor == "dask":
        with extra("dask", "the executor dask"):
            import dask.dataframe  # noqa: F401  (coffea's executor needs it)
            import distributed  # noqa: F401


def _divide(fileset: Mapping[str, Any], chunksize: int) -> tuple[list[WorkItem], dict[str, Any]]:
    """Steps that were chosen before, as chunks, and a fileset of the files that are still to be divided.

    `dataset_tools.preprocess` describes a file by a mapping with `object_path` and `steps`, on which coffea's own
    Runner raises TypeError. Files and data sets with letters outside of ASCII are divided here, too: coffea cannot hash
    their names.
    """
    steps: list[WorkItem] = []
    others: dict[str, Any] = {}
    for name, entry in fileset.items():
        if hasattr(entry, "model_dump"):
            entry = entry.model_dump()
        files = entry["files"] if isinstance(entry, Mapping) else entry
        if not files:
            raise ValueError(f"data set {name!r} has no files")
        if not isinstance(files, Mapping):
            others[name] = entry
            continue
        described = {path: file if isinstance(file, Mapping) else {"object_path": file} for path, file in files.items()}
        described = {
            path: {**file, "object_path": file.get("object_path") or ntuples.find_tree(path)}
            for path, file in described.items()
        }
        for path, file in described.items():
            if not (f"{name}{path}".isascii() or file.get("steps")):
                described[path] = {**file, "steps": _evenly(path, file["object_path"], chunksize)}
        steps += [
            WorkItem(name, path, file["object_path"], start, stop, _uuid(file), entry.get("metadata") or {})
            for path, file in described.items()
            for start, stop in file.get("steps") or ()
        ]
        rest = {path: file["object_path"] for path, file in described.items() if not file.get("steps")}
        if rest:
            others[name] = {**entry, "files": rest}
    if not steps and not others:
        raise ValueError("the fileset names no data set")
    return steps, others


def _evenly(path: str, tree: str, chunksize: int) -> list[tuple[int, int]]:
    """Chunks of a file, as coffea divides it; one without events has an empty one."""
    entries = ntuples.num_entries(path, tree)
    size = max(math.ceil(entries / max(round(entries / chunksize), 1)), 1)
    return [(start, min(start + size, entries)) for start in range(0, max(entries, 1), size)]


def _uuid(file: Mapping[str, Any]) -> bytes:
    return uuid.UUID(file["uuid"]).bytes if file.get("uuid") else b""


@contextmanager
def _bars(shown: bool) -> Iterator[None]:
    """Whether coffea may draw: its executors draw a bar into any output, whatever their `status`."""
    before = coffea_console.quiet
    coffea_console.quiet = before or not shown
    try:
        yield
    finally:
        coffea_console.quiet = before


@contextmanager
def _executor(name: str, workers: int, scheduler: str | None, **options: Any) -> Iterator[Any]:
    if name == "iterative":
        yield processor.IterativeExecutor(**options)
    elif name == "futures":
        with _pool(workers) as pool:
            yield processor.FuturesExecutor(pool=pool, workers=workers, **options)
    else:
        with _client(workers, scheduler) as client:
            yield processor.DaskExecutor(client=client, **options)


@contextmanager
def _pool(workers: int) -> Iterator[Any]:
    """Processes of coffea's default kind that live as long as the run, and end at once if it fails or is interrupted.

    Left to itself coffea's executor first works off all chunks in the queue. It also prints the traceback of an
    error that it raises, which would be told twice.
    """
    pool = loky.ProcessPoolExecutor(workers, initializer=end_with, initargs=(os.getpid(),), env=_WORKERS)
    printed = io.StringIO()
    try:
        with redirect_stderr(printed):
            yield pool
    except BaseException:
        pool.shutdown(kill_workers=True)
        raise
    pool.shutdown()
    sys.stderr.write(printed.getvalue())


@contextmanager
def _client(workers: int, scheduler: str | None) -> Iterator[Any]:
    """A client of the scheduler at that address, or of a cluster that lives as long as the run."""
    from distributed import Client, LocalCluster

    if scheduler is not None:
        with Client(scheduler) as client:
            yield client
        return
    # A failed chunk is raised: its traceback need not be logged by each worker too.
    local = {"threads_per_worker": 1, "dashboard_address": None, "silence_logs": logging.CRITICAL}
    with LocalCluster(n_workers=workers, **local) as cluster, Client(cluster) as client:
        yield client
