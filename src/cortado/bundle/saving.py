"""Bundles to files."""

from __future__ import annotations

import copy
import dataclasses
import os
from pathlib import Path

import awkward as ak
import safetensors.torch

from cortado.bundle import archive, description
from cortado.bundle import canary as canaries
from cortado.bundle.chain import Bundle
from cortado.bundle.loading import Own, restore


def save(bundle: Bundle, path: str | os.PathLike[str], *, canary: ak.Array, directory: bool | None = None) -> Path:
    """Write a bundle: loaded back from memory as a check, then put in place in one step.

    Args:
        bundle: What to write. Its model is neither moved nor switched between training and evaluation.
        path: `name.cortado`.
        canary: Objects of shape (n,); the first 16 are kept with what the network says of them.
        directory: A directory instead of one zip file. By default when `path` ends with "/" or is a
            directory.
    Returns:
        The path written.
    Raises:
        ValueError: If there is no canary object, the representation does not fit the model, outputs are not
            finite, an argument cannot be written as JSON, or what was written gives other outputs when loaded.
        FileExistsError: If `path` is a directory that is no bundle.
    """
    where = str(path)
    bundle.use.check(where)
    bundle = dataclasses.replace(bundle, model=copy.deepcopy(bundle.model).cpu().eval())
    # Clones: safetensors refuses tensors that share memory.
    state = {name: tensor.detach().clone().contiguous() for name, tensor in bundle.model.state_dict().items()}
    members = {
        "weights.safetensors": safetensors.torch.save(state),
        "canary.safetensors": canaries.pack(where, bundle, canary),
    }
    members = {"bundle.json": description.write(where, bundle, members), **members}
    own = Own((type(bundle.representation),), (type(bundle.model),), (type(bundle.use),))
    restore(where, members, own)
    return archive.write(path, members, directory=directory)
