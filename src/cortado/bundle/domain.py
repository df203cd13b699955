"""Where a score may be used: what a training has seen, and how far a sample of objects is from it.

A bundle keeps, of its validation objects, the distribution of each input, of pT and of multiplicity by class, and how
many signal objects pass each working point in every bin. Of a sample the same quantities are counted, chunk by chunk.
It may hold the classes in any mixture: their fractions are fitted first, common to all quantities, and what is left is
the shift. How much a shift matters is estimated by giving the signal objects of the training the distribution of the
sample: the efficiency that a working point then has. The estimate takes one quantity at a time, and cannot see what is
not counted here.

Shapes: n objects, q quantities, c classes, b bins, w working points.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import scipy  # its parts, half a second, are imported when they are first used
from numpy.typing import NDArray

__all__ = [
    "Domain",
    "Shift",
    "counts_of",
    "domain_of",
    "from_json",
    "quantities",
    "shifts_of",
    "to_json",
    "told_of_shifts",
    "warn_of_shifts",
]

Floats = NDArray[np.float64]

BINS = 20
SIGNIFICANT = 5.0  # standard deviations, after the number of quantities
LARGE = 0.10  # of the efficiency of a working point
FEWEST = 200  # objects of a sample of which something is said
_FITS = 3


class Domain(NamedTuple):
    """What a training has seen.

    Attributes:
        quantities: Names, (q,).
        ranges: Smallest and largest value of each, (q, 2).
        edges: Inner edges of the bins of each, (q, b - 1); infinite where there are fewer bins.
        members: Validation objects, (q, c, b).
        passing: Those of the signal that pass, (q, w, b).
        signal: Index of the class of the signal.
        working_points: Their names, (w,).
    """

    quantities: tuple[str, ...]
    ranges: Any
    edges: Any
    members: Any
    passing: Any
    signal: int
    working_points: tuple[str, ...]


class Shift(NamedTuple):
    """How far a sample is from what a training has seen, in one quantity.

    Attributes:
        quantity: Its name.
        significance: Standard deviations, after the number of quantities that were looked at.
        outside: Share of the sample below the smallest or above the largest value of the training.
        working_point: The one whose efficiency would change most; empty without working points.
        change: By which factor, less one.
    """

    quantity: str
    significance: float
    outside: float
    working_point: str
    change: float

    @property
    def matters(self) -> bool:
        """Whether it is both significant and large: of objects out of range the efficiency is not known at all."""
        return (
            bool(self.working_point) and self.significance > SIGNIFICANT and max(abs(self.change), self.outside) > LARGE
        )

    def __str__(self) -> str:
        """In words."""
        said = f"{self.quantity}: {self.significance:.1f} sigma"
        if self.working_point:
            said += f", efficiency of the working point {self.working_point} {100 * self.change:+.0f} % of itself"
        return said + (f", {100 * self.outside:.0f} % out of the range of the training" if self.outside > LARGE else "")


def quantities(representation: Any, objects: ak.Array, prepared: Any) -> dict[str, Floats]:
    """Numbers of each object that are watched, by name, shape (n,) each.

    Args:
        representation: Of the bundle.
        objects: With its fields, shape (n,).
        prepared: What the representation gives of them.
    """
    watched: dict[str, Floats] = {}
    for name in objects.fields:
        if objects[name].fields:
            watched[f"number of {name}"] = np.asarray(ak.num(objects[name]), dtype=np.float64)
    if "pt" in objects.fields:
        watched["pt"] = np.asarray(objects.pt, dtype=np.float64)
    features = getattr(prepared, "features", None)
    names = getattr(representation, "features", ())
    if features is not None and features.ndim == 2 and len(names) == features.shape[1]:
        watched |= {name: features[:, index].astype(np.float64) for index, name in enumerate(names)}
    elif features is not None and features.ndim == 3 and len(names) == features.shape[2]:
        watched |= {f"mean {name}": each for name, each in zip(names, _means(features, prepared))}
    elif (image := getattr(prepared, "image", None)) is not None and image.ndim == 4:
        lit = (image != 0).sum(axis=(2, 3)).astype(np.float64)
        channels = getattr(representation, "channels", range(image.shape[1]))
        watched |= {f"pixels lit in {channel}": lit[:, index] for index, channel in enumerate(channels)}
    return {name: each for name, each in watched.items() if each.shape == (len(objects),)}  # graphs: not of an object


def _means(features: NDArray[Any], prepared: Any) -> Floats:
    """Mean over the members of each object, shape (f, n); 0 without any."""
    mask = getattr(prepared, "mask", None)
    inside = np.ones(features.shape[:2], bool) if mask is None else np.asarray(mask, bool)
    number = np.maximum(inside.sum(axis=1), 1)
    means: Floats = (np.where(inside[..., np.newaxis], features, 0).sum(axis=1, dtype=np.float64) / number[:, None]).T
    return means


def domain_of(
    watched: Mapping[str, Floats],
    category: NDArray[np.int64],
    classes: int,
    *,
    signal: int = 0,
    passes: Mapping[str, NDArray[np.bool_]] | None = None,
) -> Domain:
    """Count what a training has seen.

    Args:
        watched: Of its validation objects, see `quantities`; one that is the same for all is left out.
        category: Class of each, shape (n,).
        classes: Number of them.
        signal: The class that working points keep.
        passes: Working point -> whether each object passes, shape (n,).
    """
    points = dict(passes or {})
    names, ranges, edges, members, passing = [], [], [], [], []
    share = np.array([1 / max(np.sum(category == index), 1) for index in range(classes)])[category]
    for name, values in watched.items():
        cut = np.unique(_quantiles(values, share, np.linspace(0, 1, BINS + 1)[1:-1]))
        if len(cut) < 2:
            continue
        index = np.searchsorted(cut, values, side="right")
        names.append(name)
        ranges.append((values.min(), values.max()))
        edges.append(np.pad(cut, (0, BINS - 1 - len(cut)), constant_values=np.inf))
        members.append([np.bincount(index[category == each], minlength=BINS) for each in range(classes)])
        chosen = category == signal
        passing.append([np.bincount(index[chosen & each], minlength=BINS) for each in points.values()])
    return Domain(
        tuple(names),
        np.array(ranges).reshape(-1, 2),
        np.array(edges).reshape(-1, BINS - 1),
        np.array(members, dtype=np.int64).reshape(len(names), classes, BINS),
        np.array(passing, dtype=np.int64).reshape(len(names), len(points), BINS),
        signal,
        tuple(points),
    )


def _quantiles(values: Floats, weight: Floats, at: Floats) -> Floats:
    """Quantiles of weighted numbers: such that all classes count alike."""
    order = np.argsort(values, kind="stable")
    rank = np.cumsum(weight[order])
    chosen: Floats = values[order][np.minimum(np.searchsorted(rank / rank[-1], at), len(values) - 1)]
    return chosen


def counts_of(domain: Domain, watched: Mapping[str, Floats], weights: Floats | None = None) -> Floats:
    """Count a sample, or a chunk of it: sums of weights and of their squares, shape (q, b + 1, 2); they add up.

    The last row counts what is out of the range of the training, or no number.

    Args:
        domain: Of the bundle.
        watched: Of the objects, see `quantities`.
        weights: Of each object, shape (n,); 1 if not given.
    """
    counts = np.zeros((len(domain.quantities), BINS + 1, 2))
    for number, (name, edges, (low, high)) in enumerate(zip(domain.quantities, domain.edges, domain.ranges)):
        values = watched[name]
        weight = np.ones(len(values)) if weights is None else weights
        known = np.isfinite(values)
        index = np.searchsorted(edges, values[known], side="right")
        outside = ~((values >= low) & (values <= high))
        for power in (1, 2):
            counts[number, :BINS, power - 1] = np.bincount(index, weight[known] ** power, minlength=BINS)
            counts[number, BINS, power - 1] = (weight[outside] ** power).sum()
    return counts


def shifts_of(domain: Domain, counts: Floats) -> tuple[Shift, ...]:
    """How far a sample is from the training, the most significant quantity first; none for fewer than 200 objects.

    Args:
        domain: Of the bundle.
        counts: Of the whole sample, see `counts_of`.
    """
    outside, counts = counts[:, BINS, 0], counts[:, :BINS]
    total, squares = counts[..., 0].sum(axis=1), counts[..., 1].sum(axis=1)
    if not len(total) or total.min() <= 0 or (total**2 / squares).min() < FEWEST:
        return ()
    effective = total[0] ** 2 / squares[0]
    seen = counts[..., 0] / total[:, np.newaxis]
    templates = domain.members / np.maximum(domain.members.sum(axis=2, keepdims=True), 1)
    fractions, variance = _mixture(domain, seen, templates, effective)
    expected = np.einsum("c,qcb->qb", fractions, templates)
    filled = (expected > 0) | (seen > 0)
    pulls = np.where(filled, (seen - expected) ** 2 / np.maximum(variance, 1e-300), 0.0)
    degrees = np.maximum(filled.sum(axis=1) - 1 - np.count_nonzero(fractions > 0) + 1, 1)
    shifts = []
    for number, name in enumerate(domain.quantities):
        log_p = _log_tail(float(pulls[number].sum()), int(degrees[number])) + math.log(len(domain.quantities))
        point, change = _change(domain, number, seen[number], expected[number])
        shifts.append(Shift(name, _sigmas(log_p), float(outside[number] / total[number]), point, change))
    return tuple(sorted(shifts, key=lambda shift: -shift.significance))


def _mixture(domain: Domain, seen: Floats, templates: Floats, effective: float) -> tuple[Floats, Floats]:
    """Fractions of the classes in a sample, common to all quantities, (c,), and the variance of each bin, (q, b)."""
    number = np.maximum(domain.members.sum(axis=2), 1)
    fractions = np.full(templates.shape[1], 1 / templates.shape[1])
    variance = np.ones_like(seen)
    for _ in range(_FITS):
        expected = np.einsum("c,qcb->qb", fractions, templates)
        # An empty bin of the training may have held up to one object.
        least = np.maximum(templates, 1 / number[..., np.newaxis])
        of_training = np.einsum("c,qcb->qb", fractions**2, least / number[..., np.newaxis])
        variance = np.maximum(expected, 0.5 / effective) / effective + of_training
        scale = 1 / np.sqrt(variance)
        design = np.moveaxis(templates * scale[:, np.newaxis], 1, -1).reshape(-1, templates.shape[1])
        fitted, _ = scipy.optimize.nnls(design, (seen * scale).ravel())
        fractions = fitted / fitted.sum()
    return fractions, variance


def _change(domain: Domain, number: int, seen: Floats, expected: Floats) -> tuple[str, float]:
    """Working point whose efficiency changes most if the signal has the shift of the sample, and by how much."""
    signal = domain.members[number, domain.signal]
    ratio = np.divide(seen, expected, out=np.zeros_like(seen), where=expected > 0)
    changes = {}
    for name, passing in zip(domain.working_points, domain.passing[number]):
        before = passing.sum() / max(signal.sum(), 1)
        after = (ratio * passing).sum() / max((ratio * signal).sum(), 1e-300)
        changes[name] = after / before - 1 if before > 0 else 0.0
    if not changes:
        return "", 0.0
    largest = max(changes, key=lambda name: abs(changes[name]))
    return largest, float(changes[largest])


def _log_tail(chi2: float, degrees: int) -> float:
    """Logarithm of the probability of a larger chi2; where that is less than any number, by its leading term."""
    tail = float(scipy.special.chdtrc(degrees, chi2))
    if tail > 0:
        return math.log(tail)
    return (degrees / 2 - 1) * math.log(chi2 / 2) - chi2 / 2 - math.lgamma(degrees / 2)


def _sigmas(log_p: float) -> float:
    """Standard deviations of a one-sided probability, from its logarithm; 0 for one half and more."""
    if log_p >= math.log(0.5):
        return 0.0
    if log_p > -600:
        return float(-scipy.special.ndtri(math.exp(log_p)))
    return math.sqrt(-2 * log_p)  # the leading term of the tail


def to_json(domain: Domain) -> dict[str, Any]:
    """Plain values, as a bundle keeps them."""
    values = {
        name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in domain._asdict().items()
    }
    edges = [[edge for edge in row if math.isfinite(edge)] for row in values["edges"]]
    return {
        **values,
        "edges": edges,
        "quantities": list(domain.quantities),
        "working_points": list(domain.working_points),
    }


def from_json(values: Mapping[str, Any]) -> Domain:
    """Inverse of `to_json`."""
    edges = [[*row, *(BINS - 1 - len(row)) * [math.inf]] for row in values["edges"]]
    return Domain(
        tuple(values["quantities"]),
        np.array(values["ranges"], dtype=np.float64).reshape(-1, 2),
        np.array(edges, dtype=np.float64).reshape(-1, BINS - 1),
        np.array(values["members"], dtype=np.int64),
        np.array(values["passing"], dtype=np.int64).reshape(len(edges), len(values["working_points"]), BINS),
        int(values["signal"]),
        tuple(values["working_points"]),
    )


def told_of_shifts(who: str, shifts: Iterable[Shift]) -> str:
    """All shifts that matter in one sentence; empty if none does.

    Args:
        who: The sample, and the bundle that scored it.
        shifts: See `shifts_of`.
    """
    told: Sequence[Shift] = [shift for shift in shifts if shift.matters]
    if not told:
        return ""
    worst = max(told, key=lambda shift: max(abs(shift.change), shift.outside))
    others = f", and {len(told) - 1} further quantities" if len(told) > 1 else ""
    return f"{who} is unlike what the network was trained on: {worst}{others}; its working points do not hold there"


def warn_of_shifts(who: str, shifts: Iterable[Shift]) -> None:
    """Warn once of all shifts that matter; see `told_of_shifts`."""
    if told := told_of_shifts(who, shifts):
        warnings.warn(told, stacklevel=2)
