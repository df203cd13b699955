"""Top tagging on the community's reference data: deep sets and particle clouds, from ROOT or HDF5 files.

The data are those of "The Machine Learning Landscape of Top Taggers" (Kasieczka, Plehn et al., arXiv:1902.09914);
`cortado fetch data_manifests/top_tagging.toml --folder data` brings them, and any file of the same dialect will do.
Epochs are chosen on a tenth of the training file. The judging file is read once, at the end.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import awkward as ak
import numpy as np

from cortado import analysis, metrics, plotting, reading, scoring, training
from cortado.models import PFN, ParticleNet
from cortado.models.particlenet import LITE
from cortado.representations import ParticleList, PointCloud
from cortado.representations.features import PARTICLENET_FEATURES
from cortado.scaling import DEEP_SETS_SCALING, PARTICLENET_SCALING
from cortado.splits import Split
from cortado.tasks import Classify
from cortado.training import Objects, Recipe, Study

FILES = ("data/train.h5", "data/test.h5")
TITLES = {"pfn": "PFN", "particlenet_lite": "ParticleNet-Lite", "particlenet": "ParticleNet"}
PRESETS = {"quick": ("pfn", "particlenet_lite"), "full": tuple(TITLES), "tiny": ("pfn",)}


def is_top(jets):
    return jets.is_signal == 1


def is_qcd(jets):
    return jets.is_signal == 0


def studies(preset, folder, files=FILES):
    """The trainings of a preset on the first of the files; what is written goes to `folder`."""
    networks = analysis.preset_named(PRESETS, preset)
    pfn = Study(
        name="pfn",
        objects=Objects(files=(files[0],), class_weights="given", split=Split(validation=0.1, test=0.0)),
        representation=ParticleList(features=PARTICLENET_FEATURES, centre="axis", mirror_eta=True),
        scaling=DEEP_SETS_SCALING,
        model=partial(PFN, features=7),
        task=Classify(classes={"qcd": is_qcd, "top": is_top}, signal="top"),
        recipe=Recipe(epochs=1 if preset == "tiny" else 30, batch_size=128, learning_rate=4e-3, weight_decay=1e-2),
    )
    recipe = Recipe(epochs=20, batch_size=128, learning_rate=4e-3, weight_decay=1e-2, precision="bfloat16")
    lite = replace(
        pfn,
        name="particlenet_lite",
        representation=PointCloud(),
        scaling=PARTICLENET_SCALING,
        model=partial(ParticleNet, **LITE),
        recipe=recipe,
    )
    recipe = replace(recipe, epochs=11, learning_rate=2e-3)
    full = replace(lite, name="particlenet", model=partial(ParticleNet), recipe=recipe)
    return {study.name: study for study in (pfn, lite, full) if study.name in networks}


def run(*, preset, folder, files, accelerator, **_):
    """Train on the first file, judge on the second, print the table and draw the figures."""
    files = tuple(files) or FILES
    if len(files) != 2:
        raise ValueError(f"two files are needed, one to train on and one to judge on; got {len(files)}: {files}")
    trained = studies(preset, folder, files)
    analysis.train(trained, folder, titles=TITLES, accelerator=accelerator)
    judge(trained, folder, files[1])
    results = analysis.read_results(folder)
    analysis.console.print(analysis.results_table(results, title="jets of the judging file", titles=TITLES))
    figures = plot(folder, folder / "plots")
    figures += explain(analysis.bundle_path(folder, "pfn"), files[1], folder / "plots")
    analysis.done(folder, figures)


def judge(trained, folder, file):
    """Score all jets of the judging file."""
    columns, results = {}, {}
    for name, study in trained.items():
        judged = training.evaluate(analysis.bundle_path(folder, name), study, files=(file,), subset="all")
        is_signal, score = judged.members("top"), np.asarray(judged.answers.top)
        columns |= {name: score, "is_signal": is_signal}
        results[name] = {"accuracy": metrics.confusion(is_signal, score > 0.5).accuracy}
        results[name] |= analysis.tagging_merits(is_signal, score)
    np.savez(folder / "scores.npz", **columns)
    analysis.write_results(folder, results)


def plot(folder, plots):
    """The ROC curves of all networks in one frame."""
    with np.load(Path(folder) / "scores.npz") as stored:
        curves = {TITLES[name]: metrics.roc(stored["is_signal"], stored[name]) for name in TITLES if name in stored}
    return analysis.save_figures(
        {"top_tagging_roc": plotting.roc_curves(curves, right="top tagging reference data")}, plots
    )


def explain(bundle, file, plots):
    """A QCD jet and a top jet of median score: what each particle adds, beside an average one."""
    tagger = scoring.load(bundle)
    jets = ak.flatten(next(reading.iterate(file)).jets)
    chosen, shares = {}, {}
    for title, is_kind in (("QCD", is_qcd), ("Top", is_top)):
        mine = jets[is_kind(jets)]
        median = mine[[np.argsort(tagger(mine))[len(mine) // 2]]]
        chosen[title], shares[title] = median[0], scoring.contributions(tagger, median, baseline=jets).contribution[0]
    figure = plotting.constituent_contributions(chosen, shares, score="log odds")
    return analysis.save_figures({"top_tagging_contributions": figure}, plots)
