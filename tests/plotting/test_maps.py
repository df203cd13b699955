import numpy as np
import pytest

from cortado import plotting

COUNTS = np.arange(12.0).reshape(3, 4)
REGION = np.array([[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]])


def test_a_map_is_drawn_with_the_outline_of_its_region():
    figure, axes = plotting.fault_map(COUNTS, COUNTS + 1, -np.ones((3, 4)), REGION, right="run 7")
    assert len(axes) == 3
    np.testing.assert_array_equal(axes[0].images[0].get_array(), COUNTS)
    np.testing.assert_array_equal(axes[1].images[0].get_array(), COUNTS + 1)
    upright, flat = (collection.get_segments() for collection in axes[2].collections)
    assert len(upright) == 2
    assert len(flat) == 4
    assert plotting.png(figure).startswith(b"\x89PNG")


def test_histograms_of_one_dimension_are_drawn_as_such():
    _, axes = plotting.fault_map(COUNTS[:1], COUNTS[:1], COUNTS[:1], REGION[1:2])
    assert len(axes) == 2
    assert axes[1].get_xlabel() == "Bin"


def test_maps_have_one_shape():
    with pytest.raises(ValueError, match=r"all the same, got \(3, 4\), \(1, 4\)"):
        plotting.fault_map(COUNTS, COUNTS[:1], COUNTS, REGION)
