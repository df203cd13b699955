"""Calorimeter showers, from a simulation to generated and reweighted samples: read networks.py, then this file.

Photons of 1 to 100 GeV in CaloGAN's calorimeter. Generators of four kinds (adversarial in two ways, variational,
normalising flow with a fast student, flow matching) are trained on one simulated sample and judged on another: by
classifiers that are trained to tell their showers from simulated ones, by shower shapes, and by their speed. The same
classifiers give the weights that turn generated showers into simulated ones, which a coffea processor fills into
histograms.
"""

import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

import awkward as ak
import numpy as np
import torch

from cortado import analysis, calorimeter, metrics, processors, reading, scoring
from cortado import manifest as manifests
from cortado.calorimeter import CALOGAN
from cortado.simulation import simulate_showers
from cortado.splits import TEST, TRAIN
from cortado.statistics import effective_sample_size
from cortado.weights import clipped

from .figures import BEST, MAIN_SHAPES, plot, tables
from .networks import (
    ENERGIES,
    PRESETS,
    SHAPES,
    THRESHOLD,
    TITLES,
    VIEWS,
    classifier_studies,
    generated,
    generator_studies,
    judges,
    sample,
    studies,
)

__all__ = ["PRESETS", "plot", "run", "studies"]

CLIP = (0.05, 20.0)  # weights; a few large ones would cost most of the effective sample size
SPEED_BATCHES = {"cpu": (1, 10, 100, 1000), "cuda": (1, 10, 100, 1000, 10_000)}


def run(*, preset, folder, files, accelerator, **options):
    """Simulate, train, generate, judge, run the coffea processor, plot; what is there already is kept."""
    if files:
        analysis.compare_shower_files(files, folder / "files", threshold=THRESHOLD)
        return
    chosen = analysis.preset_named(PRESETS, preset)
    device = "cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu"
    manifest = manifests.load(Path(__file__).parents[2] / "data_manifests" / chosen.manifest)
    simulation = {"simulate": simulate_showers, "workers": options["workers"], **chosen.simulation}
    analysis.simulate_samples(manifest, folder / "samples", most=chosen.showers, **simulation)
    generators = generator_studies(preset, folder)
    analysis.train(generators, folder, titles=TITLES, accelerator=accelerator)
    for name in generators:
        made = analysis.load(folder, name, device=device)
        analysis.write_twins(generated(folder, name), made, sample(folder, "judging"), seed=3)
    analysis.train(judges(preset, folder), folder, accelerator=accelerator)
    evaluate(preset, folder, device)
    process(preset, folder, options)
    figures = plot(folder, folder / "plots")
    for lines in tables(folder):
        analysis.console.print(lines)
    analysis.done(folder, figures)


def showers_of(path):
    return ak.flatten(reading.read(path).showers)


def classifiers(preset, folder, name, view):
    return [analysis.bundle_path(folder, one) for one in classifier_studies(preset, folder, name, view)]


def reweighter(preset, folder, name):
    """Weights of a generator's showers: by the classifiers of shapes, which few showers teach more than cells do."""
    return scoring.ensemble(classifiers(preset, folder, name, "high"))


def evaluate(preset, folder, device):
    """Figures of merit of each generator: by showers that no classifier has seen, and by all where none is asked.

    Each generated shower is in the same part of the classifiers' split as the simulated one of its energy.
    """
    chosen = PRESETS[preset]
    simulated = showers_of(sample(folder, "judging"))
    part = np.asarray(chosen.split.subset(simulated.event_key))
    test = part == TEST
    shapes = calorimeter.shower_shapes(simulated, CALOGAN, threshold=THRESHOLD)
    pictures, curves, merits = {"simulated": mean_cells(simulated[test])}, {}, {}
    for name in chosen.epochs:
        showers = showers_of(generated(folder, name))
        theirs = calorimeter.shower_shapes(showers, CALOGAN, threshold=THRESHOLD)
        ratios = reweighter(preset, folder, name).likelihood_ratios(showers[test])
        (weights, _, _), number = clipped(ratios, CLIP)
        scores = {view: judged(classifiers(preset, folder, name, view), simulated, showers, part) for view in VIEWS}
        merits[name] = {
            **{view: told_apart(*each) for view, each in scores.items()},
            **compared(shapes, theirs, test, weights, chosen.bins),
            "effective": effective_sample_size(weights) / len(weights),
            "mean weight": float(weights.mean()),
            "clipped": number / len(weights),
            "ms": speed(folder, name, device),
            "seconds": analysis.training_seconds(folder, name),
            "parameters": parameters(folder, name),
        }
        labels, tested, (first, *_) = scores["low"]
        curves |= {f"{name}_labels": labels[tested], name: first[tested]}
        pictures[name] = mean_cells(showers[test])
        if name == BEST:
            pictures |= neighbours(simulated[test], showers[test][:4])
    stages = []
    for name in [f"{BEST}_{epochs}" for epochs in chosen.stages]:
        scores = judged(classifiers(preset, folder, name, "low"), simulated, showers_of(generated(folder, name)), part)
        stages.append([analysis.training_seconds(folder, name), told_apart(*scores)["AUC"]])
    stages.append([analysis.training_seconds(folder, BEST), merits[BEST]["low"]["AUC"]])
    itself = {name: metrics.chi2_test(shapes[name][~test], shapes[name][test], bins=chosen.bins) for name in SHAPES}
    results = {
        "generators": merits,
        "stages": stages,
        "energies": chosen.simulation.get("energy", ENERGIES),
        "simulated": len(test),
        "tested": int(test.sum()),
        "itself": {"chi2": itself, "closure": metrics.closure(itself)},
        "bins": chosen.bins,
        "split": asdict(chosen.split),
        "processor": torch.cuda.get_device_name() if device == "cuda" else f"CPU, threads: {torch.get_num_threads()}",
        "simulation": simulation_time(folder),
    }
    analysis.write_results(folder, results)
    np.savez(folder / "scores.npz", **curves)
    np.savez(folder / "pictures.npz", **pictures)


def mean_cells(showers):
    return calorimeter.cells(showers, CALOGAN).mean(axis=0)


def judged(bundles, simulated, showers, part):
    """Of simulated, then generated showers that classifiers did not train on: labels, test or not, scores by bundle."""
    unseen = part != TRAIN
    pair = simulated[unseen], showers[unseen]
    scorers = [scoring.load(path) for path in bundles]
    scores = [np.concatenate([np.asarray(scorer(each)) for each in pair]) for scorer in scorers]
    return np.repeat([1, 0], unseen.sum()), np.tile(part[unseen] == TEST, 2), scores


def told_apart(labels, test, scores):
    """How well classifiers tell test showers apart, as means over their seeds; calibrated with the validation part."""
    seeds = [metrics.separability(labels[test], s[test], calibration=(labels[~test], s[~test])) for s in scores]
    return {
        "AUC": metrics.repeated([each.auc for each in seeds]).mean,
        "JSD": metrics.repeated([each.jsd for each in seeds]).mean,
    }


def compared(simulated, made, test, weights, bins):
    """How shapes of generated showers differ from those of simulated ones; of test showers also with the weights."""
    features = [np.stack([shapes[name] for name in MAIN_SHAPES], axis=1) for shapes in (simulated, made)]
    differences = {name: metrics.shape_difference(simulated[name], made[name]) for name in SHAPES}
    chi2 = {
        kind: {name: metrics.chi2_test(simulated[name][test], made[name][test], each, bins=bins) for name in SHAPES}
        for kind, each in (("generated", None), ("reweighted", weights))
    }
    return {
        "FPD": metrics.frechet_physics_distance(*features),
        "KPD": metrics.kernel_physics_distance(*features),
        "separation": {name: metrics.separation_power(simulated[name], made[name]).distance for name in SHAPES},
        "differences": {name: each._asdict() for name, each in differences.items()},
        "agreement": metrics.agreement(differences),
        "chi2": chi2,
        "closure": {kind: metrics.closure(tests) for kind, tests in chi2.items()},
    }


def neighbours(simulated, made):
    """A few generated showers and the simulated ones that are nearest."""
    cells, others = calorimeter.cells(made, CALOGAN), calorimeter.cells(simulated, CALOGAN)
    nearest = metrics.nearest_showers(made.energy, cells, simulated.energy, others)
    return {"generated": cells, "nearest": others[nearest.number], "energy": np.asarray(made.energy)}


def parameters(folder, name):
    """Of the network that makes showers, without critics and teachers."""
    return sum(each.numel() for each in analysis.load(folder, name).bundle().model.parameters())


def milliseconds(call):
    begin = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - begin)


def speed(folder, name, device):
    """Time for a shower [ms] by batch size, with the way back to cells, which is on the CPU."""
    times = {}
    for batch in SPEED_BATCHES[device]:
        if (name, device) == ("flow", "cpu") and batch > 100:
            continue  # minutes
        made, energies = analysis.load(folder, name, batch_size=batch, device=device), np.full(batch, 50.0, np.float32)
        made(energies[:1])
        times[batch] = milliseconds(partial(made, energies)) / batch
    return times


def simulation_time(folder, number=50):
    """Time for a simulated photon of 50 GeV [ms], on one core, in the same run."""
    path = folder / "samples" / "clock.root"
    simulate = partial(simulate_showers, path, particle="photon", energy=(50.0, 50.001), workers=1)
    simulate(showers=1)  # compiles
    time_each = milliseconds(partial(simulate, showers=number)) / number
    path.unlink()
    return time_each


def process(preset, folder, options):
    """Run the coffea processor over the simulated showers that judge and those of all generators."""
    from coffea.nanoevents import BaseSchema

    chosen = PRESETS[preset]
    paths = {"simulation": sample(folder, "judging")} | {name: generated(folder, name) for name in chosen.epochs}
    instance = processors.ShowerProcessor(
        binning(chosen.bins, folder),
        reweighters={name: reweighter(preset, folder, name) for name in chosen.epochs},
        clip=CLIP,
        threshold=THRESHOLD,
        held_out=chosen.split,
    )
    options = {"schema": BaseSchema, "chunksize": 10_000, **options}
    analysis.process(analysis.fileset_of(paths, trained_on=True), instance, folder, SHAPES, **options)


def binning(bins, folder):
    """Bins of each shape, over all but a hundredth of the simulated showers for training; one of each last layer."""
    showers = ak.flatten(next(iter(reading.iterate(sample(folder, "training"), size=5_000))).showers)
    shapes = calorimeter.shower_shapes(showers, CALOGAN, threshold=THRESHOLD)
    ranges = {name: (bins, *np.quantile(shapes[name], [0.005, 0.995]).tolist()) for name in SHAPES}
    layers = len(CALOGAN.layers)
    return ranges | {"depth": (layers, -0.5, layers - 0.5)}
