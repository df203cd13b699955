"""The artefact of a training: all that turns jets into probabilities, in one file that executes nothing.

`name.cortado` (one zip file, or a directory) has three members:

- `bundle.json`: format version, package versions, representation, scaling and model by name and arguments,
  classes, signal, working points, provenance, and the SHA-256 of the two others and of itself;
- `weights.safetensors`: the state of the model;
- `canary.safetensors`: a few jets as columns, what was prepared from them, and their logits. They are
  prepared and scored again by every load, which refuses if code and file have drifted apart.

No pickle anywhere. A load may instantiate only what `cortado.representations` and `cortado.models` list, or
classes that the caller passes in. The checksums find accidents, not forgers: whoever can write the file can
write its checksums, but can still not make it run code.
"""

from cortado.bundle.loading import canary_jets, describe, fingerprint, load
from cortado.bundle.saving import save
from cortado.bundle.tagger import Bundle, Task, columns, lengths, probabilities, run
from cortado.weights import WorkingPoint

__all__ = [
    "Bundle",
    "Task",
    "WorkingPoint",
    "canary_jets",
    "columns",
    "describe",
    "fingerprint",
    "lengths",
    "load",
    "probabilities",
    "run",
    "save",
]
