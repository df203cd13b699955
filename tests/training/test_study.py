"""A study refuses what cannot be trained, and shares out events as it says."""

import functools

import numpy as np
import pytest

from cortado.models import PFN
from cortado.splits import TEST, TRAIN, VALIDATION, Split, fold
from cortado.training import Balance, Recipe, Study
from cortado.training.study import subset_of


@pytest.mark.parametrize(
    ("field", "value", "required"),
    [
        ("epochs", 0, "at least 1"),
        ("batch_size", 0, "at least 1"),
        ("shuffle_pool", 0, "at least 1"),
        ("step_size", -1, "at least 1"),
        ("workers", -1, "at least 0"),
        ("weight_decay", -0.1, "at least 0"),
        ("learning_rate", 0.0, "positive"),
        ("learning_rate", float("nan"), "positive"),
        ("patience", 0, "None or at least 1"),
        ("gradient_clip", 0.0, "None or positive"),
        ("betas", (0.9, 1.0), r"in \[0, 1\)"),
        ("averaging", 1.0, r"None or in \(0, 1\)"),
        ("schedule", "one_cycle", "one-cycle, cosine, constant; nearest: one-cycle"),
        ("precision", "bf16", "nearest: bfloat16"),
    ],
)
def test_a_recipe_names_the_wrong_value_and_what_is_required(field, value, required):
    with pytest.raises(ValueError, match=rf"{field} = .*required: .*{required}"):
        Recipe(**{field: value})


@pytest.mark.parametrize(
    ("field", "value", "required"),
    [
        ("files", (), "at least one file"),
        ("files", "a.root", "a tuple of paths"),
        ("files", ("a.root", "a.root"), "each file once"),
        ("name", "a/b", "a file name"),
        ("name", "", "a file name"),
        ("classes", {"top": len}, "two or more classes"),
        ("signal", "tpo", "nearest: top"),
        ("model", PFN, r"functools.partial\(Network"),
        ("model", functools.partial(PFN, 3), "keyword arguments only"),
        ("model", functools.partial(PFN, classes=5), "classes=2"),
        ("folds", 1, "None or at least 2"),
        ("working_points", (0.5, 1.0), r"in \(0, 1\)"),
        ("scaling", "fitted", "nearest: fit"),
        ("label_smoothing", 1.0, r"in \[0, 1\)"),
        ("class_weights", "equl", "equal, .*; nearest: equal"),
    ],
)
def test_a_study_names_the_wrong_value_and_what_is_required(study, field, value, required):
    with pytest.raises(ValueError, match=rf"{field} = (.|\n)*required: .*{required}"):
        study(**{field: value})


def test_validation_files_must_not_be_trained_on(study, toy_files):
    with pytest.raises(ValueError, match=r"validation_files.*none of `files`"):
        study(validation_files=toy_files[:1])


@pytest.mark.parametrize("bins", [(), (500.0,), (500.0, 500.0), (600.0, 500.0)])
def test_bins_must_rise(bins):
    with pytest.raises(ValueError, match=r"bins = .*increasing edges"):
        Balance(bins=bins)


def keys(n=2000):
    return np.random.default_rng(3).integers(0, 2**63, n).astype(np.uint64)


def test_subsets_are_those_of_the_split(study):
    split = Split(validation=0.3, test=0.1, seed=4)
    np.testing.assert_array_equal(subset_of(study(split=split).objects, keys()), split.subset(keys()))


def test_with_validation_files_only_the_test_events_of_the_others_are_kept_back(study, toy_files):
    chosen = study(files=toy_files[:1], validation_files=toy_files[1:]).objects
    subset, split = subset_of(chosen, keys()), chosen.split.subset(keys())
    np.testing.assert_array_equal(subset == TEST, split == TEST)
    assert not np.any(subset == VALIDATION)
    assert np.all(subset_of(chosen, keys(), validation_only=True) == VALIDATION)


def test_a_fold_is_held_out_and_every_other_event_is_used(study):
    chosen = study(folds=3).objects
    for held_out in range(3):
        subset = subset_of(chosen, keys(), held_out=held_out)
        np.testing.assert_array_equal(subset == TEST, fold(keys(), 3, chosen.split.seed) == held_out)
        assert np.any(subset == TRAIN)
        assert np.any(subset == VALIDATION)


def test_a_forgotten_task_is_an_error(study):
    given = {name: value for name, value in vars(study()).items() if name != "task"}
    with pytest.raises(TypeError, match="task"):
        Study(**given)
