"""Places of constituents: the array's row i is the constituent of the jet's list that stands there."""

import awkward as ak
import numpy as np
import pytest
from toys import toy_jets

from cortado.representations import ParticleList, PointCloud


@pytest.mark.parametrize("kind", [ParticleList, PointCloud])
@pytest.mark.parametrize("length", [7, 128])
def test_rows_are_the_constituents_of_the_places(kind, length):
    jets = toy_jets(20, seed=4, min_constituents=0, max_constituents=15)
    representation = kind(features=("log_pt", "charge"), max_constituents=length, centre="centroid", mirror_eta=False)
    inputs, places = representation(jets), representation.places(jets)
    assert places.shape == inputs.mask.shape
    np.testing.assert_array_equal(places >= 0, inputs.mask)
    for jet, features, own in zip(jets, inputs.features, places):
        for row, place in zip(features, own):
            if place >= 0:
                expected = np.log(jet.constituents.pt[place]), jet.constituents.charge[place]
                np.testing.assert_allclose(row, expected, rtol=1e-5)
        taken = own[own >= 0].tolist()
        assert len(set(taken)) == len(taken) == min(len(jet.constituents), length)


def test_equal_momenta_keep_their_order():
    constituents = ak.zip({"pt": [[1.0, 2.0, 2.0, 1.0]], "eta": [[0.0] * 4], "phi": [[0.0] * 4]})
    assert ParticleList().places(ak.zip({"constituents": constituents}, depth_limit=1)).tolist() == [[1, 2, 0, 3]]


def test_jets_that_cannot_be_read_are_refused():
    jets = toy_jets(3)
    with pytest.raises(ValueError, match="ParticleList takes jets of shape"):
        ParticleList().places(ak.unflatten(jets, [2, 1]))
    with pytest.raises(KeyError, match=r"PointCloud needs the field 'constituents.pt'"):
        PointCloud().places(ak.with_field(jets, jets.constituents[["eta", "phi"]], "constituents"))
