"""Features of a track in its jet, each defined once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cortado.kinematics import delta_phi
from cortado.representations.constituents import Constituents, as_float32

__all__ = ["RICH_FEATURES", "SET2GRAPH_FEATURES", "TRACK_FEATURES", "TrackFeature", "flat_track_features"]

Floats = NDArray[np.float64]


class TrackFeature(NamedTuple):
    """One number of each track: the fields it is made of, and how."""

    fields: tuple[str, ...]
    compute: Callable[[Constituents], Floats]


def _own(name: str) -> TrackFeature:
    return TrackFeature((f"tracks.{name}",), lambda tracks: tracks.own(name))


def _of_jet(name: str) -> TrackFeature:
    return TrackFeature((name,), lambda tracks: tracks.jet(name))


def _applied(function: Callable[[Floats], Floats], feature: TrackFeature) -> TrackFeature:
    return TrackFeature(feature.fields, lambda tracks: function(feature.compute(tracks)))


def _product(one: TrackFeature, other: TrackFeature) -> TrackFeature:
    fields = (*one.fields, *other.fields)
    return TrackFeature(fields, lambda tracks: one.compute(tracks) * other.compute(tracks))


def _sign(values: Floats) -> Floats:
    return np.where(values < 0, -1.0, 1.0)


def _error(name: str) -> TrackFeature:
    return _applied(np.sqrt, _own(f"cov_{name}_{name}"))


def _significance(name: str) -> TrackFeature:
    return _product(_own(name), _applied(np.reciprocal, _error(name)))


# Side of the origin on which a track with a positive impact parameter passes: +1 the one to which the jet flies.
_SIGNS = {
    "d0": TrackFeature(("tracks.phi", "phi"), lambda tracks: _sign(np.sin(tracks.jet("phi") - tracks.own("phi")))),
    "z0": TrackFeature(("tracks.eta", "eta"), lambda tracks: _sign(tracks.jet("eta") - tracks.own("eta"))),
}

TRACK_FEATURES = {
    **{name: _own(name) for name in ("d0", "z0", "phi", "eta", "pt", "charge", "q_over_p")},
    "cot_theta": _applied(lambda theta: 1 / np.tan(theta), _own("theta")),
    "log_pt": _applied(np.log, _own("pt")),
    "pt_fraction": _product(_own("pt"), _applied(np.reciprocal, _of_jet("pt"))),
    "delta_eta": TrackFeature(("tracks.eta", "eta"), lambda tracks: tracks.own("eta") - tracks.jet("eta")),
    "delta_phi": TrackFeature(("tracks.phi", "phi"), lambda tracks: delta_phi(tracks.own("phi"), tracks.jet("phi"))),
    **{f"{name}_error": _error(name) for name in _SIGNS},
    **{f"log_{name}_error": _applied(np.log, _error(name)) for name in _SIGNS},
    **{f"{name}_significance": _significance(name) for name in _SIGNS},
    **{f"asinh_{name}_significance": _applied(np.arcsinh, _significance(name)) for name in _SIGNS},
    **{f"signed_{name}": _product(_own(name), sign) for name, sign in _SIGNS.items()},
    **{f"signed_{name}_significance": _product(_significance(name), sign) for name, sign in _SIGNS.items()},
    **{
        f"asinh_signed_{name}_significance": _applied(np.arcsinh, _product(_significance(name), sign))
        for name, sign in _SIGNS.items()
    },
    **{f"jet_{name}": _of_jet(name) for name in ("pt", "eta", "phi", "mass")},
    "log_jet_pt": _applied(np.log, _of_jet("pt")),
}
"""All features of tracks by name.

==========================  ================================================================================
d0, z0                      impact parameters [mm]: the point of closest approach to the beam line is at
                            (-d0 sin phi, d0 cos phi, z0)
phi, eta, cot_theta         direction of the track there; cot_theta = cos theta / sin theta
pt                          transverse momentum [GeV]
log_pt                      its natural logarithm
charge                      in units of e
q_over_p                    charge over momentum [1/GeV]
pt_fraction                 pT of the track over that of the jet
delta_eta, delta_phi        angles of the track from the axis of the jet
..._error                   standard deviation of d0, z0 [mm]: the root of the diagonal of the covariance
log_..._error               its natural logarithm, of d0, z0 in mm
..._significance            d0, z0 over the standard deviation
signed_d0                   d0 times the sign of sin(phi of the jet - phi): positive where the track crosses the
                            plane of the jet axis and the beam line on the side to which the jet flies
signed_z0                   z0 times the sign of (eta of the jet - eta), the same along the beam
signed_..._significance     these over the standard deviation
asinh_...                   asinh of a significance: x near 0, +-log(2 abs(x)) far from it
jet_pt, jet_mass            of the jet [GeV]
log_jet_pt                  natural logarithm of its pT in GeV
jet_eta, jet_phi            of its axis, phi in rad
==========================  ================================================================================

All but phi and jet_phi are the same for a jet that is turned about the beam line together with its tracks.
"""

SET2GRAPH_FEATURES = ("d0", "z0", "phi", "cot_theta", "pt", "charge", "jet_pt", "jet_eta", "jet_phi", "jet_mass")
"""The ten features of arXiv:2008.02831 in their order; the last four are the jet's."""

RICH_FEATURES = (
    "d0",
    "z0",
    "delta_phi",
    "delta_eta",
    "log_pt",
    "charge",
    "cot_theta",
    "pt_fraction",
    "log_d0_error",
    "log_z0_error",
    "asinh_d0_significance",
    "asinh_z0_significance",
    "asinh_signed_d0_significance",
    "asinh_signed_z0_significance",
    "log_jet_pt",
    "jet_eta",
    "jet_mass",
)
"""Features that know the errors of the tracks and do not see the azimuth of the jet; the last three are the jet's."""


def flat_track_features(tracks: Constituents, names: Iterable[str], caller: str) -> NDArray[np.float32]:
    """Features of flat tracks, shape (m, f).

    Args:
        tracks: With the columns that the features are made of.
        names: The features.
        caller: The representation, for messages.

    Raises:
        ValueError: If a feature is not finite, such as a significance where a variance is not positive.
    """
    names = tuple(names)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        values = [TRACK_FEATURES[name].compute(tracks) for name in names]
    return as_float32(values, names, tracks.owner, caller)
