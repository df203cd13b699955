"""Figures of a finished run, from what it has saved."""

from pathlib import Path

import awkward as ak
import hist
import numpy as np

from cortado import analysis, metrics, plotting, reading
from cortado.representations import JetImage

from .networks import IMAGE, TITLES, in_window, is_qcd, is_w

SAMPLES = {"qcd": "QCD dijets", "wprime": r"W' $\to$ WZ"}
SELECTION = r"anti-$k_\mathrm{T}$ R = 0.8, 500 < $p_\mathrm{T}$ < 700 GeV"
LUMINOSITY = 1.0  # 1/fb
BEST = "particlenet_lite"


def scores_of(folder):
    """By tagger: truth and score of the test jets."""
    with np.load(Path(folder) / "scores.npz") as stored:
        return {name: (stored[f"{name}_is_signal"], stored[name]) for name in ("likelihood", *TITLES)}


def qcd_jets(folder, name):
    """Mass and score of the QCD test jets."""
    with np.load(Path(folder) / "scores.npz") as stored:
        is_qcd_jet = ~stored[f"{name}_is_signal"]
        return stored[f"{name}_mass"][is_qcd_jet], stored[name][is_qcd_jet]


def plot(folder, plots):
    """ROC curves, spectra, the scores and the confusion matrix of the best tagger, the sculpting of the mass, jets."""
    judged = scores_of(folder)
    names = {"likelihood": r"$m_\mathrm{SD} \times \tau_{21}$ likelihood", **TITLES}
    histograms = analysis.saved_histograms(folder)
    mass = analysis.at_luminosity(folder, "mass", LUMINOSITY)
    is_signal, score = judged[BEST]
    tagged = {"tagger": BEST, "truth": sum}
    figures = {
        "roc": plotting.roc_curves({names[name]: metrics.roc(*pair) for name, pair in judged.items()}, right=SELECTION),
        "score": plotting.score_distributions(
            histograms["score"][{**tagged, "region": sum}], SAMPLES, right=TITLES[BEST]
        ),
        "cutflow": plotting.cutflow(histograms["cutflow"], SAMPLES),
        "confusion": plotting.confusion_matrix(
            metrics.confusion_counts(is_signal.astype(int), (score > 0.5).astype(int), classes=2),
            ["QCD", "W"],
            right=TITLES[BEST],
        ),
        "sculpting": plotting.score_distributions(
            mass_spectra(folder),
            {"all": "all QCD jets", "baseline": "10 % kept by MLP", "decorrelated": "10 % kept, decorrelated"},
            by="kind",
            log=False,
            right=SELECTION,
        ),
        "learning": plotting.learning_curves(analysis.history(folder, BEST), titles={"loss": "Cross entropy"}),
        **pictures(folder),
    }
    for region in ("pass", "fail"):
        shown = mass[{**tagged, "region": region}]
        figures[f"mass_{region}"] = plotting.stacked(shown, SAMPLES, right=f"{TITLES[BEST]}, 50 %: {region}")
    return analysis.save_figures(figures, plots)


def mass_spectra(folder):
    """Mass of all QCD test jets, and of the tenth that looks most like a W."""
    axis = hist.axis.Regular(25, 0, 250, name="mass", label="Jet mass [GeV]")
    kept = {}
    for name in ("baseline", "decorrelated"):
        mass, score = qcd_jets(folder, name)
        kept[name] = mass[score > np.quantile(score, 0.9)]
    return analysis.histogram_of(axis, {**kept, "all": mass})


def pictures(folder):
    """Average images of both classes before and after preprocessing, and one W jet as cloud and as image."""
    jets = {name: ak.flatten(reading.read(Path(folder) / "samples" / f"{name}.root").jets) for name in SAMPLES}
    chosen = {"W": jets["wprime"][is_w(jets["wprime"])], "QCD": jets["qcd"][is_qcd(jets["qcd"])]}
    chosen = {name: some[in_window(some)] for name, some in chosen.items()}
    raw = JetImage(half_width=0.8, centre="axis", rotate=None, flip=(), normalise=None)
    before = {name: raw(some).image for name, some in chosen.items()}
    after = {name: IMAGE(some).image for name, some in chosen.items()}
    return {
        "average_images": plotting.average_images(before, after, half_width=0.8),
        "jet": plotting.jet_display(chosen["W"][0]),
    }
