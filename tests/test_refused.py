"""The error about numbers of some objects: it says which, and travels between processes."""

import pickle

import awkward as ak
import numpy as np
import pytest
from toy_showers import toy_showers
from toys import toy_jets

from cortado.bundle import accepted
from cortado.refused import RefusedObjects
from cortado.representations import Columns, JetImage, ParticleList, PointCloud, ShowerShapes


def with_candidate(jets, index, name, value):
    """Jets whose first constituent has another number at some indices."""
    first = ak.local_index(jets.constituents.pt) == 0
    chosen = first & np.isin(np.arange(len(jets)), index)
    column = ak.where(chosen, np.float32(value), jets.constituents[name])
    return ak.with_field(jets, ak.with_field(jets.constituents, column, name), "constituents")


CASES = {
    "pT of 0": (PointCloud(), "pt", 0.0, "a log_pt that is not finite"),
    "negative pT": (ParticleList(), "pt", -1.0, "a constituents.pt that is negative or not finite"),
    "NaN": (ParticleList(), "eta", np.nan, "a constituents.eta that is not finite"),
}


@pytest.mark.parametrize("case", CASES)
def test_all_objects_that_are_refused_are_known_and_the_others_are_made(case):
    representation, name, value, reason = CASES[case]
    jets = toy_jets(20, seed=3)
    bad = with_candidate(jets, [3, 11], name, value)
    with pytest.raises(RefusedObjects, match="jet 3") as caught:
        representation(bad)
    assert caught.value.objects.tolist() == [3, 11]
    done = accepted(representation, bad)
    good = np.delete(np.arange(20), [3, 11])
    assert done.places.tolist() == good.tolist()
    assert done.refused == {reason: 2}
    for found, expected in zip(done.made, representation(jets[good])):
        np.testing.assert_array_equal(found, expected)


def test_several_reasons_are_counted_apart():
    jets = with_candidate(with_candidate(toy_jets(9), [1], "eta", np.nan), [4, 5], "phi", np.inf)
    done = accepted(ParticleList(), jets)
    assert done.refused == {"a constituents.eta that is not finite": 1, "a constituents.phi that is not finite": 2}
    assert len(done.places) == 6


def test_objects_of_any_kind_say_which_they_are():
    jets = ak.with_field(toy_jets(4), [1.0, 0.0, 1.0, 0.0], "pt")
    with pytest.raises(RefusedObjects, match=r"pt of jet 1 is 0\.0, must be positive to divide by it") as caught:
        JetImage(normalise="jet_pt")(jets)
    assert caught.value.objects.tolist() == [1, 3]
    events = ak.Array({"jets": [[{"pt": 1.0}], [], [{"pt": 2.0}]]})
    with pytest.raises(RefusedObjects, match=r"jets\.pt\[0\] is not there in 1 of 3 objects") as caught:
        Columns(features=("jets.pt[0]",))(events)
    assert caught.value.objects.tolist() == [1]


def test_showers_with_wrong_energies_are_known():

    showers = toy_showers(4, seed=1)
    energy = ak.to_numpy(showers.energy).copy()
    energy[[0, 2]] = -1.0
    with pytest.raises(RefusedObjects, match="2 of 4 incident energies are refused") as caught:
        ShowerShapes()(ak.with_field(showers, energy, "energy"))
    assert caught.value.objects.tolist() == [0, 2]


def test_an_error_without_objects_is_raised():
    def make(objects):
        raise RefusedObjects("nothing is known")

    with pytest.raises(RefusedObjects, match="nothing is known"):
        accepted(make, toy_jets(2))


def test_it_is_pickled_with_its_objects():
    back = pickle.loads(pickle.dumps(RefusedObjects("wrong", [4, 2, 4], "a log_pt that is not finite")))
    assert (str(back), back.objects.tolist(), back.reason) == ("wrong", [2, 4], "a log_pt that is not finite")
