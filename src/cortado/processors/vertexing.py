"""The processor of a flavour-tagging analysis: secondary vertices of jets where they pass and fail a tagger."""

from __future__ import annotations

from typing import Any

import awkward as ak
import hist
import numpy as np
from coffea import processor
from coffea.analysis_tools import PackedSelection, Weights
from numpy.typing import NDArray

from cortado import histograms, readers
from cortado.processors.bookkeeping import (
    cutflow,
    generator_weights,
    in_order,
    judged_domain,
    warn_of_unscored,
)
from cortado.reconstruction import Prior, primary_vertices
from cortado.scoring import Scorer, VertexFinder
from cortado.scoring.domain import domain_counts
from cortado.scoring.friends import unscored
from cortado.splits import TEST, Split

__all__ = ["VertexingProcessor"]

JET_FLAVOURS = {5: "b", 4: "c", 0: "light"}
_QUANTITIES = ("vertex_mass", "flight_significance", "vertices", "score")


class VertexingProcessor(processor.ProcessorABC):  # type: ignore[misc]
    """Find the vertices of the tracks of each jet, fit them, tag the flavour, and histogram all of it.

    Of each jet the secondary vertex with the most significant flight distance is shown. Flights begin at the primary
    vertex, which is fitted from all tracks of the event where the dialect has them, else at the origin.

    The output holds the histograms `vertex_mass`, `flight_significance`, `vertices` (their number) and `score` (axes
    dataset, variation, region, truth, and the quantity), `cutflow` (dataset, cut: jets, with their generator weights),
    and, as read before any cut, `events` and `sum_of_weights` by data set. With a tagger also, by data set,
    `domain`: how far the jets are from those that it was trained on, with a warning where a working point would move;
    and `unscored`: of a tagger loaded with `invalid="nan"` the jets without a score, which do not pass.

    Args:
        finder: Says which tracks share a vertex.
        tagger: Flavour tagger; without it all jets are in the region "all", and no score is filled.
        working_point: Name of the tagger's working point that splits "pass" from "fail".
        scale_factors: As in `Scorer.add_weight`: by truth class, what data say of the simulated efficiency.
        efficiencies: As in `Scorer.add_weight`: those of this simulation, in place of those of the training.
        min_pt: Smallest transverse momentum of a jet [GeV].
        max_abs_eta: Largest |eta| of a jet.
        magnetic_field: In which the tracks bend [T].
        beam_spot: Where collisions happen, a constraint of the primary vertices.
        skip_unfit: Leave tracks that cannot be fitted out of the vertices, with a warning, instead of refusing them.
        held_out: The split of the training. In data sets whose metadata have `trained_on` only its test events are
            kept, scaled up by their share. The cutflow is not scaled.

    Raises:
        ValueError: If the tagger lacks the working point.
    """

    def __init__(
        self,
        finder: VertexFinder,
        tagger: Scorer | None = None,
        *,
        working_point: str = "70%",
        scale_factors: dict[str, Any] | None = None,
        efficiencies: dict[str, Any] | None = None,
        min_pt: float = 20.0,
        max_abs_eta: float = 2.5,
        magnetic_field: float = 2.0,
        beam_spot: Prior | None = None,
        skip_unfit: bool = False,
        held_out: Split | None = None,
    ) -> None:
        if tagger is not None:
            tagger.working_point(working_point)  # or ValueError, here and not in a worker
        self.finder, self.tagger = finder, tagger
        self.working_point, self.scale_factors, self.efficiencies = working_point, scale_factors, efficiencies
        self.min_pt, self.max_abs_eta = min_pt, max_abs_eta
        self.magnetic_field, self.beam_spot, self.skip_unfit = magnetic_field, beam_spot, skip_unfit
        self.held_out = held_out

    def process(self, events: ak.Array) -> dict[str, Any]:
        """Histograms of one chunk of events in any dialect that has tracks with covariances."""
        dataset = events.metadata["dataset"]
        held_out = self.held_out if events.metadata.get("trained_on") else None
        weights = generator_weights(events)
        generator = weights.weight()
        jets = readers.jets(events)
        counts = ak.to_numpy(ak.num(jets))
        flat = ak.flatten(jets)
        cuts = self._cuts(flat, held_out)
        selected = cuts.all(*cuts.names)
        jets = ak.unflatten(flat[selected], np.bincount(_owner(counts)[selected], minlength=len(counts)))
        output: dict[str, Any] = {
            "events": {dataset: len(events)},
            "sum_of_weights": {dataset: float(generator.sum())},
            "cutflow": cutflow(dataset, cuts, np.repeat(generator, counts)),
            **{name: _book(name) for name in _QUANTITIES},
        }
        if self.tagger is not None:
            weight = np.repeat(generator, ak.to_numpy(ak.num(jets)))
            output["domain"] = {dataset: {"tagger": domain_counts(self.tagger, jets, weight)}}
        vertices = self._vertices(jets, readers.tracks(events))
        self._fill(output, dataset, jets, vertices, weights, 1.0 if held_out is None else held_out.test)
        return output

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        """Put categories in alphabetical order: that in which chunks arrive is not the same twice; judge the domain."""
        ordered = {name: in_order(accumulator[name]) for name in (*_QUANTITIES, "cutflow")}
        if "domain" in accumulator:
            ordered["domain"] = judged_domain(accumulator["domain"], {"tagger": self.tagger})
            warn_of_unscored(accumulator["unscored"], "they do not pass")
        return accumulator | ordered

    def _cuts(self, jets: ak.Array, held_out: Split | None) -> PackedSelection:
        """The selection of flat jets."""
        passes = {
            "jet pT": jets.pt >= self.min_pt,
            "jet eta": abs(jets.eta) < self.max_abs_eta,
            "two tracks": ak.num(jets.tracks) >= 2,
        }
        if held_out is not None:
            passes["held out"] = held_out.subset(jets.event_key) == TEST
        cuts = PackedSelection()
        for name, passed in passes.items():
            cuts.add(name, ak.to_numpy(passed))
        return cuts

    def _vertices(self, jets: ak.Array, tracks: ak.Array | None) -> ak.Array:
        """Fitted vertices of all jets (n_events, var) in a row, shape (n_jets, var)."""
        fit: dict[str, Any] = {"magnetic_field": self.magnetic_field, "skip_unfit": self.skip_unfit}
        has_jets = ak.num(jets) > 0
        primary = None if tracks is None else primary_vertices(tracks[has_jets], beam_spot=self.beam_spot, **fit)
        return ak.flatten(self.finder.vertices(jets[has_jets], primary=primary, **fit))

    def _fill(
        self, output: dict[str, Any], dataset: str, jets: ak.Array, vertices: ak.Array, weights: Weights, share: float
    ) -> None:
        """Fill all histograms with the jets, shape (n_events, var), and their vertices, shape (n_jets, var)."""
        flat = ak.flatten(jets)
        categories: dict[str, Any] = {"truth": _truth(flat), "region": "all"}
        columns = {}
        if self.tagger is not None:
            scores = self.tagger(jets)
            missing = +unscored(self.tagger.predictor, jets, scores, name="jets")
            output["unscored"] = {dataset: {"tagger": dict(missing)}}
            passed = ak.to_numpy(ak.flatten(self.tagger.passes(jets, self.working_point, scores=scores)))
            categories["region"] = np.where(passed, "pass", "fail")
            columns["score"] = ak.to_numpy(ak.flatten(scores))
            self._add_weight(weights, jets, scores)
        owner = _owner(ak.to_numpy(ak.num(jets)))
        varied = {name: each[owner] / share for name, each in histograms.varied_weights(weights).items()}
        secondary = vertices[~vertices.is_primary]
        columns["vertices"] = ak.to_numpy(ak.num(secondary))
        best = ak.firsts(secondary[ak.argmax(secondary.significance, axis=1, keepdims=True)])
        there = ~ak.to_numpy(ak.is_none(best))
        best = ak.drop_none(best)
        for name, values in columns.items():
            known = ~np.isnan(values)
            histograms.fill_variations(output[name], dataset, {**categories, name: values}, varied, selection=known)
        shown = {name: column[there] if np.ndim(column) else column for name, column in categories.items()}
        there_varied = {name: each[there] for name, each in varied.items()}
        for name, values in (("vertex_mass", best.mass), ("flight_significance", best.significance)):
            histograms.fill_variations(output[name], dataset, {**shown, name: ak.to_numpy(values)}, there_varied)

    def _add_weight(self, weights: Weights, jets: ak.Array, scores: ak.Array) -> None:
        """The weight of the tagger, of simulation only: data have no truth."""
        if self.tagger is None or "flavour" not in jets.fields:
            return
        code = {name: number for number, name in JET_FLAVOURS.items()}[self.tagger.signal]
        self.tagger.add_weight(
            weights,
            jets,
            working_point=self.working_point,
            scale_factors=self.scale_factors,
            efficiencies=self.efficiencies,
            is_signal=jets.flavour == code,
            scores=scores,
        )


def _owner(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Event of each jet."""
    return np.repeat(np.arange(len(counts)), counts)


def _truth(jets: ak.Array) -> NDArray[np.str_]:
    """Name of each jet's true flavour, shape (n,); "data" where the file has no truth."""
    if "flavour" not in jets.fields:
        return np.full(len(jets), "data")
    flavour = ak.to_numpy(jets.flavour)
    return np.select([flavour == code for code in JET_FLAVOURS], list(JET_FLAVOURS.values()), default="other")


def _book(quantity: str) -> hist.Hist:
    axis = {
        "vertex_mass": hist.axis.Regular(40, 0.0, 8.0, name=quantity, label="Vertex mass [GeV]"),
        "flight_significance": hist.axis.Regular(40, -10.0, 70.0, name=quantity, label="Flight distance significance"),
        "vertices": hist.axis.Integer(0, 6, name=quantity, label="Secondary vertices"),
        "score": hist.axis.Regular(50, 0.0, np.nextafter(1.0, 2.0), name=quantity, label="Score"),
    }[quantity]
    return histograms.book(*(histograms.axis_category(name) for name in ("region", "truth")), axis)
