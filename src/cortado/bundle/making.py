"""Networks out of the arguments and weights of a file: nothing large is made before it is known to fit."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch.nn.modules import module as modules

__all__ = ["make", "model_of"]

_PARTS = 1000  # modules, parameters and buffers of any network
_PARTS_OF_A_TENSOR = 20  # further ones for each tensor of the file
_STEPS = 100_000  # neighbours, repetitions and the like, which no weight shows
_BESIDE = 1 << 28  # bytes of what a network makes anew, such as grids and masks
_HOOKS = (
    modules.register_module_parameter_registration_hook,
    modules.register_module_buffer_registration_hook,
    modules.register_module_module_registration_hook,
)


def make(path: str, made: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """What a class or function makes of arguments that a file names.

    Args:
        path: Of the bundle, for messages.
        made: The class.
        arguments: By keyword.

    Raises:
        ValueError: If it refuses them.
    """
    try:
        return made(**arguments)
    except Exception as error:
        name = getattr(made, "__name__", "")
        raise ValueError(f"{path}: {name} cannot be made of {_shown(arguments)}: {error}") from error


def model_of(
    path: str, network: type, arguments: Mapping[str, Any], weights: bytes, *, own: bool = False
) -> torch.nn.Module:
    """The network with its weights, after a comparison of all shapes on torch's device "meta", which has no memory.

    Args:
        path: Of the bundle, for messages.
        network: Its class.
        arguments: That make it.
        weights: Content of the safetensors file.
        own: Whether the class is the caller's, which may ask for values while it is made: there are none on "meta", nor
            all operations. Of such networks the numbers among the arguments are compared with the sizes of the weights.

    Raises:
        ValueError: If the arguments or the weights do not fit, or the network would take far more memory than they do.
    """
    try:
        state = safetensors.torch.load(weights)
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path}: weights.safetensors cannot be read: {error}") from error
    _require_sizes(path, network, arguments, state, least=_STEPS)
    try:
        with torch.device("meta"), _few_parts(len(state)):
            sketch = make(path, network, arguments)
    except ValueError as error:
        if not isinstance(error.__cause__, RuntimeError if own else NotImplementedError):
            raise
        _require_sizes(path, network, arguments, state, least=_PARTS)
    else:
        _require_small(path, sketch, len(weights))
        _filled(path, sketch, arguments, state, assign=True)
    with torch.random.fork_rng(devices=[]):  # initial values, overwritten below, must not advance anybody's seed
        model: torch.nn.Module = make(path, network, arguments)
    _filled(path, model, arguments, state)
    return model.eval()


def _filled(
    path: str, model: torch.nn.Module, arguments: Mapping[str, Any], state: Mapping[str, Any], assign: bool = False
) -> None:
    try:
        model.load_state_dict(dict(state), assign=assign)
    except Exception as error:
        what = f"{type(model).__name__}({_shown(arguments)})"
        raise ValueError(f"{path}: weights do not fit {what}: {error}") from error


def _require_small(path: str, sketch: torch.nn.Module, weights: int) -> None:
    tensors = itertools.chain(sketch.parameters(), sketch.buffers())
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    if size > 4 * weights + _BESIDE:
        raise ValueError(
            f"{path}: weights do not fit {type(sketch).__name__}, which would take {size:,} bytes, they {weights:,}"
        )


def _require_sizes(
    path: str, network: type, arguments: Mapping[str, Any], state: Mapping[str, torch.Tensor], *, least: int
) -> None:
    """Refuse numbers that are no sizes of weights, nor such as neighbours and steps may have.

    Raises:
        ValueError: If there is one.
    """
    largest = max([least, *(size for tensor in state.values() for size in tensor.shape)])
    if (number := max(_integers(arguments), default=0)) > largest:
        raise ValueError(f"{path}: weights do not fit {network.__name__}: the argument {number} is none of their sizes")


def _integers(value: Any) -> Iterator[int]:
    if isinstance(value, int):
        yield value
    elif isinstance(value, Mapping | tuple | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _integers(each)


@contextmanager
def _few_parts(tensors: int) -> Iterator[None]:
    """Stop a network that is made of parts without end, such as thousands of layers."""
    most, thread, count = _PARTS + _PARTS_OF_A_TENSOR * tensors, threading.get_ident(), itertools.count(1)

    def counted(*_: Any) -> None:
        if threading.get_ident() == thread and next(count) > most:
            raise ValueError(f"it has more than {most} parts, for {tensors} tensors of weights")

    with ExitStack() as stack:
        for register in _HOOKS:
            stack.callback(register(counted).remove)
        yield


def _shown(arguments: Any) -> str:
    text = repr(arguments)
    return text if len(text) < 500 else f"{text[:500]}..."
