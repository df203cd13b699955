"""What a predictor says of events, as collections of a friend tree."""

from __future__ import annotations

from collections import Counter
from typing import Any

import awkward as ak
import numpy as np

_COLLECTIONS = {"showers": "shower", "jets": "jet"}


def friend(predictor: Any, record: ak.Array) -> tuple[dict[str, ak.Array], Counter[str]]:
    """Answers for the jets or showers of each event, and what is to be said of them, with how often it is true.

    Args:
        predictor: Takes the objects of any nesting, gives a record of numbers.
        record: Of a reader, shape (n_events,).
    Returns:
        Collection by name, shape (n_events, var); sentences, without the number with which they begin.
    Raises:
        ValueError: If the record has neither jets nor showers, or the predictor cannot answer.
    """
    name = next((name for name in _COLLECTIONS if name in record.fields), None)
    if name is None:
        raise ValueError(
            f"{predictor.path} answers for jets or showers, the events have neither, only {', '.join(record.fields)}"
        )
    answers = predictor(record[name])
    first = ak.to_numpy(ak.flatten(answers[answers.fields[0]], axis=None))
    empty = int(np.isnan(first).sum())
    return {_COLLECTIONS[name]: answers}, Counter({f"{name} have no constituents: their score is NaN": empty})
