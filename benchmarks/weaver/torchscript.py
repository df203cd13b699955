"""TorchScript of weaver's network (run inside weaver's environment): python torchscript.py WEIGHTS OUTPUT"""

import sys

import torch
from inputs import data_config
from network import get_model


class Probabilities(torch.nn.Module):
    """The network by the names that a caller gives."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, points, features, mask):
        """Probabilities (n, 2)."""
        return self.model(points, features, mask)


def main(weights, output):
    """Trace it with jets of as many constituents as the configuration pads to."""
    model, info = get_model(data_config(), for_inference=True)
    model.load_state_dict(torch.load(weights, weights_only=True))
    points, features, mask = (torch.rand(2, *shape[1:]) for shape in info["input_shapes"].values())
    example = {"points": points, "features": features, "mask": (mask > 0.2).float()}
    torch.jit.trace(Probabilities(model).eval(), example_kwarg_inputs=example).save(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
