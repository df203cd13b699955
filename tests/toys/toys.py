"""Invented jets for the tests: two-prong "W" jets and one-prong "QCD" jets, in the record form of the readers.

Nothing here is physics; it is the smallest thing that has the right shape, is learnable, and is made from one seed.
"""

import awkward as ak
import numpy as np


def _prongs(rng, n, separated):
    """Offsets of the two prongs from the jet axis, shape (n, 2, 2) as (eta, phi)."""
    angle = rng.uniform(0, 2 * np.pi, n)
    distance = np.where(separated, rng.uniform(0.15, 0.3, n), 0.02)
    offset = distance[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return np.stack([offset, -offset], axis=1)


def toy_jets(n=200, seed=1, min_constituents=1, max_constituents=60):
    """Flat jets, shape (n,): kinematics, truth and ragged constituents with charge and impact parameters."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, n)
    counts = rng.integers(min_constituents, max_constituents + 1, n)
    jet_pt, jet_eta = rng.uniform(500, 700, n), rng.uniform(-2, 2, n)
    jet_phi = rng.uniform(-np.pi, np.pi, n)
    owner = np.repeat(np.arange(n), counts)
    total = len(owner)
    prong = rng.integers(0, 2, total)
    offset = _prongs(rng, n, label == 1)[owner, prong] + rng.normal(0, 0.04, (total, 2))
    fraction = rng.exponential(1, total)
    fraction /= np.bincount(owner, fraction, minlength=n)[owner]
    pt = fraction * jet_pt[owner]
    eta = jet_eta[owner] + offset[:, 0]
    phi = (jet_phi[owner] + offset[:, 1] + np.pi) % (2 * np.pi) - np.pi
    charge = rng.integers(-1, 2, total)
    mass = np.where(charge == 0, 0.0, 0.1396)
    energy = np.sqrt((pt * np.cosh(eta)) ** 2 + mass**2)
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    jet_px, jet_py, jet_pz, jet_energy = (np.bincount(owner, x, minlength=n) for x in (px, py, pz, energy))
    sum_pt = np.hypot(jet_px, jet_py)
    jet_mass = np.sqrt(np.maximum(jet_energy**2 - sum_pt**2 - jet_pz**2, 0.0))
    constituents = ak.unflatten(
        ak.zip(
            {
                "pt": pt.astype(np.float32),
                "eta": eta.astype(np.float32),
                "phi": phi.astype(np.float32),
                "mass": mass.astype(np.float32),
                "charge": charge.astype(np.int32),
                "pdg_id": np.where(charge == 0, 22, 211 * charge).astype(np.int32),
                "d0": rng.normal(0, 0.01, total).astype(np.float32),
                "d0_err": np.full(total, 0.01, np.float32),
                "dz": rng.normal(0, 0.02, total).astype(np.float32),
                "dz_err": np.full(total, 0.02, np.float32),
            }
        ),
        counts,
    )
    with np.errstate(divide="ignore"):
        sum_eta = np.arcsinh(np.divide(jet_pz, sum_pt))
    return ak.zip(
        {
            "pt": sum_pt.astype(np.float32),
            "eta": sum_eta.astype(np.float32),
            "phi": np.arctan2(jet_py, jet_px).astype(np.float32),
            "mass": jet_mass.astype(np.float32),
            "soft_drop_mass": (0.95 * jet_mass).astype(np.float32),
            "tau1": rng.uniform(0.1, 0.3, n).astype(np.float32),
            "tau2": (np.where(label == 1, 0.3, 0.7) * rng.uniform(0.1, 0.3, n)).astype(np.float32),
            "tau3": rng.uniform(0.01, 0.1, n).astype(np.float32),
            "truth_pdg_id": np.where(label == 1, 24, 0).astype(np.int32),
            "event_key": rng.integers(0, 2**63, n).astype(np.uint64),
            "constituents": constituents,
        },
        depth_limit=1,
    )


def toy_event_jets(n_events=100, seed=1, mean_jets=1.5):
    """Jets of events, shape (n_events, var): some events have none; jets of one event share its event_key."""
    rng = np.random.default_rng(seed + 1000)
    counts = rng.poisson(mean_jets, n_events)
    jets = toy_jets(int(counts.sum()), seed)
    keys = rng.integers(0, 2**63, n_events).astype(np.uint64)
    return ak.unflatten(ak.with_field(jets, np.repeat(keys, counts), "event_key"), counts)
