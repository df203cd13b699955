"""One pass over the files before a training: jets of each class, the weights and scaling they need."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import awkward as ak
import numpy as np

from cortado import scaling as scalings
from cortado.scaling import QuantileScaling, fit_quantiles
from cortado.splits import TRAIN, VALIDATION
from cortado.training.loading import NO_CLASS, Part, labelled, parts_of
from cortado.training.mixing import Labelled
from cortado.training.study import Study

__all__ = ["Survey", "Weighting", "survey"]

Scaling = scalings.Scaling | QuantileScaling | None

_CANARY_JETS = 16


class Weighting(NamedTuple):
    """Factors for each class and bin of jet pT, such that the training jets weigh 1 on average."""

    edges: np.ndarray  # (bins + 1,) GeV
    factors: np.ndarray  # (classes, bins)

    def __call__(self, target: np.ndarray, pt: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Weights in the loss, float32, shape (n,)."""
        index = np.searchsorted(self.edges, pt, side="right") - 1
        factors: np.ndarray = self.factors[target, index] * weight
        return factors.astype(np.float32)


class Survey(NamedTuple):
    """What the files of a study hold."""

    classes: tuple[str, ...]
    parts: tuple[Part, ...]
    counts: np.ndarray  # (parts, 3) jets of the classes in TRAIN, VALIDATION, TEST
    jets: np.ndarray  # (3, classes)
    without_class: int
    without_constituents: int
    nbytes: int  # of the decoded jets
    weighting: Weighting
    empty_bins: tuple[str, ...]
    scaling: Scaling
    canary: ak.Array

    def __str__(self) -> str:
        width = max(len(name) for name in ("class", *self.classes)) + 2
        lines = [f"{'class':<{width}}{'training':>12}{'validation':>12}{'test':>12}"]
        for index, name in enumerate(self.classes):
            train, validation, test = self.jets[:, index]
            lines.append(f"{name:<{width}}{train:>12,}{validation:>12,}{test:>12,}")
        if self.without_class:
            lines.append(f"{self.without_class:,} jets are in no class and are left out")
        if self.without_constituents:
            lines.append(f"{self.without_constituents:,} jets have no constituents and are kept")
        lines += [f"no training jets of {place}: not flat there" for place in self.empty_bins]
        return "\n".join(lines)


def survey(
    study: Study, *, held_out: int | None = None, advance: Callable[[int, int], None] = lambda done, of: None
) -> Survey:
    """Read all files of a study once.

    Args:
        study: What to read.
        held_out: The fold that is not trained on.
        advance: Called with the number of steps read, and of all steps.
    Raises:
        ValueError: If a class has no training or no validation jets, or a jet lies outside the pT bins.
    """
    parts = parts_of(study)
    tally = _Tally(study)

    def training_inputs() -> Iterator[Any]:
        for done, part in enumerate(parts, start=1):
            found = labelled(study, part, held_out=held_out)
            tally.add(found, part)
            advance(done, len(parts))
            jets = found.jets[(found.subset == TRAIN) & (found.target != NO_CLASS)]
            if isinstance(study.scaling, str) and len(jets):
                yield study.representation(jets)

    scaling = _scaling(study, training_inputs())
    return tally.survey(parts, scaling)


def _scaling(study: Study, inputs: Iterator[Any]) -> Scaling:
    """The scaling that the study wants, fitted to the inputs if it says so; they are read to their end."""
    if not isinstance(study.scaling, str):
        for _ in inputs:
            pass
        return study.scaling
    names = study.representation.features  # type: ignore[attr-defined]
    if study.scaling == "quantiles":
        return fit_quantiles(inputs, names)
    clip = None if study.task == "generation" else 5.0  # what is generated must be scaled back
    return scalings.fit(inputs, names, clip=clip, least_spread=getattr(study.representation, "least_spread", 0.0))


class _Tally:
    """Sums over the steps of a survey."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.edges = np.array((-np.inf, np.inf) if study.flat_pt is None else study.flat_pt.bins, dtype=float)
        self.counts: list[np.ndarray] = []
        self.jets = np.zeros((3, len(study.labels)), dtype=int)
        self.weights = np.zeros((len(study.labels), len(self.edges) - 1))
        self.without_class = self.without_constituents = self.nbytes = 0
        self.canary: ak.Array | None = None

    def add(self, found: Labelled, part: Part) -> None:
        inside = found.target != NO_CLASS
        self.without_class += int(np.sum(~inside))
        found = found.take(inside)
        pt = found.pt
        self._require_in_bins(pt, part)
        self.counts.append(np.bincount(found.subset, minlength=3))
        np.add.at(self.jets, (found.subset, found.target), 1)
        train = found.subset == TRAIN
        index = np.searchsorted(self.edges, pt, side="right") - 1
        np.add.at(self.weights, (found.target[train], index[train]), found.weight[train])
        if "constituents" in ak.fields(found.jets):
            self.without_constituents += int(ak.sum(ak.num(found.jets.constituents) == 0))
        self.nbytes += found.jets.nbytes
        if self.canary is None or len(self.canary) < _CANARY_JETS:
            first = found.jets[:_CANARY_JETS]
            self.canary = first if self.canary is None else ak.concatenate([self.canary, first])

    def _require_in_bins(self, pt: np.ndarray, part: Part) -> None:
        outside = (pt < self.edges[0]) | (pt >= self.edges[-1])
        if outside.any():
            raise ValueError(
                f"{part.step.path}: {outside.sum()} of {len(pt)} jets, one of pT = {pt[outside][0]:g} "
                f"GeV, lie outside the bins of flat_pt, {self.edges[0]:g} to {self.edges[-1]:g} GeV; "
                "select jets or widen the bins"
            )

    def survey(self, parts: list[Part], scaling: Scaling) -> Survey:
        study = self.study
        for subset, name in ((TRAIN, "training"), (VALIDATION, "validation")):
            empty = [label for label, number in zip(study.labels, self.jets[subset]) if number == 0]
            if empty:
                raise ValueError(
                    f"study {study.name!r}: no {name} jets of class {', '.join(empty)} in "
                    f"{', '.join((*study.files, *study.validation_files))}; "
                    f"{self.without_class} jets are in no class"
                )
        weighting, empty_bins = self._weighting()
        return Survey(
            classes=study.labels,
            parts=tuple(parts),
            counts=np.array(self.counts),
            jets=self.jets,
            without_class=self.without_class,
            without_constituents=self.without_constituents,
            nbytes=self.nbytes,
            weighting=weighting,
            empty_bins=empty_bins,
            scaling=scaling,
            canary=self.canary,
        )

    def _weighting(self) -> tuple[Weighting, tuple[str, ...]]:
        total, sums = int(self.jets[TRAIN].sum()), self.weights
        if self.study.flat_pt is None:
            return Weighting(self.edges, np.full_like(sums, total / sums.sum())), ()
        filled = sums > 0
        # Each class has the same total, each of its filled bins the same share per GeV.
        width = np.where(filled, np.diff(self.edges), 0.0)
        share = total / len(sums) * width / width.sum(axis=1, keepdims=True)
        factors = np.divide(share, sums, out=np.zeros_like(sums), where=filled)
        empty = tuple(
            f"{self.study.labels[c]} with {self.edges[b]:g} <= pT < {self.edges[b + 1]:g} GeV"
            for c, b in np.argwhere(~filled)
        )
        return Weighting(self.edges, factors), empty
