import json
import os
import sys

import awkward as ak
import numpy as np
import pytest
import torch
from representations.test_deepjet import collection_jets
from toy_showers import save_generator, toy_showers
from toy_taggers import OWN, Kinematics, Linear, Sum, save_toy
from toy_tracks import jets_of, save_finder
from toys import toy_jets

import cortado
from cortado import bundle, calorimeter, export
from cortado.calorimeter import CALOGAN
from cortado.models import EFN, MLP, PFN, CaloFlow, CaloFlowMatching, CaloFlowStudent, DeepJet, JetImageCNN, ParticleNet
from cortado.representations import DeepJetFeatures, HighLevel, JetImage, ParticleList, PointCloud
from cortado.scaling import PARTICLENET_SCALING, QuantileScaling, Scaling, fit_quantiles
from cortado.scoring.generator import noise
from cortado.tasks import Classes, Numbers, Showers

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

SMALL_NET = {"features": 7, "k": 3, "edge_convs": ((8,), (8,)), "hidden": 8}


def without_constituents(jets):
    return ak.with_field(jets, jets.constituents[:, :0], "constituents")


SAMPLES = (
    toy_jets(3, seed=5)[:0],
    toy_jets(1, seed=5),
    toy_jets(33, seed=6),
    toy_jets(3, seed=7, max_constituents=2),
    ak.concatenate([toy_jets(4, seed=8), without_constituents(toy_jets(2, seed=9))]),
)
FEATURES = ("pt_fraction", "delta_eta", "delta_phi")
CHAINS = {
    "MLP": (HighLevel(features=("mass", "tau21")), MLP, {"features": 2, "hidden": (8,)}),
    "JetImageCNN": (JetImage(), JetImageCNN, {}),
    "PFN": (ParticleList(features=FEATURES), PFN, {"features": 3}),
    "EFN": (ParticleList(features=FEATURES), EFN, {}),
    "MLP by quantiles": (HighLevel(features=("mass", "tau21")), MLP, {"features": 2, "hidden": (8,)}),
    "PFN by quantiles": (ParticleList(features=FEATURES), PFN, {"features": 3}),
    "ParticleNet": (PointCloud(), ParticleNet, SMALL_NET),
}
SCALINGS = {
    "ParticleNet": PARTICLENET_SCALING,
    "PFN": Scaling(names=FEATURES, center=(0.1, 0.0, 0.0), scale=(3.0, 2.0, 2.0)),
    "MLP": Scaling(names=("mass", "tau21"), center=(80.0, 0.5), scale=(0.02, 2.0), clip=5.0),
    "MLP by quantiles": QuantileScaling(
        names=("mass", "tau21"), quantiles=((0.0, 60.0, 80.0), (0.2, 0.5)), normal=((-3.0, 0.5, 1.0), (-1.0, 1.0))
    ),
    "PFN by quantiles": fit_quantiles([ParticleList(features=FEATURES)(toy_jets(50, seed=4))], FEATURES),
}


def save(path, name):
    representation, network, arguments = CHAINS[name]
    torch.manual_seed(1)
    tagger = bundle.Bundle(
        representation=representation,
        scaling=SCALINGS.get(name),
        model=network(**arguments),
        arguments=arguments,
        use=Classes(classes=("qcd", "w"), signal="w"),
    )
    return bundle.save(tagger, path, canary=toy_jets(6))


def probabilities(path, jets):
    tagger = bundle.load(path)
    return torch.softmax(bundle.run(tagger.model, tagger.prepare(jets)), dim=1).numpy()


@pytest.mark.parametrize("name", CHAINS)
def test_onnx_gives_the_same_probabilities_for_any_size_also_of_no_jets(name, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    saved = save(tmp_path / "a.cortado", name)
    path, difference = export.to_onnx(saved, tmp_path / "a.onnx")
    assert difference < 1e-4
    session = onnxruntime.InferenceSession(path)
    about = json.loads(session.get_modelmeta().custom_metadata_map["cortado"])
    assert about["use"] == {"name": "Classes", "arguments": {"classes": ["qcd", "w"], "signal": "w"}}
    for jets in SAMPLES:
        inputs = bundle.load(saved).representation(jets)
        assert [x.name for x in session.get_inputs()] == list(inputs._fields)
        (found,) = session.run(["probabilities"], inputs._asdict())
        np.testing.assert_allclose(found, probabilities(saved, jets), atol=1e-5)
    assert sorted(os.listdir(tmp_path)) == ["a.cortado", "a.onnx"]


@pytest.mark.parametrize("name", ["MLP by quantiles", "PFN"])  # both files are of one graph
def test_torch_export_gives_the_same_probabilities_for_any_size(name, tmp_path):
    saved = save(tmp_path / "a.cortado", name)
    path, difference = export.to_torch_export(saved, tmp_path / "a.pt2")
    assert difference < 1e-4
    extra = {"cortado": ""}
    module = torch.export.load(path, extra_files=extra).module()
    assert json.loads(extra["cortado"])["use"]["arguments"]["signal"] == "w"
    for jets in SAMPLES:
        _, found = module(*map(torch.from_numpy, bundle.load(saved).representation(jets)))
        np.testing.assert_allclose(found.detach(), probabilities(saved, jets), atol=1e-5)


class TwoFaced(Sum):
    def forward(self, features, mask):
        return super().forward(features, mask) + torch.compiler.is_exporting() * torch.tensor([0.0, 0.3])


def test_an_export_that_differs_is_not_written(tmp_path):
    saved = save_toy(tmp_path / "a.cortado", model=TwoFaced(hidden=6))
    with pytest.raises(ValueError, match=r"a.pt2: outputs on the canary differ from the original's by 0.3, more than"):
        export.to_torch_export(saved, tmp_path / "a.pt2", representations=OWN["representations"], models=[TwoFaced])
    assert os.listdir(tmp_path) == ["a.cortado"]


class Baked(Sum):
    def forward(self, features, mask):
        n, p = mask.shape
        return super().forward(features, mask) + torch.nn.functional.pad(features[:, 0, :1], (0, 1), value=n * p)


def test_an_export_with_a_size_baked_in_is_not_written(tmp_path):
    saved = save_toy(tmp_path / "a.cortado", model=Baked(hidden=6))
    with pytest.raises(ValueError, match=r"a.pt2: the exported graph does not take inputs of \(8, 38, 3\), \(8, 38\)"):
        export.to_torch_export(saved, tmp_path / "a.pt2", representations=OWN["representations"], models=[Baked])
    assert os.listdir(tmp_path) == ["a.cortado"]


class Bessel(Sum):
    def forward(self, features, mask):
        return torch.special.bessel_j0(super().forward(features, mask))


def test_an_operation_that_onnx_has_not_is_named(tmp_path):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    saved = save_toy(tmp_path / "a.cortado", model=Bessel(hidden=6))
    with pytest.raises(ValueError, match=r"a\.cortado cannot be exported as ONNX, torch\.onnx says: .*bessel_j0"):
        export.to_onnx(saved, tmp_path / "a.onnx", representations=OWN["representations"], models=[Bessel])


def test_own_classes_are_passed_on(tmp_path):
    chain = {"representation": Kinematics(), "model": Linear(), "arguments": {}}
    saved = save_toy(tmp_path / "a.cortado", **chain)
    assert export.to_torch_export(saved, tmp_path / "a.pt2", **OWN).difference < 1e-6


def test_onnx_names_the_extra_it_needs(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r'ONNX needs onnxruntime, of the extra `export`: pip install "\.\[export\]"'):
        export.to_onnx(tmp_path / "a.cortado", tmp_path / "a.onnx")


# Names of the outputs, whatever is learned


def answers_of(path, objects, **own):
    """Of the bundle, for unscaled inputs of its representation: the inputs, and answers by name."""
    original = bundle.load(path, **own)
    rng = np.random.default_rng(7)
    raw = original.use.inputs(original.representation(objects), rng)
    inputs = original.use.inputs(original.prepare(objects), np.random.default_rng(7))
    given = type(inputs)(*map(torch.from_numpy, inputs))
    answers = original.use.answers(bundle.run(original.model, inputs), given)
    return raw._asdict(), {name: values.numpy() for name, values in answers.items()}


def save_numbers(path):
    use = Numbers(names=("mass",), loss="gaussian", centre=(80.0,), scale=(10.0,), relative_to="pt")
    return save_toy(path, use=use)


KINDS = {
    "tagger": (save_toy, toy_jets(5, seed=2), ["logits", "probabilities"]),
    "pairs": (save_finder, jets_of()[:9], ["logits", "probabilities"]),
    "numbers": (save_numbers, toy_jets(5, seed=2), ["mass", "mass_width"]),
    "generator": (save_generator, toy_showers(3, seed=5), ["features"]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_have_the_names_of_the_answers(tmp_path, kind):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    save, objects, names = KINDS[kind]
    saved = save(tmp_path / "a.cortado")
    inputs, expected = answers_of(saved, objects, **OWN)
    assert list(expected) == names
    assert export.to_onnx(saved, tmp_path / "a.onnx", **OWN).difference < 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx")
    assert [output.name for output in session.get_outputs()] == names
    assert [given.name for given in session.get_inputs()] == list(inputs)
    found = dict(zip(names, session.run(names, inputs)))
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-5)


def test_tensors_of_torch_export_come_in_the_order_of_the_names(tmp_path):
    save, objects, names = KINDS["numbers"]
    saved = save(tmp_path / "a.cortado")
    inputs, expected = answers_of(saved, objects, **OWN)
    assert export.to_torch_export(saved, tmp_path / "a.pt2", **OWN).difference < 1e-5
    tensors = torch.export.load(tmp_path / "a.pt2").module()(*map(torch.from_numpy, inputs.values()))
    for name, tensor in zip(names, tensors, strict=True):
        np.testing.assert_allclose(tensor.detach(), expected[name], rtol=1e-4, atol=1e-5)


def test_an_exported_generator_makes_the_features_of_the_showers(tmp_path):
    """Of as many as are wanted; `representation.inverse` makes showers of them."""
    saved = save_generator(tmp_path / "vae.cortado")
    generator = cortado.load(saved)
    path, _ = export.to_torch_export(saved, tmp_path / "vae.pt2")
    module = torch.export.load(path).module()
    for number in (1, 6):
        energy = np.linspace(5, 50, number, dtype=np.float32)
        drawn = noise(4, 0, number, generator.bundle().use.latent)
        (features,) = module(torch.from_numpy(energy), torch.from_numpy(drawn))
        showers = generator.bundle().representation.inverse(energy, features.detach().numpy())
        found, expected = (calorimeter.cells(each, CALOGAN) for each in (showers, generator(energy, seed=4)))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def save_deepjet(path):
    representation = DeepJetFeatures(max_charged=4, max_neutral=3, max_vertices=2)
    inputs = representation(collection_jets(3))
    sizes = {f"{name}_features": getattr(inputs, name).shape[-1] for name in ("jet", "charged", "neutral")}
    arguments = {**sizes, "vertex_features": inputs.vertices.shape[-1], "hidden": (8,), "classes": 2}
    torch.manual_seed(3)
    tagger = bundle.Bundle(
        representation=representation,
        model=DeepJet(**arguments),
        arguments=arguments,
        use=Classes(classes=("light", "b"), signal="b"),
    )
    return bundle.save(tagger, path, canary=collection_jets(6))


def test_deepjet_is_exported_for_collections_of_any_length(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    saved = save_deepjet(tmp_path / "a.cortado")
    assert export.to_onnx(saved, tmp_path / "a.onnx").difference < 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx")
    original = bundle.load(saved)
    samples = [collection_jets(5, 3, most=2), collection_jets(1, 4, most=30), collection_jets(4, 7, most=0)]
    for jets in samples:
        inputs, expected = original.representation(jets), probabilities(saved, jets)
        np.testing.assert_allclose(session.run(["probabilities"], inputs._asdict())[0], expected, atol=1e-5)


GENERATORS = {
    "CaloFlowMatching": (CaloFlowMatching, {"hidden": 8, "layer_hidden": 4, "layer_steps": 2, "steps": 1}),
    "CaloFlowStudent": (
        CaloFlowStudent,
        {"layer_blocks": 1, "layer_hidden": (4,), "blocks": 1, "hidden": (8,), "bins": 3},
    ),
}


@pytest.mark.parametrize("name", GENERATORS)
def test_generators_are_exported(name, tmp_path):
    network, arguments = GENERATORS[name]
    model = network(**arguments)
    use = Showers(energy_range=(1.0, 100.0), latent=model.latent)
    saved = save_generator(tmp_path / "a.cortado", model=model, arguments=arguments, use=use)
    path, difference = export.to_torch_export(saved, tmp_path / "a.pt2")
    assert difference < 1e-4
    module = torch.export.load(path).module()
    for number in (0, 1, 6):
        energy, drawn = torch.linspace(5, 50, number), torch.randn(number, model.latent)
        (features,) = module(energy, drawn)
        expected = bundle.load(saved).model(energy, drawn) if number else torch.zeros(0, model.latent)
        torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-4)


FLOW = {"layers": (288, 144, 72), "layer_blocks": 2, "layer_hidden": (4,), "blocks": 2, "hidden": (4,), "bins": 3}


@pytest.mark.parametrize("to, name", [(export.to_torch_export, "a.pt2"), (export.to_onnx, "a.onnx")])
def test_a_network_that_is_no_graph_is_named(tmp_path, to, name):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    model = CaloFlow(**FLOW)
    use = Showers(energy_range=(1.0, 100.0), latent=model.latent)
    saved = save_generator(tmp_path / "a.cortado", model=model, arguments=FLOW, use=use)
    with pytest.raises(
        ValueError, match=r"a\.cortado: CaloFlow cannot be exported, torch\.export says: an inverse .* 504 features"
    ):
        to(saved, tmp_path / name)
    assert os.listdir(tmp_path) == ["a.cortado"]
