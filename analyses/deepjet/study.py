"""DeepJet on a CMS flavour ntuple: charged and neutral candidates and secondary vertices to b, c, uds and g.

`cortado run analyses/deepjet --files ntuple.root`, any file or files of the DeepNTuple dialect. A quarter of the events
is kept for the test; the network is that of arXiv:2008.10519 on the features that the ntuple has.
"""

from functools import partial
from pathlib import Path

import numpy as np

from cortado import analysis, metrics, plotting, training
from cortado.models import DeepJet
from cortado.representations import DeepJetFeatures
from cortado.splits import Split
from cortado.tasks import Classify
from cortado.training import Objects, Recipe, Study

PRESETS = {"quick": 15, "full": 60, "tiny": 1}  # epochs
AGAINST = {"b against light": ("b", ("uds", "g")), "CvsL": ("c", ("uds", "g")), "CvsB": ("c", ("b",))}


def has_flavour(code, jets):
    return jets.flavour == code


def is_labelled(name, jets):
    return jets[f"label_{name}"]


def studies(preset, folder, files=()):
    """The one training of a preset; the split and the sample are the files' own."""
    epochs = analysis.preset_named(PRESETS, preset)
    if not files:
        raise ValueError("name the flavour ntuple: cortado run analyses/deepjet --files ntuple.root")
    widths = {"jet_features": 6, "charged_features": 10, "neutral_features": 4, "vertex_features": 10}
    study = Study(
        name="deepjet",
        objects=Objects(files=files, class_weights="given", split=Split(validation=0.2, test=0.25, seed=1)),
        representation=DeepJetFeatures(),
        model=partial(DeepJet, **widths),  # as many features as the ntuple has
        task=Classify(
            classes={
                "b": partial(has_flavour, 5),
                "c": partial(has_flavour, 4),
                "uds": partial(is_labelled, "uds"),
                "g": partial(is_labelled, "g"),
            },
            signal="b",
            working_points=(0.5, 0.7),
            mistags=(0.1, 0.01),
        ),
        recipe=Recipe(epochs=epochs, batch_size=64, learning_rate=1e-3),
    )
    return {study.name: study}


def run(*, preset, folder, files, accelerator, **_):
    """Train, judge on the test events, draw the ROC curves."""
    trained = studies(preset, folder, files)
    analysis.train(trained, folder, accelerator=accelerator)
    judged = training.evaluate(analysis.bundle_path(folder, "deepjet"), trained["deepjet"], subset="test")
    probabilities = np.stack([np.asarray(judged.answers[name]) for name in judged.categories], axis=1)
    np.savez(folder / "scores.npz", target=judged.category, probabilities=probabilities, classes=judged.categories)
    results = {title: analysis.tagging_merits(*pair, (0.5,)) for title, pair in discriminants(folder).items()}
    analysis.write_results(folder, results)
    figures = plot(folder, folder / "plots")
    analysis.console.print(analysis.results_table(results, title="test jets"))
    analysis.done(folder, figures)


def discriminants(folder):
    """By title: whether a jet is of flavour a, and p(a) / (p(a) + p(others)), of jets of a and of the others."""
    with np.load(Path(folder) / "scores.npz") as stored:
        names, target, probabilities = stored["classes"].tolist(), stored["target"], stored["probabilities"]
    pairs = {}
    for title, (flavour, others) in AGAINST.items():
        one, rest = names.index(flavour), [names.index(other) for other in others]
        chosen = np.isin(target, [one, *rest])
        above, below = probabilities[chosen, one], probabilities[chosen][:, rest].sum(axis=1)
        pairs[title] = target[chosen] == one, above / (above + below)
    return pairs


def plot(folder, plots):
    """The ROC curves of the three discriminants in one frame."""
    curves = {title: metrics.roc(*pair) for title, pair in discriminants(folder).items()}
    return analysis.save_figures(
        {"deepjet_roc": plotting.roc_curves(curves, right="DeepJet, CMS flavour ntuple")}, plots
    )
