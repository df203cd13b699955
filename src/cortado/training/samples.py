"""What the events of each sample weigh beside those of the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cortado import reading
from cortado.names import require_one_of
from cortado.training.study import Objects

__all__ = ["scales"]


def scales(objects: Objects, cross_sections: Mapping[str, float]) -> dict[str, float]:
    """Factors of the weights by sample, cross section over sum of weights, for `Objects(scales=...)`: reads all files.

    Args:
        objects: With samples.
        cross_sections: By sample [pb].
    Returns:
        Factors [pb]: times a luminosity they give expected events.
    Raises:
        ValueError: If a sample is not known, has no cross section or no file, or its weights sum up to 0 or less.
    """
    for name in cross_sections:
        require_one_of("scales: cross_sections", name, tuple(objects.samples))
    sums: dict[str, float] = {}
    for path in (*objects.files, *objects.validation_files):
        name = str(objects.sample(path))
        known: dict[str, Any] = {"tree": objects.tree, "dialect": objects.dialect, "collection": objects.collection}
        for record in reading.iterate(path, **known):
            weighted = objects.event_weight and "weight" in record.fields
            sums[name] = sums.get(name, 0.0) + float(np.sum(record.weight) if weighted else len(record))
    for name in objects.samples:
        if name not in cross_sections or not sums.get(name, 0.0) > 0:
            raise ValueError(
                f"scales: sample {name!r} has the cross section {cross_sections.get(name)} and weights that sum up to "
                f"{sums.get(name, 0.0):g}, required: both, and more than 0"
            )
    return {name: cross_sections[name] / sums[name] for name in objects.samples}
