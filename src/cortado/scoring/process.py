"""What a process keeps: the networks that it has read, on their device."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch

from cortado import bundle
from cortado.bundle import cores
from cortado.models import CaloGAN, sectors
from cortado.models.calogan import fold_convolutions
from cortado.models.layers import fold_batch_norm


class Loaded(NamedTuple):
    """A bundle, and its network made ready: linear layers folded, on its device."""

    bundle: bundle.Bundle
    network: torch.nn.Module


_KEPT = 32  # enough for several taggers of ten folds
_lock = threading.RLock()
_networks: dict[tuple[object, ...], Loaded] = {}
_reads: dict[int, int] = {}  # by process: a forked worker starts from zero
_received: dict[str, bundle.Content] = {}  # bundles that came without a file, by fingerprint
_packed: list[dict[str, str]] = []  # path by fingerprint of the bundles that are being pickled


def loads() -> int:
    """How often this process has read a bundle from disk to score with it."""
    return _reads.get(os.getpid(), 0)


def loaded(path: str, sha256: str, device: str, own: bundle.Own) -> Loaded:
    """The bundle with that checksum, read from `path` unless this process has it.

    Raises:
        FileNotFoundError: If it must be read and is not there.
        ValueError: If the device is not there, the file cannot be trusted, or has another checksum.
    """
    with _lock:
        if (known := _networks.get((sha256, device, own))) is not None:
            return known
        check_device(device)
        content = _received.get(sha256) or bundle.read(path)
        if content.sha256 != sha256:
            raise ValueError(
                f"{path}: changed since it was loaded (SHA-256 {sha256[:12]}..., now {content.sha256[:12]}...); "
                "load it again with cortado.load"
            )
        return of_content(content, device, own)


def of_content(content: bundle.Content, device: str, own: bundle.Own) -> Loaded:
    """The bundle that was read, made ready unless this process has one of the same checksum; errors as `loaded`."""
    key = (content.sha256, device, own)
    with _lock:
        if key not in _networks:
            check_device(device)
            _reads[os.getpid()] = loads() + 1
            with cores.limited(cores.wanted(None)):  # the canary too must not start threads in a forked worker
                made = content.bundle(own)
            _networks[key] = Loaded(made, _ready(made.model).to(device))
            while len(_networks) > _KEPT:
                del _networks[next(iter(_networks))]
        return _networks[key]


@contextmanager
def packed() -> Iterator[dict[str, str]]:
    """Path by fingerprint of all bundles whose predictors are pickled in the `with` block."""
    noted: dict[str, str] = {}
    _packed.append(noted)
    try:
        yield noted
    finally:
        _packed.remove(noted)


def note(path: str, sha256: str) -> None:
    """A predictor of this bundle is being pickled."""
    for noted in _packed:
        noted[sha256] = path


def receive(contents: Iterable[bundle.Content]) -> None:
    """Have bundles without their files."""
    _received.update({content.sha256: content for content in contents})


def _ready(model: torch.nn.Module) -> torch.nn.Module:
    """A copy for inference: what can be computed beforehand is multiplied together, large graphs go by sectors."""
    folded = fold_convolutions(model) if isinstance(model, CaloGAN) else fold_batch_norm(model)
    return sectors.BySectors(folded, max_edges=sectors.MAX_EDGES) if hasattr(folded, "reach") else folded


def check_device(device: str) -> None:
    """Whether torch can use the device here.

    Raises:
        ValueError: If not; lists the ones it can use.
    """
    there = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    there += ["cuda"] if torch.cuda.is_available() else []
    there += ["mps"] if torch.backends.mps.is_available() else []
    if device not in there:
        raise ValueError(f"device {device!r} is not available here, torch {torch.__version__} has {', '.join(there)}")
