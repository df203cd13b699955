import awkward as ak
import numpy as np
import pytest
from toy_showers import toy_showers

from cortado.calorimeter import GEOMETRIES
from cortado.representations import ShowerImages


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda geometry: geometry.name)
def test_there_and_back_is_the_same_shower(geometry):
    showers = toy_showers(5, geometry=geometry)
    representation = ShowerImages(geometry=geometry)
    back = representation.inverse(*representation(showers))
    for name in representation.fields:
        np.testing.assert_array_equal(ak.to_numpy(back[name]), ak.to_numpy(showers[name]))


def test_names_say_where_a_cell_is():
    showers = toy_showers(1)
    image = dict(zip(ShowerImages().features, ShowerImages()(showers).features[0]))
    assert image["layer_0[2,95]"] == showers.layer_0[0, 2, 95]
    assert image["layer_1[5,6]"] == showers.layer_1[0, 5, 6] > 0
    assert image["layer_2[11,0]"] == showers.layer_2[0, 11, 0]


def test_negative_features_give_empty_cells():
    showers = ShowerImages().inverse([5.0], np.where(np.arange(504) == 7, 0.25, -0.5)[None])
    assert ak.sum(showers.layer_0) == showers.layer_0[0, 0, 7] == 0.25
    assert ak.sum(showers.layer_1) == ak.sum(showers.layer_2) == 0
