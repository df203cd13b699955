"""Ready-made coffea processors, and one function that runs any processor on any of coffea's executors.

The processors hold scorers, not networks: a scorer pickles as a path and a checksum, and each worker process
loads the network once, however many chunks it is given. Nor need a processor be ours: any `ProcessorABC` that
holds scorers runs in the same way.

Example:
    fileset = {"qcd": {"files": {"nano.root": "Events"}}}
    taggers = {"ParticleNet": cortado.load("w_tagger.cortado")}
    output = cortado.processors.run(fileset, cortado.processors.TaggingProcessor(taggers))
    output["mass"][{"tagger": "ParticleNet", "region": "pass"}]
"""

import io
import logging
import re
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from difflib import get_close_matches
from typing import Any

import awkward as ak
import hist
import numpy as np
from coffea import processor
from coffea.analysis_tools import PackedSelection, Weights
from coffea.nanoevents import NanoAODSchema
from coffea.processor.executor import WorkItem
from coffea.util import coffea_console
from numpy.typing import NDArray

from cortado import histograms, readers
from cortado.scoring import FoldScorer, Scorer
from cortado.splits import TEST, Split

__all__ = ["EXECUTORS", "NanoAOD", "TaggingProcessor", "generator_weights", "run"]

EXECUTORS = ("iterative", "futures", "dask")
TRUTH = {24: "W", 23: "Z", 25: "Higgs", 6: "top", 0: "QCD"}
_FAILURE = re.compile(
    r"Failed .*?: WorkItem\(dataset=(?P<dataset>'.*?'), filename='(?P<path>.*?)', .*?entrystart=(?P<start>\d+), "
    r"entrystop=(?P<stop>\d+), .*?The error was: (?P<error>.*)\.",
    re.DOTALL,
)
"""What coffea says of a chunk that failed."""

Floats = NDArray[np.float64]


class NanoAOD(NanoAODSchema):  # type: ignore[misc]
    """coffea's schema without its warnings that a file lacks collections which others refer to.

    Skims and our own samples lack most of them. No number depends on it: the reference is dropped either way,
    and whoever follows it is told that it is not there.
    """

    warn_missing_crossrefs = False


def generator_weights(events: ak.Array) -> Weights:
    """Start the event weights of a chunk: the generator weight of simulation, one for recorded data.

    The weight is copied, because coffea's `Weights` changes in place what it is given.
    """
    is_simulated = "genWeight" in events.fields
    weights = Weights(len(events))
    weights.add("generator", np.array(events["genWeight"], np.float64) if is_simulated else np.ones(len(events)))
    return weights


class TaggingProcessor(processor.ProcessorABC):  # type: ignore[misc]
    """Tag the leading large-radius jet of each event, and histogram it where it passes and where it fails.

    The output holds the histograms `mass`, `pt` and `score` (axes dataset, variation, tagger, region, truth, and the
    quantity), `cutflow` (dataset, cut; weighted by the generator weight), and, as read before any cut, `events` and
    `sum_of_weights` by data set. It is the same for every executor and any size of the chunks.

    Args:
        taggers: Scorers by the name that the histograms show.
        working_point: Name of the working point that splits "pass" from "fail".
        scale_factors: As in `Scorer.add_weight`: by truth class, what data say of the simulated efficiency.
        pt_range: Range of the jet's transverse momentum [GeV].
        max_abs_eta: Largest |eta| of the jet.
        held_out: The split of the training. In data sets whose metadata have `trained_on` only its test events are
            kept, scaled up by their share, so that no network is judged on what it learned from. The cutflow is not
            scaled.

    Raises:
        ValueError: If there is no tagger, or one of them lacks the working point.
    """

    def __init__(
        self,
        taggers: Mapping[str, Scorer | FoldScorer],
        *,
        working_point: str = "50%",
        scale_factors: Mapping[str, Any] | None = None,
        pt_range: tuple[float, float] = (500.0, 700.0),
        max_abs_eta: float = 2.4,
        held_out: Split | None = None,
    ) -> None:
        if not taggers:
            raise ValueError("TaggingProcessor needs at least one tagger, got none")
        for tagger in taggers.values():
            for scorer in tagger.scorers if isinstance(tagger, FoldScorer) else (tagger,):
                scorer.working_point(working_point)  # or ValueError, here and not in a worker
        self.taggers = dict(taggers)
        self.working_point = working_point
        self.scale_factors = scale_factors
        self.pt_range = pt_range
        self.max_abs_eta = max_abs_eta
        self.held_out = held_out

    def process(self, events: ak.Array) -> dict[str, Any]:
        """Histograms of one chunk of NanoAOD v15 or PFNano events."""
        dataset = events.metadata["dataset"]
        held_out = self.held_out if events.metadata.get("trained_on") else None
        generator = generator_weights(events).weight()
        jets = readers.jets(events)
        leading = ak.firsts(jets[ak.argmax(jets.pt, axis=1, keepdims=True)])
        cuts = self._cuts(leading, held_out)
        selected = cuts.all(*cuts.names)
        weight = generator[selected] / (1.0 if held_out is None else held_out.test)
        output = {
            "events": {dataset: len(events)},
            "sum_of_weights": {dataset: float(generator.sum())},
            "cutflow": _cutflow(dataset, cuts, generator),
            "mass": _book(histograms.axis_mass()),
            "pt": _book(histograms.axis_pt(start=self.pt_range[0], stop=self.pt_range[1])),
            "score": _book(histograms.axis_score()),
        }
        for name, tagger in self.taggers.items():
            self._fill(output, dataset, name, tagger, ak.drop_none(leading[selected]), weight)
        return output

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        """Put categories in alphabetical order: that in which chunks arrive is not the same twice."""
        return accumulator | {name: _in_order(accumulator[name]) for name in ("mass", "pt", "score")}

    def _cuts(self, jets: ak.Array, held_out: Split | None) -> PackedSelection:
        """The selection, one jet an event or None."""
        low, high = self.pt_range
        passes = {
            "large-radius jet": ~ak.is_none(jets),
            "jet pT": (jets.pt >= low) & (jets.pt < high),
            "jet eta": abs(jets.eta) < self.max_abs_eta,
            "constituents": ak.num(jets.constituents, axis=1) > 0,
        }
        if held_out is not None:
            passes["held out"] = held_out.subset(ak.fill_none(jets.event_key, np.uint64(0))) == TEST
        cuts = PackedSelection()
        for name, passed in passes.items():
            cuts.add(name, ak.to_numpy(ak.fill_none(passed, False)))
        return cuts

    def _fill(
        self,
        output: dict[str, Any],
        dataset: str,
        name: str,
        tagger: Scorer | FoldScorer,
        jets: ak.Array,
        generator: Floats,
    ) -> None:
        """Fill all histograms with the jets, shape (n,), of one tagger."""
        scores = tagger(jets)
        # The threshold of a jet's own fold follows from the jet, not from its score.
        passed = tagger.passes(jets if isinstance(tagger, FoldScorer) else scores, self.working_point)
        weights = Weights(len(jets))
        weights.add("generator", generator.copy())
        if "truth_pdg_id" in jets.fields:
            tagger.add_weight(
                weights, jets, working_point=self.working_point, scale_factors=self.scale_factors, scores=scores
            )
        categories = {
            "tagger": name,
            "region": np.where(ak.to_numpy(passed), "pass", "fail"),
            "truth": _truth(jets),
        }
        for quantity, values in (("mass", jets.mass), ("pt", jets.pt), ("score", scores)):
            columns = categories | {quantity: ak.to_numpy(values)}
            histograms.fill_variations(output[quantity], dataset, columns, weights)


def _truth(jets: ak.Array) -> NDArray[np.str_]:
    """Name of each jet's true class, shape (n,); "data" where the file has no truth."""
    if "truth_pdg_id" not in jets.fields:
        return np.full(len(jets), "data")
    pdg_id = ak.to_numpy(jets.truth_pdg_id)
    return np.select([pdg_id == code for code in TRUTH], list(TRUTH.values()), default="partly contained")


def _book(axis: hist.axis.Regular) -> hist.Hist:
    return histograms.book(*(histograms.axis_category(name) for name in ("tagger", "region", "truth")), axis)


def _cutflow(dataset: str, cuts: PackedSelection, weight: Floats) -> hist.Hist:
    """Sum of weights that is left after each cut."""
    stages = hist.axis.StrCategory(["all", *cuts.names], growth=True, name="cut")
    flow = hist.Hist(histograms.axis_dataset(), stages, storage=hist.storage.Weight())
    for stage, name in enumerate(stages):
        left = weight[cuts.all(*cuts.names[:stage])] if stage else weight
        flow.fill(dataset=dataset, cut=np.full(len(left), name), weight=left)
    return flow


def _in_order(histogram: hist.Hist) -> hist.Hist:
    """The same histogram with the categories of each axis in alphabetical order."""
    axes, order = [], []
    for axis in histogram.axes:
        named = isinstance(axis, hist.axis.StrCategory)
        order.append(np.argsort(list(axis)) if named else np.arange(axis.extent))
        axes.append(type(axis)(sorted(axis), growth=True, name=axis.name, label=axis.label) if named else axis)
    result = hist.Hist(*axes, storage=hist.storage.Weight())
    result.view(flow=True)[...] = histogram.view(flow=True)[np.ix_(*order)]
    return result


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
    progress: bool = True,
) -> dict[str, Any]:
    """Run a processor over a fileset with one of coffea's executors; a file that cannot be read stops the run.

    Args:
        fileset: `{name: {"files": {path: tree}, "metadata": {...}}}`, or the output of `dataset_tools.preprocess`,
            whose steps are then the chunks.
        instance: The processor.
        executor: "iterative" (this process), "futures" (processes on this machine), "dask".
        workers: Processes of "futures", or of the local dask cluster.
        scheduler: Address of a running dask scheduler; without it a local cluster is started.
        chunksize: Events in a chunk, about; coffea divides each file evenly.
        schema: Schema of the NanoEvents.
        retries: How often a chunk that failed is tried again, with a warning: for files on unreliable servers.
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
    if executor not in EXECUTORS:
        near = get_close_matches(executor, EXECUTORS, n=1)
        raise ValueError(f"unknown executor {executor!r}; there are {', '.join(EXECUTORS)}; nearest: {near or 'none'}")
    if scheduler is not None and executor != "dask":
        raise ValueError(f"a scheduler ({scheduler}) is for the executor dask, not for {executor}")
    if chunksize < 1:
        raise ValueError(f"chunksize must be at least 1 event, got {chunksize}")
    steps, files = _divide(fileset)
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
            raise RuntimeError(
                "{path}, entries {start} to {stop} of data set {dataset}: {error}".format(**failure.groupdict())
            ) from error
    return output


def _divide(fileset: Mapping[str, Any]) -> tuple[list[WorkItem], dict[str, Any]]:
    """Steps that were chosen before, as chunks, and a fileset of the files that are still to be divided.

    `dataset_tools.preprocess` describes a file by a mapping with `object_path` and `steps`, on which coffea's own
    Runner raises TypeError.
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
    """Processes of coffea's default kind, which end at once if the run fails or is interrupted.

    Left to itself coffea's executor first works off all chunks in the queue. It also prints the traceback of an
    error that it raises, which would be told twice.
    """
    pool, printed = processor.FuturesExecutor.pool(max_workers=workers), io.StringIO()
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
    try:
        import dask.dataframe  # noqa: F401  (coffea's executor needs it)
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ImportError('the executor dask needs an extra: pip install "cortado[dask]"') from error
    if scheduler is not None:
        with Client(scheduler) as client:
            yield client
        return
    # A failed chunk is raised: its traceback need not be logged by each worker too.
    local = {"threads_per_worker": 1, "dashboard_address": None, "silence_logs": logging.CRITICAL}
    with LocalCluster(n_workers=workers, **local) as cluster, Client(cluster) as client:
        yield client
