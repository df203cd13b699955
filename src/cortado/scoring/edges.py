"""Edges between hits from one bundle as the graph of the next: embedding, then filter, then network."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, NamedTuple

import awkward as ak
import numpy as np

from cortado.scoring.predictor import Predictor

__all__ = ["Proposer", "chosen_proposers", "edges_of", "with_edges"]

_NOISE = 0


class Proposer(NamedTuple):
    """Proposes edges, from which others choose.

    Attributes:
        predictor: Scores edges: of a bundle whose use is `Embedded` or `Edges`.
        threshold: Score above which an edge goes on.
    """

    predictor: Any
    threshold: float = 0.0


def with_edges(events: ak.Array, predictor: Any, threshold: float = 0.0) -> ak.Array:
    """Events whose `edges` are those of a predictor: what `GivenGraph` takes, and `cortado.readers.hits` writes.

    They have `inner` and `outer`, indices of hits in their event, and, where hits have `particle_id`, `label`: 1 if
    both hits are of one particle, as `ClassifyEdges` counts it, else 0. Edges that events had before are replaced, and
    those within a layer are left out: two hits there, where modules overlap, are no step of a track.

    Args:
        events: Record with `hits`, shape (n_events,).
        predictor: Gives edges: a `Predictor` of such a bundle, or a `TrackFinder`.
        threshold: Score above which an edge is kept.

    Raises:
        ValueError: If the answers are no edges, or as the predictor.
    """
    scored = edges_of(events, predictor)
    layer = events.hits.layer
    kept = scored[(scored.score > threshold) & (layer[scored.inner] != layer[scored.outer])]
    columns = {end: ak.values_astype(kept[end], np.int32) for end in ("inner", "outer")}
    if "particle_id" in ak.fields(events.hits):
        inner, outer = (events.hits.particle_id[kept[end]] for end in ("inner", "outer"))
        columns["label"] = ak.values_astype((inner == outer) & (inner != _NOISE), np.int32)
    return ak.with_field(events, ak.zip(columns), "edges")


def edges_of(events: ak.Array, predictor: Any) -> ak.Array:
    """Scored edges of events, shape (n_events, var): inner, outer (index of the hit in its event), score.

    Raises:
        ValueError: If the answers are no edges.
    """
    if hasattr(predictor, "edges"):
        return predictor.edges(events)
    answers = predictor(events)
    if "edges" not in ak.fields(answers):
        raise ValueError(f"{predictor.path} gives no edges between hits, but {', '.join(ak.fields(answers))}")
    return answers.edges


def chosen_proposers(given: Iterable[Any], predictor: Any) -> tuple[Proposer, ...]:
    """Proposers as users name them: paths of bundles or predictors, each alone or with its threshold.

    Args:
        given: Such as ("embedding.cortado", ("filter.cortado", 0.05)).
        predictor: Whose device and other settings bundles at paths get.

    Raises:
        FileNotFoundError: If there is no bundle.
        ValueError: If one cannot be trusted, a single path stands in the place of a tuple of them, or a threshold is
            not in [0, 1).
    """
    if isinstance(given, str | os.PathLike):
        raise ValueError(f"proposers = {given!r}, required: a tuple of bundles, each alone or with its threshold")
    return tuple(_proposer(each, predictor) for each in given)


def _proposer(given: Any, predictor: Any) -> Proposer:
    chosen = Proposer(*given) if isinstance(given, tuple) else Proposer(given)
    if not 0 <= chosen.threshold < 1:
        raise ValueError(f"proposers: threshold must be in [0, 1), got {chosen.threshold}")
    if not isinstance(chosen.predictor, str | os.PathLike):
        return chosen
    alike = getattr(predictor, "predictors", (predictor,))[0]
    settings = {name: getattr(alike, name) for name in ("device", "threads", "batch_size", "precision")}
    return chosen._replace(predictor=Predictor.load(chosen.predictor, **settings, **alike.own._asdict()))
