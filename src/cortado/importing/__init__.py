"""Networks of other frameworks as bundles: nothing of what is imported is executed."""

from __future__ import annotations

from cortado.importing.weaver import Imported, from_weaver

__all__ = ["Imported", "from_weaver"]
