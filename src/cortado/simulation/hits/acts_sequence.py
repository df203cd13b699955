"""ACTS' algorithms of track finding in a row, from measurements in memory to indices of hits (extra ``acts``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import process_time
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cortado.simulation.hits.acts_detector import FIELD, generic, load_acts, magnetic_field
from cortado.simulation.hits.acts_settings import CkfSettings
from cortado.simulation.hits.detector import COMPACT

__all__ = ["Measurements", "follow"]

_LOCAL = [0, 1]  # of ACTS' bound parameters: the local coordinates


class Measurements(NamedTuple):
    """Hits of an event on the surfaces of the generic detector.

    Attributes:
        key: ACTS' number of the surface, shape (n_hits,).
        volume: Number of the volume, shape (n_hits,).
        local: Local coordinates [mm], shape (n_hits, 2).
    """

    key: npt.NDArray[np.int64]
    volume: npt.NDArray[np.int64]
    local: npt.NDArray[np.float64]


def follow(events: Sequence[Measurements], settings: CkfSettings) -> tuple[list[list[list[int]]], list[float]]:
    """Find tracks in events, one after the other.

    Returns:
        Of each event, indices of the hits of each track from inside out; and the CPU time of each event [s].

    Raises:
        ImportError: If ACTS is not installed.
    """
    acts = load_acts()
    tracks: list[list[list[int]]] = []
    times: list[float] = []

    def give(algorithm: Any, context: Any) -> None:
        container = algorithm.measurements(context.eventStore)
        algorithm.subset(context, acts.examples.MeasurementSubset(container, range(len(container))))
        times.append(process_time())

    def take(algorithm: Any, context: Any) -> None:
        times[-1] = process_time() - times[-1]
        tracks.append([_hits_of(acts, track) for track in algorithm.tracks(context.eventStore)])

    level = acts.logging.FATAL
    sequence = acts.examples.Sequencer(events=len(events), numThreads=1, logLevel=level, trackFpes=False)
    sequence.addReader(_reader(acts, events))
    inputs = {"measurements": acts.examples.MeasurementContainer}
    outputs = {"subset": acts.examples.MeasurementSubset}
    sequence.addAlgorithm(_algorithm(acts, "Give", give, inputs, outputs))
    for algorithm in (*_seeding(acts, settings), *_filtering(acts, settings)):
        sequence.addAlgorithm(algorithm)
    sequence.addAlgorithm(_algorithm(acts, "Take", take, {"tracks": acts.examples.ConstTrackContainer}, {}))
    sequence.run()
    return tracks, times


def _hits_of(acts: ModuleType, track: Any) -> list[int]:
    source = acts.examples.IndexSourceLink.fromSourceLink
    states = [state for state in track.trackStatesReversed if state.typeFlags.isMeasurement]
    return [source(state.uncalibratedSourceLink).index() for state in reversed(states)]


def _algorithm(
    acts: ModuleType,
    name: str,
    execute: Callable[[Any, Any], None],
    inputs: dict[str, Any],
    outputs: dict[str, Any],
) -> Any:
    """Python function as an algorithm of ACTS, which has handles for its inputs and outputs by their names."""

    class Algorithm(acts.examples.IAlgorithm):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__(name, acts.logging.FATAL)
            for kind, handles in ((acts.examples.ReadDataHandle, inputs), (acts.examples.WriteDataHandle, outputs)):
                for key, content in handles.items():
                    handle = kind(self, content, key)
                    handle.initialize(key)
                    setattr(self, key, handle)

        def execute(self, context: Any) -> Any:
            execute(self, context)
            return acts.examples.ProcessCode.SUCCESS

    return Algorithm()


def _reader(acts: ModuleType, events: Sequence[Measurements]) -> Any:
    """Reader of ACTS that gives measurements from memory."""
    variances = {volume.number: [sigma**2 for sigma in volume.resolution] for volume in COMPACT.volumes}

    class Reader(acts.examples.IReader):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__("Measurements", acts.logging.FATAL)
            self.output = acts.examples.WriteDataHandle(self, acts.examples.MeasurementContainer, "measurements")
            self.output.initialize("measurements")

        def availableEvents(self) -> tuple[int, int]:
            return 0, len(events)

        def read(self, context: Any) -> Any:
            hits, container = events[context.eventNumber], acts.examples.MeasurementContainer()
            container.reserve(len(hits.key))
            for key, volume, local in zip(hits.key.tolist(), hits.volume.tolist(), hits.local.tolist(), strict=True):
                container.emplaceMeasurement(acts.GeometryIdentifier(key), _LOCAL, local, variances[volume])
            self.output(context, container)
            return acts.examples.ProcessCode.SUCCESS

    return Reader()


def _seeding(acts: ModuleType, settings: CkfSettings) -> list[Any]:
    """Space points, seeds, and their track parameters."""
    level, geometry = acts.logging.FATAL, generic().geometry
    points = acts.examples.SpacePointMaker(
        level=level,
        inputMeasurements="subset",
        outputSpacePoints="spacepoints",
        trackingGeometry=geometry,
        geometrySelection=_identifiers(acts, settings.seed_layers),
        stripGeometrySelection=[],
    )
    seeds = acts.examples.GridTripletSeedingAlgorithm(
        level=level,
        inputSpacePoints="spacepoints",
        outputSeeds="seeds",
        **_seed_cuts(acts, settings),
    )
    estimates = acts.examples.TrackParamsEstimationAlgorithm(
        level=level,
        inputSeeds="seeds",
        outputTrackParameters="parameters",
        outputSeeds="estimated_seeds",
        trackingGeometry=geometry,
        magneticField=magnetic_field(),
    )
    return [points, seeds, estimates]


def _seed_cuts(acts: ModuleType, settings: CkfSettings) -> dict[str, Any]:
    """Settings of seeds in the words of ACTS."""
    return {
        "bFieldInZ": FIELD * acts.UnitConstants.T,
        "minPt": settings.seed_min_pt * acts.UnitConstants.GeV,
        "cotThetaMax": settings.cot_theta_max,
        "impactMax": settings.impact_max,
        "deltaRMin": settings.delta_r[0],
        "deltaRMax": settings.delta_r[1],
        "rMax": settings.max_radius,
        "rMinMiddle": settings.middle_radius[0],
        "rMaxMiddle": settings.middle_radius[1],
        "zMin": -2000.0,
        "zMax": 2000.0,
        "collisionRegionMin": settings.collision_region[0],
        "collisionRegionMax": settings.collision_region[1],
        "sigmaScattering": settings.sigma_scattering,
        "radLengthPerSeed": settings.radiation_lengths,
        "maxSeedsPerSpM": settings.seeds_per_middle,
    }


def _filtering(acts: ModuleType, settings: CkfSettings) -> list[Any]:
    """The combinatorial Kalman filter and the choice among tracks that share hits."""
    level, geometry, field = acts.logging.FATAL, generic().geometry, magnetic_field()
    finder = acts.examples.TrackFindingAlgorithm
    cuts: Any = ([], [settings.chi2_measurement], [settings.chi2_outlier], [settings.branches])
    tracks = finder(
        level=level,
        measurementSelectorCfg=acts.MeasurementSelector.Config([(acts.GeometryIdentifier(), cuts)]),
        inputMeasurements="subset",
        inputInitialTrackParameters="parameters",
        inputSeeds="estimated_seeds" if settings.drop_used_seeds or settings.stay_on_seed else "",
        outputTracks="all_tracks",
        findTracks=finder.makeTrackFinderFunction(geometry, field, level),
        findTracksBrem=finder.makeBremTrackFinderFunction(geometry, field, level),
        trackingGeometry=geometry,
        magneticField=field,
        trackSelectorCfg=acts.TrackSelector.Config(
            ptMin=settings.min_pt * acts.UnitConstants.GeV,
            absEtaMax=settings.max_eta,
            minMeasurements=settings.min_hits,
            maxHoles=settings.max_holes,
            maxOutliers=settings.max_outliers,
        ),
        twoWay=settings.two_way,
        seedDeduplication=settings.drop_used_seeds,
        stayOnSeed=settings.stay_on_seed,
    )
    chosen = acts.examples.GreedyAmbiguityResolutionAlgorithm(
        level=level,
        inputTracks="all_tracks",
        outputTracks="tracks",
        maximumSharedHits=settings.max_shared_hits,
        nMeasurementsMin=settings.min_hits,
        maximumIterations=1_000_000,
    )
    return [tracks, chosen]


def _identifiers(acts: ModuleType, layers: Sequence[int]) -> list[Any]:
    """ACTS' names of layers.

    Raises:
        ValueError: If a layer is not one of the detector.
    """
    modules = generic().modules
    unknown = sorted(set(layers) - set(modules.layer.tolist()))
    if unknown:
        raise ValueError(f"seed_layers holds {unknown}; the generic detector has layers 0 to {modules.layer.max()}")
    keys = [modules.key[np.searchsorted(modules.layer, layer)] for layer in layers]
    names = [acts.GeometryIdentifier(int(key)) for key in keys]
    return [acts.GeometryIdentifier(volume=name.volume, layer=name.layer) for name in names]
