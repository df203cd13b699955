"""W-boson tagging, from simulated NanoAOD to event weights and histograms: read networks.py, then this file.

Signal are jets that contain both quarks of a W (W' -> WZ, Z -> nu nu); background are jets of QCD dijet events; both
flat in pT from 500 to 700 GeV. Four networks on four representations are judged on events that no training has
seen, beside a likelihood ratio of soft-drop mass and tau2/tau1, and then used in a coffea processor. One of them is
trained once more against an adversary, such that a cut on its score leaves the mass spectrum of QCD jets as it is.
"""

import awkward as ak
import numpy as np

from cortado import analysis, metrics, processors, reading, training
from cortado import manifest as manifests
from cortado.representations import HighLevel
from cortado.splits import TEST, TRAIN

from .figures import plot, qcd_jets, scores_of
from .networks import MASS_BINS, PRESETS, PT_RANGE, SPLIT, TITLES, in_window, is_qcd, is_w, manifest_of, studies

__all__ = ["PRESETS", "plot", "run", "studies"]

KEPT = 0.1  # of the QCD jets, where the sculpting of their mass is measured
HISTOGRAMS = ("mass", "pt", "score", "cutflow")


def run(*, preset, folder, files, accelerator, **options):
    """Simulate, train, evaluate, run the coffea processor, plot; what is there already is kept."""
    if files:
        analysis.process_files(files, processor(folder), folder, HISTOGRAMS, **options)
        return
    manifest = manifest_of(preset)
    analysis.simulate_samples(manifest, folder / "samples", most=PRESETS[preset].jets, workers=options["workers"])
    trained = studies(preset, folder)
    analysis.train(trained, folder, titles=TITLES, accelerator=accelerator)
    evaluate(trained, folder)
    fileset = manifests.fileset(manifest, folder / "samples")
    for entry in fileset.values():
        entry["metadata"]["trained_on"] = True
    analysis.process(fileset, processor(folder), folder, HISTOGRAMS, **options)
    figures = plot(folder, folder / "plots")
    titles = {"likelihood": "likelihood floor", **TITLES}
    title = "test jets that no training has seen"
    analysis.console.print(analysis.results_table(analysis.read_results(folder), title=title, titles=titles))
    analysis.done(folder, figures)


def processor(folder):
    """All taggers on the jets of the window; of the samples that trained them, on test events alone."""
    taggers = {name: analysis.load(folder, name, invalid="nan") for name in TITLES}
    return processors.TaggingProcessor(taggers, pt_range=PT_RANGE, held_out=SPLIT)


def evaluate(trained, folder):
    """Scores of the held-out test jets, and the figures of merit that follow."""
    columns = {}
    for name, study in trained.items():
        result = training.evaluate(analysis.bundle_path(folder, name), study, subset="test", columns=("mass",))
        columns[name] = result.answers.w
        columns[f"{name}_is_signal"] = result.members("w")
        columns[f"{name}_mass"] = result.objects.mass
    columns["likelihood"], columns["likelihood_is_signal"] = likelihood_floor(trained["baseline"])
    np.savez(folder / "scores.npz", **columns)
    results = {name: analysis.tagging_merits(*judged) for name, judged in scores_of(folder).items()}
    for name in TITLES:
        results[name]["sculpting"] = metrics.mass_sculpting(
            *qcd_jets(folder, name), MASS_BINS, efficiency=KEPT
        ).distance
    analysis.write_results(folder, results)


def likelihood_floor(study):
    """Likelihood ratio of soft-drop mass and tau2/tau1 of the test jets: what a network must beat.

    The two-dimensional densities are histograms of the training jets.
    """
    records = (record for path in study.objects.files for record in reading.iterate(path))
    jets = ak.concatenate([ak.flatten(record.jets) for record in records])
    jets = jets[in_window(jets) & (is_w(jets) | is_qcd(jets)) & (ak.num(jets.constituents) > 0)]
    subset = ak.to_numpy(SPLIT.subset(jets.event_key))
    inputs = HighLevel(features=("soft_drop_mass", "tau21"))(jets).features
    edges = (np.linspace(0, 250, 41), np.linspace(0, 1, 21))
    cell = [np.clip(np.digitize(column, edge) - 1, 0, len(edge) - 2) for column, edge in zip(inputs.T, edges)]
    densities = []
    for member in (is_w, is_qcd):
        chosen = (subset == TRAIN) & ak.to_numpy(member(jets))
        counts = np.ones((40, 20))  # one jet in every cell: no empty denominator
        np.add.at(counts, tuple(column[chosen] for column in cell), 1)
        densities.append(counts / counts.sum())
    ratio = densities[0] / (densities[0] + densities[1])
    test = subset == TEST
    return ratio[tuple(cell)][test], ak.to_numpy(is_w(jets))[test]
