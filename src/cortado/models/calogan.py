"""CaloGAN: showers in a segmented calorimeter from a generative adversarial network.

References:
    Paganini, de Oliveira, Nachman, Accelerating Science with Generative Adversarial Networks: An Application to 3D
    Particle Showers in Multilayer Calorimeters (2018), arXiv:1705.02355.
    Paganini, de Oliveira, Nachman, CaloGAN: Simulating 3D High Energy Particle Showers in Multilayer Electromagnetic
    Calorimeters with Generative Adversarial Networks (2018), arXiv:1712.10321.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from cortado.models.layers import require_positive
from cortado.models.locally_connected import LocallyConnected, with_places_as_pixels
from cortado.models.minibatch_discrimination import MinibatchDiscrimination

Shapes = Sequence[tuple[int, int]]
Layer = TypeVar("Layer", bound=nn.Module)

LAYERS = ((3, 96), (12, 12), (12, 6))
"""Rows and columns of the published calorimeter."""
ENERGY_WEIGHT = 0.05
"""Weight of the energy term in the loss."""
_SLOPE = 0.3  # of the leaky ReLU
_CLOSED = -10.0  # first bias of what a layer takes over from the one before
_OFF = 5.0  # GeV off the incident energy from which on the critic gets a flag


class CaloGAN(nn.Module):
    r"""Energies of cells from noise scaled with the incident energy, :math:`h = z E / 100` GeV.

    Each layer of the calorimeter has a stream: linear, convolution, two locally connected maps. A gate then mixes the
    image of each layer with that of the layer before, averaged or repeated to its cells. The published size has
    29,726,280 parameters, as the authors' code has; with the same weights both give the same showers, in training and
    in evaluation. Trains against `CaloGANDiscriminator`, with its `loss`. Deviations: layers whose cells do not
    divide each other are allowed, and averaged where they overlap; one kind of particle for a network, as in the
    paper's results, so no embedding of classes; the normal initial weights of the last map are not truncated.

    Args:
        layers: Rows and columns of each layer of the calorimeter.
        latent: Number of random numbers for a shower.
        energy_scale: Incident energy [GeV] at which the noise enters as it is.
        channels: Number of channels of the first image.
        filters: Number of channels after the convolution and the first locally connected map.

    Raises:
        ValueError: If a size is below 1, there is no layer, or the energy scale is not positive.
    """

    def __init__(
        self,
        *,
        layers: Shapes = LAYERS,
        latent: int = 1024,
        energy_scale: float = 100.0,
        channels: int = 36,
        filters: tuple[int, int] = (16, 6),
    ) -> None:
        super().__init__()
        _require_layers("CaloGAN", layers)
        require_positive("CaloGAN", latent=latent, channels=channels, filters=min(filters))
        if not energy_scale > 0:
            raise ValueError(f"CaloGAN: energy_scale must be positive, got {energy_scale!r}")
        self.latent, self.energy_scale = latent, energy_scale
        self.streams = nn.ModuleList(_Stream(latent, shape, channels, *filters) for shape in layers)
        self.gates = nn.ModuleList(_Gate(shape) for shape in layers[1:])

    def forward(self, energy: Tensor, noise: Tensor) -> Tensor:
        """Cells (n, cells) [GeV], layer after layer, of showers of incident energy (n,) [GeV], from noise (n, latent).

        Raises:
            ValueError: If the noise has another width than the model was made for.
        """
        if noise.shape[1] != self.latent:
            raise ValueError(f"CaloGAN was made with latent={self.latent}, got noise of shape {tuple(noise.shape)}")
        hidden = noise * (energy / self.energy_scale).unsqueeze(1)
        images = [stream(hidden) for stream in self.streams]
        for index, gate in enumerate(self.gates):
            images[index + 1] = gate(images[index + 1], images[index])
        return torch.cat([image.flatten(0, 2) for image in images]).relu().T.contiguous()


def fold_convolutions(generator: CaloGAN) -> CaloGAN:
    """Copy a CaloGAN for generation, each convolution multiplied into the linear map before it.

    Showers are the same up to rounding, in half the time: nearly all of it goes into the linear maps, and theirs shrink
    from 36 to 16 channels.
    """
    folded = copy.deepcopy(generator).eval()
    for stream in [module for module in folded.modules() if isinstance(module, _Stream)]:
        stream.linear, stream.convolution = _product(stream.linear, stream.convolution, stream.shape), nn.Identity()
    return folded


class CaloGANDiscriminator(nn.Module):
    """Critic that tells simulated from generated showers, layer by layer, by their energies, and by the whole batch.

    It compares each shower with the others of the batch (minibatch discrimination) and uses the statistics of the
    batch in its norms: judge batches of either simulated or generated showers only. The published size has 2,744,332
    parameters, as the authors' code has, and gives the logit of what that gives with the same weights.

    Args:
        layers: Rows and columns of each layer of the calorimeter.
        filters: Number of channels after the convolution and the three locally connected maps.

    Raises:
        ValueError: If a size is below 1, or there is no layer.
    """

    def __init__(self, *, layers: Shapes = LAYERS, filters: tuple[int, int, int, int] = (64, 16, 8, 8)) -> None:
        super().__init__()
        _require_layers("CaloGANDiscriminator", layers)
        require_positive("CaloGANDiscriminator", filters=min(filters))
        self.layers = [tuple(shape) for shape in layers]
        streams = [_CriticStream(shape, filters) for shape in layers]
        self.streams = nn.ModuleList(streams)
        self.energies = MinibatchDiscrimination(len(layers))
        inputs = sum(stream.features for stream in streams) + len(layers) + 3 + self.energies.kernels
        self.head = _glorot(nn.Linear(inputs, 1))

    def forward(self, energy: Tensor, features: Tensor) -> Judgement:
        """Judge showers of incident energy (n,) [GeV] and cells (n, cells) [GeV], layer after layer.

        Raises:
            ValueError: If there are more or fewer cells than the model was made for.
        """
        sizes = [rows * columns for rows, columns in self.layers]
        if features.shape[1] != sum(sizes):
            raise ValueError(
                f"CaloGANDiscriminator was made for layers {self.layers} of {sum(sizes)} cells, got features of shape "
                f"{tuple(features.shape)}"
            )
        images = [torch.unflatten(cells, 0, shape) for cells, shape in zip(torch.split(features.T, sizes), self.layers)]
        deposits = torch.stack([image.sum((0, 1)) for image in images], dim=1)
        total = deposits.sum(1, keepdim=True)
        deviation = (total - energy.unsqueeze(1)).abs()
        seen = [stream(image.unsqueeze(2)) for stream, image in zip(self.streams, images)]
        flag = 10 * (deviation > _OFF).to(deviation)
        scaled = [deposits / 10, total / 100, deviation, flag, self.energies(deposits)]
        return Judgement(self.head(torch.cat([*seen, *scaled], dim=1)).squeeze(1), total.squeeze(1))

    def loss(self, energy: Tensor, features: Tensor, *, real: bool) -> Tensor:
        r"""Loss (n,) of each shower, cross-entropy :math:`+ \lambda_E |E_{tot} - E|`.

        The critic minimises it with `real` as it is, the generator on its own showers with `real=True`. The energy term
        has no gradient to the critic. The authors take, for each batch of 256, two steps of the critic (simulated
        showers; then as many that the generator makes in evaluation, of energies uniform in 1 to 100 GeV), and two of
        the generator (new noise and energies each time); Adam with beta_1 = 0.5, learning rates 2e-5 and 2e-4; 50
        epochs; no smoothed or flipped labels.

        Args:
            energy: Incident energies [GeV], shape (n,).
            features: Cells [GeV], shape (n, cells), all simulated or all generated.
            real: Whether the critic shall take them for simulated.

        References:
            Paganini et al., arXiv:1712.10321, and the authors' code, github.com/hep-lbdl/CaloGAN, models/train.py.
        """
        judged = self(energy, features)
        target = torch.full_like(judged.logits, float(real))
        entropy = functional.binary_cross_entropy_with_logits(judged.logits, target, reduction="none")
        loss: Tensor = entropy + ENERGY_WEIGHT * (judged.total - energy).abs()
        return loss

    def summary(self, energy: Tensor, features: Tensor) -> Tensor:
        """Energy in all cells over the incident one, that of the hottest cell, number of hit ones: shape (n, 3)."""
        columns = (features.sum(1) / energy, features.amax(1), (features > 0).sum(1).float())
        return torch.stack(columns, dim=1)


class Judgement(NamedTuple):
    """What a critic says of showers.

    Attributes:
        logits: Logits of being simulated, shape (n,).
        total: Sum of the cells [GeV], shape (n,).
    """

    logits: Tensor
    total: Tensor


class _Stream(nn.Module):
    """Image (rows, columns, 1, n) of one layer from noise (n, latent)."""

    def __init__(self, latent: int, shape: tuple[int, int], channels: int, convolved: int, local: int) -> None:
        super().__init__()
        rows, columns = shape
        self.shape = (rows + 2, columns + 2, -1)
        self.linear = _glorot(nn.Linear(latent, (rows + 2) * (columns + 2) * channels))
        self.convolution: nn.Module = _convolution(channels, convolved)
        self.norm = _norm(convolved)
        self.first = LocallyConnected((rows + 2, columns + 2), convolved, local)
        self.last = LocallyConnected((rows + 1, columns + 1), local, 1, bias=False)
        nn.init.kaiming_uniform_(self.convolution.get_parameter("1.weight"), nonlinearity="relu")
        nn.init.kaiming_uniform_(with_places_as_pixels(self.first.weight), nonlinearity="relu")
        nn.init.xavier_normal_(with_places_as_pixels(self.last.weight))

    def forward(self, hidden: Tensor) -> Tensor:
        images = torch.unflatten(self.linear(hidden), 1, self.shape).permute(0, 3, 1, 2)
        images = self.convolution(images).permute(2, 3, 1, 0)
        images = _leaky(self.first(_normalise(self.norm, _leaky(images))))
        image: Tensor = self.last(images)
        return image


class _Gate(nn.Module):
    """Image of a layer mixed with that of the layer before, cell by cell: in-painting attention."""

    def __init__(self, shape: tuple[int, int]) -> None:
        super().__init__()
        self.weights = LocallyConnected(shape, 2, 2, kernel=(3, 3), padding=1)
        nn.init.constant_(self.weights.get_parameter("bias")[:, 1], _CLOSED)

    def forward(self, own: Tensor, before: Tensor) -> Tensor:
        """Images (rows, columns, 1, n) of a layer and of the layer before, of any rows and columns."""
        resized = functional.adaptive_avg_pool2d(before.permute(3, 2, 0, 1), self.weights.shape)
        both = torch.cat([own, resized.permute(2, 3, 1, 0)], dim=2)
        mixed: Tensor = (both * self.weights(both).softmax(2)).sum(2, keepdim=True)
        return mixed


class _CriticStream(nn.Module):
    """Features (n, `features`) of images (rows, columns, 1, n) of one layer."""

    def __init__(self, shape: tuple[int, int], filters: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.convolution = _convolution(1, filters[0])
        first = LocallyConnected(shape, *filters[:2], kernel=(3, 3), stride=(1, 2), padding=1)
        second = LocallyConnected(first.shape, *filters[1:3], padding=1)
        third = LocallyConnected(second.shape, *filters[2:], stride=(1, 2), padding=1)
        self.local = nn.ModuleList((first, second, third))
        self.norms = nn.ModuleList(_norm(width) for width in filters[1:])
        flat = third.shape[0] * third.shape[1] * filters[3]
        self.similarity = MinibatchDiscrimination(flat)
        self.sparsity_similarity = MinibatchDiscrimination(1)
        self.features = flat + 1 + self.similarity.kernels + self.sparsity_similarity.kernels

    def forward(self, images: Tensor) -> Tensor:
        x = _leaky(self.convolution(images.permute(3, 2, 0, 1)).permute(2, 3, 1, 0))
        for local, norm in zip(self.local, self.norms):
            x = _normalise(norm, _leaky(local(x)))
        flat = x.flatten(0, 2).T
        lit = (images > 0).to(images).mean((0, 1)).T  # (n, 1)
        return torch.cat([flat, self.similarity(flat), lit, self.sparsity_similarity(lit)], dim=1)


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    """Windows of 2 x 2 over images padded with zeros at the far ends, as Keras pads them."""
    return nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), _glorot(nn.Conv2d(inputs, outputs, 2)))


@torch.no_grad()
def _product(linear: nn.Linear, convolution: nn.Module, shape: tuple[int, int, int]) -> nn.Linear:
    """Linear map to images (rows, columns, channels) and a convolution of them, as one linear map."""
    directions = torch.cat([torch.zeros_like(linear.bias).unsqueeze(0), linear.weight.T])
    images = torch.unflatten(directions + linear.bias, 1, shape).permute(0, 3, 1, 2)
    convolved = convolution(images).permute(0, 2, 3, 1).flatten(1)
    product = nn.Linear(linear.in_features, convolved.shape[1], device=images.device)
    product.bias.copy_(convolved[0])
    product.weight.copy_((convolved[1:] - convolved[0]).T)
    return product


def _leaky(values: Tensor) -> Tensor:
    return functional.leaky_relu(values, _SLOPE)


def _norm(channels: int) -> nn.BatchNorm1d:
    return nn.BatchNorm1d(channels, eps=1e-3, momentum=0.01)


def _normalise(norm: nn.Module, images: Tensor) -> Tensor:
    """Batch norm of the channels of images (rows, columns, channels, n)."""
    normalised: Tensor = norm(images.flatten(0, 1))
    return torch.unflatten(normalised, 0, images.shape[:2])


def _glorot(layer: Layer) -> Layer:
    """The layer, with Keras's initial weights."""
    nn.init.xavier_uniform_(layer.get_parameter("weight"))
    nn.init.zeros_(layer.get_parameter("bias"))
    return layer


def _require_layers(model: str, layers: Shapes) -> None:
    if not layers or any(len(shape) != 2 for shape in layers):
        raise ValueError(f"{model}: layers must be (rows, columns) of at least one layer, got {layers!r}")
    require_positive(model, **{f"layers[{index}]": min(shape) for index, shape in enumerate(layers)})
