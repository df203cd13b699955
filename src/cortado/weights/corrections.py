"""Numbers of jets that correctionlib gives: scale factors and efficiencies of any inputs, with their variations."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from gzip import BadGzipFile
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.masks import unmasked
from cortado.names import nearest, require_one_of
from cortado.weights.variations import WeightVariations

__all__ = ["Correction"]

NOMINAL_UP_DOWN = ("nominal", "up", "down")


@dataclass(frozen=True, kw_only=True)
class Correction:
    """A number of each jet, nominal, up and down, by a correction of correctionlib.

    Each input of the correction is one of `values`, or the systematic, or a field of the jets: that of `fields`, else
    that of its own name.

    Attributes:
        correction: Of a `correctionlib.CorrectionSet`, or a compound one; `read` takes it from a file.
        fields: Input -> field of the jets, or function of the jets: {"abseta": lambda jets: abs(jets.eta)}.
        values: Input -> one value for all jets, such as the name of a working point.
        systematic: Input that names the variation; None for a correction without.
        variations: What this input is called for the nominal value, up and down.

    Raises:
        ValueError: If an input is not one of the correction's, is given twice, or a value is none that it knows.
    """

    correction: Any
    fields: Mapping[str, str | Callable[[ak.Array], Any]] = field(default_factory=dict)
    values: Mapping[str, str | int | float] = field(default_factory=dict)
    systematic: str | None = None
    variations: tuple[str, str, str] = NOMINAL_UP_DOWN

    def __post_init__(self) -> None:
        if not hasattr(self.correction, "evaluate"):
            raise ValueError(f"correction = {self.correction!r}, required: one of a correctionlib.CorrectionSet")
        known = [variable.name for variable in self.correction.inputs]
        given = [*self.fields, *self.values, *([] if self.systematic is None else [self.systematic])]
        for name in given:
            require_one_of(f"input of correction {self.correction.name!r}", name, known)
        if twice := [name for name in known if given.count(name) > 1]:
            raise ValueError(
                f"input {twice[0]!r} of correction {self.correction.name!r}: required: in one of fields, values and "
                f"systematic, got in {given.count(twice[0])}"
            )
        if len(self.variations) != 3:
            raise ValueError(f"variations = {self.variations!r}, required: what is nominal, up and down")
        asked = [*self.values.items(), *((self.systematic, name) for name in self.variations if self.systematic)]
        for name, value in asked:
            if keys := _keys(self.correction, name):
                require_one_of(f"input {name!r} of correction {self.correction.name!r}", value, keys)

    @classmethod
    def read(cls, path: str | os.PathLike[str], name: str, **settings: Any) -> Correction:
        """The correction of that name in a file.

        Args:
            path: JSON, or JSON compressed by gzip (``.json.gz``).
            name: Of a correction or compound correction.
            **settings: The other attributes of this.
        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is no file of corrections, or has none of that name.
        """
        import correctionlib

        content = _alone(os.fspath(path), name)
        try:
            corrections = correctionlib.CorrectionSet.from_string(json.dumps(content))
        except RuntimeError as error:
            raise ValueError(f"{path}: correctionlib does not take correction {name!r}: {error}") from error
        return cls(correction={**corrections, **corrections.compound}[name], **settings)

    def __call__(self, jets: ak.Array) -> WeightVariations:
        """Nominal, up and down of jets of shape (n,): float64, shape (n,); all the same without a systematic.

        Raises:
            ValueError: If an input is given by nothing, is not a number of each jet, or the correction is not defined
                for a jet.
        """
        columns = {
            variable.name: self._column(jets, variable)
            for variable in self.correction.inputs
            if variable.name != self.systematic
        }
        if self.systematic is None:
            return WeightVariations(*3 * (self._evaluated(columns, len(jets)),))
        each = (self._evaluated(columns | {self.systematic: name}, len(jets)) for name in self.variations)
        return WeightVariations(*each)

    def _column(self, jets: ak.Array, variable: Any) -> Any:
        if variable.name in self.values:
            value = self.values[variable.name]
            return float(value) if variable.type == "real" else value
        source = self.fields.get(variable.name, variable.name)
        what = f"input {variable.name!r} of correction {self.correction.name!r}"
        if isinstance(source, str) and source not in ak.fields(jets):
            how = f"is to be field {source!r}, which the jets lack" if variable.name in self.fields else "is no field"
            raise ValueError(
                f"{what} {how}; {nearest(source, ak.fields(jets))}; fields={{{variable.name!r}: ...}} names a field, "
                f"values={{{variable.name!r}: ...}} gives one value"
            )
        column = unmasked(jets[source] if isinstance(source, str) else source(jets))
        kinds = {"int": "iub", "real": "iubf"}.get(variable.type, "")
        if column.dtype.kind not in kinds or column.shape != (len(jets),):
            wanted = {"int": "an integer", "real": "a number"}.get(variable.type, "one text for all (values=)")
            raise ValueError(
                f"{what} is of type {column.dtype} and shape {column.shape}, required: {wanted} of each jet"
            )
        return column.astype(np.int64 if variable.type == "int" else np.float64)

    def _evaluated(self, columns: Mapping[str, Any], number: int) -> NDArray[np.float64]:
        names = [variable.name for variable in self.correction.inputs]
        try:
            made = self.correction.evaluate(*(columns[name] for name in names))
        except (IndexError, RuntimeError) as error:
            told = re.sub(r"input argument (\d+)", lambda match: f"input {names[int(match[1])]!r}", str(error))
            raise ValueError(f"correction {self.correction.name!r} is not defined for all jets: {told}") from error
        return np.array(np.broadcast_to(made, number), np.float64)


def _alone(path: str, name: str) -> dict[str, Any]:
    """A file with one correction alone: processors take it to workers for each chunk, and published files are large."""
    from correctionlib.highlevel import open_auto

    try:
        content = json.loads(open_auto(path))
        single = {each["name"]: each for each in content["corrections"]}
        compound = {each["name"]: each for each in content.get("compound_corrections") or ()}
        used = compound[name]["stack"] if name in compound else [name]
        alone = {"schema_version": content["schema_version"], "corrections": [single[x] for x in single if x in used]}
    except (ValueError, KeyError, TypeError, EOFError, BadGzipFile) as error:
        raise ValueError(f"{path} is no file of corrections (schema version 2): {error!r}") from error
    if not alone["corrections"]:
        raise ValueError(f"{path} has no correction {name!r}; {nearest(name, {**single, **compound})}")
    return {**alone, "compound_corrections": [compound[name]]} if name in compound else alone


def _keys(correction: Any, name: str) -> list[str | int]:
    """Values that an input may have, where the correction tells them apart by name; none for compound corrections."""
    # The text that pickles a correction is all that knows them.
    text = correction.__getstate__()["_context"].__getstate__()["_data"]
    contents = (each["data"] for each in json.loads(text)["corrections"] if each["name"] == correction.name)
    nodes = [node for content in contents for node in _nodes(content) if node.get("input") == name]
    named = [node for node in nodes if node.get("nodetype") == "category"]
    if any(node.get("default") is not None for node in named):
        return []
    return list(dict.fromkeys(item["key"] for node in named for item in node["content"]))


def _nodes(content: Any) -> Iterator[dict[str, Any]]:
    """All objects of a JSON text."""
    if isinstance(content, dict):
        yield content
    if isinstance(content, dict | list):
        for part in content.values() if isinstance(content, dict) else content:
            yield from _nodes(part)
