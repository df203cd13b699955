"""What is trained: jets of W bosons and of QCD, and five networks on four representations."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from cortado import manifest as manifests
from cortado.analysis import preset_named, sample_paths
from cortado.models import MLP, PFN, JetImageCNN, ParticleNet
from cortado.models.particlenet import LITE
from cortado.representations import HighLevel, JetImage, ParticleList, PointCloud
from cortado.representations.features import PARTICLENET_FEATURES
from cortado.scaling import DEEP_SETS_SCALING, PARTICLENET_SCALING
from cortado.splits import Split
from cortado.tasks import Classify, Decorrelate
from cortado.training import Balance, Objects, Recipe, Study

PT_RANGE = (500.0, 700.0)  # GeV
SPLIT = Split(validation=0.15, test=0.25, seed=1)
IMAGE = JetImage(half_width=0.8, channels=("pt", "charged_pt", "neutral_pt", "multiplicity"))
TITLES = {
    "baseline": "MLP, high-level",
    "decorrelated": "MLP, decorrelated from the mass",
    "cnn": "CNN, jet images",
    "pfn": "PFN",
    "particlenet_lite": "ParticleNet-Lite",
}
MASS_BINS = (0.0, 40.0, 55.0, 70.0, 90.0, 120.0, 1000.0)  # GeV, of like numbers of QCD jets


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Samples by their manifest, the most jets of each, and the length of the trainings."""

    manifest: str = "w_tagging.toml"
    jets: int | None = None
    epochs: dict[str, int]


PRESETS = {
    "quick": Preset(epochs={"baseline": 10, "decorrelated": 20, "cnn": 6, "pfn": 15, "particlenet_lite": 8}),
    "full": Preset(
        manifest="w_tagging_full.toml",
        epochs={"baseline": 20, "decorrelated": 40, "cnn": 12, "pfn": 30, "particlenet_lite": 20},
    ),
    "tiny": Preset(jets=120, epochs=dict.fromkeys(TITLES, 1)),
}


def in_window(jets):
    return (jets.pt >= PT_RANGE[0]) & (jets.pt < PT_RANGE[1]) & (abs(jets.eta) < 2.4)


def is_w(jets):
    return jets.truth_pdg_id == 24


def is_qcd(jets):
    return jets.truth_pdg_id == 0


def manifest_of(preset):
    name = preset_named(PRESETS, preset).manifest
    return manifests.load(Path(__file__).parents[2] / "data_manifests" / name)


def studies(preset, folder):
    """The trainings of a preset on the samples in `folder`."""
    chosen = preset_named(PRESETS, preset)
    baseline = Study(
        name="baseline",
        objects=Objects(
            files=tuple(sample_paths(manifest_of(preset), Path(folder) / "samples")),
            mask=in_window,
            split=SPLIT,
            balance=Balance(field="pt", bins=tuple(np.linspace(*PT_RANGE, 11).tolist())),
        ),
        representation=HighLevel(max_constituents=50),
        scaling="fit",
        model=partial(MLP, features=8),
        task=Classify(classes={"qcd": is_qcd, "w": is_w}, signal="w"),
        recipe=Recipe(epochs=chosen.epochs["baseline"], batch_size=128, learning_rate=3e-3),
    )

    def variant(name, representation, scaling, model, **recipe):
        recipe = replace(baseline.recipe, epochs=chosen.epochs[name], **recipe)
        return replace(baseline, name=name, representation=representation, scaling=scaling, model=model, recipe=recipe)

    against_mass = Decorrelate(
        task=baseline.task,
        adversary=partial(MLP, hidden=(64, 64)),
        field="mass",
        bins=MASS_BINS,
        only=("qcd",),
        adversary_steps=2,
    )
    decorrelated = variant("decorrelated", baseline.representation, "fit", baseline.model)
    lite = partial(ParticleNet, **LITE)
    particles = ParticleList(features=PARTICLENET_FEATURES, centre="axis", mirror_eta=True)
    every = (
        baseline,
        replace(decorrelated, task=against_mass),
        variant("cnn", IMAGE, None, partial(JetImageCNN, channels=4, pixels=25), learning_rate=2e-3),
        variant("pfn", particles, DEEP_SETS_SCALING, partial(PFN, features=7), learning_rate=4e-3),
        variant("particlenet_lite", PointCloud(), PARTICLENET_SCALING, lite, learning_rate=4e-3),
    )
    return {study.name: study for study in every}
