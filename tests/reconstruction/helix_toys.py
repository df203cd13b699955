"""Toy helices from known vertices, with a full covariance matrix from which they are smeared."""

import awkward as ak
import numpy as np

from cortado.perigee import COVARIANCE, PARAMETERS, perigee

SCALE = np.array([0.02, 0.05, 3e-4, 3e-4, 2e-3])  # errors at 2 GeV [mm, mm, rad, rad, 1/GeV]


def toy_covariances(rng, pt):
    """Correlated covariance matrices, shape (m, 5, 5), larger for soft tracks."""
    mixing = np.eye(5) + 0.5 * np.tril(rng.uniform(-1, 1, (len(pt), 5, 5)), -1)
    factor = SCALE[:, None] * mixing * (0.5 + 1 / pt)[:, None, None]
    return factor @ np.swapaxes(factor, 1, 2)


def toy_directions(rng, m, around=None, spread=0.15):
    """phi, theta, q/p of tracks, shape (m, 3): isotropic, or close to given phi and theta, shape (m, 2)."""
    if around is None:
        around, spread = np.stack([rng.uniform(-np.pi, np.pi, m), rng.uniform(0.5, 2.6, m)], axis=-1), 0.0
    phi, theta = np.moveaxis(around + rng.normal(0, spread, (m, 2)), -1, 0)
    pt = 0.7 + rng.exponential(3, m)
    return np.stack([phi, theta, rng.choice([-1, 1], m) * np.sin(theta) / pt], axis=-1)


def toy_tracks(rng, position, direction, magnetic_field=2.0):
    """Smeared parameters (m, 5) and covariance (m, 5, 5) of tracks of given points and momenta there."""
    pt = np.sin(direction[:, 1]) / np.abs(direction[:, 2])
    covariance = toy_covariances(rng, pt)
    smear = (np.linalg.cholesky(covariance) @ rng.normal(size=(len(pt), 5, 1)))[..., 0]
    return perigee(position, direction, magnetic_field) + smear, covariance


def toy_flavour_jets(n=300, seed=1, mean_prompt=4, mean_secondary=3, flight=5.0):
    """Jets, shape (n,), with tracks of a primary vertex near 0 and of one secondary vertex along the jet axis."""
    rng = np.random.default_rng(seed)
    axis = np.stack([rng.uniform(-np.pi, np.pi, n), rng.uniform(0.6, 2.5, n)], axis=-1)
    counts = np.stack([rng.poisson(mean_prompt, n), rng.poisson(mean_secondary, n)], axis=-1)
    jet = np.repeat(np.arange(n), counts.sum(axis=1))
    vertex = np.repeat(np.tile([0, 1], n), counts.ravel())
    unit = np.stack([np.sin(axis[:, 1]) * np.cos(axis[:, 0]), np.sin(axis[:, 1]) * np.sin(axis[:, 0]),
                     np.cos(axis[:, 1])], axis=-1)  # fmt: skip
    length = 1.0 + rng.exponential(flight, n)
    position = np.where(vertex[:, None] == 1, (unit * length[:, None])[jet], 0.0)
    direction = toy_directions(rng, len(jet), around=axis[jet])
    parameters, covariance = toy_tracks(rng, position, direction)
    order = np.lexsort((rng.random(len(jet)), jet))
    return flavour_jets(
        parameters[order], covariance[order], counts.sum(axis=1),
        tracks={"vertex_index": vertex[order].astype(np.int32)},
        jets={"pt": np.full(n, 50.0), "phi": axis[:, 0], "eta": -np.log(np.tan(axis[:, 1] / 2)), "flight": length},
    )  # fmt: skip


def flavour_jets(parameters, covariance, counts, *, tracks=None, jets=None):
    """The record of readers from flat arrays."""
    fields = dict(zip(PARAMETERS, np.moveaxis(parameters, -1, 0)))
    if covariance is not None:
        rows, columns = np.triu_indices(5)
        fields |= dict(zip(COVARIANCE, np.moveaxis(covariance[:, rows, columns], -1, 0)))
    nested = ak.unflatten(ak.zip(fields | (tracks or {})), counts)
    return ak.zip({"tracks": nested} | (jets or {}), depth_limit=1)
