from dataclasses import replace

import awkward as ak
import numpy as np
import pytest
import torch
from toy_maps import SHAPE, shares, toy_maps

from cortado import bundle as bundles
from cortado.bundle.description import tuples
from cortado.counts import mean_root, root
from cortado.models import AsReference
from cortado.reconstruction import BOXES, largest_significance
from cortado.representations import OccupancyMap
from cortado.representations.occupancy_map import OccupancyMapInputs
from cortado.tasks import Watched

BUNDLE = bundles.Bundle(
    representation=OccupancyMap(reference=tuples(shares().tolist())), model=AsReference(), arguments={}, use=Watched()
)


def test_the_answer_is_the_largest_significance_of_what_is_left():
    maps = toy_maps(30)
    answers = bundles.answers(replace(BUNDLE, use=Watched(spread=2.0, cells=True)), maps)
    pulls = BUNDLE.representation(maps).image[:, 0] / 2
    np.testing.assert_allclose(ak.to_numpy(answers.pull), pulls, rtol=1e-6)
    np.testing.assert_allclose(ak.to_numpy(answers.anomaly), largest_significance(pulls.astype(float)), rtol=1e-5)
    assert answers.hits.tolist() == maps.entries.tolist()
    assert "pull" not in bundles.answers(BUNDLE, maps).fields


def test_what_the_network_expects_is_subtracted():
    left = Watched().answers(
        torch.ones(2, 1, 3, 4),
        OccupancyMap(reference=(1.0,))(ak.zip({"values": [[1.0]] * 2}, depth_limit=1))._replace(
            image=torch.full((2, 1, 3, 4), 3.0)
        ),
    )["left"]
    assert torch.equal(left, torch.full((2, 3, 4), 2.0))


def test_of_networks_that_give_rates_the_counts_are_compared_with_them():
    counts, rates = np.array([[0.0, 9.0, 40.0]], np.float32), np.array([[0.5, 9.0, 30.0]], np.float32)
    left = Watched(rates=True).left(np.log(rates)[None, None], counts[None, None])
    np.testing.assert_allclose(left[0], root(counts) - mean_root(rates), rtol=1e-5)
    same = Watched(rates=True).answers(
        torch.from_numpy(np.log(rates)[None, None]), OccupancyMapInputs(torch.from_numpy(counts[None, None]))
    )
    np.testing.assert_array_equal(same["left"].numpy(), left)


def test_each_cell_may_have_its_own_spread():
    spread = tuple(tuple(row) for row in np.linspace(1, 2, 96).reshape(SHAPE).tolist())
    left = np.ones((2, *SHAPE), np.float32)
    np.testing.assert_allclose(Watched(spread=spread).pulls(left), 1 / np.asarray(spread)[None].repeat(2, 0))


def test_maps_with_few_hits_are_flagged():
    answers = bundles.answers(
        BUNDLE, toy_maps(values=np.stack([np.zeros(SHAPE), np.full(SHAPE, 5), np.full(SHAPE, 50)]))
    )
    assert answers.few_hits.tolist() == [True, True, False]


def test_several_trainings_give_their_mean():
    members = [bundles.answers(replace(BUNDLE, use=Watched(spread=s)), toy_maps(5)) for s in (1.0, 2.0)]
    both = Watched().combined(members)
    np.testing.assert_allclose(both.anomaly, 0.75 * ak.to_numpy(members[0].anomaly), rtol=1e-6)


def test_a_bundle_comes_back(tmp_path):
    path = bundles.save(replace(BUNDLE, use=Watched(spread=1.5)), tmp_path / "m.cortado", canary=toy_maps(4))
    back = bundles.load(path)
    assert back.use == Watched(spread=1.5)
    assert back.use.meaning == (1000.0, BOXES, "", False)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"spread": 0.0}, "spread must be one positive number"),
        ({"spread": ((1.0, -1.0),)}, "spread must be one positive number"),
        ({"boxes": ()}, "boxes must be pairs"),
        ({"boxes": ((1, -2),)}, "boxes must be pairs"),
        ({"cyclic": "phi"}, "cyclic must be one of '', 'x', 'y', 'xy', got 'phi'"),
        ({"fewest_hits": -1.0}, "fewest_hits must be at least 0"),
    ],
)
def test_wrong_uses_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Watched(**wrong).check("m.cortado")
