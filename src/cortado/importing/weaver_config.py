"""Data configurations of weaver-core (YAML): what they say of branches, inputs and classes.

References:
    weaver-core 0.5.3, `weaver.utils.data.config`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cortado.extras import extra
from cortado.names import choices, nearest
from cortado.representations.expressions import names_of, parsed
from cortado.representations.weaver_inputs import Row

__all__ = ["Config", "read_config"]

_SECTIONS = (
    *("treename", "branch_magic", "file_magic", "selection", "test_time_selection", "preprocess", "new_variables"),
    *("inputs", "labels", "observers", "monitor_variables", "weights", "bucketing"),
)
_IGNORED = ("file_magic", "weights", "bucketing", "monitor_variables")
_DEFAULTS: tuple[Any, ...] = (None, 1, -5, 5, 0)  # centre, scale, limits, padding
_OF_PREPROCESS = ("median", "norm_factor", "lower_bound", "upper_bound", "pad")
_OF_PARAMS = ("center", "scale", "min", "max", "pad_value")


class Config(NamedTuple):
    """What is used of a data configuration.

    Attributes:
        path: Of the file.
        tree: Name of the tree, if it says so.
        variables: Name and formula of those new variables that inputs and selection need.
        branches: Name in the formulas -> branch.
        points: Variables of each role, as `representations.WeaverInputs` has them.
        features: Likewise.
        mask: Likewise.
        length: Most constituents.
        selection: Formula that jets must fulfil.
        classes: Names of the labels.
        observers: Branches that weaver would copy.
        ignored: Sections without effect on scores.
    """

    path: Path
    tree: str | None
    variables: tuple[tuple[str, str], ...]
    branches: Mapping[str, str]
    points: tuple[Row, ...]
    features: tuple[Row, ...]
    mask: Row
    length: int
    selection: str | None
    classes: tuple[str, ...]
    observers: tuple[str, ...]
    ignored: tuple[str, ...]


def read_config(path: Path, preprocess: Path | None = None, *, select: bool = True) -> Config:
    """Read a data configuration.

    Args:
        path: YAML file; one that weaver has written itself (`.auto.yaml`) has standardisations.
        preprocess: `preprocess.json` of an export, which has them, too.
        select: Whether jets must pass the selection.
    Raises:
        ValueError: If something is missing or cannot be imported, names it.
    """
    options = _options(path)
    inputs = options["inputs"] or {}
    roles = {role: _role(path, role, inputs) for role in ("points", "features", "mask")}
    rows = {role: _rows(path, name, options, preprocess) for role, name in roles.items()}
    if len(rows["points"]) != 2 or len(rows["mask"]) != 1:
        shown = ", ".join(f"{roles[role]} {len(rows[role])}" for role in ("points", "mask"))
        raise ValueError(f"{path}: numbers of variables are {shown}, required: 2 points and 1 mask")
    lengths = {name: inputs[name].get("length") for name in roles.values()}
    length = lengths[roles["features"]]
    if not isinstance(length, int) or set(lengths.values()) != {length}:
        raise ValueError(f"{path}: inputs have the lengths {lengths}, required: one number, the same for all")
    selection = (options["test_time_selection"] or options["selection"]) if select else None
    wanted = [row[0] for each in rows.values() for row in each]
    variables, used = _needed(options["new_variables"] or {}, wanted, selection)
    magic = options["branch_magic"] or {}
    return Config(
        path=path,
        tree=options["treename"],
        variables=variables,
        branches={name: _renamed(name, magic) for name in used},
        points=rows["points"],
        features=rows["features"],
        mask=rows["mask"][0],
        length=length,
        selection=selection,
        classes=_classes(path, options["labels"] or {}),
        observers=tuple(options["observers"] or ()),
        ignored=tuple(name for name in _IGNORED if options[name]),
    )


def _options(path: Path) -> dict[str, Any]:
    with extra("weaver", "A data configuration of weaver"):
        import yaml
    try:
        given = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(given, dict):
        raise ValueError(f"{path}: holds a {type(given).__name__}, required: sections {', '.join(_SECTIONS)}")
    for name in given:
        if name not in _SECTIONS:
            raise ValueError(f"{path}: unknown section {name!r}; {nearest(str(name), _SECTIONS)}")
    return {name: given.get(name) for name in _SECTIONS}


def _role(path: Path, role: str, inputs: Mapping[str, Any]) -> str:
    """Name of the one input with that role: "pf_points", as weaver's examples name them.

    Raises:
        ValueError: If there is none, or several, as for networks of two collections.
    """
    found = [name for name in inputs if name.rpartition("_")[2] == role]
    if len(found) != 1:
        raise ValueError(
            f"{path}: inputs are {', '.join(inputs) or 'none'}, required: one ..._points, one ..._features and one "
            f"..._mask; of ..._{role} there are {len(found)}; networks of several collections cannot be imported"
        )
    return found[0]


def _rows(path: Path, name: str, options: Mapping[str, Any], preprocess: Path | None) -> tuple[Row, ...]:
    """Variables of an input with their scaling."""
    method = (options["preprocess"] or {}).get("method", "manual")
    stored: Mapping[str, Any] = (options["preprocess"] or {}).get("params") or {}
    exported = _exported(preprocess, name)
    rows = []
    for given in options["inputs"][name]["vars"]:
        variable, *values = given if isinstance(given, list) else [given]
        default = ("auto", *_DEFAULTS[1:]) if method.lower().startswith("auto") else _DEFAULTS
        scaling = (*values, *default[len(values) :])
        if variable in stored:
            scaling = tuple(stored[variable][each] for each in _OF_PARAMS)
        elif variable in exported:
            scaling = _compared(path, variable, scaling, exported[variable], preprocess)
        rows.append(_row(path, name, variable, scaling))
    return tuple(rows)


def _exported(preprocess: Path | None, name: str) -> dict[str, tuple[Any, ...]]:
    """Scaling of each variable of an input in `preprocess.json`."""
    if preprocess is None:
        return {}
    try:
        infos = json.loads(preprocess.read_text())[name]["var_infos"]
        return {variable: tuple(info[each] for each in _OF_PREPROCESS) for variable, info in infos.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{preprocess}: no preprocess.json of weaver with the input {name!r}: {error!r}") from error


def _compared(
    path: Path, variable: str, written: tuple[Any, ...], exported: tuple[Any, ...], preprocess: Path | None
) -> tuple[Any, ...]:
    """The exported scaling, which must be what the configuration says unless that is "auto".

    Raises:
        ValueError: If they differ.
    """
    if written[0] is None:  # exported as a scaling that changes nothing
        return written
    if written[0] != "auto" and written != exported:
        raise ValueError(f"{path}: {variable} has {written}, {preprocess} has {exported}: they are of two trainings")
    return exported


def _row(path: Path, name: str, variable: str, scaling: tuple[Any, ...]) -> Row:
    center, scale, low, high, pad = scaling
    is_mask = name.endswith("mask")
    if center == "auto" and not is_mask:
        raise ValueError(
            f'{path}: {variable} of {name} has the standardisation "auto", whose numbers are not there, required: '
            "preprocess.json of the training, or the .auto.yaml that it has written"
        )
    if is_mask and pad:
        raise ValueError(f"{path}: {variable} of {name} is padded with {pad}, required: 0, as constituents are masked")
    if center is None or center == "auto":
        return (variable,)
    return (variable, *map(float, (center, scale, low, high)))  # type: ignore[return-value]


def _needed(
    formulas: Mapping[str, Any], wanted: list[str], selection: str | None
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """New variables that are needed, in their order, and names of the branches."""
    own = {name: str(formula) for name, formula in formulas.items() if name != formula}
    queue, seen = [*wanted, *(names_of(parsed(selection)) if selection else ())], dict[str, None]()
    while queue:
        name = queue.pop(0)
        if name not in seen:
            seen[name] = None
            queue += names_of(parsed(own[name])) if name in own else ()
    variables = tuple((name, formula) for name, formula in own.items() if name in seen)
    return variables, tuple(name for name in seen if name not in own)


def _renamed(name: str, magic: Mapping[str, str]) -> str:
    for part, other in magic.items():
        name = name.replace(part, other)
    return name


def _classes(path: Path, labels: Mapping[str, Any]) -> tuple[str, ...]:
    if labels.get("type") != "simple":
        raise ValueError(f"{path}: labels have the type {labels.get('type')!r}, required: {choices('', ['simple'])}")
    classes = tuple(labels.get("value") or ())
    if wrong := [name for name in classes if not str(name).isidentifier()]:
        raise ValueError(f"{path}: label {wrong[0]!r}, required: a name, as scores are columns of that name")
    return classes
