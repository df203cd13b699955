"""The models under the common laws of test_contract.py: a new model costs one row.

A row says how to make the published model, its number of parameters, a small one for the laws, and its inputs.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch

from cortado.models import (
    EFN,
    MLP,
    PFN,
    AsReference,
    CaloFlow,
    CaloFlowMatching,
    CaloFlowStudent,
    CaloGAN,
    CaloGANDiscriminator,
    CaloVAE,
    CaloWGAN,
    CaloWGANCritic,
    ConditionalFlow,
    DeepJet,
    DenseAutoencoder,
    DenseImageAutoencoder,
    EdgeFilter,
    EdgeFlavourTagger,
    FlavourTagger,
    GraphAttention,
    GraphConvolution,
    HeimelAutoencoder,
    HistogramAutoencoder,
    HitEmbedding,
    ImageAutoencoder,
    InteractionNetwork,
    JetImageCNN,
    ParticleNet,
    PrincipalComponents,
    SetAutoencoder,
    SetToGraph,
    TrackFollower,
    TrackPair,
    TrkXLSTM,
    TrkXNetwork,
    VariationalAutoencoder,
    VertexRNN,
)
from cortado.models.particlenet import LITE


class Case(NamedTuple):
    name: str
    published: Callable[[], torch.nn.Module]
    parameters: int
    small: Callable[[], torch.nn.Module]
    inputs: Callable[..., tuple[torch.Tensor, ...]]
    ragged: bool  # has a mask, and constituents in dimension 1
    classes: int = 2


class Generator(NamedTuple):
    name: str
    published: Callable[[], torch.nn.Module]
    parameters: int
    small: Callable[[], torch.nn.Module]
    features: int  # of the small one


class Critic(NamedTuple):
    name: str
    published: Callable[[], torch.nn.Module]
    parameters: int
    small: Callable[[], torch.nn.Module]


def particles(lengths, seed=0, *, features=3, longest=None):
    """Particle lists (features, mask), padded with zeros."""
    generator = torch.Generator().manual_seed(seed)
    longest = longest or max([*lengths, 1])
    mask = torch.arange(longest) < torch.tensor(lengths, dtype=torch.int64).unsqueeze(1)
    values = torch.randn(len(lengths), longest, features, generator=generator)
    return values * mask.unsqueeze(-1), mask


def cloud(lengths, seed=0, *, features=7, longest=None):
    """Point clouds (points, features, mask), padded with zeros."""
    values, mask = particles(lengths, seed, features=features, longest=longest)
    return 0.3 * values[..., :2], values, mask


def graphs(lengths, seed=0, *, features=10, longest=None):
    """Sets of tracks with edges (features, mask, edges), padded with zeros; p is 50 unless given."""
    values, mask = particles(lengths, seed, features=features, longest=longest or 50)
    edges = torch.rand(*mask.shape, mask.shape[1], generator=torch.Generator().manual_seed(seed))
    return values, mask, edges * mask.unsqueeze(1) * mask.unsqueeze(2)


def collections(lengths, seed=0, *, features=(15, 16, 6, 12), longest=31):
    """Jets with three collections: as many charged candidates as told, half as many neutral ones, a third vertices."""
    charged, neutral, vertices = (
        particles([length // part for length in lengths], seed + part, features=width, longest=longest // part)
        for part, width in zip((1, 2, 3), features[1:])
    )
    return (*observables(lengths, seed, features=features[0]), *charged, *neutral, *vertices)


def observables(lengths, seed=0, *, features=6):
    """As many rows of observables as there are lengths."""
    return (torch.randn(len(lengths), features, generator=torch.Generator().manual_seed(seed)),)


def images(lengths, seed=0, *, channels=1, pixels=25):
    """As many images, bright and dark ones, as there are lengths."""
    generator = torch.Generator().manual_seed(seed)
    pattern = torch.rand(len(lengths), channels, pixels, pixels, generator=generator)
    return (pattern * torch.rand(len(lengths), 1, 1, 1, generator=generator),)


def hit_graphs(lengths, seed=0):
    """Graphs with as many hits as told, joined: nodes, three edges for every two hits, and their features."""
    generator = torch.Generator().manual_seed(seed)
    edges = [3 * length // 2 if length > 1 else 0 for length in lengths]
    starts = torch.tensor([0, *lengths]).cumsum(0)
    ends = [torch.randint(max(n, 1), (2, m), generator=generator) for n, m in zip(lengths, edges)]
    index = torch.cat([torch.zeros(2, 0, dtype=torch.int64), *(e + s for e, s in zip(ends, starts))], dim=1)
    nodes = torch.randn(sum(lengths), 3, generator=generator)
    return nodes, index, torch.randn(sum(edges), 4, generator=generator)


def hit_clouds(lengths, seed=0):
    """Hits without edges, as many as told: nodes, and the event of each."""
    generator = torch.Generator().manual_seed(seed)
    event = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths, dtype=torch.int64))
    return torch.randn(len(event), 5, generator=generator), event


def pictures_of_layers(lengths, seed=0, *, pixels=10):
    """Pictures of 12 layers for as many events as there are lengths."""
    return (torch.rand(len(lengths), 12, pixels, generator=torch.Generator().manual_seed(seed)) < 0.2,)


def hit_sequences(lengths, seed=0):
    """Hits that move outwards [mm], as many as told, and their mask."""
    generator, longest = torch.Generator().manual_seed(seed), max(*lengths, 1)
    steps = torch.rand(len(lengths), longest, 3, generator=generator) * torch.tensor([40.0, 3, 50]) + 1
    mask = torch.arange(longest) < torch.tensor(lengths).unsqueeze(1)
    return torch.where(mask.unsqueeze(-1), steps.cumsum(1), 0.0), mask


CASES = [
    Case("MLP", partial(MLP, features=6), 8898, partial(MLP, features=6, hidden=(8,)), observables, False),
    Case(
        "MLP-gelu",
        partial(MLP, features=6, activation="gelu"),
        8898,
        partial(MLP, features=6, hidden=(8,), activation="gelu"),
        observables,
        False,
    ),
    Case(
        "MLP-bins",
        partial(MLP, features=6, bins=28),
        8898 + 6 * 8 * (28 + 1 + 64),  # slopes, biases, and the first layer
        partial(MLP, features=6, hidden=(8,), bins=5),
        observables,
        False,
    ),
    Case(
        "JetImageCNN",
        JetImageCNN,
        24_642,
        partial(JetImageCNN, filters=4, hidden=8, pixels=18),
        partial(images, pixels=18),
        False,
    ),
    Case("PFN", PFN, 82_458, partial(PFN, phi=(8, 8), hidden=(8,)), particles, True),
    Case("EFN", EFN, 82_358, partial(EFN, phi=(8, 8), hidden=(8,)), particles, True),
    Case(
        "ParticleNet",
        ParticleNet,
        366_160,
        partial(ParticleNet, k=4, edge_convs=((8, 8), (8, 12)), hidden=8),
        cloud,
        True,
    ),
    Case(
        "ParticleNet-fusion",
        partial(ParticleNet, fusion=384),
        571_728,
        partial(ParticleNet, k=4, edge_convs=((8, 8), (8, 12)), fusion=10, hidden=8),
        cloud,
        True,
    ),
    Case(
        "ParticleNet-Lite",
        partial(ParticleNet, **LITE),
        26_416,
        partial(ParticleNet, k=3, edge_convs=((6,),), hidden=8),
        cloud,
        True,
    ),
    # 265,252 in Keras, which gives an LSTM one bias, not two.
    Case("DeepJet", DeepJet, 265_252 + 1_000, partial(DeepJet, hidden=(12, 8)), collections, False, 6),
    Case("FlavourTagger", FlavourTagger, 328_741, FlavourTagger, partial(particles, features=10), True, 3),
    Case(
        "FlavourTagger-SetToGraph",
        partial(FlavourTagger, finder="SetToGraph"),
        328_741 + 457_449,
        partial(FlavourTagger, finder="SetToGraph", finder_arguments={"hidden": [8, 5], "edge_hidden": [8]}),
        partial(particles, features=10),
        True,
        3,
    ),
    Case(
        "EdgeFlavourTagger",
        EdgeFlavourTagger,
        328_741,
        partial(EdgeFlavourTagger, hidden=(20, 20), message_passings=2, message_hidden=10, message=5, head=(8,)),
        graphs,
        False,
        3,
    ),
]
RAGGED = [case for case in CASES if case.ragged]

FINDERS = [
    Case(
        "SetToGraph",
        SetToGraph,
        457_449,
        partial(SetToGraph, hidden=(20, 20, 5), edge_hidden=(8,)),
        partial(particles, features=10),
        True,
    ),
    Case(
        "SetToGraph-plus",
        partial(SetToGraph, plus=True),
        461_289,
        partial(SetToGraph, hidden=(20, 20, 5), edge_hidden=(8, 6), plus=True),
        partial(particles, features=10),
        True,
    ),
    Case(
        "TrackPair",
        TrackPair,
        452_742,
        partial(TrackPair, hidden=(20, 20, 5), edge_hidden=(8,)),
        partial(particles, features=10),
        True,
    ),
    Case(
        "VertexRNN",
        VertexRNN,
        1_005_147,
        partial(VertexRNN, hidden=(20, 20, 6), edge_hidden=(8,)),
        partial(particles, features=10),
        True,
    ),
]
"""Models that give logits (n, p, p) of pairs, under the laws of test_vertex_finders.py."""

EDGE_NETWORKS = [
    Case("InteractionNetwork", InteractionNetwork, 6_448, partial(InteractionNetwork, hidden=8), hit_graphs, False),
    Case("EdgeFilter", EdgeFilter, 9_217, partial(EdgeFilter, hidden=8), hit_graphs, False),
    Case("TrkXNetwork", TrkXNetwork, 26_049, partial(TrkXNetwork, hidden=8, iterations=2), hit_graphs, False),
    Case(
        "TrkXNetwork-all-pt",
        partial(TrkXNetwork, hidden=128, iterations=6),
        101_249,
        partial(TrkXNetwork, hidden=6, iterations=1),
        hit_graphs,
        False,
    ),
    Case(
        "GraphConvolution",
        GraphConvolution,
        # shortcuts, convolutions with biases, and the perceptron on edges
        2 * (3 + 2 * 40) * 40 + 3 * 40 + 85 * 40 + 41 * 40 + 41,
        partial(GraphConvolution, hidden=8),
        hit_graphs,
        False,
    ),
    Case(
        "GraphAttention",
        GraphAttention,
        # as above, with attention to two hits and an edge
        2 * (3 + 2 * 40) * 40 + 3 * 40 + 85 * 40 + 41 * 40 + 41 + 3 * (3 * 40 + 4 * 40),
        partial(GraphAttention, hidden=8),
        hit_graphs,
        False,
    ),
]
"""Models that give logits (E,) of edges, under the laws of test_edge_networks.py."""

SEQUENCES = [
    Case("TrkXLSTM", TrkXLSTM, 22_750, partial(TrkXLSTM, pixels=10, hidden=8), pictures_of_layers, False),
    Case("TrkXLSTM-100", partial(TrkXLSTM, hidden=100), 65_450, partial(TrkXLSTM, hidden=8), pictures_of_layers, False),
    Case("TrackFollower", TrackFollower, 24_455, partial(TrackFollower, hidden=8), hit_sequences, True),
]
"""Models of layers and hits in their order, under the laws of test_sequences.py."""

HIT_CLOUDS = [
    Case("HitEmbedding", HitEmbedding, 34_872, partial(HitEmbedding, hidden=16, dimensions=3), hit_clouds, False),
]
"""Models of hits without edges, under the laws of test_hit_embedding.py."""

LAYERS = ((2, 6), (4, 3), (3, 1))
FLOW = {"layers": (12, 12, 3), "layer_blocks": 2, "layer_hidden": (8,), "blocks": 3, "hidden": (10, 9), "bins": 4}
GENERATORS = [
    Generator(
        "CaloGAN",
        CaloGAN,
        29_726_280,
        partial(CaloGAN, layers=LAYERS, latent=12, channels=4, filters=(3, 2)),
        27,
    ),
    Generator("CaloFlow", CaloFlow, 79_134 + 37_835_280, partial(CaloFlow, **FLOW), 30),
    Generator(
        "CaloFlowStudent", CaloFlowStudent, 79_134 + 50_924_160, partial(CaloFlowStudent, **FLOW, teacher=FLOW), 30
    ),
    Generator(
        "CaloWGAN",
        CaloWGAN,
        231_208,
        partial(CaloWGAN, features=27, latent=4, hidden=(12, 8)),
        27,
    ),
    Generator("CaloVAE", CaloVAE, 1_096_758, partial(CaloVAE, features=27, code=4, hidden=(12, 8)), 27),
    Generator(
        "CaloFlowMatching",
        CaloFlowMatching,
        5_914_699,
        partial(
            CaloFlowMatching,
            layers=(12, 12, 3),
            groups=((7, 20), (9,)),
            layer_hidden=6,
            hidden=12,
            blocks=1,
            units=3,
            layer_steps=3,
            steps=2,
        ),
        30,
    ),
]
"""Models that give features (n, f) of showers, under the laws of test_generators.py."""

CRITICS = [
    Critic(
        "CaloGANDiscriminator",
        CaloGANDiscriminator,
        2_744_332,
        partial(CaloGANDiscriminator, layers=LAYERS, filters=(4, 3, 2, 2)),
    ),
    Critic("CaloWGANCritic", CaloWGANCritic, 764_569, partial(CaloWGANCritic, features=27, hidden=(12, 8))),
]
"""Models that judge showers of `GENERATORS`."""

FITTED = ("BoostedTrees", "IsolationForest", "NearestNeighbours", "OnnxNetwork")
"""Models without parameters, which scikit-learn fits, under the laws of tests/tasks/test_fit.py."""

WITHOUT_PARAMETERS = (AsReference, PrincipalComponents)

DENSITIES = (ConditionalFlow,)
"""Models of densities, under the laws of test_conditional_flow.py."""

AUTOENCODERS = {
    DenseAutoencoder: {"features": 3},
    DenseImageAutoencoder: {"pixels": 8},
    HeimelAutoencoder: {"pixels": 8},
    HistogramAutoencoder: {"size": (8, 8), "hidden": (12,)},
    ImageAutoencoder: {"size": (8, 8), "filters": 16},
    SetAutoencoder: {"features": 3},
    VariationalAutoencoder: {"features": 3},
}
"""Models that reproduce what they are given, under the laws of test_autoencoders.py, with small arguments."""
