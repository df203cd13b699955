"""help() of every public name is readable: annotations as they are written, defaults in short."""

import importlib
import inspect
import pkgutil

import pytest

import cortado
from cortado import training

LONGEST = 130  # characters of one parameter with its annotation and default
ROOMS = sorted(module.name for module in pkgutil.iter_modules(cortado.__path__) if module.name != "cli")


def public(room):
    """Callable public names of a room, and the methods of its classes."""
    for name in getattr(room, "__all__", [name for name in vars(room) if not name.startswith("_")]):
        value = getattr(room, name)
        if not callable(value) or not value.__module__.startswith("cortado"):
            continue
        yield name, value
        for method in vars(value) if inspect.isclass(value) else ():
            if not method.startswith("_") and inspect.isroutine(getattr(value, method)):
                yield f"{name}.{method}", getattr(value, method)


def parts(value):
    """Each parameter and the result, as help() prints them; of lists of names, which are wanted there, no default."""
    signature = inspect.signature(value)
    for parameter in signature.parameters.values():
        default = parameter.default
        names = isinstance(default, tuple) and all(isinstance(each, str) for each in default)
        yield str(parameter.replace(default=()) if names else parameter)
    yield inspect.formatannotation(signature.return_annotation)


@pytest.mark.parametrize("name", ROOMS)
def test_signatures_are_short(name):
    room = importlib.import_module(f"cortado.{name}")
    said = [(where, part) for where, value in public(room) for part in parts(value)]
    assert said
    assert [(where, part) for where, part in said if len(part) > LONGEST] == []


@pytest.mark.parametrize("value", [cortado.load, training.train, training.Study, training.Objects])
def test_what_everybody_looks_up_is_read_at_a_glance(value):
    assert len(str(inspect.signature(value))) < 500
