"""Particle-flow candidates as a CMS-like detector would give them: parametrised smearing, no detector simulation.

What it is: stable particles are turned into the five classes of CMS particle flow by one of three devices. Tracks have
an efficiency, a momentum resolution and impact parameters from the true helix, smeared with their errors. Photons and
hadrons without a track leave their energy in cells of the electromagnetic and hadronic calorimeter, where neighbours
merge. The energies of tracks and clusters are separated perfectly.

What it is not: no material (no conversions, nuclear interactions or bremsstrahlung), no pile-up, no fake tracks, no
loss of tracks in the core of dense jets, no correlated track parameters, no calibration, no trigger. Good for methods,
not for a measurement.

Resolutions follow, roughly, CMS, Particle-flow reconstruction and global event description (2017), arXiv:1706.04965.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado import kinematics
from cortado.kinematics import ELECTRON_MASS, MUON_MASS, PION_MASS
from cortado.perigee import BENDING
from cortado.simulation.helix import closest_approach

Array = npt.NDArray[Any]

PHOTON, NEUTRAL_HADRON, CHARGED_HADRON, ELECTRON, MUON = 22, 130, 211, 11, 13
INVISIBLE = (12, 14, 16)
_POSITIVE = (-11, -13, 211, 321, 2212, 3222, -3112, -3312, -3334)  # the charged particles that Pythia leaves stable

_FIELD = 3.8  # T
_TRACKER_ETA, _TRACKER_MIN_PT, _TRACKER_MAX_RADIUS = 2.5, 0.4, 50.0  # the last two in GeV and cm
_CALORIMETER_ETA = 5.0


class Calorimeter(NamedTuple):
    """Cells and resolution: sigma(E)/E = stochastic / sqrt(E) + noise / E + constant, added in quadrature."""

    pdg_id: int
    cell: float
    min_energy: float
    stochastic: float
    noise: float
    constant: float
    angle: float


ECAL = Calorimeter(PHOTON, 0.0174, 0.4, 0.028, 0.12, 0.005, 0.003)
HCAL = Calorimeter(NEUTRAL_HADRON, 0.087, 1.0, 1.0, 0.0, 0.08, 0.025)


class Particles(NamedTuple):
    """Visible final-state particles of all events, one flat array a property, shape (n,); lengths in cm."""

    event: Array
    pdg_id: Array
    charge: Array
    px: Array
    py: Array
    pz: Array
    energy: Array
    x: Array
    y: Array
    z: Array

    def where(self, chosen: Array) -> Particles:
        """Those particles for which the mask is true."""
        return Particles(*(column[chosen] for column in self))


def particle_flow(particles: ak.Array, rng: np.random.Generator) -> ak.Array:
    """Reconstruct the candidates of each event, hardest first.

    Args:
        particles: Pythia's record, shape (n_events, var), with fields ``id``, ``status``, ``p``, ``vProd`` [mm].
        rng: Source of the smearing.

    Returns:
        Candidates, shape (n_events, var): ``pt eta phi mass`` as float32; ``pdgId`` (211, 130, 22, 11, 13, with CMS's
        signs) and ``charge``; ``d0 d0Err dz dzErr`` [cm] to the true primary vertex, zero for neutral ones.
    """
    visible = visible_particles(particles)
    tracked = _has_track(visible, rng)
    muon, photon = np.abs(visible.pdg_id) == MUON, np.isin(np.abs(visible.pdg_id), (PHOTON, ELECTRON))
    parts = (
        _tracks(visible.where(tracked), rng),
        _clusters(visible.where(photon & ~tracked), ECAL, rng),
        _clusters(visible.where(~photon & ~tracked & ~muon), HCAL, rng),
    )
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    event = columns.pop("event")
    order = np.lexsort((-columns["pt"], event))
    counts = np.bincount(event, minlength=len(particles))
    return ak.unflatten(ak.zip({name: column[order] for name, column in columns.items()}), counts)


def visible_particles(particles: ak.Array) -> Particles:
    """Final-state particles that a detector can see."""
    stable = particles[particles.status > 0]
    event = np.repeat(np.arange(len(stable)), ak.to_numpy(ak.num(stable)))
    flat = ak.flatten(stable)
    pdg_id = ak.to_numpy(flat.id).astype(np.int64)
    momentum = (ak.to_numpy(flat.p[axis]) for axis in ("px", "py", "pz", "e"))
    vertex = (ak.to_numpy(ak.fill_none(flat.vProd[axis], 0.0)) / 10 for axis in ("px", "py", "pz"))  # mm to cm
    everything = Particles(event, pdg_id, charge_of(pdg_id), *momentum, *vertex)
    return everything.where(~np.isin(np.abs(pdg_id), INVISIBLE))


def charge_of(pdg_id: Array) -> Array:
    """Charge of the particles that Pythia leaves stable, 0 for all others, by PDG code; shape (n,)."""
    charge: Array = np.isin(pdg_id, _POSITIVE).astype(np.int64) - np.isin(-pdg_id, _POSITIVE)
    return charge


def _has_track(particles: Particles, rng: np.random.Generator) -> Array:
    """Charged, inside the tracker's acceptance, born before its outer half, and reconstructed."""
    pt = np.hypot(particles.px, particles.py)
    efficiency = np.where(np.abs(particles.pdg_id) == MUON, 0.99, np.where(pt > 1, 0.95, 0.85))
    accepted = (pt > _TRACKER_MIN_PT) & (np.abs(particles.pz) < pt * np.sinh(_TRACKER_ETA))
    crosses_layers = np.hypot(particles.x, particles.y) < _TRACKER_MAX_RADIUS
    has_track: Array = (particles.charge != 0) & accepted & crosses_layers & (rng.random(len(pt)) < efficiency)
    return has_track


def _tracks(particles: Particles, rng: np.random.Generator) -> dict[str, Array]:
    """Charged candidates: momentum from curvature, impact parameters from the helix."""
    true_pt, kind = np.hypot(particles.px, particles.py), np.abs(particles.pdg_id)
    electron, muon = kind == ELECTRON, kind == MUON
    eta, phi = np.arcsinh(particles.pz / true_pt), np.arctan2(particles.py, particles.px)
    resolution = np.hypot(np.where(electron, 0.02, 0.007), 1.5e-4 * true_pt) * (1 + (eta / 2.5) ** 2)
    # Curvature is Gaussian, so it is 1/pT that is smeared; 3 % is the least that keeps its sign.
    pt = true_pt / np.maximum(1 + resolution * rng.normal(size=len(eta)), 0.03)
    d0, dz = impact_parameters(particles)
    # 75 um of multiple scattering at 1 GeV, growing with the path through the material
    scattering = 0.0075 / true_pt * np.sqrt(np.cosh(eta))
    d0_err, dz_err = np.hypot(0.0012, scattering), np.hypot(0.0020, scattering * np.cosh(eta))
    return {
        "event": particles.event,
        "pt": pt.astype(np.float32),
        "eta": (eta + 3e-4 * rng.normal(size=len(eta))).astype(np.float32),
        "phi": kinematics.wrap_phi(phi + 3e-4 * rng.normal(size=len(eta))).astype(np.float32),
        "mass": np.select([electron, muon], [ELECTRON_MASS, MUON_MASS], PION_MASS).astype(np.float32),
        "pdgId": np.where(electron | muon, particles.pdg_id, CHARGED_HADRON * particles.charge).astype(np.int32),
        "charge": particles.charge.astype(np.int32),
        "d0": (d0 + d0_err * rng.normal(size=len(eta))).astype(np.float32),
        "d0Err": d0_err.astype(np.float32),
        "dz": (dz + dz_err * rng.normal(size=len(eta))).astype(np.float32),
        "dzErr": dz_err.astype(np.float32),
    }


def impact_parameters(particles: Particles) -> tuple[Array, Array]:
    """Transverse and longitudinal impact parameter [cm] of helices in 3.8 T, at the point nearest to the beam line.

    d0 has the sign of CMS's dxy, -x sin(phi) + y cos(phi) there. Momenta must have pT > 0 and charge +1 or -1.
    """
    radius = np.hypot(particles.px, particles.py) / (10 * BENDING * _FIELD)  # cm, for pT in GeV
    momentum, position = (particles.px, particles.py, particles.pz), (particles.x, particles.y, particles.z)
    d0, dz, _ = closest_approach(particles.charge, momentum, position, radius)
    return d0, dz


def _clusters(particles: Particles, calorimeter: Calorimeter, rng: np.random.Generator) -> dict[str, Array]:
    """Neutral candidates: particles in one cell merge, at their centroid."""
    event, energy, eta, phi = _cells(particles, calorimeter.cell)
    relative = np.sqrt(calorimeter.stochastic**2 / energy + (calorimeter.noise / energy) ** 2 + calorimeter.constant**2)
    measured = energy * (1 + relative * rng.normal(size=len(energy)))
    eta = eta + calorimeter.angle * rng.normal(size=len(energy))
    phi = phi + calorimeter.angle * rng.normal(size=len(energy))
    seen = measured > calorimeter.min_energy
    n = np.count_nonzero(seen)
    nothing = np.zeros(n, np.float32)
    return {
        "event": event[seen],
        "pt": (measured / np.cosh(eta))[seen].astype(np.float32),
        "eta": eta[seen].astype(np.float32),
        "phi": kinematics.wrap_phi(phi[seen]).astype(np.float32),
        "mass": nothing,
        "pdgId": np.full(n, calorimeter.pdg_id, np.int32),
        "charge": np.zeros(n, np.int32),
        "d0": nothing,
        "d0Err": nothing,
        "dz": nothing,
        "dzErr": nothing,
    }


def _cells(particles: Particles, size: float) -> tuple[Array, Array, Array, Array]:
    """Event, energy and centroid in eta and phi of every cell that was hit."""
    eta = np.arcsinh(particles.pz / np.maximum(np.hypot(particles.px, particles.py), 1e-9))
    inside = np.abs(eta) < _CALORIMETER_ETA
    hits, eta = particles.where(inside), eta[inside]
    phi = np.arctan2(hits.py, hits.px)
    columns, rows = int(2 * _CALORIMETER_ETA / size) + 1, int(2 * np.pi / size) + 1
    column = ((eta + _CALORIMETER_ETA) / size).astype(np.int64)
    row = np.minimum(((phi + np.pi) / (2 * np.pi) * rows).astype(np.int64), rows - 1)
    address, owner = np.unique((hits.event * columns + column) * rows + row, return_inverse=True)
    energy = np.bincount(owner, hits.energy, len(address))
    centre_eta = np.bincount(owner, hits.energy * eta, len(address)) / energy
    centre_phi = np.bincount(owner, hits.energy * phi, len(address)) / energy  # no cell straddles the seam
    return address // (columns * rows), energy, centre_eta, centre_phi
