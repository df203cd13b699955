"""Tracks of records: what is refused, what is left out on request, and errors by a function."""

import warnings

import awkward as ak
import numpy as np
import pytest
from reconstruction.helix_toys import toy_flavour_jets

from cortado.perigee import COVARIANCE
from cortado.reconstruction import typical_resolution
from cortado.reconstruction.tracks import flat_tracks


def changed(jets, name, value, track=4):
    """The jets with another value of one field of one track."""
    values = ak.to_numpy(ak.flatten(jets.tracks[name])).copy()
    values[track] = value
    return ak.with_field(jets, ak.unflatten(values, ak.num(jets.tracks)), ("tracks", name))


def test_names_of_the_covariance():
    assert len(COVARIANCE) == 15
    assert COVARIANCE[:3] == ("cov_d0_d0", "cov_d0_z0", "cov_d0_phi")
    assert COVARIANCE[-2:] == ("cov_theta_q_over_p", "cov_q_over_p_q_over_p")


def test_columns_are_those_of_the_record():
    jets = toy_flavour_jets(20)
    tracks = flat_tracks(jets)
    assert tracks.counts.tolist() == ak.num(jets.tracks).tolist()
    assert tracks.parameters[:, 4].tolist() == ak.flatten(jets.tracks.q_over_p).tolist()
    assert tracks.covariance[:, 3, 1].tolist() == tracks.covariance[:, 1, 3].tolist()
    assert tracks.covariance[:, 1, 3].tolist() == ak.flatten(jets.tracks.cov_z0_theta).tolist()


def test_regular_lists_are_lists():
    jets = toy_flavour_jets(20, mean_prompt=8)
    jets = jets[ak.num(jets.tracks) > 2]
    regular = ak.with_field(jets, ak.to_regular(jets.tracks[:, :2]), "tracks")
    assert flat_tracks(regular).counts.tolist() == [2] * len(jets)


def test_errors_by_a_function_of_pt_and_eta():
    jets = toy_flavour_jets(20)
    tracks = flat_tracks(jets, resolution=typical_resolution)
    theta, q_over_p = tracks.parameters[:, 3], tracks.parameters[:, 4]
    errors = typical_resolution(np.sin(theta) / np.abs(q_over_p), np.arctanh(np.cos(theta)))
    assert np.sqrt(np.diagonal(tracks.covariance, axis1=1, axis2=2)) == pytest.approx(errors)
    assert np.count_nonzero(tracks.covariance) == 5 * len(theta)


def test_typical_errors_shrink_with_momentum_to_those_of_the_detector():
    soft, hard = typical_resolution(np.array([1.0, 1e6]), np.zeros(2))
    assert soft[:2] == pytest.approx(np.hypot([0.012, 0.050], [0.075, 0.090]))
    assert hard[:2] == pytest.approx([0.012, 0.050], rel=1e-6)
    central, forward = typical_resolution(np.ones(2), np.array([0.0, 2.0]))
    assert (forward[:4] > central[:4]).all()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("d0", np.nan, "track {t} of jet {j} cannot be fitted: d0 is nan, must be finite"),
        ("theta", 4.0, r"theta is 4\.0, must be between 0 and pi"),
        ("q_over_p", 0.0, r"q_over_p is 0\.0, must be other than 0"),
        ("cov_z0_phi", np.nan, "track {t} of jet {j} cannot be fitted: cov_z0_phi is nan, must be finite"),
        ("cov_d0_phi", 1.0, r"smallest eigenvalue of its correlation matrix is -\d.*, must be positive"),
        ("cov_d0_d0", -1.0, r"smallest eigenvalue of its correlation matrix is -1\.0, must be positive"),
        ("cov_d0_d0", 0.0, r"smallest eigenvalue of its correlation matrix is 0\.0, must be positive"),
    ],
)
def test_tracks_that_cannot_be_fitted(name, value, message):
    jets = changed(toy_flavour_jets(20), name, value)
    counts = ak.to_numpy(ak.num(jets.tracks))
    jet = int(np.searchsorted(np.cumsum(counts), 4, side="right"))
    place = 4 - counts[:jet].sum()
    with pytest.raises(ValueError, match="a test: .*" + message.format(t=place, j=jet)):
        flat_tracks(jets, caller="a test")
    with pytest.warns(UserWarning, match=rf"a test: 1 of {counts.sum()} tracks cannot be fitted, left out"):
        tracks = flat_tracks(jets, skip_unfit=True, caller="a test")
    assert tracks.entry.tolist() == [entry for entry in range(counts.sum()) if entry != 4]
    assert tracks.counts.tolist() == counts.tolist()
    assert np.isfinite(tracks.covariance).all()


def test_nothing_is_said_when_nothing_is_left_out():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        flat_tracks(toy_flavour_jets(20), skip_unfit=True)


def test_a_record_without_covariance_says_what_to_do():
    jets = toy_flavour_jets(5)
    for name in ("cov_d0_d0", "cov_phi_theta"):
        jets = ak.without_field(jets, ("tracks", name))
    with pytest.raises(KeyError, match=r"missing: cov_d0_d0, cov_phi_theta; .*resolution=typical_resolution"):
        flat_tracks(jets)


def test_option_types_of_which_nothing_is_missing_are_taken():
    jets = toy_flavour_jets(5)
    optional = ak.with_field(jets, ak.mask(jets.tracks.d0, jets.tracks.d0 < 1e9), ("tracks", "d0"))
    assert "?" in str(optional.tracks.d0.type)
    np.testing.assert_array_equal(flat_tracks(optional).parameters, flat_tracks(jets).parameters)


def test_missing_fields_and_wrong_shapes():
    jets = toy_flavour_jets(5)
    with pytest.raises(KeyError, match=r"needs the field 'tracks\.theta'.*nearest: "):
        flat_tracks(ak.without_field(jets, ("tracks", "theta")))
    with pytest.raises(KeyError, match=r"needs the field 'tracks'.*nearest: track"):
        flat_tracks(ak.zip({"track": jets.tracks}, depth_limit=1))
    with pytest.raises(ValueError, match=r"takes jets of shape \(n,\).*flatten the events first"):
        flat_tracks(ak.Array([jets, jets]))
    with pytest.raises(ValueError, match="tracks must be one list per jet"):
        flat_tracks(ak.with_field(jets, np.zeros(5), "tracks"))
    with pytest.raises(ValueError, match=r"tracks\.d0 must hold one number each and none missing"):
        flat_tracks(ak.with_field(jets, ak.mask(jets.tracks.d0, jets.tracks.d0 > 0), ("tracks", "d0")))
    with pytest.raises(ValueError, match=r"resolution gave shape \(\), needed is \(\d+, 5\)"):
        flat_tracks(jets, resolution=lambda pt, eta: 0.1)
