"""Maps watched for faults: the use of a network that reproduces the pulls of good maps.

Shapes: n maps, h rows, w columns.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar, get_args

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cortado.counts import mean_root, root
from cortado.reconstruction import BOXES, Cyclic, largest_significance
from cortado.tasks.task import Answers, Columns

__all__ = ["Watched"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Watched:
    """The outputs (n, 1, h, w) are the pulls that a good map would have, or the logarithms of its Poisson rates.

    What is left of the map is the answer.

    Attributes:
        fewest_hits: Maps with less are not judged.
        spread: Width of the pulls that are left in good maps, by which they are divided; or one a cell, (h, w).
        boxes: Rectangles that are moved over the map, see `reconstruction.largest_significance`.
        cyclic: Axes along which rectangles go over the seam: "x", columns; "y", rows; "xy".
        rates: Whether the outputs are the logarithms of rates, and the image holds counts.
        cells: Whether to give the pull of each cell, too.
    """

    fewest_hits: float = 1000.0
    spread: float | tuple[tuple[float, ...], ...] = 1.0
    boxes: tuple[tuple[int, int], ...] = BOXES
    cyclic: Cyclic = ""
    rates: bool = False
    cells: bool = False

    of_constituents: ClassVar[bool] = False
    fields: ClassVar[tuple[str, ...]] = ("values",)

    @property
    def meaning(self) -> tuple[Any, ...]:
        """Which maps are judged, by what rectangles, and what outputs are; the spread follows from the good maps."""
        return self.fewest_hits, self.boxes, self.cyclic, self.rates

    def check(self, path: str) -> None:
        """Positive spread, rectangles of at least one cell.

        Raises:
            ValueError: If not.
        """
        spread = np.asarray(self.spread, np.float64)
        if spread.ndim not in (0, 2) or not (np.isfinite(spread) & (spread > 0)).all():
            raise ValueError(f"{path}: spread must be one positive number, or one for each row and column of cells")
        if not self.boxes or any(len(box) != 2 or min(box) < 0 for box in self.boxes):
            raise ValueError(f"{path}: boxes must be pairs of rows and columns, 0 for the whole side, got {self.boxes}")
        if self.cyclic not in get_args(Cyclic):
            known = ", ".join(map(repr, get_args(Cyclic)))
            raise ValueError(f"{path}: cyclic must be one of {known}, got {self.cyclic!r}")
        if not self.fewest_hits >= 0:
            raise ValueError(f"{path}: fewest_hits must be at least 0, got {self.fewest_hits}")

    def inputs(self, prepared: Any, rng: np.random.Generator) -> Any:
        """What was prepared."""
        return prepared

    def shape(self, prepared: Any) -> tuple[int, ...]:
        """(n, 1, h, w)."""
        shape: tuple[int, ...] = prepared.image.shape
        return shape

    def answers(self, outputs: Tensor, inputs: Any) -> Answers:
        """`left`: what is left of the pulls, shape (n, h, w)."""
        if not self.rates:
            return {"left": (inputs.image - outputs)[:, 0]}
        return {"left": torch.from_numpy(self.left(outputs.numpy(), inputs.image.numpy()))}

    def left(self, outputs: NDArray[np.float32], image: NDArray[np.float32]) -> NDArray[np.float32]:
        """What is left of images (n, 1, h, w) of pulls or counts, in standard deviations, shape (n, h, w)."""
        if not self.rates:
            return (image - outputs)[:, 0]
        rates = np.exp(outputs[:, 0].astype(np.float64))
        return (root(image[:, 0]) - mean_root(rates)).astype(np.float32)

    def columns(self, answers: Answers, objects: ak.Array) -> Columns:
        """Significance `anomaly` of the most significant rectangle; `hits`; `few_hits`; with `cells`, `pull`."""
        pulls = self.pulls(answers["left"].numpy())
        hits = np.asarray(ak.to_numpy(objects["values"]), np.float64)
        hits = hits.sum(axis=tuple(range(1, hits.ndim)))
        anomaly = largest_significance(pulls, self.boxes, self.cyclic).astype(np.float32)
        columns = {"anomaly": ak.Array(anomaly), "hits": ak.Array(hits), "few_hits": ak.Array(hits < self.fewest_hits)}
        if self.cells:
            columns["pull"] = ak.Array(pulls.astype(np.float32))
        return columns

    def combined(self, members: Sequence[ak.Array]) -> ak.Array:
        """Mean significance."""
        mean = np.mean([ak.to_numpy(each["anomaly"]) for each in members], axis=0)
        return ak.with_field(members[0], mean, "anomaly")

    def pulls(self, left: NDArray[Any]) -> NDArray[np.float64]:
        """What is left, in units of the spread, shape (n, h, w)."""
        each: NDArray[np.float64] = left.astype(np.float64) / np.asarray(self.spread, np.float64)
        return each
