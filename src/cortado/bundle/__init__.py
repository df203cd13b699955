"""The artefact of a training: all that turns objects into answers, in one file that executes nothing.

`name.cortado` (one zip file, or a directory) has three members:

- `bundle.json`: format version, package versions, representation, scaling, model and use by name and arguments,
  working points, provenance, and the SHA-256 of the two others and of itself;
- `weights.safetensors`: the state of the model;
- `canary.safetensors`: a few objects as columns, what was prepared from them, and the outputs of the model. They are
  prepared and shown to it again by every load, which refuses if code and file have drifted apart.

No pickle anywhere. A load may instantiate only what `cortado.representations`, `cortado.models` and `cortado.tasks`
list, or classes that the caller passes in. The checksums find accidents, not forgers: whoever can write the file can
write its checksums, but can still not make it run code.

Format 1 (a task and classes in the place of the use) is read as well.
"""

from __future__ import annotations

from cortado.bundle.answering import accepted, answers, in_batches, sizes_of
from cortado.bundle.chain import Bundle, columns, lengths, run, tensors
from cortado.bundle.loading import Content, Own, canary_objects, describe, fingerprint, load, read
from cortado.bundle.saving import save
from cortado.weights import WorkingPoint

__all__ = [
    "Bundle",
    "Content",
    "Own",
    "WorkingPoint",
    "accepted",
    "answers",
    "canary_objects",
    "columns",
    "describe",
    "fingerprint",
    "in_batches",
    "lengths",
    "load",
    "read",
    "run",
    "save",
    "sizes_of",
    "tensors",
]
