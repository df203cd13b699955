"""How Sphinx builds the pages: `make docs`. Nothing is fetched, and warnings are errors."""

import re
from importlib import import_module
from typing import Any

from numpy.typing import ArrayLike
from sphinx.application import Sphinx
from sphinx.util.typing import stringify_annotation

import cortado

project = "cortado"
author = "The cortado developers"
version = release = cortado.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
html_theme = "furo"
html_title = f"cortado {version}"
smartquotes = False
html_copy_source = html_show_sourcelink = False

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing"]  # files of the repository: tests/test_docs.py follows these links
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 90
napoleon_use_ivar = True
napoleon_use_rtype = False

# Aliases and defaults as they stand in the sources, not what they stand for.
_ALIASES = {stringify_annotation(ArrayLike, mode): "ArrayLike" for mode in ("smart", "fully-qualified-except-typing")}
_NDARRAY = re.compile(r"~?(?:numpy\.)?ndarray\[tuple\[.*?\], ~?(?:numpy\.)?dtype\[~?(?:numpy\.)?(\w+)\]\]")
_INSTANCE = re.compile(r"= ([A-Z]\w+)\((?:[^()]|\([^()]*\))*\)")


def _public(room: str) -> list[str]:
    """What a room lists, or defines if it has no list; what belongs to another room is documented there."""
    module = import_module(f"cortado.{room}")
    names = getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")])
    for name in names:
        setattr(module, name, getattr(module, name))  # some rooms import their names when these are first used
    known = {name: getattr(vars(module)[name], "__module__", module.__name__) for name in names}
    return [name for name, home in known.items() if f"{home}.".startswith(f"{module.__name__}.")]


ROOMS = [name for name in dir(cortado) if name not in (*cortado.__all__, "cli") and not name.startswith("_")]
autosummary_context = {"public": {f"cortado.{room}": _public(room) for room in ROOMS}}


def _readable(text: str | None) -> str | None:
    if text is None:
        return None
    for long, short in _ALIASES.items():
        text = text.replace(long, short)
    return _INSTANCE.sub(r"= \1()", _NDARRAY.sub(r"NDArray[\1]", text)).replace("<factory>", "...")


def _signature(
    app: Sphinx, what: str, name: str, thing: object, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    return _readable(signature), _readable(returns)


def _docstring(app: Sphinx, what: str, name: str, thing: object, options: Any, lines: list[str]) -> None:
    """Docstrings of the house as reStructuredText: examples are code, and |x| is an absolute value."""
    lines[:] = [re.sub(r"^(\s*Example):$", r"\1::\n", re.sub(r"\|", r"\\|", line)) for line in lines]
    lines[:] = "\n".join(lines).split("\n")


def _skip(app: Sphinx, what: str, name: str, thing: Any, skip: bool, options: Any) -> bool | None:
    """Fields of NamedTuples are explained by the class."""
    return True if type(thing).__name__ == "_tuplegetter" else None


def setup(app: Sphinx) -> None:
    """Connect the above; before napoleon, which reads the sections."""
    app.connect("autodoc-process-docstring", _docstring, priority=400)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-skip-member", _skip)
