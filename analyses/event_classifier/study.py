"""Which process made an event? A network on ten columns, in folds, and its score in a coffea processor.

The commonest use of machine learning in analyses, from top to bottom: columns of NanoAOD by name, classes by file, five
networks of which each has not seen a fifth of the events, the score of every event as a column of a friend tree, a
histogram of it with variations of the weights and of the jet energy, and a fit of the signal.
"""

import json
from functools import partial
from pathlib import Path

import awkward as ak
import hist
import numpy as np

from cortado import analysis, metrics, ntuples, plotting, reading, scoring, searches, training
from cortado import manifest as manifests
from cortado.models import MLP
from cortado.readers import nanoaod_mapping
from cortado.representations import Columns
from cortado.splits import Split
from cortado.tasks import Classify, of_sample
from cortado.training import Objects, Recipe, Study

from .processor import EventProcessor

MANIFEST = manifests.load(Path(__file__).parents[2] / "data_manifests" / "event_classifier.toml")
SAMPLES = {sample.name: sample.label for sample in MANIFEST.samples}
COLUMNS = nanoaod_mapping({"jets": ("FatJet", ("pt", "eta", "mass", "msoftdrop", "tau1", "tau2"))})
FEATURES = (
    "num(jets)",
    *(f"jets.{name}[0]" for name in ("pt", "eta", "mass", "msoftdrop", "tau1", "tau2")),
    *(f"jets.{name}[1]" for name in ("pt", "mass", "msoftdrop")),
)
LUMINOSITY, LUMINOSITY_ERROR = 100.0, 0.016  # 1/fb, relative
PRESETS = {
    "quick": {"most": None, "epochs": 20, "folds": 5, "fit_bins": 4},
    "tiny": {"most": 150, "epochs": 2, "folds": 2, "fit_bins": 1},
}
SELECTION = "Leading jets from 500 to 700 GeV"


def studies(preset, folder):
    """The one network, trained once for each fold."""
    chosen = analysis.preset_named(PRESETS, preset)
    study = Study(
        name="events",
        objects=Objects(
            files=tuple(analysis.sample_paths(MANIFEST, Path(folder) / "samples")),
            dialect=COLUMNS,
            collection="events",
            samples={name: f"{name}.root" for name in SAMPLES},
            split=Split(validation=0.2, test=0.0, seed=1),
            folds=chosen["folds"],
        ),
        representation=Columns(features=FEATURES, missing=0.0),
        scaling="quantiles",
        model=partial(MLP, features=len(FEATURES)),
        task=Classify(classes={name: of_sample(name) for name in SAMPLES}, signal="wprime"),
        recipe=Recipe(epochs=chosen["epochs"], batch_size=128, learning_rate=3e-3),
    )
    return {study.name: study}


def run(*, preset, folder, files, accelerator, **options):
    """Simulate, train the folds, score every event, run the coffea processor, plot."""
    (study,) = studies(preset, folder).values()
    if not files:
        most, workers = PRESETS[preset]["most"], options["workers"]
        analysis.simulate_samples(MANIFEST, folder / "samples", most=most, workers=workers)
        training.train_folds(study, folder / "events", resume=True, accelerator=accelerator)
    scorer = scoring.folds(sorted((folder / "events").glob("fold*/events.cortado")))
    processor = EventProcessor(scorer, COLUMNS)
    if files:
        analysis.process_files(files, processor, folder, ("score",), **options)
        return
    judge(scorer, folder)
    fileset = manifests.fileset(MANIFEST, folder / "samples")
    analysis.process(fileset, processor, folder, ("score",), **options)
    analysis.console.print(analysis.results_table(analysis.read_results(folder), title="events, each out of its fold"))
    fit(folder, PRESETS[preset]["fit_bins"])
    analysis.done(folder, plot(folder, folder / "plots"))


def judge(scorer, folder):
    """Scores of all events by the network that has not seen them: friend trees, and figures of merit."""
    scores, truth = [], []
    for path in analysis.sample_paths(MANIFEST, folder / "samples"):
        events = reading.read(path, dialect=COLUMNS)
        columns, _ = scorer.events(events)
        keys = {"run": events.run, "luminosityBlock": events.luminosity_block, "event": events.event}
        (folder / "scores").mkdir(exist_ok=True)
        ntuples.write_friend(folder / "scores" / path.name, "scores", [keys | columns])
        scores.append(ak.to_numpy(columns["event_wprime"]))
        truth += len(events) * [path.stem]
    score, sample = np.concatenate(scores), np.array(truth)
    np.savez(folder / "scores.npz", score=score, sample=sample)
    results = {}
    for name in (other for other in SAMPLES if other != "wprime"):
        chosen = np.isin(sample, ("wprime", name))
        results[f"W' against {SAMPLES[name]}"] = analysis.tagging_merits(sample[chosen] == "wprime", score[chosen])
    analysis.write_results(folder, results)


def fit(folder, bins):
    """The histogram with its variations as a workspace of pyhf, and the strength of the signal that it can measure."""
    expected = analysis.at_luminosity(folder, "score", LUMINOSITY)
    templates = expected[{"score": hist.rebin(expected.axes["score"].size // bins)}]
    workspace = searches.template_workspace({"score": templates}, signal="wprime", luminosity=LUMINOSITY_ERROR)
    (folder / "workspace.json").write_text(json.dumps(workspace, indent=1))
    strength = searches.fit_strength(workspace)
    analysis.console.print(
        f"wrote {folder / 'workspace.json'}: expected strength {strength.value:.2f} "
        f"({strength.low:.2f} to {strength.high:.2f})",
        markup=False,
    )


def plot(folder, plots):
    """ROC curves, and the score of all processes with its uncertainty."""
    with np.load(Path(folder) / "scores.npz") as stored:
        score, sample = stored["score"], stored["sample"]
    curves = {}
    for name in (other for other in SAMPLES if other != "wprime"):
        chosen = np.isin(sample, ("wprime", name))
        curves[f"W' against {SAMPLES[name]}"] = metrics.roc(sample[chosen] == "wprime", score[chosen])
    expected = analysis.at_luminosity(folder, "score", LUMINOSITY)
    figures = {
        "roc": plotting.roc_curves(curves, right=SELECTION),
        "score": plotting.stacked(expected, SAMPLES, log=True, counted="Events", right=SELECTION),
        "learning": plotting.learning_curves(
            analysis.history(folder, "events/fold0"), titles={"loss": "Cross entropy"}
        ),
    }
    return analysis.save_figures(figures, plots)
