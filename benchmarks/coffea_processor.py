"""Scores of a file by a coffea processor: python coffea_processor.py scorer|wrapper NETWORK FILE SCORES

The processor is the same; the network is a bundle of ours ("scorer"), or TorchScript behind coffea's `torch_wrapper`,
prepared as the documentation of `coffea.ml_tools` does it: padded to a fixed length, all jets of a chunk at once.
"""

import sys
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from coffea import processor
from coffea.ml_tools.torch_wrapper import torch_wrapper
from coffea.nanoevents import BaseSchema

import cortado
from cortado import histograms, processors, readers

LENGTH = 128  # constituents
CHUNK = 1_000  # jets
SHIFTS = {"pt": 1.7, "energy": 2.0, "pt_rel": -4.7, "energy_rel": -4.7}


class ParticleNetWrapper(torch_wrapper):  # type: ignore[misc]
    """Columns of the published data configuration, padded with zeros."""

    def prepare_awkward(self, events: ak.Array) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Points, features and mask of the jet of each entry."""
        pt, jet_pt = np.hypot(events.part_px, events.part_py), np.hypot(events.jet_px, events.jet_py)
        jet_eta = np.arcsinh(events.jet_pz / jet_pt)
        eta = (np.arcsinh(events.part_pz / pt) - jet_eta) * (2 * (jet_eta >= 0) - 1)
        phi = np.arctan2(events.part_py, events.part_px) - np.arctan2(events.jet_py, events.jet_px)
        phi = (phi + np.pi) % (2 * np.pi) - np.pi
        features = [
            eta,
            phi,
            (np.log(pt) - SHIFTS["pt"]) * 0.7,
            (np.log(events.part_energy) - SHIFTS["energy"]) * 0.7,
            (np.log(pt / jet_pt) - SHIFTS["pt_rel"]) * 0.7,
            (np.log(events.part_energy / events.jet_energy) - SHIFTS["energy_rel"]) * 0.7,
            (np.hypot(eta, phi) - 0.2) * 4.0,
        ]
        return (), {
            "points": _stacked([eta, phi]),
            "features": _stacked(features),
            "mask": _stacked([ak.ones_like(pt)]),
        }


def _stacked(columns: list[ak.Array]) -> ak.Array:
    padded = [ak.fill_none(ak.pad_none(each, LENGTH, clip=True), 0.0) for each in columns]
    return ak.concatenate([ak.values_astype(each[:, np.newaxis], np.float32) for each in padded], axis=1)


class Scores(processor.ProcessorABC):  # type: ignore[misc]
    """A histogram of the score, and the scores by the number of their entry."""

    def __init__(self, kind: str, network: str) -> None:
        self.kind = kind
        self.network = cortado.load(network) if kind == "scorer" else ParticleNetWrapper(network)

    def process(self, events: ak.Array) -> dict[str, Any]:
        """Score a chunk."""
        if self.kind == "scorer":
            scores = ak.to_numpy(ak.flatten(self.network(readers.jets(events))))
        else:
            scores = ak.to_numpy(self.network(events))[:, 1]
        histogram = histograms.book(histograms.axis_score())
        histograms.fill_variations(histogram, "jets", {"score": scores}, np.ones(len(scores)))
        return {"score": histogram, "scores": {events.metadata["entrystart"]: scores}}

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        """Nothing."""
        return accumulator


def main(kind: str, network: str, file: str, output: str) -> None:
    """Run it as coffea's users do."""
    fileset = {"jets": {"files": {str(Path(file).resolve()): "tree"}}}
    options: dict[str, Any] = {"executor": "iterative", "schema": BaseSchema, "chunksize": CHUNK, "progress": False}
    scores = processors.run(fileset, Scores(kind, network), **options)["scores"]
    np.save(output, np.concatenate([scores[start] for start in sorted(scores)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
