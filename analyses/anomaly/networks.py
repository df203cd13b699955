"""What is trained: QCD, top and W jets, and networks that see one kind of them alone."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import awkward as ak
import numpy as np
from sklearn import ensemble, neighbors

from cortado import manifest as manifests
from cortado import models
from cortado.analysis import preset_named, sample_paths
from cortado.representations import HighLevel, ParticleList
from cortado.representations.jet_image import TOP_40
from cortado.splits import Split
from cortado.tasks import FindAnomalies, Fit, Reconstruct
from cortado.training import Objects, Recipe, Study

SPLIT = Split(validation=0.1, test=0.3, seed=1)
PT_RANGE = (550.0, 650.0)  # GeV
OBSERVABLES = HighLevel(features=("mass", "tau21", "tau32", "multiplicity"))
OF_PARTICLES = HighLevel(features=("mass", "c2", "d2", "multiplicity"), max_constituents=30)  # no tau in given files
RIVALS = (
    ("forest", models.IsolationForest, partial(ensemble.IsolationForest, n_estimators=200)),
    ("neighbours", models.NearestNeighbours, partial(neighbors.NearestNeighbors)),
)
KINDS = {"qcd": "QCD", "top": "Top", "w": "W"}
TITLES = {
    "image": "Images, dense",
    "remapped": "Roots of pixels, smeared loss",
    "observables": "Observables",
    "variational": "Observables, variational",
    "forest": "Observables, isolation forest",
    "neighbours": "Observables, nearest neighbours",
    "particles": "Particles as a set",
    "convolutions": "Images (Heimel et al.)",
    "large_image": "Images (Farina et al.)",
    "image_of_top": "Images, trained on top jets",
    "remapped_of_top": "Roots of pixels, trained on top jets",
}


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Epochs of what sees images, observables and sets; which networks are trained; the most jets of each sample."""

    images: int
    observables: int
    sets: int
    networks: tuple[str, ...] = tuple(name for name in TITLES if name not in ("convolutions", "large_image"))
    jets: int | None = None


PRESETS = {
    "quick": Preset(images=20, observables=20, sets=8),
    "full": Preset(images=30, observables=40, sets=20, networks=tuple(TITLES)),
    "tiny": Preset(
        images=1, observables=1, sets=1, networks=("image", "variational", "forest", "image_of_top"), jets=100
    ),
}


def kind_of(jets):
    """0 for QCD jets, 1 for top, 2 for W, -1 for others, in the samples of this study and in the reference data."""
    if "is_signal" in jets.fields:
        return ak.values_astype(jets.is_signal == 1, np.int64)
    flavour = abs(jets.truth_pdg_id)
    return ak.where(flavour == 6, 1, ak.where(flavour == 24, 2, ak.where(flavour == 0, 0, -1)))


def in_window(jets):
    """The jets that the samples are made for; in their events are others. The reference data have these alone."""
    inside = (jets.pt >= PT_RANGE[0]) & (jets.pt < PT_RANGE[1]) & (abs(jets.eta) < 2.4)
    return inside | ("is_signal" in jets.fields)


def is_qcd(jets):
    return kind_of(jets) == 0


def is_top(jets):
    return kind_of(jets) == 1


def is_w(jets):
    return kind_of(jets) == 2


def manifest():
    return manifests.load(Path(__file__).parents[2] / "data_manifests" / "anomaly.toml")


def samples(folder):
    return sample_paths(manifest(), Path(folder) / "samples")


def studies(preset, folder, files=()):
    """The trainings of a preset on the samples in `folder`, or on the first of the given files."""
    chosen = preset_named(PRESETS, preset)
    strange = {"top": is_top} if files else {"top": is_top, "w": is_w}
    image = Study(
        name="image",
        objects=Objects(
            files=tuple(files[:1] or samples(folder)),
            mask=in_window,
            split=Split(validation=0.1, test=0.0) if files else SPLIT,
        ),
        representation=TOP_40,
        model=partial(models.DenseImageAutoencoder),
        task=Reconstruct(normal=is_qcd, anomalies=strange),
        recipe=Recipe(epochs=chosen.images, batch_size=128, learning_rate=1e-3),
    )
    rooted = {"representation": replace(TOP_40, power=0.5)}
    rooted["model"] = partial(models.DenseImageAutoencoder, softmax=False)
    of_top = Reconstruct(normal=is_top, anomalies={"qcd": is_qcd})
    observables = replace(
        image,
        name="observables",
        representation=OF_PARTICLES if files else OBSERVABLES,
        scaling="fit",
        model=partial(models.DenseAutoencoder, features=4, latent=2),
        recipe=replace(image.recipe, epochs=chosen.observables, batch_size=64, learning_rate=3e-3),
    )
    particles = replace(
        observables,
        name="particles",
        representation=ParticleList(max_constituents=60),
        model=partial(models.SetAutoencoder, features=3),
        task=replace(image.task, loss="chamfer"),
        recipe=replace(observables.recipe, epochs=chosen.sets, learning_rate=2e-3),
    )
    draws = partial(models.VariationalAutoencoder, features=4, latent=2)
    brief = replace(image.recipe, epochs=5, precision="bfloat16")
    every = [
        image,
        replace(image, name="remapped", task=replace(image.task, smearing=1.0), **rooted),
        observables,
        replace(observables, name="variational", model=draws),
        particles,
        replace(image, name="image_of_top", task=of_top),
        replace(image, name="remapped_of_top", task=replace(of_top, smearing=1.0), **rooted),
        replace(image, name="convolutions", model=partial(models.HeimelAutoencoder)),
        replace(image, name="large_image", model=partial(models.ImageAutoencoder), recipe=brief),
    ]
    for name, model, estimator in RIVALS:
        rival = Fit(estimator=estimator, task=FindAnomalies(normal=is_qcd, anomalies=strange))
        every.append(replace(observables, name=name, model=partial(model), task=rival))
    return {study.name: study for study in every if study.name in chosen.networks}
