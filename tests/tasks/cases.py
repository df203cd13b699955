"""One row for each task: what the laws of `test_contract` are asked of. A new task adds a row."""

import functools
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import torch
from toy_hits import toy_hits
from toy_layers import toy_layers
from toy_showers import toy_showers
from toy_tracks import jets_of
from toys import toy_jets

from cortado.models import (
    MLP,
    PFN,
    CaloGAN,
    CaloGANDiscriminator,
    CaloVAE,
    CaloWGAN,
    CaloWGANCritic,
    ConditionalFlow,
    DenseAutoencoder,
    HitEmbedding,
    ImageAutoencoder,
    InteractionNetwork,
    SetAutoencoder,
    SetToGraph,
    TrackFollower,
    TrkXLSTM,
    VariationalAutoencoder,
)
from cortado.representations import (
    ConditionalColumns,
    HighLevel,
    HitCloud,
    HitGraph,
    HitSequence,
    JetImage,
    LayerImage,
    ParticleList,
    ShowerImages,
    ShowerLogits,
    TrackSet,
)
from cortado.tasks import (
    Batch,
    Classify,
    ClassifyEdges,
    Decorrelate,
    Embed,
    EstimateDensity,
    Follow,
    Generate,
    GenerateAgainst,
    Locate,
    Pair,
    Reconstruct,
    Regress,
    optional,
)
from cortado.truth.trajectories import with_hits


class Case(NamedTuple):
    """A task with the smallest network that can learn it.

    Attributes:
        each: Whether the merits are sums over the objects: noise and critics that compare a batch make them others.
    """

    task: Any
    representation: Any
    network: type
    arguments: dict[str, Any]
    objects: Any  # function of their number
    each: bool = True


def _is_w(jets):
    return jets.truth_pdg_id == 24


def _is_qcd(jets):
    return jets.truth_pdg_id == 0


def _is_unlabelled(jets):
    return jets.pt > 600


def _jets(number):
    return toy_jets(number, seed=4)


def _particles(task):
    arguments = {"features": 3, "phi": (8, 8), "hidden": (8,)}
    return Case(task, ParticleList(max_constituents=20), PFN, arguments, _jets)


def _followed(number):
    events = toy_hits(1 + number // 4, 12, seed=4, noise=0.0)
    particles = ak.flatten(with_hits(events.particles, events.hits))
    return particles[ak.num(particles.hits) > 3][:number]


_STRANGE = {"normal": _is_qcd, "anomalies": {"w": _is_w}}

_LAYERS = tuple((layer, layer + 1) for layer in range(9))

CASES = {
    "edges": Case(
        ClassifyEdges(weights=(2.0, 0.5)),
        HitGraph(pairs=_LAYERS, windows=((0.001, 200.0),) * len(_LAYERS)),
        InteractionNetwork,
        {"hidden": 8},
        lambda number: toy_hits(number, 6, seed=4, noise=0.3),
    ),
    "embed": Case(
        Embed(dimensions=3, radius=0.4, neighbours=6, weights=(2.0, 1.0), min_pt=0.6),
        HitCloud(),
        HitEmbedding,
        {"hidden": 8},
        lambda number: toy_hits(number, 6, seed=4, noise=0.3),
    ),
    "follow": Case(Follow(), HitSequence(), TrackFollower, {"hidden": 8, "head": (8,)}, _followed),
    "locate": Case(
        Locate(seed_layers=3),
        LayerImage(layers=12, pixels=10),
        TrkXLSTM,
        {"pixels": 10, "hidden": 8},
        lambda number: toy_layers(number, seed=4),
    ),
    "classify": _particles(Classify(classes={"qcd": _is_qcd, "w": _is_w}, signal="w", label_smoothing=0.1)),
    "decorrelate": Case(
        Decorrelate(
            task=Classify(classes={"qcd": _is_qcd, "w": _is_w}, signal="w"),
            adversary=functools.partial(MLP, hidden=(8,)),
            field="mass",
            bins=(0.0, 40.0, 80.0, 150.0),
            only=("qcd",),
        ),
        HighLevel(features=("tau21", "multiplicity")),
        MLP,
        {"features": 2, "hidden": (8,)},
        _jets,
    ),
    "adapt": Case(
        Decorrelate(
            task=Classify(
                classes={
                    "qcd": lambda jets: _is_qcd(jets) & ~_is_unlabelled(jets),
                    "w": lambda jets: _is_w(jets) & ~_is_unlabelled(jets),
                },
                signal="w",
            ),
            adversary=functools.partial(MLP, hidden=(8,), features=8),
            unlabelled=_is_unlabelled,
            layer="head.0",
        ),
        ParticleList(max_constituents=20),
        PFN,
        {"features": 3, "phi": (8, 8), "hidden": (8,)},
        _jets,
    ),
    "decorrelate_anomaly": Case(
        Decorrelate(
            task=Reconstruct(normal=_is_qcd, anomalies={"w": _is_w}),
            adversary=functools.partial(MLP, hidden=(8,), features=1),
            field="mass",
            bins=(0.0, 40.0, 80.0, 150.0),
            only=("normal",),
        ),
        HighLevel(features=("tau21", "multiplicity")),
        DenseAutoencoder,
        {"features": 2, "hidden": (8,), "latent": 1},
        _jets,
    ),
    "pair": Case(
        Pair(partition="tracks.vertex_index"),
        TrackSet(),
        SetToGraph,
        {"hidden": (8, 5), "edge_hidden": (8,)},
        lambda number: jets_of(number, seed=4),
    ),
    "huber": _particles(Regress(targets={"mass": "mass"}, relative_to="pt")),
    "gaussian": _particles(Regress(targets={"mass": "mass", "depth": "tau1"}, loss="gaussian")),
    "quantiles": Case(
        Regress(targets={"mass": "mass"}, loss=(0.16, 0.5, 0.84)),
        HighLevel(features=("pt", "multiplicity")),
        MLP,
        {"features": 2, "hidden": (8,)},
        _jets,
    ),
    "reconstruct": Case(
        Reconstruct(**_STRANGE),
        HighLevel(features=("tau21", "multiplicity")),
        DenseAutoencoder,
        {"features": 2, "hidden": (8,), "latent": 1},
        _jets,
    ),
    "reconstruct_images": Case(
        Reconstruct(**_STRANGE, smearing=1.0),
        JetImage(pixels=8),
        ImageAutoencoder,
        {"size": (8, 8), "filters": 4, "hidden": 4, "latent": 2, "softmax": False},
        _jets,
    ),
    "reconstruct_rates": Case(
        Reconstruct(loss="poisson", anomalies={"w": _is_w}),
        JetImage(pixels=8, channels=("multiplicity",)),
        ImageAutoencoder,
        {"size": (8, 8), "filters": 4, "hidden": 4, "latent": 2, "softmax": False},
        _jets,
    ),
    "reconstruct_sets": Case(
        Reconstruct(loss="chamfer", **_STRANGE),
        ParticleList(max_constituents=20),
        SetAutoencoder,
        {"features": 3, "particles": 5, "phi": (8,), "hidden": (8,), "latent": 2},
        _jets,
    ),
    "reconstruct_draws": Case(
        Reconstruct(noise=0.1, **_STRANGE),
        HighLevel(features=("tau21", "multiplicity")),
        VariationalAutoencoder,
        {"features": 2, "hidden": (8,), "latent": 1},
        _jets,
        each=False,
    ),
    "density": Case(
        EstimateDensity(),
        ConditionalColumns(features={"tau1": (0, 1), "mass": (0, None)}, condition={"pt": (0, 2000)}),
        ConditionalFlow,
        {"features": 2, "transforms": 2, "hidden": (8,)},
        _jets,
    ),
    "density_splines": Case(
        EstimateDensity(),
        ConditionalColumns(features={"tau1": (0, 1), "mass": (0, None)}, condition={"pt": (0, 2000)}),
        ConditionalFlow,
        {"features": 2, "transforms": 2, "hidden": (8,), "kind": "spline"},
        _jets,
    ),
    "generate": Case(
        Generate(),
        ShowerLogits(),
        CaloVAE,
        {"code": 4, "hidden": (8,)},
        lambda number: toy_showers(number, seed=4),
        each=False,
    ),
    "generate_against": Case(
        GenerateAgainst(critic=functools.partial(CaloGANDiscriminator, filters=(4, 3, 2, 2))),
        ShowerImages(),
        CaloGAN,
        {"latent": 16, "channels": 2, "filters": (3, 2)},
        lambda number: toy_showers(number, seed=4),
        each=False,
    ),
    "generate_against_with_penalty": Case(
        GenerateAgainst(critic=functools.partial(CaloWGANCritic, features=507, hidden=(8, 8)), penalty=10.0),
        ShowerLogits(),
        CaloWGAN,
        {"features": 507, "latent": 5, "hidden": (8,)},
        lambda number: toy_showers(number, seed=4),
        each=False,
    ),
}


class Made(NamedTuple):
    """A case with everything made, and the objects that it was made for."""

    case: Case
    task: Any  # fitted
    networks: dict[str, torch.nn.Module]
    objects: Any


def made(case, number=40):
    """The networks of a case, in evaluation, with statistics that are not the initial ones."""
    torch.manual_seed(1)
    objects = case.objects(number)
    task = optional.fitted(case.task, optional.sums(case.task, objects, np.ones(number)))
    networks = {"model": case.network(**case.arguments, **optional.arguments(task))}
    networks |= {name: rival.network() for name, rival in optional.rivals(task).items()}
    return Made(case, task, {name: network.eval() for name, network in networks.items()}, objects)


def batch_of(made, objects, weight=None, pad=0):
    """The batch that a training would make of objects; `pad` more places where there is a mask."""
    inputs = made.case.representation(objects)
    if pad:
        inputs = type(inputs)(*(_padded(array, pad) for array in inputs))
    target = made.task.target(objects, optional.category(made.task, objects), inputs)
    weight = np.ones(len(objects), np.float32) if weight is None else weight
    return Batch(tensors(inputs), tensors(target), torch.from_numpy(weight))


def _padded(array, pad):
    return np.pad(array, [(0, 0), (0, pad)] + [(0, 0)] * (array.ndim - 2))


def tensors(arrays):
    if isinstance(arrays, tuple):
        return type(arrays)(*map(tensors, arrays))
    return torch.from_numpy(np.ascontiguousarray(arrays))
