"""Secondary vertices in jets and a flavour tagger that uses them: read it from top to bottom.

Networks and the adaptive vertex reconstruction say which tracks of a jet share a vertex. A flavour tagger (b, c,
light) is then trained without vertices and on the vertices of each of them, as in arXiv:2008.02831. All are judged on
events that no training has seen, beside the published numbers, and the best is used in a coffea processor.
"""

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import awkward as ak
import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress, track
from rich.table import Table

from cortado import manifest as manifests
from cortado import metrics, ntuples, plotting, processors, readers, reading, reconstruction, scoring, training
from cortado.histograms import scale_to_luminosity
from cortado.models import EdgeFlavourTagger, FlavourTagger, SetToGraph, TrackPair, VertexRNN
from cortado.representations import TrackGraph, TrackSet
from cortado.representations.track_set import RICH_FEATURES, SET2GRAPH_FEATURES
from cortado.simulation import simulate_flavour_jets
from cortado.splits import TEST, TRAIN, Split
from cortado.tasks import Classify, Pair
from cortado.training import Objects, Recipe, Study

SPLIT = Split(validation=0.15, test=0.25, seed=1)
FLAVOURS = {5: "b", 4: "c", 0: "light"}
FINDERS = {
    "track_pair": partial(TrackPair),
    "rnn": partial(VertexRNN),  # sorts the tracks by their pT, or its logarithm: feature 4 of both sets
    "set2graph": partial(SetToGraph),
    "set2graph_plus": partial(SetToGraph, plus=True),
}
TAGGERS = ("avr", "baseline", "track_pair", "rnn", "set2graph")  # the paper's
TITLES = {
    "avr": "AVR",
    "baseline": "none",
    "track_pair": "Track pair",
    "rnn": "RNN",
    "set2graph": "Set2Graph",
    "set2graph_plus": "Set2Graph+",
}
JET_FEATURES = {RICH_FEATURES: 3, SET2GRAPH_FEATURES: 4}  # the last ones
AVR_BRANCH = "trk_avr_vtx_index"
WORKING_POINT = "70%"
SAMPLE = r"$t\bar{t}$ simulation, anti-$k_\mathrm{T}$ R = 0.4"
BEAM_SPOT = reconstruction.Prior((0.0, 0.0, 0.0), np.diag([0.01, 0.01, 0.01]) ** 2)  # mm; the networks know it, too
console = Console(highlight=False)

# arXiv:2008.02831: F1, Rand index and adjusted Rand index of b, c and light jets.
PUBLISHED_VERTICES = {
    "avr": ((0.56, 0.61, -0.01), (0.70, 0.65, 0.22), (0.97, 0.96, 0.93)),
    "track_pair": ((0.62, 0.74, 0.32), (0.74, 0.73, 0.40), (0.96, 0.96, 0.93)),
    "rnn": ((0.59, 0.75, 0.37), (0.71, 0.72, 0.40), (0.93, 0.92, 0.87)),
    "set2graph": ((0.66, 0.78, 0.43), (0.75, 0.75, 0.45), (0.97, 0.96, 0.94)),
}
# The same: accuracy, mean F1, and F1 of b, c and light jets.
PUBLISHED_FLAVOURS = {
    "avr": (0.50, 0.49, 0.62, 0.44, 0.40),
    "baseline": (0.57, 0.56, 0.67, 0.40, 0.60),
    "track_pair": (0.56, 0.57, 0.65, 0.48, 0.57),
    "rnn": (0.62, 0.60, 0.74, 0.37, 0.69),
    "set2graph": (0.63, 0.62, 0.72, 0.44, 0.69),
}


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Size of the sample, by its manifest, what is trained on it, and for how long."""

    manifest: str
    features: tuple[str, ...] = RICH_FEATURES
    finders: tuple[str, ...] = ("set2graph", "track_pair", "rnn")
    batch_size: int
    finder_epochs: int
    tagger_epochs: int


PRESETS = {
    "quick": Preset(manifest="vertexing.toml", batch_size=256, finder_epochs=8, tagger_epochs=4),
    "full": Preset(
        manifest="vertexing_full.toml", finders=tuple(FINDERS), batch_size=128, finder_epochs=20, tagger_epochs=8
    ),
    # What the networks of the paper saw of a track, which has no errors.
    "published_features": Preset(
        manifest="vertexing.toml", features=SET2GRAPH_FEATURES, batch_size=128, finder_epochs=10, tagger_epochs=10
    ),
}


def preset_named(name):
    if name not in PRESETS:
        raise ValueError(f"unknown preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]


def in_acceptance(jets):
    return (jets.pt > 20) & (abs(jets.eta) < 2.5)


def has_flavour(code, jets):
    return jets.flavour == code


def sample(folder):
    """The simulated jets, with the vertices that the adaptive reconstruction finds in them."""
    return Path(folder) / "samples" / "jets.root"


def studies(preset, folder):
    """All trainings of a preset: the vertex finders, then the taggers that use them."""
    chosen = preset_named(preset)
    sizes = {"features": len(chosen.features)}
    tagged = sizes | {"jet_features": JET_FEATURES[chosen.features]}
    models = {name: partial(FINDERS[name], **sizes) for name in chosen.finders}
    classes = {name: partial(has_flavour, code) for code, name in FLAVOURS.items()}
    finder = Study(
        name="set2graph",
        objects=Objects(files=(sample(folder),), mask=in_acceptance, split=SPLIT),
        representation=TrackSet(features=chosen.features),
        scaling="fit",
        model=models["set2graph"],
        task=Pair(partition="tracks.vertex_index", classes=classes, shown="b"),
        recipe=Recipe(
            epochs=chosen.finder_epochs, batch_size=chosen.batch_size, learning_rate=2e-3, weight_decay=0.0, bucket=True
        ),
    )
    every = {name: replace(finder, name=name, model=model) for name, model in models.items()}
    tagger = replace(
        finder,
        task=Classify(
            classes=classes,
            signal="b",
            working_points=(0.5, 0.7, 0.8),
            mistags=(0.1, 0.01, 0.001),
            mistag_class="light",
        ),
        # The taggers have batch norm: its statistics must not be those of jets of one multiplicity.
        recipe=replace(finder.recipe, epochs=chosen.tagger_epochs, batch_size=256, bucket=False),
    )
    every["tagger_baseline"] = replace(tagger, name="tagger_baseline", model=partial(FlavourTagger, **tagged))
    every["tagger_avr"] = replace(
        tagger,
        name="tagger_avr",
        representation=TrackGraph(features=chosen.features, partition="avr_vertex_index"),
        model=partial(EdgeFlavourTagger, **tagged),
    )
    for name, model in models.items():
        if name not in TAGGERS:
            continue
        every[f"tagger_{name}"] = replace(
            tagger,
            name=f"tagger_{name}",
            model=partial(FlavourTagger, **tagged, finder=model.func.__name__, finder_arguments=model.keywords),
            frozen={"finder": str(Path(folder) / name / f"{name}.cortado")},
        )
    return every


def run(*, preset, folder, files, executor, workers, scheduler, accelerator):
    """Simulate, reconstruct, train, evaluate, run the coffea processor, plot; what is there already is kept."""
    if files:
        return run_on(files, folder, executor, workers, scheduler)
    simulate(preset, folder, workers)
    trained = studies(preset, folder)
    for name, study in trained.items():
        console.print(f"\n[bold]{name}[/]")
        training.train(study, folder / name, resume=True, accelerator=accelerator)
    evaluate(folder)
    fileset = {
        "ttbar": {"files": {str(sample(folder)): "tree"}, "metadata": {"trained_on": True, "cross_section": 1.0}}
    }
    process(fileset, folder, folder, executor, workers, scheduler)
    figures = plot(folder, folder / "plots")
    for lines in tables(folder):
        console.print(lines)
    console.print(f"wrote {len(figures)} figures to {folder / 'plots'}, histograms to {folder / 'histograms.root'}")
    return None


def simulate(preset, folder, workers):
    """Jets with tracks, and beside them what the adaptive vertex reconstruction finds, tuned on the training part."""
    path = sample(folder)
    if path.exists():
        console.print(f"{path} is there")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = path.with_name("simulated.root")
    if not raw.exists():
        manifest = manifests.load(Path(__file__).parents[2] / "data_manifests" / preset_named(preset).manifest)
        recipe = manifest.samples[0].recipe
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("simulating", total=recipe["jets"])
            made = simulate_flavour_jets(raw, **recipe, workers=workers, progress=partial(bar.advance, task))
        console.print(f"wrote {made.path}: {made.jets} jets in {made.events} events")
    cuts = tuned_cuts(raw)
    console.print(f"adaptive vertex reconstruction: {cuts}")
    ntuples.write(path, "tree", with_avr(raw, cuts))
    console.print(f"wrote {path}")


def tuned_cuts(path, number=2_000):
    """Cuts that give the best mean F1 of b jets of the training part."""
    jets = ak.flatten(reading.read(path).jets)
    subset = ak.to_numpy(SPLIT.subset(jets.event_key))
    chosen = jets[(subset == TRAIN) & (jets.flavour == 5) & (ak.num(jets.tracks) > 1)][:number]

    def mean_f1(truth, found):
        return np.nanmean(metrics.pairwise_f1(truth, found))

    return reconstruction.tune(chosen, mean_f1, primary=BEAM_SPOT).cuts


def with_avr(path, cuts, size=5_000):
    """The entries of a file, with the index of the vertex that the adaptive reconstruction gives each track."""
    steps = list(ntuples.iterate(path, ntuples.branch_names(path, "tree"), tree="tree", size=size))
    for _, events in track(steps, "vertices", console=console, transient=True, disable=not console.is_terminal):
        jets = ak.flatten(readers.set2graph.jets(events))
        events[AVR_BRANCH] = reconstruction.find_vertices(jets, cuts=cuts, primary=BEAM_SPOT)
        yield events


def finders(folder):
    """The trained vertex finders of a folder."""
    paths = {name: folder / name / f"{name}.cortado" for name in FINDERS}
    return {name: scoring.load(path) for name, path in paths.items() if path.exists()}


def tagger_of(folder, name):
    return scoring.load(folder / f"tagger_{name}" / f"tagger_{name}.cortado")


def test_jets(folder):
    """Jets of test events, with at least two tracks, as in the paper."""
    parts = []
    for record in reading.iterate(sample(folder)):
        jets = ak.flatten(record.jets)
        chosen = (SPLIT.subset(jets.event_key) == TEST) & in_acceptance(jets) & (ak.num(jets.tracks) > 1)
        parts.append(jets[chosen])
    return ak.concatenate(parts)


def partitions(jets, folder):
    """By finder: the vertex of each track."""
    return {"avr": jets.tracks.avr_vertex_index} | {name: finder(jets) for name, finder in finders(folder).items()}


def evaluate(folder):
    """Figures of merit of finders and taggers on the held-out test jets."""
    jets = test_jets(folder)
    found = partitions(jets, folder)
    truth, flavour = jets.tracks.vertex_index, ak.to_numpy(jets.flavour)
    vertices = {}
    for name, partition in found.items():
        by_flavour = metrics.vertex_finding(truth, partition, flavour)
        vertices[name] = {FLAVOURS[code]: by_flavour[code][:3] for code in FLAVOURS}
    flavours, scores = {}, {"flavour": flavour}
    for name in TAGGERS:
        probabilities = tagger_of(folder, name).probabilities(jets)
        columns = np.stack([ak.to_numpy(probabilities[label]) for label in FLAVOURS.values()], axis=1)
        scores[name] = columns
        flavours[name] = flavour_merits(flavour, columns)
    results = {
        "vertices": vertices,
        "flavours": flavours,
        "test jets": {n: int((flavour == c).sum()) for c, n in FLAVOURS.items()},
    }
    (folder / "results.json").write_text(json.dumps(results, indent=1))
    np.savez(folder / "scores.npz", **scores)


def flavour_merits(flavour, probabilities):
    """Accuracy, mean F1 and the F1 of each flavour, with statistical errors from resampled jets."""
    codes = list(FLAVOURS)
    truth = np.array([codes.index(code) for code in flavour])
    chosen = probabilities.argmax(axis=1)

    def merits(index):
        counts = np.bincount(3 * truth[index] + chosen[index], minlength=9).reshape(3, 3)
        f1 = 2 * np.diag(counts) / (counts.sum(axis=0) + counts.sum(axis=1))
        return np.array([np.trace(counts) / counts.sum(), f1.mean(), *f1])

    rng = np.random.default_rng(1)
    resampled = [merits(rng.integers(len(truth), size=len(truth))) for _ in range(200)]
    return list(zip(merits(slice(None)).tolist(), np.std(resampled, axis=0).tolist(), strict=True))


def process(fileset, trained, folder, executor, workers, scheduler):
    """Run the coffea processor and save its histograms, as ROOT for others and as JSON without loss."""
    from coffea.nanoevents import BaseSchema

    instance = processors.VertexingProcessor(
        finders(trained)["set2graph"], tagger_of(trained, "set2graph"), working_point=WORKING_POINT, held_out=SPLIT
    )
    output = processors.run(
        fileset, instance, executor=executor, workers=workers, scheduler=scheduler, schema=BaseSchema, chunksize=20_000
    )
    histograms = {name: output[name] for name in ("vertex_mass", "flight_significance", "vertices", "score", "cutflow")}
    normalisation = {name: output[name] for name in ("events", "sum_of_weights")}
    normalisation["cross_sections"] = {name: entry["metadata"].get("cross_section") for name, entry in fileset.items()}
    (folder / "normalisation.json").write_text(json.dumps(normalisation, indent=1))
    ntuples.write_histograms(folder / "histograms.json", histograms)
    ntuples.write_histograms(folder / "histograms.root", {n: h for n, h in histograms.items() if n != "cutflow"})
    console.print(f"wrote {folder / 'histograms.root'}: {sum(output['events'].values())} entries")
    return output


def run_on(files, folder, executor, workers, scheduler):
    """The trained finder and tagger on other files with tracks, one data set a file."""
    fileset = {Path(path).stem: {"files": {path: ntuples.find_tree(path)}, "metadata": {}} for path in map(str, files)}
    out = folder / "files"
    out.mkdir(parents=True, exist_ok=True)
    output = process(fileset, folder, out, executor, workers, scheduler)
    flow = Table("data set", *output["cutflow"].axes["cut"], title="jets after each cut, weighted")
    for name in output["cutflow"].axes["dataset"]:
        counts = output["cutflow"][{"dataset": name}].view()["value"]
        flow.add_row(name, *(f"{count:.6g}" for count in counts))
    console.print(flow)
    console.print(f"wrote histograms to {out / 'histograms.root'}")


def tables(folder):
    """Both tables of the paper, ours (with errors) beside the published numbers."""
    results = json.loads((folder / "results.json").read_text())
    for index, flavour in enumerate(FLAVOURS.values()):
        names = (f"{flavour} jets", "F1", "paper", "Rand index", "paper", "adjusted", "paper")
        found = Table(*names, title="vertex finding: test jets, and arXiv:2008.02831", box=SIMPLE)
        for name, ours in results["vertices"].items():
            published = (
                [f"{value:.2f}" for value in PUBLISHED_VERTICES[name][index]]
                if name in PUBLISHED_VERTICES
                else 3 * [""]
            )
            pairs = zip((shown(*each) for each in ours[flavour]), published, strict=True)
            found.add_row(TITLES[name], *(cell for pair in pairs for cell in pair))
        yield found
    names = ("", "accuracy", "F1", *(f"{flavour} F1" for flavour in FLAVOURS.values()))
    tagged = Table(*names, title="flavour: test jets, and below arXiv:2008.02831", box=SIMPLE, padding=(0, 0))
    for name, ours in results["flavours"].items():
        tagged.add_row(TITLES[name], *(shown(*each) for each in ours))
        tagged.add_row("", *(f"{value:.2f}" for value in PUBLISHED_FLAVOURS.get(name, ())), style="dim")
    yield tagged


def shown(value, error, *_):
    return f"{value:.3f}±{error:.3f}"


def plot(folder, plots):
    """All figures from what `run` has saved."""
    jets = test_jets(folder)
    found = partitions(jets, folder)
    figures = metric_figures(jets, found) | rate_figures(jets, found) | roc_figures(folder)
    histograms = ntuples.read_histograms(folder / "histograms.json")
    norm = json.loads((folder / "normalisation.json").read_text())
    mass = scale_to_luminosity(histograms["vertex_mass"], norm["cross_sections"], norm["sum_of_weights"], 1.0)
    names = {"b": "b jets", "c": "c jets", "light": "light jets"}
    for region in ("pass", "fail"):
        shown = mass[{"region": region, "dataset": sum}]
        figures[f"vertex_mass_{region}"] = plotting.stacked(
            shown, names, by="truth", right=f"Set2Graph, {WORKING_POINT} b: {region}"
        )
    score = histograms["score"][{"dataset": sum, "region": sum}]
    figures["score"] = plotting.score_distributions(score, names, by="truth", right="b score, Set2Graph")
    figures["vertices"] = display(jets, found["set2graph"])
    return [plotting.save(figure, plots / f"{name}.png") for name, (figure, _) in figures.items()]


def metric_figures(jets, found):
    """F1 and adjusted Rand index of b jets against their number of tracks."""
    b = jets.flavour == 5
    tracks = ak.to_numpy(ak.num(jets.tracks)[b])
    merits = {name: metrics.partition_merits(jets.tracks.vertex_index[b], each[b]) for name, each in found.items()}
    edges = np.array([1.5, 3.5, 5.5, 7.5, 9.5, 12.5, 16.5, 22.5])
    options = {"xlabel": "Tracks in the jet", "right": f"{SAMPLE}, b jets"}
    return {
        "f1": plotting.binned_means(
            {TITLES[name]: (each.f1, tracks) for name, each in merits.items()}, edges, ylabel="Pairwise F1", **options
        ),
        "ari": plotting.binned_means(
            {TITLES[name]: (each.adjusted_rand_index, tracks) for name, each in merits.items()},
            edges,
            ylabel="Adjusted Rand index",
            **options,
        ),
    }


def rate_figures(jets, found):
    """Efficiency and purity of secondary vertices against their flight distance."""
    edges = np.geomspace(0.3, 60, 8)
    truth, true = jets.tracks.vertex_index, jets.true_vertices
    efficiency, purity = {}, {}
    for name, partition in found.items():
        of_truth, of_found = metrics.match_vertices(truth, partition)
        distance = metrics.values_at(of_truth, true.vertex_index, np.sqrt(true.x**2 + true.y**2 + true.z**2))
        kind = metrics.values_at(of_truth, true.vertex_index, true.vertex_type)
        secondary = (kind >= 1) & (kind <= 4)
        efficiency[TITLES[name]] = metrics.vertex_rate((of_truth.partner >= 0)[secondary], distance[secondary], edges)
        fitted = reconstruction.vertices(jets, partition)
        index = partition[ak.firsts(fitted.tracks, axis=2)]
        flight = metrics.values_at(of_found, index, fitted.flight_distance)
        far = metrics.values_at(of_found, index, ak.values_astype(~fitted.is_primary, np.float64)) > 0
        purity[TITLES[name]] = metrics.vertex_rate((of_found.partner >= 0)[far], flight[far], edges)
    options = {"xlabel": "Flight distance [mm]", "log": True, "right": SAMPLE}
    return {
        "efficiency": plotting.binned_rates(efficiency, edges, ylabel="Efficiency of true vertices", **options),
        "purity": plotting.binned_rates(purity, edges, ylabel="Purity of found vertices", **options),
    }


def roc_figures(folder):
    """b against light and against c jets, all taggers in one frame."""
    with np.load(folder / "scores.npz") as stored:
        flavour, probabilities = stored["flavour"], {name: stored[name] for name in TAGGERS}
    figures = {}
    for code, title in ((0, "light"), (4, "c")):
        chosen = (flavour == 5) | (flavour == code)
        column = list(FLAVOURS).index(code)
        curves = {}
        for name, each in probabilities.items():
            b, other = each[chosen, 0], each[chosen, column]
            curves[TITLES[name]] = metrics.roc(flavour[chosen] == 5, b / (b + other))
        figures[f"roc_{title}"] = plotting.roc_curves(curves, right=f"{SAMPLE}, b against {title}")
    return figures


def display(jets, partition):
    """A b jet in which the b and the c decay are both seen."""
    several = ak.sum((jets.true_vertices.vertex_type == 1) | (jets.true_vertices.vertex_type == 2), axis=1) > 1
    tracks = ak.num(jets.tracks)
    number = int(ak.local_index(jets, axis=0)[(jets.flavour == 5) & several & (tracks > 7) & (tracks < 13)][0])
    one = slice(number, number + 1)
    fitted = reconstruction.vertices(jets[one], partition[one])[0]
    return plotting.vertex_display(
        jets[number], jets.tracks.vertex_index[number], partition[number], fitted, stretch=4.0, right="Set2Graph"
    )
