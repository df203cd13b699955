"""One bundle as a function of jets."""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado import bundle as bundles
from cortado.scoring import batching, process
from cortado.scoring.nesting import flatten, flatten_values, restore
from cortado.weights import (
    ScaleFactor,
    WeightVariations,
    WorkingPoint,
    jet_weights,
    likelihood_ratio_weights,
    per_event,
)

Precision = Literal["float32", "bfloat16"]
Empty = Literal["raise", "nan"]
TRUTH = {"w": 24, "z": 23, "higgs": 25, "top": 6}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scorer:
    """Scores jets with the bundle at `path`; made by `load`.

    Jets may be flat (n,), per event (n_events, var), nested deeper, or optional (`ak.firsts(jets)`). The
    result has the same nesting, None where there is no jet, and its values depend on the jet alone, not on
    how jets were chunked, ordered or batched (within 1e-5).

    Attributes:
        path: Absolute path of the bundle.
        sha256: Its fingerprint; another bundle at the same path is refused.
        device: "cpu", "cuda", "cuda:1" or "mps".
        threads: CPU threads while scoring. None: one in worker processes, torch's own choice elsewhere.
        batch_size: Most jets scored at once; fewer where they have more than 32 constituents.
        precision: Of products: "float32", or "bfloat16" by autocast.
        without_constituents: Jets without constituents are an error ("raise") or score NaN ("nan").
        classes: Names of the probabilities.
        signal: The class whose probability is the score.
        working_points: Cuts on the score, see `passes`.
        representations: Classes of your own that the bundle uses.
        models: Likewise.
    """

    path: str
    sha256: str
    device: str = "cpu"
    threads: int | None = None
    batch_size: int = 512
    precision: Precision = "float32"
    without_constituents: Empty = "raise"
    classes: tuple[str, ...]
    signal: str
    working_points: tuple[WorkingPoint, ...] = ()
    representations: tuple[type, ...] = ()
    models: tuple[type, ...] = ()

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {self.batch_size}")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads must be at least 1 or None, got {self.threads}")
        _require_one_of("precision", self.precision, ("float32", "bfloat16"))
        _require_one_of("without_constituents", self.without_constituents, ("raise", "nan"))

    def __call__(self, jets: ak.Array) -> ak.Array:
        """Probability of the signal, float32, of the nesting of `jets`.

        Raises:
            ValueError: If a field is missing, or jets have no constituents.
            FileNotFoundError: If this process must read the bundle and it is not there.
        """
        return self._score(jets, lambda probabilities: probabilities[:, self.classes.index(self.signal)])

    def probabilities(self, jets: ak.Array) -> ak.Array:
        """Record of the probabilities of all classes, float32, of the nesting of `jets`."""
        return self._score(jets, lambda probabilities: ak.zip(dict(zip(self.classes, probabilities.T))))

    def discriminant(self, jets: ak.Array, numerator: Iterable[str], denominator: Iterable[str]) -> ak.Array:
        """Probability of some classes among those of both: W against QCD of a tagger of many classes.

        Args:
            jets: Of any nesting.
            numerator: Classes wanted.
            denominator: Classes to be told from them.
        Returns:
            Sum over the numerator / sum over both, float32, of the nesting of `jets`; 0.5 where all vanish.
        Raises:
            ValueError: If a class is unknown.
        """
        above, below = ([self._class(name) for name in names] for names in (numerator, denominator))
        return self._score(jets, lambda probabilities: _share(probabilities[:, above], probabilities[:, below]))

    def working_point(self, name: str) -> WorkingPoint:
        """The working point of that name.

        Raises:
            ValueError: If there is none; lists them.
        """
        points = {point.name: point for point in self.working_points}
        _require_one_of(f"working point of {self.path}", name, points)
        return points[name]

    def passes(self, jets_or_scores: ak.Array, working_point: str) -> ak.Array:
        """Whether jets, or scores computed before, reach the threshold of the working point; NaN does not."""
        scores = self(jets_or_scores) if ak.fields(jets_or_scores) else jets_or_scores
        return scores >= self.working_point(working_point).threshold

    def add_weight(
        self,
        weights: Any,
        jets: ak.Array,
        *,
        working_point: str,
        scale_factors: Mapping[str, Any] | None = None,
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
            scale_factors: "signal" and "background" -> `ScaleFactor` or (value, error). One that is not given
                is 1 with the statistical uncertainty of the efficiency measured in training, at most 1.
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
        factors = self.jet_weights(flat, working_point=working_point, scale_factors=scale_factors, scores=scores)
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
            score_err: Uncertainty of the score.
            clip: Smallest and largest weight of a jet; how many are moved there is said in a warning.
            scores: Scores of the jets if they are known already, of the nesting of `jets`.
            name: Name in `weights`.
        Raises:
            ValueError: As `likelihood_ratio_weights`.
        """
        flat = flatten_values(self(jets) if scores is None else scores)
        varied = likelihood_ratio_weights(ak.to_numpy(flat), prior=prior, score_err=score_err, clip=clip)
        add_per_event(weights, name, restore(ak.zip(varied._asdict()), jets))

    def jet_weights(
        self,
        jets: ak.Array,
        *,
        working_point: str,
        scale_factors: Mapping[str, Any] | None = None,
        scores: ak.Array | None = None,
    ) -> ak.Array:
        """Weight of each jet by its field `is_signal`: shape (n,), fields nominal, up, down."""
        point = self.working_point(working_point)
        factors = _scale_factors(point, scale_factors or {})
        is_signal, pt = ak.to_numpy(jets.is_signal).astype(bool), ak.to_numpy(jets.pt)
        s, s_err = np.where(is_signal, factors["signal"](pt), factors["background"](pt))
        varied = jet_weights(
            self.passes(jets if scores is None else scores, working_point),
            efficiency=np.where(is_signal, point.efficiency, point.mistag),
            scale_factor=s,
            scale_factor_err=s_err,
        )
        return ak.zip(varied._asdict())

    def bundle(self) -> bundles.Bundle:
        """The bundle, with provenance and all; read from disk unless this process has it."""
        return self._loaded().bundle

    def _loaded(self) -> process.Loaded:
        return process.loaded(self.path, self.sha256, self.device, self.representations, self.models)

    def _class(self, name: str) -> int:
        _require_one_of("class", name, self.classes)
        return self.classes.index(name)

    def _score(self, jets: ak.Array, of_probabilities: Any) -> ak.Array:
        return restore(ak.Array(of_probabilities(self._probabilities(flatten(jets)))), jets)

    def _probabilities(self, flat: ak.Array) -> NDArray[np.float32]:
        """Probabilities of flat jets, shape (n, classes); NaN for jets without constituents."""
        loaded = self._loaded()
        jets = bundles.columns(flat, loaded.bundle.fields)
        lengths = batching.lengths(jets, loaded.bundle)
        scored = np.flatnonzero(lengths)
        if (empty := len(jets) - len(scored)) and self.without_constituents == "raise":
            raise ValueError(
                f"{empty} of {len(jets)} jets have no constituents and cannot be scored by {self.path}: "
                "drop them, jets[ak.num(jets.constituents, axis=-1) > 0], or ask for NaN, without_constituents='nan'"
            )
        result = np.full((len(jets), len(self.classes)), np.nan, np.float32)
        with process.settings(self.device, self.threads, self.precision):
            for batch in batching.batches(scored, lengths, self.batch_size):
                with batching.numbered(batch):
                    logits = loaded.logits(jets[batch], self.device)
                result[batch] = bundles.probabilities(logits, "tagging").cpu().numpy()
        return result


def with_truth(jets: ak.Array, is_signal: ak.Array | None, signal: str) -> ak.Array:
    """Flat jets with the field `is_signal`; see `Scorer.add_weight`.

    Raises:
        ValueError: If nothing tells the truth.
    """
    flat = flatten(jets)
    if is_signal is not None:
        return ak.with_field(flat, flatten_values(ak.Array(is_signal)), "is_signal")
    if "is_signal" in flat.fields:
        return flat
    if "truth_pdg_id" in flat.fields and signal.lower() in TRUTH:
        return ak.with_field(flat, flat.truth_pdg_id == TRUTH[signal.lower()], "is_signal")
    raise ValueError(
        f"the truth of jets is not known for signal {signal!r}: give is_signal=, or a field is_signal, or "
        f"truth_pdg_id with a signal class among {', '.join(TRUTH)}; the jets have {', '.join(flat.fields)}"
    )


def add_per_event(weights: Any, name: str, factors: ak.Array) -> None:
    """Multiply the jet weights of each event and add the products to a coffea `Weights`."""
    varied = per_event(WeightVariations(factors.nominal, factors.up, factors.down))
    weights.add(name, varied.nominal, weightUp=varied.up, weightDown=varied.down)


def _share(above: NDArray[np.float32], below: NDArray[np.float32]) -> NDArray[np.float32]:
    wanted, both = above.sum(axis=1), above.sum(axis=1) + below.sum(axis=1)
    # Where both vanish neither is favoured; NaN stays NaN.
    share: NDArray[np.float32] = np.divide(wanted, both, out=np.full_like(both, 0.5), where=both != 0)
    return share


def _scale_factors(point: WorkingPoint, given: Mapping[str, Any]) -> dict[str, ScaleFactor]:
    factors = {
        "signal": ScaleFactor(value=1.0, error=_relative(point.efficiency_err, point.efficiency)),
        "background": ScaleFactor(value=1.0, error=_relative(point.mistag_err, point.mistag)),
    }
    for name, factor in given.items():
        _require_one_of("truth of a scale factor", name, factors)
        factors[name] = factor if isinstance(factor, ScaleFactor) else ScaleFactor(value=factor[0], error=factor[1])
    return factors


def _relative(error: float, value: float) -> float:
    return error / value if value > error else 1.0


def _require_one_of(what: str, name: str, known: Iterable[str]) -> None:
    names = list(known)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f", nearest: {near[0]!r}" if near else ""
        raise ValueError(f"{what}: unknown {name!r}{hint}; known: {', '.join(names) or 'none'}")
