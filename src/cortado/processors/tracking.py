"""The processor of a tracking analysis: tracks of hits, their efficiency where truth is known, and event weights."""

from __future__ import annotations

from typing import Any

import awkward as ak
import hist
import numpy as np
from coffea import processor
from coffea.analysis_tools import Weights
from numpy.typing import NDArray

from cortado import histograms, metrics, readers
from cortado.processors.bookkeeping import generator_weights, in_order
from cortado.scoring import TrackFinder
from cortado.scoring.track_finder import is_by_sectors
from cortado.splits import TEST, Split
from cortado.weights import TargetDistribution

__all__ = ["TrackingProcessor"]

_TRACK_QUANTITIES = ("track_pt", "track_eta", "track_hits")


class TrackingProcessor(processor.ProcessorABC):  # type: ignore[misc]
    """Find the tracks of the hits of each event, fit them, and histogram them under the weights of the events.

    The output holds the histograms `track_pt`, `track_eta`, `track_hits` and `multiplicity` (axes dataset, variation,
    and the quantity); where the file has truth `particle_pt` and `particle_eta` (the same with the axis reconstructed:
    "yes" or "no"), of the selected particles, without event weights; the numbers by data set `events`,
    `sum_of_weights`, `unfitted` (tracks without a converged fit, which only `multiplicity` shows), `by_sectors` (events
    so large that the network saw them in sectors), and of truth `particles`, `reconstructed`, `tracks` and `fakes`:
    sums, from which rates follow. It is the same for every executor and any size of the chunks.

    Args:
        finder: Says which hits belong together.
        errors: Of the hits, as of `TrackFinder.tracks`; None takes its default.
        magnetic_field: Along z [T].
        radiation_lengths: Of the matter at each hit.
        target: Weights of events by the number of their tracks (pile-up); None weights none.
        min_pt: Smallest transverse momentum of a selected particle [GeV].
        max_abs_eta: Its largest |eta|.
        min_hits: Its fewest hits.
        held_out: The split of the training. In data sets whose metadata have `trained_on` only its test events are
            kept, scaled up by their share. What is counted of truth is of these events, and not scaled.
    """

    def __init__(
        self,
        finder: TrackFinder,
        *,
        errors: Any = None,
        magnetic_field: float = 2.0,
        radiation_lengths: float = 0.0,
        target: TargetDistribution | None = None,
        min_pt: float = 0.5,
        max_abs_eta: float = 2.5,
        min_hits: int = 9,
        held_out: Split | None = None,
    ) -> None:
        self.finder, self.target, self.held_out = finder, target, held_out
        self.fit: dict[str, Any] = {"magnetic_field": magnetic_field, "radiation_lengths": radiation_lengths}
        self.fit |= {} if errors is None else {"errors": errors}
        self.selection: dict[str, Any] = {"min_pt": min_pt, "max_abs_eta": max_abs_eta, "min_hits": min_hits}

    def process(self, events: ak.Array) -> dict[str, Any]:
        """Histograms of one chunk of events in any dialect that has hits."""
        dataset = events.metadata["dataset"]
        held_out = self.held_out if events.metadata.get("trained_on") else None
        record, generator = readers.record(events), generator_weights(events).weight()
        output: dict[str, Any] = {
            "events": {dataset: len(record)},
            "sum_of_weights": {dataset: float(generator.sum())},
            **{name: _book(name) for name in (*_TRACK_QUANTITIES, "multiplicity")},
            **{name: _book(name, "reconstructed") for name in ("particle_pt", "particle_eta")},
        }
        if held_out is not None:
            kept = held_out.subset(ak.to_numpy(record.event_key)) == TEST
            record, generator = record[kept], generator[kept] / held_out.test
        edges = self.finder.edges(record)
        label = self.finder.join(edges, record.hits)
        tracks = self.finder.tracks(record, label=label, **self.fit)
        output["by_sectors"] = {dataset: int(np.count_nonzero(is_by_sectors(edges)))}
        output["unfitted"] = {dataset: int(ak.sum(~tracks.converged, axis=None))}
        weights = self._weights(generator, ak.to_numpy(ak.num(tracks)))
        _fill_tracks(output, dataset, tracks, weights)
        if "particles" in record.fields:
            self._judge(output, dataset, record, label)
        return output

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        """Put categories in alphabetical order: that in which chunks arrive is not the same twice."""
        booked = {name: each for name, each in accumulator.items() if isinstance(each, hist.Hist)}
        return accumulator | {name: in_order(each) for name, each in booked.items()}

    def _weights(self, generator: NDArray[np.float64], number: NDArray[np.int64]) -> Weights:
        weights = Weights(len(generator))
        weights.add("generator", generator.copy())
        if self.target is not None:
            varied = self.target(number)
            weights.add("multiplicity", varied.nominal, weightUp=varied.up, weightDown=varied.down)
        return weights

    def _judge(self, output: dict[str, Any], dataset: str, record: ak.Array, label: ak.Array) -> None:
        """Selected particles that have a track, and tracks that have no particle; ACTS' double match."""
        selected = metrics.reconstructable(record.particles, **self.selection)
        matches = metrics.match_tracks(label, record.hits.particle_id)
        finding = metrics.track_finding(matches, record.particles, selected)
        is_reconstructed = ak.to_numpy(ak.flatten(metrics.reconstructed_particles(matches, record.particles)[selected]))
        particles = ak.flatten(record.particles[selected])
        px, py, pz = (ak.to_numpy(particles[name]).astype(np.float64) for name in ("px", "py", "pz"))
        pt = np.hypot(px, py)
        category = {"reconstructed": np.where(is_reconstructed, "yes", "no")}
        for name, values in (("particle_pt", pt), ("particle_eta", np.arcsinh(pz / pt))):
            histograms.fill_variations(output[name], dataset, {**category, name: values}, np.ones(len(pt)))
        output |= {
            "particles": {dataset: finding.particles},
            "reconstructed": {dataset: finding.reconstructed},
            "tracks": {dataset: finding.tracks},
            "fakes": {dataset: finding.fakes},
        }


def _fill_tracks(output: dict[str, Any], dataset: str, tracks: ak.Array, weights: Weights) -> None:
    """Quantities of the tracks that could be fitted, and how many tracks an event has."""
    varied = histograms.varied_weights(weights)
    number = ak.to_numpy(ak.num(tracks))
    histograms.fill_variations(output["multiplicity"], dataset, {"multiplicity": number}, varied)
    flat, event = ak.flatten(tracks), np.repeat(np.arange(len(tracks)), number)
    fitted = ak.to_numpy(flat.converged)
    columns = {"track_pt": flat.pt, "track_eta": flat.eta, "track_hits": flat.n_hits}
    of_tracks = {name: each[event[fitted]] for name, each in varied.items()}
    for name in _TRACK_QUANTITIES:
        histograms.fill_variations(output[name], dataset, {name: ak.to_numpy(columns[name])[fitted]}, of_tracks)


def _book(quantity: str, *categories: str) -> hist.Hist:
    axis = {
        "track_pt": hist.axis.Regular(
            40, 0.1, 100.0, name=quantity, transform=hist.axis.transform.log, label="Track $p_T$ [GeV]"
        ),
        "track_eta": hist.axis.Regular(40, -4.0, 4.0, name=quantity, label=r"Track $\eta$"),
        "track_hits": hist.axis.Integer(0, 25, name=quantity, label="Hits of the track"),
        "multiplicity": hist.axis.Regular(50, 0.0, 1000.0, name=quantity, label="Tracks of the event"),
        "particle_pt": hist.axis.Regular(
            20, 0.1, 100.0, name=quantity, transform=hist.axis.transform.log, label="Particle $p_T$ [GeV]"
        ),
        "particle_eta": hist.axis.Regular(20, -4.0, 4.0, name=quantity, label=r"Particle $\eta$"),
    }[quantity]
    return histograms.book(*(histograms.axis_category(name) for name in categories), axis)
