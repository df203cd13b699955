"""The processor of a search: mass in bins of a score, under every variation of the weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import awkward as ak
import hist
import numpy as np
from coffea import processor
from coffea.analysis_tools import PackedSelection, Weights
from numpy.typing import ArrayLike, NDArray

from cortado import histograms
from cortado.names import nearest
from cortado.processors.bookkeeping import (
    cutflow,
    generator_weights,
    in_order,
    judged_domain,
    warn_of_unscored,
)
from cortado.scoring.domain import domain_counts
from cortado.scoring.friends import unscored

__all__ = ["SearchProcessor"]

REST = "rest"

Objects = Callable[[ak.Array], Any]


class SearchProcessor(processor.ProcessorABC):  # type: ignore[misc]
    """Score each event, and histogram its mass in bins of the score.

    The output holds the histogram `mass` (axes dataset, variation, score_bin, and the mass under its own name),
    `cutflow` (dataset, cut; weighted by the generator weight), and, as read before any cut, `events` and
    `sum_of_weights` by data set. It is the same for every executor and any size of the chunks. `cortado.searches`
    takes the histograms. Of a predictor also, by data set and "score", `domain`: how far the events are from those that
    it was trained on, with a warning where a working point would move; and `unscored`: where it was loaded with
    `invalid="nan"`, the events that it has no score for, which are in the bin "rest".

    Columns may be named as in the file, "tau21_1", also where coffea's NanoAOD schema makes of it `tau21["1"]`.

    Args:
        score: A column of the events; or a predictor or scorer (`cortado.load`), or any function, that gives one
            number for each event.
        cuts: Smallest score of each bin by its name, such as `{"10%": 0.7, "1%": 0.93}`; see `weights.score_cuts`.
            An event is in the bin of the highest cut that it passes; in the bin "rest" if it passes none.
        edges: Of the bins of mass.
        mass: Column of the mass.
        label: Of the axis of the mass.
        objects: Events -> what the score is given, one object an event. If not given, a predictor is given the
            columns that it asks for, a function the events.
        answer: Which of several answers of a predictor is the score.
        selection: Events -> mask, by the name in the cutflow; module-level functions, for worker processes.
        reweight: Called with the selected events and their coffea `Weights`, to add weights with variations.

    Raises:
        ValueError: If there are no cuts, one is not a number or two are equal, a bin is named "rest", or the score is
            neither a column nor a function.
    """

    def __init__(
        self,
        score: Any,
        *,
        cuts: Mapping[str, float],
        edges: ArrayLike,
        mass: str = "mjj",
        label: str = "Dijet mass [GeV]",
        objects: Objects | None = None,
        answer: str | None = None,
        selection: Mapping[str, Objects] | None = None,
        reweight: Callable[[ak.Array, Weights], None] | None = None,
    ) -> None:
        if not (isinstance(score, str) or callable(score)):
            raise ValueError(f"score is {score!r}; needed is the name of a column, a predictor or a function")
        thresholds = list(cuts.values())
        if not cuts or len(set(thresholds)) < len(thresholds) or not np.all(np.isfinite(thresholds)):
            raise ValueError(f"cuts are {dict(cuts)}; needed is one or more, of different finite scores")
        if REST in cuts:
            raise ValueError(f"no cut may be named {REST!r}: that is the bin of events that pass none")
        self.score = score
        self.cuts = dict(sorted(cuts.items(), key=lambda cut: cut[1]))
        self.mass = mass
        self.axis = hist.axis.Variable(np.asarray(edges, np.float64), name=mass, label=label)
        self.objects = objects
        self.answer = answer
        self.selection = dict(selection or {})
        self.reweight = reweight

    def process(self, events: ak.Array) -> dict[str, Any]:
        """Histogram of one chunk of events."""
        dataset = events.metadata["dataset"]
        generator = generator_weights(events).weight()
        cuts = PackedSelection()
        for name, passes in self.selection.items():
            cuts.add(name, ak.to_numpy(passes(events)))
        kept = cuts.all(*cuts.names) if self.selection else np.ones(len(events), bool)
        histogram = histograms.book(histograms.axis_category("score_bin", "Score bin"), self.axis)
        selected = events[kept]
        weights = Weights(len(selected))
        weights.add("generator", generator[kept])
        if self.reweight is not None:
            self.reweight(selected, weights)
        scored = self._scored(selected)
        columns = {"score_bin": self._bins(scored.scores), self.mass: ak.to_numpy(_column(selected, self.mass))}
        histograms.fill_variations(histogram, dataset, columns, weights)
        output = {
            "events": {dataset: len(events)},
            "sum_of_weights": {dataset: float(generator.sum())},
            "cutflow": cutflow(dataset, cuts, generator),
            "mass": histogram,
        }
        if scored.objects is not None:
            output["domain"] = {dataset: {"score": domain_counts(self.score, scored.objects, generator[kept])}}
            output["unscored"] = {dataset: {"score": dict(scored.missing)}}
        return output

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        """Put categories in alphabetical order: that in which chunks arrive is not the same twice; judge the domain."""
        ordered = {name: in_order(accumulator[name]) for name in ("mass", "cutflow")}
        if "domain" in accumulator:
            ordered["domain"] = judged_domain(accumulator["domain"], {"score": self.score})
            warn_of_unscored(accumulator["unscored"], f"they are in the bin {REST!r}")
        return accumulator | ordered

    def _bins(self, scores: NDArray[np.float64]) -> NDArray[np.str_]:
        """Name of the bin of each score, shape (n,)."""
        names = np.array([REST, *self.cuts])
        return names[np.searchsorted(list(self.cuts.values()), np.nan_to_num(scores, nan=-np.inf), side="right")]

    def _scored(self, events: ak.Array) -> _Scored:
        """The score of each event, shape (n,), and what a predictor was given."""
        if not len(events):
            return _Scored(np.zeros(0), None, Counter())
        is_predictor = hasattr(self.score, "bundles")
        if isinstance(self.score, str):
            objects, answers = None, _column(events, self.score)
        else:
            objects = self._objects(events)
            answers = self.score(objects)
        if fields := ak.fields(answers):
            name = self.answer or (fields[0] if len(fields) == 1 else "")
            if name not in fields:
                raise ValueError(f"answer is {self.answer!r}; the answers are {fields}: name the one that is the score")
            answers = answers[name]
        scores = np.asarray(ak.to_numpy(answers), np.float64)
        if scores.shape != (len(events),):
            raise ValueError(
                f"the score has shape {scores.shape}; needed is one number for each of {len(events)} events"
            )
        missing: Counter[str] = Counter()
        if number := int(np.isnan(scores).sum()):
            if not is_predictor:
                raise ValueError(
                    f"{number} of {len(scores)} scores are NaN: they belong to no bin, select without them"
                )
            missing = +unscored(getattr(self.score, "predictor", self.score), objects, ak.Array(scores), name="events")
        return _Scored(scores, objects if is_predictor else None, missing)

    def _objects(self, events: ak.Array) -> Any:
        if self.objects is not None:
            return self.objects(events)
        if not hasattr(self.score, "bundles"):
            return events
        fields = dict.fromkeys(field for bundle in self.score.bundles() for field in bundle.fields)
        return ak.zip({field: _column(events, field) for field in fields}, depth_limit=1)


class _Scored(NamedTuple):
    """Events with their score.

    Attributes:
        scores: Of each event, shape (n,); NaN where a predictor has none.
        objects: What a predictor was given, if it is one.
        missing: Why scores are NaN, and how often.
    """

    scores: NDArray[np.float64]
    objects: Any
    missing: Counter[str]


def _column(events: ak.Array, name: str) -> ak.Array:
    """A number of each event by the name of its branch, whether or not the schema has split that at its underscore."""
    if name in events.fields:
        return events[name]
    record, _, field = name.partition("_")
    if record in events.fields and field in events[record].fields:
        return events[record][field]
    flat = [f"{each}_{field}" for each in events.fields for field in events[each].fields]
    plain = [each for each in events.fields if not events[each].fields]
    raise ValueError(f"no column {name!r}; {nearest(name, plain + flat)}")
