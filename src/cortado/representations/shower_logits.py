"""Showers as logits of shares: of each layer in what is left of the energy, and of each cell in its layer.

All shares lie between 0 and 1, so that whatever a generator makes of their logits is a shower, and the energies of its
layers add up. A share x of L layers is

=====================  ============================================================================================
share                  value
=====================  ============================================================================================
`u_0`                  energy in the calorimeter / incident energy / `max_response`
`u_1` ... `u_(L-1)`    energy of the layers 0 ... L-2 / energy of this layer and all behind it
`hits_0`, ...          with `hits`: (number of cells that reach the `threshold` + uniform in (0, 1)) / (cells + 1)
`layer_0[0,0]`, ...    energy of the cell / energy of its layer
=====================  ============================================================================================

and its feature is logit(alpha + (1 - 2 alpha) x). Where nothing is left to share, the share is 0.

The few cells on the axis hold most of a layer. Where one has more, the others have less: two features say one thing,
and a network whose features are independent at first (flow matching) gets the sum of both wrong and their ratio. With
`core`, these cells are shared out as a tree: in the place of the first is the share of them all in the layer, in the
place of the first of each second half the share of the first half in both halves; and the other cells are shares of
what is left to them.

Many cells are empty. As a density cannot have a peak without width, an empty cell counts as one of a little energy,
uniform in (0, `noise`), when the shares in its layer are taken; on the way back it falls below the `threshold`.
CaloFlow adds such noise to all cells, here it leaves the others and the energies of the layers as they are.

Generators blur the step from empty cells to hit ones, and a weak layer with one hit cell of 72 becomes one with
several. With `hits`, the number of hit cells of each layer is a feature of its own, which a network learns well, and on
the way back as many cells are hit. A layer without energy then counts as one of a little, as its cells do.

All noise follows from the shower itself (random numbers of SplitMix64, whose seed is made of the bits of its energies),
so that a shower has the same features in each chunk, order and process.

References:
    Krause, Shih, CaloFlow (2021), arXiv:2106.05285.
    Favaro et al., CaloDREAM (2024), arXiv:2405.09629, section 2.
    Steele, Lea, Flood, Fast splittable pseudorandom number generators (2014), doi:10.1145/2660193.2660195.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import awkward as ak
import numpy as np
import scipy  # its parts, half a second, are imported when they are first used
from numpy.typing import ArrayLike, NDArray

from cortado.calorimeter import CALOGAN, Geometry, as_geometry, layer_names
from cortado.representations.showers import (
    Floats,
    ShowerInputs,
    cell_names,
    columns,
    in_layers,
    layer_energies,
    record,
    require_generated,
    require_in_range,
    require_range,
)
from cortado.splitmix import GOLDEN, scrambled

__all__ = ["ShowerLogits"]


@dataclass(frozen=True, kw_only=True)
class ShowerLogits:
    """Logits of the shares of layers, then of those of cells in their layers.

    Attributes:
        geometry: The calorimeter, also as nested tuples.
        energy_range: Least and greatest incident energy [GeV].
        max_response: Greatest energy in the calorimeter over incident energy; low energies in the first data set of the
            CaloChallenge need 3.1.
        noise: Greatest energy that an empty cell counts as [GeV]; 0 for none.
        threshold: Least energy of a cell that `inverse` gives, else the cell is empty [GeV].
        alpha: Keeps the logits of 0 and 1 finite: -13.8 and 13.8 for CaloFlow's 1e-6. Should be below the share that
            the noise has in the layer of most energy, else empty cells are hardly told from weak ones.
        core: Whether the cells on the axis are shared out among themselves, as above.
        hits: Whether the numbers of hit cells are features, as above.

    Raises:
        ValueError: If it is no geometry, or no range, or `max_response` is not positive and finite, or not
            0 <= noise <= threshold and 0 < threshold, or not 0 < alpha < 0.5.
    """

    geometry: Geometry = CALOGAN
    energy_range: tuple[float, float] = (1.0, 100.0)
    max_response: float = 1.5
    noise: float = 1e-6
    threshold: float = 1e-5
    alpha: float = 1e-6
    core: bool = False
    hits: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "geometry", as_geometry(self.geometry))
        require_range(self.energy_range, "ShowerLogits")
        if not 0 < self.max_response < np.inf:
            raise ValueError(f"ShowerLogits: max_response must be positive and finite, got {self.max_response}")
        if not (0 <= self.noise <= self.threshold and 0 < self.threshold < np.inf):
            raise ValueError(
                "ShowerLogits: 0 <= noise <= threshold and 0 < threshold is required, "
                f"got noise = {self.noise} and threshold = {self.threshold} GeV"
            )
        if not 0 < self.alpha < 0.5:
            raise ValueError(f"ShowerLogits: alpha must be between 0 and 0.5, got {self.alpha}")

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of a shower that this needs."""
        return ("energy", *layer_names(self.geometry))

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features."""
        numbers = range(len(self.geometry.layers))
        hits = [f"hits_{number}" for number in numbers] if self.hits else []
        return (*(f"u_{number}" for number in numbers), *hits, *cell_names(self.geometry))

    def rings(self, number: int = 0) -> tuple[tuple[int, ...], ...]:
        """Places, among the features, of those of the cells on the axis, then of each ring of cells around these."""
        begins = (self._leading + np.cumsum([0, *self.geometry.sizes])).tolist()
        discs = [
            [begin + cell for index, begin in enumerate(begins[:-1]) for cell in self.geometry.core(index, margin)]
            for margin in range(number + 1)
        ]
        return tuple(tuple(place for place in disc if place not in inner) for inner, disc in zip([[], *discs], discs))

    @property
    def least_spread(self) -> tuple[float, ...]:
        """What a fitted scaling divides each feature by at least.

        A cell that is hit in nearly all showers varies little, and would be many standard deviations away from the
        others where it is empty: a cell is divided by one logit at least, with a `core`, whose shares vary little but
        decide much, by 0.3. The shares of layers vary in all showers.
        """
        least = 0.3 if self.core else 1.0
        return (*(0.0 for _ in range(self._leading)), *(least for _ in range(sum(self.geometry.sizes))))

    def __call__(self, showers: ak.Array) -> ShowerInputs:
        """Compute the logits of showers.

        Args:
            showers: Showers with `fields`, shape (n,).

        Returns:
            Incident energies and logits.

        Raises:
            KeyError: If they have no energy.
            ValueError: If a layer does not fit the geometry, a number cannot be an energy, an incident energy is
                outside of the range, or a shower has more energy than `max_response` allows.
        """
        energy, values = columns(showers, self.geometry, "ShowerLogits")
        require_in_range(energy, self.energy_range, "ShowerLogits")
        by_layer, in_layer = layer_energies(values, self.geometry), in_layers(values, self.geometry)
        self._require_response(by_layer.sum(axis=1) / energy)
        seeds, cells = _seeds(energy, values), values.shape[1]
        filled = np.where(values > 0, values, self.noise * _uniform(seeds, 0, cells))
        if self.hits:
            by_layer = np.where(by_layer > 0, by_layer, self.noise * _uniform(seeds, cells, len(in_layer)))
        shares = [_layer_shares(by_layer, energy * self.max_response)]
        if self.hits:
            hits = np.stack([(part >= self.threshold).sum(axis=1) for part in in_layer], axis=1)
            sizes = np.array(self.geometry.sizes)
            shares.append((hits + _uniform(seeds, cells + len(sizes), len(sizes))) / (sizes + 1))
        for index, part in enumerate(in_layers(filled, self.geometry)):
            shares.append(_cell_shares(part, self._core(index)))
        features = np.concatenate([_logits(share, self.alpha) for share in shares], axis=1)
        return ShowerInputs(energy.astype(np.float32), features)

    def inverse(self, energy: ArrayLike, features: ArrayLike) -> ak.Array:
        """Make showers of logits.

        A layer keeps its energy: it goes to the largest set of cells of greatest shares that are all at or above the
        `threshold` when they share it; with `hits`, to as many cells as these say, but at least one and no more than
        can have the threshold, where cells of little share have just that. If the shares of cells (but for those on the
        axis, with `core`) are all 0, what is theirs goes to the one of the greatest feature. Only the energy of a layer
        that is below the threshold itself is lost.

        Args:
            energy: Incident energies [GeV], in the range or not, shape (n,).
            features: Logits, shape (n, f).

        Returns:
            Showers with `fields`, shape (n,).

        Raises:
            ValueError: If the shapes do not fit, an energy is not positive and finite, or a feature is not finite.
        """
        sizes, leading = np.array(self.geometry.sizes), self._leading
        energies, made = require_generated(energy, features, leading + sizes.sum(), "ShowerLogits")
        of_layers, of_cells = _shares(made[:, :leading], self.alpha), made[:, leading:]
        by_layer = _energies_of_layers(of_layers[:, : len(sizes)], energies * self.max_response)
        hits = np.clip(of_layers[:, len(sizes) :] * (sizes + 1), 1, sizes).astype(int) if self.hits else None
        shared = []
        for index, part in enumerate(in_layers(of_cells, self.geometry)):
            fractions = _fractions_of_cells(_shares(part, self.alpha), part, self._core(index))
            arguments = fractions, by_layer[:, index], self.threshold
            shared.append(_shared(*arguments) if hits is None else _shared_by(*arguments, hits[:, index]))
        return record(energies, np.concatenate(shared, axis=1), self.geometry)

    @property
    def _leading(self) -> int:
        """Number of features of layers."""
        return (2 if self.hits else 1) * len(self.geometry.layers)

    def _core(self, index: int) -> list[int]:
        return self.geometry.core(index) if self.core else []

    def _require_response(self, response: Floats) -> None:
        if (above := response > self.max_response).any():
            raise ValueError(
                f"ShowerLogits: in {above.sum()} of {len(response)} showers the calorimeter has more than max_response "
                f"= {self.max_response:g} times the incident energy, up to {response.max():.4g} times"
            )


def _logits(shares: Floats, alpha: float) -> NDArray[np.float32]:
    logits: NDArray[np.float32] = scipy.special.logit(alpha + (1 - 2 * alpha) * shares).astype(np.float32)
    return logits


def _shares(logits: NDArray[np.floating], alpha: float) -> Floats:
    """Inverse of `_logits`."""
    shares: Floats = np.clip((scipy.special.expit(logits.astype(np.float64)) - alpha) / (1 - 2 * alpha), 0, 1)
    return shares


def _layer_shares(by_layer: Floats, most: Floats) -> Floats:
    """Shares u, shape (n, layers), of layers of energies (n, layers), which are together at most `most` (n,)."""
    left = np.cumsum(by_layer[:, ::-1], axis=1)[:, ::-1]
    return np.concatenate([left[:, :1] / most[:, np.newaxis], _ratio(by_layer, left)[:, :-1]], axis=1)


def _energies_of_layers(shares: Floats, most: Floats) -> Floats:
    """Inverse of `_layer_shares`."""
    total, shares = most[:, np.newaxis] * shares[:, :1], shares[:, 1:]
    one = np.ones_like(total)
    left = total * np.cumprod(np.concatenate([one, 1 - shares], axis=1), axis=1)
    energies: Floats = left * np.concatenate([shares, one], axis=1)
    return energies


def _cell_shares(energies: Floats, core: list[int]) -> Floats:
    """Shares, shape (n, c), of cells of energies (n, c); those of the core as a tree."""
    shares, rest = np.empty_like(energies), _without(core, energies.shape[1])
    shares[:, rest] = _ratio(energies[:, rest], energies[:, rest].sum(axis=1, keepdims=True))
    if core:
        shares[:, core[0]] = _ratio(energies[:, core].sum(axis=1), energies.sum(axis=1))
    for first, second in _halvings(core):
        shares[:, second[0]] = _ratio(energies[:, first].sum(axis=1), energies[:, first + second].sum(axis=1))
    return shares


def _fractions_of_cells(shares: Floats, logits: NDArray[np.floating], core: list[int]) -> Floats:
    """Fractions of the energy of a layer, shape (n, c), from shares and their logits (n, c)."""
    fractions, rest = np.empty_like(shares), _without(core, shares.shape[1])
    fractions[:, core] = shares[:, core[:1]] if len(rest) else 1
    for first, second in _halvings(core):
        share = shares[:, second[:1]]
        fractions[:, first] *= share
        fractions[:, second] *= 1 - share
    if len(rest):
        others = shares[:, rest]
        empty = ~others.any(axis=1)
        others[empty, logits[empty][:, rest].argmax(axis=1)] = 1
        others /= others.sum(axis=1, keepdims=True)
        fractions[:, rest] = others * (1 - shares[:, core[:1]]) if core else others
    return fractions


def _without(core: list[int], cells: int) -> NDArray[np.intp]:
    return np.delete(np.arange(cells), core)


def _halvings(core: list[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Both halves of these cells, then those of each half, down to single cells."""
    if len(core) > 1:
        first, second = core[: len(core) // 2], core[len(core) // 2 :]
        yield first, second
        yield from _halvings(first)
        yield from _halvings(second)


def _shared(shares: Floats, energy: Floats, threshold: float) -> Floats:
    """Energies of cells of shares (n, c) in a layer of energies (n,): of the most cells that reach the threshold."""
    ranks, falling = _ranked(shares)
    enough = falling * energy[:, np.newaxis] >= threshold * np.cumsum(falling, axis=1)
    kept = np.where(ranks < _last(enough)[:, np.newaxis], shares, 0.0)
    return kept * _ratio(energy, kept.sum(axis=1))[:, np.newaxis]


def _shared_by(shares: Floats, energy: Floats, threshold: float, hits: NDArray[np.intp]) -> Floats:
    """Likewise of `hits` (n,) cells: those of least shares have the threshold, where their shares would be less."""
    hits = np.minimum(hits, (energy / threshold).astype(int))
    ranks, falling = _ranked(shares)
    weakest = np.maximum(hits[:, np.newaxis] - 1 - np.arange(shares.shape[1]), 0) * threshold
    enough = falling * (energy[:, np.newaxis] - weakest) >= threshold * np.cumsum(falling, axis=1)
    free = np.minimum(_last(enough), hits)
    kept = np.where(ranks < free[:, np.newaxis], shares, 0.0)
    scaled = kept * _ratio(energy - threshold * (hits - free), kept.sum(axis=1))[:, np.newaxis]
    return np.where((ranks >= free[:, np.newaxis]) & (ranks < hits[:, np.newaxis]), threshold, scaled)


def _ranked(shares: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Rank (n, c) of each share (n, c) from the greatest on, of equals the first before; the shares in that order."""
    order = np.argsort(-shares, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(shares.shape[1])[np.newaxis], axis=1)
    return ranks, np.take_along_axis(shares, order, axis=1)


def _last(flags: NDArray[np.bool_]) -> NDArray[np.intp]:
    """One more than the index of the last that is true in each row (n, c); 0 without one."""
    last: NDArray[np.intp] = np.where(flags, np.arange(1, flags.shape[1] + 1), 0).max(axis=1)
    return last


def _seeds(energy: Floats, values: Floats) -> NDArray[np.uint64]:
    """64 bits of each shower, shape (n,): from those of its incident energy and of all its cells in float32."""
    # Many showers of a test beam share the incident energy; the sum of integers is the same in any order.
    cells = values.astype(np.float32).view(np.uint32).sum(axis=1, dtype=np.uint64)
    incident = energy.astype(np.float32).view(np.uint32).astype(np.uint64)
    return np.asarray(scrambled(scrambled(incident) ^ cells))


def _uniform(seeds: NDArray[np.uint64], first: int, number: int) -> Floats:
    """The random numbers first, first + 1, ... of each seed, uniform in (0, 1), shape (n, number)."""
    counts = np.arange(first + 1, first + number + 1, dtype=np.uint64) * GOLDEN
    bits: NDArray[np.uint64] = scrambled(seeds[:, np.newaxis] + counts) >> np.uint64(12)
    return (bits.astype(np.float64) + 0.5) * 2.0**-52


def _ratio(above: Floats, below: Floats) -> Floats:
    """Quotient, 0 where there is nothing to divide by."""
    ratio: Floats = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    return ratio
