"""Taggers of weaver-core: the scores of its own command, of a slow twin, and what cannot be imported."""

import os
import subprocess
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import torch
import uproot
from commands import succeed
from toy_weaver import EDGE_CONVS, FUSION, HIDDEN, NEIGHBOURS, weaver_state, write_jets, write_training

import cortado
from cortado.importing import from_weaver
from cortado.models import ParticleNet
from cortado.models.particlenet import from_weaver as our_state

CLASSES = ("label_rest", "label_top", "label_w")


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    return write_training(tmp_path_factory.mktemp("weaver"))


@pytest.fixture(scope="module")
def scored(training):
    """Scores by the command, (n, 3), of a bundle imported by the command."""
    folder = training["jets"].parent
    options = [part for name, path in training.items() for part in (f"--{name.replace('_', '-')}", path)]
    lines = succeed("import", "weaver", *options, "--signal", "label_top", "--out", folder / "top.cortado")
    assert "weights of data.yaml is left out: scores do not depend on it" in lines
    assert any("classes label_rest, label_top, label_w, the score is that of label_top" in line for line in lines)
    succeed("score", folder / "top.cortado", training["jets"], "--out", folder / "scores.root")
    with uproot.open(folder / "scores.root") as file:
        scores = file["scores"].arrays()
    return np.stack([ak.to_numpy(ak.flatten(scores[f"jet_{name}"])) for name in CLASSES], axis=1)


def passes(jets, k):
    return jets["jet_pt"][k] > 300 and abs(jets["jet_eta"][k]) < 2


def twin(jets, k):
    """Points (12, 2), features (12, 5) and mask (12,) of one jet, padded as weaver pads: points with 0, features by
    beginning anew."""
    points, features = np.zeros((12, 2), np.float32), np.zeros((12, 5), np.float32)
    columns = [np.float32(jets[f"part_{name}"][k]) for name in ("pt", "deta", "dphi", "d0val")]
    rows = []
    for pt, deta, dphi, d0 in zip(*columns):
        rel = np.clip((np.log(pt / np.float32(jets["jet_pt"][k])) + 4.7) * 0.7, -1, 1)
        log_pt, distance = (np.log(pt) - 1.7) * 0.7, (np.hypot(deta, dphi) - 0.2) * 4
        rows.append([deta, dphi, np.clip(log_pt, -5, 5), rel, np.clip(distance, -5, 5), np.tanh(d0), deta])
    for place in range(12):
        row = rows[place % len(rows)]
        features[place] = row[2:]
        if place < len(rows):
            points[place] = row[:2]
    return points, features, np.arange(12) < len(rows)


def test_scores_are_those_of_the_twin(training, scored, tmp_path):
    jets = write_jets(tmp_path / "again.root")
    clouds = [np.stack(arrays) for arrays in zip(*(twin(jets, k) for k in range(40)))]
    model = ParticleNet(features=5, classes=3, k=NEIGHBOURS, edge_convs=EDGE_CONVS, hidden=HIDDEN, fusion=FUSION).eval()
    model.load_state_dict(our_state(weaver_state(EDGE_CONVS, HIDDEN, 3, FUSION)))
    with torch.inference_mode():
        expected = model(*map(torch.from_numpy, clouds)).softmax(1).numpy()
    selected = np.array([passes(jets, k) for k in range(40)])
    assert 10 < selected.sum() < 40
    np.testing.assert_allclose(scored[selected], expected[selected], atol=2e-5)
    assert np.isnan(scored[~selected]).all()
    assert scored[selected].std(axis=0).min() > 0.01


def test_nothing_was_executed(training, scored):
    assert not [path for path in (Path("executed"), training["jets"].with_name("executed")) if path.exists()]


def test_scores_are_those_of_weaver(training, scored, tmp_path):
    own = Path(__file__).parents[2] / ".bench" / "weaver" / "bin" / "python"
    python = Path(os.environ.get("CORTADO_WEAVER_PYTHON", own))
    if not python.exists():
        pytest.skip(
            "no environment with weaver-core: `make bench` makes one, or CORTADO_WEAVER_PYTHON names its python"
        )
    command = [python, "-m", "weaver.train", "--predict", "--gpus", "", "--num-workers", "1", "--batch-size", "16"]
    command += ["--data-config", training["data_config"], "--network-config", training["network"]]
    command += ["--model-prefix", training["weights"], "--data-test", training["jets"]]
    subprocess.run([*command, "--predict-output", tmp_path / "out.root"], cwd=tmp_path, check=True, capture_output=True)
    with uproot.open(tmp_path / "out.root") as file:
        theirs = file["Events"].arrays([f"score_{name}" for name in CLASSES], library="np")
    expected = np.stack([theirs[f"score_{name}"] for name in CLASSES], axis=1)
    ours = scored[~np.isnan(scored[:, 0])]
    assert len(ours) == len(expected) > 10
    np.testing.assert_allclose(ours, expected, atol=2e-5)


def imported(training, folder, **changes):
    return from_weaver(out=folder / "x.cortado", **{**training, "signal": "label_w", **changes})


def test_all_jets_can_be_scored(training, tmp_path):
    made = imported(training, tmp_path, select=False)
    assert not any("selection" in note for note in made.notes)
    succeed("score", made.path, training["jets"], "--out", tmp_path / "scores.root")
    with uproot.open(tmp_path / "scores.root") as file:
        assert np.isfinite(ak.to_numpy(ak.flatten(file["scores"]["jet_label_w"].array()))).all()


def test_the_number_of_neighbours_can_be_given(training, tmp_path):
    made = imported(training, tmp_path, network=None, neighbours=3)
    assert cortado.load(made.path).bundle().model.k == 3


def edited(path, folder, *changes):
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    other = folder / path.name
    other.write_text(text)
    return other


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("conv_params = [(5,", "conv_params = [(K,", "no conv_params = .* --neighbours NUMBER says it"),
        ("(5, (12, 12))", "(7, (12, 12))", r"conv_params have \[5, 7\] neighbours, required: one number"),
        ('"use_counts", True', '"use_counts", False', "use_counts=False divides by the longest jet"),
        ("use_fts_bn=True", "use_fts_bn=True, for_segmentation=True", "required: a tagger of jets"),
        ("def get_model(", "def get_model((", "no Python: "),
        (
            "    names =",
            "    conv_params = [(3, (8, 8))]\n    names =",
            r"conv_params has several values, \[\(5.*required",
        ),
    ],
)
def test_network_files_that_do_not_tell(training, tmp_path, old, new, message):
    with pytest.raises(ValueError, match=message):
        imported(training, tmp_path, network=edited(training["network"], tmp_path, (old, new)))


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("part_d0val)", "part_d0vl)", r"no branch 'part_d0vl', which .*data\.yaml needs; nearest: part_d0val"),
        ("np.tanh", "np.tanhh", r"'np\.tanhh' is no function that is known; nearest: np\.tanh"),
        ("observers:", "observer:", "unknown section 'observer'; nearest: observers"),
        ("type: simple", "type: custom", "labels have the type 'custom', required: one of simple"),
        (", label_w]}", "]}", "has 2 classes, the network of .* has 3"),
        ("      - part_x\n", "", "has 4 features, the network of .* has 5"),
        ("pf_mask:", "pf_real:", r"of \.\.\._mask there are 0"),
        ("pf_mask: {length: 12", "pf_mask: {length: 10", "inputs have the lengths .* required: one number"),
        ("[part_mask, null]", "[part_mask, null], [part_pt, null]", "pf_points 2, pf_mask 2, required"),
        ("[part_mask, null]", "[part_mask, null, 1, 0, 1, 1]", "part_mask of pf_mask is padded with 1, required: 0"),
        ("label_w]}", "1 - label_w]}", "label '1 - label_w', required: a name"),
        ("labels: {", "labels: {{", "no YAML"),
        ("(jet_pt > 300)", "(jet_pt > 3000)", "none of the first 40 jets .* failed the selection"),
    ],
)
def test_configurations_that_cannot_be_imported(training, tmp_path, old, new, message):
    with pytest.raises(ValueError, match=message):
        imported(training, tmp_path, data_config=edited(training["data_config"], tmp_path, (old, new)))


def test_a_list_is_no_configuration(training, tmp_path):
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(ValueError, match="holds a list, required: sections treename"):
        imported(training, tmp_path, data_config=tmp_path / "list.yaml")


@pytest.mark.parametrize(
    "signal, message", [(None, "--signal is not given, required: one of label_rest"), ("label_", "--signal label_, ")]
)
def test_the_signal_is_a_class(training, tmp_path, signal, message):
    with pytest.raises(ValueError, match=message):
        imported(training, tmp_path, signal=signal)


@pytest.mark.parametrize(
    "name, message",
    [
        ("mod.cls_token", r"'cls_token' is a weight of a Particle Transformer, which cannot be imported"),
        ("sv_conv.conv.0.weight", r"is a weight of a ParticleNetTagger \(two collections\)"),
        ("pf_conv.conv.0.weight", "is a weight of a ParticleNet behind a convolution"),
        ("fc.2.weight", r"no weights of a ParticleNet that can be imported: 'fc\.2\.weight' is no weight"),
    ],
)
def test_weights_of_other_networks_are_refused(training, tmp_path, name, message):
    state = weaver_state(EDGE_CONVS, HIDDEN, 3, FUSION)
    torch.save({**state, name: torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=message):
        imported(training, tmp_path, weights=tmp_path / "other.pt")


def test_networks_without_convolutions_are_refused(training, tmp_path):
    torch.save({"fc.weight": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"no weight 'edge_convs\.0\.convs\.0\.weight', so it is no ParticleNet"):
        imported(training, tmp_path, weights=tmp_path / "other.pt")


class Evil:
    def __reduce__(self):
        return open, ("executed", "w")


def test_pickles_with_more_than_weights_are_not_run(training, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"fc": Evil()}, "evil.pt")
    with pytest.raises(ValueError, match="not read as weights alone"):
        imported(training, tmp_path, weights=tmp_path / "evil.pt")
    assert not Path("executed").exists()


def test_a_tensor_is_no_state_dict(training, tmp_path):
    torch.save(torch.zeros(3), tmp_path / "tensor.pt")
    with pytest.raises(ValueError, match="holds no state dict, required: tensors by name"):
        imported(training, tmp_path, weights=tmp_path / "tensor.pt")


def test_a_network_without_norm_of_features(training, tmp_path):
    """use_fts_bn=False: the same as a norm that changes nothing."""
    state = weaver_state(EDGE_CONVS, HIDDEN, 3, FUSION)
    bare = {name: value for name, value in state.items() if not name.startswith("bn_fts.")}
    torch.save(bare, tmp_path / "bare.pt")
    model = cortado.load(imported(training, tmp_path, weights=tmp_path / "bare.pt").path).bundle().model
    values = torch.randn(20, 5)
    torch.testing.assert_close(model.norm(values), values)
