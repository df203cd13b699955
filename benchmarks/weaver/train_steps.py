"""Training steps of weaver-core under the clock (run inside its environment): see ../train_steps.py

    python train_steps.py WEIGHTS BATCHES STEPS OUTPUT

A step is that of weaver's `train_classification` (0.5.3) in float32, without its monitoring. Jets are padded to 128
constituents, as its data configuration asks for; its network then trims them to about the longest of the batch, from
the sixth batch on, at which we begin. The optimiser is AdamW on both sides.
"""

import json
import sys
import time
from pathlib import Path

import torch
from inputs import batches, data_config
from network import get_model


def main(weights: str, batches_path: str, steps: int, output: Path) -> None:
    """Train from the weights on the batches in turn."""
    torch.manual_seed(1)
    model, _ = get_model(data_config())
    model.load_state_dict(torch.load(weights, weights_only=True))
    model.train()
    model.trimmer._counter.fill_(model.trimmer.warmup_steps)
    prepared = batches(batches_path)
    loss_function = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-4)
    seconds = []
    for number in range(steps + 1):
        *inputs, target = prepared[number % len(prepared)]
        begin = time.perf_counter()
        optimizer.zero_grad()
        loss_function(model(*inputs), target).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=float("inf"))
        optimizer.step()
        seconds.append(time.perf_counter() - begin)
    output.write_text(json.dumps(seconds[1:]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
