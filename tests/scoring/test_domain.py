"""A training knows its domain, and all that scores says where a sample is outside of it."""

import warnings
from functools import partial

import awkward as ak
import numpy as np
import pytest

import cortado
from cortado import models, processors, scoring, training
from cortado.readers import Mapping
from cortado.representations import Columns
from cortado.splits import Split
from cortado.tasks import Classify, Regress
from cortado.training import Objects, Recipe, Study

OWN = Mapping(jets={"pt": "pt", "x": "x", "y": "y", "label": "label"}, event={"event": "event"})


def jets(n, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, n)
    x, y = rng.normal(2.0 * label, 1.0, (2, n))
    return {"pt": rng.exponential(1.0, n), "x": x + shift, "y": y, "label": label, "event": np.arange(n)}


def is_label(number, jets):
    return jets.label == number


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    from samples import write_tree

    path = tmp_path_factory.mktemp("domain") / "jets.root"
    write_tree(path, jets(6_000, 1))
    return Study(
        name="domain",
        objects=Objects(files=(path,), dialect=OWN, split=Split(validation=0.4, test=0.1)),
        representation=Columns(features=("x", "y")),
        scaling="fit",
        model=partial(models.MLP, features=2),
        task=Classify(classes={"a": partial(is_label, 0), "b": partial(is_label, 1)}, signal="b"),
        recipe=Recipe(epochs=3, batch_size=128, learning_rate=1e-2, workers=0),
    )


@pytest.fixture(scope="module")
def tagger(study, tmp_path_factory):
    return cortado.load(training.train(study, tmp_path_factory.mktemp("t"), accelerator="cpu", progress=False).bundle)


def record(n, seed, shift=0.0):
    return OWN.record(ak.zip(jets(n, seed, shift))).jets


def test_a_sample_of_the_same_kind_is_silent(tagger):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shifts = tagger.domain(record(5_000, 2))
    assert {shift.quantity for shift in shifts} == {"x", "y"}


def test_a_shifted_sample_is_told_once_with_its_effect(tagger):
    """The sign of what a cut really does to the signal."""
    shifted = record(5_000, 3, shift=-0.8)
    with pytest.warns(UserWarning, match=r"unlike what the network was trained on: x: .* of itself") as told:
        worst = tagger.domain(shifted)[0]
    assert len(told) == 1
    signal = ak.flatten(shifted[shifted.label == 1])
    point = tagger.working_point(worst.working_point)
    now = np.mean(tagger(signal) >= point.threshold)
    assert now < point.efficiency
    assert worst.change < -0.1


def test_counts_do_not_depend_on_nesting_and_chunks(tagger):
    sample = record(900, 4)
    whole = scoring.domain_counts(tagger, sample)
    parts = [scoring.domain_counts(tagger, ak.flatten(sample[start : start + 300])) for start in (0, 300, 600)]
    np.testing.assert_allclose(sum(parts), whole)


def test_bundles_that_do_not_know_their_domain_say_nothing(tagger, tmp_path):
    from dataclasses import replace

    from cortado import bundle as bundles

    old = tagger.bundle()
    provenance = {name: value for name, value in old.provenance.items() if name != "domain"}
    canary = bundles.canary_objects(tagger.path)
    bundles.save(replace(old, provenance=provenance), tmp_path / "old.cortado", canary=canary)
    assert cortado.load(tmp_path / "old.cortado").domain(record(500, 5, shift=-3.0)) == ()


def test_a_regression_knows_its_inputs_but_has_no_working_points(study, tmp_path):
    from dataclasses import replace

    regression = replace(study, task=Regress(targets={"pt": "pt"}), name="regression")
    result = training.train(regression, tmp_path, accelerator="cpu", progress=False)
    use = cortado.load(result.bundle)
    shifts = scoring.domain_shifts(use, scoring.domain_counts(use, record(5_000, 6, shift=-3.0)))
    assert shifts[0].quantity == "x"
    assert shifts[0].significance > 20
    assert not any(shift.matters for shift in shifts)


def test_what_is_no_array_of_records_is_named(tagger):
    flat = ak.flatten(record(3, 7))
    with pytest.raises(ValueError, match=r"got one record: jets\[0:1\] in the place of jets\[0\]"):
        tagger(flat[0])
    with pytest.raises(ValueError, match=r"got a list: ak.Array\(jets\) makes one"):
        tagger(flat.tolist())
    with pytest.raises(ValueError, match="must be an array of records"):
        tagger(ak.Array([]))


def one_jet(events):
    """The jet of each event of a flat tree."""
    return ak.flatten(OWN.record(events).jets)


@pytest.mark.parametrize("shift", [0.0, -0.8])
def test_a_search_says_where_its_score_is_used(tagger, tmp_path, shift):
    from coffea.nanoevents import BaseSchema
    from samples import write_tree

    path = tmp_path / "jets.root"
    write_tree(path, jets(3_000, 7, shift))
    fileset = {"d": {"files": {str(path): "Events"}}}
    search = processors.SearchProcessor(
        tagger, objects=one_jet, cuts={"tight": 0.5}, mass="pt", edges=np.linspace(0, 20, 5)
    )
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        output = processors.run(fileset, search, executor="iterative", schema=BaseSchema, chunksize=800)
    expected = tagger.domain(record(3_000, 7, shift)) if shift == 0 else None
    told = [str(each.message) for each in told if "trained on" in str(each.message)]
    assert len(told) == (shift != 0)
    assert all(text.startswith("d, scored by score, is unlike") for text in told)
    if expected is not None:
        assert output["domain"]["d"]["score"] == expected
    assert output["unscored"] == {"d": {"score": {}}}


def test_a_search_counts_events_that_its_network_cannot_take(study, tagger, tmp_path):
    from coffea.nanoevents import BaseSchema
    from samples import write_tree

    columns = jets(400, 8)
    columns["x"][::4] = np.nan
    write_tree(tmp_path / "jets.root", columns)
    fileset = {"d": {"files": {str(tmp_path / "jets.root"): "Events"}}}
    tolerant = cortado.load(tagger.path, invalid="nan")
    settings = {"objects": one_jet, "cuts": {"any": 0.0}, "mass": "pt", "edges": np.linspace(0, 50, 5)}
    with pytest.warns(UserWarning, match=r"d, scored by score: 100 events have .*, they are in the bin 'rest'"):
        output = processors.run(
            fileset,
            processors.SearchProcessor(tolerant, **settings),
            executor="iterative",
            schema=BaseSchema,
            chunksize=130,
        )
    counts = {name: output["mass"]["d", "nominal", name, sum].value for name in ("any", "rest")}
    assert counts == {"any": 300, "rest": 100}
    with pytest.raises(RuntimeError, match=r"x of .* is nan"):
        processors.run(fileset, processors.SearchProcessor(tagger, **settings), executor="iterative", schema=BaseSchema)
