"""Taggers of weaver-core: the scores of its own command, of a slow twin, and what cannot be imported."""

import json
import os
import subprocess
import sys
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


def test_the_extra_is_named(training, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ImportError, match=r"configuration of weaver needs yaml, of the extra `weaver`"):
        imported(training, tmp_path)


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


AUTO = ("inputs:", "preprocess: {method: auto}\ninputs:")
SCALES = {
    "part_log_pt": (1.7, 0.7, -5, 5, 0),
    "part_rel": (-4.7, 0.7, -1, 1, 0),
    "part_dr": (0.2, 4.0, -5, 5, 0),
    "part_d0": (0, 1, -1e32, 1e32, 0),
    "part_x": (0.5, 0.25, -5, 5, 0),
}


def write_exported(folder, scales):
    keys = ("median", "norm_factor", "lower_bound", "upper_bound", "pad")
    infos = {"var_infos": {name: dict(zip(keys, values)) for name, values in scales.items()}}
    path = folder / "preprocess.json"
    path.write_text(json.dumps({"pf_points": {"var_infos": {}}, "pf_mask": {"var_infos": {}}, "pf_features": infos}))
    return path


def test_automatic_standardisation_is_that_of_the_export(training, tmp_path):
    config = edited(training["data_config"], tmp_path, AUTO)
    with pytest.raises(ValueError, match=r'part_x of pf_features has the standardisation "auto", .* required: preproc'):
        imported(training, tmp_path, data_config=config)
    made = imported(training, tmp_path, data_config=config, preprocess=write_exported(tmp_path, SCALES))
    rows = cortado.load(made.path).bundle().representation.features
    assert rows[-1] == ("part_x", 0.5, 0.25, -5.0, 5.0)
    assert rows[3] == ("part_d0",)  # null: as it is


def test_automatic_standardisation_that_weaver_has_written_down(training, tmp_path):
    keys = ("center", "scale", "min", "max", "pad_value")
    params = {name: dict(zip(keys, values)) for name, values in SCALES.items()}
    lines = ("inputs:", f"preprocess: {{method: auto, params: {json.dumps(params)}}}\ninputs:")
    made = imported(training, tmp_path, data_config=edited(training["data_config"], tmp_path, lines))
    rows = cortado.load(made.path).bundle().representation.features
    assert rows[0] == ("part_log_pt", 1.7, 0.7, -5.0, 5.0)
    assert rows[-1] == ("part_x", 0.5, 0.25, -5.0, 5.0)


def test_exports_of_another_training_are_refused(training, tmp_path):
    other = write_exported(tmp_path, {**SCALES, "part_dr": (0.3, 4.0, -5, 5, 0)})
    with pytest.raises(ValueError, match=r"part_dr has \(0\.2, .* has \(0\.3, .* they are of two trainings"):
        imported(training, tmp_path, preprocess=other)


def test_other_files_are_no_exports(training, tmp_path):
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ValueError, match=r"other\.json: no preprocess\.json of weaver with the input 'pf_points'"):
        imported(training, tmp_path, preprocess=tmp_path / "other.json")


def test_branches_by_other_names(training, tmp_path):
    changes = (
        ("treename: tree", "treename: tree\nbranch_magic: {constituent_: part_}"),
        ("np.log(part_pt)", "np.log(constituent_pt)"),
    )
    made = imported(training, tmp_path, data_config=edited(training["data_config"], tmp_path, *changes))
    assert dict(cortado.load(made.path).bundle().provenance["dialect"]["constituents"])["constituent_pt"] == "part_pt"
    succeed("score", made.path, training["jets"], "--out", tmp_path / "scores.root")


@pytest.mark.parametrize(
    "columns, message",
    [
        ({"part_pt": [[[1.0]]]}, "part_pt has lists of lists, required: numbers or lists; an entry is a jet"),
        ({}, "are all numbers, required: both kinds"),
        ({"empty": True}, "tree .* has no entries, required: jets"),
    ],
)
def test_ntuples_of_another_form(training, tmp_path, columns, message):
    names = ("part_pt", "part_deta", "part_dphi", "part_d0val", "jet_pt", "jet_eta")
    plain = {name: np.ones(1, np.float32) for name in names}
    if "empty" in columns:
        columns = {name: np.zeros(0, np.float32) for name in names}
    ak.to_parquet(
        ak.zip({**plain, **{name: ak.Array(x) for name, x in columns.items()}}, depth_limit=1), tmp_path / "j.parquet"
    )
    with pytest.raises(ValueError, match=message):
        imported(training, tmp_path, jets=tmp_path / "j.parquet", tree="j")


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
