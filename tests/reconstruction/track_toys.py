"""A barrel with discs at both ends, and tracks through it: exact crossings of helices, smeared."""

import awkward as ak
import numpy as np

from cortado.perigee import perigee, point
from cortado.reconstruction.helix_distance import HitErrors

FIELD = 2.0
BARREL = np.array([32.0, 72.0, 116.0, 172.0, 260.0, 360.0, 500.0, 660.0, 820.0, 1020.0])  # mm
LENGTH = 1000.0  # half of it
DISCS = np.array([1100.0, 1300.0, 1500.0, 1750.0, 2000.0])
RADII = (40.0, 1000.0)
ERRORS = np.array([0.02, 0.05])  # across and along [mm]


def toy_directions(rng, n, max_abs_eta=1.0, min_pt=0.7):
    """phi, theta, q/p, shape (n, 3)."""
    theta = 2 * np.arctan(np.exp(-rng.uniform(-max_abs_eta, max_abs_eta, n)))
    pt = min_pt + rng.exponential(1.5, n)
    return np.stack([rng.uniform(-np.pi, np.pi, n), theta, rng.choice([-1, 1], n) * np.sin(theta) / pt], axis=-1)


def crossings(parameters, field=FIELD):
    """Transverse path to each layer, shape (n, layers); NaN where a helix does not cross it going outwards."""
    d0, z0, _, theta, q_over_p = parameters.T
    omega = 0.299792458e-3 * field * q_over_p / np.sin(theta)
    square = (BARREL**2 - d0[:, None] ** 2) / (1 - omega * d0)[:, None]  # chord^2 from the perigee
    with np.errstate(invalid="ignore"):
        barrel = 2 / omega[:, None] * np.arcsin(omega[:, None] / 2 * np.sqrt(square))
        barrel[np.abs(z0[:, None] + barrel / np.tan(theta)[:, None]) > LENGTH] = np.nan
        disc = (np.concatenate([-DISCS[::-1], DISCS]) - z0[:, None]) * np.tan(theta)[:, None]
        disc[(disc < 0) | (np.abs(omega[:, None] * disc) > 2)] = np.nan
        disc[~np.isnan(disc)] = np.where(
            np.abs(np.hypot(*point(np.broadcast_to(parameters[:, None], (*disc.shape, 5)), np.nan_to_num(disc), field)
                            .T[:2]).T[~np.isnan(disc)] - np.mean(RADII)) < np.ptp(RADII) / 2,
            disc[~np.isnan(disc)], np.nan,
        )  # fmt: skip
    return np.concatenate([barrel, disc], axis=1)


def smeared(rng, points, layer):
    """Across: along the azimuth. Along: z in the barrel, the radius on discs."""
    radius, azimuth = np.hypot(points[:, 0], points[:, 1]), np.arctan2(points[:, 1], points[:, 0])
    across, along = (rng.normal(size=(2, len(points))).T * ERRORS).T
    disc = layer >= len(BARREL)
    radius, azimuth = radius + disc * along, azimuth + across / radius
    z = points[:, 2] + ~disc * along
    return np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), z], axis=-1)


def errors_of(layer):
    disc = np.asarray(layer) >= len(BARREL)
    return HitErrors(ERRORS[0], np.where(disc, 0.0, ERRORS[1]), np.where(disc, ERRORS[1], 0.0))


def toy_hits(rng, n, *, efficiency=1.0, max_abs_eta=1.0, spread=(0.1, 30.0), min_pt=0.7):
    """Perigee parameters (n, 5), and of each hit the point (h, 3), track (h,) and layer (h,), along the path."""
    vertex = np.stack([*rng.normal(0, spread[0], (2, n)), rng.normal(0, spread[1], n)], axis=-1)
    parameters = perigee(vertex, toy_directions(rng, n, max_abs_eta, min_pt), FIELD)
    path = crossings(parameters)
    path[rng.random(path.shape) > efficiency] = np.nan
    track, layer = np.nonzero(~np.isnan(path))
    order = np.lexsort((path[track, layer], track))
    track, layer = track[order], layer[order]
    points = smeared(rng, point(parameters[track], path[track, layer], FIELD), layer)
    return parameters, points, track, layer


def toy_events(seed=0, events=3, tracks=50, noise=0.05, **options):
    """Record of hits and particles, and the true track of each hit (n, var), -1 for noise."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(tracks, events)
    parameters, points, track, layer = toy_hits(rng, counts.sum(), **options)
    event = np.repeat(np.arange(events), counts)[track]
    extra = rng.integers(0, len(points), round(noise * len(points)))
    turn = rng.uniform(-np.pi, np.pi, len(extra))
    turned = points[extra] @ np.diag([1.0, 1.0, 1.0])
    turned[:, 0], turned[:, 1] = (
        points[extra, 0] * np.cos(turn) - points[extra, 1] * np.sin(turn),
        points[extra, 0] * np.sin(turn) + points[extra, 1] * np.cos(turn),
    )
    points, layer = np.concatenate([points, turned]), np.concatenate([layer, layer[extra]])
    first = np.cumsum(counts) - counts
    identity = np.concatenate([track - first[event] + 1, np.zeros(len(extra), dtype=int)])
    event = np.concatenate([event, event[extra]])
    order = np.lexsort((rng.random(len(event)), event))
    per_event = np.bincount(event, minlength=events)
    columns = dict(zip("xyz", points[order].astype(np.float32).T))
    columns |= {"layer": layer[order].astype(np.int32), "particle_id": identity[order].astype(np.int64)}
    hits = ak.unflatten(ak.zip(columns), per_event)
    return ak.zip({"hits": hits, "particles": _particles(parameters, track, layer, counts, points)}, depth_limit=1)


def _particles(parameters, track, layer, counts, points):
    _, z0, phi, theta, q_over_p = parameters.T
    pt, number = np.sin(theta) / np.abs(q_over_p), np.bincount(track, minlength=len(parameters))
    d0 = parameters[:, 0]
    columns = {"particle_id": np.concatenate([np.arange(1, k + 1) for k in counts]), "px": pt * np.cos(phi),
               "py": pt * np.sin(phi), "pz": pt / np.tan(theta), "vx": -d0 * np.sin(phi), "vy": d0 * np.cos(phi),
               "vz": z0, "charge": np.sign(q_over_p).astype(np.int32), "n_hits": number.astype(np.int32)}  # fmt: skip
    own = ak.unflatten(ak.zip(dict(zip("xyz", points[: len(track)].T)) | {"layer": layer[: len(track)]}), number)
    flat = ak.zip(columns | {"hits": own}, depth_limit=1)
    return ak.unflatten(flat, counts)


def scattered_hits(rng, n, radiation_lengths, **options):
    """As `toy_hits`, of barrel layers that scatter: parameters at the origin, points, track and layer."""
    parameters, *_ = toy_hits(rng, n, **options)
    now, points, tracks, layers = parameters.copy(), [], [], []
    for layer in range(len(BARREL)):
        path = crossings(now)[:, layer]
        on = np.flatnonzero(np.isfinite(path))
        state, at = now[on], path[on]
        place = point(state, at, FIELD)
        _, _, phi, theta, q_over_p = state.T
        omega = 0.299792458e-3 * FIELD * q_over_p / np.sin(theta)
        matter = radiation_lengths / np.sin(theta)
        angle = 0.0136 * np.abs(q_over_p) * np.sqrt(matter) * (1 + 0.038 * np.log(matter))
        turns = rng.normal(size=(2, len(on))) * angle
        direction = np.stack([phi - omega * at + turns[0] / np.sin(theta), theta + turns[1], q_over_p], axis=-1)
        now[on] = perigee(place, direction, FIELD)
        points.append(smeared(rng, place, np.full(len(on), layer)))
        tracks.append(on)
        layers.append(np.full(len(on), layer))
    return parameters, *(np.concatenate(column) for column in (points, tracks, layers))
