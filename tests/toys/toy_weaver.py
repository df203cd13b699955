"""A small network of weaver-core, with all that is beside it: weights, data configuration, network file and ntuple."""

import awkward as ak
import numpy as np
import torch
from samples import write_tree

FEATURES = 5
EDGE_CONVS, NEIGHBOURS, HIDDEN, FUSION = ((8, 8), (12, 12)), 5, 10, 128  # weaver's fusion has 128 at least

NETWORK = """
from weaver.nn.model.ParticleNet import ParticleNet
import torch

open("executed", "w").write("by whoever reads this")


def get_model(data_config, **kwargs):
    conv_params = [(5, (8, 8)), (5, (12, 12))]
    model = ParticleNet(
        len(data_config.input_dicts["pf_features"]),
        len(data_config.label_value),
        conv_params,
        fc_params=[(10, 0.1)],
        use_fusion=kwargs.get("use_fusion", True),
        use_fts_bn=True,
        use_counts=kwargs.get("use_counts", True),
    )
    names = list(data_config.input_names)
    return model, {"input_names": names, "input_shapes": {}, "output_names": ["softmax"], "dynamic_axes": {}}


def get_loss(data_config, **kwargs):
    return torch.nn.CrossEntropyLoss()
"""

CONFIG = """
treename: tree
selection: jet_mass > 1000
test_time_selection: (jet_pt > 300) & (np.abs(jet_eta) < 2)
new_variables:
  part_mask: ak.ones_like(part_pt)
  part_log_pt: np.log(part_pt)
  part_rel: np.log(part_pt / jet_pt)
  part_dr: np.hypot(part_deta, part_dphi)
  part_d0: np.tanh(part_d0val)
  part_x: part_deta
  jet_mass: part_unknown
  label_rest: (label_top == 0) & (label_w == 0)
inputs:
  pf_points: {length: 12, pad_mode: constant, vars: [[part_deta, null], [part_dphi, null]]}
  pf_features:
    length: 12
    pad_mode: wrap
    vars:
      - [part_log_pt, 1.7, 0.7]
      - [part_rel, -4.7, 0.7, -1, 1]
      - [part_dr, 0.2, 4.0]
      - [part_d0, null]
      - part_x
  pf_mask: {length: 12, vars: [[part_mask, null]]}
labels: {type: simple, value: [label_rest, label_top, label_w]}
observers: [jet_eta]
weights:
  use_precomputed_weights: true
  weight_branches: [jet_weight]
"""


def batch_norm(name, width):
    return {
        f"{name}.weight": 1 + 0.3 * torch.randn(width),
        f"{name}.bias": 0.3 * torch.randn(width),
        f"{name}.running_mean": 0.3 * torch.randn(width),
        f"{name}.running_var": 0.5 + torch.rand(width),
        f"{name}.num_batches_tracked": torch.tensor(3),
    }


def weaver_state(edge_convs, hidden, classes, fusion=None):
    """Random weights under the names and with the shapes of weaver-core 0.5.3."""
    torch.manual_seed(0)
    state, before = batch_norm("bn_fts", FEATURES), FEATURES
    for i, widths in enumerate(edge_convs):
        for j, (inputs, outputs) in enumerate(zip([2 * before, *widths], widths)):
            state[f"edge_convs.{i}.convs.{j}.weight"] = torch.randn(outputs, inputs, 1, 1) / inputs**0.5
            state |= batch_norm(f"edge_convs.{i}.bns.{j}", outputs)
        if before != widths[-1]:
            state[f"edge_convs.{i}.sc.weight"] = torch.randn(widths[-1], before, 1) / before**0.5
            state |= batch_norm(f"edge_convs.{i}.sc_bn", widths[-1])
        before = widths[-1]
    if fusion is not None:
        inputs = sum(widths[-1] for widths in edge_convs)
        state["fusion_block.0.weight"] = torch.randn(fusion, inputs, 1) / inputs**0.5
        state |= batch_norm("fusion_block.1", fusion)
        before = fusion
    state |= {"fc.0.0.weight": torch.randn(hidden, before), "fc.0.0.bias": torch.randn(hidden)}
    return state | {"fc.1.weight": torch.randn(classes, hidden), "fc.1.bias": torch.randn(classes)}


def write_jets(path, number=40):
    """An ntuple, an entry a jet, with jets of up to 20 constituents."""
    rng = np.random.default_rng(5)
    counts = rng.integers(1, 20, number)
    parts = {
        "part_pt": rng.exponential(20, counts.sum()) + 0.5,
        "part_deta": rng.normal(0, 0.3, counts.sum()),
        "part_dphi": rng.normal(0, 0.3, counts.sum()),
        "part_d0val": rng.normal(0, 1, counts.sum()),
    }
    kind = rng.integers(0, 3, number)
    columns = {name: ak.unflatten(values.astype(np.float32), counts) for name, values in parts.items()}
    columns |= {"jet_pt": rng.uniform(200, 900, number), "jet_eta": rng.normal(0, 1.2, number)}
    columns |= {"label_top": (kind == 1).astype(np.int32), "label_w": (kind == 2).astype(np.int32)}
    columns = {name: x.astype(np.float32) if name.startswith("jet_") else x for name, x in columns.items()}
    write_tree(path, columns, tree="tree")
    return {name: ak.to_list(column) for name, column in columns.items()}


def write_training(folder):
    """Write all that weaver leaves of a training; the paths by the names of options of `from_weaver`."""
    paths = {"data_config": "data.yaml", "network": "network.py", "weights": "weights.pt", "jets": "jets.root"}
    paths = {name: folder / file for name, file in paths.items()}
    paths["data_config"].write_text(CONFIG)
    paths["network"].write_text(NETWORK)
    torch.save(weaver_state(EDGE_CONVS, HIDDEN, 3, FUSION), paths["weights"])
    write_jets(paths["jets"])
    return paths
