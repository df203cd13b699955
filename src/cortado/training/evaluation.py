"""Objects of a study with the truth and what a bundle answers: what ROC curves and resolutions are made of."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import awkward as ak
import numpy as np

from cortado import bundle as bundles
from cortado.bundle import Bundle
from cortado.names import require_one_of
from cortado.splits import TEST, TRAIN, VALIDATION
from cortado.tasks import Evaluation
from cortado.training.loading import examples, parts_of
from cortado.training.mixing import Examples
from cortado.training.study import Study

__all__ = ["Evaluation", "evaluate", "load_bundle"]

Subset = Literal["train", "validation", "test", "all"]
_SUBSETS = {"train": (TRAIN,), "validation": (VALIDATION,), "test": (TEST,), "all": (TRAIN, VALIDATION, TEST)}


def evaluate(
    bundle: Bundle | str | os.PathLike[str],
    study: Study,
    *,
    subset: Subset = "test",
    files: tuple[str | os.PathLike[str], ...] | None = None,
    columns: tuple[str, ...] = (),
    device: str = "cpu",
    batch_size: int = 512,
    watch: Callable[[ak.Array], None] | None = None,
) -> Evaluation:
    """Answers for the objects of a study's subset, in the order of the files; one step and the answers are in memory.

    A bundle of a k-fold training has its held-out fold as the test subset.

    Args:
        bundle: A bundle, or its path.
        study: Gives objects, task and split, and the files unless others are named.
        subset: The part of the events; "all" for files that no training has seen.
        files: Read these in place of the study's.
        columns: Further fields of the objects to be kept, such as "pt", beside "event_key" and those of the task.
        device: Where the network runs.
        batch_size: Most objects given to the network at once.
        watch: Called with the objects of each step, shape (n,), with the fields that the bundle needs.
    Raises:
        ValueError: If the bundle answers something else than the study asks, or the subset has no objects.
    """
    require_one_of("evaluate: subset", subset, _SUBSETS)
    for name, given in (("files", files), ("columns", columns)):
        if isinstance(given, str):
            raise ValueError(f"evaluate: {name} = {given!r}, required: a tuple of names, not one string")
    asked = bundle if isinstance(bundle, Bundle) else load_bundle(bundle, study)
    wanted = study.task.use(study.representation, asked.model)
    if (type(asked.use), asked.use.meaning) != (type(wanted), wanted.meaning):
        raise ValueError(f"the bundle gives {asked.use}, the study {study.name!r} asks for {wanted}")
    if files is None and subset != "all":
        _require_own_split(asked, study)
    if files is not None:
        chosen = dataclasses.replace(study.objects, files=tuple(os.fspath(file) for file in files), validation_files=())
        study = dataclasses.replace(study, objects=chosen)
    held_out = (asked.provenance.get("fold") or {}).get("index")
    kept = tuple(dict.fromkeys(("event_key", *study.task.fields, *columns)))
    parts, answers = [], []
    for part in _selected(study, _SUBSETS[subset], held_out, kept):
        objects = bundles.columns(part.objects, asked.fields)
        answers.append(bundles.answers(asked, objects, device=device, batch_size=batch_size))
        if watch is not None:
            watch(objects)
        parts.append(part._replace(objects=bundles.columns(part.objects, kept)))
    if not parts:
        paths = ", ".join(study.objects.files)
        raise ValueError(f"study {study.name!r}: the subset {subset!r} of {paths} has no {study.objects.collection}")
    return Evaluation(
        answers=ak.concatenate(answers),
        objects=ak.concatenate([part.objects for part in parts]),
        category=np.concatenate([part.category for part in parts]),
        weight=np.concatenate([part.weight for part in parts]),
        categories=study.labels,
    )


def _require_own_split(bundle: Bundle, study: Study) -> None:
    """Whether the bundle was trained with the split of the study, if on the same files.

    Raises:
        ValueError: If not: its training events would be taken for test events.
    """
    trained = bundle.provenance.get("split")
    names = {sample["file"] for sample in bundle.provenance.get("samples", ())}
    same = names & {os.path.basename(path) for path in study.objects.files}
    if trained is not None and same and dict(trained) != dataclasses.asdict(study.objects.split):
        raise ValueError(
            f"study {study.name!r}: split = {study.objects.split}, but the bundle was trained on "
            f"{', '.join(sorted(same))} with {dict(trained)}: what is test here may be training there"
        )


def load_bundle(path: str | os.PathLike[str], study: Study) -> Bundle:
    """A bundle that may hold the study's own representation, network and use."""
    return bundles.load(
        Path(path),
        representations=(type(study.representation),),
        models=(study.model.func,),  # type: ignore[arg-type]
        uses=(study.task.gives,),
    )


def _selected(
    study: Study, subsets: tuple[int, ...], held_out: int | None, columns: tuple[str, ...]
) -> Iterator[Examples]:
    for part in parts_of(study):
        read = examples(study, part, held_out=held_out, columns=columns)
        chosen = read.take(np.isin(read.subset, subsets) & (read.category >= 0))
        if len(chosen.category):
            yield chosen
