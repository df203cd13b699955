"""Members that are None, as links of coffea have them: left out, never filled."""

import awkward as ak
import numpy as np
import pytest
from toys import toy_jets

from cortado import bundle
from cortado.representations import ParticleList

FIELDS = ("pt", "constituents.pt", "constituents.eta", "constituents.phi", "constituents.charge")
JETS = toy_jets(30, seed=4, min_constituents=2)


def with_missing(jets, as_records=True, share=0.3):
    """The jets with None among their constituents, and the mask of those that are not."""
    rng = np.random.default_rng(7)
    known = ak.unflatten(rng.random(ak.sum(ak.num(jets.constituents))) > share, ak.num(jets.constituents))
    constituents = ak.mask(jets.constituents, known)
    if not as_records:
        constituents = ak.zip({name: constituents[name] for name in constituents.fields})
    return ak.with_field(jets, constituents, "constituents"), known


@pytest.mark.parametrize("as_records", [True, False], ids=["records", "fields"])
def test_none_is_left_out(as_records):
    jets, known = with_missing(JETS, as_records)
    expected = ak.with_field(JETS, JETS.constituents[known], "constituents")
    assert bundle.columns(jets, FIELDS).tolist() == bundle.columns(expected, FIELDS).tolist()
    assert bundle.lengths(bundle.columns(jets, FIELDS)).tolist() == ak.num(expected.constituents).tolist()
    for found, wanted in zip(ParticleList()(jets), ParticleList()(expected)):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("as_records", [True, False], ids=["records", "fields"])
def test_option_types_without_none_are_taken(as_records):
    jets, _ = with_missing(JETS, as_records, share=-1)
    jets = ak.with_field(jets, ak.mask(jets.pt, jets.pt > 0), "pt")
    jets = ak.with_field(jets, ak.mask(jets.constituents, jets.pt > 0), "constituents")
    assert "?" in str(jets.type)
    for found, wanted in zip(ParticleList()(jets), ParticleList()(JETS)):
        np.testing.assert_array_equal(found, wanted)
    assert "?" not in str(bundle.columns(jets, FIELDS).constituents.type)


def test_a_member_without_some_of_its_numbers_is_an_error():
    constituents = ak.zip({name: JETS.constituents[name] for name in JETS.constituents.fields})
    charge = ak.mask(constituents.charge, constituents.pt != constituents.pt[2][1])
    jets = ak.with_field(JETS, ak.with_field(constituents, charge, "charge"), "constituents")
    message = r"constituents\.charge of a member of object 2 is None while its other fields are not"
    with pytest.raises(ValueError, match=message):
        bundle.columns(jets, FIELDS)


def test_a_missing_list_is_an_error():
    jets = ak.with_field(JETS, ak.mask(JETS.constituents, JETS.pt != JETS.pt[5]), "constituents")
    with pytest.raises(ValueError, match="constituents of object 5 is None; 1 of 30 are"):
        bundle.columns(jets, FIELDS)
    with pytest.raises(ValueError, match="constituents of jet 5 is None; 1 of 30 are"):
        ParticleList()(jets)
