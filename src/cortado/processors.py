"""Ready-made coffea processors, and one function that runs any processor on any of coffea's executors.

The processors hold scorers, not networks: a scorer pickles as a path and a checksum, and each worker process
loads the network once, however many chunks it is given.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import awkward as ak
import hist
import numpy as np
from coffea import processor
from coffea.analysis_tools import PackedSelection, Weights
from coffea.nanoevents import NanoAODSchema

from cortado import histograms, readers
from cortado.scoring import Scorer
from cortado.splits import TEST, Split

__all__ = ["EXECUTORS", "TaggingProcessor", "generator_weights", "plain_fileset", "run"]

EXECUTORS = ("iterative", "futures", "dask")
TRUTH = {24: "W", 23: "Z", 6: "top", 0: "QCD"}


def generator_weights(events: ak.Array) -> Weights:
    """Start the event weights of a chunk: the generator weight of simulation, one for recorded data.

    The weight is copied, because coffea's `Weights` changes in place what it is given.
    """
    weights = Weights(len(events))
    generator = np.array(events["genWeight"], dtype=np.float64) if "genWeight" in events.fields else np.ones(len(events))
    weights.add("generator", generator)
    return weights


class TaggingProcessor(processor.ProcessorABC):  # type: ignore[misc]
    """Tag the leading large-radius jet of each event, and histogram it where it passes and where it fails.

    The output holds the histograms `mass`, `pt` and `score` (axes dataset, variation, tagger, region, truth, and the
    quantity), `cutflow` (dataset, cut; weighted by the generator weight), and, as read before any cut, `events` and
    `sum_of_weights` by data set.

    Args:
        taggers: Scorers by the name that the histograms show.
        working_point: Name of the working point that splits "pass" from "fail".
        scale_factors: As in `Scorer.add_weight`: by truth class, what data say of the simulated efficiency.
        pt_range: Range of the jet's transverse momentum [GeV].
        max_abs_eta: Largest |eta| of the jet.
        held_out: The split of the training. In data sets whose metadata have `trained_on` only its test events are
            kept, scaled up by their share, so that no network is judged on what it learned from.

    Raises:
        ValueError: If there is no tagger.
    """

    def __init__(
        self,
        taggers: Mapping[str, Scorer],
        *,
        working_point: str = "50%",
        scale_factors: Mapping[str, Any] | None = None,
        pt_range: tuple[float, float] = (500.0, 700.0),
        max_abs_eta: float = 2.4,
        held_out: Split | None = None,
    ) -> None:
        if not taggers:
            raise ValueError("TaggingProcessor needs at least one tagger, got none")
        self.taggers = dict(taggers)
        self.working_point = working_point
        self.scale_factors = scale_factors
        self.pt_range = pt_range
        self.max_abs_eta = max_abs_eta
        self.held_out = held_out

    def process(self, events: ak.Array) -> dict[str, Any]:
        """Histograms of one chunk of NanoAOD v15 or PFNano events."""
        dataset = events.metadata["dataset"]
        generator = generator_weights(events).weight()
        jets = readers.jets(events)
        held_out = self.held_out if events.metadata.get("trained_on") else None
        cuts = self._cuts(jets, held_out)
        selected = cuts.all(*cuts.names)
        candidates = jets[selected][:, :1]
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
            self._fill(output, dataset, name, tagger, candidates, weight)
        return output

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        """Nothing is left to do once the chunks are added."""
        return accumulator

    def _cuts(self, jets: ak.Array, held_out: Split | None) -> PackedSelection:
        leading = ak.firsts(jets)
        low, high = self.pt_range
        passes = {
            "large-radius jet": ~ak.is_none(leading),
            "jet pT": (leading.pt >= low) & (leading.pt < high),
            "jet eta": abs(leading.eta) < self.max_abs_eta,
            "constituents": ak.num(leading.constituents) > 0,
        }
        if held_out is not None:
            passes["held out"] = held_out.subset(ak.fill_none(leading.event_key, 0)) == TEST
        cuts = PackedSelection()
        for name, passed in passes.items():
            cuts.add(name, np.asarray(ak.fill_none(passed, False)))
        return cuts

    def _fill(
        self, output: dict[str, Any], dataset: str, name: str, tagger: Scorer, jets: ak.Array, weight: np.ndarray
    ) -> None:
        scores = tagger(jets)
        weights = Weights(len(jets))
        weights.add("generator", weight.copy())
        truth = _truth(jets)
        if "truth_pdg_id" in jets.fields:
            tagger.add_weight(
                weights, jets, working_point=self.working_point, scale_factors=self.scale_factors, scores=scores
            )
        region = np.where(ak.flatten(tagger.passes(scores, self.working_point)), "pass", "fail")
        categories = {"tagger": name, "region": region, "truth": truth}
        for quantity, values in (("mass", jets.mass), ("pt", jets.pt), ("score", scores)):
            columns = {**categories, quantity: ak.to_numpy(ak.flatten(values))}
            histograms.fill_variations(output[quantity], dataset, columns, weights)


def _truth(jets: ak.Array) -> Any:
    """Name of each jet's true class, shape (n,); "data" where the file has no truth."""
    if "truth_pdg_id" not in jets.fields:
        return np.full(len(jets), "data")
    pdg_id = ak.to_numpy(ak.flatten(jets.truth_pdg_id))
    return np.select([pdg_id == code for code in TRUTH], list(TRUTH.values()), default="partly contained")


def _book(axis: hist.axis.Regular) -> hist.Hist:
    return histograms.book(*(histograms.axis_category(name) for name in ("tagger", "region", "truth")), axis)


def _cutflow(dataset: str, cuts: PackedSelection, weight: np.ndarray) -> hist.Hist:
    """Sum of weights that is left after each cut."""
    axes = histograms.axis_dataset(), histograms.axis_category("cut")
    flow = hist.Hist(*axes, storage=hist.storage.Weight())
    flow.fill(dataset=dataset, cut="all", weight=weight)
    for stage, name in enumerate(cuts.names, start=1):
        passed = cuts.all(*cuts.names[:stage])
        flow.fill(dataset=dataset, cut=name, weight=weight[passed])
    return flow


def plain_fileset(fileset: Mapping[str, Any]) -> dict[str, Any]:
    """A fileset that coffea's Runner takes, from that or from the output of `dataset_tools.preprocess`.

    `preprocess` describes each file by a mapping with `object_path` and `steps`, on which the Runner raises
    TypeError; the steps are its own to choose, so only the path of the tree is kept.
    """

    def tree(file: Any) -> Any:
        return file["object_path"] if isinstance(file, Mapping) else file

    return {
        name: {**entry, "files": {path: tree(file) for path, file in entry["files"].items()}}
        for name, entry in fileset.items()
    }


def run(
    fileset: Mapping[str, Any],
    instance: processor.ProcessorABC,
    *,
    executor: str = "futures",
    workers: int = 2,
    scheduler: str | None = None,
    chunksize: int = 100_000,
    schema: Any = NanoAODSchema,
    progress: bool = True,
) -> dict[str, Any]:
    """Run a processor over a fileset with one of coffea's executors; a file that cannot be read stops the run.

    Args:
        fileset: `{name: {"files": {path: tree}, "metadata": {...}}}`, or preprocessed.
        instance: The processor.
        executor: "iterative" (this process), "futures" (processes on this machine), "dask".
        workers: Processes of "futures", or of the local dask cluster.
        scheduler: Address of a running dask scheduler; without it a local cluster is started.
        chunksize: Events in a chunk, about; coffea divides each file evenly.
        schema: Schema of the NanoEvents.
        progress: Show a progress bar.
    Returns:
        The accumulated output of the processor.
    Raises:
        ValueError: If the executor is unknown, or a scheduler is given for another executor than dask.
    """
    if executor not in EXECUTORS:
        raise ValueError(f"unknown executor {executor!r}; there are {', '.join(EXECUTORS)}")
    if scheduler is not None and executor != "dask":
        raise ValueError(f"a scheduler ({scheduler}) is for the executor dask, not for {executor}")
    with _executor(executor, workers, scheduler, progress) as chosen:
        runner = processor.Runner(executor=chosen, schema=schema, chunksize=chunksize)
        output: dict[str, Any] = runner(plain_fileset(fileset), processor_instance=instance)
    return output


@contextmanager
def _executor(name: str, workers: int, scheduler: str | None, progress: bool) -> Iterator[Any]:
    if name == "iterative":
        yield processor.IterativeExecutor(status=progress)
    elif name == "futures":
        yield processor.FuturesExecutor(workers=workers, status=progress)
    else:
        try:
            from distributed import Client, LocalCluster
        except ImportError as error:
            raise ImportError('the executor dask needs an extra: pip install "cortado[dask]"') from error
        if scheduler is not None:
            with Client(scheduler) as client:
                yield processor.DaskExecutor(client=client, status=progress)
        else:
            with LocalCluster(n_workers=workers, threads_per_worker=1) as cluster, Client(cluster) as client:
                yield processor.DaskExecutor(client=client, status=progress)
