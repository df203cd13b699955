"""Uniformity of the bump hunt's p-values, its power and its speed, on dijets of our own (some minutes).

Background-only pseudo-experiments: dijet masses of one large sample after a fixed cut on tau21 of both jets, resampled
with replacement; the parent is large against a pseudo-experiment. Their global p-values must be uniform. With an
injected resonance: how often it is found within two resolutions.
"""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy import stats

from cortado import ntuples
from cortado.searches import DijetFunction, SignalShape, bump_hunt, spurious_signal
from cortado.simulation import simulate_dijets

EDGES = np.arange(2000.0, 6001.0, 100.0)
SHAPE = SignalShape(resolution=0.04)


def selected(path, *, events, signal, seed):
    """Masses that pass the cut, of background and of signal."""
    simulate_dijets(path, events=events, signal=signal, seed=seed)
    names = ["mjj", "tau21_1", "tau21_2", "label"]
    chunks = [ntuples.arrays(step, names) for step in ntuples.steps(str(path))]
    columns = {name: np.concatenate([np.asarray(chunk[name]) for chunk in chunks]) for name in names}
    passed = columns["tau21_1"] + columns["tau21_2"] < 1.0
    is_signal = columns["label"] == 1
    return columns["mjj"][passed & ~is_signal], columns["mjj"][passed & is_signal]


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=200)
    parser.add_argument("--toys", type=int, default=200)
    parser.add_argument("--events", type=int, default=3000, help="mean number in a pseudo-experiment")
    parser.add_argument("--signal", type=int, default=80)
    parser.add_argument("--parameters", type=int, default=4)
    options = parser.parse_args()
    function = DijetFunction(collision_energy=13_000.0, parameters=options.parameters)
    settings = {"function": function, "shape": SHAPE, "toys": options.toys}
    rng = np.random.default_rng(1)
    with TemporaryDirectory() as folder:
        background, signal = selected(Path(folder) / "dijets.root", events=1_000_000, signal=20_000, seed=1)
    print(f"{len(background):,} background and {len(signal):,} signal events pass the cut")

    def experiment(number):
        masses = rng.choice(background, rng.poisson(options.events))
        return np.histogram(np.append(masses, rng.choice(signal, rng.poisson(number))), EDGES)[0]

    begun = time.perf_counter()
    samples = [experiment(0) for _ in range(options.experiments)]
    p_values = [bump_hunt(each, EDGES, **settings, seed=seed).global_p.value for seed, each in enumerate(samples)]
    seconds = (time.perf_counter() - begun) / options.experiments
    test = stats.kstest(p_values, "uniform")
    below = np.mean(np.array(p_values) < 0.05)
    error = np.sqrt(0.05 * 0.95 / options.experiments)
    print(
        f"background alone, {options.experiments} experiments of {options.toys} toys, {seconds:.2f} s each: "
        f"Kolmogorov-Smirnov p = {test.pvalue:.3f}, p < 0.05 in {below:.3f} ± {error:.3f}"
    )
    found = [bump_hunt(experiment(options.signal), EDGES, **settings, seed=seed) for seed in range(50)]
    near = np.mean([abs(each.mass - 3500) < 2 * 140 for each in found])
    significances = [each.local_significance for each in found]
    small = np.mean([each.global_p.value < 0.01 for each in found])
    print(
        f"{options.signal} signal events: within two resolutions {near:.2f}, median local significance "
        f"{np.median(significances):.1f}, global p < 0.01 in {small:.2f} of 50"
    )
    masses = np.arange(2500.0, 5001.0, 500.0)
    bias = spurious_signal(np.array(samples), EDGES, function=function, shape=SHAPE, masses=masses)
    for mass, events, error, relative in zip(masses, bias.events, bias.error, bias.relative):
        print(f"spurious signal at {mass:g} GeV: {events:.2f} ± {error:.2f} events, {relative:.3f} of its error")


if __name__ == "__main__":
    main()
