"""The command `cortado`: each stage of the pipeline from the terminal. It only calls what the rooms offer.

Each command imports the rooms that it needs when it runs: `cortado --help` loads no torch.
"""

from __future__ import annotations

from cortado.cli.app import main

__all__ = ["main"]
