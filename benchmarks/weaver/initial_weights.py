"""Make weights (run inside weaver's environment): python initial_weights.py BATCHES OUTPUT

Random ones, but such that comparing scores means something: batch norms have parameters of their own and the statistics
of real jets, so that leaving one out shows, and the last layer is scaled such that scores spread over (0, 1).
"""

import sys

import torch
from inputs import batches, data_config
from network import get_model

_SEED = 1
_SPREAD = 1.5  # standard deviation of the difference of the logits
_NORMS = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)


@torch.no_grad()
def main(batches_path: str, output: str) -> None:
    """Save the state dict of weaver's network, made to fit the first of the prepared batches."""
    torch.manual_seed(_SEED)
    *inputs, _ = batches(batches_path)[0]
    model, _ = get_model(data_config())
    for norm in (module for module in model.modules() if isinstance(module, _NORMS)):
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.normal_(norm.bias, 0.0, 0.2)
        norm.momentum = 1.0  # the statistics of one batch as they are
    model.train()(*inputs)
    logits, last = model.eval()(*inputs), model.fc[-1]
    scale = _SPREAD / (logits[:, 1] - logits[:, 0]).std()
    last.weight.mul_(scale)
    last.bias.sub_(logits.mean(0)).mul_(scale)
    torch.save(model.state_dict(), output)


if __name__ == "__main__":
    main(*sys.argv[1:])
