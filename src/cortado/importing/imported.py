"""What importing gives."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from cortado.tasks import Classes


class Imported(NamedTuple):
    """A bundle that was made.

    Attributes:
        path: Of the bundle.
        use: What it gives.
        notes: What is to be said, in sentences.
    """

    path: Path
    use: Classes
    notes: tuple[str, ...]
