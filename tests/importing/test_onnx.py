"""Taggers as ONNX files: what we exported scores as before, in any process; and what does not fit is told."""

import copy
import pickle
import re
import sys
from dataclasses import replace
from types import SimpleNamespace

import awkward as ak
import numpy as np
import pytest
import torch
import uproot
from commands import fail, succeed
from samples import write_toptagging, write_tree

import cortado
from cortado import bundle, export, reading
from cortado.importing import from_onnx
from cortado.models import MLP, PFN, JetImageCNN, OnnxNetwork, ParticleNet
from cortado.representations import HighLevel, JetImage, ParticleList, PointCloud
from cortado.scaling import Scaling
from cortado.scoring.contributions import contributions
from cortado.tasks import Classes
from cortado.weights import WorkingPoint

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

POINT = WorkingPoint(
    name="50%",
    threshold=0.5,
    efficiency=0.5,
    efficiency_err=0.01,
    mistag=0.04,
    mistag_err=0.002,
    n_signal=9,
    n_background=9,
)
TAGGERS = {
    "pfn": (ParticleList(), PFN, {"phi": (8, 8), "hidden": (8,)}),
    "particlenet": (PointCloud(), ParticleNet, {"k": 4, "edge_convs": ((8, 8), (12,)), "hidden": 8, "fusion": 16}),
    "mlp": (HighLevel(features=("pt", "mass")), MLP, {"features": 2}),
    "cnn": (JetImage(), JetImageCNN, {}),
}


@pytest.fixture(scope="module")
def ntuple(tmp_path_factory):
    path = tmp_path_factory.mktemp("jets") / "jets.root"
    write_toptagging(str(path), 150, 4)
    return path


@pytest.fixture(scope="module")
def jets(ntuple):
    return ak.flatten(reading.read(ntuple).jets)


def exported(folder, jets, name):
    """Bundle and ONNX file of an untrained network."""
    representation, network, arguments = TAGGERS[name]
    scaling = Scaling(names=("pt", "mass"), center=(600.0, 90.0), scale=(0.01, 0.03)) if name == "mlp" else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = network(**arguments)
    use = Classes(classes=("qcd", "top"), signal="top")
    made = bundle.Bundle(
        representation=representation,
        scaling=scaling,
        model=model,
        arguments=arguments,
        use=use,
        working_points=(POINT,),
    )
    path = bundle.save(made, folder / f"{name}.cortado", canary=jets[:6])
    export.to_onnx(path, folder / f"{name}.onnx")
    return path, folder / f"{name}.onnx"


@pytest.fixture(scope="module")
def pfn(tmp_path_factory, jets):
    return exported(tmp_path_factory.mktemp("pfn"), jets, "pfn")


@pytest.mark.parametrize("name", TAGGERS)
def test_scores_are_those_before_the_export(name, ntuple, jets, tmp_path):
    original, graph = exported(tmp_path, jets, name)
    made = from_onnx(graph, tmp_path / "back.cortado", jets=ntuple)
    before, after = cortado.load(original), cortado.load(made.path)
    assert after.bundle().representation == before.bundle().representation
    assert after.working_points == before.working_points
    expected = ak.to_numpy(before(jets))
    np.testing.assert_allclose(ak.to_numpy(after(jets)), expected, atol=1e-5)
    many = cortado.load(made.path, threads=3, batch_size=20)
    np.testing.assert_allclose(ak.to_numpy(many(jets)), expected, atol=1e-5)
    assert np.ptp(expected) > 1e-4


def test_from_command_to_friend_tree(pfn, ntuple, jets, tmp_path):
    lines = succeed("import", "onnx", pfn[1], "--jets", ntuple, "--out", tmp_path / "x.cortado")
    assert lines[0] == "pfn.onnx gives logits as 'logits'"
    assert any(
        line.startswith("engine           onnxruntime, a graph of")
        for line in succeed("inspect", tmp_path / "x.cortado")
    )
    succeed(
        "score", tmp_path / "x.cortado", ntuple, "--out", tmp_path / "s.root", "--executor", "futures", "--workers", 1
    )
    with uproot.open(tmp_path / "s.root") as file:
        scores = ak.to_numpy(ak.flatten(file["scores"]["jet_top"].array()))
    np.testing.assert_allclose(scores, ak.to_numpy(cortado.load(pfn[0])(jets)), atol=1e-5)


def test_all_can_be_said_by_the_command(pfn, ntuple, jets, tmp_path):
    words = ("--representation", "ParticleList()", "--classes", "qcd,top", "--output", "probabilities")
    lines = succeed("import", "onnx", pfn[1], "--jets", ntuple, *words, "-o", tmp_path / "x.cortado")
    assert lines[0] == "pfn.onnx gives probabilities as 'probabilities'"
    scores = ak.to_numpy(cortado.load(tmp_path / "x.cortado")(jets))
    np.testing.assert_allclose(scores, ak.to_numpy(cortado.load(pfn[0])(jets)), atol=1e-5)


def test_networks_and_scorers_are_pickled_and_copied(pfn, ntuple, jets, tmp_path):
    tagger = cortado.load(from_onnx(pfn[1], tmp_path / "x.cortado", jets=ntuple).path)
    expected = ak.to_numpy(tagger(jets))
    np.testing.assert_array_equal(ak.to_numpy(pickle.loads(pickle.dumps(tagger))(jets)), expected)
    model, inputs = tagger.bundle().model, tagger.bundle().prepare(jets[:5])
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(bundle.run(other, inputs), bundle.run(model, inputs))


def test_what_needs_torch_is_refused(pfn, ntuple, jets, tmp_path):
    made = from_onnx(pfn[1], tmp_path / "x.cortado", jets=ntuple)
    with pytest.raises(ValueError, match=r"OnnxNetwork cannot be exported, .* it came as an ONNX file, which has it"):
        export.to_torch_export(made.path, tmp_path / "x.pt2")
    with pytest.raises(RuntimeError, match="it came as an ONNX file"):
        torch.export.export(cortado.load(made.path).bundle().model, (torch.ones(2, 3, 3), torch.ones(2, 3) > 0))
    with pytest.raises(ValueError, match="an ONNX file is computed in its own precision, required: float32"):
        cortado.load(made.path, precision="bfloat16")(jets[:4])
    pytest.importorskip("captum")
    with pytest.raises(ValueError, match="OnnxNetwork runs in onnxruntime and has no gradients; contributions need"):
        contributions(cortado.load(made.path), jets[:4])


def test_sessions_have_one_thread_that_does_not_spin(pfn, ntuple, tmp_path):
    model = cortado.load(from_onnx(pfn[1], tmp_path / "x.cortado", jets=ntuple).path).bundle().model
    options = model.session().get_session_options()
    assert options.intra_op_num_threads == 1
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def graph(folder, *, shape, kind=None, names=("x",)):
    """A network that takes features (n, p, 3) in a fixed length, and says how many are not 0."""
    import onnx
    from onnx import TensorProto, helper

    inputs = [helper.make_tensor_value_info(name, kind or TensorProto.DOUBLE, shape) for name in names]
    nodes = [helper.make_node("Cast", ["x"], ["number"], to=TensorProto.FLOAT)]
    nodes += [helper.make_node("ReduceSum", ["number", "axes"], ["sum"], keepdims=0)]
    nodes += [helper.make_node("Cast", ["sum"], ["scores"], to=TensorProto.FLOAT)]
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)]
    made = helper.make_model(
        helper.make_graph(nodes, "g", inputs, outputs, [axes]), opset_imports=[helper.make_opsetid("", 17)]
    )
    made.ir_version = 9
    onnx.save(made, folder / "g.onnx")
    return folder / "g.onnx"


def foreign(path, ntuple, **changes):
    given = {"representation": HighLevel(features=("pt", "mass")), "classes": ("a", "b"), "inputs": {"features": "x"}}
    return from_onnx(path, path.with_suffix(".cortado"), jets=ntuple, **{**given, **changes})


class Session:
    """In the place of onnxruntime: sums of what it is given, of 5 constituents."""

    def get_inputs(self):
        features = SimpleNamespace(name="x", type="tensor(double)", shape=["n", 5, 2])
        return [features, SimpleNamespace(name="m", type="tensor(float)", shape=["n", 5])]

    def run(self, names, given):
        assert {name: array.dtype for name, array in given.items()} == {"x": np.float64, "m": np.float32}
        assert given["x"].shape == (*given["m"].shape, 2)
        return [given["x"].sum((1, 2))[:, None] + given["m"].sum(1)[:, None]]


def test_inputs_get_the_type_and_the_length_of_the_graph():
    network = OnnxNetwork(size=1, inputs={"features": "x", "mask": "m"}, output="scores")
    network._session = Session()
    mask = torch.ones(3, 4, dtype=torch.bool)
    np.testing.assert_allclose(network(torch.ones(3, 4, 2), mask).numpy(), np.full((3, 1), 12.0))
    with pytest.raises(ValueError, match=r"input 'x' has the shape \('n', 5, 2\), which does not take \(3, 6, 2\)"):
        network(torch.ones(3, 6, 2), torch.ones(3, 6, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"which does not take \(3, 4, 1\)"):  # a feature too few
        network(torch.ones(3, 4, 1), mask)


@pytest.mark.parametrize(
    "shape, kind, names, changes, message",
    [
        (
            ["n", 2, 7],
            None,
            ("x",),
            {},
            r"does not take what .*: input 'x' has the shape \('n', 2, 7\), which does not",
        ),
        ([1, 2], None, ("x",), {}, r"has the shape \(1, 2\), which does not take \(16, 2\)"),
        (["n", 2], 4, ("x",), {}, r"input 'x' is tensor\(uint16\), required: one of tensor\(float\)"),
        (["n", 2], None, ("x", "y"), {}, "input 'y' is none of HighLevel, which gives features"),
        (
            ["n", 2],
            None,
            ("x",),
            {"inputs": {}},
            "no input 'features' for features of HighLevel; .*--input features=NAME",
        ),
        (["n", 2], None, ("x",), {"inputs": {"feature": "x"}}, "array of HighLevel = 'feature', .* nearest: features"),
        (["n", 2], None, ("x",), {"output": "score"}, "no output 'score', required: --output one of scores"),
        (["n", 2], None, ("x",), {"representation": None}, "not exported by cortado, required: a representation"),
        (["n", 2], None, ("x",), {"classes": ()}, "gives nothing that is known, required: a tagger"),
        (["n", 2], None, ("x",), {"signal": "c"}, "signal = 'c', required: one of a, b"),
        (["n", 2], None, ("x",), {"collection": "jet"}, "collection = 'jet', required: one of jets"),
        (["n", 2], None, ("x",), {}, r"outputs of shape \(16,\)"),
    ],
)
def test_networks_that_do_not_fit_are_told(ntuple, tmp_path, shape, kind, names, changes, message):
    pytest.importorskip("onnx")
    with pytest.raises(ValueError, match=message):
        foreign(graph(tmp_path, shape=shape, kind=kind, names=names), ntuple, **changes)


def test_other_files_are_refused(ntuple, tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"x\.onnx: no ONNX that onnxruntime can run: "):
        foreign(tmp_path / "x.onnx", ntuple)


def test_jets_that_cannot_be_shown_make_no_bundle(pfn, ntuple, tmp_path):
    needs = replace(TAGGERS["pfn"][0], features=("pt_fraction",))
    with pytest.raises(ValueError, match="does not take what the representation gives"):
        from_onnx(pfn[1], tmp_path / "x.cortado", jets=ntuple, representation=needs, classes=("a", "b"))
    with uproot.open(ntuple) as file:
        events = file["tree"].arrays()
    columns = {name: events[name] for name in events.fields if name != "npart"}
    write_tree(tmp_path / "none.root", {**columns, "part_px": columns["part_px"] * np.nan}, tree="tree")
    with pytest.raises(ValueError, match=r"none\.root: no jets among the first 2000 entries can be shown"):
        from_onnx(pfn[1], tmp_path / "x.cortado", jets=tmp_path / "none.root")


@pytest.mark.parametrize(
    "words, message",
    [
        (("--representation", "open('x')"), "required: a name and plain arguments, PointCloud"),
        (("--representation", "PointClod()"), "--representation = 'PointClod', required: .* nearest: PointCloud"),
        (("--input", "mask"), "--input mask: required is ARRAY=INPUT, such as mask=pf_mask"),
    ],
)
def test_words_that_make_no_sense(pfn, ntuple, tmp_path, words, message):
    said = " ".join(fail("import", "onnx", pfn[1], "--jets", ntuple, *words, "-o", tmp_path / "x.cortado").split())
    assert re.search(message, said)


def test_the_extra_is_named(pfn, ntuple, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match="A network of an ONNX file needs onnxruntime, of the extra `onnx`"):
        from_onnx(pfn[1], tmp_path / "x.cortado", jets=ntuple)


def test_sizes_below_one_are_refused():
    with pytest.raises(ValueError, match="OnnxNetwork: size must be an integer of at least 1, got 0"):
        OnnxNetwork(size=0, inputs={}, output="x")
