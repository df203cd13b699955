"""Maps of a smooth toy detector, made from one seed, without a file."""

import numpy as np

from cortado.readers.occupancy import map_record

SHAPE = (8, 12)


def shares(shape=SHAPE):
    rows, columns = np.indices(shape)
    made = 1 + 0.5 * np.cos(rows / 2) + 0.2 * (columns % 4)
    return made / made.sum()


def toy_values(n=200, seed=1, hits=20_000, shape=SHAPE):
    return np.random.default_rng(seed).poisson(hits * shares(shape), (n, *shape))


def toy_maps(n=200, seed=1, hits=20_000, values=None, lumis=10, name="occupancy"):
    values = toy_values(n, seed, hits) if values is None else values
    number = np.arange(len(values))
    return map_record(1000 * seed + number // lumis, number % lumis + 1, [name] * len(values), values)
