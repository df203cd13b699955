"""Events of helices in a barrel with discs: what graphs of hits and their networks are tested with."""

import awkward as ak
import numpy as np

RADII = np.array([32.0, 72, 116, 172, 260, 360, 500, 660, 820, 1020])  # mm, layers 0 to 9
HALF_LENGTHS = np.array([500.0] * 4 + [1080] * 6)
DISCS = np.array([600.0, 700, 820, 960, 1120, 1300, 1500])  # layers 10 to 16, and 20 to 26 at negative z
DISC_RADII = (30.0, 180.0)
BENDING = 0.3 * 2.0 / 1000  # GeV / mm in 2 T


def toy_hits(number, particles=20, *, seed=0, noise=0.05, scattering=True, min_pt=0.5):
    """Record of events with hits and particles.

    Args:
        number: Of events.
        particles: Mean number of particles of an event.
        seed: Of the random numbers.
        noise: Share of hits that belong to none.
        scattering: Whether directions change in each layer, by 2 % of a radiation length.
        min_pt: Least transverse momentum [GeV].
    """
    rng = np.random.default_rng(seed)
    event = np.repeat(np.arange(number), rng.poisson(particles, number))
    tracks = _tracks(rng, len(event), min_pt)
    hits, owner = _crossings(rng, tracks, scattering)
    many = rng.binomial(len(owner), noise) if len(owner) else 0
    source, turn = rng.integers(0, max(len(owner), 1), many), rng.uniform(-np.pi, np.pi, many)
    false = {name: values[source] for name, values in hits.items()} | {"phi": turn}
    false["z"] = np.where(false["layer"] < 10, false["z"] + rng.normal(0, 100, many), false["z"])
    hits = {name: np.concatenate([values, false[name]]) for name, values in hits.items()}
    hit_event = np.concatenate([event[owner], event[owner[source]]])
    identity = np.concatenate([owner + 2**60, np.zeros(many, np.int64)])
    order = np.lexsort((rng.random(len(identity)), hit_event))
    counts = np.bincount(hit_event, minlength=number)
    columns = _hit_columns(hits, identity, counts[hit_event])
    return ak.zip(
        {
            "event_key": np.arange(number, dtype=np.uint64),
            "hits": ak.unflatten(ak.zip({name: values[order] for name, values in columns.items()}), counts),
            "particles": ak.unflatten(ak.zip(_particle_columns(tracks, owner)), np.bincount(event, minlength=number)),
        },
        depth_limit=1,
    )


def _tracks(rng, number, min_pt):
    pt = min_pt + rng.exponential(0.7, number)
    charge = rng.choice([-1, 1], number)
    return {
        "pt": pt,
        "charge": charge,
        "half": -charge * BENDING / (2 * pt),  # 1 / (2 R)
        "phi": rng.uniform(-np.pi, np.pi, number),
        "cot": np.sinh(rng.uniform(-2.5, 2.5, number)),
        "z0": rng.normal(0, 55, number),
    }


def _crossings(rng, tracks, scattering):
    """Hits (r, phi, z, layer) of each track where it crosses barrel and discs, and the index of its track."""
    half, cot, z0 = (tracks[name][:, None] for name in ("half", "cot", "z0"))
    inside = np.abs(half) * RADII < 0.99
    z = z0 + cot * np.arcsin(np.where(inside, half * RADII, 0)) / half
    barrel = inside & (np.abs(z) < HALF_LENGTHS)
    ends = np.concatenate([DISCS, -DISCS])
    arc = (ends - z0) / cot
    r_disc = np.abs(np.sin(half * arc) / half)
    disc = (arc > 0) & (np.abs(half * arc) < 1.4) & (r_disc > DISC_RADII[0]) & (r_disc < DISC_RADII[1])
    layer = np.concatenate([np.arange(10), 10 + np.arange(7), 20 + np.arange(7)])
    r = np.concatenate([np.broadcast_to(RADII, z.shape), r_disc], axis=1)
    z = np.concatenate([z, np.broadcast_to(ends, r_disc.shape)], axis=1)
    owner, place = np.nonzero(np.concatenate([barrel, disc], axis=1))
    r, z, is_barrel = r[owner, place], z[owner, place], place < 10
    phi = tracks["phi"][owner] + np.arcsin(tracks["half"][owner] * r)
    along, across = _scattered(rng, tracks, owner, place, r) if scattering else np.zeros((2, len(owner)))
    phi = phi + across / r
    tilt = np.hypot(1, tracks["cot"][owner])
    z = np.where(is_barrel, z + along * tilt, z)
    r = np.where(is_barrel, r, r + along * tilt / np.abs(tracks["cot"][owner]))
    return {"r": r, "phi": phi, "z": z, "layer": layer[place]}, owner


def _scattered(rng, tracks, owner, place, r):
    """Displacements [mm] of hits by kicks in all layers before, and by a resolution of 0.02 mm; two directions."""
    momentum = tracks["pt"][owner] * np.hypot(1, tracks["cot"][owner])
    kick = 0.0136 / momentum * np.sqrt(0.02)
    order = np.lexsort((r, owner))
    shifts = np.zeros((2, len(owner)))
    for direction in shifts:
        angle = (rng.normal(size=len(owner)) * kick)[order]
        begins = np.flatnonzero(np.diff(owner[order], prepend=-1))
        start = np.repeat(begins, np.diff(np.append(begins, len(owner))))
        total, moment = (np.cumsum(values) - values for values in (angle, angle * r[order]))
        direction[order] = r[order] * (total - total[start]) - (moment - moment[start])
    return shifts + rng.normal(0, 0.02, shifts.shape)


def _hit_columns(hits, identity, per_event):
    return {
        "x": (hits["r"] * np.cos(hits["phi"])).astype(np.float32),
        "y": (hits["r"] * np.sin(hits["phi"])).astype(np.float32),
        "z": hits["z"].astype(np.float32),
        "layer": hits["layer"].astype(np.int32),
        "particle_id": identity,
        "weight": np.where(identity > 0, 1 / np.maximum(per_event, 1), 0).astype(np.float32),
    }


def _particle_columns(tracks, owner):
    number = len(tracks["pt"])
    zeros = np.zeros(number, np.float32)
    return {
        "particle_id": np.arange(number) + 2**60,
        "px": tracks["pt"] * np.cos(tracks["phi"]),
        "py": tracks["pt"] * np.sin(tracks["phi"]),
        "pz": tracks["pt"] * tracks["cot"],
        "vx": zeros,
        "vy": zeros,
        "vz": tracks["z0"].astype(np.float32),
        "charge": tracks["charge"].astype(np.int32),
        "n_hits": np.bincount(owner, minlength=number).astype(np.int32),
    }
