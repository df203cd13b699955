"""What is trained: generators of showers, and classifiers that tell their showers from simulated ones."""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from cortado import calorimeter
from cortado.analysis import bundle_path, preset_named
from cortado.calorimeter import CALOGAN
from cortado.models import (
    MLP,
    CaloFlow,
    CaloFlowMatching,
    CaloFlowStudent,
    CaloGAN,
    CaloGANDiscriminator,
    CaloVAE,
    CaloWGAN,
    CaloWGANCritic,
)
from cortado.representations import ShowerCells, ShowerImages, ShowerLogits, ShowerShapes
from cortado.splits import Split
from cortado.tasks import Classify, Generate, GenerateAgainst
from cortado.training import Objects, Recipe, Study

ENERGIES = (1.0, 100.0)  # GeV
THRESHOLD = 1e-5  # GeV; CaloFlow's
# A generator blurs the step from empty cells to hit ones, nearly all of which have 100 keV or more; noise not far below
# them makes it small, and the numbers of hits say where to cut. The calorimeter never has more than the incident energy
# and mostly 99.5 % of it: just above 1, `max_response` makes the far tail of what leaks a near one.
LOGITS = ShowerLogits(
    energy_range=ENERGIES,
    max_response=1.005,
    noise=THRESHOLD,
    threshold=2 * THRESHOLD,
    alpha=1e-8,
    core=True,
    hits=True,
)
SHAPES = calorimeter.shape_names(CALOGAN)
VIEWS = {  # of classifiers
    "low": ShowerCells(normalise="logarithm", threshold=THRESHOLD),
    "high": ShowerShapes(shapes=SHAPES, threshold=THRESHOLD, logarithms=True),  # the depth, too
}
TITLES = {
    "calogan": "CaloGAN",
    "wgan": "Wasserstein GAN",
    "vae": "VAE",
    "flow": "CaloFlow",
    "student": "CaloFlow student",
    "flow_matching": "Flow matching",
}

LARGE = Split(validation=0.1, test=0.2, seed=2)


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Size of the samples, by their manifest, of the networks, and length of the trainings."""

    manifest: str = "showers_full.toml"
    showers: int | None = None  # the most of each sample
    simulation: dict = field(default_factory=dict)  # what is not as in the manifest
    epochs: dict[str, int]  # of the generators
    stages: tuple[int, ...] = ()  # epochs of shorter trainings of flow matching: what does time buy?
    batch_size: int  # of generators
    averaging: float  # of their weights, per step
    learning_rate: float  # of flow matching
    classifiers: dict[str, dict]  # trainings of the classifiers of cells ("low") and of shapes ("high")
    seeds: int  # of these
    split: Split = LARGE  # of the judging sample, for the classifiers
    bins: int = 40  # of shapes: in the figures evenly wide, for chi2 evenly full
    networks: dict[str, dict]  # what is not the default of generators, and of the classifiers of shapes ("high")


MEDIUM_FLOW = {"blocks": 4, "hidden": (128, 128), "layer_blocks": 4, "layer_hidden": (32, 32), "dropout": 0.0}
BIG_MATCHING = {"blocks": 3, "hidden": 1024, "layer_hidden": 256, "steps": 8}
SMOOTH = {"hidden": (256, 256, 256), "activation": "gelu", "bins": 28}
SHORT = {"batch_size": 128, "learning_rate": 1e-3}
LONG_LOW = {"batch_size": 256, "learning_rate": 1e-3, "cache_bytes": 2_000_000_000}
LONG_HIGH = {"epochs": 10, "batch_size": 1024, "learning_rate": 3e-3}
PRESETS = {
    "quick": Preset(
        manifest="showers.toml",
        epochs={"wgan": 60, "vae": 20, "flow_matching": 20},
        stages=(2, 6),
        batch_size=64,
        averaging=0.995,
        learning_rate=2e-3,
        classifiers={"low": {"epochs": 6, **SHORT}, "high": {"epochs": 15, **SHORT}},
        seeds=2,
        split=Split(validation=0.1, test=0.4, seed=2),
        bins=20,
        networks={"wgan_critic": {"hidden": (256, 256)}, "flow_matching": {"hidden": 256, "layer_hidden": 64}},
    ),
    "full": Preset(  # hours on two cores
        epochs={"calogan": 2, "wgan": 60, "vae": 30, "flow": 10, "student": 6, "flow_matching": 60},
        stages=(2, 8),
        batch_size=128,
        averaging=0.999,
        learning_rate=1e-3,
        classifiers={"low": {"epochs": 4, **LONG_LOW}, "high": LONG_HIGH},
        seeds=3,
        networks={"flow": MEDIUM_FLOW, "student": MEDIUM_FLOW, "high": SMOOTH},
    ),
    "published": Preset(  # networks of published size, and a larger one for flow matching: for a GPU
        epochs={"calogan": 50, "wgan": 100, "vae": 100, "flow": 100, "student": 100, "flow_matching": 100},
        stages=(5, 25),
        batch_size=256,
        averaging=0.9995,
        learning_rate=1e-3,
        classifiers={"low": {"epochs": 20, **LONG_LOW}, "high": LONG_HIGH},
        seeds=10,
        networks={"flow": {}, "student": {}, "flow_matching": BIG_MATCHING, "high": SMOOTH},
    ),
    "tiny": Preset(  # shows that everything runs, no more; at low energies some showers end in another layer
        manifest="showers.toml",
        showers=200,
        simulation={"energy": (1.0, 10.0)},
        epochs={"calogan": 1, "wgan": 1, "flow_matching": 2},
        stages=(1,),
        batch_size=64,
        averaging=0.9,
        learning_rate=1e-3,
        classifiers={"low": {"epochs": 1, **SHORT}, "high": {"epochs": 1, **SHORT}},
        seeds=2,
        split=Split(validation=0.2, test=0.4, seed=2),
        bins=5,
        networks={
            "calogan": {"latent": 16, "channels": 4, "filters": (4, 4)},
            "calogan_critic": {"filters": (4, 4, 4, 4)},
            "wgan": {"latent": 4, "hidden": (16,)},
            "wgan_critic": {"hidden": (16, 16)},
            "flow_matching": {"hidden": 16, "layer_hidden": 8},
        },
    ),
}


def is_generated(showers):
    """Simulated files do not say that they are not."""
    if "is_generated" in showers.fields:
        return showers.is_generated
    return np.zeros(len(showers), dtype=bool)


def is_simulated(showers):
    return ~np.asarray(is_generated(showers))


def sample(folder, name):
    return Path(folder) / "samples" / f"{name}.root"


def generated(folder, name):
    return Path(folder) / "generated" / f"{name}.root"


def generator_studies(preset, folder):
    """The generators of a preset, trained on the first sample in `folder`; the student after its teacher."""
    chosen = preset_named(PRESETS, preset)
    common = Study(
        name="vae",
        objects=Objects(
            files=(sample(folder, "training"),), collection="showers", split=Split(validation=0.1, test=0.0, seed=1)
        ),
        representation=LOGITS,
        scaling="fit",
        model=partial(CaloVAE, features=len(LOGITS.features)),
        task=Generate(),
        recipe=Recipe(batch_size=chosen.batch_size, learning_rate=1e-3, averaging=chosen.averaging),
    )

    def flow(name, model, **arguments):  # layers have two features: share and hits
        return replace(common, model=partial(model, layer_features=2, **arguments, **chosen.networks.get(name, {})))

    images = replace(
        common,
        representation=ShowerImages(energy_range=ENERGIES),
        scaling=None,
        model=partial(CaloGAN, **chosen.networks.get("calogan", {})),
        task=GenerateAgainst(critic=partial(CaloGANDiscriminator, **chosen.networks.get("calogan_critic", {}))),
        recipe=Recipe(  # as published, and no decay
            batch_size=chosen.batch_size, learning_rate=2e-4, weight_decay=0.0, betas=(0.5, 0.999), schedule="constant"
        ),
    )
    wasserstein = replace(
        common,
        model=partial(CaloWGAN, features=len(LOGITS.features), **chosen.networks.get("wgan", {})),
        task=GenerateAgainst(
            critic=partial(CaloWGANCritic, features=len(LOGITS.features), **chosen.networks.get("wgan_critic", {})),
            critic_rate=2.0,
            critic_steps=3,
            generator_steps=1,
            penalty=10.0,
        ),
        recipe=replace(
            common.recipe,
            batch_size=2 * chosen.batch_size,
            learning_rate=5e-4,
            weight_decay=0.0,
            betas=(0.5, 0.9),
            schedule="cosine",
        ),
    )
    student = flow("student", CaloFlowStudent, beta=1.0, teacher=chosen.networks.get("flow", {}))
    matching = flow("flow_matching", CaloFlowMatching, groups=LOGITS.rings(1))
    smooth = replace(common.recipe, learning_rate=chosen.learning_rate, schedule="cosine", gradient_clip=1.0)
    every = {
        "calogan": images,
        "wgan": wasserstein,
        "vae": common,
        "flow": flow("flow", CaloFlow),
        "student": replace(student, frozen={"teacher": str(bundle_path(folder, "flow"))}),
        "flow_matching": replace(matching, recipe=smooth),
    }
    epochs = chosen.epochs | {f"flow_matching_{number}": number for number in chosen.stages}
    every |= {name: every["flow_matching"] for name in epochs if name not in every}
    return {
        name: replace(every[name], name=name, recipe=replace(every[name].recipe, epochs=number))
        for name, number in epochs.items()
    }


def classifier_studies(preset, folder, name, view):
    """Classifiers of a generator's showers against the second sample, of all seeds, by what they see (of `VIEWS`)."""
    chosen = preset_named(PRESETS, preset)
    representation = VIEWS[view]
    network = {"hidden": (512, 512), "dropout": 0.2}
    if view == "high":
        network = {"hidden": (128, 128, 128), "dropout": 0.1, **chosen.networks.get("high", {})}
    recipe = Recipe(weight_decay=1e-2, schedule="cosine", averaging=0.99, step_size=1_000, **chosen.classifiers[view])
    common = Study(
        name=view,
        objects=Objects(
            files=(sample(folder, "judging"), generated(folder, name)), collection="showers", split=chosen.split
        ),
        representation=representation,
        scaling="quantiles" if view == "high" else None,
        model=partial(MLP, features=len(representation.features), **network),
        task=Classify(classes={"generated": is_generated, "simulated": is_simulated}, signal="simulated"),
        recipe=recipe,  # of small steps: a class a file
    )
    return {
        f"{name}/{view}_{seed}": replace(common, name=f"{view}_{seed}", recipe=replace(recipe, seed=seed))
        for seed in range(1, chosen.seeds + 1)
    }


def judges(preset, folder):
    """The classifiers of all generators; those of shorter trainings see cells alone."""
    chosen = preset_named(PRESETS, preset)
    every = {}
    for name in generator_studies(preset, folder):
        for view in VIEWS if name in chosen.epochs else ("low",):
            every |= classifier_studies(preset, folder, name, view)
    return every


def studies(preset, folder):
    """All trainings: the generators, and the classifiers of the showers of each."""
    return generator_studies(preset, folder) | judges(preset, folder)
