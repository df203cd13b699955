"""A tagger: the score of jets, and the weights, cuts and likelihood ratios that follow from it."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado import bundle as bundles
from cortado.names import require_one_of
from cortado.scoring.domain import Shift, domain_counts, warn_outside_domain
from cortado.scoring.event_weights import add_per_event, factors_of_jets, with_truth
from cortado.scoring.friends import friend
from cortado.scoring.nesting import flatten, flatten_values, restore
from cortado.scoring.points import averaged
from cortado.scoring.predictor import Predictor, require_verbs
from cortado.weights import (
    WeightVariations,
    WorkingPoint,
    jet_weights,
    likelihood_ratio_weights,
    ratio_weights,
    require_prior,
)

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scorer:
    """Scores jets with one bundle, with the k of a k-fold training, or with an ensemble; made by `load`.

    Jets may be of any nesting, see `Predictor`.

    Attributes:
        predictor: Gives the probabilities: a `Predictor`, or `SeveralPredictors`.
        points: Working points of each fold, of an ensemble the means of its members; see `passes`.
    """

    predictor: Any
    points: tuple[tuple[WorkingPoint, ...], ...] = ((),)

    tree: ClassVar[str] = "scores"

    @classmethod
    def of(cls, predictor: Any, *, working_points: tuple[WorkingPoint, ...] | None = None) -> Scorer:
        """The scorer of a predictor of classes.

        Args:
            predictor: See `Scorer`.
            working_points: In the place of those of the bundles: of an ensemble, those that were measured on it.
        Raises:
            ValueError: If its answers are no classes.
        """
        require_verbs("Scorer", predictor)
        for point in working_points or ():
            if not isinstance(point, WorkingPoint):
                raise ValueError(f"working_points: {point!r} is no WorkingPoint, see cortado.weights.working_points")
        if working_points is not None:
            return cls(predictor=predictor, points=(working_points,) * len(_fold_points(predictor)))
        return cls(predictor=predictor, points=_fold_points(predictor))

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        working_points: tuple[WorkingPoint, ...] | None = None,
        **settings: Any,
    ) -> Scorer:
        """Scorer of the bundle at `path`; the settings are those of `cortado.load`.

        Raises:
            ValueError: As `cortado.load`, or if it is no tagger.
        """
        return cls.of(Predictor.load(path, **settings), working_points=working_points)

    @property
    def path(self) -> str:
        """Path of the bundle, or of all bundles."""
        path: str = self.predictor.path
        return path

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the probabilities."""
        classes: tuple[str, ...] = self.predictor.use.classes
        return classes

    @property
    def signal(self) -> str:
        """The class whose probability is the score."""
        signal: str = self.predictor.use.signal
        return signal

    @property
    def working_points(self) -> tuple[WorkingPoint, ...]:
        """Cuts on the score; of folds the means, while each jet is cut at the threshold of its own fold."""
        return self.points[0] if len(self.points) == 1 else averaged(self.points)

    def __call__(self, jets: ak.Array) -> ak.Array:
        """Probability of the signal, of the nesting of `jets`: float32, of an ensemble float64.

        Raises:
            ValueError: If a field is missing, or jets have no constituents.
            FileNotFoundError: If this process must read the bundle and it is not there.
        """
        return self.predictor(jets)[self.signal]

    def probabilities(self, jets: ak.Array) -> ak.Array:
        """Record of the probabilities of all classes, of the nesting of `jets`."""
        return self.predictor(jets)

    def discriminant(self, jets: ak.Array, numerator: Iterable[str], denominator: Iterable[str]) -> ak.Array:
        """Probability of some classes among those of both: W against QCD of a tagger of many classes.

        Args:
            jets: Of any nesting.
            numerator: Classes wanted.
            denominator: Classes to be told from them.
        Returns:
            Sum over the numerator / sum over both, of the nesting of `jets`; 0.5 where all vanish.
        Raises:
            ValueError: If a class is unknown.
        """
        above, below = ((names,) if isinstance(names, str) else tuple(names) for names in (numerator, denominator))
        for name in (*above, *below):
            require_one_of("class", name, self.classes)
        flat = self.predictor.flat(flatten(jets))
        none = np.zeros(len(flat), np.float32)
        sums = [sum((ak.to_numpy(flat[name]) for name in names), none) for names in (above, below)]
        return restore(ak.Array(_share(*sums)), jets)

    def working_point(self, name: str) -> WorkingPoint:
        """The working point of that name.

        Raises:
            ValueError: If there is none; lists them.
        """
        points = {point.name: point for point in self.working_points}
        require_one_of(f"working point of {self.path}", name, points)
        return points[name]

    def passes(self, jets_or_scores: ak.Array, working_point: str, *, scores: ak.Array | None = None) -> ak.Array:
        """Whether jets reach the threshold of the working point; NaN does not.

        Args:
            jets_or_scores: Jets; or their scores, unless thresholds differ from fold to fold.
            working_point: Its name. The thresholds and efficiencies of an ensemble are the means of its members'; give
                `working_points=` to `scoring.ensemble` where they were measured on the ensemble.
            scores: Scores of the jets if they are known already.
        Raises:
            ValueError: If there is no such working point, or scores alone do not tell the threshold.
        """
        points = self._points(working_point)
        if not ak.fields(jets_or_scores):
            if len({point.threshold for point in points}) > 1:
                raise ValueError("each fold has its own threshold: give the jets, passes(jets, ..., scores=scores)")
            return jets_or_scores >= points[0].threshold
        flat = flatten(jets_or_scores)
        known = ak.to_numpy(self(flat) if scores is None else flatten_values(scores))
        thresholds = np.array([point.threshold for point in points], known.dtype)
        return restore(ak.Array(known >= thresholds[self.predictor.member(flat)]), jets_or_scores)

    def add_weight(
        self,
        weights: Any,
        jets: ak.Array,
        *,
        working_point: str,
        scale_factors: Mapping[str, Any] | None = None,
        efficiencies: Mapping[str, Any] | None = None,
        is_signal: ak.Array | None = None,
        scores: ak.Array | None = None,
        name: str = "tagger",
    ) -> None:
        """Add the weight that gives simulated jets the tagging efficiency of data: nominal, up and down.

        The weight of an event is the product over its jets, see `cortado.weights.working_point_weights`. The
        scale factors of all jets vary together; for one nuisance parameter per truth class call it twice,
        with the signal jets and with the others.

        Args:
            weights: `coffea.analysis_tools.Weights` of the events.
            jets: Of simulated events, shape (n_events, var), or (n_events,) with at most one jet each.
            working_point: Its name.
            scale_factors: "signal" and "background" -> `weights.ScaleFactor` of pT, `weights.Correction` of any fields,
                or (value, error). One that is not given is 1 with the statistical uncertainty of the efficiency
                measured in training, at most 1.
            efficiencies: "signal" and "background" -> efficiency in this simulation, a number or a
                `weights.Correction`; those measured in training if not given.
            is_signal: Truth of each jet, of the nesting of `jets`. By default `jets.is_signal`, else
                `jets.truth_pdg_id` compared with that of the signal (classes w, z, higgs, top).
            scores: Scores of the jets if they are known already, of the nesting of `jets`.
            name: Name in `weights`.
        Raises:
            ValueError: If the working point or a key is unknown, the truth of the jets is not given, or as
                `working_point_weights`.
        """
        flat = with_truth(jets, is_signal, self.signal)
        if scores is not None:
            scores = flatten_values(scores)
        factors = self.jet_weights(
            flat, working_point=working_point, scale_factors=scale_factors, efficiencies=efficiencies, scores=scores
        )
        add_per_event(weights, name, restore(factors, jets))

    def add_likelihood_ratio(
        self,
        weights: Any,
        jets: ak.Array,
        *,
        prior: float = 1.0,
        score_err: float = 0.0,
        clip: tuple[float, float] | None = None,
        scores: ak.Array | None = None,
        name: str = "likelihood_ratio",
    ) -> None:
        """Add the weight that turns one sample into another, by a tagger trained between them: nominal, up and down.

        The weight of an event is the product over its jets of p / (1 - p) / prior, see
        `cortado.weights.likelihood_ratio_weights`.

        Args:
            weights: `coffea.analysis_tools.Weights` of the events.
            jets: Shape (n_events, var), or (n_events,) with at most one jet each.
            prior: Sum of training weights of the signal over that of the rest.
            score_err: Uncertainty of the score; of an ensemble its spread is taken instead.
            clip: Smallest and largest weight of a jet; how many are moved there is said in a warning.
            scores: Scores of the jets if they are known already, of the nesting of `jets`; they have no spread.
            name: Name in `weights`.
        Raises:
            ValueError: As `likelihood_ratio_weights`.
        """
        varied = self.likelihood_ratios(jets, prior=prior, score_err=score_err, clip=clip, scores=scores)
        add_per_event(weights, name, restore(ak.zip(varied._asdict()), jets))

    def likelihood_ratios(
        self,
        jets: ak.Array,
        *,
        prior: float = 1.0,
        score_err: float = 0.0,
        clip: tuple[float, float] | None = None,
        scores: ak.Array | None = None,
    ) -> WeightVariations:
        """Likelihood ratio of the signal to the rest of each jet, flat, shape (n,); see `add_likelihood_ratio`."""
        require_prior(prior)
        if scores is not None:
            known = ak.to_numpy(flatten_values(scores))
            return likelihood_ratio_weights(known, prior=prior, score_err=score_err, clip=clip)
        members = self.predictor.each(flatten(jets))
        if len(members) == 1:
            signal, rest = self._both(members[0])
            return likelihood_ratio_weights(signal, prior=prior, score_err=score_err, clip=clip, rest=rest)
        ratios = np.stack([self._log_ratio(each) for each in members]) - np.log(prior)
        return ratio_weights(ratios.mean(axis=0), ratios.std(axis=0, ddof=1), clip=clip)

    def jet_weights(
        self,
        jets: ak.Array,
        *,
        working_point: str,
        scale_factors: Mapping[str, Any] | None = None,
        efficiencies: Mapping[str, Any] | None = None,
        scores: ak.Array | None = None,
    ) -> ak.Array:
        """Weight of each jet by its field `is_signal`: shape (n,), fields nominal, up, down."""
        flat = flatten(jets)
        points, member = self._points(working_point), self.predictor.member(flat)
        efficiency, *factors = factors_of_jets(flat, points, member, scale_factors or {}, efficiencies or {})
        varied = jet_weights(
            self.passes(flat, working_point, scores=scores),
            efficiency=efficiency,
            scale_factor=WeightVariations(*factors),
        )
        return ak.zip(varied._asdict())

    def domain(self, jets: ak.Array, weights: NDArray[np.float64] | None = None) -> tuple[Shift, ...]:
        """How far jets are from what the network was trained on, the most significant quantity first.

        Counted are the inputs of the network, pT and multiplicity, see `cortado.bundle.domain`. The classes may come in
        any mixture. A shift is warned of that is significant (5 sigma) and large: the efficiency of a working point
        would move by more than a tenth of itself. Fewer than 200 jets, and bundles of before 0.2, say nothing.

        Args:
            jets: Of any nesting.
            weights: Of each jet, flat; 1 if not given.
        """
        return warn_outside_domain("this sample", self, domain_counts(self, jets, weights))

    def events(self, record: ak.Array) -> tuple[dict[str, ak.Array], Counter[str]]:
        """What a friend tree holds of events: the probabilities of their jets or showers, and what is to be said."""
        return friend(self.predictor, record)

    def bundle(self) -> bundles.Bundle:
        """The bundle, with provenance and all, read from disk unless this process has it; of several the first."""
        bundle: bundles.Bundle = self.predictor.bundle()
        return bundle

    def bundles(self) -> tuple[bundles.Bundle, ...]:
        """All bundles."""
        every: tuple[bundles.Bundle, ...] = self.predictor.bundles()
        return every

    def _points(self, name: str) -> tuple[WorkingPoint, ...]:
        """The working point of that name in each fold."""
        self.working_point(name)
        return tuple(next(point for point in points if point.name == name) for points in self.points)

    def _log_ratio(self, probabilities: ak.Array) -> Floats:
        tiny = np.finfo(np.float32).tiny
        signal, rest = (np.log(np.maximum(each, tiny)) for each in self._both(probabilities))
        ratio: Floats = signal - rest
        return ratio

    def _both(self, probabilities: ak.Array) -> tuple[Floats, Floats]:
        """Of the signal and of all other classes: 1 - p of a probability near 1 has no digits left."""
        columns = {name: np.asarray(probabilities[name], dtype=np.float64) for name in self.classes}
        signal = columns.pop(self.signal)
        return signal, np.sum(list(columns.values()), axis=0)


def _fold_points(predictor: Any) -> tuple[tuple[WorkingPoint, ...], ...]:
    """Working points of each fold; the mean ones where all bundles answer together."""
    each = tuple(bundle.working_points for bundle in predictor.bundles())
    return each if predictor.has_folds else (averaged(each),)


def _share(above: NDArray[Any], below: NDArray[Any]) -> NDArray[Any]:
    both = above + below
    # Where both vanish neither is favoured; NaN stays NaN.
    share: NDArray[Any] = np.divide(above, both, out=np.full_like(both, 0.5), where=both != 0)
    return share
