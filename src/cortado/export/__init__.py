"""Bundles for other runtimes: ONNX, torch.export (.pt2), and small networks as corrections of correctionlib (JSON).

What is written is compared with the original on the canary before the file is put in place.
"""

from __future__ import annotations

from cortado.export.checking import Exported
from cortado.export.corrections import to_correctionlib
from cortado.export.graphs import to_onnx, to_torch_export

__all__ = ["Exported", "to_correctionlib", "to_onnx", "to_torch_export"]
