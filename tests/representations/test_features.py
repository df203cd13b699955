import math

import awkward as ak
import numpy as np
import pytest
from toys import toy_jets

from cortado.representations import ParticleList, PointCloud
from cortado.representations.features import FEATURES, PARTICLENET_FEATURES


def one_jet(**constituents):
    """A jet of pT 100, eta -1, phi 3.1, mass 10."""
    return ak.Array([{"pt": 100.0, "eta": -1.0, "phi": 3.1, "mass": 10.0, "constituents": ak.zip(constituents)}])


TWO = {"pt": [30.0, 10.0], "eta": [-1.2, -0.9], "phi": [3.0, -3.1], "mass": [0.14, 0.0]}


def values(name, jets=None, **arguments):
    return (
        ParticleList(features=(name,), **arguments)(one_jet(**TWO) if jets is None else jets).features[0, :, 0].tolist()
    )


def slow_features(jet, mirror):
    """The seven features of ParticleNet, constituent by constituent, as in the formulas of the paper."""
    rows = []
    for constituent in sorted(jet["constituents"], key=lambda c: -c["pt"]):
        sign = -1 if mirror and jet["eta"] < 0 else 1
        delta_eta = sign * (constituent["eta"] - jet["eta"])
        delta_phi = math.remainder(constituent["phi"] - jet["phi"], 2 * math.pi)
        energy, jet_energy = (
            math.sqrt((p["pt"] * math.cosh(p["eta"])) ** 2 + p["mass"] ** 2) for p in (constituent, jet)
        )
        rows.append(
            [
                delta_eta,
                delta_phi,
                math.log(constituent["pt"]),
                math.log(energy),
                math.log(constituent["pt"] / jet["pt"]),
                math.log(energy / jet_energy),
                math.sqrt(delta_eta**2 + delta_phi**2),
            ]
        )
    return rows


@pytest.mark.parametrize("mirror", [True, False])
def test_slow_twin(mirror):
    jets = toy_jets(40, seed=2)
    inputs = PointCloud(mirror_eta=mirror)(jets)
    for index, jet in enumerate(jets.tolist()):
        expected = slow_features(jet, mirror)
        np.testing.assert_allclose(inputs.features[index][inputs.mask[index]], expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(inputs.points[index][inputs.mask[index]], np.array(expected)[:, :2], atol=1e-6)


def test_the_default_features_are_those_of_the_paper():
    assert PointCloud().features == PARTICLENET_FEATURES
    assert PointCloud(features=("log_pt",))(one_jet(**TWO)).points.shape == (1, 2, 2)


def test_angles_from_the_axis_cross_the_seam_and_point_outwards():
    assert values("delta_phi", centre="axis") == pytest.approx([-0.1, 2 * math.pi - 6.2], abs=1e-6)
    assert values("delta_eta", centre="axis") == pytest.approx([-0.2, 0.1], abs=1e-6)
    assert values("delta_eta", centre="axis", mirror_eta=True) == pytest.approx([0.2, -0.1], abs=1e-6)


def test_angles_from_the_centroid():
    gap = 2 * math.pi - 6.1
    assert values("delta_phi") == pytest.approx([-gap / 4, gap * 3 / 4], abs=1e-6)
    assert values("delta_eta") == pytest.approx([-0.075, 0.225], abs=1e-6)


def test_the_centroid_is_the_mean_of_all_jets():
    inputs = ParticleList()(toy_jets(50))
    fraction, delta_eta, delta_phi = np.moveaxis(inputs.features, -1, 0)
    np.testing.assert_allclose(fraction.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose((fraction * delta_eta).sum(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose((fraction * delta_phi).sum(axis=1), 0, atol=1e-6)


def test_constituents_that_are_cut_off_still_count_in_the_jet():
    cut = ParticleList(max_constituents=1)(one_jet(**TWO)).features
    assert cut.shape == (1, 1, 3)
    assert cut[0, 0].tolist() == ParticleList()(one_jet(**TWO)).features[0, 0].tolist()


def test_the_softest_are_cut_off():
    jets = toy_jets(30)
    kept = ParticleList(features=("log_pt",), max_constituents=5)(jets)
    hardest = ak.sort(jets.constituents.pt, axis=1, ascending=False)[:, :5]
    np.testing.assert_allclose(kept.features[kept.mask][:, 0], np.log(ak.flatten(hardest)), rtol=1e-6)


def test_equal_pt_keeps_the_order_of_the_file():
    jets = one_jet(pt=[1.0, 2.0, 1.0], eta=[0.1, 0.2, 0.3], phi=[0.0] * 3, mass=[0.0] * 3, charge=[7, 8, 9])
    assert values("charge", jets) == [8, 7, 9]


@pytest.mark.parametrize(
    "name, pdg_ids",
    [
        ("is_charged_hadron", {211, -211, 321, -2212}),
        ("is_neutral_hadron", {130, 2112}),
        ("is_photon", {22}),
        ("is_electron", {11, -11}),
        ("is_muon", {13, -13}),
    ],
)
def test_kinds_of_particles(name, pdg_ids):
    every = [211, -211, 321, -2212, 130, 2112, 22, 11, -11, 13, -13, 0, 1]
    jets = one_jet(pt=[1.0] * 13, eta=[0.0] * 13, phi=[0.0] * 13, mass=[0.0] * 13, pdg_id=every)
    assert values(name, jets) == [float(pdg_id in pdg_ids) for pdg_id in every]


def test_particle_codes_are_those_of_energyflow():
    jets = one_jet(**TWO | {"pdg_id": [-211, 13]})
    assert values("particle_code", jets) == pytest.approx([0.2, 1.2])


def test_unknown_particle_is_refused():
    with pytest.raises(ValueError, match="particle_code: jet 0 has a constituent of pdg_id 1000022, known are -2212"):
        values("particle_code", one_jet(**TWO | {"pdg_id": [211, 1000022]}))


@pytest.mark.parametrize("name", ["d0", "dz"])
def test_impact_parameters_as_in_jetclass(name):
    jets = one_jet(**TWO | {name: [0.5, -200.0], f"{name}_err": [0.3, 7.0]})
    assert values(name, jets) == pytest.approx([math.tanh(0.5), -1])
    assert values(f"{name}_err", jets) == pytest.approx([0.3, 1])


@pytest.mark.parametrize("name", ["charge", "puppi_weight"])
def test_columns_taken_as_they_are(name):
    assert values(name, one_jet(**TWO | {name: [1, -0.5]})) == [1, -0.5]


def test_a_constituent_without_momentum_has_no_logarithm():
    with pytest.raises(ValueError, match="PointCloud: log_pt of jet 0 is -inf, must be finite"):
        PointCloud()(one_jet(**TWO | {"pt": [30.0, 0.0]}))


def test_values_beyond_float32_are_refused():
    with pytest.raises(ValueError, match="ParticleList: charge of jet 0 is 1e\\+300"):
        values("charge", one_jet(**TWO | {"charge": [1.0, 1e300]}))


@pytest.mark.parametrize("representation", [ParticleList, PointCloud])
class TestChoices:
    def test_unknown_feature_names_the_nearest(self, representation):
        with pytest.raises(ValueError, match=f"{representation.__name__} knows no 'log_pT'; nearest: .*log_pt"):
            representation(features=("log_pT",))

    @pytest.mark.parametrize("features", [(), ("charge", "charge")])
    def test_empty_or_repeated_features(self, representation, features):
        with pytest.raises(ValueError, match="needs one or more different names, got"):
            representation(features=features)

    def test_unknown_centre(self, representation):
        with pytest.raises(ValueError, match="centre = 'middle', required: one of axis, centroid"):
            representation(centre="middle")

    def test_no_room(self, representation):
        with pytest.raises(ValueError, match="max_constituents must be at least 1, got 0"):
            representation(max_constituents=0)


def test_every_feature_is_tabulated_in_its_documentation():
    """The names that the error messages offer can be looked up."""
    from pathlib import Path

    import cortado.representations.features as module

    table = Path(module.__file__).read_text().split('"""All features by name.')[1].split('"""')[0]
    assert all(("is_..." if name.startswith("is_") else name) in table for name in FEATURES)
