import json

import awkward as ak
import numpy as np
import pytest
from toy_maps import SHAPE, shares, toy_maps, toy_values

from cortado.bundle.description import tuples
from cortado.representations import OccupancyMap
from cortado.counts import mean_root, root
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
