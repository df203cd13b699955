"""Jets as weaver-core prepares them: new variables by formulas, then centred, scaled and clipped."""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.names import nearest
from cortado.refused import RefusedObjects
from cortado.representations.constituents import longest, mask_of, padded
from cortado.representations.expressions import evaluate, names_of, parsed
from cortado.representations.point_cloud import PointCloudInputs

__all__ = ["Row", "WeaverInputs"]

Row = tuple[str] | tuple[str, float, float, float, float]
"""A variable as it is; or its name, centre, scale, and the limits of (x - centre) * scale."""


@dataclass(frozen=True, kw_only=True)
class WeaverInputs:
    """What a data configuration of weaver-core (YAML) says of jets, for its ParticleNet.

    Constituents stay in the order of the file. As in weaver, formulas are computed in the precision of the file, and
    NaN among the inputs becomes 0 after scaling.

    Attributes:
        variables: Name and formula of each new variable, see `expressions`. They may use each other.
        jets: Fields of a jet, as formulas name them.
        constituents: Fields of its constituents.
        points: Two variables, in which neighbours are near.
        features: Variables of a constituent.
        mask: Variable that is not 0 where a constituent counts.
        max_constituents: What a jet has beyond is cut off.
        selection: Formula that jets must fulfil; others are refused.

    Raises:
        ValueError: If a formula has a part that is not known, names something that is no field and no variable, or
            variables use each other in a circle.

    Example:
        >>> inputs = WeaverInputs(
        ...     variables=(("log_pt", "np.log(pt / jet_pt)"),), jets=("jet_pt",), constituents=("pt", "x", "y"),
        ...     points=(("x",), ("y",)), features=(("log_pt", -1.0, 0.5, -5.0, 5.0),), mask=("pt",)
        ... )
        >>> jets = ak.Array([{"jet_pt": 2.0, "constituents": [{"pt": 2.0, "x": 0.1, "y": 0.2}]}])
        >>> inputs(jets).features.tolist()
        [[[0.5]]]

    References:
        weaver-core 0.5.3, `weaver.utils.dataset`.
    """

    variables: tuple[tuple[str, str], ...] = ()
    jets: tuple[str, ...] = ()
    constituents: tuple[str, ...]
    points: tuple[Row, Row]
    features: tuple[Row, ...]
    mask: Row
    max_constituents: int = 128
    selection: str | None = None

    def __post_init__(self) -> None:
        trees = {name: parsed(formula) for name, formula in self.variables}
        known = {*trees, *self.jets, *self.constituents}
        used = [(name, each) for name, tree in trees.items() for each in names_of(tree)]
        used += [("inputs", row[0]) for row in (*self.points, *self.features, self.mask)]
        used += [("selection", each) for each in names_of(parsed(self.selection or "True"))]
        for owner, name in used:
            if name not in known:
                raise ValueError(f"WeaverInputs: {owner} needs {name!r}, no field or variable; {nearest(name, known)}")
        try:
            TopologicalSorter({name: names_of(tree) for name, tree in trees.items()}).prepare()
        except CycleError as error:
            circle = " -> ".join(error.args[1])
            raise ValueError(f"WeaverInputs: variables are made of each other: {circle}") from error
        if self.max_constituents < 1:
            raise ValueError(f"WeaverInputs: max_constituents must be at least 1, got {self.max_constituents}")
        if len(self.points) != 2 or not self.features:
            raise ValueError(
                f"WeaverInputs: {len(self.points)} points and {len(self.features)} features, required: 2, 1"
            )

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of a jet that this needs."""
        return (*self.jets, *(f"constituents.{name}" for name in self.constituents))

    def __call__(self, jets: ak.Array) -> PointCloudInputs:
        """Make the clouds of jets.

        Args:
            jets: Jets with `fields`, shape (n,).

        Returns:
            Points, features and mask.

        Raises:
            KeyError: If a field is missing.
            ValueError: If a formula does not fit its columns, or is no number of each constituent.
            RefusedObjects: If jets fail the selection, or an input is infinite.
        """
        columns = _Columns(self, jets)
        self._require_selected(columns, len(jets))
        counts = np.asarray(ak.num(jets.constituents[self.constituents[0]]))
        length = longest(counts, self.max_constituents)
        rows = (*self.points, *self.features, self.mask)
        values = np.stack([self._scaled(columns, row, counts) for row in rows], axis=1)
        clouds = padded(values, counts, length)
        return PointCloudInputs(
            points=clouds[..., :2],
            features=clouds[..., 2:-1],
            mask=mask_of(counts, length) & (clouds[..., -1] != 0),
        )

    def _require_selected(self, columns: _Columns, number: int) -> None:
        if self.selection is None:
            return
        selected = columns.value(self.selection, "selection")
        passed = np.broadcast_to(np.asarray(ak.to_numpy(ak.values_astype(selected, "bool"))), number)
        if not passed.all():
            raise RefusedObjects(
                f"WeaverInputs: {np.sum(~passed)} of {number} jets fail the selection {self.selection}, the first is "
                f"jet {np.argmin(passed)}",
                np.flatnonzero(~passed),
                f"failed the selection {self.selection}",
            )

    def _scaled(self, columns: _Columns, row: Row, counts: NDArray[np.int64]) -> NDArray[np.float32]:
        """A variable of all constituents, shape (m,)."""
        name, *scaling = row
        column = columns[name]
        if column.ndim != 2 or not np.array_equal(np.asarray(ak.num(column)), counts):
            raise ValueError(
                f"WeaverInputs: {name} is {ak.type(column)!s:.60}, required: one number of each constituent"
            )
        values = np.asarray(ak.to_numpy(ak.flatten(column), allow_missing=False)).astype(np.float32)
        if scaling:
            center, scale, low, high = np.array(scaling, dtype=np.float32)
            values = ((values - center) * scale).clip(low, high)
        values[np.isnan(values)] = 0.0
        if np.isinf(values).any():
            refused = np.repeat(np.arange(len(counts)), counts)[np.isinf(values)]
            message = f"WeaverInputs: {name} of jet {refused[0]} is infinite, and it is not scaled and clipped"
            raise RefusedObjects(message, refused, f"a {name} that is infinite")
        return values


class _Columns(dict[str, Any]):
    """Fields and variables of jets by their names; a variable is made when it is asked for."""

    def __init__(self, inputs: WeaverInputs, jets: ak.Array) -> None:
        super().__init__()
        self.formulas, self.inputs, self.jets = dict(inputs.variables), inputs, jets

    def __missing__(self, name: str) -> Any:
        if name in self.formulas:
            made = self.value(self.formulas[name], name)
        else:
            made = self._field(name)
        self[name] = made
        return made

    def _field(self, name: str) -> ak.Array:
        of_jet = name in self.inputs.jets
        owner, prefix = (self.jets, "") if of_jet else (self.jets["constituents"], "constituents.")
        if name not in ak.fields(owner):
            hint = nearest(name, ak.fields(owner), prefix=prefix)
            raise KeyError(f"WeaverInputs needs the field {prefix + name!r}, which the jets do not have; {hint}")
        column = owner[name]
        if column.ndim != (1 if of_jet else 2):
            wanted = "one number" if of_jet else "one list of numbers"
            raise ValueError(f"WeaverInputs: {prefix}{name} is {ak.type(column)!s:.60}, required: {wanted} of each jet")
        return column

    def value(self, formula: str, name: str) -> Any:
        """Value of a formula, whose name is for messages."""
        with np.errstate(all="ignore"):
            try:
                return evaluate(parsed(formula), self.__getitem__)
            except (KeyError, RefusedObjects):
                raise
            except Exception as error:  # of numpy and awkward, of many types
                if str(error).startswith("WeaverInputs: "):
                    raise
                reason = " ".join(str(error).split())[:200]
                raise ValueError(f"WeaverInputs: {name} = {formula} cannot be computed: {reason}") from error
