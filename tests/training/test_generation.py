"""Generators: trained by their own loss, by a teacher, and against a critic; their bundles; showers to order."""

import dataclasses
import functools

import awkward as ak
import numpy as np
import pytest
import torch
from toy_showers import toy_showers

import cortado
from cortado import bundle, calorimeter, ntuples
from cortado.models import CaloFlow, CaloFlowStudent, CaloGAN, CaloGANDiscriminator, CaloVAE, CaloWGAN, CaloWGANCritic
from cortado.readers import calogan
from cortado.representations import ShowerImages, ShowerLogits
from cortado.scaling import Scaling
from cortado.splits import TEST, Split
from cortado.tasks import Classify, Generate, GenerateAgainst, Showers
from cortado.training import Objects, Recipe, Study, evaluate, train

FLOW = {"layer_blocks": 1, "layer_hidden": (8,), "blocks": 1, "hidden": (16,), "bins": 3}
SPLIT = Split(validation=0.2, test=0.2)


@pytest.fixture(scope="session")
def shower_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("showers") / "showers.root"
    showers = toy_showers(400, seed=3)
    ntuples.write(path, "showers", [calogan.columns_of(showers, is_generated=False)])
    return str(path)


@pytest.fixture(scope="session")
def vae_study(shower_file):
    return Study(
        name="vae",
        objects=Objects(files=(shower_file,), collection="showers", split=SPLIT),
        task=Generate(),
        representation=ShowerLogits(),
        scaling="fit",
        model=functools.partial(CaloVAE, code=4, hidden=(32,)),
        recipe=Recipe(epochs=4, batch_size=32, learning_rate=3e-3, workers=0, averaging=0.9),
    )


@pytest.fixture(scope="session")
def vae(vae_study, tmp_path_factory):
    return train(vae_study, tmp_path_factory.mktemp("vae"), progress=False)


@pytest.fixture(scope="session")
def flow(vae_study, tmp_path_factory):
    study = dataclasses.replace(
        vae_study, name="flow", model=functools.partial(CaloFlow, **FLOW), recipe=Recipe(epochs=1)
    )
    return train(study, tmp_path_factory.mktemp("flow"), progress=False)


def gan_study(shower_file, **recipe):
    return Study(
        name="gan",
        objects=Objects(files=(shower_file,), collection="showers", split=SPLIT),
        task=GenerateAgainst(critic=functools.partial(CaloGANDiscriminator, filters=(4, 3, 2, 2))),
        representation=ShowerImages(),
        model=functools.partial(CaloGAN, latent=16, channels=2, filters=(3, 2)),
        recipe=Recipe(epochs=3, batch_size=32, learning_rate=2e-3, schedule="constant", workers=0, **recipe),
    )


@pytest.fixture(scope="session")
def gan(shower_file, tmp_path_factory):
    return train(gan_study(shower_file), tmp_path_factory.mktemp("gan"), progress=False, accelerator="cpu")


def test_a_generator_learns_and_says_what_it_was_trained_on(vae):
    losses = [epoch.validation_loss for epoch in vae.epochs]
    assert losses[-1] < losses[0]
    assert vae.metrics["loss"] == min(losses)
    assert f"loss {min(losses):.4f}" in str(vae)
    found = bundle.load(vae.bundle)
    assert found.use == Showers(energy_range=(1.0, 100.0), latent=found.model.latent)
    assert set(found.provenance["objects"]) == {"showers"}
    assert sum(found.provenance["objects"]["showers"]) == 400


def test_cells_that_hardly_vary_are_divided_by_a_logit_and_layers_by_their_spread(vae):
    scale = bundle.load(vae.bundle).scaling.scale
    assert max(scale[3:]) == 1
    assert max(scale[:3]) > 1


def test_a_generator_makes_showers_of_the_energies_that_are_wanted(vae):
    generator = cortado.load(vae.bundle)
    energies = np.linspace(2, 90, 300).astype(np.float32)
    showers = generator(energies)
    np.testing.assert_array_equal(showers.energy, energies)
    total = sum(ak.to_numpy(showers[name]).sum(axis=(1, 2)) for name in ("layer_0", "layer_1", "layer_2"))
    assert np.all(total > 0)
    np.testing.assert_allclose(total / energies, 0.97, atol=0.2)


def test_a_shower_depends_on_the_seed_and_its_number_alone(vae):
    energies = np.full(700, 30, np.float32)
    whole = cortado.load(vae.bundle)(energies, seed=5)
    small = cortado.load(vae.bundle, batch_size=13)
    parts = [small(energies[:300], seed=5), small(energies[300:], seed=5, first=300)]
    for name in ("layer_0", "layer_2"):
        found = np.concatenate([ak.to_numpy(part[name]) for part in parts])
        np.testing.assert_allclose(found, ak.to_numpy(whole[name]), rtol=1e-3, atol=1e-4)
    other = small(energies[:10], seed=6)
    assert not np.allclose(ak.to_numpy(other.layer_1), ak.to_numpy(whole.layer_1[:10]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", ["vae", "flow"])
def test_showers_of_the_gpu_are_those_of_the_cpu(request, kind):
    trained = request.getfixturevalue(kind)  # on the GPU
    energies = np.linspace(2, 90, 300).astype(np.float32)
    on_cpu, on_gpu = (cortado.load(trained.bundle, device=device)(energies) for device in ("cpu", "cuda"))
    for name in ("layer_0", "layer_2"):
        np.testing.assert_allclose(ak.to_numpy(on_gpu[name]), ak.to_numpy(on_cpu[name]), rtol=1e-3, atol=1e-4)


def test_a_longer_sample_begins_with_the_shorter_one(vae):
    generator = cortado.load(vae.bundle)
    short, long = (ak.concatenate(list(generator.sample(n, (1, 100), seed=2))) for n in (30, 9000))
    assert len(long) == 9000
    np.testing.assert_array_equal(short.energy, long.energy[:30])
    np.testing.assert_allclose(ak.to_numpy(short.layer_1), ak.to_numpy(long.layer_1[:30]), rtol=1e-3, atol=1e-4)


def test_spectra_are_uniform_in_the_energy_or_in_its_logarithm(vae):
    generator = cortado.load(vae.bundle)
    uniform, logarithmic = (
        ak.to_numpy(ak.concatenate(list(generator.sample(4000, (1, 100), spectrum=spectrum))).energy)
        for spectrum in ("uniform", "log-uniform")
    )
    assert abs(uniform.mean() - 50.5) < 5 * 28.6 / 4000**0.5
    assert abs(np.log10(logarithmic).mean() - 1) < 5 * 0.577 / 4000**0.5


def test_a_generator_is_small_to_pickle_and_empty_calls_are_fine(vae):
    import pickle

    generator = cortado.load(vae.bundle)
    assert len(pickle.dumps(generator)) < 2_000
    showers = generator([])
    assert len(showers) == 0
    assert showers.layer_0.type.content.size == 3


@pytest.mark.parametrize(
    ("energies", "message"),
    [
        ([50, 0.5], r"1 of 2 energies, such as 0.5 GeV: .*trained on 1 to 100 GeV; extrapolate=True \(--extrapolate\)"),
        ([-1.0], r"1 of 1 energies, such as -1 GeV: positive and finite energies are required"),
        ([np.nan], r"1 of 1 energies, such as nan GeV: positive and finite"),
        ([[5.0]], r"energies must have the shape \(n,\), got \(1, 1\)"),
    ],
)
def test_energies_that_cannot_be(vae, energies, message):
    with pytest.raises(ValueError, match=message):
        cortado.load(vae.bundle)(energies)


def test_extrapolation_is_allowed_to_those_who_ask(vae):
    assert len(cortado.load(vae.bundle, extrapolate=True)([0.5, 300.0])) == 2


def test_what_a_generator_refuses(vae, shower_file):
    generator = cortado.load(vae.bundle)
    with pytest.raises(ValueError, match="spectrum = 'flat', required: uniform or log-uniform"):
        next(generator.sample(10, (1, 100), spectrum="flat"))
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        cortado.load(vae.bundle, batch_size=0)
    with pytest.raises(ValueError, match=r"is not for a Scorer: it gives Showers, which ShowerGenerator\.load"):
        cortado.scoring.Scorer.load(vae.bundle)


def test_a_student_takes_its_teacher_along_to_training_only(vae_study, flow, tmp_path):
    model = functools.partial(CaloFlowStudent, **FLOW, teacher={**FLOW, "layers": (288, 144, 72)})
    study = dataclasses.replace(
        vae_study, name="student", model=model, recipe=Recipe(epochs=1), frozen={"teacher": str(flow.bundle)}
    )
    found = bundle.load(train(study, tmp_path / "student", progress=False).bundle)
    assert "teacher" not in found.arguments
    assert not [name for name in found.model.state_dict() if name.startswith("teacher")]


def test_an_adversarial_training_brings_energies_near_those_wanted(shower_file, gan, tmp_path):
    study = gan_study(shower_file)
    assert [sorted(epoch.merits) for epoch in gan.epochs] == [["critic"]] * 3
    still = dataclasses.replace(study, recipe=dataclasses.replace(study.recipe, epochs=1, learning_rate=1e-12))
    (untrained,) = train(still, tmp_path / "still", progress=False).epochs
    assert min(epoch.validation_loss for epoch in gan.epochs) < untrained.validation_loss
    found = bundle.load(gan.bundle)
    assert not [name for name in found.model.state_dict() if name.startswith("critic")]
    assert len(cortado.load(gan.bundle)([10.0, 20.0])) == 2


def test_a_wasserstein_gan_learns_energies_and_hits(vae_study, tmp_path):
    """Within minutes; here in seconds, and the means of layers follow roughly."""
    hits = ShowerLogits(noise=1e-5, threshold=2e-5, alpha=1e-8, hits=True)
    study = dataclasses.replace(
        vae_study,
        name="wgan",
        representation=hits,
        model=functools.partial(CaloWGAN, features=510, latent=8, hidden=(32,)),
        task=GenerateAgainst(
            critic=functools.partial(CaloWGANCritic, features=510, hidden=(64, 64)),
            critic_rate=2.0,
            critic_steps=3,
            generator_steps=1,
            penalty=10.0,
        ),
        recipe=Recipe(
            epochs=30,
            batch_size=64,
            learning_rate=2e-3,
            betas=(0.5, 0.9),
            schedule="cosine",
            averaging=0.9,
            weight_decay=0.0,
            workers=0,
        ),
    )
    result = train(study, tmp_path, progress=False, accelerator="cpu")
    losses = [epoch.validation_loss for epoch in result.epochs]
    assert losses[-1] < 0.8 * losses[0]
    simulated = ak.flatten(cortado.read(study.objects.files[0]).showers)
    made = cortado.load(result.bundle)(simulated.energy)
    expected, found = (calorimeter.shower_shapes(each, calorimeter.CALOGAN) for each in (simulated, made))
    for name in ("response", "energy_0", "energy_1", "energy_2", "occupancy_0", "occupancy_1", "occupancy_2"):
        assert found[name].mean() == pytest.approx(expected[name].mean(), rel=0.3)


def test_an_interrupted_adversarial_training_ends_with_the_same_weights(shower_file, gan, tmp_path, monkeypatch):
    from cortado.training.lightning import Training

    train_it = functools.partial(train, gan_study(shower_file), progress=False, accelerator="cpu")
    begin = Training.on_train_epoch_start

    def stopped(self):
        if self.current_epoch == 2:
            raise RuntimeError("killed")
        begin(self)

    monkeypatch.setattr(Training, "on_train_epoch_start", stopped)
    with pytest.raises(RuntimeError, match="killed"):
        train_it(tmp_path / "cut")
    monkeypatch.setattr(Training, "on_train_epoch_start", begin)
    resumed = train_it(tmp_path / "cut", resume=True)
    one, other = (bundle.load(result.bundle).model.state_dict() for result in (gan, resumed))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("task", "changes", "message"),
    [
        (
            "vae",
            {"learning_rate": 1e6},
            r"outputs for \d+ of \d+ validation objects are not finite after epoch 1.*own must answer",
        ),
        (
            "gan",
            {"learning_rate": 1e30},
            r"not finite after epoch 1: lower learning_rate = 1e\+30 or set",
        ),
    ],
)
def test_a_diverged_training_says_so(vae_study, shower_file, tmp_path, task, changes, message):
    study = gan_study(shower_file)
    if task == "vae":
        study = vae_study
    study = dataclasses.replace(study, recipe=dataclasses.replace(study.recipe, schedule="constant", **changes))
    with pytest.raises(FloatingPointError, match=message):
        train(study, tmp_path / "diverged", progress=False)


def test_studies_of_generators_that_cannot_be(vae_study):
    with pytest.raises(ValueError, match=r"scaling = 'quantiles', required: one that can be undone, for Generate"):
        dataclasses.replace(vae_study, scaling="quantiles")
    clipped = Scaling(names=("energy",), center=(0.0,), scale=(1.0,), clip=5.0)
    with pytest.raises(ValueError, match=r"scaling = .* required: one that can be undone, for Generate"):
        dataclasses.replace(vae_study, scaling=clipped)


def test_a_generator_is_not_asked_for_classes(vae_study, vae):
    classes = {"low": lambda showers: showers.energy < 50, "high": lambda showers: showers.energy >= 50}
    tagging = dataclasses.replace(vae_study, task=Classify(classes=classes, signal="low"))
    with pytest.raises(ValueError, match=r"the bundle gives Showers.*, the study 'vae' asks for Classes"):
        evaluate(vae.bundle, tagging)


def test_an_evaluation_of_a_generator_has_showers_of_the_same_energies(vae_study, vae):
    judged = evaluate(vae.bundle, vae_study, subset="validation", columns=("energy",))
    features = ak.to_numpy(judged.answers.features)
    assert features.shape == (len(judged.objects), len(ShowerLogits().features))
    assert np.all(np.isfinite(features))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"critic": CaloGANDiscriminator}, r"critic = .* required: functools.partial\(Network"),
        ({"critic_rate": 0.0}, r"critic_rate = 0.0, required: a positive number"),
        ({"generator_steps": 0}, r"generator_steps = 0, required: at least 1"),
    ],
)
def test_critics_that_cannot_be(changes, message):
    with pytest.raises(ValueError, match=message):
        GenerateAgainst(**{"critic": functools.partial(CaloGANDiscriminator)} | changes)


def test_gradients_are_clipped_in_an_adversarial_training_too(shower_file, gan, tmp_path):
    clipped = train(gan_study(shower_file, gradient_clip=1e-4), tmp_path, progress=False)
    one, other = (bundle.load(result.bundle).model.state_dict() for result in (gan, clipped))
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_a_file_without_the_collection_is_named(vae_study, tmp_path):
    objects = dataclasses.replace(vae_study.objects, collection="jets")
    with pytest.raises(ValueError, match=r"showers.root, entries 0 to 400: no jets, only showers, event_key"):
        train(dataclasses.replace(vae_study, objects=objects), tmp_path / "jets", progress=False)


def test_test_showers_are_not_seen(vae_study, vae):
    record = cortado.read(vae_study.objects.files[0])
    counts = np.bincount(SPLIT.subset(ak.to_numpy(record.event_key)), minlength=3)
    train_, validation, test = bundle.load(vae.bundle).provenance["objects"]["showers"]
    assert counts[TEST] == test
    assert train_ + validation + test == 400
