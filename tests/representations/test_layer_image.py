"""Pictures of layers: every hit is in its pixel, and none is lost."""

import awkward as ak
import numpy as np
import pytest
from toy_layers import toy_layers

from cortado.representations import LayerImage

SMALL = LayerImage(layers=12, pixels=10)


def test_pictures_agree_with_a_loop_over_hits():
    events = toy_layers(6, seed=1)
    expected = np.zeros((6, 12, 10), bool)
    for event, hits in enumerate(events.hits.to_list()):
        for hit in hits:
            expected[event, hit["layer"], hit["module"]] = True
    np.testing.assert_array_equal(SMALL(events).image, expected)


def test_order_and_repetition_of_hits_do_not_matter():
    events = toy_layers(5, seed=2)
    doubled = ak.with_field(events, ak.concatenate([events.hits[:, ::-1], events.hits[:, :3]], axis=1), "hits")
    np.testing.assert_array_equal(SMALL(doubled).image, SMALL(events).image)


def test_no_events_and_no_hits():
    events = toy_layers(3)
    assert SMALL(events[:0]).image.shape == (0, 12, 10)
    assert not SMALL(ak.with_field(events, events.hits[:, :0], "hits")).image.any()


def test_the_field_of_the_pixels_can_be_another():
    events = toy_layers(3)
    other = LayerImage(layers=12, pixels=10, pixel="x")
    assert other.fields == ("hits.layer", "hits.x")
    np.testing.assert_array_equal(other(events).image, SMALL(events).image)


def test_hits_outside_are_refused_by_name():
    events = toy_layers(3)
    for field, value, most in (("module", 10, 9), ("module", -1, 9), ("layer", 12, 11)):
        moved = ak.where(np.arange(3) == 1, value, events.hits[field])
        wrong = ak.with_field(events, ak.with_field(events.hits, moved, field), "hits")
        with pytest.raises(
            ValueError, match=rf"hits lie outside, the first in event 1 with {field} {value}, .*to {most}"
        ):
            SMALL(wrong)


def test_what_cannot_be_a_picture_is_refused():
    events = toy_layers(2)
    with pytest.raises(ValueError, match=r"layers and pixels must be at least 1, got 0 and 50"):
        LayerImage(layers=0)
    with pytest.raises(KeyError, match=r"LayerImage needs the field 'hits.module'.*there are hits.x"):
        SMALL(ak.with_field(events, events.hits[["x", "layer"]], "hits"))
