import numpy as np
import pytest
from scipy import ndimage

from cortado.reconstruction import BOXES, fault_regions, largest_significance

RNG = np.random.default_rng(1)
PULLS = RNG.normal(size=(20, 9, 11))


def slow_largest(pulls, boxes):
    largest = []
    for each in pulls:
        rows, columns = each.shape
        best = 0.0
        for a, b in boxes:
            a, b = min(a or rows, rows), min(b or columns, columns)
            for i in range(rows - a + 1):
                for j in range(columns - b + 1):
                    best = max(best, abs(each[i : i + a, j : j + b].sum()) / np.sqrt(a * b))
        largest.append(best)
    return np.array(largest)


def slow_cyclic(pulls, boxes, cyclic):
    """Rectangles from each cell of each map, whose rows and columns are counted on behind the seam."""
    _, rows, columns = pulls.shape
    largest = np.zeros(len(pulls))
    for a, b in boxes:
        a, b = min(a or rows, rows), min(b or columns, columns)
        for i in range(rows if "y" in cyclic else rows - a + 1):
            for j in range(columns if "x" in cyclic else columns - b + 1):
                inside = pulls[:, np.arange(i, i + a) % rows][:, :, np.arange(j, j + b) % columns]
                largest = np.maximum(largest, np.abs(inside.sum(axis=(1, 2))) / np.sqrt(a * b))
    return largest


def regions(pulls, threshold=4.0, cyclic=""):
    return fault_regions(pulls, np.full(pulls.shape, 10.0), np.full(pulls.shape, 5.0), threshold, BOXES, cyclic)


@pytest.mark.parametrize("boxes", [BOXES, ((1, 1),), ((0, 0),), ((20, 3),)])
def test_the_largest_significance_is_that_of_the_slow_twin(boxes):
    np.testing.assert_allclose(largest_significance(PULLS, boxes), slow_largest(PULLS, boxes), rtol=1e-9)


def test_significance_of_a_single_rectangle_has_unit_width():
    sums = RNG.normal(size=(4000, 4, 4))
    assert largest_significance(sums, ((0, 0),)).max() < 5
    assert np.mean(largest_significance(sums, ((0, 0),)) ** 2) == pytest.approx(1, abs=0.08)


def test_a_map_has_regions_if_and_only_if_it_is_above_the_threshold():
    score = largest_significance(PULLS)
    threshold = float(np.median(score))
    found, _ = regions(PULLS, threshold)
    assert set(found.map) == set(np.flatnonzero(score > threshold))
    assert (found.significance > threshold).all()


def test_the_region_is_what_is_broken():
    pulls = np.zeros((3, 9, 11))
    pulls[1, 2:5, 6:8] = -10
    pulls[2, 7, :] = 3
    found, labels = regions(pulls, 5.0)
    assert found.map.tolist() == [1, 2]
    assert found.excess.tolist() == [False, True]
    assert found.cells.tolist() == [6, 11]
    box = (found.first_row[0], found.last_row[0], found.first_column[0], found.last_column[0])
    assert box == (2, 4, 6, 7)
    np.testing.assert_array_equal(labels > 0, pulls != 0)
    assert found.observed.tolist() == [60, 110]
    assert found.expected.tolist() == [30, 55]


def test_labels_name_the_regions():
    pulls = np.zeros((2, 8, 8))
    pulls[0, 0, 0], pulls[0, 5, 5], pulls[1, 3, 3], pulls[1, 0, 7] = 9, -9, 9, -9
    found, labels = regions(pulls)
    for number in range(len(found.map)):
        where = np.argwhere(labels == number + 1)
        assert where.tolist() == [[found.map[number], found.first_row[number], found.first_column[number]]]
        assert (pulls[tuple(where[0])] > 0) == found.excess[number]


def test_regions_are_connected_within_their_map():
    pulls = np.zeros((2, 6, 6))
    pulls[0, 1, 1] = pulls[0, 2, 2] = pulls[1, 2, 2] = 8
    found, _ = regions(pulls)
    assert found.cells.tolist() == [2, 1]
    assert ndimage.label(pulls[0], np.ones((3, 3)))[1] == 1


def test_a_hot_cell_does_not_hide_a_dead_one_beside_it():
    pulls = np.zeros((1, 6, 6))
    pulls[0, 2, 2], pulls[0, 2, 3] = 30, -8
    found, _ = regions(pulls)
    assert sorted(found.excess) == [False, True]


def test_turned_over_maps_give_the_turned_over_regions():
    found, labels = regions(PULLS, 3.0)
    other, turned = regions(-PULLS, 3.0)
    assert sorted(found.significance) == pytest.approx(sorted(other.significance))
    np.testing.assert_array_equal(labels > 0, turned > 0)


def test_no_maps_give_no_regions():
    found, labels = regions(np.zeros((0, 4, 4)))
    assert len(found.map) == 0
    assert labels.shape == (0, 4, 4)


def test_inputs_stay_as_they_are():
    before = PULLS.copy()
    regions(PULLS, 2.0)
    np.testing.assert_array_equal(PULLS, before)


def test_a_threshold_is_above_nothing():
    with pytest.raises(ValueError, match="must be above 0, got 0"):
        regions(PULLS, 0.0)


@pytest.mark.parametrize("cyclic", ["x", "y", "xy"])
@pytest.mark.parametrize("boxes", [BOXES, ((20, 3),), ((0, 0), (9, 10))])
def test_over_the_seam_the_largest_significance_is_that_of_the_slow_twin(boxes, cyclic):
    found = largest_significance(PULLS, boxes, cyclic)
    np.testing.assert_allclose(found, slow_cyclic(PULLS, boxes, cyclic), rtol=1e-9)
    assert (found >= largest_significance(PULLS, boxes) * (1 - 1e-9)).all()


@pytest.mark.parametrize("cyclic, shift", [("x", (0, 4)), ("y", (5, 0)), ("xy", (7, 9))])
def test_turned_maps_give_turned_regions(cyclic, shift):
    """Rolling a map along a cyclic axis changes nothing but where its regions are."""
    turned = np.roll(PULLS, shift, axis=(1, 2))
    found, labels = regions(PULLS, 3.0, cyclic)
    other, moved = regions(turned, 3.0, cyclic)
    np.testing.assert_allclose(largest_significance(turned, BOXES, cyclic), largest_significance(PULLS, BOXES, cyclic))
    np.testing.assert_array_equal(np.roll(labels > 0, shift, axis=(1, 2)), moved > 0)
    for name in ("map", "cells", "observed"):
        assert sorted(getattr(found, name)) == sorted(getattr(other, name))
    assert sorted(found.significance) == pytest.approx(sorted(other.significance))


def test_a_hot_rectangle_over_the_seam_is_one():
    pulls = np.zeros((1, 9, 11))
    pulls[0, 3:6, [10, 0, 1]] = 6
    (two, _), (one, labels) = regions(pulls, 5.0), regions(pulls, 5.0, "x")
    assert two.cells.tolist() == [6, 3]
    assert one.cells.tolist() == [9]
    ends = (one.first_row[0], one.last_row[0], one.first_column[0], one.last_column[0])
    assert ends == (3, 5, 10, 1)
    assert one.significance[0] > two.significance.max()
    np.testing.assert_array_equal(labels > 0, pulls > 0)


def test_cells_touch_over_the_corner_of_a_seam_only_if_both_axes_are_closed():
    pulls = np.zeros((1, 9, 11))
    pulls[0, 0, 0] = pulls[0, 8, 10] = 9
    assert [len(regions(pulls, 5.0, cyclic)[0].map) for cyclic in ("", "x", "y", "xy")] == [2, 2, 2, 1]
    ends = regions(pulls, 5.0, "xy")[0]
    assert (ends.first_row[0], ends.last_row[0], ends.first_column[0], ends.last_column[0]) == (8, 0, 10, 0)
    pulls[0] = 0
    pulls[0, 2, 0] = pulls[0, 3, 10] = 9
    assert regions(pulls, 5.0, "x")[0].cells.tolist() == [2]


def test_a_ring_has_no_seam():
    pulls = np.zeros((2, 9, 11))
    pulls[:, 4] = 7
    found, _ = regions(pulls, 5.0, "x")
    assert (found.first_column.tolist(), found.last_column.tolist()) == ([0, 0], [10, 10])
    assert found.map.tolist() == [0, 1]
