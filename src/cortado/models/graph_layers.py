"""The door to PyTorch Geometric, opened when a network on graphs is made: importing `cortado.models` stays light."""

from types import ModuleType


def graph_layers(model: str) -> ModuleType:
    """The module `message_passing`.

    Args:
        model: Name of the network, for the message.

    Raises:
        ImportError: If the extra `graphs` is not installed.
    """
    try:
        from cortado.models import message_passing
    except ImportError as error:
        raise ImportError(f"{model} needs the extra `graphs`: pip install 'cortado[graphs]' ({error})") from error
    return message_passing
