import dataclasses
import json
import math
import pickle
import re

import awkward as ak
import numpy as np
import pytest

from cortado.representations import TrackGraph, TrackSet
from cortado.representations.track_set import RICH_FEATURES, SET2GRAPH_FEATURES
from cortado.scaling import SET2GRAPH_SCALING

RICH = TrackSet(features=RICH_FEATURES)
CASES = {"paper": TrackSet(), "rich": RICH, "graph": TrackGraph(), "rich-graph": TrackGraph(features=RICH_FEATURES)}
every = pytest.mark.parametrize("representation", CASES.values(), ids=CASES.keys())


def jets_with_tracks(counts=(3, 0, 7, 1, 2, 12), seed=1):
    """Invented jets of so many tracks, shape (n,), in float64."""
    rng = np.random.default_rng(seed)
    n, m, owner = len(counts), sum(counts), np.repeat(np.arange(len(counts)), counts)
    eta, phi = rng.uniform(-2, 2, n), rng.uniform(-np.pi, np.pi, n)
    track_eta = eta[owner] + rng.normal(0, 0.1, m)
    tracks = {
        "d0": rng.normal(0, 0.3, m),
        "z0": rng.normal(0, 0.5, m),
        "phi": (phi[owner] + rng.normal(0, 0.1, m) + np.pi) % (2 * np.pi) - np.pi,
        "theta": 2 * np.arctan(np.exp(-track_eta)),
        "eta": track_eta,
        "pt": rng.uniform(0.5, 20, m),
        "charge": rng.choice([-1, 1], m),
        "cov_d0_d0": rng.uniform(0.01, 0.05, m) ** 2,
        "cov_z0_z0": rng.uniform(0.02, 0.1, m) ** 2,
        "avr_vertex_index": rng.integers(0, 3, m),
    }
    tracks["q_over_p"] = tracks["charge"] * np.sin(tracks["theta"]) / tracks["pt"]
    jets = {"pt": rng.uniform(20, 200, n), "eta": eta, "phi": phi, "mass": rng.uniform(3, 20, n)}
    return ak.zip(jets | {"tracks": ak.unflatten(ak.zip(tracks), list(counts))}, depth_limit=1)


JETS = jets_with_tracks()


def with_tracks(jets, **columns):
    tracks = jets.tracks
    for name, column in columns.items():
        tracks = ak.with_field(tracks, column, name)
    return ak.with_field(jets, tracks, "tracks")


def turned(jets, angle):
    def turn(phi):
        return (phi + angle + np.pi) % (2 * np.pi) - np.pi

    return with_tracks(ak.with_field(jets, turn(jets.phi), "phi"), phi=turn(jets.tracks.phi))


def values(name, jets=JETS):
    inputs = TrackSet(features=(name,))(jets)
    return inputs.features[inputs.mask][:, 0]


def slow_features(jet, track):
    """The rich features of one track, from the point of closest approach and the direction of the jet."""
    side = -track["d0"] * math.sin(track["phi"]), track["d0"] * math.cos(track["phi"])
    ahead = side[0] * math.cos(jet["phi"]) + side[1] * math.sin(jet["phi"]) >= 0
    forward = track["z0"] * (jet["eta"] - track["eta"]) >= 0
    d0_error, z0_error = math.sqrt(track["cov_d0_d0"]), math.sqrt(track["cov_z0_z0"])
    return [
        track["d0"],
        track["z0"],
        math.remainder(track["phi"] - jet["phi"], 2 * math.pi),
        track["eta"] - jet["eta"],
        math.log(track["pt"]),
        track["charge"],
        math.sinh(track["eta"]),
        track["pt"] / jet["pt"],
        math.log(d0_error),
        math.log(z0_error),
        math.asinh(track["d0"] / d0_error),
        math.asinh(track["z0"] / z0_error),
        math.asinh(abs(track["d0"]) / d0_error) * (1 if ahead else -1),
        math.asinh(abs(track["z0"]) / z0_error) * (1 if forward else -1),
        math.log(jet["pt"]),
        jet["eta"],
        jet["mass"],
    ]


def test_rich_features_equal_their_formulas_track_by_track():
    inputs = RICH(JETS)
    for row, mask, jet in zip(inputs.features, inputs.mask, JETS.tolist()):
        expected = np.array([slow_features(jet, track) for track in jet["tracks"]]).reshape(-1, len(RICH_FEATURES))
        np.testing.assert_allclose(row[mask], expected, rtol=1e-5, atol=1e-6)


def test_the_ten_features_of_the_paper_in_the_order_of_the_file():
    inputs = TrackSet()(JETS)
    for row, mask, jet in zip(inputs.features, inputs.mask, JETS.tolist()):
        of_jet = [jet[name] for name in ("pt", "eta", "phi", "mass")]
        expected = [
            [t["d0"], t["z0"], t["phi"], 1 / math.tan(t["theta"]), t["pt"], t["charge"], *of_jet] for t in jet["tracks"]
        ]
        np.testing.assert_allclose(row[mask], np.array(expected).reshape(-1, 10), rtol=1e-6)


def test_signs_by_hand():
    """A jet along x; the track at phi = 0.1 with d0 < 0 passes the beam line at x > 0, ahead of it."""
    track = {"d0": [-0.2, 0.2], "z0": [0.3, 0.3], "phi": [0.1, 0.1], "eta": [-0.1, 0.1], "cov_d0_d0": [0.01, 0.01]}
    jets = ak.Array([{"phi": 0.0, "eta": 0.0, "tracks": ak.zip(track).tolist()}])
    assert values("signed_d0", jets) == pytest.approx([0.2, -0.2])
    assert values("signed_z0", jets) == pytest.approx([0.3, -0.3])
    assert values("d0_error", jets) == pytest.approx([0.1, 0.1])
    assert values("d0_significance", jets) == pytest.approx([-2, 2])
    assert values("signed_d0_significance", jets) == pytest.approx([2, -2])


def test_a_track_of_a_displaced_decay_has_a_positive_sign():
    """Straight tracks from a point along the jet axis."""
    rng = np.random.default_rng(0)
    phi, spread, flight = rng.uniform(-np.pi, np.pi, 200), rng.normal(0, 0.2, 200), 5.0
    track_phi = phi + spread
    d0 = -flight * np.cos(phi) * np.sin(track_phi) + flight * np.sin(phi) * np.cos(track_phi)
    tracks = ak.unflatten(ak.zip({"d0": d0, "phi": track_phi}), np.ones(200, int))
    jets = ak.zip({"phi": phi, "tracks": tracks}, depth_limit=1)
    assert (values("signed_d0", jets) > 0).all()
    np.testing.assert_allclose(values("signed_d0", jets), flight * np.abs(np.sin(spread)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("angle", [0.7, np.pi / 2, 3.1])
def test_a_turn_about_the_beam_line_does_not_change_the_rich_features(angle):
    np.testing.assert_allclose(RICH(turned(JETS, angle)).features, RICH(JETS).features, atol=1e-5)
    assert np.abs(TrackSet()(turned(JETS, angle)).features - TrackSet()(JETS).features).max() > 0.1


def test_a_jet_on_the_seam_is_as_good_as_any():
    jets = turned(JETS[2:3], np.pi - JETS.phi[2])
    assert ak.min(jets.tracks.phi) < -2.5 < 2.5 < ak.max(jets.tracks.phi)
    np.testing.assert_allclose(RICH(jets).features, RICH(turned(jets, 1.0)).features, atol=1e-5)


@every
def test_arrays_are_padded_with_zeros_to_the_longest_jet(representation):
    inputs = representation(JETS)
    assert inputs.features.shape == (6, 12, len(representation.features))
    assert inputs.features.dtype == np.float32
    assert inputs.mask.sum(axis=1).tolist() == [3, 0, 7, 1, 2, 12]
    assert not inputs.features[~inputs.mask].any()
    assert all(array.flags.c_contiguous for array in inputs)


@every
def test_chunks_do_not_matter(representation):
    whole = representation(JETS)
    for index in range(len(JETS)):
        for name, part in representation(JETS[index : index + 1])._asdict().items():
            length = part.shape[1]
            expected = getattr(whole, name)[index : index + 1, :length]
            np.testing.assert_array_equal(part, expected[..., :length] if name == "edges" else expected)


@every
def test_order_of_tracks_is_kept(representation):
    back = ak.with_field(JETS, JETS.tracks[:, ::-1], "tracks")
    inputs, reverse = representation(JETS), representation(back)
    for index, count in enumerate([3, 0, 7, 1, 2, 12]):
        np.testing.assert_array_equal(reverse.features[index, :count], inputs.features[index, :count][::-1])


@every
def test_no_jets_and_no_tracks(representation):
    for jets in (JETS[:0], JETS[1:2]):
        inputs = representation(jets)
        assert inputs.features.shape == (len(jets), 1, len(representation.features))
        assert not inputs.mask.any()


@every
def test_only_the_stated_fields_are_needed_and_each_of_them_is(representation):
    outer = {name: JETS[name] for name in representation.fields if "." not in name}
    inner = {name.split(".")[1]: JETS.tracks[name.split(".")[1]] for name in representation.fields if "." in name}
    jets = ak.zip(outer | {"tracks": ak.zip(inner)}, depth_limit=1)
    for array, expected in zip(representation(jets), representation(JETS)):
        np.testing.assert_array_equal(array, expected)
    for name in representation.fields:
        inside = name.removeprefix("tracks.")
        less = ak.without_field(jets, name) if inside == name else with_tracks(jets)
        if inside != name:
            less = ak.with_field(less, ak.without_field(less.tracks, inside), "tracks")
        with pytest.raises(
            KeyError, match=f"{type(representation).__name__} needs the field '{name}'.*(nearest:|there are) ."
        ):
            representation(less)


def test_features_of_the_jet_alone_still_count_the_tracks():
    assert TrackSet(features=("jet_pt",))(JETS).mask.sum() == 25


@every
def test_inputs_are_not_changed(representation):
    before = ak.to_list(JETS)
    representation(JETS)
    assert ak.to_list(JETS) == before


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused_by_name(bad):
    at = ak.local_index(JETS.tracks.d0) == 5
    with pytest.raises(ValueError, match=rf"TrackSet: tracks\.d0 of jet 2 is {bad}, must be finite"):
        TrackSet()(with_tracks(JETS, d0=ak.where(at, bad, JETS.tracks.d0)))
    with pytest.raises(ValueError, match=rf"TrackGraph: tracks\.cov_d0_d0 of jet 2 is {bad}, must be finite"):
        TrackGraph(features=RICH_FEATURES)(with_tracks(JETS, cov_d0_d0=ak.where(at, bad, JETS.tracks.cov_d0_d0)))


@pytest.mark.parametrize("variance, feature", [(0.0, "log_d0_error of jet 2 is -inf"), (-1.0, "log_d0_error of jet 2")])
def test_a_variance_that_is_not_positive_is_refused_by_feature(variance, feature):
    at = ak.local_index(JETS.tracks.d0) == 5
    with pytest.raises(ValueError, match=f"TrackSet: {feature}.*must be finite"):
        RICH(with_tracks(JETS, cov_d0_d0=ak.where(at, variance, JETS.tracks.cov_d0_d0)))


def test_unneeded_errors_may_be_missing():
    broken = with_tracks(JETS, cov_d0_d0=JETS.tracks.d0 * np.nan)
    np.testing.assert_array_equal(TrackSet()(broken).features, TrackSet()(JETS).features)


def test_events_must_be_flattened_first():
    with pytest.raises(ValueError, match=r"TrackSet takes jets of shape \(n,\), got 3 \*.*flatten"):
        TrackSet()(ak.unflatten(JETS, [2, 2, 2]))


def test_edges_join_different_tracks_of_equal_index():
    jets = with_tracks(JETS, other=ak.Array([[4, 4, 9], [], [0, 1, 0, -1, -1, 1, 2], [0], [3, 3], [0] * 12]))
    inputs = TrackGraph(partition="other")(jets)
    for edges, tracks in zip(inputs.edges, jets.tracks.other.tolist()):
        expected = np.zeros((12, 12))
        for i, one in enumerate(tracks):
            for j, other in enumerate(tracks):
                expected[i, j] = i != j and one == other >= 0
        np.testing.assert_array_equal(edges, expected)
    assert inputs.edges.dtype == np.float32


@pytest.mark.parametrize("representation", [TrackSet, TrackGraph])
def test_choices(representation):
    with pytest.raises(ValueError, match=f"{representation.__name__} knows no 'log_pT'; nearest: .*log_pt"):
        representation(features=("log_pT",))
    with pytest.raises(ValueError, match="needs one or more different names, got"):
        representation(features=())
    with pytest.raises(ValueError, match="TrackGraph: partition must be the name of a field of the tracks, got ''"):
        TrackGraph(partition="")


@every
def test_it_pickles_and_survives_json(representation):
    assert pickle.loads(pickle.dumps(representation)) == representation
    back = json.loads(json.dumps(dataclasses.asdict(representation)))
    back = {name: tuple(value) if isinstance(value, list) else value for name, value in back.items()}
    assert type(representation)(**back) == representation


def test_scaling_of_the_paper():
    inputs = TrackSet()(JETS)
    scaled = SET2GRAPH_SCALING(inputs)
    assert SET2GRAPH_SCALING.names == SET2GRAPH_FEATURES == TrackSet().features
    np.testing.assert_allclose(
        scaled.features[inputs.mask][:, [0, 4, 9]],
        (inputs.features[inputs.mask][:, [0, 4, 9]] - [6.0782e-4, 5.237357, 9.437994])
        / [14.128961, 7.4841413, 6.765137],
        rtol=1e-4,
        atol=1e-6,
    )
    assert not scaled.features[~inputs.mask].any()


def test_every_feature_is_tabulated_in_its_documentation():
    from pathlib import Path

    import cortado.representations.track_features as module

    table = Path(module.__file__).read_text().split('"""All features of tracks by name.')[1].split('"""')[0]
    words = set(table.replace(",", " ").split())
    for name in module.TRACK_FEATURES:
        shapes = {name, re.sub("d0|z0", "...", name), re.sub("^asinh_.*", "asinh_...", name)}
        shapes |= {re.sub("^(d0|z0)_", "..._", name)}
        assert shapes & words, name
