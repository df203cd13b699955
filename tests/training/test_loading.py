"""Laws of the stream: every jet once, whatever the number of processes, devices, pools and batches."""

import dataclasses
import functools
import multiprocessing

import awkward as ak
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cortado.splits import TEST, TRAIN, VALIDATION
from cortado.tasks import Batch
from cortado.training import Balance, mixing
from cortado.training.loading import Stream, examples, loader, parts_of


@pytest.fixture(scope="module")
def study(study):
    """The toy study, whose examples have the pT of each jet."""
    return functools.partial(study, balance=Balance(bins=(0.0, 1e4)))


def by_pt(read):
    """Batches that carry only pT, which tells the toy jets apart."""
    pt = torch.from_numpy(np.array(read.objects.pt, dtype=np.float32))
    return Batch(pt, torch.from_numpy(read.category), torch.from_numpy(read.weight))


def packed(read):
    return ak.to_packed(read.objects)


def stream(study, subset=TRAIN, *, keep=None, shuffle=True, finish=by_pt, counts=None, **devices):
    parts = parts_of(study)
    if counts is None:
        counts = [int(np.sum(examples(study, part).subset == subset)) for part in parts]
    return Stream(study, parts, counts, subset=subset, finish=finish, shuffle=shuffle, keep=keep, **devices)


def epoch(stream, workers=0, number=0):
    """Batches of pT of one epoch."""
    stream.epoch.fill_(number)
    return [batch.inputs.numpy() for batch in loader(stream, workers)]


def all_pt(study, subset=TRAIN):
    read = [examples(study, part) for part in parts_of(study)]
    return np.sort(np.concatenate([np.asarray(x.objects.pt)[x.subset == subset] for x in read]))


# ---------------------------------------------------------------- every jet once


@pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker processes")
@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("keep", [None, packed])
def test_every_jet_is_seen_once_an_epoch(study, workers, keep):
    source = stream(chosen := study(), keep=keep)
    batches = loader(source, workers)
    for number in range(2):
        source.epoch.fill_(number)
        seen = np.concatenate([batch.inputs.numpy() for batch in batches])
        np.testing.assert_array_equal(np.sort(seen), all_pt(chosen))


@pytest.mark.parametrize("pool", [1, 70, 10_000])
@pytest.mark.parametrize("bucket", [False, True])
def test_every_jet_is_seen_once_for_any_pool(study, pool, bucket):
    chosen = study(shuffle_pool=pool, bucket=bucket)
    np.testing.assert_array_equal(np.sort(np.concatenate(epoch(stream(chosen)))), all_pt(chosen))


@pytest.mark.parametrize(("world_size", "workers"), [(2, 0), (3, 0), (2, 2)])
def test_devices_share_the_jets_and_step_together(study, world_size, workers):
    chosen = study(step_size=40)
    ranks = [epoch(stream(chosen, rank=rank, world_size=world_size), workers) for rank in range(world_size)]
    assert len({len(batches) for batches in ranks}) == 1
    seen = np.concatenate([np.concatenate(batches) for batches in ranks])
    np.testing.assert_array_equal(np.sort(seen), all_pt(chosen))


def test_too_few_steps_for_the_devices_are_refused(study, toy_files):
    few = study(files=toy_files[:1], step_size=400)
    with pytest.raises(ValueError, match=r"1 steps cannot be dealt to 2 devices.*lower step_size"):
        epoch(stream(few, rank=0, world_size=2))


def test_subsets_are_disjoint_and_complete(study):
    chosen = study()
    seen = [np.concatenate(epoch(stream(chosen, subset))) for subset in (TRAIN, VALIDATION, TEST)]
    assert sum(map(len, seen)) == len(np.unique(np.concatenate(seen))) == 500


# ---------------------------------------------------------------- order and sizes


def test_the_order_follows_seed_and_epoch(study):
    def order(number=0, **changes):
        return np.concatenate(epoch(stream(study(**changes)), number=number)).tolist()

    assert order() == order()
    assert order(number=1) == order(number=1) != order()
    assert order(seed=2) != order()


def test_the_order_with_processes_is_repeatable(study):
    first, second = (np.concatenate(epoch(stream(study()), workers=2)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_jets_of_a_sorted_file_are_mixed(study):
    """A pool that holds the whole sample leaves no memory of the order of the file."""
    chosen = study(shuffle_pool=10_000, files=study().objects.files[:1], step_size=400)
    first = np.concatenate(epoch(stream(chosen, shuffle=False), 0))
    place = {pt: i for i, pt in enumerate(first)}
    mixed = np.array([place[pt] for pt in np.concatenate(epoch(stream(chosen)))])
    assert abs(np.corrcoef(mixed, np.arange(len(mixed)))[0, 1]) < 0.3


@given(st.lists(st.sampled_from("abc"), max_size=60), st.integers(0, 5))
def test_every_part_of_an_order_has_its_share_of_each_group(groups, seed):
    order = mixing.spread(groups, np.random.default_rng(seed))
    assert sorted(order) == list(range(len(groups)))
    ordered = np.array(groups, dtype=object)[order]
    for group in set(groups):
        seen = np.cumsum(ordered == group)
        share = groups.count(group) / len(groups) * np.arange(1, len(groups) + 1)
        assert np.abs(seen - share).max() <= len(set(groups))


def test_orders_of_groups_are_random():
    groups = ["a"] * 30 + ["b"] * 30
    orders = np.array([mixing.spread(groups, np.random.default_rng(seed)) for seed in range(400)])
    first = np.bincount(orders[:, 0], minlength=60)
    assert (first > 0).sum() > 50
    assert first[:30].sum() == pytest.approx(200, abs=50)


def test_files_take_turns(study, toy_files):
    """Of two files of as many steps each has half of every few steps, in each epoch."""
    chosen = study(step_size=10, files=toy_files, shuffle_pool=1, batch_size=10_000)
    source = stream(chosen)
    paths = [part.step.path for part in source.parts]
    for number in range(3):
        read = []
        source._chunk = lambda index, read=read: read.append(paths[index]) or Stream._chunk(source, index)
        epoch(source, number=number)
        from_first = np.cumsum([path == toy_files[0] for path in read])
        assert len(read) == 50
        assert np.abs(from_first - 0.6 * np.arange(1, 51)).max() < 2


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_full_and_even(study, workers):
    sizes = [len(batch) for batch in epoch(stream(study(batch_size=50, step_size=40)), workers)]
    assert max(sizes) <= 50
    assert min(sizes) >= 35


def test_buckets_hold_jets_of_like_length(study):
    def spread(**changes):
        lengths = stream(
            study(shuffle_pool=10_000, batch_size=20, **changes),
            finish=lambda read: np.array([len(x) for x in read.objects.constituents]),
        )
        return np.mean([np.std(batch) for batch in lengths])

    assert spread(bucket=True) < 0.2 * spread()


def test_validation_does_not_depend_on_the_epoch(study):
    source = stream(study(), VALIDATION, shuffle=False)
    for first, second in zip(epoch(source, number=0), epoch(source, number=1), strict=True):
        np.testing.assert_array_equal(first, second)


@given(st.integers(0, 1000), st.integers(1, 50))
def test_even_sizes_differ_by_one_at_most(total, number):
    sizes = mixing.even(total, number)
    assert (sum(sizes), len(sizes)) == (total, number)
    assert max(sizes) - min(sizes) <= 1


@given(st.lists(st.integers(0, 100), max_size=30), st.integers(1, 8), st.integers(0, 10))
def test_shares_hold_each_step_once_and_are_balanced(counts, number, seed):
    shares = mixing.shares(counts, number, np.random.default_rng(seed))
    assert sorted(i for share in shares for i in share) == list(range(len(counts)))
    totals = [sum(counts[i] for i in share) for share in shares]
    assert max(totals) - min(totals) <= max(counts, default=0)


# ---------------------------------------------------------------- what is refused


def test_files_that_changed_after_the_survey_are_noticed(study):
    chosen = study()
    counts = [int(np.sum(examples(chosen, part).subset == TRAIN)) for part in parts_of(chosen)]
    for change in (+1, -1):
        wrong = [counts[0] + change, *counts[1:]]
        with pytest.raises(RuntimeError, match=r"files changed after the survey"):
            epoch(stream(chosen, counts=wrong))


def test_a_jet_in_two_classes_is_refused(study):
    classes = {"top": lambda jets: jets.is_signal == 1, "heavy": lambda jets: jets.mass > 0}
    with pytest.raises(ValueError, match=r"toys0.root, entries 0 to .* in top and heavy; .* exclude each other"):
        examples(chosen := study(classes=classes), parts_of(chosen)[0])


def test_the_same_file_by_two_names_is_refused(study, toy_files):
    folder, name = toy_files[0].rsplit("/", 1)
    twice = study(files=(*toy_files[:1], f"{folder}/*0.root"))
    with pytest.raises(ValueError, match=rf"{name} is named twice"):
        parts_of(twice)


def test_a_value_that_is_not_finite_is_refused_with_its_file(study, tmp_path):
    path = write_with_nan(tmp_path / "nan.root")
    with pytest.raises(ValueError, match=r"nan.root, entries 0 to 60: 1 values of jets.* are not finite"):
        examples(chosen := study(files=(path,)), parts_of(chosen)[0])


def write_with_nan(path):
    import samples
    from toys import toy_jets

    jets = toy_jets(60, 5)
    px, py, pz, energy = samples.toptagging_momenta(jets)
    flat = np.array(ak.flatten(px))
    flat[7] = np.nan
    part = ak.zip({"px": ak.unflatten(flat, ak.num(px)), "py": py, "pz": pz, "energy": energy})
    samples.write_tree(path, {"part": part, "is_signal_new": np.arange(60) % 2}, tree="tree")
    return path


def test_negative_event_weights_are_the_norm_and_others_refused(study, tmp_path):
    chosen = nano_study(study, tmp_path / "nano.root", lambda weights: weights - 1)
    known = examples(chosen(), parts_of(chosen())[0]).weight
    assert known.min() < 0
    assert np.all(examples(chosen(event_weight=False), parts_of(chosen())[0]).weight == 1)
    broken = nano_study(study, tmp_path / "nan.root", lambda weights: weights * np.nan)
    with pytest.raises(ValueError, match=r"nan.root.* event weights are not finite: event_weight=False"):
        examples(broken(), parts_of(broken())[0])


def test_a_file_under_another_name_is_the_same_file(study, tmp_path):
    """Its jets would count twice, or be validated on in training."""
    chosen = nano_study(study, tmp_path / "nano.root", lambda weights: weights)
    (path,) = chosen().objects.files
    (tmp_path / "link.root").symlink_to(path)
    other = f"{tmp_path}/../{tmp_path.name}/nano.root"
    for files, validation in (((path,), (other,)), ((path, str(tmp_path / "link.root")), ()), ((other,), (path,))):
        with pytest.raises(ValueError, match=r"is named twice by files and validation_files, also as"):
            parts_of(with_objects(chosen(), files=files, validation_files=validation))


def with_objects(study, **changes):
    return dataclasses.replace(study, objects=dataclasses.replace(study.objects, **changes))


def test_objects_of_samples_have_their_name_and_scale(study, tmp_path):
    chosen = nano_study(study, tmp_path / "ttbar_1.root", lambda weights: weights)
    objects = dataclasses.replace(chosen().objects, samples={"tt": "ttbar_*.root", "qcd": "qcd*"}, scales={"tt": 3.0})
    scaled = dataclasses.replace(chosen(), objects=objects)
    known = examples(scaled, parts_of(scaled)[0], columns=("sample",))
    plain = examples(chosen(), parts_of(chosen())[0])
    np.testing.assert_allclose(known.weight, 3 * plain.weight)
    assert set(known.objects["sample"].tolist()) == {"tt"}
    with pytest.raises(ValueError, match=r"ttbar_1.root belongs to none of the samples qcd: qcd\*"):
        dataclasses.replace(objects, samples={"qcd": "qcd*"}, scales={})
    with pytest.raises(ValueError, match=r"belongs to tt and all of the samples"):
        dataclasses.replace(objects, samples={"tt": "tt*", "all": "*"}, scales={})
    with pytest.raises(ValueError, match=r"scales"):
        dataclasses.replace(objects, scales={"ttt": 1.0})


def test_the_weight_of_an_event_is_that_of_its_jets(study, tmp_path):
    chosen = nano_study(study, tmp_path / "nano.root", lambda weights: np.arange(len(weights)) + 1.0)
    known = examples(chosen(step_size=1000), parts_of(chosen(step_size=1000))[0])
    from cortado import read

    counts = [len(jets) for jets in read(chosen().objects.files[0]).jets]
    np.testing.assert_array_equal(known.weight, np.repeat(np.arange(len(counts)) + 1.0, counts))


def nano_study(study, path, weights):
    """A study on a NanoAOD file whose generator weights are a function of those that the toy file has."""
    import samples
    from samples import separated_event_jets

    columns = samples.cms_columns(separated_event_jets(40, 1), 1)
    samples.write_tree(path, columns | {"genWeight": weights(columns["genWeight"]).astype(np.float32)})
    classes = {"QCD": lambda jets: jets.truth_pdg_id == 0, "W": lambda jets: jets.truth_pdg_id == 24}
    return lambda **changes: study(files=(path,), classes=classes, signal="W", **changes)


def test_selection_and_jets_of_no_class(study):
    narrow = {
        name: (lambda jets, mask=mask: mask(jets) & (jets.eta > 0)) for name, mask in study().task.classes.items()
    }
    part = parts_of(study())[0]
    everything = examples(study(), part)
    selected = examples(study(mask=lambda jets: jets.eta > 0), part)
    outside = examples(study(classes=narrow), part)
    assert len(outside.category) == len(everything.category)
    np.testing.assert_array_equal(np.sort(selected.objects.pt), np.sort(outside.objects.pt[outside.category >= 0]))
    assert 0 < len(selected.category) < len(everything.category)


def test_a_lambda_cannot_go_to_spawned_processes(study, monkeypatch):
    """The default of Python 3.14, and of macOS."""
    batches = stream(study())
    loader(batches, 1)  # forked
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda: "spawn")
    loader(batches, 0)
    with pytest.raises(ValueError, match=r"started by 'spawn' here: .*lambda.*functions of a module .*workers=0"):
        loader(batches, 1)
