"""Classifiers that differ by their seed: their mean likelihood ratio as weights, in scoring and in coffea."""

import functools
import pickle

import awkward as ak
import numpy as np
import pytest
from coffea.analysis_tools import Weights
from coffea.nanoevents import BaseSchema
from toy_showers import toy_showers

import cortado
from cortado import calorimeter, ntuples, processors, scoring
from cortado.models import MLP
from cortado.readers import calogan
from cortado.representations import ShowerShapes
from cortado.splits import Split
from cortado.statistics import effective_sample_size
from cortado.tasks import Classify
from cortado.training import Objects, Recipe, Study, train
from cortado.weights import WeightVariations, clipped, ratio_weights

SHAPES = ("fraction_0", "width_x_1")
SPLIT = Split(validation=0.2, test=0.4)
BINNING = {"response": (20, 0.6, 1.6), "energy_0": (20, 0.0, 60.0)}


def is_generated(showers):
    return showers.is_generated


def is_simulated(showers):
    return ~showers.is_generated


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Simulated showers, and "generated" ones with half as much again in the first layer."""
    folder = tmp_path_factory.mktemp("ensemble")
    paths = []
    for name, seed in (("simulated", 1), ("generated", 2)):
        showers = toy_showers(2500, seed=seed)
        if name == "generated":
            showers = ak.with_field(showers, showers.layer_0 * 1.5, "layer_0")
        paths.append(str(folder / f"{name}.root"))
        ntuples.write(paths[-1], "showers", [calogan.columns_of(showers, is_generated=name == "generated")])
    return tuple(paths)


@pytest.fixture(scope="module")
def bundles(files, tmp_path_factory):
    def trained(seed):
        study = Study(
            name=f"seed_{seed}",
            objects=Objects(files=files, collection="showers", split=SPLIT),
            representation=ShowerShapes(shapes=SHAPES),
            scaling="fit",
            model=functools.partial(MLP, features=3, hidden=(16, 16)),
            task=Classify(classes={"generated": is_generated, "simulated": is_simulated}, signal="simulated"),
            recipe=Recipe(epochs=6, batch_size=64, workers=0, seed=seed),
        )
        return train(study, tmp_path_factory.mktemp(study.name), progress=False).bundle

    return [trained(seed) for seed in (1, 2, 3)]


@pytest.fixture(scope="module")
def held_out_showers(files):
    """Simulated and generated showers that no classifier has seen."""
    found = [ak.flatten(cortado.read(path).showers) for path in files]
    return [showers[SPLIT.subset(showers.event_key) == 2] for showers in found]


def test_weights_turn_generated_showers_into_simulated_ones(bundles, held_out_showers):
    simulated, generated = held_out_showers
    varied = scoring.ensemble(bundles).likelihood_ratios(generated)
    share = [
        ak.to_numpy(calorimeter.shower_shapes(x, calorimeter.CALOGAN)["fraction_0"]) for x in (simulated, generated)
    ]
    before = share[1].mean() - share[0].mean()
    after = np.average(share[1], weights=varied.nominal) - share[0].mean()
    assert before > 0.03
    assert abs(after) < before / 2
    assert np.all((varied.down <= varied.nominal) & (varied.nominal <= varied.up))
    assert effective_sample_size(varied.nominal) > 0.2 * len(generated)


def test_the_mean_of_the_logarithms_is_that_of_the_single_scorers(bundles, held_out_showers):
    _, generated = held_out_showers
    single = np.stack([np.asarray(cortado.load(path)(generated), dtype=np.float64) for path in bundles])
    logits = np.log(single) - np.log1p(-single)
    ensemble = scoring.ensemble(bundles)
    np.testing.assert_allclose(ensemble(generated), 1 / (1 + np.exp(-logits.mean(axis=0))), rtol=1e-4)
    varied = ensemble.likelihood_ratios(generated, prior=2.0)
    np.testing.assert_allclose(varied.nominal, np.exp(logits.mean(axis=0)) / 2, rtol=1e-3)
    np.testing.assert_allclose(np.log(varied.up / varied.nominal), logits.std(axis=0, ddof=1), atol=1e-3)


def test_events_of_several_showers_weigh_the_product(bundles, held_out_showers):
    _, generated = held_out_showers
    ensemble, nested = scoring.ensemble(bundles), ak.unflatten(generated[:6], [2, 0, 3, 1])
    weights = Weights(4)
    ensemble.add_likelihood_ratio(weights, nested)
    single = ensemble.likelihood_ratios(generated[:6]).nominal
    expected = [single[:2].prod(), 1.0, single[2:5].prod(), single[5]]
    np.testing.assert_allclose(weights.weight(), expected, rtol=1e-6)
    assert weights.variations == {"likelihood_ratioUp", "likelihood_ratioDown"}


def test_an_ensemble_needs_several_of_a_kind(bundles):
    with pytest.raises(ValueError, match="needs two or more bundles of the same answers, got 1 with 1 kinds"):
        scoring.ensemble(bundles[:1])


def test_ratio_weights_of_a_slow_twin():
    log_ratio, spread = np.array([0.0, -2.0, 800.0]), np.array([0.1, 0.5, 0.0])
    with pytest.warns(UserWarning, match="2 of 3 likelihood-ratio weights clipped to 0.2 .. 1000"):
        found = ratio_weights(log_ratio, spread, clip=(0.2, 1e3))
    assert isinstance(found, WeightVariations)
    np.testing.assert_allclose(found.nominal, [1.0, 0.2, 1000.0])
    np.testing.assert_allclose(found.up, [np.exp(0.1), np.exp(-1.5), 1000.0])
    np.testing.assert_allclose(found.down, [np.exp(-0.1), 0.2, 1000.0])
    with pytest.raises(ValueError, match=r"clip must be two rising positive numbers, got \(3, 2\)"):
        ratio_weights(log_ratio, clip=(3, 2))
    assert clipped(ratio_weights([0.0, 1.0, 2.0]), (1.5, 3.0))[1] == 2


def test_the_warning_of_clipped_weights_names_the_line_of_the_user(bundles, files):
    showers = ak.flatten(cortado.read(files[1]).showers)
    with pytest.warns(UserWarning, match="likelihood-ratio weights clipped to 0.99 .. 1.01") as found:
        scoring.ensemble(bundles).likelihood_ratios(showers, clip=(0.99, 1.01))
    assert [warning.filename for warning in found] == [__file__]


def test_the_processor_fills_simulated_generated_and_reweighted_showers(files, bundles):
    fileset = {
        "simulation": {"files": {files[0]: "showers"}, "metadata": {"trained_on": True}},
        "toy": {"files": {files[1]: "showers"}, "metadata": {"trained_on": True}},
    }
    instance = processors.ShowerProcessor(BINNING, reweighters={"toy": scoring.ensemble(bundles)}, held_out=SPLIT)
    instance = pickle.loads(pickle.dumps(instance))  # as it goes to a worker process
    output = processors.run(fileset, instance, executor="iterative", schema=BaseSchema, chunksize=400, progress=False)
    assert output["events"] == {"simulation": 2500, "toy": 2500}
    for name in BINNING:
        histogram = output[name]
        assert set(histogram.axes["origin"]) == {"simulated", "generated", "reweighted"}
        sums = {
            origin: histogram[{"origin": origin, "dataset": sum, "variation": "nominal"}].sum(flow=True)
            for origin in histogram.axes["origin"]
        }
        # The test part, scaled up to all.
        assert sums["simulated"].variance * SPLIT.test == pytest.approx(sums["simulated"].value)
        assert 0.8 * 2500 < sums["generated"].value < 1.2 * 2500
        assert abs(sums["reweighted"].value / sums["generated"].value - 1) < 0.2
        assert set(histogram.axes["variation"]) == {"nominal", "reweightingUp", "reweightingDown"}


def test_the_processor_counts_the_weights_that_it_clips(files, bundles, recwarn):
    fileset = {"toy": {"files": {files[1]: "showers"}, "metadata": {}}}
    reweighter, clip = scoring.ensemble(bundles), (0.9, 1.1)
    instance = processors.ShowerProcessor(BINNING, reweighters={"toy": reweighter}, clip=clip)
    output = processors.run(fileset, instance, executor="iterative", schema=BaseSchema, chunksize=400, progress=False)
    nominal = reweighter.likelihood_ratios(ak.flatten(cortado.read(files[1]).showers)).nominal
    outside = (nominal < clip[0]) | (nominal > clip[1])
    assert output["clipped"] == {"toy": outside.sum()}
    assert 0 < outside.sum() < len(nominal)
    expected = np.clip(nominal, *clip).sum()
    reweighted = output["response"][{"origin": "reweighted", "dataset": sum, "variation": "nominal"}]
    assert reweighted.sum(flow=True).value == pytest.approx(expected)
    assert not [warning for warning in recwarn if "clipped" in str(warning.message)]


def test_the_processor_refuses_shapes_that_are_not():
    with pytest.raises(ValueError, match=r"CaloGAN has no shape 'width_z_0'; it has total_energy, response"):
        processors.ShowerProcessor({"width_z_0": (10, 0.0, 1.0)})


def test_file_weights_are_used_as_they_are(files, tmp_path):
    path, showers = tmp_path / "weighted.root", toy_showers(200, seed=8)
    columns = calogan.columns_of(showers, is_generated=False) | {"weight": np.linspace(0.5, 2, 200).astype(np.float32)}
    ntuples.write(path, "showers", [columns])
    fileset = {"weighted": {"files": {str(path): "showers"}, "metadata": {}}}
    output = processors.run(
        fileset, processors.ShowerProcessor(BINNING), executor="iterative", schema=BaseSchema, progress=False
    )
    assert output["sum_of_weights"]["weighted"] == pytest.approx(250.0)
    assert output["response"].sum(flow=True).value == pytest.approx(250.0)
