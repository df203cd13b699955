"""Sizes of a study by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

__all__ = ["preset_named"]

Preset = TypeVar("Preset")


def preset_named(presets: Mapping[str, Preset], name: str) -> Preset:
    """The preset of a name.

    Args:
        presets: All of a study.
        name: The one that is wanted.
    Raises:
        ValueError: If there is none of that name; names those that there are.
    """
    if name not in presets:
        raise ValueError(f"unknown preset {name!r}; there are {', '.join(presets)}")
    return presets[name]
