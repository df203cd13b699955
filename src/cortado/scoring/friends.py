"""What a predictor says of events, as collections of a friend tree."""

from __future__ import annotations

from collections import Counter
from typing import Any

import awkward as ak
import numpy as np

_COLLECTIONS = {"showers": "shower", "jets": "jet"}


def friend(predictor: Any, record: ak.Array) -> tuple[dict[str, ak.Array], Counter[str]]:
    """Answers for the objects of each event, and what is to be said of them, with how often it is true.

    Args:
        predictor: Takes the objects of any nesting, gives a record of numbers.
        record: Of a reader, shape (n_events,).
    Returns:
        Collection by name, shape (n_events, var), "jet" of jets; of whole events columns by name, "event_ttbar", shape
        (n_events,); sentences, without the number with which they begin.
    Raises:
        ValueError: If the record has none of the objects, or the predictor cannot answer.
    """
    name = collection_of(predictor, record)
    if name == "events":
        answers = predictor(record)
        return {f"event_{field}": answers[field] for field in answers.fields}, Counter()
    answers = predictor(record[name])
    first = ak.to_numpy(ak.flatten(answers[answers.fields[0]], axis=None))
    empty = int(np.isnan(first).sum())
    written = _COLLECTIONS.get(name, name.removesuffix("s"))
    return {written: answers}, Counter({f"{name} have no constituents: their score is NaN": empty})


def trained_on(predictor: Any) -> str | None:
    """Name of the objects that the bundle was trained on; None if it does not say so."""
    trained: str | None = predictor.bundle().provenance.get("study", {}).get("objects", {}).get("collection")
    return trained


def collection_of(predictor: Any, record: ak.Array) -> str:
    """Name of what the bundle was trained on, "events" of whole ones; of bundles that do not say so jets or showers.

    Raises:
        ValueError: If the record has no such objects.
    """
    trained = trained_on(predictor)
    wanted = [trained] if trained else list(_COLLECTIONS)
    for name in wanted:
        if name == "events" or name in record.fields:
            return str(name)
    raise ValueError(
        f"{predictor.path} answers for {' or '.join(wanted)}, the events have none, only {', '.join(record.fields)}"
    )
