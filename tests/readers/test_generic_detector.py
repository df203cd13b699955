"""Numbers of the layers of the TrackML and generic detector."""

import numpy as np
import pyarrow.csv
import pytest

from cortado.readers.generic_detector import N_LAYERS, layer_at, layer_number


def geometry(test_data):
    """Volume, layer, radius and z of all modules of the real detector."""
    table = pyarrow.csv.read_csv(test_data / "tracking/trackml_event1_thinned/detectors.csv.gz")
    volume, layer_id, x, y, z = (table[name].to_numpy() for name in ("volume_id", "layer_id", "cx", "cy", "cz"))
    return volume, layer_id, np.hypot(x, y), z


def test_all_48_layers_of_the_real_detector_from_inside_out(test_data):
    volume, layer_id, radius, z = geometry(test_data)
    layer = layer_number(volume, layer_id)
    assert np.unique(layer).tolist() == list(range(48))
    assert N_LAYERS == 48
    barrel = np.isin(volume, [8, 13, 17])
    depth = np.where(barrel, radius, np.abs(z))
    means = np.array([depth[layer == number].mean() for number in range(48)])
    volumes = np.array([volume[layer == number][0] for number in range(48)])
    assert np.all(np.diff(volumes) >= 0)
    assert np.all(np.diff(means)[np.diff(volumes) == 0] > 0)


def test_pixel_layers_are_found_by_their_positions(test_data):
    volume, layer_id, radius, z = geometry(test_data)
    pixel = volume < 10
    layer, own_volume = layer_at(radius[pixel], z[pixel])
    assert np.array_equal(layer, layer_number(volume, layer_id)[pixel])
    assert np.array_equal(own_volume, volume[pixel])


def test_unknown_volumes_and_layers_are_named():
    with pytest.raises(ValueError, match=r"3 hits are in the volumes \[3, 30\]; the .* have \[7, 8, 9, 12,"):
        layer_number(np.array([30, 8, 3, 30]), np.array([2, 2, 2, 2]))
    for wrong in (10, 3, 0, -2):
        with pytest.raises(
            ValueError, match=rf"1 hits .* first in layer {wrong} of volume 8, which has .* 2, 4, ..., 8"
        ):
            layer_number(np.array([7, 8]), np.array([14, wrong]))


@pytest.mark.parametrize(("radius", "z"), [(50.0, 0.0), (32.0, 560.0), (1e6, 0.0), (100.0, -660.0), (np.nan, 0.0)])
def test_hits_outside_the_layers_are_named(radius, z):
    with pytest.raises(
        ValueError, match=rf"1 hits are on no pixel layer, the first at radius {radius:.1f} mm, z {z:.1f}"
    ):
        layer_at(np.array([32.0, radius]), np.array([0.0, z]))
