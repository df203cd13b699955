"""Jets with three collections: order, features, padding."""

import dataclasses
import json

import awkward as ak
import numpy as np
import pytest
import torch

import cortado
import cortado.models
from cortado import bundle, scoring
from cortado.representations import DeepJetFeatures
from cortado.representations.deepjet import (
    CHARGED_FEATURES,
    JET_FEATURES,
    NEUTRAL_FEATURES,
    VERTEX_FEATURES,
)
from cortado.tasks import Classes

COLLECTIONS = {
    "charged": "pt delta_eta delta_phi puppi_weight d0 dz vertex_association chi2 quality is_muon is_electron",
    "neutral": "pt delta_eta delta_phi is_photon hadronic_fraction",
    "vertices": (
        "pt mass n_tracks chi2 ndf flight_distance_2d flight_distance_2d_err flight_distance flight_distance_err "
        "cos_pointing"
    ),
}
CLASSES = ("b", "bb", "lepb", "c", "uds", "g")


def collection_jets(n=40, seed=1, most=8):
    """Flat jets with all fields that the features need; the numbers are random and positive."""
    rng = np.random.default_rng(seed)
    found = {name: rng.uniform(20, 100, n) for name in ("pt", "eta", "n_primary_vertices")}
    for collection, names in COLLECTIONS.items():
        counts = rng.integers(0, most + 1, n)
        columns = {name: rng.uniform(0.1, 3, counts.sum()) for name in names.split()}
        if collection == "charged":
            columns["d0"] = rng.normal(0, 0.05, counts.sum())
        found[collection] = ak.unflatten(ak.zip(columns), counts)
    return ak.zip(found, depth_limit=1)


def shortened(value):
    return np.sign(value) * np.log1p(abs(value))


SLOW = {
    "charged": (
        lambda c: -abs(c["d0"]),
        {
            "log_pt_relative": lambda c, jet: np.log(c["pt"] / jet["pt"]),
            "delta_r": lambda c, jet: np.sqrt(c["delta_eta"] ** 2 + c["delta_phi"] ** 2),
            "d0": lambda c, jet: shortened(100 * c["d0"]),
            "dz": lambda c, jet: shortened(100 * c["dz"]),
            "vertex_association": lambda c, jet: c["vertex_association"],
            "puppi_weight": lambda c, jet: c["puppi_weight"],
            "chi2": lambda c, jet: shortened(c["chi2"]),
            "quality": lambda c, jet: c["quality"],
            "is_electron": lambda c, jet: c["is_electron"],
            "is_muon": lambda c, jet: c["is_muon"],
        },
    ),
    "neutral": (
        lambda c: -c["pt"],
        {
            "log_pt_relative": lambda c, jet: np.log(c["pt"] / jet["pt"]),
            "delta_r": lambda c, jet: np.sqrt(c["delta_eta"] ** 2 + c["delta_phi"] ** 2),
            "is_photon": lambda c, jet: c["is_photon"],
            "hadronic_fraction": lambda c, jet: c["hadronic_fraction"],
        },
    ),
    "vertices": (
        lambda v: -v["flight_distance"] / v["flight_distance_err"],
        {
            "log_pt": lambda v, jet: np.log(v["pt"]),
            "log_mass": lambda v, jet: np.log(v["mass"]),
            "n_tracks": lambda v, jet: v["n_tracks"],
            "chi2": lambda v, jet: shortened(v["chi2"]),
            "reduced_chi2": lambda v, jet: shortened(v["chi2"] / v["ndf"]),
            "flight_distance_2d": lambda v, jet: shortened(100 * v["flight_distance_2d"]),
            "flight_distance_2d_significance": lambda v, jet: shortened(
                v["flight_distance_2d"] / v["flight_distance_2d_err"]
            ),
            "flight_distance": lambda v, jet: shortened(100 * v["flight_distance"]),
            "flight_distance_significance": lambda v, jet: shortened(v["flight_distance"] / v["flight_distance_err"]),
            "cos_pointing": lambda v, jet: v["cos_pointing"],
        },
    ),
}


@pytest.mark.parametrize("collection", COLLECTIONS)
@pytest.mark.parametrize("most", [3, 25])
def test_objects_are_those_of_the_twin(collection, most):
    jets = collection_jets()
    inputs = DeepJetFeatures(**{f"max_{collection}": most})(jets)
    values, mask = getattr(inputs, collection), getattr(inputs, f"{collection}_mask")
    importance, features = SLOW[collection]
    assert values.shape[1] == min(most, 8)
    for jet, found, there in zip(jets.tolist(), values, mask):
        objects = sorted(jet[collection], key=importance)[:most]
        assert there.tolist() == [True] * len(objects) + [False] * (len(there) - len(objects))
        expected = np.array([[feature(one, jet) for feature in features.values()] for one in objects])
        np.testing.assert_allclose(found[: len(objects)], expected.reshape(-1, len(features)), rtol=1e-5, atol=1e-6)
        assert not found[len(objects) :].any()


def test_features_of_the_jet():
    jets = collection_jets()
    expected = [
        [np.log(jet["pt"]), jet["eta"], *(len(jet[name]) for name in COLLECTIONS), jet["n_primary_vertices"]]
        for jet in jets.tolist()
    ]
    np.testing.assert_allclose(DeepJetFeatures()(jets).jet, expected, rtol=1e-6)


def test_arrays_are_float32_or_bool_and_finite():
    for name, array in DeepJetFeatures()(collection_jets())._asdict().items():
        assert array.dtype == (np.bool_ if name.endswith("_mask") else np.float32)
        assert len(array) == 40
        assert np.isfinite(array).all()
        assert array.flags.c_contiguous


def test_order_of_the_file_does_not_matter():
    jets = collection_jets()
    turned = {name: jets[name][:, ::-1] if name in COLLECTIONS else jets[name] for name in jets.fields}
    for found, expected in zip(DeepJetFeatures()(ak.zip(turned, depth_limit=1)), DeepJetFeatures()(jets)):
        np.testing.assert_array_equal(found, expected)


def test_jets_are_not_changed_and_slices_give_slices():
    jets = collection_jets()
    before = jets.tolist()
    whole, part = DeepJetFeatures()(jets), DeepJetFeatures()(jets[5:9])
    assert jets.tolist() == before
    for found, expected in zip(part, whole):
        np.testing.assert_array_equal(found, expected[5:9, : found.shape[1]])


def test_no_jets_and_jets_without_objects():
    assert [array.shape[0] for array in DeepJetFeatures()(collection_jets()[:0])] == [0] * 7
    jets = collection_jets(most=0)
    inputs = DeepJetFeatures()(jets)
    assert inputs.charged.shape == (40, 1, 10)
    assert not inputs.charged_mask.any()


def test_fields_are_all_that_is_read():
    jets, representation = collection_jets(), DeepJetFeatures(charged=("puppi_weight",), jet=("eta", "n_vertices"))
    assert {"pt", "charged.puppi_weight", "charged.d0", "vertices.ndf", "eta"} <= set(representation.fields)
    assert not {"charged.chi2", "n_primary_vertices"} & set(representation.fields)
    only = bundle.columns(jets, representation.fields)
    for found, expected in zip(representation(only), representation(jets)):
        np.testing.assert_array_equal(found, expected)


def test_arguments_survive_json():
    representation = DeepJetFeatures(charged=("d0", "dz"), max_vertices=2)
    stored = json.loads(json.dumps(dataclasses.asdict(representation)))
    again = {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}
    assert DeepJetFeatures(**again) == representation


def test_counts_of_the_published_lists():
    sizes = [len(names) for names in (JET_FEATURES, CHARGED_FEATURES, NEUTRAL_FEATURES, VERTEX_FEATURES)]
    assert sizes == [6, 10, 4, 10]


def test_ratio_to_no_degrees_of_freedom_is_cut_off():
    jets = collection_jets()
    jets = ak.with_field(jets, ak.with_field(jets.vertices, jets.vertices.ndf * 0, "ndf"), "vertices")
    inputs = DeepJetFeatures(vertices=("reduced_chi2",))(jets)
    np.testing.assert_allclose(inputs.vertices[inputs.vertices_mask], np.log1p(1000))


@pytest.mark.parametrize("field, feature", [("d0", "charged.d0"), ("chi2", "charged.chi2")])
def test_not_a_number_is_refused(field, feature):
    jets = collection_jets()
    broken = ak.with_field(jets.charged, jets.charged[field] * np.nan, field)
    with pytest.raises(ValueError, match=rf"DeepJetFeatures: {feature} of jet \d+ is nan, must be finite"):
        DeepJetFeatures()(ak.with_field(jets, broken, "charged"))


def test_order_that_is_not_a_number_is_refused():
    jets = collection_jets()
    vertices = ak.with_field(jets.vertices, jets.vertices.flight_distance_err * 0, "flight_distance_err")
    representation = DeepJetFeatures(vertices=("log_pt",))
    with pytest.raises(ValueError, match=r"the importance of vertices of jet \d+ is inf, must be finite"):
        representation(ak.with_field(jets, vertices, "vertices"))


def test_missing_field_names_the_nearest():
    jets = collection_jets()
    charged = jets.charged[[name for name in jets.charged.fields if name != "puppi_weight"]]
    with pytest.raises(KeyError, match=r"DeepJetFeatures needs the field 'charged.puppi_weight'"):
        DeepJetFeatures()(ak.with_field(jets, charged, "charged"))


@pytest.mark.parametrize("collection", ["jet", *COLLECTIONS])
def test_unknown_features_are_refused(collection):
    with pytest.raises(ValueError, match=r"DeepJetFeatures knows no 'chi3'; (nearest: chi2|there are log_pt)"):
        DeepJetFeatures(**{collection: ("chi3",)})


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_room_for_no_object_is_refused(collection):
    with pytest.raises(ValueError, match=f"DeepJetFeatures: max_{collection} must be at least 1, got 0"):
        DeepJetFeatures(**{f"max_{collection}": 0})


# ------------------------------------------------------------------------------------- with the network


ARGUMENTS = {"jet_features": 6, "charged_features": 10, "neutral_features": 4, "vertex_features": 10, "hidden": [20]}


def test_a_bundle_of_both_scores_jets_and_gives_the_published_discriminants(tmp_path):
    jets = collection_jets()
    tagger = bundle.Bundle(
        representation=DeepJetFeatures(),
        model=cortado.models.DeepJet(**ARGUMENTS, classes=6),
        arguments={**ARGUMENTS, "classes": 6},
        use=Classes(classes=CLASSES, signal="b"),
    )
    bundle.save(tagger, tmp_path / "deepjet.cortado", canary=jets[:5])
    scorer = scoring.load(tmp_path / "deepjet.cortado")
    p = scorer.probabilities(jets)
    b = scorer.discriminant(jets, ("b", "bb", "lepb"), ("c", "uds", "g"))
    np.testing.assert_allclose(b, p.b + p.bb + p.lepb, rtol=1e-5)
    c_against_light = scorer.discriminant(jets, ("c",), ("uds", "g"))
    np.testing.assert_allclose(c_against_light, p.c / (p.c + p.uds + p.g), rtol=1e-5)
    c_against_b = scorer.discriminant(jets, ("c",), ("b", "bb", "lepb"))
    np.testing.assert_allclose(c_against_b, p.c / (p.c + p.b + p.bb + p.lepb), rtol=1e-5)


def test_real_b_jets_are_learned_from_part_of_the_file(test_data):
    jets = ak.flatten(cortado.read(test_data / "jets/deepntuple_even.root").jets)
    inputs = [torch.from_numpy(array) for array in DeepJetFeatures()(jets)]
    is_b = torch.from_numpy(ak.to_numpy(jets.label_b))
    train = torch.from_numpy(ak.to_numpy(jets.event_key) % np.uint64(2) == 0)
    torch.manual_seed(1)
    model = cortado.models.DeepJet(**ARGUMENTS, classes=2)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(2):
        for batch in torch.nonzero(train).flatten()[torch.randperm(int(train.sum()))].split(200):
            optimizer.zero_grad()
            logits = model(*(values[batch] for values in inputs))
            torch.nn.functional.cross_entropy(logits, is_b[batch].long()).backward()
            optimizer.step()
    with torch.no_grad():
        score = model.eval()(*(values[~train] for values in inputs)).softmax(1)[:, 1]
    b, other = score[is_b[~train]], score[~is_b[~train]]
    assert (b.unsqueeze(1) > other).float().mean() > 0.82  # the area under the ROC curve
