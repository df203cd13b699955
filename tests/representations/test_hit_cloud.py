"""Hits as a cloud of points: plain numbers, no seam in azimuth, and what is refused."""

import awkward as ak
import numpy as np
import pytest
from toy_hits import toy_hits

from cortado.representations import HitCloud

EVENTS = toy_hits(5, 8, seed=2, noise=0.3)


def with_hits(events, **columns):
    hits = events.hits
    for name, column in columns.items():
        hits = ak.with_field(hits, column, name)
    return ak.with_field(events, hits, "hits")


def turned(events, angle):
    x, y = (ak.values_astype(events.hits[name], np.float64) for name in "xy")
    cos, sin = np.cos(angle), np.sin(angle)
    return with_hits(events, x=cos * x - sin * y, y=sin * x + cos * y)


def test_nodes_are_those_of_a_loop():
    made = HitCloud()(EVENTS)
    assert (made.nodes.dtype, made.event.dtype) == (np.float32, np.int64)
    expected, event = [], []
    for number, hits in enumerate(EVENTS.hits.to_list()):
        for hit in hits:
            x, y, z = (float(hit[name]) for name in "xyz")
            r = (x * x + y * y) ** 0.5
            expected.append([x / r, y / r, r / 1000, z / 1000, np.arcsinh(z / r) / 4])
            event.append(number)
    np.testing.assert_allclose(made.nodes, expected, atol=1e-6)
    assert made.event.tolist() == event
    assert np.abs(made.nodes).max() < 2


def test_a_small_turn_over_the_seam_is_a_small_change():
    hits = EVENTS.hits
    phi = np.arctan2(hits.y, hits.x)
    on_seam = with_hits(EVENTS, x=-np.hypot(hits.x, hits.y), y=0 * phi)
    before, after = (HitCloud()(turned(on_seam, angle)).nodes for angle in (-1e-4, 1e-4))
    np.testing.assert_allclose(before, after, atol=2.1e-4)


def test_half_a_turn_changes_signs_alone():
    nodes = HitCloud()(EVENTS).nodes
    np.testing.assert_allclose(HitCloud()(turned(EVENTS, np.pi)).nodes, nodes * [-1, -1, 1, 1, 1], atol=1e-5)


def test_few_hits():
    for few in (EVENTS[:0], with_none(EVENTS)):
        made = HitCloud()(few)
        assert (made.nodes.shape, made.event.shape) == ((0, 5), (0,))
        assert (made.nodes.dtype, made.event.dtype) == (np.float32, np.int64)
    one = ak.with_field(EVENTS, EVENTS.hits[:, :1], "hits")
    assert HitCloud()(one).event.tolist() == [0, 1, 2, 3, 4]


def with_none(events):
    return ak.with_field(events, events.hits[:, :0], "hits")


def test_what_is_refused():
    third = (np.arange(5) == 3) & (ak.local_index(EVENTS.hits.x) == 2)
    with pytest.raises(ValueError, match=r"HitCloud: hits\.z of event 3 is nan, must be finite"):
        HitCloud()(with_hits(EVENTS, z=ak.where(third, np.nan, EVENTS.hits.z)))
    on_line = with_hits(EVENTS, **{name: ak.where(third, 0.0, EVENTS.hits[name]) for name in "xy"})
    with pytest.raises(ValueError, match="HitCloud: 1 hits lie on the beam line, x = y = 0, the first in event 3"):
        HitCloud()(on_line)
    with pytest.raises(KeyError, match=r"HitCloud needs the field 'hits\.z'"):
        HitCloud()(ak.zip({"hits": EVENTS.hits[["x", "y"]]}, depth_limit=1))
    with pytest.raises(ValueError, match=r"HitCloud takes events of shape \(n,\)"):
        HitCloud()(ak.unflatten(EVENTS, [2, 3]))
