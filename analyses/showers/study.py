"""Calorimeter showers, from a simulation to generated and reweighted samples: read it from top to bottom.

Photons of 1 to 100 GeV in CaloGAN's calorimeter. Generators of four kinds (adversarial, variational, normalising flow
with a fast student, flow matching) are trained on one simulated sample and judged on another: by classifiers that are
trained to tell their showers from simulated ones, by shower shapes, and by their speed. The same classifiers give the
weights that turn generated showers into simulated ones, which a coffea processor fills into histograms.
"""

import json
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import awkward as ak
import hist
import numpy as np
import torch
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from cortado import calorimeter, metrics, ntuples, plotting, processors, reading, scoring, training
from cortado import manifest as manifests
from cortado.calorimeter import CALOGAN
from cortado.metrics import Estimate
from cortado.models import MLP, CaloFlow, CaloFlowMatching, CaloFlowStudent, CaloGAN, CaloGANDiscriminator, CaloVAE
from cortado.readers import calogan
from cortado.representations import ShowerCells, ShowerImages, ShowerLogits, ShowerShapes
from cortado.simulation import simulate_showers
from cortado.splits import TEST, TRAIN, Split
from cortado.statistics import effective_sample_size
from cortado.tasks import Classify, Generate, GenerateAgainst
from cortado.training import Objects, Recipe, Study
from cortado.weights import clipped

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
CLIP = (0.05, 20.0)  # weights; a few large ones would cost most of the effective sample size
GENERATORS = ("calogan", "vae", "flow", "student", "flow_matching")
SHAPES = calorimeter.shape_names(CALOGAN)
MAIN_SHAPES = (  # for distances and figures: they tell of all the others but for the centres
    "response",
    "energy_0",
    "energy_1",
    "energy_2",
    "shower_depth",
    "shower_depth_width",
    "width_x_0",
    "width_y_0",
    "width_x_1",
    "width_y_1",
    "ratio_0",
    "ratio_1",
    "occupancy_0",
    "occupancy_1",
    "occupancy_2",
)
VIEWS = {  # of classifiers
    "low": ShowerCells(normalise="logarithm", threshold=THRESHOLD),
    "high": ShowerShapes(shapes=SHAPES, threshold=THRESHOLD, logarithms=True),  # the depth, too
}
TITLES = {
    "calogan": "CaloGAN",
    "vae": "VAE",
    "flow": "CaloFlow",
    "student": "CaloFlow student",
    "flow_matching": "Flow matching",
}
# AUC of classifiers on cells and on shower shapes: Krause et al., arXiv:2410.21611, final results of the first data set
# of the CaloChallenge, photons. Another calorimeter, other energies, other classifiers.
PUBLISHED = {
    "calogan": ("BoloGAN", 0.927, 0.966),
    "vae": ("CaloVAE+INN", 0.889, 0.966),
    "flow": ("CaloFlow teacher", 0.733, 0.636),
    "student": ("CaloFlow student", 0.761, 0.667),
    "flow_matching": ("CaloDiffusion", 0.635, 0.536),
}
SPEED_BATCHES = {"cpu": (1, 10, 100, 1000), "cuda": (1, 10, 100, 1000, 10_000)}
SAMPLE = "Photons, 1 to 100 GeV"
NARROW = {"box": SIMPLE, "padding": (0, 1, 0, 0), "pad_edge": False}  # tables of 80 columns
console = Console(highlight=False)


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Size of the samples, by their manifest, of the networks, and length of the trainings."""

    manifest: str
    epochs: dict[str, int]  # of generators
    stages: tuple[int, ...]  # epochs of shorter trainings of flow matching: what does time buy?
    batch_size: int  # of generators
    averaging: float  # of their weights, per step
    learning_rate: float  # of flow matching
    classifiers: dict[str, dict]  # trainings of the classifiers of cells ("low") and of shapes ("high")
    seeds: int  # of these
    split: Split  # of the judging sample, for the classifiers
    bins: int  # of shapes: in the figures evenly wide, for chi2 evenly full
    networks: dict[str, dict]  # what is not the default of generators, and of the classifiers of shapes ("high")


SMALL_FLOW = {"blocks": 3, "hidden": (96, 96), "bins": 6, "layer_blocks": 4, "layer_hidden": (32, 32), "dropout": 0.0}
MEDIUM_FLOW = {"blocks": 4, "hidden": (128, 128), "layer_blocks": 4, "layer_hidden": (32, 32), "dropout": 0.0}
BIG_MATCHING = {"blocks": 3, "hidden": 1024, "layer_hidden": 256, "steps": 8}
SMOOTH = {"hidden": (256, 256, 256), "activation": "gelu", "bins": 28}
PRESETS = {
    "quick": Preset(
        manifest="showers.toml",
        epochs={"calogan": 4, "vae": 20, "flow": 12, "student": 5, "flow_matching": 20},
        stages=(2, 6),
        batch_size=64,
        averaging=0.995,
        learning_rate=2e-3,
        classifiers={
            "low": {"epochs": 6, "batch_size": 128, "learning_rate": 1e-3},
            "high": {"epochs": 15, "batch_size": 128, "learning_rate": 1e-3},
        },
        seeds=2,
        split=Split(validation=0.1, test=0.4, seed=2),
        bins=20,
        networks={
            "calogan": {"latent": 128, "channels": 8, "filters": (8, 4)},
            "critic": {"filters": (8, 8, 4, 4)},
            "flow": SMALL_FLOW,
            "student": {**SMALL_FLOW, "hidden": (128, 128)},
            "flow_matching": {"hidden": 256, "layer_hidden": 64},
        },
    ),
    "full": Preset(  # hours on two cores
        manifest="showers_full.toml",
        epochs={"calogan": 2, "vae": 30, "flow": 10, "student": 6, "flow_matching": 60},
        stages=(2, 8),
        batch_size=128,
        averaging=0.999,
        learning_rate=1e-3,
        classifiers={
            "low": {"epochs": 4, "batch_size": 256, "learning_rate": 1e-3, "cache_bytes": 2_000_000_000},
            "high": {"epochs": 10, "batch_size": 1024, "learning_rate": 3e-3},
        },
        seeds=3,
        split=Split(validation=0.1, test=0.2, seed=2),
        bins=40,
        networks={"flow": MEDIUM_FLOW, "student": MEDIUM_FLOW, "high": SMOOTH},
    ),
    "published": Preset(  # networks of published size, and a larger one for flow matching: for a GPU
        manifest="showers_full.toml",
        epochs={"calogan": 50, "vae": 100, "flow": 100, "student": 100, "flow_matching": 100},
        stages=(5, 25),
        batch_size=256,
        averaging=0.9995,
        learning_rate=1e-3,
        classifiers={
            "low": {"epochs": 20, "batch_size": 256, "learning_rate": 1e-3, "cache_bytes": 2_000_000_000},
            "high": {"epochs": 10, "batch_size": 1024, "learning_rate": 3e-3},
        },
        seeds=10,
        split=Split(validation=0.1, test=0.2, seed=2),
        bins=40,
        networks={"flow": {}, "student": {}, "flow_matching": BIG_MATCHING, "high": SMOOTH},
    ),
}


def preset_named(name):
    if name not in PRESETS:
        raise ValueError(f"unknown preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]


def is_generated(showers):
    """Simulated files do not say that they are not."""
    if "is_generated" in showers.fields:
        return showers.is_generated
    return np.zeros(len(showers), dtype=bool)


def is_simulated(showers):
    return ~np.asarray(is_generated(showers))


def generator_studies(preset, folder):
    """The trainings of a preset on the first sample in `folder`; the student after its teacher."""
    chosen = preset_named(preset)
    logits = Study(
        name="vae",
        objects=Objects(
            files=(sample(folder, "training"),), collection="showers", split=Split(validation=0.1, test=0.0, seed=1)
        ),
        representation=LOGITS,
        scaling="fit",
        model=partial(CaloVAE, features=len(LOGITS.features), **chosen.networks.get("vae", {})),
        task=Generate(),
        recipe=Recipe(
            epochs=chosen.epochs["vae"], batch_size=chosen.batch_size, learning_rate=1e-3, averaging=chosen.averaging
        ),
    )

    def variant(name, model, **recipe):
        recipe = replace(logits.recipe, epochs=chosen.epochs[name], **recipe)
        model = partial(model, layer_features=2, **chosen.networks.get(name, {}))  # share and hits
        return replace(logits, name=name, model=model, recipe=recipe)

    student = variant("student", partial(CaloFlowStudent, beta=1.0, teacher=chosen.networks["flow"]))
    matching = variant(
        "flow_matching",
        partial(CaloFlowMatching, groups=LOGITS.rings(1)),
        learning_rate=chosen.learning_rate,
        schedule="cosine",
        gradient_clip=1.0,
    )
    every = {
        "calogan": replace(
            logits,
            name="calogan",
            representation=ShowerImages(energy_range=ENERGIES),
            scaling=None,
            model=partial(CaloGAN, **chosen.networks.get("calogan", {})),
            task=GenerateAgainst(critic=partial(CaloGANDiscriminator, **chosen.networks.get("critic", {}))),
            recipe=Recipe(
                epochs=chosen.epochs["calogan"],
                batch_size=chosen.batch_size,
                learning_rate=2e-4,
                weight_decay=0.0,
                betas=(0.5, 0.999),  # as published, and no decay
                schedule="constant",
            ),
        ),
        "vae": logits,
        "flow": variant("flow", CaloFlow),
        "student": replace(student, frozen={"teacher": str(Path(folder) / "flow" / "flow.cortado")}),
        "flow_matching": matching,
    }
    for epochs in chosen.stages:
        name = f"flow_matching_{epochs}"
        every[name] = replace(matching, name=name, recipe=replace(matching.recipe, epochs=epochs))
    return every


def classifier_studies(preset, folder, name):
    """Classifiers of one generator's showers against the second sample, by what they see and their seed.

    Those of shorter trainings see cells alone.
    """
    chosen = preset_named(preset)
    views = VIEWS if name in GENERATORS else {"low": VIEWS["low"]}
    common = Study(
        name="classifier",
        objects=Objects(
            files=(sample(folder, "judging"), generated(folder, name)), collection="showers", split=chosen.split
        ),
        representation=VIEWS["low"],
        model=partial(MLP, features=len(VIEWS["low"].features), hidden=(512, 512), dropout=0.2),
        task=Classify(classes={"generated": is_generated, "simulated": is_simulated}, signal="simulated"),
        recipe=Recipe(weight_decay=1e-2, schedule="cosine", averaging=0.99, step_size=1_000),  # small: a class a file
    )
    found = {}
    for view, representation in views.items():
        for seed in range(1, chosen.seeds + 1):
            recipe = replace(common.recipe, seed=seed, **chosen.classifiers[view])
            study = replace(common, name=f"{view}_{seed}", representation=representation, recipe=recipe)
            if view == "high":
                network = {"hidden": (128, 128, 128), "dropout": 0.1, **chosen.networks.get("high", {})}
                model = partial(MLP, features=len(representation.features), **network)
                study = replace(study, model=model, scaling="quantiles")
            found[study.name] = study
    return found


def studies(preset, folder):
    """All trainings: the generators, and the classifiers of the showers of each."""
    found = generator_studies(preset, folder)
    for name in tuple(found):
        found |= {f"{name}_{one}": study for one, study in classifier_studies(preset, folder, name).items()}
    return found


def sample(folder, name):
    return Path(folder) / "samples" / f"{name}.root"


def generated(folder, name):
    return Path(folder) / "generated" / f"{name}.root"


def run(*, preset, folder, files, executor, workers, scheduler, accelerator):
    """Simulate, train, generate, judge, run the coffea processor, plot; what is there already is kept."""
    if files:
        return run_on(files, folder, executor, workers, scheduler)
    device = device_of(accelerator)
    simulate(preset, folder, workers)
    generators = generator_studies(preset, folder)
    for name, study in generators.items():
        console.print(f"\n[bold]{name}[/]")
        training.train(study, folder / name, resume=True, accelerator=accelerator)
        generate(folder, name, device)
    for name in generators:
        for one, study in classifier_studies(preset, folder, name).items():
            console.print(f"\n[bold]{name}: classifier {one}[/]")
            training.train(study, folder / name / one, resume=True, accelerator=accelerator)
    reweighters = {name: reweighter(preset, folder, name) for name in GENERATORS}
    evaluate(preset, folder, reweighters, device)
    process(preset, folder, reweighters, executor, workers, scheduler)
    figures = plot(folder, folder / "plots")
    for lines in tables(folder):
        console.print(lines)
    console.print(f"wrote {len(figures)} figures to {folder / 'plots'}, histograms to {folder / 'histograms.root'}")
    return None


def simulate(preset, folder, workers):
    """Two samples: for the generators, and to judge them on."""
    manifest = manifests.load(Path(__file__).parents[2] / "data_manifests" / preset_named(preset).manifest)
    for one in manifest.samples:
        path = sample(folder, one.name)
        if path.exists():
            console.print(f"{path} is there")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        recipe = {**one.recipe, "energy": tuple(one.recipe["energy"])}
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task(f"simulating {one.name}", total=recipe["showers"])
            made = simulate_showers(path, **recipe, workers=workers, progress=partial(bar.advance, task))
        console.print(f"wrote {path}: {made.showers} showers")


def device_of(accelerator):
    """Where generators run: on a GPU, if trainings may."""
    return "cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu"


def generator(folder, name, **settings):
    return scoring.load(Path(folder) / name / f"{name}.cortado", **settings)


def generate(folder, name, device="cpu"):
    """A generated shower for each simulated one that judges: of its energy, and on its side of the split.

    Else classifiers learn by how much the energies of two samples differ by chance, and the weights repeat it.
    """
    path = generated(folder, name)
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    ntuples.write(path, "showers", twins(folder, name, device))
    console.print(f"wrote {path}: {ntuples.num_entries(str(path), 'showers')} showers")


def twins(folder, name, device):
    made, first = generator(folder, name, device=device), 0
    for record in reading.iterate(sample(folder, "judging")):
        simulated = ak.flatten(record.showers)
        showers = made(simulated.energy, seed=3, first=first)
        yield calogan.columns_of(ak.with_field(showers, simulated.event_key, "event_key"), is_generated=True)
        first += len(simulated)


def judged(folder, name="simulation"):
    """All showers of a generator, or the simulated ones that judge: no generator was trained on these."""
    path = sample(folder, "judging") if name == "simulation" else generated(folder, name)
    return ak.concatenate([ak.flatten(record.showers) for record in reading.iterate(path)])


def part_of(showers, split):
    """What the classifiers use each shower for; a generated one has its twin's part."""
    return np.asarray(split.subset(showers.event_key))


def held_out(folder, split, name="simulation"):
    """Those that no classifier was trained on either."""
    showers = judged(folder, name)
    return showers[part_of(showers, split) == TEST]


def classifiers(preset, folder, name, view):
    return [
        Path(folder) / name / one / f"{one}.cortado"
        for one in classifier_studies(preset, folder, name)
        if one.startswith(view)
    ]


def reweighter(preset, folder, name):
    """Weights of a generator's showers: by the classifiers of shapes, which few showers teach more than cells do."""
    return scoring.ensemble(classifiers(preset, folder, name, "high"))


def evaluate(preset, folder, reweighters, device):
    """Figures of merit of each generator: by showers that no classifier has seen, and by all where none is asked."""
    simulated = judged(folder)
    shapes = calorimeter.shower_shapes(simulated, CALOGAN, threshold=THRESHOLD)
    chosen = preset_named(preset)
    test, bins = part_of(simulated, chosen.split) == TEST, chosen.bins  # also of the generated ones
    itself = {name: chi2_of(shapes[name][~test], shapes[name][test], bins=bins) for name in SHAPES}
    found, curves = {}, {}
    for name in GENERATORS:
        showers = judged(folder, name)
        theirs = calorimeter.shower_shapes(showers, CALOGAN, threshold=THRESHOLD)
        (weights, _, _), number = clipped(reweighters[name].likelihood_ratios(showers[test]), CLIP)
        seen = {view: scores_of(preset, folder, name, view, simulated, showers) for view in VIEWS}
        labels, part, scores = seen["low"]
        curves[f"{name}_labels"], curves[name] = labels[part == TEST], scores[0][part == TEST]
        found[name] = {
            **{view: told_apart(*each) for view, each in seen.items()},
            "fpd": estimate(metrics.frechet_physics_distance(*(columns(s) for s in (shapes, theirs)))),
            "kpd": estimate(metrics.kernel_physics_distance(*(columns(s) for s in (shapes, theirs)))),
            "shapes": {shape: compare(shapes[shape], theirs[shape], test, weights, bins) for shape in SHAPES},
            "effective": effective_sample_size(weights) / len(weights),
            "mean weight": float(weights.mean()),
            "clipped": number / len(weights),
        }
    stages = {}
    for epochs in chosen.stages:
        name = f"flow_matching_{epochs}"
        seen = scores_of(preset, folder, name, "low", simulated, judged(folder, name))
        stages[training_time(folder, name)] = told_apart(*seen)["auc"]
    stages[training_time(folder, "flow_matching")] = found["flow_matching"]["low"]["auc"]
    results = {
        "generators": found,
        "stages": stages,
        "simulated": len(test),
        "tested": int(test.sum()),
        "itself": itself,
        "bins": bins,
        "split": asdict(chosen.split),
        "speed": speeds(folder, device),
        "processor": torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads",
        "simulation": simulation_time(folder),
    }
    (folder / "results.json").write_text(json.dumps(results, indent=1))
    np.savez(folder / "scores.npz", **curves)


def scores_of(preset, folder, name, view, simulated, showers):
    """Of simulated, then generated showers that classifiers did not train on: labels, parts, scores by classifier."""
    part = part_of(simulated, preset_named(preset).split)
    unseen = part != TRAIN
    pair = simulated[unseen], showers[unseen]
    scorers = [scoring.load(path) for path in classifiers(preset, folder, name, view)]
    scores = [np.concatenate([np.asarray(scorer(each)) for each in pair]) for scorer in scorers]
    return np.repeat([1, 0], [len(each) for each in pair]), np.tile(part[unseen], 2), scores


def told_apart(labels, part, scores):
    """How well classifiers tell test showers apart, as means over their seeds; calibrated with the validation part."""
    test = part == TEST
    found = [
        metrics.separability(labels[test], each[test], calibration=(labels[~test], each[~test])) for each in scores
    ]
    return {
        "auc": estimate(metrics.repeated([each.auc for each in found]).mean),
        "jsd": estimate(metrics.repeated([each.jsd for each in found]).mean),
    }


def training_time(folder, name):
    """Seconds of all epochs."""
    return np.genfromtxt(Path(folder) / name / "history.csv", delimiter=",", names=True)["seconds"].sum()


def columns(shapes):
    return np.stack([shapes[name] for name in MAIN_SHAPES], axis=1)


def compare(simulated, generated, test, weights, bins):
    """How one shape of generated showers differs from that of simulated ones; of test showers also with the weights."""
    difference = metrics.shape_difference(simulated, generated)
    separation = metrics.separation_power(simulated, generated)
    simulated, generated = simulated[test], generated[test]
    return {
        "mean": estimate(difference.mean),
        "shift": estimate(difference.shift),
        "width": estimate(difference.width),
        "separation": estimate(separation.distance),
        "chi2": chi2_of(simulated, generated, bins=bins),
        "chi2 reweighted": chi2_of(simulated, generated, weights, bins=bins),
    }


def chi2_of(*samples, bins):
    """Chi2 per degree of freedom, and how often samples of one distribution have as much or more."""
    found = metrics.chi2_test(*samples, bins=bins)
    return [found.per_ndf, found.p_value]


def estimate(found):
    return [found.value, found.error]


def speeds(folder, device):
    """Time for a shower [ms] by batch size, of each generator with the way back to cells, which is on the CPU."""
    found = {}
    for name in GENERATORS:
        found[name] = {}
        for batch in SPEED_BATCHES[device]:
            if (name, device) == ("flow", "cpu") and batch > 100:
                continue  # minutes
            made, energies = generator(folder, name, batch_size=batch, device=device), np.full(batch, 50.0, np.float32)
            made(energies[:1])
            begin = time.perf_counter()
            made(energies)
            found[name][batch] = 1000 * (time.perf_counter() - begin) / batch
    return found


def simulation_time(folder, number=50):
    """Time for a simulated photon of 50 GeV [ms], on one core, in the same run."""
    path = folder / "samples" / "clock.root"
    times = []
    for _ in range(2):  # the first compiles
        begin = time.perf_counter()
        simulate_showers(path, particle="photon", showers=number, energy=(50.0, 50.001), workers=1)
        times.append(time.perf_counter() - begin)
    path.unlink()
    return 1000 * times[-1] / number


def process(preset, folder, reweighters, executor, workers, scheduler):
    """Run the coffea processor and save its histograms, as ROOT for others and as JSON without loss."""
    from coffea.nanoevents import BaseSchema

    names = {"simulation": sample(folder, "judging")} | {name: generated(folder, name) for name in GENERATORS}
    fileset = {
        name: {"files": {str(path): "showers"}, "metadata": {"trained_on": True}} for name, path in names.items()
    }
    instance = processors.ShowerProcessor(
        binning(preset, folder),
        reweighters=reweighters,
        clip=CLIP,
        threshold=THRESHOLD,
        held_out=preset_named(preset).split,
    )
    output = processors.run(
        fileset, instance, executor=executor, workers=workers, scheduler=scheduler, schema=BaseSchema, chunksize=10_000
    )
    save(output, SHAPES, folder)


def binning(preset, folder):
    """Bins of each shape, over all but a hundredth of the simulated showers for training; one of each last layer."""
    showers = ak.flatten(next(iter(reading.iterate(sample(folder, "training"), size=5_000))).showers)
    shapes = calorimeter.shower_shapes(showers, CALOGAN, threshold=THRESHOLD)
    bins, layers = preset_named(preset).bins, len(CALOGAN.layers)
    found = {name: (bins, *np.quantile(shapes[name], [0.005, 0.995]).tolist()) for name in SHAPES}
    return found | {"depth": (layers, -0.5, layers - 0.5)}


def save(output, names, folder):
    histograms = {name: output[name] for name in names}
    ntuples.write_histograms(folder / "histograms.json", histograms)
    ntuples.write_histograms(folder / "histograms.root", histograms)
    console.print(f"wrote {folder / 'histograms.root'}: {sum(output['events'].values())} entries")


def run_on(files, folder, executor, workers, scheduler):
    """Shower shapes of other files, ROOT or HDF5, in any calorimeter; those in the first file's against the first."""
    stems = [Path(path).stem for path in files]
    if double := {stem for stem in stems if stems.count(stem) > 1}:
        raise ValueError(f"files need different names, for their figures; there are several of {', '.join(double)}")
    out = folder / "files"
    out.mkdir(parents=True, exist_ok=True)
    lines = Table("file", "calorimeter", "showers", "response", "depth", "share of layer 0", **NARROW)
    found = {}
    for path in map(str, files):
        shapes, geometry, average = shapes_of_file(path)
        means = [shapes[name].mean() for name in ("response", "shower_depth", "fraction_0")]
        lines.add_row(Path(path).name, geometry.name, str(len(shapes["response"])), *(f"{mean:.4f}" for mean in means))
        shown = tuple(range(0, len(geometry.layers), -(-len(geometry.layers) // 5)))
        figure, _ = plotting.average_showers({Path(path).stem: average}, geometry, layers=shown)
        plotting.save(figure, out / f"{Path(path).stem}.png")
        found[path] = geometry, shapes
    console.print(lines)
    (first, (geometry, reference)), *others = found.items()
    others = {path: shapes for path, (other, shapes) in others if other == geometry}
    if others:
        console.print(compare_files(first, reference, others, out))
    console.print(f"wrote {len(list(out.glob('*.png')))} figures to {out}")


def shapes_of_file(path):
    """All shower shapes, the calorimeter, and the average shower of a file of any size."""
    number, geometry, cells, parts = 0, None, 0.0, []
    for record in reading.iterate(path, size=1_000):
        showers = ak.flatten(record.showers)
        geometry = calorimeter.geometry_of(calorimeter.layer_shapes(showers))
        cells = cells + calorimeter.cells(showers, geometry).sum(axis=0)
        shapes = calorimeter.shower_shapes(showers, geometry, threshold=THRESHOLD)
        parts.append({name: values.astype(np.float32) for name, values in shapes.items()})
        number += len(showers)
    if not number:
        raise ValueError(f"{path} has no showers")
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, geometry, cells / number


def compare_files(first, reference, others, out):
    """Table of how the shapes of other files differ from the first one's, and pictures of the six that differ most.

    The means of centres are near 0: they may also differ by 2 % of the width.
    """
    names = [name for name, values in reference.items() if values.std() > 0]
    title = f"{len(names)} shapes against {Path(first).name}: means within 2 %, widths within 10 %, chi2/ndf below 1.5"
    lines = Table("file", "means", "widths", "chi2", "worst", "of", "1000 FPD", title=title, **NARROW)
    for path, shapes in others.items():
        differences = {name: metrics.shape_difference(reference[name], shapes[name]) for name in names}
        chi2 = {name: metrics.chi2_test(reference[name], shapes[name]).per_ndf for name in names}
        worst = sorted(chi2, key=chi2.get, reverse=True)
        features = [np.stack([each[name] for name in names], axis=1) for each in (reference, shapes)]
        enough = min(map(len, features)) > 2 * len(names)
        lines.add_row(
            Path(path).name,
            str(sum(min(abs(each.shift.value), abs(each.mean.value)) < 0.02 for each in differences.values())),
            str(sum(abs(each.width.value) < 0.1 for each in differences.values())),
            str(sum(each < 1.5 for each in chi2.values())),
            f"{chi2[worst[0]]:.1f}",
            worst[0],
            shown(estimate(metrics.frechet_physics_distance(*features)), 1000, 1) if enough else "few showers",
        )
        titles = {"first": Path(first).stem, "other": Path(path).stem}
        panels = [panel(name, reference[name], shapes[name]) for name in worst[:6]]
        figure, _ = plotting.shape_histograms(panels, titles, reference="first")
        plotting.save(figure, out / f"{Path(path).stem}_shapes.png")
    return lines


def panel(name, first, other):
    """Histogram of a shape of two files."""
    low, high = np.quantile(first, [0.005, 0.995])
    axis = hist.axis.Regular(
        40, low, np.nextafter(max(high, low + 1e-6), np.inf), name=name, label=calorimeter.shape_label(name)
    )
    filled = hist.Hist(hist.axis.StrCategory(["first", "other"], name="origin"), axis, storage=hist.storage.Weight())
    filled.fill("first", first)
    filled.fill("other", other)
    return filled


def tables(folder):
    """What each generator reaches, and published numbers of its kind; and chi2 of two parts of the simulation."""
    results = json.loads((folder / "results.json").read_text())
    names = ("", "AUC cells", "AUC shapes", "JSD cells", "JSD shapes")
    title = f"{results['tested']} of {results['simulated']} showers; below: arXiv:2410.21611"
    apart = Table(*names, title=title, **NARROW)
    for name, found in results["generators"].items():
        title, low, high = PUBLISHED[name]
        apart.add_row(TITLES[name], *(shown(found[view][merit]) for merit in ("auc", "jsd") for view in VIEWS))
        apart.add_row(f" {title}", f"{low:.3f}", f"{high:.3f}")
    yield apart
    names = ("", "1000 FPD", "1000 KPD", "1000 separation", "ms")
    title = f"{results['simulated']} showers; mean and largest separation power; {results['processor']}"
    distances = Table(*names, title=title, **NARROW)
    for name, found in results["generators"].items():
        separations = {shape: each["separation"][0] for shape, each in found["shapes"].items()}
        largest = max(separations, key=separations.get)
        distances.add_row(
            TITLES[name],
            *(shown(found[merit], 1000, 0 if found[merit][0] > 0.1 else 2) for merit in ("fpd", "kpd")),
            f"{1000 * np.mean(list(separations.values())):.1f}, {1000 * separations[largest]:.1f} ({largest})",
            f"{min(results['speed'][name].values()):.3g}",
        )
    yield distances
    names = ("", "mean", "width", "chi2", "p", "weighted", "p", "n_eff", "clip")
    title = (
        f"of {len(SHAPES)} shapes: means within 2 %, widths 10 %, chi2/ndf < 1.5 (worst) in {results['bins']} bins; p "
        f"is the smallest, times {len(SHAPES)}"
    )
    closure = Table(*names, title=title, **NARROW)
    for name, found in results["generators"].items():
        shapes = found["shapes"].values()
        closure.add_row(
            TITLES[name],
            str(sum(min(abs(each["mean"][0]), abs(each["shift"][0])) < 0.02 for each in shapes)),
            str(sum(abs(each["width"][0]) < 0.1 for each in shapes)),
            *closed({name: each["chi2"] for name, each in found["shapes"].items()}),
            *closed({name: each["chi2 reweighted"] for name, each in found["shapes"].items()}),
            f"{100 * found['effective']:.0f} %",
            f"{100 * found['clipped']:.0f} %",
        )
    closure.add_row("Simulation", "", "", *closed(results["itself"]))
    yield closure


def closed(found):
    """How many shapes have a chi2/ndf below 1.5, with the worst; and the smallest p, times the number of shapes.

    The worst of more than two bins: chi2 of one degree of freedom is above 1.5 in a fifth of all samples.
    """
    below = sum(value < 1.5 for value, _ in found.values())
    worst = max(value for name, (value, _) in found.items() if name != "depth")
    smallest = min(1.0, len(found) * min(probability for _, probability in found.values()))
    return f"{below} ({worst:.{2 if worst < 10 else 0}f})", f"{smallest:.2f}" if smallest > 0.005 else "<.01"


def shown(pair, factor=1.0, digits=3):
    return f"{factor * pair[0]:.{digits}f}±{factor * pair[1]:.{digits}f}"


def plot(folder, plots):
    """All figures from what `run` has saved, and from the showers themselves."""
    histograms = ntuples.read_histograms(folder / "histograms.json")
    results = json.loads((folder / "results.json").read_text())
    figures = {}
    for name in GENERATORS:
        names = {"simulated": "Simulated", "generated": TITLES[name], "reweighted": "Reweighted"}
        panels = [of_generator(histograms[shape], name) for shape in MAIN_SHAPES[:9]]
        figures[f"shapes_{name}"] = plotting.shape_histograms(panels, names, right=SAMPLE)
    split = Split(**results["split"])
    simulated, every = held_out(folder, split), {name: held_out(folder, split, name) for name in GENERATORS}
    averages = {"Simulated": mean_cells(simulated)} | {TITLES[name]: mean_cells(each) for name, each in every.items()}
    figures["average_showers"] = plotting.average_showers(averages, CALOGAN, right=SAMPLE)
    figures["neighbours"] = neighbours(simulated, every["flow_matching"][:4])
    with np.load(folder / "scores.npz") as stored:
        curves = {TITLES[name]: metrics.roc(stored[f"{name}_labels"], stored[name]) for name in GENERATORS}
    figures["roc"] = plotting.roc_curves(curves, right="Simulated against generated, cells")
    times = np.array(list(results["stages"]), dtype=float)
    unit, seconds = ("s", 1) if times.max() < 600 else ("min", 60)
    areas = [Estimate(*area) for area in results["stages"].values()]
    figures["training_time"] = plotting.auc_against_time(
        {TITLES["flow_matching"]: (times / seconds, areas)},
        unit=unit,
        references={"CaloDiffusion, other showers": PUBLISHED["flow_matching"][1]},
        right="Cells, " + SAMPLE[0].lower() + SAMPLE[1:],
    )
    speed = {TITLES[name]: (list(map(int, each)), list(each.values())) for name, each in results["speed"].items()}
    references = {"Simulation, 50 GeV": results["simulation"], "Geant4, published": 1772.0}  # arXiv:1705.02355
    figures["speed"] = plotting.time_against_size(speed, references=references, right=results["processor"])
    return [plotting.save(figure, plots / f"{name}.png") for name, (figure, _) in figures.items()]


def of_generator(histogram, name):
    """Simulated showers, and those of one generator."""
    return histogram[{"dataset": "simulation"}] + histogram[{"dataset": name}]


def mean_cells(showers):
    return calorimeter.cells(showers, CALOGAN).mean(axis=0)


def neighbours(simulated, generated):
    """A few generated showers beside the simulated ones that are nearest."""
    cells = [calorimeter.cells(each, CALOGAN) for each in (generated, simulated)]
    energies = [np.asarray(each.energy) for each in (generated, simulated)]
    nearest = metrics.nearest_showers(energies[0], cells[0], energies[1], cells[1])
    return plotting.shower_neighbours(
        cells[0], cells[1][nearest.number], energies[0], CALOGAN, right=TITLES["flow_matching"]
    )
