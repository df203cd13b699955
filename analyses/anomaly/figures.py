"""Figures of a finished run, from what it has saved."""

from functools import partial
from pathlib import Path

import hist
import numpy as np

from cortado import analysis, metrics, plotting
from cortado.representations.jet_image import TOP_40

from .networks import KINDS, TITLES

LOSS = r"$\log_{10}$ of the reconstruction loss"
SELECTION = r"anti-$k_\mathrm{T}$ R = 0.8, 550 < $p_\mathrm{T}$ < 650 GeV"
STRANGEST = 0.05  # of the QCD jets, whose mass is shown
SIDES = ("given", "made", "images", "added")


def scores_of(folder):
    with np.load(Path(folder) / "scores.npz") as stored:
        return dict(stored)


def members_of(judged):
    """Which of the judged jets are of each kind that there is."""
    members = {kind: judged["kind"] == number for number, kind in enumerate(KINDS)}
    return {kind: mine for kind, mine in members.items() if mine.any()}


def pairs_of(judged):
    """By network and kind of jets that it should find strange: truth and score of these and of ordinary jets."""
    pairs, members = {}, members_of(judged)
    for name in (each for each in TITLES if each in judged):
        normal, strange = ("top", ("qcd",)) if name.endswith("_of_top") else ("qcd", ("top", "w"))
        for kind in (each for each in strange if each in members):
            chosen = members[kind] | members[normal]
            pairs[name, kind] = members[kind][chosen], judged[name][chosen]
    return pairs


def loss_histograms(judged):
    """Logarithms of the losses of the kinds of jets, for each network."""
    booked = {}
    for name in (each for each in TITLES if each in judged):
        losses = np.log10(np.maximum(judged[name], np.finfo(np.float32).tiny))
        axis = hist.axis.Regular(40, *np.quantile(losses, (0.002, 0.998)), name="anomaly", label=LOSS)
        booked[name] = analysis.histogram_of(axis, {kind: losses[mine] for kind, mine in members_of(judged).items()})
    return booked


def mass_histogram(judged):
    """Mass of QCD jets, of all and of the strangest."""
    mine = members_of(judged)["qcd"]
    mass, score = judged["mass"][mine], judged["image"][mine]
    axis = hist.axis.Regular(15, 0, 300, name="mass", label="Jet mass [GeV]")
    return analysis.histogram_of(axis, {"all": mass, "strange": mass[score > np.quantile(score, 1 - STRANGEST)]})


def plot(folder, plots):
    """ROC curves, losses, masses of what is kept, images and their pixels, latent space."""
    judged = scores_of(folder)
    members = members_of(judged)
    titles = {kind: KINDS[kind] for kind in members}
    curves = {TITLES[name]: metrics.roc(*pair) for (name, kind), pair in pairs_of(judged).items() if kind != "w"}
    with np.load(Path(folder) / "examples.npz") as stored:
        images = {side: {title: stored[f"{side}_{kind}"] for kind, title in titles.items()} for side in SIDES}
    shape = partial(plotting.score_distributions, by="kind", log=False, right=TITLES["image"])
    inside = {"half_width": TOP_40.half_width}
    figures = {
        "roc": plotting.roc_curves(curves, right=SELECTION),
        "loss_image": shape(loss_histograms(judged)["image"], titles),
        "sculpting": shape(mass_histogram(judged), {"all": "all QCD jets", "strange": "strangest 5 %"}),
        "reconstructions": plotting.reconstructions(images["given"], images["made"], **inside),
        "contributions": plotting.pixel_contributions(images["images"], images["added"], score="loss", **inside),
        "latent": plotting.latent_space(
            {titles[kind]: judged["codes"][mine] for kind, mine in members.items()}, right=TITLES["variational"]
        ),
    }
    return analysis.save_figures(figures, plots)
