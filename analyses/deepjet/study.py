"""DeepJet on a CMS flavour ntuple: charged and neutral candidates and secondary vertices to b, c, uds and g.

`cortado run analyses/deepjet --files ntuple.root`, any file or files of the DeepNTuple dialect. A quarter of the events
is kept for the test; the network is that of arXiv:2008.10519 on the features that the ntuple has.
"""

import json
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console

from cortado import metrics, plotting, training
from cortado.models import DeepJet
from cortado.representations import DeepJetFeatures
from cortado.splits import Split
from cortado.tasks import Classify
from cortado.training import Objects, Recipe, Study

EPOCHS = {"quick": 15, "full": 60}
AGAINST = {"b against light": ("b", ("uds", "g")), "CvsL": ("c", ("uds", "g")), "CvsB": ("c", ("b",))}
console = Console(highlight=False)


def has_flavour(code, jets):
    return jets.flavour == code


def is_labelled(name, jets):
    return jets[f"label_{name}"]


def studies(preset, folder, files=()):
    """The one training of a preset; the split and the sample are the files' own."""
    if preset not in EPOCHS:
        raise ValueError(f"unknown preset {preset!r}; there are {', '.join(EPOCHS)}")
    if not files:
        raise ValueError("name the flavour ntuple: cortado run analyses/deepjet --files ntuple.root")
    widths = {"jet_features": 6, "charged_features": 10, "neutral_features": 4, "vertex_features": 10}
    study = Study(
        name="deepjet",
        objects=Objects(files=files, split=Split(validation=0.2, test=0.25, seed=1)),
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
        recipe=Recipe(epochs=EPOCHS[preset], batch_size=64, learning_rate=1e-3),
    )
    return {study.name: study}


def run(*, preset, folder, files, accelerator, **_):
    """Train, judge on the test events, draw the ROC curves."""
    (study,) = studies(preset, folder, files).values()
    training.train(study, folder / "deepjet", resume=True, accelerator=accelerator)
    found = training.evaluate(folder / "deepjet" / "deepjet.cortado", study, subset="test")
    probabilities = np.stack([np.asarray(found.answers[name]) for name in found.categories], axis=1)
    np.savez(folder / "scores.npz", target=found.category, probabilities=probabilities, classes=found.categories)
    results = {}
    for title, curve in curves(folder).items():
        results[title] = {"AUC": curve.auc, "1/mistag at 50 %": metrics.rejection_at(curve, 0.5)}
        console.print(f"{title}: AUC {curve.auc}, 1/mistag at 50 % {results[title]['1/mistag at 50 %']}")
    (folder / "results.json").write_text(json.dumps(results, indent=1))
    figures = plot(folder, folder / "plots")
    console.print(f"wrote {figures[0]}, numbers to {folder / 'results.json'}")


def curves(folder):
    """ROC curves of the discriminants: p(a) / (p(a) + p(others)) on jets of a and of the others."""
    with np.load(Path(folder) / "scores.npz") as stored:
        names, target, probabilities = stored["classes"].tolist(), stored["target"], stored["probabilities"]
    found = {}
    for title, (flavour, others) in AGAINST.items():
        one, rest = names.index(flavour), [names.index(other) for other in others]
        chosen = np.isin(target, [one, *rest])
        above, below = probabilities[chosen, one], probabilities[chosen][:, rest].sum(axis=1)
        found[title] = metrics.roc(target[chosen] == one, above / (above + below))
    return found


def plot(folder, plots):
    """The ROC curves of the three discriminants in one frame."""
    figure, _ = plotting.roc_curves(curves(folder), right="DeepJet, CMS flavour ntuple")
    return [plotting.save(figure, plots / "deepjet_roc.png")]
