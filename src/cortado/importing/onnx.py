"""Taggers as ONNX files to bundles, whose network onnxruntime runs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import torch

from cortado import bundle as bundles
from cortado import reading, representations
from cortado.bundle import Bundle
from cortado.bundle.description import tuples
from cortado.importing.imported import Imported
from cortado.models import OnnxNetwork
from cortado.models.onnx_network import session_of
from cortado.names import choices, nearest, require_one_of
from cortado.tasks import Classes
from cortado.weights import WorkingPoint

__all__ = ["from_onnx"]

_SUM = 1e-3  # by which probabilities may miss 1
_LOOKED_AT = 2000  # entries among which jets for the canary are sought


def from_onnx(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    jets: str | os.PathLike[str],
    representation: Any = None,
    classes: Sequence[str] = (),
    signal: str | None = None,
    inputs: Mapping[str, str] | None = None,
    output: str | None = None,
    collection: str = "jets",
    tree: str | None = None,
) -> Imported:
    """Make a bundle of a tagger that is an ONNX file; onnxruntime runs it wherever the bundle is used.

    Files of our own export know their representation, classes and working points. Whether the output is logits or
    probabilities is seen from what it gives for the first objects.

    Args:
        path: The ONNX file.
        out: `name.cortado`.
        jets: An ntuple, whose first objects are stored as the check of the bundle.
        representation: What the network takes, one of `cortado.representations`.
        classes: Names of the classes, in the order of the output.
        signal: The class whose probability is the score; of two the second if not given.
        inputs: Name of an array of the representation -> name of the input, where they differ.
        output: Name of the output; "logits", or the only one, if not given.
        collection: What the objects are, in the record of the ntuple.
        tree: Of `jets`.
    Raises:
        ImportError: If onnxruntime, of the extra `onnx`, is not installed.
        ValueError: If names, shapes or types of network and representation do not fit, names them.
    """
    path, file = Path(path), Path(path).read_bytes()
    try:
        session = session_of(file)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    known = json.loads(session.get_modelmeta().custom_metadata_map.get("cortado", "{}"))
    representation = representation or _known_representation(path, known)
    use, points = _use(path, known, classes, signal)
    objects = _objects(str(jets), collection, tree, representation)
    made = representation(objects)
    names = _inputs(path, session, type(representation).__name__, made, inputs or {})
    arguments = {"size": len(file), "inputs": names, "output": _output(path, session, output)}
    network = _network(arguments, file)
    if _is_probabilities(_answered(path, network, made)):
        arguments["probabilities"] = True
        network = _network(arguments, file)
    tagger = Bundle(
        representation=representation,
        model=network,
        arguments=arguments,
        use=use,
        working_points=points,
        provenance={
            "samples": {"onnx": {"file": path.name, "sha256": hashlib.sha256(file).hexdigest()}},
            "study": {"objects": {"collection": collection}},
        },
    )
    given = "probabilities" if network.probabilities else "logits"
    notes = (f"{path.name} gives {given} as {network.output!r}",)
    return Imported(bundles.save(tagger, out, canary=objects), use, notes)


def _known_representation(path: Path, known: Mapping[str, Any]) -> Any:
    """That of a file of our own export.

    Raises:
        ValueError: If it is none, or names a class that is not ours.
    """
    if "representation" not in known:
        raise ValueError(f"{path}: not exported by cortado, required: a representation, as --representation")
    name = known["representation"]["name"]
    require_one_of(f"{path}: representation", name, representations.__all__)
    return getattr(representations, name)(**tuples(known["representation"]["arguments"]))


def _use(
    path: Path, known: Mapping[str, Any], classes: Sequence[str], signal: str | None
) -> tuple[Classes, tuple[WorkingPoint, ...]]:
    if classes:
        if signal is None and len(classes) == 2:
            signal = classes[1]
        require_one_of(f"{path}: signal", signal, classes)
        return Classes(classes=tuple(classes), signal=str(signal)), ()
    use = known.get("use", {"name": "nothing that is known"})
    if use["name"] != "Classes":
        raise ValueError(
            f"{path}: gives {use['name']}, required: a tagger, whose classes are known or given: --classes"
        )
    return Classes(**tuples(use["arguments"])), tuple(WorkingPoint(**point) for point in known["working_points"])


def _objects(jets: str, collection: str, tree: str | None, representation: Any) -> ak.Array:
    """The first objects that the representation accepts.

    Raises:
        ValueError: If there is none.
    """
    for record in islice(reading.iterate(jets, tree=tree, collection=collection, size=_LOOKED_AT), 1):
        require_one_of(f"{jets}: collection", collection, [name for name in record.fields if record[name].ndim > 1])
        objects = bundles.columns(ak.flatten(record[collection]), representation.fields)
        objects = objects[bundles.lengths(objects) > 0]
        if len(places := bundles.accepted(representation, objects).places):
            return objects[places[:16]]
    raise ValueError(f"{jets}: no {collection} among the first {_LOOKED_AT} entries can be shown to the network")


def _inputs(path: Path, session: Any, name: str, made: Any, given: Mapping[str, str]) -> dict[str, str]:
    """Arrays of the representation -> inputs.

    Raises:
        ValueError: If an array or input is left over.
    """
    there = [node.name for node in session.get_inputs()]
    for field in given:
        require_one_of(f"{path}: array of {name}", field, made._fields)
    names = {field: given.get(field, field) for field in made._fields}
    for field, wanted in names.items():
        if wanted not in there:
            raise ValueError(
                f"{path}: no input {wanted!r} for {field} of {name}; {nearest(wanted, there)}; --input {field}=NAME"
            )
    if left := [wanted for wanted in there if wanted not in names.values()]:
        raise ValueError(f"{path}: input {left[0]!r} is none of {name}, which gives {', '.join(made._fields)}")
    return names


def _output(path: Path, session: Any, output: str | None) -> str:
    there = [node.name for node in session.get_outputs()]
    chosen: str | None = output or ("logits" if "logits" in there else there[0] if len(there) == 1 else None)
    if chosen is None or chosen not in there:
        asked = "several outputs" if chosen is None else f"no output {chosen!r}"
        raise ValueError(f"{path}: {asked}, required: --output {choices(chosen or '', there)}")
    return chosen


def _network(arguments: Mapping[str, Any], file: bytes) -> OnnxNetwork:
    network = OnnxNetwork(**arguments)
    network.file = torch.frombuffer(bytearray(file), dtype=torch.uint8)
    return network.eval()


def _answered(path: Path, network: OnnxNetwork, made: Any) -> Any:
    try:
        return bundles.run(network, made).numpy()
    except Exception as error:  # of onnxruntime's own types
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path}: does not take what the representation gives: {reason}") from error


def _is_probabilities(outputs: Any) -> bool:
    return bool((outputs >= 0).all() and outputs.ndim == 2 and np.allclose(outputs.sum(axis=1), 1, atol=_SUM))
