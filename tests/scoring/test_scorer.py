"""A scorer: scores of each jet alone, in their own nesting, whatever the batches."""

import awkward as ak
import numpy as np
import pytest
import torch
from coffea.nanoevents import NanoAODSchema, NanoEventsFactory
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_taggers import (
    Kinematics,
    Linear,
    changed,
    load_toy,
    toy_bundle,
)
from toys import toy_event_jets, toy_jets

import cortado
from cortado import bundle, scoring
from cortado.bundle.answering import batches
from cortado.models import PFN
from cortado.representations import ParticleList
from cortado.tasks import Classes


def one_by_one(jets):
    """Slow twin: each jet alone through the unfolded model."""
    tagger = toy_bundle()
    model = tagger.model.eval()
    batches = [tagger.prepare(jets[i : i + 1]) for i in range(len(jets))]
    return np.array([torch.softmax(bundle.run(model, batch), dim=1)[0, 1].item() for batch in batches])


def test_scores_are_those_of_each_jet_alone(scorer):
    jets = toy_jets(25)
    scores = scorer(jets)
    assert str(scores.type) == "25 * float32"
    np.testing.assert_allclose(scores, one_by_one(jets), atol=1e-5)
    assert np.std(scores) > 0.01


@pytest.mark.parametrize("batch_size, chunk", [(1, 30), (7, 13), (512, 1), (512, 30)])
def test_scores_do_not_depend_on_batches_chunks_or_order(scorer, batch_size, chunk):
    jets = toy_jets(30)
    order = np.random.default_rng(1).permutation(30)
    shuffled = jets[order]
    other = changed(scorer, batch_size=batch_size)
    chunks = ak.concatenate([other(shuffled[i : i + chunk]) for i in range(0, 30, chunk)])
    np.testing.assert_allclose(chunks, scorer(jets)[order], atol=1e-5)


def test_probabilities_and_discriminant(scorer):
    jets = toy_event_jets(20)
    probabilities = scorer.probabilities(jets)
    assert probabilities.fields == ["qcd", "w"]
    assert ak.all(probabilities.w == scorer(jets), axis=None)
    np.testing.assert_allclose(ak.flatten(probabilities.w + probabilities.qcd), 1, atol=1e-6)
    share = scorer.discriminant(jets, numerator=("w",), denominator=("qcd",))
    np.testing.assert_allclose(ak.flatten(share), ak.flatten(scorer(jets)), atol=1e-6)
    assert ak.all(scorer.discriminant(jets, ("w", "qcd"), ()) == 1, axis=None)
    assert ak.all(scorer.discriminant(jets, (), ()) == 0.5, axis=None)


def test_bfloat16_scores_are_close_but_others(scorer):
    jets = toy_jets(50)
    coarse = changed(scorer, precision="bfloat16")(jets)
    assert str(coarse.type) == "50 * float32"
    assert 0 < ak.max(abs(coarse - scorer(jets))) < 0.03


def test_inputs_are_not_changed(scorer):
    jets = toy_event_jets(20)
    before = ak.to_list(jets)
    scorer(jets)
    assert ak.to_list(jets) == before


def nestings():
    jets = toy_event_jets(12)
    return {
        "flat": ak.flatten(jets),
        "events": jets,
        "optional": ak.firsts(jets),
        "optional, all there": ak.firsts(jets[ak.num(jets) > 0]),
        "padded": ak.pad_none(jets, 2),
        "regular": ak.to_regular(ak.pad_none(jets, 2, clip=True), axis=1),
        "deep": ak.unflatten(jets, [3, 0, 5, 4]),
        "masked lists": ak.mask(jets, ak.num(jets) > 1),
        "sliced": jets[::-2],
        "union of chunks": ak.concatenate([jets[:5], jets[5:]]),
    }


@pytest.mark.parametrize("name", nestings())
def test_scores_have_the_nesting_of_the_jets(scorer, name):
    jets = nestings()[name]
    scores = scorer(jets)
    wanted = str(ak.values_astype(jets.pt, np.float32).type)
    assert str(scores.type) == wanted
    flat = scorer(ak.drop_none(ak.flatten(toy_event_jets(12))))
    by_pt = dict(zip(ak.flatten(toy_event_jets(12)).pt.tolist(), flat.tolist()))
    expected = ak.to_list(jets.pt)

    def matches(pts, values):
        if isinstance(pts, list):
            return len(pts) == len(values) and all(map(matches, pts, values))
        return values is None if pts is None else values == pytest.approx(by_pt[pts], abs=1e-5)

    assert matches(expected, ak.to_list(scores))


@pytest.mark.parametrize("name", nestings())
def test_nothing_in_gives_nothing_of_the_same_type(scorer, name):
    jets = nestings()[name]
    assert str(scorer(jets[:0]).type) == str(scorer(jets).type).replace(f"{len(jets)} *", "0 *", 1)
    assert len(scorer.probabilities(jets[:0])) == 0


def test_events_without_jets_keep_their_place(scorer):
    jets = toy_event_jets(12)
    assert str(scorer(jets[ak.num(jets) == 0]).type) == f"{ak.sum(ak.num(jets) == 0)} * var * float32"


def test_jets_must_be_records(scorer):
    with pytest.raises(ValueError, match=r"array of records with fields such as pt, got 2 \* int64"):
        scorer(ak.Array([1, 2]))


def test_a_missing_field_names_the_nearest(scorer):
    with pytest.raises(ValueError, match="objects have no field 'phi'; there are"):
        scorer(toy_jets(3)[["pt", "eta", "constituents"]])


def test_jets_of_nanoevents(scorer, test_data):
    file = {test_data / "jets" / "nano_tt_v15.root": "Events"}
    events = NanoEventsFactory.from_root(file, schemaclass=NanoAODSchema, mode="virtual", entry_stop=30).events()
    jets = cortado.readers.jets(events)
    scores = changed(scorer, without_constituents="nan")(jets)
    assert ak.num(scores).tolist() == ak.num(events.FatJet).tolist()
    plain = cortado.read(test_data / "jets" / "nano_tt_v15.root", stop=30).jets
    expected = changed(scorer, without_constituents="nan")(plain)
    np.testing.assert_allclose(ak.flatten(scores), ak.flatten(expected), atol=1e-5)


def with_empty_jets():
    jets = toy_jets(6)
    keep = np.array([True, False, True, True, False, True])
    return ak.with_field(jets, jets.constituents[ak.broadcast_arrays(jets.constituents.pt, keep)[1]], "constituents")


def test_jets_without_constituents_are_an_error_that_counts_them(scorer):
    with pytest.raises(ValueError, match=r"2 of 6 jets have no constituents.*drop them.*without_constituents='nan'"):
        scorer(with_empty_jets())


@pytest.mark.parametrize("batch_size", [1, 512])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_jet_that_cannot_be_scored_is_named_by_its_number_among_all(tmp_path, batch_size, threads):
    jets = toy_jets(130)
    use = Classes(classes=("q", "t"), signal="t")
    tagger = bundle.Bundle(representation=ParticleList(), model=PFN(), arguments={}, use=use)
    scorer = scoring.load(bundle.save(tagger, tmp_path / "pfn.cortado", canary=jets[:6]))
    pt = ak.where(np.arange(130) == 104, np.nan, jets.constituents.pt)
    with pytest.raises(ValueError, match=r"of jet 104 is nan, must be"):
        changed(scorer, batch_size=batch_size, threads=threads)(ak.with_field(jets, pt, ("constituents", "pt")))


def test_jets_without_constituents_can_score_nan_and_fail(scorer):
    tolerant = changed(scorer, without_constituents="nan")
    scores = tolerant(with_empty_jets())
    assert np.isnan(scores).tolist() == [False, True, False, False, True, False]
    np.testing.assert_allclose(scores[[0, 2, 3, 5]], scorer(toy_jets(6))[[0, 2, 3, 5]], atol=1e-5)
    assert not ak.any(tolerant.passes(scores, "50%")[[1, 4]])
    assert np.isnan(tolerant.discriminant(with_empty_jets(), ("w",), ("qcd",))[1])


def test_a_representation_without_constituents_does_not_ask_for_them(tmp_path):
    tagger = toy_bundle(representation=Kinematics(), model=Linear(), arguments={})
    path = bundle.save(tagger, tmp_path / "a.cortado", canary=toy_jets(3))
    assert not ak.any(np.isnan(load_toy(path)(with_empty_jets())))


@given(st.lists(st.integers(0, 300), max_size=80), st.integers(1, 50))
@settings(max_examples=60, deadline=None)
def test_batches_hold_every_jet_once_and_are_bounded(lengths, batch_size):
    lengths = np.array(lengths, np.int64)
    scored = np.flatnonzero(lengths)
    found = list(batches(scored, lengths, batch_size))
    assert sorted(np.concatenate([*found, []])) == scored.tolist()
    for batch in found:
        assert 1 <= len(batch) <= batch_size
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= 32 * batch_size


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"threads": 0}, "threads must be at least 1 or None, got 0"),
        ({"precision": "float16"}, "precision = 'float16', required: one of .*; nearest: bfloat16"),
        ({"without_constituents": "drop"}, "without_constituents = 'drop', required: one of raise, nan"),
    ],
)
def test_settings_are_checked(scorer, changes, message):
    with pytest.raises(ValueError, match=message):
        changed(scorer, **changes)


def test_the_short_name(path):
    with pytest.raises(ValueError, match="unknown representation 'Prongs'"):
        cortado.load(path)
