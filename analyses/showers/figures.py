"""Tables and figures of a finished run, from what it has saved."""

import numpy as np

from cortado import analysis, metrics, plotting
from cortado.calorimeter import CALOGAN
from cortado.metrics import Agreement, Closure, Estimate

from .networks import TITLES, VIEWS

BEST = "flow_matching"
MAIN_SHAPES = (  # for distances and, the first nine, figures: they tell of all the others but for the centres
    "response", "energy_0", "energy_1", "energy_2", "shower_depth", "shower_depth_width", "width_x_0", "width_y_0",
    "width_x_1", "width_y_1", "ratio_0", "ratio_1", "occupancy_0", "occupancy_1", "occupancy_2",
)  # fmt: skip
# AUC of classifiers on cells and on shower shapes: Krause et al., arXiv:2410.21611, final results of the first data set
# of the CaloChallenge, photons. Another calorimeter, other energies, other classifiers.
PUBLISHED = {
    "wgan": ("BoloGAN", 0.927, 0.966),
    "vae": ("CaloVAE+INN", 0.889, 0.966),
    "flow": ("CaloFlow teacher", 0.733, 0.636),
    "student": ("CaloFlow student", 0.761, 0.667),
    "flow_matching": ("CaloDiffusion", 0.635, 0.536),
}
SEEN = dict(zip(VIEWS, ("cells", "shapes")))


def tables(folder):
    """What each generator reaches, and published numbers of its kind; and chi2 of two parts of the simulation."""
    results = analysis.read_results(folder)
    apart, distances, closure, cost = {}, {}, {}, {}
    for name, merits in results["generators"].items():
        seen = {
            f"{merit} {SEEN[view]}": "{:.3f} ± {:.3f}".format(*merits[view][merit])
            for merit in ("AUC", "JSD")
            for view in VIEWS
        }
        apart[name] = seen
        if name in PUBLISHED:
            title, *areas = PUBLISHED[name]
            apart[f" {title}"] = {f"AUC {what}": area for what, area in zip(SEEN.values(), areas)}
        separation = {shape: value for shape, (value, *_) in merits["separation"].items()}
        largest = max(separation, key=separation.get)
        distances[name] = {
            **{merit: merits[merit] for merit in ("FPD", "KPD")},
            "mean": f"{np.mean(list(separation.values())):.4f}",
            "largest": f"{separation[largest]:.3f} ({largest})",
        }
        cost[name] = {
            "training, s": f"{merits['seconds']:.0f}",
            "parameters": f"{merits['parameters'] / 1e6:.2g} M",
            "a shower, ms": f"{min(merits['ms'].values()):.2g}",
        }
        closure[name] = {
            **Agreement(*merits["agreement"]).cells(),
            **closed(merits["closure"]["generated"]),
            **closed(merits["closure"]["reweighted"], "weighted", "its p"),
            "n_eff": f"{merits['effective']:.0%}",
            "clipped": f"{merits['clipped']:.0%}",
        }
    closure["simulation"] = closed(results["itself"]["closure"])
    titles = TITLES | {"simulation": "Simulation"}
    for rows, title in (
        (apart, f"{results['tested']:,} of {results['simulated']:,} showers; below: arXiv:2410.21611"),
        (
            distances,
            f"{results['simulated']:,} showers; mean and largest separation power",
        ),
        (closure, f"shapes: means within 2 %, widths 10 %, chi2/ndf < 1.5 (worst) in {results['bins']} bins"),
        (cost, f"Cost; batches of the best size; {results['processor']}"),
    ):
        yield analysis.results_table(rows, title=title, titles=titles)


def closed(stored, count="chi2", smallest="p"):
    """How many shapes close, with the worst; and the smallest p, times their number."""
    closure = Closure(*stored)
    return {count: str(closure), smallest: f"{closure.p_value:.2f}" if closure.p_value > 0.005 else "<.01"}


def plot(folder, plots):
    """Shapes of each generator, average showers, nearest neighbours, ROC curves, training time and speed."""
    results = analysis.read_results(folder)
    histograms = analysis.saved_histograms(folder)
    generators = results["generators"]
    sample = "Photons, {:g} to {:g} GeV".format(*results["energies"])
    with np.load(folder / "pictures.npz") as pictures, np.load(folder / "scores.npz") as scores:
        averages = {TITLES.get(name, "Simulated"): pictures[name] for name in ("simulated", *generators)}
        nearest = [pictures[name] for name in ("generated", "nearest", "energy")]
        curves = {TITLES[name]: metrics.roc(scores[f"{name}_labels"], scores[name]) for name in generators}
    times, areas = zip(*results["stages"])
    unit, seconds = ("s", 1) if max(times) < 600 else ("min", 60)
    speed = {TITLES[name]: zip(*each["ms"].items()) for name, each in generators.items()}
    figures = {f"shapes_{name}": shapes(histograms, name, sample) for name in generators} | {
        "average_showers": plotting.average_showers(averages, CALOGAN, right=sample),
        "neighbours": plotting.shower_neighbours(*nearest, CALOGAN, right=TITLES[BEST]),
        "roc": plotting.roc_curves(curves, right="Simulated against generated, cells"),
        "training_time": plotting.auc_against_time(
            {TITLES[BEST]: (np.array(times) / seconds, [Estimate(*area) for area in areas])},
            unit=unit,
            references={f"{PUBLISHED[BEST][0]}, other showers": PUBLISHED[BEST][1]},
            right="Cells, p" + sample[1:],
        ),
        "speed": plotting.time_against_size(
            {name: ([int(batch) for batch in batches], each) for name, (batches, each) in speed.items()},
            references={"Simulation, 50 GeV": results["simulation"], "Geant4, published": 1772.0},  # arXiv:1705.02355
            right=results["processor"],
        ),
    }
    return analysis.save_figures(figures, plots)


def shapes(histograms, name, sample):
    """Simulated showers, and those of one generator."""
    panels = [
        histograms[shape][{"dataset": "simulation"}] + histograms[shape][{"dataset": name}] for shape in MAIN_SHAPES[:9]
    ]
    titles = {"simulated": "Simulated", "generated": TITLES[name], "reweighted": "Reweighted"}
    return plotting.shape_histograms(panels, titles, right=sample)
