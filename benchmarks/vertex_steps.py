"""Training steps of Set2Graph under the clock: python vertex_steps.py ours|loop JETS STEPS OUTPUT

A step is forward, loss and backward of a batch of simulated jets. "loop" runs the same layers jet by jet, padded to the
longest jet of the batch, with every pair written out. OUTPUT gets the time of each step [s] as JSON; a first one is not
counted.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import awkward as ak
import torch
from torch import Tensor

import cortado
from cortado.models import SetToGraph
from cortado.representations import TrackSet
from cortado.scaling import SET2GRAPH_SCALING
from cortado.tasks import Pair
from cortado.tasks.pair import pair_loss, total_loss

BATCH = 256
TASK = Pair(partition="tracks.vertex_index")


def main(candidate: str, jets: Path, steps: int, output: Path) -> None:
    """Time the steps."""
    torch.manual_seed(1)
    model = SetToGraph()
    batches = _batches(jets, steps + 1)
    run: Callable[[Tensor, Tensor], Tensor] = model if candidate == "ours" else lambda *inputs: _loop(model, *inputs)
    seconds = []
    for features, mask, partition in batches:
        begin = time.perf_counter()
        total_loss(*pair_loss(run(features, mask), partition, torch.ones(len(mask)))).backward()
        seconds.append(time.perf_counter() - begin)
    output.write_text(json.dumps(seconds[1:]))


def _batches(path: Path, number: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Batches as the training makes them, of jets in the order of the file."""
    jets = ak.flatten(cortado.read(path).jets)
    jets = jets[ak.num(jets.tracks) > 1]
    found = []
    for step in range(number):
        start = step * BATCH % (len(jets) - BATCH)
        batch = jets[start : start + BATCH]
        inputs = SET2GRAPH_SCALING(TrackSet()(batch))
        partition = TASK.target(batch, TASK.category(batch), inputs).partition
        features, mask, partition = map(torch.from_numpy, (*inputs, partition))
        found.append((features, mask, partition))
    return found


def _loop(model: SetToGraph, features: Tensor, mask: Tensor) -> Tensor:
    return torch.stack([_one(model, jet, there) for jet, there in zip(features, mask)])


def _one(model: SetToGraph, x: Tensor, there: Tensor) -> Tensor:
    """Logits (p, p) of one padded jet (p, f)."""
    for index, layer in enumerate(model.deep_set.layers):
        x = x.relu() if index else x
        query, key = torch.tanh(layer.query(x)), layer.key(x)
        scores = (query @ key.T * layer.scale).T.masked_fill(~there, -1e30)
        x = layer.own(x) + layer.attended(scores.softmax(dim=-1) @ x)
        x = x / x.norm(dim=-1, keepdim=True)
    p = len(x)
    pairs = torch.cat([x.unsqueeze(1).expand(p, p, -1), x.unsqueeze(0).expand(p, p, -1)], dim=-1)
    return model.pairs.rest(model.pairs.first(pairs)).squeeze(-1)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
