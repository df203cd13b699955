"""Primary vertices: where the tracks of a whole event agree that they come from."""

from __future__ import annotations

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.reconstruction.annealing import TEMPERATURES, annealed, seeds
from cortado.reconstruction.matrices import inverse
from cortado.reconstruction.priors import Prior, constraint
from cortado.reconstruction.tracks import Resolution, Tracks, flat_tracks
from cortado.reconstruction.vertex_fit import fit_vertices

__all__ = ["primary_vertices"]

Integers = NDArray[np.int64]

_MOST_SEEDING = 30


def primary_vertices(
    tracks: ak.Array,
    *,
    beam_spot: Prior | None = None,
    cutoff: float = 3.0,
    magnetic_field: float = 2.0,
    resolution: Resolution | None = None,
    skip_unfit: bool = False,
) -> Prior:
    """Fit the one collision of each event from its tracks, with little weight for those that come from elsewhere.

    An adaptive fit, see `annealing`, that starts at a crossing of two of the 30 tracks of highest pt.
    Tracks of decays within the resolution are not told apart, and pull. Without a beam spot, the vertex of an event
    in which more tracks come from one decay than from the collision is that decay.

    Args:
        tracks: All tracks of each event, shape (n, var).
        beam_spot: Where collisions happen: position (3,) or (n, 3), covariance (3, 3) or (n, 3, 3).
        cutoff: Distance of a track to the vertex, in standard deviations, at weight 1/2.
        magnetic_field: Along z [T].
        resolution: Errors to assume, instead of the covariance in the record; see `tracks.flat_tracks`.
        skip_unfit: Leave tracks that cannot be fitted out, with a warning, instead of refusing them.

    Returns:
        Position [mm], shape (n, 3), and covariance [mm^2], shape (n, 3, 3). What neither tracks nor a beam spot
        determine, as in an event with fewer than two tracks, has an error of 1 m.

    Raises:
        KeyError: If a field is missing.
        ValueError: If a track cannot be fitted, see `tracks.flat_tracks`, the cutoff is not positive, or the covariance
            of the beam spot is not positive definite.

    References:
        Waltenberger, Fruehwirth, Vanlaer, Adaptive vertex fitting, J. Phys. G 34 (2007) N343.
    """
    if not cutoff > 0:
        raise ValueError(f"cutoff is {cutoff}, must be positive")
    events = ak.zip({"tracks": tracks}, depth_limit=1)
    flat = flat_tracks(events, resolution=resolution, skip_unfit=skip_unfit, caller="primary_vertices", owner="event")
    order = _hardest_first(flat)
    parameters, covariance, event = flat.parameters[order], flat.covariance[order], flat.jet[order]
    known = constraint(beam_spot, len(flat.counts))
    own = parameters, inverse(covariance), event, known
    start = seeds(*own, cutoff, magnetic_field, most=_MOST_SEEDING)
    fitted = fit_vertices(
        parameters,
        covariance,
        event,
        groups=len(flat.counts),
        magnetic_field=magnetic_field,
        start=start,
        weights=annealed(*own, start, cutoff, TEMPERATURES, magnetic_field),
        prior=beam_spot,
    )
    return Prior(fitted.position, fitted.covariance)


def _hardest_first(tracks: Tracks) -> Integers:
    """Order of the tracks by event, and in each by falling transverse momentum."""
    pt = np.sin(tracks.parameters[:, 3]) / np.abs(tracks.parameters[:, 4])
    return np.lexsort((-pt, tracks.jet))
