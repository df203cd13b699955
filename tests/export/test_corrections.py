"""Networks as corrections: correctionlib gives the answers of the bundle, and what cannot be written is named."""

import json
import os

import awkward as ak
import correctionlib
import numpy as np
import pytest
import torch
from toy_taggers import HALF, OWN, Kinematics, save_toy
from toys import toy_jets

from cortado import bundle, export
from cortado.models import MLP, PFN
from cortado.representations import Columns, HighLevel, ParticleList
from cortado.scaling import QuantileScaling, Scaling
from cortado.tasks import Classes, Numbers

FEATURES = ("mass", "tau21")
CENTRES = {"names": FEATURES, "center": (80.0, 0.5), "scale": (0.02, 2.0)}
SCALINGS = {
    "none": None,
    "standard": Scaling(**CENTRES),
    "clipped": Scaling(**CENTRES, clip=0.7),
    "quantiles": QuantileScaling(
        names=FEATURES,
        quantiles=((20.0, 60.0, 80.0, 100.0), (0.3, 0.5)),
        normal=((-3.0, 0.5, 1.0, 2.5), (-1.0, 1.0)),
    ),
}
CLASSES = Classes(classes=("qcd", "w", "top"), signal="w")


def save(path, *, model=None, representation=None, scaling=None, use=CLASSES, points=()):
    arguments = {"features": 2, "hidden": (16, 8), "classes": 3} if model is None else {}
    torch.manual_seed(1)
    chain = bundle.Bundle(
        representation=representation or HighLevel(features=FEATURES),
        scaling=scaling,
        model=MLP(**arguments) if model is None else model,
        arguments=arguments,
        use=use,
        working_points=points,
    )
    return bundle.save(chain, path, canary=toy_jets(6))


def written(path, features):
    """What all corrections of features say."""
    found = correctionlib.CorrectionSet.from_file(str(path))
    columns = features.T.astype(np.float64)
    return {name: each.evaluate(*columns) for name, each in found.items() if each.inputs[0].type == "real"}


def of_bundle(path, jets, **own):
    loaded = bundle.load(path, **own)
    return loaded.use.answers(bundle.run(loaded.model, loaded.prepare(jets)), None), loaded.representation(
        jets
    ).features


@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_corrections_give_the_probabilities(tmp_path, scaling, name):
    """Within and beyond the ends of the scalings."""
    saved = save(tmp_path / "a.cortado", scaling=SCALINGS[scaling])
    exported = export.to_correctionlib(saved, tmp_path / name)
    assert exported.path == tmp_path / name
    assert exported.difference < 1e-6
    jets = toy_jets(300, seed=5)
    answers, features = of_bundle(saved, jets)
    found = written(tmp_path / name, features)
    assert sorted(found) == ["qcd", "top", "w"]
    assert np.ptp(found["w"]) > 0.01
    for index, class_name in enumerate(CLASSES.classes):
        np.testing.assert_allclose(found[class_name], answers["probabilities"][:, index], rtol=2e-5, atol=1e-7)
    np.testing.assert_allclose(sum(found.values()), 1.0)
    assert sorted(os.listdir(tmp_path)) == ["a.cortado", name]


def test_inputs_have_the_names_of_columns(tmp_path):
    names = ("met", "jets.pt[0]", "num(jets)")
    events = ak.Array({"met": [20.0, 10.0, 5.0], "jets": [[{"pt": 50.0}, {"pt": 40.0}], [], [{"pt": 70.0}]]})
    chain = bundle.Bundle(
        representation=Columns(features=names, missing=0.0),
        model=MLP(features=3, hidden=(4,)),
        arguments={"features": 3, "hidden": (4,)},
        use=Classes(classes=("b", "s"), signal="s"),
    )
    saved = bundle.save(chain, tmp_path / "a.cortado", canary=events)
    export.to_correctionlib(saved, tmp_path / "a.json")
    found = correctionlib.CorrectionSet.from_file(str(tmp_path / "a.json"))["s"]
    assert [(each.name, each.type) for each in found.inputs] == [(name, "real") for name in names]
    answers, features = of_bundle(saved, events)
    np.testing.assert_allclose(found.evaluate(*features.T.astype(float)), answers["probabilities"][:, 1], rtol=1e-6)


def test_working_points_travel_with_the_network_and_the_form_is_the_published_one(tmp_path):
    schema = pytest.importorskip("correctionlib.schemav2")
    saved = save(tmp_path / "a.cortado", scaling=SCALINGS["quantiles"], points=(HALF,))
    export.to_correctionlib(saved, tmp_path / "a.json")
    found = correctionlib.CorrectionSet.from_file(str(tmp_path / "a.json"))
    assert found["threshold"].evaluate("50%") == HALF.threshold
    assert found["efficiency"].evaluate("nominal", "50%", "background") == HALF.mistag
    content = json.loads((tmp_path / "a.json").read_text())
    assert content["description"] == f"MLP of a.cortado, sha256 {bundle.fingerprint(saved)}"
    schema.CorrectionSet.model_validate(content)


@pytest.mark.parametrize("loss", ["huber", "gaussian"])
def test_numbers_are_in_their_units(tmp_path, loss):
    use = Numbers(names=("mass", "tau"), loss=loss, centre=(80.0, 0.5), scale=(10.0, 0.2), relative_to="pt")
    outputs = 2 if loss == "huber" else 4
    arguments = {"features": 2, "hidden": (8,), "classes": outputs}
    torch.manual_seed(1)
    chain = bundle.Bundle(
        representation=HighLevel(features=FEATURES),
        scaling=SCALINGS["standard"],
        model=MLP(**arguments),
        arguments=arguments,
        use=use,
    )
    saved = bundle.save(chain, tmp_path / "a.cortado", canary=toy_jets(6))
    export.to_correctionlib(saved, tmp_path / "a.json")
    answers, features = of_bundle(saved, toy_jets(50, seed=5))
    found = written(tmp_path / "a.json", features)
    assert set(found) == set(answers)
    told = correctionlib.CorrectionSet.from_file(str(tmp_path / "a.json"))["mass"].output.description
    assert told == "to be multiplied by pt"
    for name, values in answers.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-6)


class Zoo(torch.nn.Module):
    """All that can be written."""

    def __init__(self):
        super().__init__()
        layers = [torch.nn.ReLU, torch.nn.Sigmoid, torch.nn.Tanh, lambda: torch.nn.ELU(0.7), torch.nn.LeakyReLU]
        self.layers = torch.nn.Sequential(torch.nn.Linear(2, 6, bias=False), torch.nn.BatchNorm1d(6))
        for activation in layers:
            self.layers += torch.nn.Sequential(activation(), torch.nn.Dropout(0.5), torch.nn.Linear(6, 6))
        self.last = torch.nn.Linear(6, 3)
        for name, values in self.state_dict().items():
            if "running" in name:
                values.uniform_(0.5, 2.0)

    def forward(self, features):
        return self.last(self.layers(features))


def test_activations_and_batch_norm_of_your_own_perceptron(tmp_path):
    torch.manual_seed(3)
    saved = save(tmp_path / "a.cortado", model=Zoo().eval(), scaling=SCALINGS["standard"])
    export.to_correctionlib(saved, tmp_path / "a.json", models=[Zoo])
    answers, features = of_bundle(saved, toy_jets(100, seed=5), models=[Zoo])
    found = written(tmp_path / "a.json", features)
    np.testing.assert_allclose(found["top"], answers["probabilities"][:, 2], rtol=2e-5)


class Residual(Zoo):
    def forward(self, features):
        return super().forward(features) + torch.nn.functional.pad(features / 100, (0, 1))


class Scaled(Zoo):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))


class Ends(Zoo):
    def __init__(self):
        super().__init__()
        self.end = torch.nn.ReLU()


def mlp(**arguments):
    class Saved(MLP):
        def __init__(self):
            super().__init__(features=2, hidden=(4,), classes=3, **arguments)

    return Saved


GELU, BINS = mlp(activation="gelu"), mlp(bins=4)


@pytest.mark.parametrize(
    "model, message",
    [
        (
            Residual,
            r"a.json: outputs on the canary differ from the original's by .*, more than .*; nothing was written",
        ),
        (
            Scaled,
            r"a.cortado cannot be written as a correction: Scaled has Scaled, required: linear layers, each with one",
        ),
        (Ends, r"cannot be written as a correction: Ends does not end with a linear layer"),
        (GELU, r"a.cortado cannot be written as a correction: Saved has GELU, required: .* of Linear, .*ReLU"),
        (BINS, r"a.cortado cannot be written as a correction: Saved has PiecewiseLinear, required: "),
    ],
)
def test_a_network_that_is_no_perceptron_is_named(tmp_path, model, message):
    torch.manual_seed(1)
    saved = save(tmp_path / "a.cortado", model=model().eval())
    with pytest.raises(ValueError, match=message):
        export.to_correctionlib(saved, tmp_path / "a.json", models=[model])
    assert os.listdir(tmp_path) == ["a.cortado"]


def test_answers_that_are_no_function_of_one_output_are_named(tmp_path):
    quantiles = Numbers(names=("mass",), loss=(0.16, 0.5, 0.84), centre=(80.0,), scale=(10.0,))
    saved = save(tmp_path / "a.cortado", use=quantiles)
    with pytest.raises(
        ValueError, match=r"correction: it gives quantiles, which are sorted, required: Classes, or Numb"
    ):
        export.to_correctionlib(saved, tmp_path / "a.json")


@pytest.mark.parametrize(
    "chain, message",
    [
        ({}, r"Prongs gives features \(8, \d+, 3\), mask \(8, \d+\), required: named numbers of each object"),
        (
            {"representation": Kinematics(), "arguments": {}},
            r"Kinematics gives features \(8, 2\), required: named numbers",
        ),
    ],
)
def test_a_representation_that_gives_no_named_numbers_is_named(tmp_path, chain, message):
    if chain:
        chain = {**chain, "model": OWN["models"][1]()}
    saved = save_toy(tmp_path / "a.cortado", **chain)
    with pytest.raises(ValueError, match=message):
        export.to_correctionlib(saved, tmp_path / "a.json", **OWN)


def test_a_network_of_constituents_is_named(tmp_path):
    arguments = {"features": 3}
    chain = bundle.Bundle(
        representation=ParticleList(features=("pt_fraction", "delta_eta", "delta_phi")),
        model=PFN(**arguments),
        arguments=arguments,
        use=Classes(classes=("qcd", "w"), signal="w"),
    )
    saved = bundle.save(chain, tmp_path / "a.cortado", canary=toy_jets(6))
    with pytest.raises(ValueError, match=r"a.cortado cannot be written as a correction: ParticleList gives features"):
        export.to_correctionlib(saved, tmp_path / "a.json")
