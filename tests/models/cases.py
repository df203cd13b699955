"""The models under the common laws of test_contract.py: a new model costs one row.

A row says how to make the published model, its number of parameters, a small one for the laws, and its inputs.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch

from cortado.models import EFN, MLP, PFN, JetImageCNN, ParticleNet
from cortado.models.particlenet import LITE


class Case(NamedTuple):
    name: str
    published: Callable[[], torch.nn.Module]
    parameters: int
    small: Callable[[], torch.nn.Module]
    inputs: Callable[..., tuple[torch.Tensor, ...]]
    ragged: bool  # has a mask, and constituents in dimension 1


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


def observables(lengths, seed=0, *, features=6):
    """As many rows of observables as there are lengths."""
    return (torch.randn(len(lengths), features, generator=torch.Generator().manual_seed(seed)),)


def images(lengths, seed=0, *, channels=1, pixels=25):
    """As many images, bright and dark ones, as there are lengths."""
    generator = torch.Generator().manual_seed(seed)
    pattern = torch.rand(len(lengths), channels, pixels, pixels, generator=generator)
    return (pattern * torch.rand(len(lengths), 1, 1, 1, generator=generator),)


CASES = [
    Case("MLP", partial(MLP, features=6), 8898, partial(MLP, features=6, hidden=(8,)), observables, False),
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
        "ParticleNet-Lite",
        partial(ParticleNet, **LITE),
        26_416,
        partial(ParticleNet, k=3, edge_convs=((6,),), hidden=8),
        cloud,
        True,
    ),
]
RAGGED = [case for case in CASES if case.ragged]
