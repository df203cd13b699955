"""The door to PyTorch Geometric, opened when a network on graphs is made: importing `cortado.models` stays light."""

from __future__ import annotations

from types import ModuleType

from cortado.extras import extra


def graph_layers(model: str) -> ModuleType:
    """The module `message_passing`.

    Args:
        model: Name of the network, for the message.

    Raises:
        ImportError: If the extra `graphs` is not installed.
    """
    with extra("graphs", model):
        from cortado.models import message_passing
    return message_passing
