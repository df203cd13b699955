import json
from dataclasses import replace

import awkward as ak
import numpy as np
import pytest
from toy_maps import SHAPE, shares, toy_maps, toy_values

from cortado.bundle.description import tuples
from cortado.counts import mean_root, root
from cortado.representations import OccupancyMap
from cortado.representations.occupancy_map import dispersion_of, reference_shares

REFERENCE = tuples(shares().tolist())
REPRESENTATION = OccupancyMap(reference=REFERENCE)


@pytest.mark.parametrize("mean", [0.0, 0.1, 0.5, 1.0, 3.0, 10.0, 200.0])
def test_mean_of_the_roots_is_that_of_poisson_counts(mean):
    roots = root(np.random.default_rng(1).poisson(mean, 200_000))
    assert mean_root(np.array(mean)) == pytest.approx(roots.mean(), abs=0.045)
    assert roots.std() < 1.05
    assert mean < 4 or roots.std() == pytest.approx(1, abs=0.05)


def test_pulls_of_good_maps_have_mean_0_and_width_1():
    image = REPRESENTATION(toy_maps(2000)).image
    assert image.shape == (2000, 1, *SHAPE)
    assert image.dtype == np.float32
    assert np.abs(image.mean(axis=0)).max() < 5 / np.sqrt(2000)
    assert image.std() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("hits", [200, 2_000, 2_000_000])
def test_pulls_do_not_depend_on_the_number_of_hits(hits):
    image = REPRESENTATION(toy_maps(2000, hits=hits)).image
    assert abs(image.mean()) < 0.02
    assert image.std() == pytest.approx(1, abs=0.06)


def test_a_dead_half_does_not_make_the_rest_hot():
    values = toy_values(50, hits=200_000)
    values[:, :, :5] = 0
    image = REPRESENTATION(toy_maps(values=values)).image[:, 0]
    assert abs(image[:, :, 5:].mean()) < 0.05
    assert image[:, :, :5].mean() < -30


def test_expected_counts_are_the_true_ones():
    values = toy_values(500).astype(float)
    expected = REPRESENTATION.expected(values)
    np.testing.assert_allclose(expected.mean(axis=0), 20_000 * shares(), rtol=0.01)
    np.testing.assert_array_equal(REPRESENTATION.shifted(values, np.zeros_like(values)), expected)
    pull = np.full_like(values, 2.0)
    moved = REPRESENTATION.shifted(values, pull)
    np.testing.assert_allclose(mean_root(moved) - mean_root(expected), pull, atol=0.01)


def test_maps_without_hits_are_zero():
    assert not REPRESENTATION(toy_maps(values=np.zeros((3, *SHAPE)))).image.any()


def test_histograms_of_one_dimension_are_images_of_one_row():
    one = shares((1, 12))[0]
    values = np.random.default_rng(1).poisson(500 * one, (7, 12))
    assert OccupancyMap(reference=tuple(one))(toy_maps(values=values)).image.shape == (7, 1, 1, 12)


def test_each_map_is_seen_alone():
    maps = toy_maps(20)
    together = REPRESENTATION(maps).image
    np.testing.assert_array_equal(together[3:5], REPRESENTATION(maps[3:5]).image)
    assert REPRESENTATION(maps[:0]).image.shape == (0, 1, *SHAPE)


def test_the_reference_is_the_mean_of_good_maps_and_survives_json():
    reference = reference_shares(toy_maps(500))
    np.testing.assert_allclose(reference, shares(), rtol=0.05)
    assert tuples(json.loads(json.dumps(reference))) == reference


def test_without_enough_hits_there_is_no_reference():
    with pytest.raises(ValueError, match="none of 3 maps has 10 hits, the most are 0"):
        reference_shares(toy_maps(values=np.zeros((3, *SHAPE))), fewest_hits=10)


@pytest.mark.parametrize("reference", [(0.5, 0.4), (1.5, -0.5), (((1.0,),),), (float("nan"), 1.0)])
def test_a_reference_is_made_of_shares(reference):
    with pytest.raises(ValueError, match="shares of at least 0 with sum 1"):
        OccupancyMap(reference=reference)


def test_maps_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"maps of shape \(3, 3\), the reference has \(8, 12\)"):
        REPRESENTATION(toy_maps(values=np.ones((2, 3, 3))))


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_what_is_no_count_is_refused(value):
    values = np.ones((2, *SHAPE))
    values[1, 2, 3] = value
    with pytest.raises(ValueError, match=r"in cell \(2, 3\) of map 1 is no count"):
        REPRESENTATION(ak.zip({"values": values}, depth_limit=1))


def overdispersed(n=1500, hits=20_000, dispersion=0.02, seed=5):
    """Maps in which the occupancy of each cell varies from map to map."""
    rng = np.random.default_rng(seed)
    return rng.poisson(hits * shares() * rng.gamma(1 / dispersion, dispersion, (n, *SHAPE)))


@pytest.mark.parametrize("per_cell", [False, True])
@pytest.mark.parametrize("hits", [4_000, 200_000])
def test_pulls_of_overdispersed_maps_have_width_1_at_any_number_of_hits(hits, per_cell):
    good = toy_maps(values=overdispersed(seed=5))
    wide = dispersion_of(good, REPRESENTATION, per_cell=per_cell)
    assert np.mean(wide) == pytest.approx(0.02, rel=0.05)
    others = toy_maps(values=overdispersed(hits=hits, seed=6))
    pulls = replace(REPRESENTATION, dispersion=wide)(others).image
    # 144,000 cells; what is left of 1 is the accuracy of the second order.
    assert pulls.std() == pytest.approx(1, abs=0.02)
    assert REPRESENTATION(others).image.std() > 1.3


def test_poisson_maps_have_no_dispersion_to_speak_of():
    found = dispersion_of(toy_maps(2000), REPRESENTATION)
    # A cell has 208 hits: 2000 x 96 squared residuals of 1 know the dispersion within sqrt(2 / 192,000) / 208.
    assert 0 <= found < 5e-5
    same = replace(REPRESENTATION, dispersion=1e-12)(toy_maps(20)).image
    np.testing.assert_allclose(same, REPRESENTATION(toy_maps(20)).image, atol=1e-4)


def test_a_dispersion_needs_maps_of_one_kind():
    one_full = toy_maps(values=toy_values(3) * np.array([1, 0, 0])[:, np.newaxis, np.newaxis])
    with pytest.raises(ValueError, match="1 of 3 maps have 10000 hits, required: 2 or more"):
        dispersion_of(one_full, REPRESENTATION, fewest_hits=1e4)
    turned = toy_values(40).astype(float)
    turned[:, :, :6] *= np.random.default_rng(1).exponential(2, (40, 8, 6)) ** 2
    with pytest.raises(ValueError, match="differ from their share by more than 71 %, required: maps of one element"):
        dispersion_of(toy_maps(values=np.round(turned)), REPRESENTATION)


def test_networks_of_rates_see_counts():
    maps = toy_maps(5)
    image = OccupancyMap(reference=REFERENCE, image="counts")(maps).image
    np.testing.assert_array_equal(image[:, 0], ak.to_numpy(maps["values"]))


@pytest.mark.parametrize("wrong", [-0.1, 0.6, float("nan"), (0.1, 0.2)])
def test_wrong_dispersions_are_refused(wrong):
    with pytest.raises(ValueError, match=r"dispersion of shape .*required: one number or \(8, 12\), from 0 to 0.5"):
        OccupancyMap(reference=REFERENCE, dispersion=wrong)


def test_other_images_are_refused():
    with pytest.raises(ValueError, match="image 'count' with a dispersion up to 0, required: 'pulls' or 'counts'"):
        OccupancyMap(reference=REFERENCE, image="count")
    with pytest.raises(ValueError, match=r"dispersion up to 0.1.*dispersion is for pulls, counts are Poisson"):
        OccupancyMap(reference=REFERENCE, image="counts", dispersion=0.1)
