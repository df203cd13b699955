"""Secondary vertices in jets and a flavour tagger that uses them: read networks.py, then this file.

Networks and the adaptive vertex reconstruction say which tracks of a jet share a vertex. A flavour tagger (b, c,
light) is then trained without vertices and on the vertices of each of them, as in arXiv:2008.02831. All are judged on
events that no training has seen, beside the published numbers, and the best is used in a coffea processor.
"""

import awkward as ak
import numpy as np
from coffea.nanoevents import BaseSchema
from rich.progress import track

from cortado import analysis, metrics, ntuples, processors, readers, reading, reconstruction
from cortado.simulation import simulate_flavour_jets
from cortado.splits import TRAIN

from .figures import WORKING_POINT, plot, test_jets
from .networks import FINDERS, FLAVOURS, PRESETS, SPLIT, TITLES, manifest_of, sample, studies

__all__ = ["PRESETS", "plot", "run", "studies"]

HISTOGRAMS = ("vertex_mass", "flight_significance", "vertices", "score", "cutflow")
COFFEA = {"schema": BaseSchema, "chunksize": 20_000}
BEAM_SPOT = reconstruction.Prior((0.0, 0.0, 0.0), np.diag([0.01, 0.01, 0.01]) ** 2)  # mm; the networks know it, too
OF_VERTICES = ("F1", "Rand index", "adjusted Rand index")
OF_FLAVOURS = ("accuracy", "F1", *(f"{flavour} F1" for flavour in FLAVOURS.values()))

# arXiv:2008.02831, in these orders; vertices in b, c and light jets.
PUBLISHED_VERTICES = {
    "avr": ((0.56, 0.61, -0.01), (0.70, 0.65, 0.22), (0.97, 0.96, 0.93)),
    "track_pair": ((0.62, 0.74, 0.32), (0.74, 0.73, 0.40), (0.96, 0.96, 0.93)),
    "rnn": ((0.59, 0.75, 0.37), (0.71, 0.72, 0.40), (0.93, 0.92, 0.87)),
    "set2graph": ((0.66, 0.78, 0.43), (0.75, 0.75, 0.45), (0.97, 0.96, 0.94)),
}
PUBLISHED_FLAVOURS = {
    "avr": (0.50, 0.49, 0.62, 0.44, 0.40),
    "baseline": (0.57, 0.56, 0.67, 0.40, 0.60),
    "track_pair": (0.56, 0.57, 0.65, 0.48, 0.57),
    "rnn": (0.62, 0.60, 0.74, 0.37, 0.69),
    "set2graph": (0.63, 0.62, 0.72, 0.44, 0.69),
}


def run(*, preset, folder, files, accelerator, **options):
    """Simulate, reconstruct, train, evaluate, run the coffea processor, plot; what is there already is kept."""
    if files:
        analysis.process_files(files, processor(folder), folder, HISTOGRAMS, **COFFEA, **options)
        return
    simulate(preset, folder, options["workers"])
    trained = studies(preset, folder)
    analysis.train(trained, folder, accelerator=accelerator)
    evaluate(trained, folder)
    fileset = analysis.fileset_of({"ttbar": sample(folder)}, trained_on=True, cross_section=1.0)
    analysis.process(fileset, processor(folder), folder, HISTOGRAMS, **COFFEA, **options)
    figures = plot(folder, folder / "plots")
    for table in tables(analysis.read_results(folder)):
        analysis.console.print(table)
    analysis.done(folder, figures)


def simulate(preset, folder, workers):
    """Jets with tracks, and beside them what the adaptive vertex reconstruction finds, tuned on the training part."""
    path, most = sample(folder), analysis.preset_named(PRESETS, preset).jets
    if path.exists():
        analysis.console.print(f"{path} is there", markup=False)
        return
    options = {"simulate": simulate_flavour_jets, "most": most, "workers": workers}
    (raw,) = analysis.simulate_samples(manifest_of(preset), path.parent, **options)
    cuts = tuned_cuts(raw)
    analysis.console.print(f"adaptive vertex reconstruction: {cuts}")
    ntuples.write(path, "tree", with_avr(raw, cuts))


def tuned_cuts(path, number=2_000):
    """Cuts that give the best mean F1 of b jets of the training part."""
    jets = ak.flatten(reading.read(path).jets)
    subset = ak.to_numpy(SPLIT.subset(jets.event_key))
    chosen = jets[(subset == TRAIN) & (jets.flavour == 5) & (ak.num(jets.tracks) > 1)][:number]

    def mean_f1(truth, partition):
        return np.nanmean(metrics.pairwise_f1(truth, partition))

    return reconstruction.tune(chosen, mean_f1, primary=BEAM_SPOT).cuts


def with_avr(path, cuts):
    """The entries of a file, with the index of the vertex that the adaptive reconstruction gives each track."""
    steps = list(ntuples.iterate(path, ntuples.branch_names(path, "tree"), tree="tree", size=5_000))
    hidden = not analysis.console.is_terminal
    for _, events in track(steps, "vertices", console=analysis.console, transient=True, disable=hidden):
        jets = ak.flatten(readers.set2graph.jets(events))
        events["trk_avr_vtx_index"] = reconstruction.find_vertices(jets, cuts=cuts, primary=BEAM_SPOT)
        yield events


def evaluate(trained, folder):
    """Figures of merit of finders and taggers on the held-out test jets, what they find, and their scores."""
    jets = test_jets(folder)
    truth, flavour = jets.tracks.vertex_index, ak.to_numpy(jets.flavour)
    partitions = {"avr": jets.tracks.avr_vertex_index}
    partitions |= {name: analysis.load(folder, name)(jets) for name in trained if name in FINDERS}
    ak.to_parquet(ak.zip(partitions), folder / "partitions.parquet")
    vertices = {name: metrics.vertex_finding(truth, each, flavour) for name, each in partitions.items()}
    target = (flavour[:, np.newaxis] == list(FLAVOURS)).argmax(axis=1)
    scores, flavours = {"flavour": flavour}, {}
    for name in (each.removeprefix("tagger_") for each in trained if each not in FINDERS):
        probabilities = analysis.load(folder, f"tagger_{name}").probabilities(jets)
        scores[name] = np.stack([ak.to_numpy(probabilities[label]) for label in FLAVOURS.values()], axis=1)
        merits = metrics.multiclass_merits(target, scores[name].argmax(axis=1), classes=len(FLAVOURS))
        flavours[name] = dict(zip(OF_FLAVOURS, (merits.accuracy, merits.mean_f1, *merits.f1)))
    np.savez(folder / "scores.npz", **scores)
    by_flavour = {
        label: {name: dict(zip(OF_VERTICES, each[code])) for name, each in vertices.items()}
        for code, label in FLAVOURS.items()
    }
    numbers = {label: int((flavour == code).sum()) for code, label in FLAVOURS.items()}
    analysis.write_results(folder, {"vertices": by_flavour, "flavours": flavours, "test jets": numbers})


def processor(folder):
    """The best finder and tagger on all jets; of the sample that trained them, on test events alone."""
    finder, tagger = (analysis.load(folder, name) for name in ("set2graph", "tagger_set2graph"))
    return processors.VertexingProcessor(finder, tagger, working_point=WORKING_POINT, held_out=SPLIT)


def tables(results):
    """All tables of the paper, ours (with errors) above the published numbers."""
    for index, (flavour, merits) in enumerate(results["vertices"].items()):
        published = {name: numbers[index] for name, numbers in PUBLISHED_VERTICES.items()}
        yield beside(f"vertices in {flavour} jets", merits, published)
    yield beside("flavour on the vertices of", results["flavours"], PUBLISHED_FLAVOURS)


def beside(title, merits, published):
    """A row of each network, and below it that of the paper."""
    rows = {}
    for name, ours in merits.items():
        rows[TITLES[name]] = {key: str(metrics.Estimate(*pair)).replace(" ", "") for key, pair in ours.items()}
        if name in published:
            rows[f"  of {TITLES[name]}"] = {key: f"{number:.2f}" for key, number in zip(ours, published[name])}
    titles = {name: "  paper" for name in rows if name.startswith("  ")}
    return analysis.results_table(rows, title=f"{title}: test jets, and arXiv:2008.02831", titles=titles)
