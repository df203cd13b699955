import json
import math

import pytest
import torch

from cortado.models import CaloFlow, CaloFlowStudent
from cortado.models.splines import inverse_spline, spline

SMALL = {"layers": (9, 6, 4), "layer_blocks": 2, "layer_hidden": (8, 8), "blocks": 4, "hidden": (12, 10), "bins": 5}
STUDENT = {**SMALL, "hidden": (14, 13)}


def flow(**arguments):
    """A small flow in evaluation."""
    torch.manual_seed(3)
    return CaloFlow(**{**SMALL, **arguments}).eval()


def student(**arguments):
    """A small student in training, and its teacher."""
    torch.manual_seed(4)
    return CaloFlowStudent(**{**STUDENT, "dropout": 0.0, "teacher": SMALL, **arguments})


def showers(n, latent=22, seed=0, *, dtype=torch.float32):
    """Incident energies and features."""
    generator = torch.Generator().manual_seed(seed)
    energy = 1 + 99 * torch.rand(n, generator=generator, dtype=dtype)
    return energy, torch.randn(n, latent, generator=generator, dtype=dtype)


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_published_numbers_of_parameters():
    model = CaloFlow()
    assert parameters(model.layer_flow) == 79_134
    assert parameters(model.cell_flow) == 37_835_280


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-3), (torch.float64, 1e-9)])
def test_makes_features_from_their_latents(dtype, tolerance):
    model, (energy, features) = flow(blocks=8, layer_blocks=6).to(dtype), showers(100, dtype=dtype)
    noise = model.latents(energy, features)
    assert (noise - features).abs().mean() > 0.1
    torch.testing.assert_close(model(energy, noise), features, rtol=0, atol=tolerance)


def test_loss_is_minus_the_logarithm_of_the_density():
    model = flow(layers=(2, 1), bound=3.0).double()
    energy, features = showers(4, model.latent, dtype=torch.float64)
    noise, loss = model.latents(energy, features), model.loss(energy, features)
    for i in range(4):
        jacobian = torch.autograd.functional.jacobian(
            lambda given, i=i: model.latents(energy[i : i + 1], given.unsqueeze(0))[0], features[i]
        )
        density = torch.distributions.Normal(0.0, 1.0).log_prob(noise[i]).sum() + torch.linalg.slogdet(jacobian)[1]
        assert loss[i].item() == pytest.approx(-density.item())


@pytest.mark.parametrize("layer_features", [1, 2])
def test_cells_depend_on_all_features_of_layers_and_on_the_energy(layer_features):
    model, leading = flow(layer_features=layer_features), 3 * layer_features
    energy, features = showers(20, 19 + leading)
    energy.requires_grad_(), features.requires_grad_()
    noise = model.latents(energy, features)
    torch.testing.assert_close(model(energy, noise), features, rtol=0, atol=1e-3)
    noise[:, leading:].square().sum().backward()
    assert (energy.grad != 0).all()
    assert (features.grad[:, :leading] != 0).all()


def test_features_of_layers_do_not_depend_on_the_cells():
    model, (energy, features) = flow(layer_features=2), showers(20, 25)
    other = torch.cat([features[:, :6], features[:, 6:] + 1], dim=1)
    torch.testing.assert_close(model.latents(energy, other)[:, :6], model.latents(energy, features)[:, :6])


@pytest.mark.parametrize("model", [flow, lambda: student().eval()], ids=["CaloFlow", "CaloFlowStudent"])
@pytest.mark.parametrize("size", [30, 1e6])
def test_extreme_features_and_noise_give_finite_numbers(model, size):
    model, (energy, features) = model(), showers(50)
    features *= size
    assert model(energy, features).isfinite().all()
    loss = model.loss(energy, features)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters() if parameter.requires_grad)


def train(model, energy, features, steps=60):
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    model.train()
    for step in range(steps):
        some = slice(step % 8 * 128, (step % 8 + 1) * 128)
        loss = model.loss(energy[some], features[some]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def correlated(n, seed):
    """Two layers, whose features follow the energy, and three cells, which follow the layers."""
    energy, noise = showers(n, 5, seed)
    of_layers = (energy / 10).log10().unsqueeze(1) * torch.tensor([1.0, -0.5]) + 0.3 * noise[:, :2]
    of_cells = of_layers[:, :1] * torch.tensor([1.0, -1.0, 0.5]) + 0.2 * noise[:, 2:].cumsum(1)
    return energy, torch.cat([of_layers, of_cells], dim=1)


TOY = {"layers": (2, 1), "layer_blocks": 2, "layer_hidden": (12,), "blocks": 2, "hidden": (12,), "bins": 6}


def test_learns_the_density_and_the_student_repeats_it():
    torch.manual_seed(0)
    energy, features = correlated(1024, 1)
    teacher = train(CaloFlow(**TOY, dropout=0.0, bound=4.0), energy, features)
    model = CaloFlowStudent(**TOY, dropout=0.0, bound=4.0, teacher=TOY)
    model.teacher.load_state_dict(teacher.state_dict())
    train(model, energy, features)
    energy, features = correlated(2000, 2)
    noise = showers(2000, 5, 3)[1]
    entropy = 2.5 * math.log(2 * math.pi * math.e) + 2 * math.log(0.3) + 3 * math.log(0.2)
    assert entropy - 0.1 < teacher.loss(energy, features).mean() < entropy + 0.5
    with torch.no_grad():
        one, other = teacher(energy, noise), model(energy, noise)
    assert (one - other).square().mean() < 0.1 * one.square().mean()
    for made in (one, other):
        torch.testing.assert_close(torch.cov(made.T), torch.cov(features.T), rtol=0, atol=0.15)
        torch.testing.assert_close(follows(energy, made), follows(energy, features), rtol=0, atol=0.1)


def follows(energy, features):
    """Increase of each feature with the logarithm of the energy."""
    covariance = torch.cov(torch.cat([energy.log10().unsqueeze(1), features], dim=1).T)[0]
    return covariance[1:] / covariance[0]


def test_student_loss_agrees_with_the_slow_one():
    for beta in (0.0, 0.5, 1.0):
        model, (energy, features) = student(beta=beta), showers(7)
        torch.manual_seed(8)
        loss = model.loss(energy, features)
        torch.manual_seed(8)
        expected = _slow_loss(model, energy, features)
        torch.testing.assert_close(loss, expected)


def _slow_loss(model, energy, features):
    condition = torch.cat([(energy / 10).log10().unsqueeze(1), features[:, :3]], dim=1)
    flow_i, flow_ii, teacher = model.flows.layer_flow, model.flows.cell_flow, model.teacher.cell_flow
    loss = -flow_i.log_density(features[:, :3], condition[:, :1])

    def to_noise(x):
        values, numbers = [x], []
        for block, order in zip(teacher.blocks, teacher.orders):
            numbers.append(block(x[:, order], condition))
            after = torch.empty_like(x)
            after[:, order] = spline(x[:, order], numbers[-1], 14.0)[0]
            values.append(x := after)
        return values, numbers

    def to_cells(z):
        values, numbers = [z], []
        for k in (3, 2, 1, 0):
            order = flow_ii.orders[k]
            numbers.insert(0, flow_ii.blocks[k](z[:, order], condition))
            after = torch.empty_like(z)
            after[:, order] = inverse_spline(z[:, order], numbers[0], 14.0)
            values.insert(0, z := after)
        return values, numbers

    def distance(one, other):
        pairs = [*zip(one[0], other[0], strict=True), *zip(one[1], other[1], strict=True)]
        return sum(((a - b) ** 2).reshape(len(a), -1).sum(1) for a, b in pairs) / 19

    there = to_noise(features[:, 3:])
    x = distance(there, to_cells(there[0][-1]))
    if model.beta == 1:
        return loss + x
    back = to_cells(torch.randn(len(features), 19))
    return loss + model.beta * x + (1 - model.beta) * distance(to_noise(back[0][0]), back)


def test_student_with_the_weights_of_its_teacher_repeats_it_where_no_cell_depends_on_others():
    model, (energy, features) = student(hidden=SMALL["hidden"]), showers(50)
    for block in model.teacher.cell_flow.blocks:
        block.hidden[0].weight.data.zero_()
    model.flows.load_state_dict(model.teacher.state_dict())
    likelihood = -model.flows.layer_flow.log_density(features[:, :3], (energy / 10).log10().unsqueeze(1))
    torch.testing.assert_close(model.loss(energy, features), likelihood, rtol=0, atol=1e-4)
    noise = showers(50, seed=1)[1]
    torch.testing.assert_close(model(energy, noise), model.teacher(energy, noise), rtol=0, atol=1e-4)


def test_teacher_is_frozen_and_stays_in_evaluation():
    model, (energy, features) = student().train(), showers(20)
    assert model.flows.training
    assert not any(module.training for module in model.teacher.modules())
    model.loss(energy, features).sum().backward()
    assert all(parameter.grad is None for parameter in model.teacher.parameters())
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.flows.parameters())


def test_student_generates_without_its_teacher():
    model, (energy, noise) = student().eval(), showers(20)
    alone = CaloFlowStudent(**STUDENT).eval()
    own = {name: value for name, value in model.state_dict().items() if not name.startswith("teacher.")}
    alone.load_state_dict(own)
    assert torch.equal(alone(energy, noise), model(energy, noise))
    assert CaloFlowStudent.training_only == ("teacher",)
    with pytest.raises(ValueError, match="CaloFlowStudent: loss needs a teacher"):
        alone.loss(energy, noise)


def test_arguments_survive_json():
    arguments = json.loads(json.dumps({**STUDENT, "teacher": SMALL}))
    assert parameters(CaloFlowStudent(**arguments).teacher) == parameters(flow())


@pytest.mark.parametrize("model", [CaloFlow, CaloFlowStudent])
@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"layers": ()}, "CaloFlow: layers must be an integer of at least 1, got 0"),
        ({"layers": (9, 0)}, "CaloFlow: layers must be an integer of at least 1, got 0"),
        ({"blocks": 0}, "CaloFlow: blocks must be an integer of at least 1, got 0"),
        ({"hidden": ()}, "CaloFlow: hidden must be an integer of at least 1, got 0"),
        ({"layer_hidden": (-2,)}, "CaloFlow: layer_hidden must be an integer of at least 1, got -2"),
        ({"bins": 1}, "CaloFlow: bins must be an integer of at least 2, got 1"),
        ({"bound": 0.0}, "CaloFlow: bound must be positive, got 0.0"),
    ],
)
def test_impossible_sizes_are_refused(model, argument, message):
    with pytest.raises(ValueError, match=message):
        model(**argument)


@pytest.mark.parametrize("beta", [-0.1, 1.5])
def test_impossible_weights_are_refused(beta):
    with pytest.raises(ValueError, match=rf"CaloFlowStudent: beta must be in \[0, 1\], got {beta}"):
        CaloFlowStudent(**STUDENT, beta=beta)


@pytest.mark.parametrize(("name", "value"), [("layers", [9, 6, 5]), ("blocks", 3), ("bins", 8), ("seed", 1)])
def test_a_teacher_with_other_blocks_is_refused(name, value):
    message = f"CaloFlowStudent: the teacher must have the student's {name} = .*, got "
    with pytest.raises(ValueError, match=message):
        CaloFlowStudent(**STUDENT, teacher={**SMALL, name: value})


@pytest.mark.parametrize("model", [flow, student], ids=["CaloFlow", "CaloFlowStudent"])
@pytest.mark.parametrize(("function", "name"), [("forward", "noise"), ("loss", "features")])
def test_other_widths_than_the_models_are_refused(model, function, name):
    energy, features = showers(3, 21)
    message = rf"made with 3 features of layers, 19 of cells, so latent=22, got {name} of shape \(3, 21\)"
    with pytest.raises(ValueError, match=message):
        getattr(model(), function)(energy, features)
