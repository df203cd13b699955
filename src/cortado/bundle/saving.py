"""Bundles to files."""

import copy
import dataclasses
import os
from pathlib import Path

import awkward as ak
import safetensors.torch

from cortado.bundle import archive, canary, description
from cortado.bundle.loading import restore
from cortado.bundle.tagger import Bundle, check_classes


def save(bundle: Bundle, path: str | os.PathLike[str], *, canary_jets: ak.Array, directory: bool | None = None) -> Path:
    """Write a bundle: loaded back from memory as a check, then put in place in one step.

    Args:
        bundle: What to write. Its model is neither moved nor switched between training and evaluation.
        path: `name.cortado`.
        canary_jets: Jets of shape (n,); the first 16 are kept with their logits.
        directory: A directory instead of one zip file. By default when `path` ends with "/" or is a
            directory.
    Returns:
        The path written.
    Raises:
        ValueError: If there is no canary jet, the representation does not fit the model, logits are not
            finite, an argument cannot be written as JSON, or what was written gives other logits when loaded.
        FileExistsError: If `path` is a directory that is no bundle.
    """
    where = str(path)
    check_classes(where, bundle)
    bundle = dataclasses.replace(bundle, model=copy.deepcopy(bundle.model).cpu().eval())
    # Clones: safetensors refuses tensors that share memory.
    state = {name: tensor.detach().clone().contiguous() for name, tensor in bundle.model.state_dict().items()}
    members = {
        "weights.safetensors": safetensors.torch.save(state),
        "canary.safetensors": canary.pack(where, bundle, canary_jets),
    }
    members = {"bundle.json": description.write(where, bundle, members), **members}
    restore(where, members, representations=(type(bundle.representation),), models=(type(bundle.model),))
    return archive.write(path, members, directory=directory)
