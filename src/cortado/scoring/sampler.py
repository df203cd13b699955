"""A density in use: how probable an event is, and events that are drawn from it."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Mapping
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import ArrayLike

from cortado import bundle as bundles
from cortado.scoring.generator import generated
from cortado.scoring.predictor import Predictor, require_verbs


@dataclasses.dataclass(frozen=True, kw_only=True)
class EventSampler:
    """Evaluates and samples a density; made by `load`.

    The event of a number is made of its condition and of random numbers that follow from the seed and this number
    alone: however a sample is cut into calls, batches or processes, it is the same (within 1e-5).

    Attributes:
        predictor: Has the network, and says how many events are made at once.
    """

    predictor: Predictor

    @classmethod
    def of(cls, predictor: Any) -> EventSampler:
        """The sampler of a predictor of densities.

        Raises:
            ValueError: If it gives no densities, or is of several bundles.
        """
        require_verbs("EventSampler", predictor)
        if not isinstance(predictor, Predictor):
            raise ValueError(f"{predictor.path}: an event is drawn from one density, not from several: load one bundle")
        return cls(predictor=predictor)

    @classmethod
    def load(cls, path: str | os.PathLike[str], **settings: Any) -> EventSampler:
        """Sampler of the bundle at `path`; the settings are those of `cortado.load`.

        Raises:
            ValueError: As `cortado.load`, or if it gives no densities.
        """
        return cls.of(Predictor.load(path, **settings))

    @property
    def path(self) -> str:
        """Path of the bundle."""
        return self.predictor.path

    def __call__(self, objects: ak.Array) -> ak.Array:
        """Record of `log_probability`: of the features in their units, given the condition.

        Args:
            objects: Of any nesting, which the record has, too.

        Raises:
            ValueError: If a field is missing, or a value is outside of the ends of the representation.
        """
        return self.predictor(objects)

    def sample(self, condition: Mapping[str, ArrayLike], *, seed: int = 1, first: int = 0) -> ak.Array:
        """Events with these conditions, one for each.

        Args:
            condition: Columns of length n by field, `{"mjj": masses}`.
            seed: Of the sample.
            first: Number of the first event in the sample.

        Returns:
            Events, shape (n,): fields of the condition as given, and of the features, float32.

        Raises:
            ValueError: If a condition is missing, or outside of what the density was trained on.
        """
        loaded = self.predictor.loaded()
        representation: Any = loaded.bundle.representation
        network: Any = loaded.network
        given, empty = representation.given(condition), np.empty((0, len(representation.features)), np.float32)
        made = generated(self.predictor, network.sample, given, network.latent, seed=seed, first=first)
        features = np.concatenate([empty, *made])
        if loaded.bundle.scaling is not None:
            features = loaded.bundle.scaling.inverse(features)
        events: ak.Array = representation.inverse(condition, features)
        return events

    def events(self, record: ak.Array) -> tuple[dict[str, ak.Array], Counter[str]]:
        """What a friend tree holds of events, and what is to be said of it."""
        return self.predictor.events(record)

    def bundle(self) -> bundles.Bundle:
        """The bundle, with provenance and all; read from disk unless this process has it."""
        return self.predictor.bundle()

    def bundles(self) -> tuple[bundles.Bundle, ...]:
        """The one bundle."""
        return self.predictor.bundles()
