"""A density from a study to events sampled from it, on a toy whose density is known."""

import functools

import awkward as ak
import numpy as np
import pytest
from scipy import stats

import cortado
from cortado import ntuples, reading, training
from cortado.models import ConditionalFlow
from cortado.representations import ConditionalColumns
from cortado.scoring import ByFold, EventSampler, SeveralPredictors
from cortado.simulation import simulate_dijets
from cortado.tasks import Density, EstimateDensity
from cortado.training import Objects, Recipe, Study

pytest.importorskip("zuko")


def columns(number, seed, file=1):
    """Log-normal jet masses that rise with the dijet mass, logit-normal tau21."""
    rng = np.random.default_rng(seed)
    mjj = rng.uniform(2000, 4000, number)
    first, second = (np.exp(centre(mjj) + 0.3 * rng.standard_normal(number)) for _ in range(2))
    numbers = {
        "mjj": mjj,
        "mj1": np.maximum(first, second),
        "mj2": np.minimum(first, second),
        "tau21_1": 1 / (1 + np.exp(-0.5 * rng.standard_normal(number))),
        "tau21_2": rng.uniform(0.1, 0.9, number),
    }
    whole = {"run": np.full(number, file), "luminosityBlock": np.ones(number, int), "event": np.arange(number)}
    return {name: column.astype(np.float32) for name, column in numbers.items()} | whole


def centre(mjj):
    return np.log(100) + 0.5 * np.log(mjj / 3000)


def true_log_probability(events):
    """Of tau21_1 alone."""
    tau = ak.to_numpy(events.tau21_1).astype(float)
    return stats.norm.logpdf(np.log(tau / (1 - tau)), scale=0.5) - np.log(tau * (1 - tau))


def study(path, features, **recipe):
    return Study(
        name="density",
        objects=Objects(files=(path,), collection="events"),
        representation=ConditionalColumns(features=features, condition={"mjj": (2000, 4000)}),
        scaling="fit",
        model=functools.partial(ConditionalFlow, features=len(features), transforms=2, hidden=(32,), kind="spline"),
        task=EstimateDensity(),
        recipe=Recipe(epochs=12, batch_size=256, learning_rate=1e-2, workers=0, **recipe),
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("toy") / "toy.root"
    ntuples.write(file, "Events", [columns(6000, 1)])
    return str(file)


@pytest.fixture(scope="module")
def bundle(path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    return training.train(study(path, {"tau21_1": (0, 1), "mj2": (0, None)}), folder, accelerator="cpu").bundle


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    file = tmp_path_factory.mktemp("toy") / "fresh.root"
    ntuples.write(file, "Events", [columns(4000, 2)])
    return reading.read(file)


def test_the_density_is_that_of_the_features_in_their_units(path, fresh, tmp_path):
    """Whatever the scaling and the logit: minus the entropy on average, and the true density event by event."""
    result = training.train(study(path, {"tau21_1": (0, 1)}), tmp_path, accelerator="cpu", progress=False)
    found = ak.to_numpy(cortado.load(result.bundle)(fresh).log_probability)
    true = true_log_probability(fresh)
    assert found.mean() == pytest.approx(true.mean(), abs=0.03)
    assert np.corrcoef(found, true)[0, 1] > 0.95


def test_samples_have_the_shapes_and_the_correlation_with_the_condition(bundle, fresh):
    sampled = cortado.load(bundle).sample({"mjj": fresh.mjj})
    assert sampled.fields == ["mjj", "tau21_1", "mj2"]
    assert [ak.to_numpy(sampled[name]).dtype for name in sampled.fields] == [np.float32] * 3
    for name in ("tau21_1", "mj2"):
        assert stats.ks_2samp(sampled[name], fresh[name]).statistic < 0.06
    both = [np.corrcoef(np.log(each.mjj), np.log(each.mj2))[0, 1] for each in (sampled, fresh)]
    assert both[0] == pytest.approx(both[1], abs=0.06)


def test_a_sample_does_not_depend_on_how_it_is_cut(bundle):
    masses = np.linspace(2000, 4000, 700)
    whole = cortado.load(bundle).sample({"mjj": masses}, seed=3)
    small = cortado.load(bundle, batch_size=64)
    parts = [small.sample({"mjj": masses[k : k + 350]}, seed=3, first=k) for k in (0, 350)]
    np.testing.assert_allclose(ak.concatenate(parts).mj2, whole.mj2, rtol=1e-4)
    assert not np.allclose(cortado.load(bundle).sample({"mjj": masses}, seed=4).mj2, whole.mj2)
    assert len(cortado.load(bundle).sample({"mjj": []})) == 0


def test_masses_that_it_was_not_trained_on_are_refused(bundle):
    with pytest.raises(ValueError, match="mjj of 1 of 2 objects is outside of 2000 to 4000, such as 4500"):
        cortado.load(bundle).sample({"mjj": [3000.0, 4500.0]})
    with pytest.raises(ValueError, match="no condition 'mjj' among mass"):
        cortado.load(bundle).sample({"mass": [3000.0]})


def test_several_bundles_give_a_mean_density_and_no_samples(bundle, fresh):
    assert type(cortado.load(bundle)) is EventSampler
    several = SeveralPredictors(predictors=(cortado.load(bundle).predictor,) * 2, rule=ByFold(seed=1))
    with pytest.raises(ValueError, match="an event is drawn from one density, not from several"):
        EventSampler.of(several)
    records = [ak.Array({"log_probability": np.log([1.0, 2.0])}), ak.Array({"log_probability": np.log([3.0, 2.0])})]
    np.testing.assert_allclose(Density().combined(records).log_probability, np.log([2.0, 2.0]))


def test_a_sideband_without_events_is_refused(tmp_path):
    """A signal region alone: nothing is left to learn the density from."""
    file = tmp_path / "region.root"
    simulate_dijets(file, events=2000)
    chosen = study(str(file), {"mj2": (0, None)})
    nothing = Objects(files=(file,), collection="events", mask=above)
    chosen = Study(**(vars(chosen) | {"objects": nothing}))
    with pytest.raises(ValueError, match=r"no training events in .*region\.root"):
        training.train(chosen, tmp_path / "out", accelerator="cpu", progress=False)


def above(events):
    return events.mjj > 1e5


def test_senseless_uses_are_refused():
    with pytest.raises(ValueError, match=r"x\.cortado: log_scale must be a number, got nan"):
        Density(log_scale=float("nan")).check("x.cortado")
