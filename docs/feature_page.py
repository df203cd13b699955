"""features.md, made of the docstrings of the representations: `python docs/feature_page.py` writes it anew."""

import ast
import dataclasses
import inspect
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, get_type_hints

from cortado import representations

PAGE = Path(__file__).parent / "features.md"

BEGIN = """# Features and their units

What a network sees of an object, representation by representation. This page is made of the docstrings beside the
code, and a test compares the two. All energies, momenta and masses are in GeV, angles in rad, lengths in mm unless it
says otherwise; `cortado.readers` says what the fields of a record are. Shapes: n objects, p constituents, f features,
c channels; in graphs N hits and E edges of all n events. Padding has features 0 and the mask False. Beside what the
tables say, features of constituents are made of pt, eta and phi of them all, and of the axis of the jet.

A feature that is not finite is an error that names it, never a number put in its place. Scalings
(`cortado.scaling`) come after: the bundle holds them beside the representation.
"""

# Where features have names that a study chooses from: title, module, what it lists, where they are explained.
CHOSEN = (
    ("Constituents of a jet: `ParticleList`, `PointCloud`", "representations.features", "FEATURES", "FEATURES"),
    ("A jet as a whole: `HighLevel`", "representations.high_level", "OBSERVABLES", "OBSERVABLES"),
    ("Tracks of a jet: `TrackSet`, `TrackGraph`", "representations.track_features", "TRACK_FEATURES", "TRACK_FEATURES"),
    ("`DeepJetFeatures`: the jet", "representations.deepjet", "JET_FEATURES", None),
    ("`DeepJetFeatures`: charged candidates", "representations.deepjet", "CHARGED_FEATURES", None),
    ("`DeepJetFeatures`: neutral candidates", "representations.deepjet", "NEUTRAL_FEATURES", None),
    ("`DeepJetFeatures`: vertices", "representations.deepjet", "VERTEX_FEATURES", None),
)
# Where features follow from a calorimeter.
FOLLOWING = (
    ("Shapes of a shower: `ShowerShapes`", "calorimeter.shapes"),
    ("Shares of a shower: `ShowerLogits`", "representations.shower_logits"),
)


def docstring(module: Any, constant: str | None) -> str:
    """Docstring of a module, or of one of its constants."""
    if constant is None:
        return inspect.getdoc(module) or ""
    body = ast.parse(inspect.getsource(module)).body
    for statement, text in pairwise(body):
        named = isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", "") == constant
        if named and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            return inspect.cleandoc(str(text.value.value))
    raise ValueError(f"{module.__name__}.{constant} has no docstring")


def rows(text: str) -> list[tuple[str, str]]:
    """First two columns of the first table of a docstring, without its header."""
    lines = text.splitlines()
    rules = [number for number, line in enumerate(lines) if line.startswith("====")]
    width = len(lines[rules[0]].split()[0])
    found: list[tuple[str, str]] = []
    for line in lines[rules[-2] + 1 : rules[-1]]:
        name, meaning = line[:width].strip(), line[width:].strip()
        if name:
            found.append((name, meaning))
        else:
            found[-1] = (found[-1][0], f"{found[-1][1]} {meaning}")
    return found


def meaning_of(name: str, table: list[tuple[str, str]]) -> str:
    """What a table says of a feature: by its name, else by a pattern that it fits, as `log_..._error`, `..._error`."""
    patterns = [(pattern, meaning) for names, meaning in table for pattern in names.split(", ")]
    for pattern, meaning in sorted(patterns, key=lambda each: (each[0] != name, each[0].startswith("..."))):
        fits = ".+".join(re.escape(part) for part in pattern.split("...")).replace(r"\(", "(").replace(r"\)", ")?")
        if re.fullmatch(".+" if pattern == "all others" else fits, name):
            return meaning
    raise ValueError(f"no table says what {name!r} is; there are {', '.join(pattern for pattern, _ in patterns)}")


def markdown(header: tuple[str, ...], table: list[tuple[str, ...]]) -> str:
    """A table of Markdown."""
    lines = [header, ("---",) * len(header), *table]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def chosen(title: str, place: str, constant: str, explained: str | None) -> str:
    """Section of features that have names."""
    module = import_module(f"cortado.{place}")
    table = rows(docstring(module, explained))
    known: Mapping[str, Any] = getattr(module, constant)
    every = [(f"`{name}`", meaning_of(name, table), _code(feature.fields)) for name, feature in known.items()]
    if constant == "OBSERVABLES":
        every += [(f"`{name}`", meaning_of(name, table), "`constituents`") for name in module.RATIOS]
    return f"## {title}\n\n{markdown(('feature', 'what it is', 'made of'), every)}\n"


def _code(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def following(title: str, place: str) -> str:
    """Section of features whose names follow from a calorimeter."""
    table = rows(docstring(import_module(f"cortado.{place}"), None))
    return f"## {title}\n\n{markdown(('feature', 'what it is'), table)}\n"


def attributes(kind: type) -> Iterator[tuple[str, str]]:
    """Names and meanings in the section "Attributes" of a class."""
    section = (inspect.getdoc(kind) or "").partition("Attributes:\n")[2]
    section = re.split(r"\n(?=\S)", section)[0]
    for name, meaning in re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", section, re.MULTILINE):
        yield name, re.sub(r"\s+", " ", meaning)


def arrays(name: str) -> str:
    """What a representation gives, array by array."""
    representation = getattr(representations, name)
    assert dataclasses.is_dataclass(representation)
    gives = get_type_hints(representation.__call__)["return"]
    first = (inspect.getdoc(representation) or "").splitlines()[0]
    known = dict(attributes(gives))
    listed = "\n".join(f"- `{field}`: {known[field]}" for field in gives._fields)
    return f"### {name}\n\n{first}\n\n{listed}\n"


def page() -> str:
    """The whole page."""
    parts = [BEGIN, *(chosen(*each) for each in CHOSEN), *(following(*each) for each in FOLLOWING)]
    parts += ["## All representations: their arrays\n", *(arrays(name) for name in representations.__all__)]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
