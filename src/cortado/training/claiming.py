"""Whose a folder is: `study.json` says what is trained in it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cortado.files import replacing
from cortado.training.identity import difference_to, resolved
from cortado.training.study import Study

__all__ = ["claim", "is_other_rank", "mark"]


def claim(folder: Path, study: Study, description: dict[str, Any], resume: bool, say: Callable[[str], None]) -> None:
    """Make sure that the folder is this training's, if it is one's already.

    Args:
        folder: Of the training.
        study: What is trained.
        description: Of the study, and the fold.
        resume: Whether to go on with a training that is there.
        say: Gets a line if it goes on with another number of loader processes.

    Raises:
        FileExistsError: If there is a training that shall not be resumed.
        ValueError: If it is that of another study, `study.json` is damaged, or there is no such fold.
    """
    fold, number = description["fold"], study.objects.folds
    if fold is not None and not 0 <= fold < (number or 0):
        raise ValueError(f"fold = {fold}, required: 0 to folds - 1 of a study with folds = {number}")
    file = folder / "study.json"
    if is_other_rank() or not file.exists():  # the first process has claimed it, or does
        return
    if not resume:
        raise FileExistsError(
            f"{folder} holds a training: resume=True (--resume) goes on with it, or name another folder"
        )
    try:
        before = json.loads(file.read_text())
        difference = difference_to(before, json.loads(json.dumps(description)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file} is damaged ({error!r}): delete {folder} to begin anew") from error
    if difference:
        raise ValueError(
            f"{folder} holds the training of another study: {difference}; take another folder, or delete this one"
        )
    if (was := before["recipe"]["workers"]) != study.recipe.workers:
        say(f"begun with workers = {was}, goes on with {study.recipe.workers}: the objects come in another order")


def mark(folder: Path, description: dict[str, Any]) -> None:
    """Write down whose the folder is, once the study is known to be one that can be trained."""
    if not is_other_rank():
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / "study.json") as partial:
            partial.write_text(json.dumps(resolved(description), indent=1))


def is_other_rank() -> bool:
    """Whether Lightning has started this process as a further device of a training."""
    return os.environ.get("LOCAL_RANK", "0") != "0"
