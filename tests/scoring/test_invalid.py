"""Objects with a number that the network cannot take: an error that says what to do, or NaN in their place."""

import awkward as ak
import numpy as np
import pytest
import torch
from test_refused import with_candidate
from toys import toy_event_jets, toy_jets

import cortado
from cortado import bundle, scoring
from cortado.models import PFN
from cortado.representations import ParticleList
from cortado.scoring.friends import unscored
from cortado.tasks import Classes


def save(path, seed=1):
    arguments = {"phi": (4, 4), "hidden": (4,)}
    torch.manual_seed(seed)
    tagger = bundle.Bundle(
        representation=ParticleList(),
        model=PFN(**arguments),
        arguments=arguments,
        use=Classes(classes=("qcd", "w"), signal="w"),
    )
    return bundle.save(tagger, path, canary=toy_jets(4))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save(tmp_path_factory.mktemp("invalid") / "a.cortado")


JETS = toy_jets(150, seed=8)
BAD = with_candidate(JETS, [7, 120], "eta", np.nan)


def test_by_default_it_is_an_error_that_says_what_to_do(path):
    with pytest.raises(
        ValueError, match=r"eta of jet (7|120) is nan.*; drop such objects, or ask for NaN, invalid='nan'"
    ):
        cortado.load(path)(BAD)


@pytest.mark.parametrize("batch_size", [1, 16, 512])
def test_bad_objects_are_nan_and_the_others_as_ever(path, batch_size):
    scores = cortado.load(path, invalid="nan", batch_size=batch_size)(BAD)
    expected = np.asarray(cortado.load(path)(JETS)).copy()
    expected[[7, 120]] = np.nan
    assert str(scores.type) == "150 * float32"
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_nesting_is_kept_also_where_all_are_bad(path):
    jets = toy_event_jets(20)
    every = ak.with_field(jets, ak.with_field(jets.constituents, np.float32(np.nan), "phi"), "constituents")
    tagger = cortado.load(path, invalid="nan")
    assert ak.num(tagger(every)).tolist() == ak.num(jets).tolist()
    assert np.isnan(ak.flatten(tagger(every))).to_numpy().all()


def test_ensembles_and_folds_have_nan_in_the_same_places(path, tmp_path):
    both = scoring.ensemble([path, save(tmp_path / "b.cortado", seed=2)], invalid="nan")
    assert np.flatnonzero(np.isnan(both(BAD))).tolist() == [7, 120]


def test_what_was_left_out_is_told_with_its_reason(path):
    jets = ak.concatenate([BAD, ak.with_field(JETS[:3], JETS.constituents[:3, :0], "constituents")])
    tagger = cortado.load(path, invalid="nan", without_constituents="nan")
    assert unscored(tagger.predictor, jets, tagger(jets), name="jets") == {
        "jets have no constituents: their score is NaN": 3,
        "jets have a constituents.eta that is not finite: their score is NaN": 2,
    }


def test_a_wrong_policy_is_named(path):
    with pytest.raises(ValueError, match="invalid = 'drop', required: one of raise, nan"):
        cortado.load(path, invalid="drop")
