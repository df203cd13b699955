"""Scores of labelled jets with the labels beside them: what ROC curves and working points are made of."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from cortado import bundle as bundles
from cortado.bundle import Bundle
from cortado.splits import TEST, TRAIN, VALIDATION
from cortado.training.loading import NO_CLASS, labelled, padded_partition, parts_of
from cortado.training.mixing import Labelled
from cortado.training.pairing import jet_merits
from cortado.training.study import Study, require_one_of

__all__ = ["Evaluation", "evaluate"]

Subset = Literal["train", "validation", "test", "all"]
_PAIRING_BATCH = 512  # jets
_SUBSETS = {"train": (TRAIN,), "validation": (VALIDATION,), "test": (TEST,), "all": (TRAIN, VALIDATION, TEST)}


class Evaluation(NamedTuple):
    """Labelled jets and what a tagger says of them; arrays of shape (n,)."""

    target: np.ndarray  # index of the class
    score: np.ndarray  # probability of the signal
    weight: np.ndarray  # of the event
    pt: np.ndarray  # GeV
    probabilities: np.ndarray  # (n, classes)
    classes: tuple[str, ...]
    signal: str

    @property
    def is_signal(self) -> np.ndarray:
        """True where the class is the signal."""
        mask: np.ndarray = self.target == self.classes.index(self.signal)
        return mask


def evaluate(
    tagger: Bundle | str | os.PathLike[str],
    study: Study,
    *,
    subset: Subset = "test",
    files: tuple[str | os.PathLike[str], ...] | None = None,
    device: str = "cpu",
    batch_size: int = 512,
) -> Evaluation:
    """Score the jets of a study's subset, in the order of the files; one step and the scores are in memory.

    A bundle of a k-fold training has its held-out fold as the test subset.

    Args:
        tagger: A bundle, or its path.
        study: Gives selection, classes and split, and the files unless others are named.
        subset: The part of the events to score; "all" for files that no training has seen.
        files: Read these in place of the study's.
        device: Where the network runs.
        batch_size: Most jets given to the network at once.
    Raises:
        ValueError: If the study is not one of a tagger, the bundle's classes are not the study's, or the subset has
            no jets.
    """
    require_one_of("evaluate", "subset", subset, _SUBSETS)
    found = tagger if isinstance(tagger, Bundle) else load_bundle(tagger, study)
    if study.task != "tagging":
        raise ValueError(f"study {study.name!r} is of {study.task}: what it trains gives no score of a jet")
    if found.classes != tuple(study.classes):
        raise ValueError(f"the bundle's classes are {found.classes}, the study's {tuple(study.classes)}")
    if files is not None:
        study = _with_files(study, files)
    held_out = (found.provenance.get("fold") or {}).get("index")
    scored = [_score(found, jets, device, batch_size) for jets in _selected(study, _SUBSETS[subset], held_out)]
    if not scored:
        raise ValueError(f"study {study.name!r}: the subset {subset!r} of {', '.join(study.files)} has no jets")
    target, score, weight, pt, probabilities = (np.concatenate(column) for column in zip(*scored))
    return Evaluation(target, score, weight, pt, probabilities, found.classes, found.signal)


def pairing_merits(found: Bundle, study: Study, *, subset: Subset, device: str = "cpu") -> dict[str, float]:
    """Mean F1 and adjusted Rand index, over the jets of the signal class, of the pairs that a network puts together.

    Args:
        found: Bundle of a network on pairs.
        study: Gives selection, classes and split; its `partition` is the truth.
        subset: The part of the events to judge on.
        device: Where the network runs.
    """
    assert study.partition is not None
    held_out = (found.provenance.get("fold") or {}).get("index")
    signal, rows = list(study.classes).index(study.signal), []
    model = found.model.to(device).eval()
    for step in _selected(study, _SUBSETS[subset], held_out):
        jets = step.jets[step.target == signal]
        order = np.argsort(bundles.lengths(jets), kind="stable")
        for start in range(0, len(order), _PAIRING_BATCH):
            batch = jets[order[start : start + _PAIRING_BATCH]]
            logits = bundles.run(model, found.prepare(batch), device)
            rows.append(jet_merits(logits, padded_partition(batch, study.partition)))
    f1, ari = np.nanmean(np.concatenate(rows), axis=0)
    return {"f1": float(f1), "ari": float(ari)}


def load_bundle(path: str | os.PathLike[str], study: Study) -> Bundle:
    """A bundle that may hold the study's own representation and network."""
    return bundles.load(Path(path), representations=(type(study.representation),), models=(study.model.func,))  # type: ignore[arg-type]


def _with_files(study: Study, files: tuple[str | os.PathLike[str], ...]) -> Study:
    return dataclasses.replace(study, files=tuple(os.fspath(file) for file in files), validation_files=())


def _selected(study: Study, subsets: tuple[int, ...], held_out: int | None) -> Iterator[Labelled]:
    for part in parts_of(study):
        found = labelled(study, part, held_out=held_out)
        jets = found.take(np.isin(found.subset, subsets) & (found.target != NO_CLASS))
        if len(jets.target):
            yield jets


def _score(tagger: Bundle, jets: Labelled, device: str, batch_size: int) -> tuple[Any, ...]:
    probabilities = np.empty((len(jets.target), len(tagger.classes)), dtype=np.float32)
    # Jets of like length together: padding costs time, and the network in evaluation does not mind.
    order = np.argsort(bundles.lengths(jets.jets), kind="stable")
    model = tagger.model.to(device).eval()
    for start in range(0, len(order), batch_size):
        index = order[start : start + batch_size]
        logits = bundles.run(model, tagger.prepare(jets.jets[index]), device)
        probabilities[index] = torch.softmax(logits, dim=1).cpu().numpy()
    score = probabilities[:, tagger.classes.index(tagger.signal)]
    return jets.target, score, jets.weight, jets.pt, probabilities
