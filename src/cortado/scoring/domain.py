"""Whether a sample is like what a network was trained on: counted chunk by chunk, judged at the end.

See `cortado.bundle.domain` for what is compared and how much a shift matters.
"""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado import bundle as bundles
from cortado.bundle import domain as domains
from cortado.bundle.domain import Shift, told_of_shifts
from cortado.scoring.nesting import flatten

__all__ = ["Shift", "domain_counts", "domain_shifts", "told_of_shifts", "warn_outside_domain"]

Floats = NDArray[np.float64]


def domain_counts(use: Any, objects: ak.Array, weights: Floats | None = None) -> Floats:
    """Counts of what objects are like, of those that the network can take; they add up over chunks.

    Args:
        use: A bundle in use, as `cortado.load` gives it; of several bundles the first counts.
        objects: Of any nesting.
        weights: Of each, flat; 1 if not given.
    Returns:
        For `domain_shifts`; of no quantities for bundles that do not know what they were trained on.
    """
    bundle = use.bundle()
    if "domain" not in bundle.provenance:
        return np.zeros((0, domains.BINS + 1, 2))
    flat = bundles.columns(flatten(objects), bundle.fields)
    prepared = bundles.accepted(bundle.represent, flat)
    watched = domains.quantities(bundle.representation, flat[prepared.places], prepared.made)
    weights = None if weights is None else np.asarray(weights)[prepared.places]
    return domains.counts_of(domains.from_json(bundle.provenance["domain"]), watched, weights)


def domain_shifts(use: Any, counts: Floats) -> tuple[Shift, ...]:
    """How far a sample is from the training, the most significant quantity first; nothing where that is not known.

    Args:
        use: As for `domain_counts`.
        counts: Of the whole sample.
    """
    known = use.bundle().provenance.get("domain")
    return () if known is None else domains.shifts_of(domains.from_json(known), counts)


def warn_outside_domain(what: str, use: Any, counts: Floats) -> tuple[Shift, ...]:
    """The same, with one warning where a working point would move by more than a tenth of its efficiency.

    Args:
        what: The sample, for the message.
        use: As for `domain_counts`.
        counts: Of the whole sample.
    """
    shifts = domain_shifts(use, counts)
    domains.warn_of_shifts(what, shifts)
    return shifts
