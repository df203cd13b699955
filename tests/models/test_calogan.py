import math
from functools import partial

import pytest
import torch
from models.cases import LAYERS
from torch.nn import functional

from cortado.models import CaloGAN, CaloGANDiscriminator
from cortado.models.calogan import fold_convolutions
from cortado.models.locally_connected import LocallyConnected
from cortado.models.minibatch_discrimination import MinibatchDiscrimination

CELLS = sum(rows * columns for rows, columns in LAYERS)


def small_generator():
    torch.manual_seed(1)
    return CaloGAN(layers=LAYERS, latent=12, channels=4, filters=(3, 2))


def small_critic():
    torch.manual_seed(1)
    return CaloGANDiscriminator(layers=LAYERS, filters=(4, 3, 2, 2))


def shaken(model):
    """The model with other parameters and running statistics than the initial ones, in evaluation."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for values in [*model.parameters(), *model.buffers()]:
            if values.is_floating_point():
                values += 0.2 * torch.rand(values.shape, generator=generator)
    return model.eval()


def toy_showers(number, seed=0):
    """Energies (n,) [GeV] and cells (n, cells) [GeV]: one profile, with fluctuations and a threshold."""
    generator = torch.Generator().manual_seed(seed)
    energy = 1 + 99 * torch.rand(number, generator=generator)
    profile = torch.linspace(1, 0, CELLS).square()
    cells = (profile * torch.rand(number, CELLS, generator=generator) - 0.05).relu()
    return energy, energy.unsqueeze(1) * cells / cells.sum(1, keepdim=True)


def place_by_place(layer, image):
    """One image (channels, rows, columns) through a locally connected layer, in loops."""
    (rows, columns), (high, wide) = layer.shape, layer.kernel
    padded = functional.pad(image, (layer.padding,) * 4)
    outputs = torch.empty(layer.weight.shape[1], rows, columns)
    for r in range(rows):
        for c in range(columns):
            top, left, place = r * layer.stride[0], c * layer.stride[1], r * columns + c
            window = padded[:, top : top + high, left : left + wide].permute(1, 2, 0).flatten()
            outputs[:, r, c] = layer.weight[place] @ window + (0 if layer.bias is None else layer.bias[place, :, 0])
    return outputs


def slow_stream(stream, hidden, rows, columns):
    image = stream.linear(hidden).reshape(rows + 2, columns + 2, -1).permute(2, 0, 1)
    image = stream.convolution[1](functional.pad(image, (0, 1, 0, 1)))
    norm = stream.norm
    mean, width = norm.running_mean, (norm.running_var + 1e-3).sqrt()
    scaled = (functional.leaky_relu(image, 0.3) - mean[:, None, None]) / width[:, None, None]
    image = scaled * norm.weight[:, None, None] + norm.bias[:, None, None]
    return place_by_place(stream.last, functional.leaky_relu(place_by_place(stream.first, image), 0.3))


def slow_gate(gate, own, resized):
    both = torch.cat([own, resized])
    return (place_by_place(gate.weights, both).softmax(0) * both).sum(0, keepdim=True)


def slow_shower(model, energy, noise):
    """One shower of the published geometry, with its resizing written out: repeated rows, averaged columns."""
    shapes = ((3, 96), (12, 12), (12, 6))
    first, second, third = (slow_stream(s, noise * energy / 100, *shape) for s, shape in zip(model.streams, shapes))
    second = slow_gate(model.gates[0], second, first.repeat_interleave(4, 1).reshape(1, 12, 12, 8).mean(3))
    third = slow_gate(model.gates[1], third, second.reshape(1, 12, 6, 2).mean(3))
    return torch.cat([image.flatten() for image in (first, second, third)]).relu()


@pytest.mark.parametrize("stride, padding, kernel", [((1, 1), 0, (2, 2)), ((1, 2), 1, (3, 3)), ((1, 2), 1, (2, 2))])
def test_locally_connected_equals_a_loop_over_places(stride, padding, kernel):
    layer = shaken(LocallyConnected((5, 8), 3, 2, kernel=kernel, stride=stride, padding=padding))
    images = torch.randn(4, 3, 5, 8)
    expected = torch.stack([place_by_place(layer, image) for image in images])
    torch.testing.assert_close(layer(images.permute(2, 3, 1, 0)).permute(3, 2, 0, 1), expected)


def test_locally_connected_with_the_same_weights_everywhere_is_a_convolution():
    layer, convolution = LocallyConnected((4, 7), 3, 2, kernel=(2, 3)), torch.nn.Conv2d(3, 2, (2, 3))
    with torch.no_grad():
        layer.weight.copy_(convolution.weight.permute(0, 2, 3, 1).flatten(1).expand_as(layer.weight))
        layer.bias.copy_(convolution.bias[:, None].expand_as(layer.bias))
    images = torch.randn(5, 3, 4, 7)
    torch.testing.assert_close(layer(images.permute(2, 3, 1, 0)).permute(3, 2, 0, 1), convolution(images))


def test_generator_equals_one_shower_after_the_other():
    model = shaken(CaloGAN(latent=5, channels=3, filters=(3, 2)))
    energy, noise = torch.tensor([3.0, 80.0]), torch.randn(2, 5)
    expected = torch.stack([slow_shower(model, *shower) for shower in zip(energy, noise)])
    torch.testing.assert_close(model(energy, noise), expected, rtol=1e-4, atol=1e-4)


def test_gates_are_closed_at_first():
    gate = small_generator().gates[0]
    own, before = torch.randn(4, 3, 1, 9), torch.randn(2, 6, 1, 9)
    torch.testing.assert_close(gate(own, before), own, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shape", [(3, 96), (5, 7), (1, 1), (12, 12)])
def test_an_open_gate_keeps_a_flat_image_flat(shape):
    gate = CaloGAN(layers=(shape, (4, 6)), latent=1, channels=1, filters=(1, 1)).gates[0]
    torch.nn.init.constant_(gate.weights.bias[:, 1], 30.0)
    gated = gate(torch.randn(4, 6, 1, 2), torch.full((*shape, 1, 2), 0.7))
    torch.testing.assert_close(gated, torch.full_like(gated, 0.7))


def test_folded_convolutions_give_the_same_showers_from_a_smaller_map():
    model = shaken(small_generator())
    energy, noise = 1 + 99 * torch.rand(6), torch.randn(6, 12)
    expected = model(energy, noise)
    folded = fold_convolutions(model)
    torch.testing.assert_close(folded(energy, noise), expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(model(energy, noise), expected)
    assert folded.streams[0].linear.out_features * 4 == model.streams[0].linear.out_features * 3


def test_minibatch_discrimination_equals_a_loop_over_pairs():
    layer, values = shaken(MinibatchDiscrimination(4, kernels=3, dimensions=2)), torch.randn(5, 4)
    points = layer.project(values).reshape(5, 3, 2)
    sums = [sum((-(points[i] - points[j]).abs().sum(1)).exp() for j in range(5)) for i in range(5)]
    torch.testing.assert_close(layer(values), torch.stack(sums).tanh())


def test_minibatch_discrimination_counts_what_is_alike():
    counts = MinibatchDiscrimination(4)(torch.cat([torch.zeros(3, 4), torch.full((1, 4), 1e4)]))
    torch.testing.assert_close(counts.mean(1), torch.tensor([3.0, 3.0, 3.0, 1.0]).tanh())


def test_critic_sees_the_other_showers():
    critic, (energy, cells) = small_critic().eval(), toy_showers(4)
    alone = critic(energy[:1], cells[:1]).logits
    assert (critic(energy, cells).logits[0] - alone).abs() > 1e-4


def test_critic_knows_the_energies():
    """The head takes them last: of the layers, the total, its deviation, a flag above 5 GeV, ten similarities."""
    critic, (energy, cells) = small_critic().eval(), toy_showers(3)
    seen = []
    critic.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    judged = critic(energy + torch.tensor([4.5, -5.5, 0]), cells)
    layers = torch.stack([part.sum(1) for part in cells.split([rows * columns for rows, columns in LAYERS], 1)], 1)
    torch.testing.assert_close(judged.total, energy)
    torch.testing.assert_close(seen[0][:, -16:-13], layers / 10)
    torch.testing.assert_close(seen[0][:, -13], energy / 100)
    torch.testing.assert_close(seen[0][:, -12], torch.tensor([4.5, 5.5, 0]), rtol=0, atol=1e-4)
    assert seen[0][:, -11].tolist() == [0, 10, 0]


@pytest.mark.parametrize("real", [True, False])
def test_loss_of_a_critic_that_cannot_tell(real):
    critic, (energy, cells) = small_critic(), toy_showers(3)
    for values in critic.head.parameters():
        torch.nn.init.zeros_(values)
    loss = critic.loss(energy + torch.tensor([0, 2, -4.0]), cells, real=real)
    torch.testing.assert_close(loss, math.log(2) + torch.tensor([0, 0.1, 0.2]), rtol=0, atol=1e-5)


def test_energy_term_says_nothing_to_the_critic():
    critic, (energy, cells) = small_critic(), toy_showers(3)
    assert not critic(energy, cells).total.requires_grad
    assert critic(energy, cells).logits.requires_grad


def trained(model, rate):
    return torch.optim.Adam(model.parameters(), lr=rate, betas=(0.5, 0.999))


def step(optimiser, *losses):
    for loss in losses:
        optimiser.zero_grad()
        loss().mean().backward()
        optimiser.step()


def test_critic_learns_to_tell_showers_from_noise():
    critic, (energy, cells) = small_critic(), toy_showers(32)
    noise = torch.rand(32, CELLS, generator=torch.Generator().manual_seed(5))
    noise *= (energy / noise.sum(1)).unsqueeze(1)
    optimiser = trained(critic, 3e-3)
    for _ in range(30):
        judged = ((cells, True), (noise, False))
        step(optimiser, *(partial(critic.loss, energy, x, real=real) for x, real in judged))
    assert (critic(energy, cells).logits > 0).float().mean() > 0.9
    assert (critic(energy, noise).logits < 0).float().mean() > 0.9


def test_generator_learns_the_requested_energy_from_its_critic():
    generator, critic, (energy, cells) = small_generator(), small_critic(), toy_showers(32)
    of_generator, of_critic = trained(generator, 2e-2), trained(critic, 5e-4)
    totals = []
    for _ in range(40):
        shown = generator(energy, torch.randn(32, 12))
        judged = ((cells, True), (shown.detach(), False))
        step(of_critic, *(partial(critic.loss, energy, x, real=real) for x, real in judged))
        step(of_generator, partial(critic.loss, energy, shown, real=True))
        totals.append(shown.detach().sum(1))
    off = [(total - energy).abs().sum() / energy.sum() for total in totals]
    assert totals[0].sum() < 0.5 * energy.sum()
    assert sum(totals[-5:]).sum() == pytest.approx(5 * energy.sum().item(), rel=0.25)
    assert off[-1] < 0.5 * off[0]


def test_other_inputs_than_the_models_are_refused():
    with pytest.raises(ValueError, match=r"was made for layers \[\(2, 6\), .* of 27 cells, got .* shape \(2, 26\)"):
        small_critic()(torch.ones(2), torch.ones(2, 26))


@pytest.mark.parametrize("model", [CaloGAN, CaloGANDiscriminator])
def test_impossible_layers_are_refused(model):
    with pytest.raises(ValueError, match=rf"{model.__name__}: layers must be \(rows, columns\) of at least one"):
        model(layers=())
    with pytest.raises(
        ValueError, match=r"layers must be \(rows, columns\) of at least one layer, got \(\(3, 4, 5\),\)"
    ):
        model(layers=((3, 4, 5),))
    with pytest.raises(ValueError, match=rf"{model.__name__}: layers\[1\] must be an integer of at least 1, got 0"):
        model(layers=((3, 4), (0, 2)))


def test_impossible_energy_scale_is_refused():
    with pytest.raises(ValueError, match="CaloGAN: energy_scale must be positive, got 0"):
        CaloGAN(energy_scale=0)
