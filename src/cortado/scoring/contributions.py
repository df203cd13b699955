"""How much each constituent, pixel or feature of an object adds to its score.

Shapes: n objects, p constituents, f features, c channels.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cortado import bundle as bundles
from cortado.extras import extra
from cortado.models import OnnxNetwork
from cortado.scoring.nesting import flatten, restore
from cortado.scoring.predictor import Predictor
from cortado.tasks import Classes, Reconstructed

__all__ = ["contributions"]

_TOLERANCE = 0.02  # of the sum of the absolute contributions
_WITHIN = "particles of ParticleList or PointCloud, images, or features (n, f)"


class _Explained(NamedTuple):
    """What is explained: a score as a function of the array that is varied, and of those that are not."""

    score: Callable[..., Tensor]
    varied: str
    reference: Tensor | None  # (1, ...) or (f,), in the place of zeros


def contributions(scorer: Any, objects: ak.Array, *, baseline: ak.Array | None = None, steps: int = 64) -> ak.Array:
    """Integrated gradients of the score: shares of the difference between an object and a baseline that add up to it.

    The score is the logit of the signal against the rest, log(p / (1 - p)), for `Classes`, and the anomaly for
    `Reconstructed`. The array of numbers that the network sees is moved on a straight line from the baseline to the
    object, 0 to 1; which constituents there are (the mask), and who is near whom (`points` of a `PointCloud`), stays
    as it is. On each step the gradient is taken: some hundred times the work of a score. Networks of neighbours in
    their own features, as ParticleNet, jump where neighbours change; what is lost there is said in the warning.

    Args:
        scorer: What `cortado.load` gives for one bundle: a `Scorer`, or a `Predictor`.
        objects: Of any nesting.
        baseline: Objects (m,) whose mean input (of a particle, of a pixel) is the baseline. None for zeros: the mean
            particle of the training where features are standardised, the empty image.
        steps: Points on the line, of a Gauss-Legendre rule.
    Returns:
        Record of the nesting of `objects`.

        ============  ==============================================================================================
        contribution  of each constituent, in the order of the object's own list, 0 for those that the representation
                      leaves out; of each pixel (c, eta, phi); or of each feature (f,), in the representation's order
        score         of the object
        baseline      score of its baseline; the contributions add up to score - baseline
        ============  ==============================================================================================

        Objects without constituents have NaN and no contributions, where the predictor lets them pass.
    Raises:
        ImportError: If the extra `explain` is not installed.
        ValueError: If the bundle is one of several, has no gradients (an estimator), another use or another form of
            input, steps is below 1, or the baseline has nothing in it.
    Warns:
        UserWarning: If contributions of an object miss their sum by more than 2 % of the sum of their absolute values.
    References:
        Sundararajan, Taly, Yan, Axiomatic Attribution for Deep Networks (2017), arXiv:1703.01365, eq. (1).
        Kokhlikyan et al., Captum (2020), arXiv:2009.07896.
    """
    predictor = getattr(scorer, "predictor", scorer)
    if not isinstance(predictor, Predictor):
        raise ValueError(f"{type(predictor).__name__}: contributions are those of one bundle, cortado.load(path)")
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    flat = predictor.taken(flatten(objects))
    explained = _explained(predictor, flat[:0], None if baseline is None else predictor.taken(flatten(baseline)))
    answers = bundles.in_batches(
        predictor.bundle(),
        flat,
        lambda batch: _contributions(predictor, explained, batch, steps),
        skip_empty=True,
        batch_size=predictor.batch_size,
        device=predictor.device,
        threads=predictor.threads,
        precision=predictor.precision,
    )
    _warn_if_incomplete(answers, steps)
    return restore(answers, objects)


def _explained(predictor: Predictor, none: ak.Array, baseline: ak.Array | None) -> _Explained:
    """What is explained by a predictor.

    Raises:
        ValueError: If it cannot be.
    """
    loaded, use = predictor.loaded(), predictor.use
    model = type(loaded.bundle.model)
    estimators = getattr(model, "estimators", ())
    if estimators or model is OnnxNetwork:
        origin = f"was fitted as {' or '.join(estimators)}" if estimators else "runs in onnxruntime"
        raise ValueError(
            f"{predictor.path}: {model.__name__} {origin} and has no gradients; contributions need a network of torch"
        )
    if not isinstance(use, Classes | Reconstructed):
        raise ValueError(f"{predictor.path}: no contributions to {type(use).__name__}, only to Classes, Reconstructed")
    representation = loaded.bundle.representation
    names, shown = loaded.bundle.prepare(none)._fields, type(representation).__name__
    if "image" in names and len(names) == 1:
        varied = "image"
    elif "features" in names and (hasattr(representation, "places") or names == ("features",)):
        varied = "features"
    else:
        raise ValueError(f"{predictor.path}: {shown} gives {', '.join(names)}; contributions are of {_WITHIN}")

    def score(array: Tensor, inputs: Any) -> Tensor:
        given = inputs._replace(**{varied: array})
        named = use.answers(loaded.network(*given).float(), given)
        return _log_odds(use, named["logits"]) if isinstance(use, Classes) else named["anomaly"]

    reference = None if baseline is None else _mean(loaded.bundle.prepare(baseline), varied).to(predictor.device)
    return _Explained(score, varied, reference)


def _log_odds(use: Classes, logits: Tensor) -> Tensor:
    """Logarithm of p / (1 - p) of the signal, shape (n,)."""
    signal = use.classes.index(use.signal)
    others = [index for index in range(len(use.classes)) if index != signal]
    return logits[:, signal] - logits[:, others].logsumexp(dim=1)


def _mean(prepared: Any, varied: str) -> Tensor:
    """Mean of what the network sees: of particles (f,), of pixels (c, eta, phi) or features (f,).

    Raises:
        ValueError: If there is nothing.
    """
    array: NDArray[np.float32] = getattr(prepared, varied)
    entries = array[prepared.mask] if "mask" in prepared._fields else array
    if not len(entries):
        raise ValueError("baseline: no objects or no constituents, required: at least one")
    return torch.from_numpy(entries.mean(axis=0, dtype=np.float64).astype(np.float32))


def _contributions(predictor: Predictor, explained: _Explained, objects: ak.Array, steps: int) -> dict[str, ak.Array]:
    """The columns of a batch."""
    bundle = predictor.bundle()
    prepared = bundle.prepare(objects)
    inputs = type(prepared)(*(tensor.to(predictor.device) for tensor in bundles.tensors(prepared)))
    array = getattr(inputs, explained.varied)
    start = torch.zeros_like(array) if explained.reference is None else explained.reference.expand_as(array)
    if "mask" in inputs._fields:
        start = start * inputs.mask.unsqueeze(-1)
    shares = torch.zeros_like(array)
    if len(objects):
        shares = _integrated(explained, array, start, inputs, steps, predictor.batch_size)
        # Where nothing is moved the gradient may be infinite, as that of a root at 0.
        shares = torch.where(array == start, 0.0, shares)
    with torch.no_grad():
        ends = [explained.score(each, inputs) if len(objects) else array.new_zeros(0) for each in (array, start)]
    score, baseline = (ak.Array(end.cpu().numpy()) for end in ends)
    return {
        "contribution": _nested(bundle, objects, shares.detach().cpu().numpy()),
        "score": score,
        "baseline": baseline,
    }


def _integrated(
    explained: _Explained, array: Tensor, start: Tensor, inputs: Any, steps: int, batch_size: int
) -> Tensor:
    """Integrated gradients by captum, of the shape of the array.

    Raises:
        ImportError: If it is not installed.
    """
    with extra("explain", "the share of each constituent in a score"):
        from captum.attr import IntegratedGradients

    def score(moved: Tensor, *others: Tensor) -> Tensor:
        return explained.score(moved, type(inputs)(*others))

    shares: Tensor = IntegratedGradients(score, multiply_by_inputs=True).attribute(
        array,
        start,
        additional_forward_args=tuple(inputs),
        n_steps=steps,
        internal_batch_size=max(len(array), batch_size),
    )
    return shares


def _nested(bundle: bundles.Bundle, objects: ak.Array, shares: NDArray[np.float32]) -> ak.Array:
    """Contributions as lists of the objects; of constituents in the order of the objects' own lists."""
    if not hasattr(bundle.representation, "places"):
        return ak.from_regular(ak.Array(shares), axis=None)
    places = bundle.representation.places(objects)
    counts = ak.to_numpy(ak.num(objects.constituents))
    taken = places >= 0
    own = np.zeros(counts.sum(), np.float32)
    own[((np.cumsum(counts) - counts)[:, np.newaxis] + places)[taken]] = shares.sum(axis=-1)[taken]
    return ak.unflatten(own, counts)


def _warn_if_incomplete(answers: ak.Array, steps: int) -> None:
    axes = range(1, answers.contribution.ndim)
    total, size = answers.contribution, abs(answers.contribution)
    for _ in axes:
        total, size = ak.sum(total, axis=-1), ak.sum(size, axis=-1)
    off = abs(total - (answers.score - answers.baseline))
    missed = ak.to_numpy(off > _TOLERANCE * size)
    if missed.any():
        worst = float(np.max(ak.to_numpy(off / size)[missed]))
        warnings.warn(
            f"contributions of {missed.sum()} of {len(answers)} objects miss score - baseline by more than "
            f"{_TOLERANCE:.0%} of their absolute sum, at most by {worst:.1%}; steps = {steps}, take more",
            stacklevel=3,
        )
