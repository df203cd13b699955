"""What a predictor says of events, as collections of a friend tree."""

from __future__ import annotations

from collections import Counter
from typing import Any

import awkward as ak
import numpy as np

from cortado import bundle as bundles
from cortado.scoring.nesting import flatten, flatten_values

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
        notes = unscored(predictor, record, answers[answers.fields[0]], name=name)
        return {f"event_{field}": answers[field] for field in answers.fields}, +notes
    answers = predictor(record[name])
    notes = unscored(predictor, record[name], answers[answers.fields[0]], name=name)
    return {_COLLECTIONS.get(name, name.removesuffix("s")): answers}, notes


def unscored(predictor: Any, objects: ak.Array, scores: ak.Array, *, name: str = "objects") -> Counter[str]:
    """Why scores are NaN, in sentences without the number with which they begin.

    Args:
        predictor: That gave them.
        objects: Of any nesting.
        scores: Of their nesting.
        name: What the objects are.
    """
    if predictor.use.of_constituents:
        return Counter()  # what cannot be answered was an error
    missing = np.isnan(ak.to_numpy(flatten_values(scores)))
    bundle = predictor.bundle()
    bad = bundles.columns(flatten(objects)[missing], bundle.fields)
    empty = bundles.sizes_of(bundle, bad) == 0
    why = bundles.accepted(bundle.represent, bad[~empty])
    notes = Counter({f"{name} have no constituents: their score is NaN": int(empty.sum())})
    notes.update({f"{name} have {reason}: their score is NaN": number for reason, number in why.refused.items()})
    if len(why.places):
        notes[f"{name} make the network itself give NaN"] = len(why.places)
    return notes


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
