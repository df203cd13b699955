"""Perceptron that places hits in a space where those of one track are near each other."""

from __future__ import annotations

from torch import Tensor, nn

from cortado.models.layers import perceptron, require_positive, require_width


class HitEmbedding(nn.Module):
    """A perceptron for each hit alone, beside a linear map of its features.

    Not in the paper: the linear map, by which the space begins as that of the detector, and layer normalisation instead
    of batch normalisation, so that hits do not see each other. The units are those of the task: `Embed` has a margin
    of one.

    Args:
        nodes: Number of features of a hit.
        hidden: Width of the hidden layers.
        layers: Number of the hidden layers.
        dimensions: Of the space.

    Raises:
        ValueError: If a size is below 1.

    References:
        Ju et al., Performance of a geometric deep learning pipeline for HL-LHC particle tracking (2021),
        arXiv:2103.06995, section 4.2.
    """

    def __init__(self, *, nodes: int = 5, hidden: int = 128, layers: int = 3, dimensions: int = 8) -> None:
        super().__init__()
        require_positive("HitEmbedding", nodes=nodes, hidden=hidden, layers=layers, dimensions=dimensions)
        self.nodes = nodes
        self.linear = nn.Linear(nodes, dimensions)
        self.network = perceptron(nodes, (hidden,) * layers, dimensions, activation=nn.GELU)

    def forward(self, nodes: Tensor, event: Tensor) -> Tensor:
        """Places (N, d) of hits with features (N, f); that of their event (N,) is not looked at.

        Raises:
            ValueError: If f is not the number of features that the model was made with.
        """
        require_width("HitEmbedding", nodes, self.nodes)
        place: Tensor = self.linear(nodes) + self.network(nodes)
        return place
