"""Invented showers for the tests, in the record form of the readers: bell curves in depth and around an axis.

Nothing here is physics; it is the smallest thing that has the right shape, is learnable, and is made from one seed.
"""

import awkward as ak
import numpy as np
import torch

from cortado import bundle
from cortado.calorimeter import CALOGAN, layers
from cortado.models import CaloVAE
from cortado.representations import ShowerLogits
from cortado.tasks import Showers


def toy_showers(n=200, seed=1, geometry=CALOGAN, *, energy_range=(1.0, 100.0), pdg_id=None, is_generated=None):
    """Flat showers, shape (n,): deeper and narrower at high energy; most of the energy seen, many cells of none."""
    rng = np.random.default_rng(seed)
    energy = rng.uniform(*energy_range, n).astype(np.float32)
    response = rng.beta(90, 3, n)  # 0.97 on average, below 1
    depth = 0.4 + 0.06 * np.log10(energy) + rng.normal(0, 0.04, n)
    axis, width = rng.normal(0, 10, (n, 2)), 45 - 8 * np.log10(energy) + rng.normal(0, 3, n)  # mm
    places = (np.arange(len(geometry.layers)) + 0.5) / len(geometry.layers)
    fractions = np.exp(-0.5 * ((places - depth[:, None]) / 0.17) ** 2)
    shares = [_in_layer(rng, geometry, index, axis, width) for index in range(len(geometry.layers))]
    values = np.concatenate([share * fractions[:, [index]] for index, share in enumerate(shares)], axis=1)
    values *= (energy * response / values.sum(axis=1))[:, None]
    fields = {"energy": energy, **layers(values.astype(np.float32), geometry)}
    fields |= {} if pdg_id is None else {"pdg_id": np.full(n, pdg_id, np.int32)}
    fields |= {} if is_generated is None else {"is_generated": np.full(n, is_generated)}
    return ak.zip({**fields, "event_key": rng.integers(0, 2**63, n).astype(np.uint64)}, depth_limit=1)


def save_generator(path, seed=1, **changes):
    """Write the bundle of an untrained generator."""
    arguments = {"code": 3, "hidden": (8,)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = CaloVAE(**arguments)
    chain = {"representation": ShowerLogits(), "model": model, "arguments": arguments}
    use = Showers(energy_range=(1.0, 100.0), latent=model.latent)
    return bundle.save(bundle.Bundle(**(chain | {"use": use} | changes)), path, canary=toy_showers(4))


def _in_layer(rng, geometry, index, axis, width):
    """Shares of the cells of a layer, shape (n, cells)."""
    layer, (x, y) = geometry.layers[index], geometry.centres(index)
    rows, columns = np.diff(layer.rows)[:, None], np.diff(layer.columns)
    area = rows * columns * (np.hypot(x, y) if geometry.coordinates == "polar" else 1.0)
    distance = np.hypot(x.ravel() - axis[:, :1], y.ravel() - axis[:, 1:])
    share = area.ravel() / (1 + (distance / width[:, None]) ** 2) ** 2
    share *= rng.gamma(3, 1 / 3, share.shape)
    share[share < 0.005 * share.max(axis=1, keepdims=True)] = 0
    return share / share.sum(axis=1, keepdims=True)
