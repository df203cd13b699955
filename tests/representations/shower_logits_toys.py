"""Showers and logits that the tests of them share."""

import math

import awkward as ak
import numpy as np
import pytest
from toy_showers import toy_showers

from cortado.calorimeter import CALOGAN, cells, layers
from cortado.representations import ShowerLogits

LOGITS = ShowerLogits()
LAYERS = ("layer_0", "layer_1", "layer_2")
KINDS = {"cells": {}, "core": {"core": True}, "hits": {"hits": True}, "core and hits": {"core": True, "hits": True}}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def showers_of(values, energy=10.0, geometry=CALOGAN):
    """Showers of cells (n, cells) [GeV]."""
    values = np.asarray(values, np.float32)
    return ak.zip({"energy": np.full(len(values), energy, np.float32), **layers(values, geometry)}, depth_limit=1)


def clean_showers(n, seed=2, geometry=CALOGAN):
    """Toy showers without cells between 0 and the threshold."""
    showers = toy_showers(n, seed, geometry)
    values = cells(showers, geometry)
    return ak.zip({"energy": showers.energy, **layers(np.where(values > 1.001e-5, values, 0), geometry)}, depth_limit=1)


def logit(share):
    x = 1e-6 + (1 - 2e-6) * share
    return math.log(x / (1 - x))


def shares_of(logits):
    return np.clip((1 / (1 + np.exp(-np.asarray(logits, float))) - 1e-6) / (1 - 2e-6), 0, 1)


def energies_of_layers(showers):
    """Shape (n, layers)."""
    names = [name for name in showers.fields if name.startswith("layer_")]
    return np.stack([ak.to_numpy(showers[name]).sum(axis=(1, 2), dtype=float) for name in names], axis=1)
