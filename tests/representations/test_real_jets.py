"""The representations on real files: simulated CMS jets, JetClass-II, and the top-tagging reference data."""

import awkward as ak
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import cortado
from cortado.representations import HighLevel, JetImage, ParticleList, PointCloud
from cortado.representations.jet_image import TOP_40, TOP_64, W_PAPER
from cortado.scaling import PARTICLENET_SCALING

EVERYWHERE = (
    JetImage(),
    W_PAPER,
    TOP_64,
    ParticleList(),
    PointCloud(),
    HighLevel(features=("mass", "multiplicity", "d2", "n2")),
)


@pytest.mark.parametrize("path", ["jets/nano_tt_v15.root", "jets/pfnano.root", "jets/JetClassII_example.root"])
def test_all_arrays_are_finite(test_data, path):
    jets = ak.flatten(cortado.read(test_data / path).jets)
    assert len(jets) > 10
    for representation in EVERYWHERE:
        assert all(np.isfinite(array).all() for array in representation(jets))


@pytest.fixture(scope="module")
def tops(test_data):
    return ak.flatten(cortado.read(test_data / "toptagging" / "val.root", stop=2000).jets)


def test_scaled_features_are_of_order_one(tops):
    inputs = PARTICLENET_SCALING(PointCloud()(tops))
    features = inputs.features[inputs.mask]
    assert (np.abs(features.mean(axis=0)) < 0.6).all()
    assert (features.std(axis=0) < 1.2).all()
    assert (features.std(axis=0) > 0.2).all()


def test_frames_hold_nearly_all_of_a_jet(tops):
    assert JetImage().contained_fraction(tops).mean() > 0.9999
    assert TOP_64.contained_fraction(tops).mean() > 0.999
    assert 0.98 < TOP_40.contained_fraction(tops).mean() < 1


def test_substructure_separates_tops_from_qcd(tops):
    features = HighLevel(features=("mass", "c2", "n2"))(tops).features
    is_top = ak.to_numpy(tops.is_signal) == 1
    mass, c2, n2 = (roc_auc_score(is_top, column) for column in features.T)
    assert mass > 0.88
    assert c2 > 0.7
    assert 1 - n2 > 0.65  # two prongs or more make N2 small
