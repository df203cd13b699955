"""Score a file and fill a histogram, as a user would.

    python score_to_histogram.py BUNDLE FILE OUTPUT [SCORES [PRECISION]]

OUTPUT gets a ROOT histogram of score and jet pT; SCORES, a .npy file, the score of every jet in the order of the file.
"""

import sys
from pathlib import Path

import awkward as ak
import numpy as np

import cortado
from cortado import histograms, ntuples, reading

STEP = 2_000  # entries in memory at a time


def main(bundle: Path, file: Path, output: Path, scores: Path | None = None, precision: str = "float32") -> None:
    """Read, score, fill, write."""
    tagger = cortado.load(bundle, precision=precision)
    histogram = histograms.book(histograms.axis_score(), histograms.axis_pt())
    found = []
    for record in reading.iterate(file, size=STEP):
        jets = ak.flatten(record.jets)
        score = ak.to_numpy(tagger(jets))
        histograms.fill_variations(histogram, "jets", {"score": score, "pt": jets.pt}, np.ones(len(jets)))
        found.append(score)
    ntuples.write_histograms(output, {"score": histogram})
    if scores is not None:
        np.save(scores, np.concatenate(found))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:5]), *sys.argv[5:])
