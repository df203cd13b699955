"""A resonance found in data alone: from events to a p-value and a limit, read it from top to bottom.

Two scores without labels, CWoLa and CATHODE, whose trainings are in `scores.py`: five folds, so that no event is scored
by what it trained. A coffea processor fills the dijet mass in bins of the score, a dijet function is fitted to each, a
hunt ends in a p-value, and pyhf in a limit. The truth only judges.
"""

from functools import cache, partial

import numpy as np

from cortado import analysis, ntuples, processors, readers, reading, searches
from cortado.simulation import simulate_dijets
from cortado.weights import score_cuts

from . import figures, scores
from .scores import (
    EDGES,
    ENERGY,
    JUDGES,
    METHODS,
    NEAR,
    PRESETS,
    REGION,
    SAMPLES,
    TITLES,
    beside,
    sample,
    studies,
)  # fmt: skip

__all__ = ["PRESETS", "plot", "run", "studies"]

SHAPE = searches.SignalShape(resolution=0.04)


def run(*, preset, folder, files, accelerator, **options):
    """Simulate, train, search both samples, judge, plot; what is there already is kept."""
    if files:
        raise ValueError("this study searches its own samples; study.py shows how to search yours")
    chosen, results = analysis.preset_named(PRESETS, preset), {"preset": preset}
    simulate(chosen, folder)
    for name in SAMPLES:
        for method in TITLES if name == "data" else METHODS:
            scores.train(chosen, folder, name, method, accelerator)
            analysis.console.print(f"trained {name}, {TITLES[method]}")
        results[name] = {method: searched(chosen, folder, name, method, options) for method in METHODS}
    results["improvement"] = {method: each.best for method, each in scores.improvements(folder).items()}
    results["told apart"] = {method: scores.told_apart(folder, method, accelerator) for method in METHODS}
    analysis.write_results(folder, results)
    for table in figures.tables(results):
        analysis.console.print(table)
    analysis.done(folder, plot(folder, folder / "plots"))


def plot(folder, plots):
    """All figures of a finished run."""
    chosen = PRESETS[analysis.read_results(folder)["preset"]]
    paths = {method: folder / f"data_{method}.json" for method in METHODS}
    shown = {method: (spectra(path, "data"), hunts(chosen, path, "data")) for method, path in paths.items()}
    bounds = {
        f"{title}, {'with' if name == 'data' else 'no'} signal": limit(folder / f"{name}_{method}.json", name)
        for name in SAMPLES
        for method, title in METHODS.items()
    }
    return analysis.save_figures(figures.every(folder, chosen, shown, bounds, function_of), plots)


def simulate(chosen, folder):
    few = chosen.resonance
    sizes = {name: (chosen.events, chosen.signal if name == "data" else 0) for name in SAMPLES}
    sizes |= {"reference": (4 * chosen.events, few), "test": (chosen.judged, few), "resonance": (few, few)}
    for name, (events, signal) in sizes.items():
        recipe = {"events": events, "signal": signal, "seed": (SAMPLES | JUDGES)[name]}
        analysis.simulate_once(sample(folder, name), simulate_dijets, **recipe)


def searched(chosen, folder, name, method, options):
    """Cuts on the score, hunts and limit of a sample, in numbers."""
    cuts = cuts_of(chosen, folder, name, method)
    path = folder / f"{name}_{method}.json"
    ntuples.write_histograms(path, {"mass": filled(chosen, folder, name, method, cuts, options)})
    bounds, strength = limit(path, name)
    numbers = {"cuts": cuts, "strength": strength, "limit": bounds.observed, "expected": bounds.expected.tolist()}
    names = ("mass", "observed", "expected", "local_significance", "global_p")
    bumps = hunts(chosen, path, name).items()
    return numbers | {"hunts": {title: {each: getattr(bump, each) for each in names} for title, bump in bumps}}


def cuts_of(chosen, folder, name, method):
    """Scores that so many events of the sidebands pass."""
    events = reading.read(sample(folder, name))
    said = scores.scorer(folder, name, method)(events[beside(events, NEAR)])
    return {cut.name: cut.threshold for cut in score_cuts(said, chosen.efficiencies)}


def filled(chosen, folder, name, method, cuts, options):
    """Dijet mass in bins of the score, by a coffea processor; of the resonance as many events as are hidden."""
    score = scores.scorer(folder, name, method)
    weigh = partial(normalised, factor=chosen.signal / chosen.resonance)
    instance = processors.SearchProcessor(score, cuts=cuts, edges=EDGES, objects=readers.record, reweight=weigh)
    fileset = {each: {"files": {str(sample(folder, each)): "Events"}} for each in (name, "resonance")}
    return processors.run(fileset, instance, **options)["mass"]


def normalised(events, weights, *, factor):
    size = factor if events.metadata["dataset"] == "resonance" else 1.0
    weights.add("normalisation", np.full(len(events), size))


def spectra(path, name):
    """Mass of all events, and of those that pass each cut, the loosest first."""
    nominal = ntuples.read_histograms(path)["mass"][{"dataset": name, "variation": "nominal"}]
    cuts = sorted((each for each in nominal.axes["score_bin"] if each != "rest"), key=lambda cut: -float(cut[:-1]))
    names = ["rest", *cuts]
    passed = [sum(nominal[{"score_bin": each}] for each in names[first:]) for first in range(len(names))]
    return dict(zip(["all", *cuts], passed))


def function_of(spectrum):
    """A dijet function with as many parameters as the spectrum beside the signal region asks for."""
    return searches.choose_function(spectrum, collision_energy=ENERGY, window=REGION).function


@cache
def hunts(chosen, path, name):
    """A hunt for each cut."""
    options = {"shape": SHAPE, "toys": chosen.toys}
    every = spectra(path, name).items()
    return {title: searches.bump_hunt(one, function=function_of(one), **options) for title, one in every}


@cache
def limit(path, name):
    """Limit and fitted strength, in units of what is hidden in the data, of all bins of the score together."""
    histogram, function = ntuples.read_histograms(path)["mass"], function_of(spectra(path, name)["all"])
    regions = searches.channels(histogram, data=name, signal="resonance", window=REGION, function=function)
    # Of thousands of signal events: an error of each bin would be below 2 % and cost most of the time.
    spec = searches.workspace([each._replace(signal_error=np.zeros_like(each.signal)) for each in regions])
    return searches.limits(spec), searches.fit_strength(spec)
