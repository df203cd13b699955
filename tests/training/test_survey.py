"""The survey counts what is there, and the weights it gives do what they promise."""

from functools import partial

import awkward as ak
import numpy as np
import pytest
import sklearn.ensemble

from cortado import ntuples
from cortado.models import DenseAutoencoder, IsolationForest
from cortado.representations import HighLevel
from cortado.scaling import fit, fit_quantiles
from cortado.splits import TRAIN, VALIDATION, Split
from cortado.tasks import FindAnomalies, Fit, Reconstruct
from cortado.training import Balance
from cortado.training.loading import INVALID, examples, parts_of
from cortado.training.mixing import joined
from cortado.training.preparing import preparation
from cortado.training.survey import _Tally, survey


def everything(study):
    """All jets of a study, the slow way."""
    read = [examples(study, part) for part in parts_of(study)]
    jets = ak.concatenate([x.objects for x in read])
    return jets, *(np.concatenate([getattr(x, name) for x in read]) for name in ("category", "weight", "subset"))


def test_counts_are_those_of_a_slow_count(study):
    known, (_, target, _, subset) = survey(chosen := study()), everything(study())
    for part in range(3):
        for index in range(2):
            assert known.objects[part, index] == sum((t, s) == (index, part) for t, s in zip(target, subset))
    np.testing.assert_array_equal(known.counts.sum(axis=0), known.objects.sum(axis=1))
    assert len(known.parts) == len(parts_of(chosen))


def test_fitted_scaling_does_not_see_validation_and_test_jets(study):
    chosen = study()
    jets, _, _, subset = everything(chosen)
    expected = fit([chosen.representation(jets[subset == TRAIN])], chosen.representation.features)
    scaling = survey(chosen).scaling
    np.testing.assert_allclose(scaling.center, expected.center, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(scaling.scale, expected.scale, rtol=1e-5)


def test_quantiles_are_those_of_the_training_jets(study):
    chosen = study(scaling="quantiles")
    jets, _, _, subset = everything(chosen)
    expected = fit_quantiles([chosen.representation(jets[subset == TRAIN])], chosen.representation.features)
    assert survey(chosen).scaling == expected


def test_without_bins_every_jet_weighs_its_event(study):
    known = survey(chosen := study(class_weights="given"))
    batch = preparation(chosen, known)(examples(chosen, known.parts[0]))
    np.testing.assert_allclose(batch.weight, 1.0)


def test_classes_weigh_alike_whatever_the_scale_of_their_generators(study):
    """And the table says how far apart they were."""
    known = survey(chosen := study())
    every = joined([examples(chosen, part) for part in known.parts])
    train = every.take(every.subset == TRAIN)
    sums = np.bincount(train.category, preparation(chosen, known)(train).weight.numpy())
    np.testing.assert_allclose(sums, sums.mean(), rtol=1e-5)
    assert sums.sum() == pytest.approx(len(train.category), rel=1e-5)
    scaled = train._replace(weight=np.where(train.category == 0, 3e4, 1.0))
    tally = _Tally(chosen)
    tally.add(scaled, known.parts[0])
    weighting = tally._weighting()[0]
    np.testing.assert_allclose(
        np.bincount(scaled.category, weighting(scaled.category, scaled.balance, scaled.weight)), sums, rtol=1e-5
    )
    assert "sum of weights" in str(known._replace(weights=known.weights * [3e4, 1.0]))
    assert "sum of weights" not in str(known)


def test_a_class_that_negative_weights_outweigh_is_refused(study):
    tally = _Tally(chosen := study())
    read = examples(chosen, parts_of(chosen)[0])
    tally.add(read._replace(weight=-read.weight), parts_of(chosen)[0])
    with pytest.raises(ValueError, match=r"the event weights of QCD sum up to -\d+ in the training objects"):
        tally._weighting()


def test_flat_pt_is_flat_and_the_classes_are_equal(study):
    """Weighted jets of each class have the same density in every bin: a chi2 of the bins against their mean."""
    edges = (450.0, 540.0, 580.0, 640.0, 750.0)
    chosen = study(balance=Balance(bins=edges), classes=uneven())
    known = survey(chosen)
    jets, target, weight, subset = everything(chosen)
    train = (subset == TRAIN) & (target >= 0)
    pt, target = np.asarray(jets.pt)[train], target[train]
    weights = known.weighting(target, pt, weight[train])
    density = [np.histogram(pt[target == c], edges, weights=weights[target == c])[0] / np.diff(edges) for c in (0, 1)]
    for each in density:
        np.testing.assert_allclose(each, density[0].mean(), rtol=1e-4)
    np.testing.assert_allclose(weights.mean(), 1.0, rtol=1e-5)


def uneven():
    return {"QCD": lambda jets: (jets.is_signal == 0) & (jets.eta > 0.5), "top": lambda jets: jets.is_signal == 1}


def test_a_bin_without_jets_of_a_class_is_reported(study):
    classes = {"QCD": lambda jets: jets.is_signal == 0, "top": lambda jets: (jets.is_signal == 1) & (jets.pt < 600)}
    known = survey(study(balance=Balance(bins=(450.0, 600.0, 750.0)), classes=classes))
    assert known.empty_bins == ("top with 600 <= pt < 750",)
    assert "no training jets of top with 600 <= pt < 750" in str(known)


def test_jets_outside_the_bins_are_refused(study):
    with pytest.raises(ValueError, match=r"toys0.root: \d+ of \d+ jets, one of pt = .* 600 to 650"):
        survey(study(balance=Balance(bins=(600.0, 650.0))))


def test_a_class_without_training_jets_is_refused(study):
    classes = {**study().task.classes, "heavy": lambda jets: jets.mass > 1e6}
    with pytest.raises(ValueError, match=r"no training jets of class heavy in .*toys0.root"):
        survey(study(classes=classes))


def test_a_class_without_validation_jets_is_refused(study):
    with pytest.raises(ValueError, match=r"no validation jets of class QCD, top"):
        survey(study(split=Split(validation=0.0)))


def test_jets_of_no_class_are_counted(study):
    known, (_, target, _, _) = survey(study(classes=uneven())), everything(study(classes=uneven()))
    assert known.without_category == np.sum(target < 0) > 0
    assert f"{known.without_category} jets are in no class" in str(known)


def test_validation_files_give_all_their_jets_to_validation(study, toy_files):
    known = survey(study(files=toy_files[:1], validation_files=toy_files[1:2], split=Split(test=0.0)))
    np.testing.assert_array_equal(known.objects.sum(axis=1)[[TRAIN, VALIDATION]], [300, 200])


def test_jets_without_constituents_are_counted_and_kept(study, tmp_path):
    import samples
    from toys import toy_jets

    jets = toy_jets(300, 8, min_constituents=0, max_constituents=6)
    momenta = ak.zip(dict(zip(("px", "py", "pz", "energy"), samples.toptagging_momenta(jets))))
    label = ak.to_numpy(jets.truth_pdg_id == 24).astype(np.int8)
    samples.write_tree(tmp_path / "empty.root", {"part": momenta, "is_signal_new": label}, tree="tree")
    number = int(np.sum(ak.num(jets.constituents) == 0))
    known = survey(study(files=(tmp_path / "empty.root",)))
    assert known.without_constituents == number > 0
    assert known.objects.sum() == 300
    assert f"{number} jets have no constituents" in str(known)


def is_qcd(jets):
    return jets.is_signal == 0


def is_top(jets):
    return jets.is_signal == 1


NORMAL_ALONE = {
    "reconstruct": (Reconstruct, DenseAutoencoder),
    "estimator": (
        lambda **kinds: Fit(estimator=partial(sklearn.ensemble.IsolationForest), task=FindAnomalies(**kinds)),
        IsolationForest,
    ),
}


@pytest.mark.parametrize("scaling", ["fit", "quantiles"])
@pytest.mark.parametrize("name", NORMAL_ALONE)
def test_a_scaling_knows_normal_jets_alone_where_the_task_does(study, name, scaling):
    """Anomalies that judge a training have no part in it; without labels all jets are normal."""
    task, model = NORMAL_ALONE[name]
    changes = {
        "scaling": scaling,
        "representation": HighLevel(features=("mass", "multiplicity")),
        "model": partial(model, features=2) if name == "reconstruct" else partial(model),
    }
    fitted = fit if scaling == "fit" else fit_quantiles
    for kinds in ({"normal": is_qcd, "anomalies": {"top": is_top}}, {}):
        one = study(**changes, task=task(**kinds))
        jets, category, _, subset = everything(one)
        expected = fitted([one.representation(jets[(subset == TRAIN) & (category == 0)])], one.representation.features)
        found = survey(one).scaling
        if scaling == "fit":
            np.testing.assert_allclose(found.center, expected.center, rtol=1e-6)
            np.testing.assert_allclose(found.scale, expected.scale, rtol=1e-6)
        else:
            assert found == expected


def test_a_task_without_normal_jets_says_so_before_a_scaling_is_fitted_to_none(study):
    task = Reconstruct(normal=lambda jets: jets.mass > 1e6, anomalies={"top": is_top})
    model, representation = partial(DenseAutoencoder, features=1), HighLevel(features=("mass",))
    with pytest.raises(ValueError, match="no training jets of class normal in "):
        survey(study(task=task, model=model, representation=representation, scaling="fit"))


def test_objects_with_bad_numbers_stop_the_training_or_are_left_out_and_counted(study, toy_files, tmp_path):
    from samples import write_tree

    columns = ntuples.arrays(ntuples.steps(toy_files[0], size=100_000)[0], ntuples.branch_names(toy_files[0]))
    known = survey(study(files=(toy_files[0],)))
    first = ak.local_index(columns.part_px) == 0
    entry = np.arange(len(columns))
    spoilt = ak.with_field(columns, ak.where(first & (entry % 10 == 3), np.float32(np.nan), columns.part_px), "part_px")
    spoilt = ak.with_field(spoilt, ak.where(first & (entry % 10 == 4), np.float32(np.inf), spoilt.part_py), "part_py")
    part = ak.zip({name[5:]: spoilt[name] for name in spoilt.fields if name.startswith("part_")})
    rest = {name: spoilt[name] for name in spoilt.fields if not name.startswith(("part_", "npart"))}
    write_tree(tmp_path / "bad.root", {"part": part, **rest}, tree="tree")
    with pytest.raises(ValueError, match=r"bad\.root.* are not finite; deselect .*Objects\(invalid=\"drop\"\)"):
        survey(study(files=(str(tmp_path / "bad.root"),)))
    found = survey(chosen := study(files=(str(tmp_path / "bad.root"),), invalid="drop"))
    number = int(np.sum((entry % 10 == 3) | (entry % 10 == 4)))
    assert found.invalid == number > 0
    assert found.objects.sum() == known.objects.sum() - number
    assert f"{number} jets have numbers that the network cannot take, left out" in str(found)
    read = [examples(chosen, part) for part in parts_of(chosen)]
    assert sum(int(np.sum(each.category == INVALID)) for each in read) == number
    with pytest.raises(ValueError, match="Objects: invalid = 'skip', required: one of raise, drop"):
        study(invalid="skip")
