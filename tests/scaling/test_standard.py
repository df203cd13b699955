import dataclasses
import json
from typing import NamedTuple

import numpy as np
import pytest
from toys import toy_jets

from cortado.representations import HighLevel, JetImage, PointCloud
from cortado.scaling import PARTICLENET_SCALING, Scaling, fit, merge, moments

NAMES = ("a", "b")


class Inputs(NamedTuple):
    features: np.ndarray
    mask: np.ndarray | None = None


def sample(n=400, seed=0):
    rng = np.random.default_rng(seed)
    features = np.where(rng.random((n, 7, 1)) < 0.5, rng.normal([3.0, -200.0], [0.1, 40.0], (n, 7, 2)), 0).astype(
        np.float32
    )
    return Inputs(features, features[..., 0] != 0)


def cut(inputs, edges):
    return [Inputs(inputs.features[a:b], inputs.mask[a:b]) for a, b in zip([0, *edges], [*edges, None])]


def test_constants_of_weaver():
    jets = toy_jets(20)
    raw, scaled = PointCloud()(jets), PARTICLENET_SCALING(PointCloud()(jets))
    delta_eta, delta_phi, log_pt, log_e, log_pt_rel, log_e_rel, delta_r = np.moveaxis(raw.features, -1, 0)
    weaver = [
        delta_eta,
        delta_phi,
        (log_pt - 1.7) * 0.7,
        (log_e - 2.0) * 0.7,
        (log_pt_rel - (-4.7)) * 0.7,
        (log_e_rel - (-4.7)) * 0.7,
        (delta_r - 0.2) * 4.0,
    ]
    expected = np.clip(np.stack(weaver, axis=-1), -5, 5) * raw.mask[..., None]
    np.testing.assert_allclose(scaled.features, expected, rtol=1e-5, atol=1e-6)
    assert PARTICLENET_SCALING.names == PointCloud().features
    assert (scaled.points == raw.points).all()
    assert (scaled.mask == raw.mask).all()


def test_fitted_sample_has_mean_zero_and_spread_one_where_it_is_real():
    inputs = sample()
    scaled = fit([inputs], NAMES, clip=None)(inputs)
    assert scaled.features.dtype == np.float32
    np.testing.assert_allclose(scaled.features[inputs.mask].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.features[inputs.mask].std(axis=0), 1, rtol=1e-5)
    assert not scaled.features[~inputs.mask].any()


@pytest.mark.parametrize("edges", [[1], [10, 11, 300], [100, 100, 200], list(range(1, 400))])
def test_the_fit_does_not_depend_on_the_chunks(edges):
    whole, parts = fit([sample()], NAMES), fit(cut(sample(), edges), NAMES)
    np.testing.assert_allclose(parts.center, whole.center, rtol=1e-12)
    np.testing.assert_allclose(parts.scale, whole.scale, rtol=1e-12)


def test_merging_agrees_with_the_moments_of_both_and_keeps_digits_far_from_zero():
    rng = np.random.default_rng(1)
    first, second = (Inputs((1e4 + rng.normal(0, 1e-1, (size, 2))).astype(np.float32)) for size in (30, 500))
    both = np.concatenate([first.features, second.features]).astype(np.float64)
    merged = merge(moments(first, NAMES), moments(second, NAMES))
    assert merged.entries == 530
    np.testing.assert_allclose(merged.mean, both.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(merged.squares, both.var(axis=0) * 530, rtol=1e-8)


def test_outliers_are_cut_off():
    scaling = Scaling(names=("a",), center=(1.0,), scale=(2.0,), clip=3.0)
    assert scaling(Inputs(np.array([[1.0], [2.0], [90.0], [-90.0]], np.float32))).features[:, 0].tolist() == [
        0,
        2,
        3,
        -3,
    ]


def test_inverse_gives_the_features_back():
    inputs = sample()
    before = inputs.features[inputs.mask]
    scaling = fit([inputs], NAMES, clip=None)
    scaled = scaling(Inputs(before)).features
    back = scaling.inverse(scaled)
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, before, rtol=1e-6)
    np.testing.assert_allclose(scaling(Inputs(back)).features, scaled, atol=1e-5)
    assert scaling.inverse(scaled[:0]).shape == (0, 2)


def test_no_inverse_of_what_is_cut_off_or_of_another_width():
    with pytest.raises(ValueError, match=r"cuts off at 5.0 has no inverse; fit it with clip=None"):
        fit([sample()], NAMES).inverse(np.zeros((3, 2), np.float32))
    with pytest.raises(ValueError, match=r"scaling of 2 features \(a, b\), got 3"):
        fit([sample()], NAMES, clip=None).inverse(np.zeros((3, 3), np.float32))


def test_inputs_are_not_changed():
    inputs = sample()
    before = inputs.features.copy()
    PARTICLENET_SCALING(PointCloud()(toy_jets(3)))
    fit([inputs], NAMES)(inputs)
    assert (inputs.features == before).all()


def test_features_of_jets_without_mask():
    representation = HighLevel(features=("mass", "n2"))
    inputs = representation(toy_jets(100))
    scaled = fit([inputs], representation.features, clip=None)(inputs)
    np.testing.assert_allclose(scaled.features.std(axis=0), 1, rtol=1e-5)


def test_it_survives_json():
    scaling = fit([sample()], NAMES)
    back = json.loads(json.dumps(dataclasses.asdict(scaling)))
    assert Scaling(**{name: tuple(x) if isinstance(x, list) else x for name, x in back.items()}) == scaling


def test_constant_feature_is_refused():
    with pytest.raises(ValueError, match="cannot fit a scaling: b is the same for all 50 entries"):
        fit([Inputs(np.stack([np.arange(50), np.full(50, 0.1)], axis=1).astype(np.float32))], NAMES)
    with pytest.raises(ValueError, match="a, b are the same for all 1 entries"):
        fit([Inputs(np.ones((1, 2), np.float32))], NAMES)


def test_what_hardly_varies_is_divided_by_the_least_spread():
    free, held = fit([sample()], NAMES), fit([sample()], NAMES, least_spread=(1.0, 5.0))
    assert held.center == free.center
    assert held.scale == (1.0, free.scale[1])  # spreads of 0.1 and 40
    constant = fit([Inputs(np.full((50, 2), 7, np.float32))], NAMES, least_spread=2.0)
    assert (constant.center, constant.scale) == ((7.0, 7.0), (0.5, 0.5))


def test_feature_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="cannot fit a scaling: b is not finite"):
        fit([Inputs(np.array([[1, 2], [2, np.inf]], np.float32))], NAMES)


@pytest.mark.parametrize("inputs", [[], [sample(0)]])
def test_empty_sample_is_refused(inputs):
    with pytest.raises(ValueError, match="cannot fit a scaling of a, b: the sample has no entries"):
        fit(inputs, NAMES)


def test_wrong_number_of_features_is_refused():
    with pytest.raises(ValueError, match=r"scaling of 1 features \(a\), got 2"):
        Scaling(names=("a",), center=(0.0,), scale=(1.0,))(sample())


def test_images_have_nothing_to_scale():
    with pytest.raises(ValueError, match="JetImageInputs has no features to scale, only image"):
        PARTICLENET_SCALING(JetImage()(toy_jets(2)))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"center": (0.0, 1.0), "scale": (1.0,)}, "1 names, 2 centers and 1 scales"),
        ({"center": (np.nan,), "scale": (1.0,)}, "a has center nan and scale 1.0, must be finite"),
        ({"center": (0.0,), "scale": (0.0,)}, "a has center 0.0 and scale 0.0, must be finite and positive"),
        ({"center": (0.0,), "scale": (1.0,), "clip": 0.0}, "clip must be positive or None, got 0.0"),
    ],
)
def test_impossible_scalings(arguments, message):
    with pytest.raises(ValueError, match=message):
        Scaling(names=("a",), **arguments)
