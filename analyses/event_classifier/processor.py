"""A coffea processor of one's own: the score of each event, with variations of its weight and of the jet energy."""

import awkward as ak
import numpy as np
from coffea import processor
from coffea.analysis_tools import Weights

from cortado import histograms, scoring

JET_ENERGY = {"jet_energyUp": 1.02, "jet_energyDown": 0.98}
CROSS_SECTION = 0.1  # relative uncertainty, of all processes


class EventProcessor(processor.ProcessorABC):
    """Fills the score of each event, by the network that has not seen it, under all variations.

    Args:
        scorer: Of events; `scoring.folds` of all folds.
        columns: The mapping that the networks were trained with.
    """

    def __init__(self, scorer, columns):
        self.scorer, self.columns = scorer, columns

    def process(self, events):
        """Histogram of one chunk of events."""
        dataset, histogram = events.metadata["dataset"], histograms.book(histograms.axis_score(20))
        record = self.columns.record(events)
        weights = Weights(len(events))
        weights.add("generator", np.asarray(record.weight))
        ones = np.ones(len(events))
        weights.add("cross_section", ones, ones * (1 + CROSS_SECTION), ones * (1 - CROSS_SECTION))
        varied = {name: record.jets.pt * factor for name, factor in JET_ENERGY.items()}
        jets = scoring.jet_variations(record.jets, varied, energies=("pt", "mass", "msoftdrop"))
        for variation, of_events in jets.items():
            score = self.scorer(ak.with_field(record, of_events, "jets"))
            histograms.fill_variations(histogram, dataset, {"score": score}, weights, variation=variation)
        return {
            "events": {dataset: len(events)},
            "sum_of_weights": {dataset: float(np.sum(record.weight))},
            "score": histogram,
        }

    def postprocess(self, accumulator):
        return accumulator
