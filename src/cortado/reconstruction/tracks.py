"""Tracks of jets as flat arrays of perigee parameters and covariance matrices, checked."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.names import nearest
from cortado.perigee import COVARIANCE, PARAMETERS

__all__ = ["Resolution", "Tracks", "flat_tracks", "typical_resolution"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

Resolution = Callable[[Floats, Floats], Floats]
"""Errors of d0, z0, phi, theta, q/p, shape (m, 5), of tracks of given pt [GeV] and eta, shape (m,) each."""

_ROWS, _COLUMNS = np.triu_indices(5)


class Tracks(NamedTuple):
    """The m tracks of n jets that can be fitted, jet after jet.

    Attributes:
        counts: Number of tracks of each jet, with those that cannot be fitted, shape (n,).
        jet: Index of the jet of each track, shape (m,).
        entry: Index of each track among all those of the jets, shape (m,).
        parameters: d0, z0, phi, theta, q/p [mm, mm, rad, rad, 1/GeV], shape (m, 5).
        covariance: Of the parameters, shape (m, 5, 5).
    """

    counts: Integers
    jet: Integers
    entry: Integers
    parameters: Floats
    covariance: Floats


def typical_resolution(pt: Floats, eta: Floats) -> Floats:
    """Assumed errors of the perigee parameters in an LHC pixel detector, for files without any, shape (m, 5).

    A constant (alignment, pixel size) and multiple scattering, which falls with the transverse momentum and grows
    with the matter crossed, are added in quadrature. The numbers are round ones of the right size, not fitted to any
    detector, nor to the published Set2Graph jets, whose file holds no errors: a vertex fitted with them has a rough
    chi2. Whoever knows the errors of a sample gives a function of their own.

    Args:
        pt: Transverse momentum [GeV], shape (m,).
        eta: Pseudorapidity, shape (m,).
    """
    cosh = np.cosh(eta)  # 1 / sin theta
    scattering = np.sqrt(cosh) / pt
    d0 = np.hypot(0.012, 0.075 * scattering)  # mm
    z0 = np.hypot(0.050, 0.090 * scattering * cosh)  # mm
    phi = np.hypot(1e-4, 2e-3 * scattering)
    theta = np.hypot(3e-4, 2e-3 * scattering)
    q_over_p = np.hypot(0.012 / (pt * cosh), 4e-4 / cosh)  # 1.2 % and 0.04 % per GeV of pt
    return np.stack([d0, z0, phi, theta, q_over_p], axis=-1)


def flat_tracks(
    jets: ak.Array,
    *,
    resolution: Resolution | None = None,
    skip_unfit: bool = False,
    caller: str = "flat_tracks",
    owner: str = "jet",
) -> Tracks:
    """Perigee parameters and covariance matrices of the tracks of jets.

    Args:
        jets: Jets with `tracks`, shape (n,); a jet may have none.
        resolution: Errors to assume, uncorrelated, instead of the covariance in the record; `typical_resolution`
            will do where the record has none.
        skip_unfit: Leave out tracks that cannot be fitted and say in a warning how many, instead of refusing them.
        caller: The function that asks, for messages.
        owner: What has the tracks, for messages.

    Raises:
        KeyError: If a field is missing.
        ValueError: If the jets are not of shape (n,) with one list of tracks each, a field does not hold plain
            numbers, or a track cannot be fitted: a number is not finite, theta is not between 0 and pi, q/p is 0,
            or the covariance matrix is not positive definite.
    """
    layout = ak.to_layout(jets, allow_record=False)
    if layout.purelist_depth != 1:
        raise ValueError(f"{caller} takes jets of shape (n,), got {ak.type(jets)!s:.60}; flatten the events first")
    _require("tracks", layout.fields, caller)
    nested = layout["tracks"].to_packed()
    if nested.is_regular:
        nested = nested.to_ListOffsetArray64(True)
    if not nested.is_list or nested.purelist_depth != 2:
        raise ValueError(f"{caller}: tracks must be one list per {owner}, got {ak.type(nested)!s:.60}")
    counts = np.diff(np.asarray(nested.offsets))
    for name in PARAMETERS:
        _require(name, nested.fields, caller, prefix="tracks.")
    parameters = _columns(nested.content, PARAMETERS, caller)
    if resolution is None:
        covariance = _covariance_of(nested.content, caller)
    else:
        covariance = _covariance_by(resolution, parameters, caller)
    jet, entry = np.repeat(np.arange(len(counts)), counts), np.arange(len(parameters))
    first = np.cumsum(counts) - counts

    def place(track: int) -> str:
        return f"{track - first[jet[track]]} of {owner} {jet[track]}"

    fit = _fit(parameters, covariance, skip_unfit, caller, place)
    return Tracks(counts, jet[fit], entry[fit], parameters[fit], covariance[fit])


def _covariance_of(content: Any, caller: str) -> Floats:
    """Covariance matrices from the record, shape (m, 5, 5)."""
    if absent := [name for name in COVARIANCE if name not in content.fields]:
        raise KeyError(
            f"{caller} needs the covariance of the tracks, but these fields are missing: {', '.join(absent)}; for a "
            "file without it give a function of errors: resolution=typical_resolution, or your own of (pt, eta)"
        )
    triangle = _columns(content, COVARIANCE, caller)
    covariance = np.empty((len(triangle), 5, 5))
    covariance[:, _ROWS, _COLUMNS] = covariance[:, _COLUMNS, _ROWS] = triangle
    return covariance


def _covariance_by(resolution: Resolution, parameters: Floats, caller: str) -> Floats:
    """Diagonal covariance matrices of a function of pt and eta, shape (m, 5, 5)."""
    theta, q_over_p = parameters[:, 3], parameters[:, 4]
    with np.errstate(all="ignore"):  # a track for which this is not finite is named later
        errors = resolution(np.sin(theta) / np.abs(q_over_p), -np.log(np.tan(theta / 2)))
    if np.shape(errors) != parameters.shape:
        raise ValueError(f"{caller}: resolution gave shape {np.shape(errors)}, needed is {parameters.shape}")
    return np.eye(5) * np.square(errors)[:, np.newaxis, :]


def _fit(
    parameters: Floats, covariance: Floats, skip_unfit: bool, caller: str, place: Callable[[int], str]
) -> NDArray[np.bool_]:
    """Which tracks can be fitted, shape (m,); refuses the first that cannot unless they are to be skipped."""
    fit = np.ones(len(parameters), dtype=np.bool_)
    triangle = covariance[:, _ROWS, _COLUMNS]
    checks = [(name, "finite", parameters[:, i], np.isfinite(parameters[:, i])) for i, name in enumerate(PARAMETERS)]
    theta, q_over_p = parameters[:, 3], parameters[:, 4]
    checks.append(("theta", "between 0 and pi", theta, (theta > 0) & (theta < np.pi)))
    checks.append(("q_over_p", "other than 0", q_over_p, q_over_p != 0))
    checks += [(name, "finite", triangle[:, i], np.isfinite(triangle[:, i])) for i, name in enumerate(COVARIANCE)]
    smallest = _smallest_eigenvalue(covariance)
    checks.append(("smallest eigenvalue of its correlation matrix", "positive", smallest, smallest > 0))
    for name, rule, values, good in checks:
        if not (skip_unfit or good.all()):
            bad = int(np.argmin(good))
            raise ValueError(
                f"{caller}: track {place(bad)} cannot be fitted: {name} is {values[bad]}, must be {rule}; "
                "skip_unfit=True leaves such tracks out"
            )
        fit &= good
    if not fit.all():
        warnings.warn(f"{caller}: {(~fit).sum()} of {len(fit)} tracks cannot be fitted, left out", stacklevel=4)
    return fit


def _smallest_eigenvalue(covariance: Floats) -> Floats:
    """Smallest eigenvalue of each correlation matrix, shape (m,); 1 where the others need not be known.

    One Cholesky decomposition of all is 20 times as fast as eigenvalues, and usually all there is to do.
    """
    diagonal = np.diagonal(covariance, axis1=1, axis2=2)
    with np.errstate(all="ignore"):
        scale = 1 / np.sqrt(diagonal)
        correlation = covariance * scale[:, :, np.newaxis] * scale[:, np.newaxis, :]
    known = np.isfinite(correlation).all(axis=(1, 2))
    smallest = np.where(known | ~np.isfinite(diagonal).all(axis=1), 1.0, diagonal.min(axis=1, initial=np.inf))
    try:
        np.linalg.cholesky(correlation[known])
    except np.linalg.LinAlgError:
        smallest[known] = np.linalg.eigvalsh(correlation[known])[:, 0]
    return smallest


def _columns(content: Any, names: tuple[str, ...], caller: str) -> Floats:
    """Named columns of numbers, in float64, shape (m, number of names)."""
    for name in names:
        column = content[name]
        if column.is_option and np.all(column.mask_as_bool(valid_when=True)):
            column = column.project()
        if column.is_option or not (column.is_numpy or column.is_unknown):
            raise ValueError(
                f"{caller}: tracks.{name} must hold one number each and none missing, got {ak.type(column)!s:.60}"
            )
    return np.stack([np.asarray(ak.to_numpy(content[name]), dtype=np.float64) for name in names], axis=-1)


def _require(name: str, available: list[str], caller: str, prefix: str = "") -> None:
    if name not in available:
        hint = nearest(name, available, prefix=prefix)
        raise KeyError(f"{caller} needs the field {prefix + name!r}, which the jets do not have; {hint}")
