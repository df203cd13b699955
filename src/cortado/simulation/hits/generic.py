"""Particles through the generic detector of ACTS: Fatras and smeared digitisation (extra ``acts``)."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute  # type: ignore[import-untyped]
from pyarrow import csv

from cortado.simulation.hits.acts_detector import generic, load_acts, magnetic_field
from cortado.simulation.hits.detector import COMPACT
from cortado.simulation.hits.measurement import Hits, ordered
from cortado.simulation.hits.particles import Particles

__all__ = ["digitisation", "generic_hits"]

Integers = npt.NDArray[np.int64]

MIN_MOMENTUM = 0.1  # GeV: slower particles are not followed
_BARCODE = ("particle_id_pv", "particle_id_sv", "particle_id_part", "particle_id_gen", "particle_id_subpart")
_TYPES = csv.ConvertOptions(  # which a table without rows does not tell
    column_types={
        **dict.fromkeys((*_BARCODE, "geometry_id", "measurement_id", "hit_id", "particle_type"), pa.int64()),
        **dict.fromkeys([f"global_{axis}" for axis in "xyz"], pa.float64()),
        **dict.fromkeys(("px", "py", "pz", "vx", "vy", "vz", "m", "q"), pa.float64()),
    }
)


def generic_hits(particles: Particles, events: int, *, seed: int) -> tuple[Hits, Particles]:
    """Simulate the detector's answer to particles.

    Args:
        particles: Charged particles, whose names are below 2^24.
        events: Number of events.
        seed: Of Fatras and digitisation.

    Returns:
        Hits, and the charged particles that were followed: those given, and secondaries with names of their own.

    Raises:
        ImportError: If ACTS is not installed.
    """
    with TemporaryDirectory() as folder:
        for event in range(events):
            _write_particles(Path(folder), event, particles)
        _simulate(Path(folder), events, seed)
        tables = [_read_event(Path(folder), event) for event in range(events)]
    hits, crossing = (zip(*column, strict=True) for column in zip(*tables, strict=True))
    return (
        ordered(Hits(*(np.concatenate(column) for column in hits))),
        Particles(*(np.concatenate(column) for column in crossing)),
    )


def digitisation() -> dict[str, Any]:
    """Configuration of ACTS' smeared digitisation: Gaussian in both local coordinates, the resolution by volume."""
    entries = [
        {
            "volume": volume.number,
            "value": {
                "smearing": [
                    {"index": index, "mean": 0.0, "stddev": sigma, "type": "Gauss"}
                    for index, sigma in enumerate(volume.resolution)
                ]
            },
        }
        for volume in COMPACT.volumes
    ]
    header = {"format-version": 0, "value-identifier": "digitization-configuration"}
    return {"acts-geometry-hierarchy-map": header, "entries": entries}


def _simulate(folder: Path, events: int, seed: int) -> None:
    """From ``event...-particles.csv`` to the files of hits, measurements and simulated particles."""
    acts = load_acts()
    simulation = import_module("acts.examples.simulation")
    level, geometry = acts.logging.WARNING, generic().geometry
    field, random = magnetic_field(), acts.examples.RandomNumbers(seed=seed)
    settings = folder / "digitisation.json"
    settings.write_text(json.dumps(digitisation()))
    sequence = acts.examples.Sequencer(
        events=events, numThreads=1, logLevel=level, outputDir=str(folder), trackFpes=False
    )
    reader = acts.examples.CsvParticleReader
    sequence.addReader(
        reader(level=level, inputDir=str(folder), inputStem="particles", outputParticles="particles_generated")
    )
    sequence.addWhiteboardAlias("particles_generated_selected", "particles_generated")
    slowest = MIN_MOMENTUM * acts.UnitConstants.GeV
    simulation.addFatras(sequence, geometry, field, random, pMin=slowest, outputDirCsv=folder, logLevel=level)
    simulation.addDigitization(
        sequence, geometry, field, digiConfigFile=settings, rnd=random, outputDirCsv=folder, logLevel=level
    )
    sequence.run()


def _write_particles(folder: Path, event: int, particles: Particles) -> None:
    chosen = slice(*np.searchsorted(particles.event, [event, event + 1]))
    n = len(particles.event[chosen])
    zero = np.zeros(n, np.int64)
    (vx, vy, vz), (px, py, pz) = particles.origin[chosen].T, particles.momentum[chosen].T
    columns = {
        **dict(zip(_BARCODE, (zero + 1, zero, particles.particle_id[chosen], zero, zero), strict=True)),
        **{"particle_type": particles.pdg_id[chosen], "process": zero},
        **{"vx": vx, "vy": vy, "vz": vz, "vt": zero, "px": px, "py": py, "pz": pz},
        **{"m": particles.mass[chosen], "q": particles.charge[chosen]},
    }
    with (folder / f"event{event:09d}-particles.csv").open("wb") as file:
        file.write(",".join(columns).encode() + b"\n")  # ACTS reads no quotes
        csv.write_csv(pa.table(columns), file, csv.WriteOptions(include_header=False))


def _read_event(folder: Path, event: int) -> tuple[Hits, Particles]:
    measurements, links, crossings, crossing_particles = (
        csv.read_csv(folder / f"event{event:09d}-{name}.csv", convert_options=_TYPES)
        for name in ("measurements", "measurement-simhit-map", "hits", "particles_simulated")
    )
    module = _module_rows(measurements["geometry_id"].to_numpy())
    modules, owner = generic().modules, np.zeros(len(module), np.int64)
    owner[links["measurement_id"].to_numpy()] = _particle_id(crossings)[links["hit_id"].to_numpy()]
    position = np.stack([measurements[f"global_{axis}"].to_numpy() for axis in "xyz"], axis=-1)
    hits = Hits(
        np.full(len(module), event),
        position,
        modules.layer[module],
        modules.volume[module],
        modules.module[module],
        owner,
    )
    return hits, _charged(crossing_particles, event)


def _module_rows(keys: Integers) -> Integers:
    """Rows in the table of modules."""
    known = generic().modules.key
    order = np.argsort(known)
    return np.asarray(order[np.searchsorted(known, keys, sorter=order)])


def _charged(table: pa.Table, event: int) -> Particles:
    table = table.filter(pa.compute.not_equal(table["q"], 0))
    column = {name: table[name].to_numpy() for name in ("px", "py", "pz", "vx", "vy", "vz", "q", "m", "particle_type")}
    return Particles(
        event=np.full(len(table), event),
        particle_id=_particle_id(table),
        pdg_id=column["particle_type"].astype(np.int64),
        charge=column["q"].astype(np.int64),
        mass=column["m"].astype(np.float64),
        momentum=np.stack([column["px"], column["py"], column["pz"]], axis=-1).astype(np.float64),
        origin=np.stack([column["vx"], column["vy"], column["vz"]], axis=-1).astype(np.float64),
    )


def _particle_id(table: pa.Table) -> Integers:
    """ACTS' name of a particle as one number: 24 bits for the particle, 8 for generations, 16 for its descendants."""
    _, _, particle, generation, descendant = (table[name].to_numpy().astype(np.int64) for name in _BARCODE)
    return np.asarray(particle | generation << 24 | descendant << 32)
