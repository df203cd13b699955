"""Which particles are to be found, and rates of particles and tracks against anything."""

from __future__ import annotations

from typing import NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import ArrayLike

from cortado.metrics.vertex_matching import BinnedRate, vertex_rate

__all__ = ["ParticleKinematics", "particle_kinematics", "reconstructable", "track_rate"]


class ParticleKinematics(NamedTuple):
    """What rates of particles are shown against, each of shape (n, var)."""

    pt: ak.Array  # GeV
    eta: ak.Array
    production_radius: ak.Array  # distance of the origin from the z axis [mm]


def particle_kinematics(particles: ak.Array) -> ParticleKinematics:
    """Momentum and origin of true particles.

    Args:
        particles: px, py, pz [GeV] and vx, vy, vz [mm], shape (n, var).
    """
    pt = np.hypot(particles["px"], particles["py"])
    return ParticleKinematics(pt, np.arcsinh(particles["pz"] / pt), np.hypot(particles["vx"], particles["vy"]))


def reconstructable(
    particles: ak.Array, *, min_pt: float, max_abs_eta: float, min_hits: int, min_layers: int = 0
) -> ak.Array:
    """Particles that are to be found, the denominator of efficiencies, shape (n, var).

    Args:
        particles: px, py, pz [GeV], n_hits, and for `min_layers` their `hits`, shape (n, var).
        min_pt: Transverse momentum above which they are [GeV].
        max_abs_eta: Absolute pseudorapidity below which they are.
        min_hits: Number of hits at least.
        min_layers: Number of different layers at least; a particle that turns round has many hits on few of them.
    Raises:
        ValueError: If layers are asked for, but the particles have no hits.
    """
    pt = np.hypot(particles["px"], particles["py"])
    chosen = (pt > min_pt) & (abs(particles["pz"]) < np.sinh(max_abs_eta) * pt) & (particles["n_hits"] >= min_hits)
    if not min_layers:
        return chosen
    if "hits" not in particles.fields:
        raise ValueError("min_layers needs the hits of the particles, and they have none; see truth.with_hits")
    layers = ak.sort(particles["hits"]["layer"], axis=-1)
    different = ak.sum(layers[:, :, 1:] != layers[:, :, :-1], axis=-1) + (ak.num(layers, axis=-1) > 0)
    return chosen & (different >= min_layers)


def track_rate(chosen: ArrayLike, values: ArrayLike, edges: ArrayLike) -> BinnedRate:
    """Efficiency of particles, or rate of fake or double tracks, in bins of a property, with Wilson errors.

    Efficiency against pt: `track_rate(reconstructed[selected], pt[selected], edges)`. Fakes against pile-up:
    `track_rate(classes.fake, pile_up[tracks.event], edges)`.

    Args:
        chosen: Whether a particle is found or a track is fake, shape (t,) or (n, var).
        values: Of the property, same shape, or one for each event, shape (n,); what lies outside of the edges, or is
            NaN, is in no bin.
        edges: Edges of the bins, ascending; an upper edge belongs to the next bin.
    Raises:
        ValueError: If the lengths differ.
    """
    passed, at = ak.Array(chosen), ak.Array(values)
    if passed.ndim == 2:
        at, passed = ak.broadcast_arrays(at, passed)
        at, passed = ak.flatten(at), ak.flatten(passed)
    return vertex_rate(ak.to_numpy(passed), ak.to_numpy(at), edges)
