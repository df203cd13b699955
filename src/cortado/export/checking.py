"""Files that are put in place only if they answer as the bundle does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cortado.files import replacing

TOLERANCE = 1e-4
Arrays = tuple[NDArray[Any], ...]


class Exported(NamedTuple):
    """The file written, and the largest difference of its outputs from the original's on the canary.

    Of numbers above 1, such as positions in mm, it is the relative one.
    """

    path: Path
    difference: float


def write_checked(
    path: Path,
    canary: Iterable[tuple[Arrays, Arrays]],
    write: Callable[[Path], Any],
    outputs: Callable[[Path], Callable[[Arrays], Sequence[NDArray[Any]]]],
) -> Exported:
    """Write under a temporary name, compare with the original, and only then move into place.

    Args:
        path: The file.
        canary: Unscaled inputs and the answers of the original, in batches of several sizes.
        write: Writes the file of a temporary name.
        outputs: Reads it: what it answers.
    Raises:
        ValueError: If answers differ by more than 1e-4, or the file does not take the inputs.
    """
    with replacing(path, suffix="".join(path.suffixes[-2:])) as temporary:
        write(temporary)
        difference = _difference(path, outputs(temporary), canary)
        if not difference <= TOLERANCE:
            raise ValueError(
                f"{path}: outputs on the canary differ from the original's by {difference:.3g}, "
                f"more than {TOLERANCE:g}; nothing was written"
            )
    return Exported(path, difference)


def _difference(
    path: Path, run: Callable[[Arrays], Sequence[NDArray[Any]]], canary: Iterable[tuple[Arrays, Arrays]]
) -> float:
    """Largest difference of the answers on the canary, in batches of several sizes; in parts of numbers above 1."""
    differences = []
    for inputs, expected in canary:
        try:
            answers = run(inputs)
        except (AssertionError, RuntimeError) as error:  # a guard of torch.export that a size was baked in
            shapes = ", ".join(str(array.shape) for array in inputs)
            raise ValueError(f"{path}: the exported graph does not take inputs of {shapes}: {error}") from error
        differences += [(np.abs(a - b) / np.maximum(1, np.abs(b))).max(initial=0.0) for a, b in zip(answers, expected)]
    return float(np.max(differences))
