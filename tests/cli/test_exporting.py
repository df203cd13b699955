"""`cortado export`: what is written, what is said, and what cannot be exported."""

import json
import re

import correctionlib
import pytest
import torch
import toy_taggers
from commands import fail, succeed
from toy_showers import save_generator
from toys import toy_jets

from cortado import bundle
from cortado.models import MLP, CaloFlow
from cortado.representations import HighLevel
from cortado.tasks import Showers

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


def test_pt2_is_written_beside_the_bundle_and_the_difference_told(tagger):
    (line,) = succeed("export", tagger, "--format", "pt2")
    assert re.fullmatch(
        rf"wrote {tagger.with_suffix('.pt2')}, .* kB: differs on the canary by at most \S+ from {tagger}", line
    )
    extra = {"cortado": ""}
    torch.export.load(tagger.with_suffix(".pt2"), extra_files=extra)
    assert json.loads(extra["cortado"])["use"]["arguments"]["signal"] == "w"


def test_onnx_goes_where_it_is_wanted(tagger, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    (line,) = succeed("export", tagger, "--format", "onnx", "-o", tmp_path / "other.onnx")
    assert line.startswith(f"wrote {tmp_path / 'other.onnx'}, ")
    session = onnxruntime.InferenceSession(tmp_path / "other.onnx")
    assert [output.name for output in session.get_outputs()] == ["logits", "probabilities"]


def test_a_perceptron_becomes_a_correction_file(tagger, tmp_path):
    arguments = {"features": 2, "hidden": (4,)}
    chain = bundle.Bundle(
        representation=HighLevel(features=("mass", "tau21")),
        model=MLP(**arguments),
        arguments=arguments,
        use=toy_taggers.QCD_OR_W,
    )
    saved = bundle.save(chain, tmp_path / "mlp.cortado", canary=toy_jets(4))
    (line,) = succeed("export", saved, "--format", "correctionlib")
    assert line.startswith(f"wrote {tmp_path / 'mlp.json'}, ")
    assert set(correctionlib.CorrectionSet.from_file(str(tmp_path / "mlp.json"))) == {"qcd", "w"}
    succeed("export", saved, "--format", "correctionlib", "-o", tmp_path / "mlp.json.gz")
    assert "cannot be written as a correction" in fail("export", tagger, "--format", "correctionlib")
    told = fail("export", saved, "--format", "correctionlib", "-o", tmp_path / "mlp.gz")
    assert "mlp.gz is not NAME.json or NAME.json.gz, as --format correctionlib writes" in told


def test_own_classes_are_exported_with_their_module(tmp_path):
    bundle = toy_taggers.save_toy(tmp_path / "own.cortado")
    assert "--module FILE.py" in fail("export", bundle, "--format", "pt2")
    (line,) = succeed("export", bundle, "--format", "pt2", "--module", toy_taggers.__file__)
    assert line.startswith(f"wrote {tmp_path / 'own.pt2'}, ")


def test_export_refuses_what_it_cannot_write(tagger, tmp_path):
    assert "a.onnx is not NAME.pt2" in fail("export", tagger, "--format", "pt2", "-o", tmp_path / "a.onnx")
    layers = {"layers": (288, 144, 72), "layer_blocks": 2, "layer_hidden": (4,), "blocks": 2, "hidden": (4,), "bins": 3}
    use = Showers(energy_range=(1.0, 100.0), latent=CaloFlow(**layers).latent)
    flow = save_generator(tmp_path / "flow.cortado", model=CaloFlow(**layers), arguments=layers, use=use)
    assert f"{flow}: CaloFlow cannot be exported" in fail("export", flow, "--format", "pt2")
    assert [path.name for path in tmp_path.iterdir()] == ["flow.cortado"]
