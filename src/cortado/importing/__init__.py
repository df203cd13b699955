"""Networks of other frameworks as bundles: nothing of what is imported is executed."""

from __future__ import annotations

from cortado.importing.imported import Imported
from cortado.importing.onnx import from_onnx
from cortado.importing.weaver import from_weaver

__all__ = ["Imported", "from_onnx", "from_weaver"]
