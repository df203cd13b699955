"""Jets of the Set2Graph dialect in which vertices can be learned at once: those of d0 near 0 and of d0 near 3 mm."""

import awkward as ak
import numpy as np
import torch
from samples import branches, write_tree

from cortado import bundle, readers
from cortado.models import SetToGraph
from cortado.representations import TrackSet
from cortado.representations.track_set import SET2GRAPH_FEATURES
from cortado.scaling import SET2GRAPH_SCALING
from cortado.tasks import Pairs

COUNTS_MAX = 8


def track_columns(number=300, seed=1, *, truth=True, covariance=True):
    """Branches of so many jets with up to 7 tracks, some with none; b jets have more tracks of the second vertex."""
    rng = np.random.default_rng(seed)
    flavour = rng.choice([5, 4, 0], number)
    counts = rng.integers(0, COUNTS_MAX, number)
    jet = np.repeat(np.arange(number), counts)
    m = len(jet)
    share = np.select([flavour == 5, flavour == 4], [0.6, 0.35], 0.1)[jet]
    vertex = (rng.random(m) < share).astype(np.int32)
    pt, charge = rng.uniform(1, 20, m), rng.choice([-1.0, 1.0], m)
    eta, phi = rng.uniform(-2, 2, number), rng.uniform(-3, 3, number)
    tracks = {
        "trk_d0": rng.normal(0, 0.02, m) + 3.0 * vertex,
        "trk_z0": rng.normal(0, 0.05, m),
        "trk_phi": phi[jet] + rng.normal(0, 0.1, m),
        "trk_ctgtheta": np.sinh(eta[jet] + rng.normal(0, 0.1, m)),
        "trk_pt": pt,
        "trk_charge": charge,
    }
    if covariance:
        names = ("d0", "z0", "phi", "theta", "q_over_p")
        for i, one in enumerate(names):
            for j, other in enumerate(names[i:], start=i):
                value = (0.02, 0.05, 1e-3, 1e-3, 1e-3)[i] ** 2 if i == j else 0.0
                tracks[f"trk_cov_{one}_{other}"] = np.full(m, value)
    jets = {"jet_pt": rng.uniform(25, 100, number), "jet_eta": eta, "jet_phi": phi, "jet_M": rng.uniform(3, 10, number)}
    if truth:
        tracks["trk_vtx_index"] = vertex
        jets["jet_flav"] = flavour.astype(np.int32)
    return jets | {name: ak.unflatten(np.asarray(column, _kind(column)), counts) for name, column in tracks.items()}


def write_tracks(path, number=300, seed=1, **options):
    """The same as a file."""
    write_tree(path, track_columns(number, seed, **options), tree="tree")
    return path


def jets_of(number=40, seed=2, **options):
    """The same as jets of a record, shape (number,)."""
    return ak.flatten(readers.set2graph.jets(branches(track_columns(number, seed, **options))))


def save_finder(path, features=SET2GRAPH_FEATURES, *, seed=3, **changes):
    """Write the bundle of an untrained vertex finder, whose answers are spread about one half."""
    arguments = {"features": len(features), "hidden": (16, 16, 5), "edge_hidden": (16,)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = SetToGraph(**arguments)
    chain = {
        "representation": TrackSet(features=features),
        "scaling": SET2GRAPH_SCALING if features == SET2GRAPH_FEATURES else None,
        "model": model.eval(),
        "arguments": arguments,
        "use": Pairs(collection="tracks"),
    }
    return bundle.save(bundle.Bundle(**(chain | changes)), path, canary=jets_of()[:8])


def _kind(column):
    return np.int32 if np.issubdtype(np.asarray(column).dtype, np.integer) else np.float32
