"""The last step of loading: jets as a network sees them, in each epoch or once for a training."""

import dataclasses
from typing import Any, Literal

import awkward as ak
import numpy as np
import torch

from cortado.training.loading import Batch, padded_partition
from cortado.training.mixing import Labelled
from cortado.training.study import Study
from cortado.training.survey import Scaling, Survey, Weighting

__all__ = ["Preparation", "preparation"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preparation:
    """Labelled jets -> batch, by representation, scaling and weights.

    Attributes:
        study: Gives the representation.
        scaling: Of its features.
        weighting: By class and pT.
        keeps: What of a sample stays in memory between epochs: the "inputs" of the network, where they are of the same
            shape for each jet, else the "jets", padded anew in each batch; None where neither is small enough.
    """

    study: Study
    scaling: Scaling
    weighting: Weighting
    keeps: Literal["inputs", "jets"] | None

    def __call__(self, jets: Labelled) -> Batch:
        """Batch of jets, or of what `keep` has made of them."""
        inputs = self._inputs(jets.jets) if isinstance(jets.jets, ak.Array) else jets.jets
        tensors = [torch.from_numpy(np.require(array, requirements=("C", "W"))) for array in inputs]
        weight = self.weighting(jets.target, jets.pt, jets.weight)
        truth = self.study.partition
        partition = None if truth is None else torch.from_numpy(padded_partition(jets.jets, truth))
        return Batch(type(inputs)(*tensors), torch.from_numpy(jets.target), torch.from_numpy(weight), partition)

    def keep(self, jets: ak.Array) -> Any:
        """What stays in memory of jets (n,): NamedTuple of arrays (n, ...), or the jets."""
        return self._inputs(jets) if self.keeps == "inputs" else ak.to_packed(jets)

    def _inputs(self, jets: ak.Array) -> Any:
        inputs = self.study.representation(jets)
        return inputs if self.scaling is None else self.scaling(inputs)


def preparation(study: Study, found: Survey) -> Preparation:
    """How the jets of a study are prepared, and what of them is kept."""
    most = study.recipe.cache_bytes
    of_a_jet = _bytes_of_a_jet(study, found.canary)
    keeps: Literal["inputs", "jets"] | None = "jets" if found.nbytes <= most else None
    if of_a_jet is not None and of_a_jet * int(found.jets.sum()) <= most:
        keeps = "inputs"
    return Preparation(study=study, scaling=found.scaling, weighting=found.weighting, keeps=keeps)


def _bytes_of_a_jet(study: Study, jets: ak.Array) -> int | None:
    """Size of the inputs of a jet; None where they are padded, and so depend on the other jets of a batch."""
    each = [study.representation(jets[i : i + 1]) for i in range(len(jets))]
    shapes = {tuple(array.shape for array in inputs) for inputs in each}
    padded = len(shapes) > 1 or any("mask" in name for name in each[0]._fields)
    return None if padded or study.partition is not None else sum(array.nbytes for array in each[0])
