"""Damaged copies of files: what disks, networks and interrupted transfers make of them, drawn at random."""

from collections.abc import Callable

import numpy as np

Draw = np.random.Generator
Damage = Callable[[bytearray, Draw], bytearray]
_ENDS = 400  # bytes at the beginning and at the end of a file, where most formats say what is where


def _place(content: bytearray, draw: Draw, length: int = 1) -> int:
    return int(draw.integers(0, max(1, len(content) - length)))


def flipped_bit(content: bytearray, draw: Draw) -> bytearray:
    """One bit is another one."""
    content[_place(content, draw)] ^= 1 << int(draw.integers(8))
    return content


def other_bytes(content: bytearray, draw: Draw) -> bytearray:
    """A few bytes somewhere are others."""
    for _ in range(3):
        content[_place(content, draw)] = int(draw.integers(256))
    return content


def zeros(content: bytearray, draw: Draw) -> bytearray:
    """A block is lost."""
    length = int(draw.integers(1, 65))
    at = _place(content, draw, length)
    content[at : at + length] = bytes(min(length, len(content) - at))
    return content


def cut(content: bytearray, draw: Draw) -> bytearray:
    """The end is missing, or everything."""
    return content[: int(draw.integers(0, len(content)))]


def other_head(content: bytearray, draw: Draw) -> bytearray:
    """A byte near the beginning is another one."""
    content[int(draw.integers(0, min(_ENDS, len(content))))] = int(draw.integers(256))
    return content


def other_tail(content: bytearray, draw: Draw) -> bytearray:
    """A byte near the end is another one."""
    content[-1 - int(draw.integers(0, min(_ENDS, len(content))))] = int(draw.integers(256))
    return content


def swapped(content: bytearray, draw: Draw) -> bytearray:
    """Two blocks have changed places."""
    a, b = (_place(content, draw, 32) for _ in range(2))
    content[a : a + 32], content[b : b + 32] = content[b : b + 32], content[a : a + 32]
    return content


def longer(content: bytearray, draw: Draw) -> bytearray:
    """Something else comes after the end."""
    return content + draw.bytes(int(draw.integers(1, 1000)))


def foreign(content: bytearray, draw: Draw) -> bytearray:
    """Something else under the same name."""
    kinds = (b"", b"<html>404 Not Found</html>", b"root", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"PAR1", b"{}", b"\xff")
    head = kinds[int(draw.integers(len(kinds)))]
    return bytearray(head + draw.bytes(int(draw.integers(0, 2000))) if head else b"")


DAMAGES: tuple[Damage, ...] = (
    *(flipped_bit, other_bytes, zeros, cut, other_head, other_tail, swapped, longer),
    *(flipped_bit, other_bytes, zeros, cut, other_head, other_tail, foreign),
)
"""In the order in which they are drawn; most of them are likely ones."""


def mutant(content: bytes, number: int, seed: int) -> tuple[str, bytes]:
    """What happened, and what is left; never the same as before unless by chance."""
    damage = DAMAGES[number % len(DAMAGES)]
    return damage.__name__, bytes(damage(bytearray(content), np.random.default_rng((seed, number))))
