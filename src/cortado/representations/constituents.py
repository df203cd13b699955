"""Ragged constituents of jets as flat numpy columns, and back to padded arrays.

All representations start here. One flat array per field, with the index of each entry's jet beside it,
costs a few awkward operations per call; everything after that is plain numpy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.kinematics import wrap_phi
from cortado.names import nearest
from cortado.refused import RefusedObjects
from cortado.representations.missing import plain, present

__all__ = [
    "CENTRES",
    "Constituents",
    "as_float32",
    "blocks",
    "centred",
    "descending",
    "flat",
    "from_mean",
    "jet_mean",
    "jet_sum",
    "longest",
    "mask_of",
    "padded",
    "selected",
]

Floats = NDArray[np.float64]

CENTRES = {
    "axis": ("eta", "phi"),
    "centroid": (),
}
"""Origins of the angles, and the fields of the jet that each needs."""


class Constituents(NamedTuple):
    """The m constituents of n jets, jet after jet, in the order of falling pT or of the file.

    Attributes:
        counts: Number of constituents of each jet, shape (n,).
        owner: Index of each constituent's jet, shape (m,).
        columns: By field name, "constituents.pt" of shape (m,) and "pt" (of the jet) of shape (n,).
        collection: Field of the jets that holds the constituents.
    """

    counts: NDArray[np.int64]
    owner: NDArray[np.int64]
    columns: dict[str, Floats]
    collection: str = "constituents"

    @property
    def first(self) -> NDArray[np.int64]:
        """Index of the hardest constituent of each jet that has any; of the others it points elsewhere."""
        return np.cumsum(self.counts) - self.counts

    def own(self, name: str) -> Floats:
        """A column of the constituents, shape (m,)."""
        return self.columns[f"{self.collection}.{name}"]

    def jet(self, name: str) -> Floats:
        """A column of the jets, repeated for each constituent, shape (m,)."""
        return self.columns[name][self.owner]


def flat(
    jets: ak.Array,
    fields: Iterable[str],
    *,
    caller: str,
    collection: str = "constituents",
    by_pt: bool = True,
    of: str = "jet",
) -> Constituents:
    """Flat columns of the named fields, in float64; constituents of equal pT keep their order.

    Args:
        jets: Jets, shape (n,).
        fields: Names such as "pt" or "constituents.charge"; "constituents.pt" is read, too, if they are to be in its
            order.
        caller: The representation that asks, for messages.
        collection: Field that holds the constituents; it may be the tracks.
        by_pt: Whether to order them by pT; else they stay in the order of the file.
        of: What they are the constituents of, for messages.

    Raises:
        KeyError: If a field is missing.
        ValueError: If the jets are not one-dimensional, or a field is not a plain column of numbers.
        RefusedObjects: If a number is not finite, or the pT of a constituent is negative.
    """
    layout = ak.to_layout(jets, allow_record=False)
    if layout.purelist_depth != 1:
        raise ValueError(f"{caller} takes {of}s of shape (n,), got {ak.type(jets)!s:.60}; flatten the events first")
    names = tuple(dict.fromkeys(fields))
    columns = {name: _column(layout, name, caller, of) for name in names if "." not in name}
    inner = [name.partition(".")[2] for name in names if "." in name]
    if not inner:
        nothing = np.zeros(0, dtype=np.int64)
        return Constituents(np.zeros(layout.length, dtype=np.int64), nothing, columns)
    wanted = ("pt", *inner) if by_pt else inner
    counts, own = _constituents(layout, tuple(dict.fromkeys(wanted)), collection, caller, of)
    owner = np.repeat(np.arange(len(counts)), counts)
    for name, column in own.items():
        _require_finite(column, f"{collection}.{name}", owner, caller, of)
    if by_pt and not np.all((own["pt"][1:] <= own["pt"][:-1]) | (owner[1:] != owner[:-1])):
        order = descending(own["pt"], counts)
        own = {name: column[order] for name, column in own.items()}
    columns |= {f"{collection}.{name}": own[name] for name in own}
    return Constituents(counts, owner, columns, collection)


def centred(constituents: Constituents, centre: str) -> tuple[Floats, Floats]:
    """Pseudorapidity and azimuth of the constituents relative to the centre of their jet, shape (m,) each.

    Args:
        constituents: With pt, eta, phi, and the jets' eta and phi for the centre "axis".
        centre: "axis", or "centroid": the pT-weighted mean of the constituents.
    """
    if centre == "axis":
        eta, phi = (constituents.own(name) - constituents.jet(name) for name in ("eta", "phi"))
        return eta, wrap_phi(phi)
    return from_mean(constituents, constituents.own("pt"))


def from_mean(constituents: Constituents, weight: Floats) -> tuple[Floats, Floats]:
    """Pseudorapidity and azimuth relative to the weighted mean of each jet's constituents, shape (m,) each.

    Args:
        constituents: With eta and phi.
        weight: Not negative, shape (m,); if all of a jet's are 0, its hardest constituent is the centre.
    """
    # A mean of azimuths needs a branch on which the jet is whole: that of its hardest constituent.
    hardest = constituents.first[constituents.owner]
    eta, phi = constituents.own("eta"), constituents.own("phi")
    eta, phi = eta - eta[hardest], wrap_phi(phi - phi[hardest])
    mean_eta, mean_phi = (jet_mean(values, weight, constituents)[constituents.owner] for values in (eta, phi))
    return eta - mean_eta, wrap_phi(phi - mean_phi)


def jet_mean(values: Floats, weight: Floats, constituents: Constituents) -> Floats:
    """Weighted mean over the constituents of each jet, shape (n,); 0 where there is no weight."""
    total = jet_sum(weight, constituents)
    weighted = jet_sum(weight * values, constituents)
    return np.divide(weighted, total, out=np.zeros_like(total), where=total != 0)


def selected(constituents: Constituents, keep: NDArray[np.bool_]) -> Constituents:
    """Only some of the constituents; all jets stay."""
    n = len(constituents.counts)
    columns = {
        name: column[keep] if name.startswith(f"{constituents.collection}.") else column
        for name, column in constituents.columns.items()
    }
    owner = constituents.owner[keep]
    return Constituents(np.bincount(owner, minlength=n), owner, columns, constituents.collection)


def jet_sum(values: Floats, constituents: Constituents) -> Floats:
    """Sum over the constituents of each jet, shape (n,); 0 for a jet without any."""
    total: Floats = np.bincount(constituents.owner, values, minlength=len(constituents.counts)).astype(np.float64)
    return total


def longest(counts: NDArray[np.int64], at_most: int | None = None) -> int:
    """Length p to which jets are padded: that of the longest, at least 1."""
    length = max(int(counts.max(initial=0)), 1)
    return length if at_most is None else min(length, at_most)


def mask_of(counts: NDArray[np.int64], length: int) -> NDArray[np.bool_]:
    """True where there is a constituent, shape (n, p)."""
    mask: NDArray[np.bool_] = np.arange(length) < counts[:, np.newaxis]
    return mask


def padded(values: NDArray[Any], counts: NDArray[np.int64], length: int) -> NDArray[Any]:
    """Flat values, shape (m, ...), as a padded array, shape (n, p, ...): 0 where there is no constituent.

    Args:
        values: One entry per constituent, jet after jet.
        counts: Number of constituents of each jet, shape (n,).
        length: p; what a jet has beyond it is cut off, its softest constituents.
    """
    if longest(counts) > length:
        rank = np.arange(len(values)) - np.repeat(np.cumsum(counts) - counts, counts)
        values = values[rank < length]
    array = np.zeros((len(counts), length, *values.shape[1:]), dtype=values.dtype)
    array[mask_of(counts, length)] = values
    return array


def descending(values: Floats, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order of descending values inside each jet, shape (m,); equal ones keep theirs.

    Args:
        values: Finite, one per constituent, shape (m,).
        counts: Number of constituents of each jet, shape (n,).
    """
    mask = mask_of(counts, longest(counts))
    rows = np.full(mask.shape, np.inf)
    rows[mask] = -values
    # A stable sort of padded rows is five times as fast as one of all values by jet and value.
    order = rows.argsort(axis=1, kind="stable") + (np.cumsum(counts) - counts)[:, np.newaxis]
    flat_order: NDArray[np.int64] = order[mask]
    return flat_order


def blocks(counts: NDArray[np.int64], cells: int = 2**18) -> Iterator[NDArray[np.int64]]:
    """Indices of jets in groups of similar length p, such that jets * p^2 of a group stays below `cells`.

    Jets without constituents are in no group. A single jet may be bigger than a group ought to be.
    """
    order = np.argsort(counts, kind="stable")
    order = order[np.searchsorted(counts[order], 1) :]
    while len(order):
        size = max(int(cells // counts[order[-1]] ** 2), 1)
        yield order[-size:]
        order = order[:-size]


def as_float32(
    values: Sequence[Floats], names: Sequence[str], owner: NDArray[np.int64], caller: str, *, of: str = "jet"
) -> NDArray[np.float32]:
    """Stack columns of shape (m,) to (m, f) in float32.

    Args:
        values: One column per feature.
        names: Names of the features, for messages.
        owner: Index of the jet of each entry, shape (m,).
        caller: The representation that asks, for messages.
        of: What the owners are, for messages.

    Raises:
        RefusedObjects: If a value is not finite in float32.
    """
    stacked = np.empty((len(owner), len(names)), dtype=np.float32)
    with np.errstate(over="ignore"):
        for index, column in enumerate(values):
            stacked[:, index] = column
    if not np.isfinite(stacked).all():
        bad = ~np.isfinite(stacked)
        row, index = np.argwhere(bad)[0]
        raise RefusedObjects(
            f"{caller}: {names[index]} of {of} {owner[row]} is {values[index][row]}, must be finite",
            owner[bad[:, index]],
            f"a {names[index]} that is not finite",
        )
    return stacked


def _column(layout: Any, name: str, caller: str, of: str) -> Floats:
    _require(name, layout.fields, caller, of)
    column = _numbers(plain(layout[name].to_packed(), name, of), name, caller)
    _require_finite(column, name, None, caller, of)
    return column


def _constituents(
    layout: Any, names: tuple[str, ...], collection: str, caller: str, of: str
) -> tuple[NDArray[np.int64], dict[str, Floats]]:
    _require(collection, layout.fields, caller, of)
    nested = layout[collection]
    for name in names:
        _require(name, nested.fields, caller, of, prefix=f"{collection}.")
    packed = present(nested[list(names)], collection, of).to_packed()
    if packed.is_regular:
        packed = packed.to_ListOffsetArray64(True)
    if not packed.is_list or packed.purelist_depth != 2:
        raise ValueError(f"{caller}: {collection} must be one list per {of}, got {ak.type(packed)!s:.60}")
    counts = np.diff(np.asarray(packed.offsets))
    return counts, {name: _numbers(packed.content[name], f"{collection}.{name}", caller) for name in names}


def _numbers(content: Any, name: str, caller: str) -> Floats:
    if not (content.is_numpy or content.is_unknown):
        raise ValueError(f"{caller}: {name} must hold one number each, got {ak.type(content)!s:.60}")
    return np.asarray(ak.to_numpy(content), dtype=np.float64)


def _require(name: str, available: Sequence[str], caller: str, of: str, prefix: str = "") -> None:
    if name not in available:
        hint = nearest(name, available, prefix=prefix)
        raise KeyError(f"{caller} needs the field {prefix + name!r}, which the {of}s do not have; {hint}")


def _require_finite(column: Floats, name: str, owner: NDArray[np.int64] | None, caller: str, of: str) -> None:
    pt = name.endswith(".pt")
    bad = ~np.isfinite(column) | (column < 0) if pt else ~np.isfinite(column)
    if bad.any():
        refused = np.flatnonzero(bad) if owner is None else owner[bad]
        rule, wrong = ("finite and not negative", "negative or not finite") if pt else ("finite", "not finite")
        raise RefusedObjects(
            f"{caller}: {name} of {of} {refused[0]} is {column[bad][0]}, must be {rule}",
            refused,
            f"a {name} that is {wrong}",
        )
