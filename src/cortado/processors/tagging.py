"""The processor of a tagging analysis: cutflow, and mass, pT and score of the leading jet where it passes and fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from cortado.scoring import Scorer, jet_variations
from cortado.scoring.domain import domain_counts
from cortado.scoring.friends import trained_on, unscored
from cortado.splits import TEST, Split

__all__ = ["TaggingProcessor"]

JET_ORIGINS = {24: "W", 23: "Z", 25: "Higgs", 6: "top", 0: "QCD"}

Floats = NDArray[np.float64]


class TaggingProcessor(processor.ProcessorABC):  # type: ignore[misc]
    """Tag the leading large-radius jet of each event, and histogram it where it passes and where it fails.

    The output holds the histograms `mass`, `pt` and `score` (axes dataset, variation, tagger, region, truth, and the
    quantity), `cutflow` (dataset, cut; weighted by the generator weight), as read before any cut `events` and
    `sum_of_weights` by data set, and `domain` by data set and tagger: how far the jets are from those that it was
    trained on, with a warning where a working point would move. It is the same for every executor and any size of
    the chunks.

    Taggers that were loaded with `invalid="nan"` do not stop at a jet with a number that they cannot take: it does not
    pass and is not in the histogram `score`; `unscored` counts such jets by data set and tagger, with a warning that
    says why.

    Args:
        taggers: Scorers by the name that the histograms show.
        working_point: Name of the working point that splits "pass" from "fail".
        scale_factors: As in `Scorer.add_weight`: by truth class, what data say of the simulated efficiency.
        efficiencies: As in `Scorer.add_weight`: those of this simulation, in place of those of the training.
        pt_range: Range of the jet's transverse momentum [GeV].
        max_abs_eta: Largest |eta| of the jet.
        jet_energy: Function of the events that gives varied jets, aligned with those of the file, as
            `scoring.jet_variations` takes them, or none (of recorded data): each variation is selected, scored and
            histogrammed anew. The cutflow and the domain are those of the nominal jets.
        held_out: The split of the training. In data sets whose metadata have `trained_on` only its test events are
            kept, scaled up by their share, so that no network is judged on what it learned from. The cutflow is not
            scaled.

    Raises:
        ValueError: If there is no tagger, or one of them lacks the working point, or was trained on other objects.
    """

    def __init__(
        self,
        taggers: Mapping[str, Scorer],
        *,
        working_point: str = "50%",
        scale_factors: Mapping[str, Any] | None = None,
        efficiencies: Mapping[str, Any] | None = None,
        pt_range: tuple[float, float] = (500.0, 700.0),
        max_abs_eta: float = 2.4,
        jet_energy: Callable[[ak.Array], Mapping[str, ak.Array] | ak.Array | None] | None = None,
        held_out: Split | None = None,
    ) -> None:
        if not taggers:
            raise ValueError("TaggingProcessor needs at least one tagger, got none")
        for tagger in taggers.values():
            tagger.working_point(working_point)  # or ValueError, here and not in a worker
            if (trained := trained_on(tagger)) not in (None, "jets"):
                raise ValueError(
                    f"{tagger.path} was trained on {trained}, TaggingProcessor tags jets of radius 0.8: required is a "
                    f"processor of your own, with cortado.readers.{trained}(events)"
                )
        self.taggers = dict(taggers)
        self.working_point = working_point
        self.scale_factors, self.efficiencies = scale_factors, efficiencies
        self.pt_range = pt_range
        self.max_abs_eta = max_abs_eta
        self.jet_energy = jet_energy
        self.held_out = held_out

    def process(self, events: ak.Array) -> dict[str, Any]:
        """Histograms of one chunk of NanoAOD v15 or PFNano events."""
        dataset = events.metadata["dataset"]
        held_out = self.held_out if events.metadata.get("trained_on") else None
        generator = generator_weights(events).weight()
        output: dict[str, Any] = {
            "events": {dataset: len(events)},
            "sum_of_weights": {dataset: float(generator.sum())},
            "unscored": {dataset: {}},
            "mass": _book(histograms.axis_mass()),
            "pt": _book(histograms.axis_pt(start=self.pt_range[0], stop=self.pt_range[1])),
            "score": _book(histograms.axis_score()),
        }
        for variation, jets in self._varied(events).items():
            leading = ak.firsts(jets[ak.argmax(jets.pt, axis=1, keepdims=True)])
            cuts = self._cuts(leading, held_out)
            selected = cuts.all(*cuts.names)
            weight = generator[selected] / (1.0 if held_out is None else held_out.test)
            chosen = ak.drop_none(leading[selected])
            for name, tagger in self.taggers.items():
                self._fill(output, dataset, name, tagger, chosen, weight, _truth(chosen, events), variation)
            if variation == histograms.NOMINAL:
                counts = {name: domain_counts(tagger, chosen, weight) for name, tagger in self.taggers.items()}
                output |= {"cutflow": cutflow(dataset, cuts, generator), "domain": {dataset: counts}}
        return output

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        """Put categories in alphabetical order: that in which chunks arrive is not the same twice; judge the domain."""
        domain = judged_domain(accumulator["domain"], self.taggers)
        warn_of_unscored(accumulator["unscored"], "they do not pass")
        ordered = {name: in_order(accumulator[name]) for name in ("mass", "pt", "score", "cutflow")}
        return accumulator | ordered | {"domain": domain}

    def _varied(self, events: ak.Array) -> dict[str, ak.Array]:
        """Jets by variation of their energy, nominal first."""
        jets = readers.jets(events)
        varied = None if self.jet_energy is None else self.jet_energy(events)
        return {histograms.NOMINAL: jets} if varied is None else jet_variations(jets, varied)

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
        tagger: Scorer,
        jets: ak.Array,
        generator: Floats,
        truth: NDArray[np.str_],
        variation: str,
    ) -> None:
        """Fill all histograms with the jets, shape (n,), of one tagger."""
        scores = tagger(jets)
        output["unscored"][dataset][name] = dict(+unscored(tagger.predictor, jets, scores, name="jets"))
        passed = tagger.passes(jets, self.working_point, scores=scores)
        weights = Weights(len(jets))
        weights.add("generator", generator.copy())
        if "truth_pdg_id" in jets.fields:
            tagger.add_weight(
                weights,
                jets,
                working_point=self.working_point,
                scale_factors=self.scale_factors,
                efficiencies=self.efficiencies,
                scores=scores,
            )
        categories = {
            "tagger": name,
            "region": np.where(ak.to_numpy(passed), "pass", "fail"),
            "truth": truth,
        }
        for quantity, values in (("mass", jets.mass), ("pt", jets.pt), ("score", scores)):
            columns = categories | {quantity: ak.to_numpy(values)}
            known = ~np.isnan(ak.to_numpy(scores)) if quantity == "score" else None
            histograms.fill_variations(
                output[quantity], dataset, columns, weights, selection=known, variation=variation
            )


def _truth(jets: ak.Array, events: ak.Array) -> NDArray[np.str_]:
    """Name of each jet's true class, shape (n,); of events without truth "data", or "unknown" if they are simulated."""
    if "truth_pdg_id" not in jets.fields:
        return np.full(len(jets), "unknown" if "genWeight" in events.fields else "data")
    pdg_id = ak.to_numpy(jets.truth_pdg_id)
    return np.select([pdg_id == code for code in JET_ORIGINS], list(JET_ORIGINS.values()), default="partly contained")


def _book(axis: hist.axis.Regular) -> hist.Hist:
    return histograms.book(*(histograms.axis_category(name) for name in ("tagger", "region", "truth")), axis)
