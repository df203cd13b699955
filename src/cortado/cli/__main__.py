"""`python -m cortado.cli` is the command `cortado`."""

from __future__ import annotations

from cortado.cli import main

if __name__ == "__main__":
    main()
