"""A coffea processor of one's own: the score of each event, with variations of its weight and of the jet energy."""

import numpy as np
from coffea import processor
from coffea.analysis_tools import Weights

from cortado import histograms

JET_ENERGY = {"nominal": 1.0, "jet_energyUp": 1.02, "jet_energyDown": 0.98}
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
        for name, factor in JET_ENERGY.items():
            shifted = record
            for field in ("pt", "mass", "msoftdrop"):
                shifted["jets", field] = record.jets[field] * factor
            score = {"score": np.asarray(self.scorer(shifted))}
            if name == "nominal":
                histograms.fill_variations(histogram, dataset, score, weights)
            else:
                histogram.fill(dataset=dataset, variation=name, **score, weight=weights.weight())
        return {
            "events": {dataset: len(events)},
            "sum_of_weights": {dataset: float(np.sum(record.weight))},
            "score": histogram,
        }

    def postprocess(self, accumulator):
        return accumulator
