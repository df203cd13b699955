"""Tables and figures of a search."""

import awkward as ak
import hist
from rich.box import SIMPLE
from rich.table import Table

from cortado import analysis, plotting, searches

from .scores import FLOOR, METHODS, REGION, SAMPLES, TITLES, improvements, sampled, true_background

AXES = {
    "mj2": hist.axis.Regular(40, 0, 500, name="mj2", label="Mass of the lighter jet [GeV]"),
    "delta_mj": hist.axis.Regular(40, 0, 700, name="delta_mj", label="Difference of the jet masses [GeV]"),
    "tau21_1": hist.axis.Regular(40, 0.1, 1, name="tau21_1", label=r"$\tau_{21}$ of the heavier jet"),
    "tau21_2": hist.axis.Regular(40, 0.1, 1, name="tau21_2", label=r"$\tau_{21}$ of the lighter jet"),
}


def tables(results):
    """Hunts, limits and figures of merit as tables."""
    lines = Table("sample", "score", "cut", "window at", "observed", "expected", "local", "global p", box=SIMPLE)
    bounds = Table("sample", "score", "fitted strength", "limit", "expected", "of 68 % of searches", box=SIMPLE)
    merits = Table("score", f"largest improvement (floor {FLOOR})", "AUC of its background against truth", box=SIMPLE)
    for name in SAMPLES:
        for method, each in results[name].items():
            for title, one in each["hunts"].items():
                where, local = f"{one['mass']:.0f} GeV", f"{one['local_significance']:.1f} sigma"
                cells = (f"{one['observed']:.0f}", str(one["expected"]), local, str(one["global_p"]))
                lines.add_row(name, METHODS[method], title, where, *cells)
            _, low, median, high, _ = each["expected"]
            cells = (str(each["strength"]), f"{each['limit']:.2f}", f"{median:.2f}", f"{low:.2f} to {high:.2f}")
            bounds.add_row(name, METHODS[method], *cells)
    for method, best in results["improvement"].items():
        merits.add_row(TITLES[method], str(best), str(results["told apart"].get(method, "")))
    return lines, bounds, merits


def every(folder, chosen, shown, bounds, function_of):
    """Mass and local p-values, limits, significance improvement, and what was sampled over what is true."""
    drawn = {}
    for method, (spectra, bumps) in shown.items():
        tightest = list(bumps)[-1]
        for cut, name, title in (("all", "all", "all events"), (tightest, method, f"{METHODS[method]}, {tightest}")):
            right = title if cut == "all" else f"{title} of the sidebands"
            fit = searches.fit_background(spectra[cut], function=function_of(spectra[cut]), window=REGION)
            drawn[f"mass_{name}"] = plotting.mass_spectrum(fit, bump=bumps[cut], right=right)
            drawn[f"p_values_{name}"] = plotting.local_p_values(bumps[cut], right=right)
    right = f"{REGION[0]:.0f} < dijet mass < {REGION[1]:.0f} GeV"
    curves = {TITLES[method]: each for method, each in improvements(folder).items()}
    names = {"true": "true background", "sampled": "sampled"}
    return drawn | {
        "limits": plotting.strength_limits(bounds, true=1.0, xlabel=f"Signal / {chosen.signal} events"),
        "improvement": plotting.significance_improvement(curves, right=right),
        "sampled": plotting.shape_histograms(compared(folder), names, reference="true", counted="events", right=right),
    }


def compared(folder):
    """Features of true background in the signal region, and of what was sampled there from the data with signal."""
    true = true_background(folder)
    both = {"true": true, "sampled": sampled(folder, "data", 0, len(true), seed=98)}
    return [
        analysis.histogram_of(axis, {origin: ak.to_numpy(events[name]) for origin, events in both.items()}, by="origin")
        for name, axis in AXES.items()
    ]
