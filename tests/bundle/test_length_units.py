"""Lengths are in mm: what bundles say of the unit, and those that were trained in cm before they said so."""

import awkward as ak
import numpy as np
import pytest
import safetensors.numpy
import torch
from commands import fail, succeed
from samples import write_pfnano
from toy_taggers import QCD_OR_W, Linear, forge, members_of
from toys import toy_jets

import cortado
from cortado import bundle, export
from cortado.models import PFN
from cortado.representations import Columns, DeepJetFeatures, ParticleList
from cortado.tasks import Classes

LENGTHS = ("d0", "d0_err", "dz", "dz_err")
FEATURES = ("delta_eta", "d0", "dz_err")


def in_cm(jets):
    for name in LENGTHS:
        jets = ak.with_field(jets, jets.constituents[name] / np.float32(10), ["constituents", name])
    return jets


def jets_in_mm(n=12, seed=3):
    """Jets whose impact parameters tanh does not leave as they are."""
    jets = toy_jets(n, seed)
    for name in LENGTHS:
        jets = ak.with_field(jets, jets.constituents[name] * np.float32(20), ["constituents", name])
    return jets


def save_tagger(path, canary, features=FEATURES, **changes):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        arguments = {"features": len(features), "phi": (8, 8), "hidden": (8,)}
        model = PFN(**arguments)
    made = {"representation": ParticleList(features=features), "model": model, "arguments": arguments, "use": QCD_OR_W}
    return bundle.save(bundle.Bundle(**made | changes), path, canary=canary)


def to_format_2(path, named=None, **provenance):
    """Write the bundle as before lengths had a unit: the numbers of its canary are those of the file."""

    def change(content):
        content.pop("lengths")
        objects = {"collection": "jets", "dialect": named}
        content["provenance"] |= {"study": {"objects": objects}, **provenance}
        content["format_version"] = 2

    forge(path, change)


@pytest.fixture(scope="module")
def in_file_units(tmp_path_factory):
    """A tagger that answers of numbers as it did of those of CMS files: in cm."""
    path = save_tagger(tmp_path_factory.mktemp("lengths") / "new.cortado", in_cm(jets_in_mm()))
    return lambda jets: cortado.load(path).probabilities(jets).w.to_numpy()


@pytest.fixture
def old(tmp_path):
    return save_tagger(tmp_path / "old.cortado", in_cm(jets_in_mm()))


def test_a_bundle_says_its_unit(tmp_path):
    path = save_tagger(tmp_path / "new.cortado", jets_in_mm())
    assert bundle.describe(path)["lengths"] == "mm"
    assert bundle.describe(path)["format_version"] == 3
    assert "units            GeV, rad, lengths in mm" in succeed("inspect", path)
    forge(path, lambda content: content.update(lengths="inch"))
    with pytest.raises(ValueError, match="lengths = 'inch', required: one of mm, cm"):
        bundle.load(path)


@pytest.mark.parametrize("known", ["PFNano", "NanoAOD v15", None])
def test_a_network_that_was_shown_cm_is_shown_cm(old, in_file_units, known):
    to_format_2(old, known)
    given = {} if known else {"lengths": "cm"}
    jets = jets_in_mm(30, seed=9)
    scores = cortado.load(old, **given).probabilities(jets).w.to_numpy()
    np.testing.assert_allclose(scores, in_file_units(in_cm(jets)), atol=1e-6)
    assert np.abs(scores - in_file_units(jets)).max() > 1e-3
    canary = bundle.canary_objects(old, **given)
    np.testing.assert_allclose(ak.flatten(canary.constituents.d0), ak.flatten(jets_in_mm().constituents.d0), rtol=1e-5)


@pytest.mark.parametrize("known", ["JetClass", None])
def test_a_network_that_was_shown_mm_is_shown_mm(old, in_file_units, known):
    to_format_2(old, known)
    jets = jets_in_mm(30, seed=9)
    given = {} if known else {"lengths": "mm"}
    scores = cortado.load(old, **given).probabilities(jets).w.to_numpy()
    np.testing.assert_allclose(scores, in_file_units(jets), atol=1e-6)


def test_own_readers_do_not_say_their_unit(old):
    to_format_2(old, "my_reader 0123456789ab")
    with pytest.raises(ValueError, match="required is lengths='cm'"):
        bundle.load(old)
    assert bundle.load(old, lengths="cm").lengths == "cm"


def test_own_branches_were_in_mm(old, in_file_units):
    to_format_2(old, "{...}", dialect={"jets": {"pt": "fj_pt"}, "name": "own branches"})
    jets = jets_in_mm(30, seed=9)
    np.testing.assert_allclose(cortado.load(old).probabilities(jets).w.to_numpy(), in_file_units(jets), atol=1e-6)


def test_a_unit_that_is_not_known_must_be_given(old, tmp_path):
    to_format_2(old)
    message = (
        r"old\.cortado: its network sees constituents\.d0, constituents\.dz_err, and bundles of format 2 do not say in "
        r"which unit: required is lengths='cm' \(--lengths cm\) if it was trained on files of CMS"
    )
    with pytest.raises(ValueError, match=message):
        cortado.load(old)
    with pytest.raises(ValueError, match="lengths = 'm', required: one of mm, cm"):
        cortado.load(old, lengths="m")
    write_pfnano(tmp_path / "pfnano.root", n_events=20)
    assert "--lengths cm" in fail("score", old, tmp_path / "pfnano.root", "--out", tmp_path / "scores.root")
    succeed("score", old, tmp_path / "pfnano.root", "--out", tmp_path / "scores.root", "--lengths", "cm")
    assert "units            GeV, rad, lengths in cm" in succeed("inspect", old, "--lengths", "cm")


def test_a_unit_that_is_known_cannot_be_another(old):
    to_format_2(old, "PFNano")
    with pytest.raises(ValueError, match="its network was shown lengths in cm, not in mm: leave lengths='mm' out"):
        cortado.load(old, lengths="mm")


def test_networks_without_lengths_have_no_unit(tmp_path):
    path = save_tagger(tmp_path / "plain.cortado", toy_jets(8), features=("delta_eta", "charge"))
    expected = cortado.load(path).probabilities(toy_jets(9)).w.to_list()
    to_format_2(path)
    assert cortado.load(path).probabilities(toy_jets(9)).w.to_list() == expected


def test_a_bundle_that_is_saved_again_keeps_its_unit(old, in_file_units, tmp_path):
    to_format_2(old, "PFNano")
    again = bundle.save(bundle.load(old), tmp_path / "again.cortado", canary=jets_in_mm())
    assert bundle.describe(again)["lengths"] == "cm"
    jets = jets_in_mm(30, seed=9)
    scores = cortado.load(again).probabilities(jets).w.to_numpy()
    np.testing.assert_allclose(scores, in_file_units(in_cm(jets)), atol=1e-6)


def test_exports_are_of_what_the_network_was_shown(old, tmp_path):
    to_format_2(old)
    with pytest.raises(ValueError, match="required is lengths='cm'"):
        export.to_torch_export(old, tmp_path / "old.pt2")
    assert export.to_torch_export(old, tmp_path / "old.pt2", lengths="cm").difference < 1e-4


# Vertices and candidates of CMS flavour taggers


class Flavours(torch.nn.Module):
    """A sum over what DeepJet sees."""

    def __init__(self, *, classes=2):
        super().__init__()
        self.layer = torch.nn.Linear(2, classes)

    def forward(self, jet, charged, charged_mask, neutral, neutral_mask, vertices, vertices_mask):
        return self.layer(torch.stack([charged.sum((1, 2)), vertices.sum((1, 2))], 1) / 100 + jet[:, :1])


def flavour_jets(factor, n=10):
    """Jets of a DeepNTuple with lengths in mm times a factor."""
    rng = np.random.default_rng(5)

    def lists(*names):
        return ak.unflatten(ak.zip({name: rng.exponential(0.1, 3 * n) for name in names}), np.full(n, 3))

    jets = {"pt": rng.uniform(30, 90, n), "charged": lists("d0", "dz", "pt"), "neutral": lists("pt")}
    jets["vertices"] = lists("flight_distance", "flight_distance_err")
    jets = ak.zip(jets, depth_limit=1)
    for path in (("charged", "d0"), ("charged", "dz"), *(("vertices", name) for name in jets.vertices.fields)):
        jets = ak.with_field(jets, jets[path] * factor, list(path))
    return jets


def test_deepjet_sees_the_same_in_any_unit(tmp_path):
    shown = {
        "jet": ("log_pt",),
        "charged": ("d0", "dz"),
        "neutral": ("log_pt_relative",),
        "vertices": ("flight_distance",),
    }
    torch.manual_seed(1)
    made = {"representation": DeepJetFeatures(**shown), "model": Flavours(), "arguments": {}}
    use = Classes(classes=("b", "light"), signal="b")
    path = bundle.save(bundle.Bundle(**made, use=use), tmp_path / "b.cortado", canary=flavour_jets(1.0))
    expected = cortado.load(path, models=(Flavours,)).probabilities(flavour_jets(1.0)).b.to_list()
    # As before: the canary has numbers in cm, of which the representation of then made what it makes of mm now.
    other = bundle.save(bundle.Bundle(**made, use=use), tmp_path / "cm.cortado", canary=flavour_jets(0.1))
    new, cm = (safetensors.numpy.load(members_of(each)["canary.safetensors"]) for each in (path, other))
    former = {name: cm[name] if name.startswith("objects/") else array for name, array in new.items()}
    forge(path, canary_safetensors=safetensors.numpy.save(former))
    to_format_2(path)
    found = cortado.load(path, models=(Flavours,))
    np.testing.assert_allclose(found.probabilities(flavour_jets(1.0)).b, expected, atol=1e-6)
    assert found.bundle().lengths == "mm"


def test_nanoaod_columns_in_cm_are_trained_again(tmp_path):
    events = ak.Array([{"met": 30.0, "muons": [{"dxy": 0.1}]}] * 4)
    representation = Columns(features=("met", "muons.dxy[0]"), missing=0.0)
    made = {"representation": representation, "model": Linear(), "arguments": {}, "use": QCD_OR_W}
    path = bundle.save(bundle.Bundle(**made), tmp_path / "events.cortado", canary=events)
    to_format_2(path, dialect={"collections": {"muons": {"dxy": "Muon_dxy"}}, "name": "NanoAOD columns"})
    with pytest.raises(
        ValueError, match=r"its network was shown muons\.dxy in cm, and nanoaod_mapping gives .* in mm now"
    ):
        bundle.load(path, models=(Linear,))
