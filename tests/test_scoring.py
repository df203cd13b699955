import concurrent.futures
import itertools
import multiprocessing
import pickle
import platform
import sys
import threading
import types

import awkward as ak
import numpy as np
import pytest
import torch
from coffea.analysis_tools import Weights
from coffea.nanoevents import NanoAODSchema, NanoEventsFactory
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_taggers import (
    HALF,
    OWN,
    Kinematics,
    Linear,
    changed,
    fold_bundles,
    load_toy,
    save_toy,
    score_chunk,
    toy_bundle,
)
from toys import toy_event_jets, toy_jets

import cortado
from cortado import bundle, scoring, splits, weights
from cortado.bundle import answering
from cortado.bundle.answering import batches
from cortado.models import PFN
from cortado.representations import ParticleList
from cortado.scoring import process
from cortado.tasks import Classes


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save_toy(tmp_path_factory.mktemp("scoring") / "toy.cortado")


@pytest.fixture(scope="module")
def scorer(path):
    return load_toy(path)


def one_by_one(jets):
    """Slow twin: each jet alone through the unfolded model."""
    tagger = toy_bundle()
    model = tagger.model.eval()
    batches = [tagger.prepare(jets[i : i + 1]) for i in range(len(jets))]
    return np.array([torch.softmax(bundle.run(model, batch), dim=1)[0, 1].item() for batch in batches])


# Scores


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


# Nesting


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


# Jets without constituents


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


# Batches


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


# Processes, threads, devices


def test_a_scorer_is_small_and_survives_pickling(scorer):
    again = pickle.loads(pickle.dumps(scorer))
    assert len(pickle.dumps(scorer)) < 2000
    assert again == scorer
    jets = toy_jets(5)
    assert again(jets).tolist() == scorer(jets).tolist()


def test_ten_chunks_on_two_workers_read_the_bundle_at_most_twice(scorer):
    jets = toy_event_jets(30)
    chunks = [jets[i : i + 3] for i in range(0, 30, 3)]
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=spawn) as pool:
        scores, workers, loads = zip(*pool.map(score_chunk, [scorer] * 10, chunks))
    reads = {worker: max(n for w, n in zip(workers, loads) if w == worker) for worker in workers}
    assert sum(reads.values()) == len(set(workers)) <= 2
    assert all(n == 1 for n in reads.values())
    expected = ak.flatten(scorer(jets))
    np.testing.assert_allclose(np.concatenate([ak.flatten(chunk) for chunk in scores]), expected, atol=1e-5)


def test_a_forked_worker_uses_what_its_parent_has_read(scorer):
    fork = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=fork) as pool:
        scores, _, loads = pool.submit(score_chunk, scorer, toy_event_jets(5)).result(timeout=60)
    assert loads == 0
    assert len(scores) == 5


def test_equal_bundles_are_read_once(tmp_path):
    before = scoring.loads()
    first, second = save_toy(tmp_path / "a.cortado", seed=5), save_toy(tmp_path / "b.cortado", seed=5)
    for _ in range(3):
        load_toy(first)(toy_jets(2))
        load_toy(second)(toy_jets(2))
    assert scoring.loads() == before + 1


@pytest.fixture
def forgetful(monkeypatch):
    """As a new process: nothing has been read."""
    monkeypatch.setattr(process, "_networks", {})


def test_a_worker_without_the_file_says_which_and_where(tmp_path, forgetful, monkeypatch):
    path = save_toy(tmp_path / "a.cortado")
    scorer = load_toy(path)
    path.unlink()
    scorer(toy_jets(2))  # this process has it
    monkeypatch.setattr(process, "_networks", {})
    with pytest.raises(FileNotFoundError, match=f"no bundle {path} on host {platform.node()}"):
        scorer(toy_jets(2))


def test_a_bundle_that_was_replaced_is_refused(tmp_path, forgetful, monkeypatch):
    scorer = load_toy(save_toy(tmp_path / "a.cortado"))
    save_toy(tmp_path / "a.cortado", seed=2)
    monkeypatch.setattr(process, "_networks", {})
    with pytest.raises(ValueError, match=r"a.cortado: changed since it was loaded .*load it again"):
        scorer(toy_jets(2))


def test_networks_are_not_kept_without_end(tmp_path, forgetful, monkeypatch):
    monkeypatch.setattr(process, "_KEPT", 2)
    scorers = [load_toy(save_toy(tmp_path / f"{seed}.cortado", seed)) for seed in range(3)]
    before = scoring.loads()
    for scorer in scorers[::-1]:
        scorer(toy_jets(2))
    assert scoring.loads() == before + 1  # the first of the three had to make room


@pytest.fixture
def threads_seen(monkeypatch):
    """Number of threads each time that a network is asked."""
    seen = []
    original = answering._answer

    def answer(*arguments):
        seen.append(torch.get_num_threads())
        return original(*arguments)

    monkeypatch.setattr(answering, "_answer", answer)
    return seen


def test_threads_are_set_while_scoring_and_restored(scorer, threads_seen):
    before = torch.get_num_threads()
    changed(scorer, threads=before + 1)(toy_jets(3))
    scorer(toy_jets(3))
    assert threads_seen == [before + 1, before]
    assert torch.get_num_threads() == before
    with pytest.raises(ValueError, match="no constituents"):
        changed(scorer, threads=before + 1)(with_empty_jets())
    assert torch.get_num_threads() == before


def test_each_thread_has_a_batch_of_its_own(scorer, threads_seen):
    """Within a batch there is then one thread; what is said is the same as batch by batch."""
    before, jets = torch.get_num_threads(), toy_jets(200)
    one, four = (changed(scorer, threads=threads, batch_size=16)(jets) for threads in (1, 4))
    assert set(threads_seen) == {1}
    np.testing.assert_allclose(four, one, rtol=1e-5, atol=1e-6)
    assert torch.get_num_threads() == before


def test_threads_score_at_the_same_time(scorer, monkeypatch):
    """Two batches meet in the network, which they could not one after the other."""
    meeting, original, calls = threading.Barrier(2, timeout=20), answering._answer, itertools.count()

    def answer(*arguments):
        if next(calls) < 2:
            meeting.wait()
        return original(*arguments)

    monkeypatch.setattr(answering, "_answer", answer)
    assert len(changed(scorer, threads=2)(toy_jets(128))) == 128


@pytest.mark.parametrize("where", ["child", "dask worker", "dask client"])
def test_workers_score_with_one_thread(scorer, threads_seen, monkeypatch, where):
    def get_worker():
        if where == "dask client":
            raise ValueError("No workers found")
        return object()

    if where == "child":
        monkeypatch.setattr(multiprocessing, "parent_process", lambda: object())
    else:
        monkeypatch.setitem(sys.modules, "distributed", types.SimpleNamespace(get_worker=get_worker))
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        scorer(toy_jets(3))
        changed(scorer, threads=2)(toy_jets(3))
    finally:
        torch.set_num_threads(before)
    assert threads_seen == [3 if where == "dask client" else 1, 2]


@pytest.mark.parametrize("device", ["cuda:99", "gpu"])
def test_a_device_that_is_not_there(path, device):
    with pytest.raises(ValueError, match=f"device '{device}' is not available here, torch .* has cpu"):
        load_toy(path, device=device)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_scores_on_the_gpu_are_those_of_the_cpu(path, scorer):
    jets = toy_jets(100)
    np.testing.assert_allclose(load_toy(path, device="cuda")(jets), scorer(jets), atol=1e-5)


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


# Working points and weights


def test_passes_takes_jets_or_scores(scorer):
    jets = ak.firsts(toy_event_jets(20))
    passes = scorer.passes(jets, "50%")
    assert str(passes.type) == "20 * ?bool"
    assert passes.tolist() == scorer.passes(scorer(jets), "50%").tolist()
    assert passes.tolist() == (scorer(jets) >= 0.5).tolist()


def test_unknown_names_are_listed(scorer):
    with pytest.raises(ValueError, match=r"working point of .* = '60%', required: one of 50%; nearest: 50%"):
        scorer.passes(toy_jets(2), "60%")
    with pytest.raises(ValueError, match="class = 'top', required: one of qcd, w"):
        scorer.discriminant(toy_jets(2), ("top",), ("qcd",))
    with pytest.raises(ValueError, match=r"scale factor = 'signals', required: one of .*; nearest: signal"):
        scorer.add_weight(Weights(2), toy_jets(2), working_point="50%", scale_factors={"signals": (1.0, 0.1)})


def expected_weights(scorer, jets, signal, background):
    """Slow twin: loops over events, jets and variations."""
    result = []
    passing = scorer.passes(jets, "50%").tolist()
    for shift in (0, 1, -1):
        product = np.ones(len(jets))
        for event, pdg_ids in enumerate(jets.truth_pdg_id.tolist()):
            for pdg_id, passes in zip(pdg_ids, passing[event]):
                is_w = pdg_id == 24
                value, error = signal if is_w else background
                efficiency = HALF.efficiency if is_w else HALF.mistag
                s = value + shift * error
                product[event] *= s if passes else (1 - s * efficiency) / (1 - efficiency)
        result.append(product)
    return result


def test_scale_factors_reach_coffeas_weights(scorer):
    jets = toy_event_jets(40)
    given = {"signal": (0.9, 0.05), "background": weights.ScaleFactor(value=1.2, error=0.1)}
    into = Weights(len(jets))
    scorer.add_weight(into, jets, working_point="50%", scale_factors=given)
    nominal, up, down = expected_weights(scorer, jets, (0.9, 0.05), (1.2, 0.1))
    assert into.variations == {"taggerUp", "taggerDown"}
    np.testing.assert_allclose(into.weight(), nominal)
    np.testing.assert_allclose(into.weight("taggerUp"), up)
    np.testing.assert_allclose(into.weight("taggerDown"), down)
    assert np.ptp(nominal) > 0.1


def test_without_scale_factors_the_efficiencies_of_training_vary(scorer):
    jets = toy_event_jets(40)
    into = Weights(len(jets))
    scorer.add_weight(into, jets, working_point="50%", scores=scorer(jets), name="w")
    np.testing.assert_allclose(into.weight(), 1)
    _, up, _ = expected_weights(scorer, jets, (1, 0.05), (1, 0.1))
    np.testing.assert_allclose(into.weight("wUp"), up)


def test_one_nuisance_parameter_per_class(scorer):
    jets = toy_event_jets(40)
    is_signal = jets.truth_pdg_id == 24
    together, apart = Weights(40), Weights(40)
    given = {"signal": (0.9, 0.05), "background": (1.2, 0.1)}
    scorer.add_weight(together, jets, working_point="50%", scale_factors=given)
    for name, chosen in (("efficiency", is_signal), ("mistag", ~is_signal)):
        scorer.add_weight(apart, jets[chosen], working_point="50%", scale_factors=given, name=name)
    np.testing.assert_allclose(apart.weight(), together.weight())
    assert apart.variations == {"efficiencyUp", "efficiencyDown", "mistagUp", "mistagDown"}


def test_events_with_at_most_one_jet_and_truth_given_by_hand(scorer):
    jets = toy_event_jets(40)
    first, by_hand = Weights(40), Weights(40)
    scorer.add_weight(first, jets[:, :1], working_point="50%", scale_factors={"signal": (0.8, 0.1)})
    leading = ak.firsts(jets)
    bare = leading[["pt", "eta", "phi", "constituents"]]
    scorer.add_weight(
        by_hand,
        bare,
        working_point="50%",
        scale_factors={"signal": (0.8, 0.1)},
        is_signal=leading.truth_pdg_id == 24,
    )
    np.testing.assert_allclose(by_hand.weight("taggerUp"), first.weight("taggerUp"))


def test_truth_must_come_from_somewhere(scorer):
    with pytest.raises(ValueError, match="truth of jets is not known for signal 'w': give is_signal="):
        scorer.add_weight(Weights(3), toy_jets(3)[["pt", "eta", "phi", "constituents"]], working_point="50%")


# Folds


def test_each_jet_is_scored_by_the_fold_that_did_not_see_its_event(tmp_path):
    paths = fold_bundles(tmp_path)
    scorer = scoring.folds(reversed(paths), **OWN)
    jets = toy_event_jets(60)
    alone = [load_toy(path) for path in paths]
    fold = splits.fold(jets.event_key, 3, 11)
    scores, probabilities, passes = scorer(jets), scorer.probabilities(jets), scorer.passes(jets, "50%")
    assert set(ak.flatten(fold)) == {0, 1, 2}
    for number, single in enumerate(alone):
        here = fold == number
        np.testing.assert_allclose(ak.flatten(scores[here]), ak.flatten(single(jets)[here]), atol=1e-5)
        assert ak.all(probabilities.w[here] == scores[here], axis=None)
        assert ak.all(passes[here] == (scores[here] >= 0.4 + 0.05 * number), axis=None)
    assert str(scorer(ak.firsts(jets)[:0]).type) == "0 * ?float32"


def test_weights_of_folds_are_those_of_each_fold(tmp_path):
    paths = fold_bundles(tmp_path)
    scorer = scoring.folds(paths, **OWN)
    jets = toy_event_jets(60)
    fold = splits.fold(jets.event_key, 3, 11)
    given = {"signal": (0.9, 0.05), "background": (1.2, 0.1)}
    into, expected = Weights(60), np.ones(60)
    scorer.add_weight(into, jets, working_point="50%", scale_factors=given)
    for number, path in enumerate(paths):
        single = Weights(60)
        load_toy(path).add_weight(single, jets[fold == number], working_point="50%", scale_factors=given)
        expected *= single.weight("taggerUp")
    np.testing.assert_allclose(into.weight("taggerUp"), expected)
    known = Weights(60)
    scorer.add_weight(known, jets, working_point="50%", scale_factors=given, scores=scorer(jets))
    np.testing.assert_allclose(known.weight("taggerUp"), expected)


def test_folds_must_fit_together(tmp_path):
    paths = fold_bundles(tmp_path)
    with pytest.raises(ValueError, match=r"folds \[0, 1, 2\] are needed once each, got \[0, 1, 1\]"):
        scoring.folds([paths[0], paths[1], paths[1]], **OWN)
    (tmp_path / "more").mkdir()
    with pytest.raises(ValueError, match="share folds, seed and what they answer; got 2 kinds"):
        scoring.folds([*paths, *fold_bundles(tmp_path / "more", folds=2)], **OWN)


def test_a_bundle_without_fold_rule_is_no_fold(path):
    with pytest.raises(ValueError, match="its provenance has no fold rule"):
        scoring.folds([path], **OWN)


def test_folds_need_event_keys(tmp_path):
    scorer = scoring.folds(fold_bundles(tmp_path), **OWN)
    with pytest.raises(ValueError, match=r"scoring by folds needs event_key of the objects, they have pt"):
        scorer(toy_jets(3)[["pt", "eta", "phi", "constituents"]])


def test_likelihood_ratios_reach_coffeas_weights(scorer):
    jets = toy_event_jets(40)
    into = Weights(len(jets))
    scores = 0.3 + 0.4 * scorer(jets)
    scorer.add_likelihood_ratio(into, jets, prior=2.0, score_err=0.01, scores=scores)
    expected = np.ones((3, len(jets)))
    for event, of_event in enumerate(scores.tolist()):
        for p in of_event:
            spread = np.array([0, 1, -1]) * 0.01 / (p * (1 - p))
            expected[:, event] *= p / (1 - p) / 2 * np.exp(spread)
    np.testing.assert_allclose(into.weight(), expected[0], rtol=1e-5)
    np.testing.assert_allclose(into.weight("likelihood_ratioUp"), expected[1], rtol=1e-5)
    np.testing.assert_allclose(into.weight("likelihood_ratioDown"), expected[2], rtol=1e-5)
    assert np.ptp(expected[0]) > 0.1
