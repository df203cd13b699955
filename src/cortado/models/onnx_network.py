"""A network that came as an ONNX file, run by onnxruntime in the place of torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cortado.extras import extra
from cortado.models.layers import require_positive

_TYPES: Mapping[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}


class OnnxNetwork(nn.Module):
    """One output of an ONNX graph, float32; it cannot be trained. Needs the extra `onnx`.

    The file is a buffer of this network. Each call runs in one thread, as batches are shared out to the cores, and no
    thread spins while torch computes beside it. Inputs get the type that the graph asks for; where it fixes the number
    of constituents, and takes their mask, they are padded to it with zeros.

    Args:
        size: Bytes of the file.
        inputs: Name that a representation has for an input -> name in the graph, in the order of the representation.
        output: Name of the output.
        probabilities: Whether it is probabilities (n, classes), whose logarithms are given: logits that mean the same.

    Raises:
        ValueError: If the size is below 1.
    """

    file: Tensor

    def __init__(self, *, size: int, inputs: Mapping[str, str], output: str, probabilities: bool = False) -> None:
        super().__init__()
        require_positive("OnnxNetwork", size=size)
        self.arguments = {"size": size, "inputs": dict(inputs), "output": output, "probabilities": probabilities}
        self.inputs, self.output, self.probabilities = dict(inputs), output, probabilities
        self.file = nn.Buffer(torch.zeros(size, dtype=torch.uint8))
        self._session: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_session": None}

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the arrays that this takes."""
        return tuple(self.inputs)

    def session(self) -> Any:
        """The graph in onnxruntime, made once in each process.

        Raises:
            ImportError: If the extra `onnx` is not installed.
            ValueError: If onnxruntime cannot read the file.
        """
        if self._session is None:
            self._session = session_of(self.file.cpu().numpy().tobytes())
        return self._session

    def forward(self, *arrays: Tensor) -> Tensor:
        """The output for arrays in the order of `inputs`.

        Raises:
            ValueError: If an array does not fit its input, or another precision is asked for.
            RuntimeError: While exporting.
        """
        if torch.compiler.is_exporting():
            raise RuntimeError("it came as an ONNX file, which has it already")
        if torch.is_autocast_enabled("cpu"):
            raise ValueError("an ONNX file is computed in its own precision, required: float32")
        session = self.session()
        nodes = {node.name: node for node in session.get_inputs()}
        given = {
            wanted: _fitted(nodes[wanted], array.cpu().numpy(), padded="mask" in self.inputs)
            for wanted, array in zip(self.inputs.values(), arrays, strict=True)
        }
        (output,) = session.run([self.output], given)
        made = torch.from_numpy(np.array(output, dtype=np.float32)).to(self.file.device)
        return made.clamp(min=torch.finfo(torch.float32).tiny).log() if self.probabilities else made


def session_of(file: bytes) -> Any:
    """An ONNX file in onnxruntime, in one thread.

    Raises:
        ImportError: If the extra `onnx` is not installed.
        ValueError: If onnxruntime cannot read it.
    """
    with extra("onnx", "A network of an ONNX file"):
        import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of onnxruntime's own types
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"no ONNX that onnxruntime can run: {reason}") from error


def _fitted(node: Any, array: NDArray[Any], *, padded: bool) -> NDArray[Any]:
    """An array of the type that an input asks for, with as many constituents as it asks for.

    Raises:
        ValueError: If the type is not known, or the shape does not fit.
    """
    if node.type not in _TYPES:
        raise ValueError(f"input {node.name!r} is {node.type}, required: one of {', '.join(_TYPES)}")
    takes = tuple(given if isinstance(given, int) else now for given, now in zip(node.shape, array.shape))
    filled = array
    if padded and takes[1] > array.shape[1]:
        zeros = np.zeros((len(array), takes[1] - array.shape[1], *array.shape[2:]), array.dtype)
        filled = np.concatenate([array, zeros], axis=1)
    if len(node.shape) != array.ndim or filled.shape != takes:
        raise ValueError(f"input {node.name!r} has the shape {tuple(node.shape)}, which does not take {array.shape}")
    return np.ascontiguousarray(filled.astype(_TYPES[node.type], copy=False))
