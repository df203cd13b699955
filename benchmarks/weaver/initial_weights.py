"""Make weights (run inside weaver's environment): python initial_weights.py OUTPUT

Random ones, but not those of a fresh network: batch norms have statistics and parameters of their own, so that leaving
one out shows, and the last layer is scaled up, so that scores differ from jet to jet.
"""

import sys
from pathlib import Path

import torch
from network import get_model
from weaver.utils.data.config import DataConfig

_SEED = 1
_LAST_LAYER = 30.0
_NORMS = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)


def main(output: str) -> None:
    """Save the state dict of weaver's network."""
    torch.manual_seed(_SEED)
    model, _ = get_model(data_config())
    for norm in (module for module in model.modules() if isinstance(module, _NORMS)):
        norm.running_mean.normal_(0.0, 0.2)
        norm.running_var.uniform_(0.5, 2.0)
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.normal_(norm.bias, 0.0, 0.2)
    with torch.no_grad():
        model.fc[-1].weight.mul_(_LAST_LAYER)
    torch.save(model.state_dict(), output)


def data_config():
    """What weaver makes of our data configuration."""
    path = Path(__file__).with_name("top_tagging.yaml")
    return DataConfig.load(str(path), load_observers=False, load_reweight_info=False)


if __name__ == "__main__":
    main(sys.argv[1])
