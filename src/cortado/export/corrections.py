"""Small networks as corrections of correctionlib (JSON, schema version 2), for C++ and for any framework.

The file has one correction for each answer: of a tagger the probabilities, by the names of the classes; of a regression
its numbers, before they are multiplied by what they are relative to. Each takes the features of the representation by
their names, before scaling: that is part of the correction, as `transform` nodes, and the network is an `lwtnn` node
(correctionlib 2.9 or later). Beside them are `threshold` and `efficiency` of the working points, see `cortado.weights`.

Perceptrons can be written: linear layers, with batch norm and dropout, and activations that lwtnn knows. The order of
the layers is that of their making; the comparison on the canary tells if a network calls them otherwise.

References:
    Guest et al., lwtnn, doi:10.5281/zenodo.597221. correctionlib, doi:10.5281/zenodo.3381655.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cortado import bundle as bundles
from cortado import weights
from cortado.bundle import Own
from cortado.bundle.length_units import Unit
from cortado.export.checking import Arrays, Exported, write_checked
from cortado.models.layers import fold_batch_norm
from cortado.scaling import QuantileScaling, Scaling
from cortado.tasks import Classes, Numbers

__all__ = ["to_correctionlib"]

_ACTIVATIONS: Mapping[type[nn.Module], Callable[[Any], Any]] = {
    nn.ReLU: lambda _: "rectified",
    nn.Sigmoid: lambda _: "sigmoid",
    nn.Tanh: lambda _: "tanh",
    nn.ELU: lambda layer: {"function": "elu", "alpha": layer.alpha},
    nn.LeakyReLU: lambda layer: {"function": "leakyrelu", "alpha": layer.negative_slope},
}
_PASSED_OVER = (nn.Dropout, nn.Identity)
_SOFTPLUS = "max(x,0)+log(1+exp(-abs(x)))"
_NARROWEST = 1e-3


class _Head(NamedTuple):
    """One answer: what it is, and a formula of one output of the network."""

    output: str
    told: str
    expression: str = "x"
    parameters: tuple[float, ...] = ()


def to_correctionlib(
    bundle: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    representations: Iterable[type] = (),
    models: Iterable[type] = (),
    uses: Iterable[type] = (),
    lengths: Unit | None = None,
) -> Exported:
    """Write a perceptron on numbers of an object as a file of correctionlib, checked with correctionlib.

    Args:
        bundle: Path of a bundle.
        path: ``name.json``, or ``name.json.gz``.
        representations: As `cortado.bundle.load`.
        models: As `cortado.bundle.load`.
        uses: As `cortado.bundle.load`.
        lengths: As `cortado.bundle.load`.
    Raises:
        ValueError: If representation, scaling, network or use cannot be written, names which; or outputs differ by more
            than 1e-4 from the original's.
    """
    import correctionlib

    content = bundles.read(bundle)
    original = content.bundle(Own(tuple(representations), tuple(models), tuple(uses), lengths))
    objects = content.canary_objects(lengths)
    names, heads = _feature_names(bundle, original, objects), _heads(bundle, original.use)
    network = {"layers": _layers(bundle, original.model, isinstance(original.use, Classes)), "outputs": _outputs(heads)}
    corrections = [_correction(bundle, name, head, names, original.scaling, network) for name, head in heads.items()]
    if points := original.working_points:
        corrections += [weights.threshold_correction(points), weights.efficiency_correction(points)]
    described = f"{type(original.model).__name__} of {Path(bundle).name}, sha256 {content.sha256}"

    def outputs(file: Path) -> Callable[[Arrays], Sequence[NDArray[Any]]]:
        found = correctionlib.CorrectionSet.from_file(str(file))
        return lambda inputs: [np.asarray(found[name].evaluate(*inputs[0].T.astype(np.float64))) for name in heads]

    return write_checked(
        Path(path),
        [_asked(original, batch, list(heads)) for batch in (objects, objects[:1])],
        lambda file: weights.write_corrections(file, corrections, description=described),
        outputs,
    )


def _asked(original: bundles.Bundle, objects: ak.Array, names: Sequence[str]) -> tuple[Arrays, Arrays]:
    """Unscaled features, and what the bundle answers."""
    prepared = original.prepare(objects)
    answers = original.use.answers(bundles.run(original.model, prepared), prepared)
    if isinstance(original.use, Classes):
        answers = dict(zip(original.use.classes, answers["probabilities"].T))
    return (original.representation(objects).features,), tuple(answers[name].numpy() for name in names)


def _feature_names(path: object, original: bundles.Bundle, objects: ak.Array) -> tuple[str, ...]:
    """Names of the features, which are all that the network is shown.

    Raises:
        ValueError: If the representation gives something else.
    """
    inputs: Any = original.representation(objects)
    names: Any = getattr(original.representation, "features", None)
    if inputs._fields != ("features",) or inputs.features.ndim != 2 or np.shape(names) != inputs.features.shape[1:]:
        made = type(original.representation).__name__
        shapes = ", ".join(f"{name} {array.shape}" for name, array in zip(inputs._fields, inputs))
        raise ValueError(
            f"{path} cannot be written as a correction: {made} gives {shapes}, required: named numbers of each object, "
            "as Columns and HighLevel give them"
        )
    return tuple(names)


def _layers(path: object, model: nn.Module, of_classes: bool) -> list[dict[str, Any]]:
    """Dense layers of lwtnn.

    Raises:
        ValueError: If the network has another layer, or parameters beside its layers.
    """
    layers: list[dict[str, Any]] = []
    folded, name = fold_batch_norm(model), type(model).__name__
    for module in folded.modules():
        kind = type(module)
        if isinstance(module, nn.Linear):
            layers.append(_dense(module))
        elif kind in _ACTIVATIONS and layers and layers[-1]["activation"] == "linear":
            layers[-1]["activation"] = _ACTIVATIONS[kind](module)
        elif isinstance(module, _PASSED_OVER) or (any(module.children()) and not list(module.parameters(False))):
            continue
        else:
            known = ", ".join(each.__name__ for each in (nn.Linear, *_PASSED_OVER, *_ACTIVATIONS))
            raise ValueError(
                f"{path} cannot be written as a correction: {name} has {kind.__name__}, required: linear layers, each "
                f"with one activation at most, of {known} (and batch norm after a linear layer)"
            )
    if not layers or (of_classes and layers[-1]["activation"] != "linear"):
        raise ValueError(f"{path} cannot be written as a correction: {name} does not end with a linear layer")
    if of_classes:
        layers[-1]["activation"] = "softmax"
    return layers


def _dense(layer: nn.Linear) -> dict[str, Any]:
    weight = layer.weight.detach().double()
    bias = torch.zeros(layer.out_features) if layer.bias is None else layer.bias.detach()
    return {
        "architecture": "dense",
        "activation": "linear",
        "weights": weight.flatten().tolist(),
        "bias": bias.double().tolist(),
    }


def _heads(path: object, use: Any) -> dict[str, _Head]:
    """How each answer follows from an output of the network.

    Raises:
        ValueError: If the answers are no numbers of one output each.
    """
    if isinstance(use, Classes):
        return {name: _Head(name, "probability of the class") for name in use.classes}
    if not isinstance(use, Numbers) or use.loss not in ("huber", "gaussian"):
        told = "quantiles, which are sorted" if isinstance(use, Numbers) else type(use).__name__
        raise ValueError(
            f"{path} cannot be written as a correction: it gives {told}, required: Classes, or Numbers with the loss "
            '"huber" or "gaussian"'
        )
    heads, told = {}, f"to be multiplied by {use.relative_to}" if use.relative_to else "as it was learned"
    for name, centre, scale in zip(use.names, use.centre, use.scale):
        heads[name] = _Head(f"{name}_output", told, "[0]+[1]*x", (centre, scale))
        if use.loss == "gaussian":
            width = f"[0]*([1]+{_SOFTPLUS})"
            heads[f"{name}_width"] = _Head(f"{name}_width_output", told, width, (scale, _NARROWEST))
    return heads


def _outputs(heads: Mapping[str, _Head]) -> list[str]:
    """Outputs of the network in their order."""
    return [head.output for head in heads.values()]


def _correction(
    path: object,
    name: str,
    head: _Head,
    features: Sequence[str],
    scaling: Scaling | QuantileScaling | None,
    network: Mapping[str, Any],
) -> dict[str, Any]:
    rules, offsets = _scaled(path, features, scaling)
    inputs = [{"name": each, "offset": offset, "scale": scale} for each, (offset, scale) in zip(features, offsets)]
    data: dict[str, Any] = {
        "nodetype": "lwtnn",
        "opaque": {"inputs": inputs, **network},
        "finalizer": _formula(head.expression, head.output, head.parameters),
    }
    for feature, rule in rules.items():
        data = {"nodetype": "transform", "input": feature, "rule": rule, "content": data}
    lines = [_formula("[0]+[1]*(x-[2])", feature) for feature in features]
    return {
        "name": name,
        "version": 1,
        "inputs": [{"name": feature, "type": "real"} for feature in features],
        "output": {"name": name, "type": "real", "description": head.told},
        **({"generic_formulas": lines} if isinstance(scaling, QuantileScaling) else {}),
        "data": data,
    }


def _scaled(path: object, features: Sequence[str], scaling: Any) -> tuple[dict[str, Any], list[tuple[float, float]]]:
    """What is done to features before the network, and offset and scale that it then applies: (x + offset) * scale.

    Raises:
        ValueError: If the scaling is neither a standardisation nor one by quantiles.
    """
    unscaled = [(0.0, 1.0)] * len(features)
    if scaling is None:
        return {}, unscaled
    if isinstance(scaling, QuantileScaling):
        rows = zip(features, scaling.quantiles, scaling.normal)
        return {row[0]: _steps(index, *row) for index, row in enumerate(rows)}, unscaled
    if not isinstance(scaling, Scaling):
        raise ValueError(f"{path} cannot be written as a correction: its scaling is a {type(scaling).__name__}")
    offsets = [(-center, scale) for center, scale in zip(scaling.center, scaling.scale)]
    if scaling.clip is None:
        return {}, offsets
    limits = [(-offset - scaling.clip / scale, -offset + scaling.clip / scale) for offset, scale in offsets]
    return {name: _formula("max([0],min([1],x))", name, pair) for name, pair in zip(features, limits)}, offsets


def _steps(index: int, feature: str, quantiles: Sequence[float], normal: Sequence[float]) -> dict[str, Any]:
    """A line between each two quantiles, constant beyond: by the formula of that index."""
    slopes = np.diff(normal) / np.diff(quantiles)
    lines = [
        {"nodetype": "formularef", "index": index, "parameters": [after, slope, before]}
        for before, after, slope in zip(quantiles, normal, slopes.tolist())
    ]
    return {
        "nodetype": "binning",
        "input": feature,
        "edges": ["-inf", *map(float, quantiles), "inf"],
        "content": [float(normal[0]), *lines, float(normal[-1])],
        "flow": "error",
    }


def _formula(expression: str, variable: str, parameters: Sequence[float] = ()) -> dict[str, Any]:
    return {
        "nodetype": "formula",
        "expression": expression,
        "parser": "TFormula",
        "variables": [variable],
        **({"parameters": list(parameters)} if parameters else {}),
    }
