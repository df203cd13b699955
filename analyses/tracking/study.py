"""Tracks of charged particles from the hits of a tracker: read it from top to bottom.

Events of the generic detector of ACTS become graphs of hits, an interaction network says which segments are pieces of
tracks, and chains of the best segments are the tracks; an LSTM follows seeds from hit to hit. Both are judged on events
that no training has seen, beside a plain seed-and-follow and the combinatorial Kalman filter of ACTS on the same ones.
The graph network finds them once more in a coffea processor. Another LSTM finds the line of a toy with 50 layers.
"""

import json
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import awkward as ak
import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from cortado import bundle as bundles
from cortado import histograms, metrics, ntuples, plotting, processors, reading, reconstruction, scoring, training
from cortado.models import (
    GraphAttention,
    GraphConvolution,
    InteractionNetwork,
    TrackFollower,
    TrkXLSTM,
    TrkXNetwork,
)
from cortado.perigee import PARAMETERS
from cortado.reconstruction import BeamSearch, HitErrors, SeedAndFollow, fit_tracks, true_tracks
from cortado.reconstruction.beam_search import layer_transitions
from cortado.reconstruction.detector_layers import common_triplets, detector_layers
from cortado.representations import HitGraph, HitSequence, LayerImage
from cortado.representations.hit_graph import kept_segments
from cortado.representations.window_fit import fitted
from cortado.simulation import CkfSettings, acts_tracks, simulate_hits, simulate_toy_hits
from cortado.splits import Split
from cortado.tasks import ClassifyEdges, Follow, Locate
from cortado.training import Objects, Recipe, Study

SPLIT = Split(validation=0.15, test=0.0, seed=1)
SELECTION = {"min_pt": 0.5, "max_abs_eta": 2.5, "min_hits": 9}
FIELD = 2.0  # T
MIN_HITS = 6  # of a track
CKF = CkfSettings(  # chosen on other events of mean pile-up 20
    seeds_per_middle=3,
    middle_radius=(40.0, 160.0),
    chi2_measurement=30.0,
    chi2_outlier=30.0,
    seed_min_pt=0.4,
    sigma_scattering=3.0,
)
NETWORKS = {  # of edges
    "interaction_network": InteractionNetwork,
    "trkx_network": TrkXNetwork,
    "graph_convolution": GraphConvolution,
    "graph_attention": GraphAttention,
}
TITLES = {
    "interaction_network": "Interaction network",
    "trkx_network": "HEP.TrkX network",
    "graph_convolution": "Graph convolution",
    "graph_attention": "Graph attention",
    "follower": "LSTM, beam of 2",
    "seed_and_follow": "Seed and follow",
    "ckf": "ACTS CKF",
}
COMPARED = ("interaction_network", "follower", "seed_and_follow", "ckf")
PARAMETER_TITLES = dict(zip(PARAMETERS, (r"$d_0$", r"$z_0$", r"$\phi$", r"$\theta$", "q/p")))
TOYS = {"noise": ({"noise": 0.2}, 50), "tracks": ({"tracks": 6}, 100)}  # sample, and width of the LSTM
TIMED = {"chain": "Graph, network and building", "ckf": "ACTS CKF"}
PUBLISHED_TOYS = {"noise": 0.925, "tracks": 0.897}  # hit accuracy, Farrell et al. (2017), EPJ Web Conf. 150, 00003
MATTER = 0.012  # radiation lengths at each hit
EDGES = {"pt": np.geomspace(0.5, 20, 9), "eta": np.linspace(-2.5, 2.5, 11)}
SHOWN = r"$p_\mathrm{T}$ > 0.5 GeV, |$\eta$| < 2.5, $\geq$ 9 hits"
console = Console(highlight=False)


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Size of the samples, and length of the training."""

    generator: str
    mu: float
    events: dict[str, int]
    epochs: dict[str, int]
    toys: dict[str, int]  # events for each kind of toy
    keep: float  # of the true segments, in the graph
    rivals: tuple[str, ...] = ()  # further networks of edges
    pile_up: tuple[float, ...] = ()  # where time is measured


PRESETS = {
    "quick": Preset(
        generator="simple",
        mu=10,
        events={"training": 150, "judging": 30},
        epochs={"interaction_network": 10, "follower": 4, "toy": 8},
        toys={"noise": 20_480},
        keep=0.993,
    ),
    "full": Preset(
        generator="pythia",
        mu=20,
        events={"training": 240, "judging": 100},
        epochs={"interaction_network": 10, "rivals": 5, "follower": 8, "toy": 14},
        toys={"noise": 40_960, "tracks": 61_440},
        keep=0.993,
        rivals=("trkx_network", "graph_convolution", "graph_attention"),
        pile_up=(20, 60, 120, 200),
    ),
}


def preset_named(name):
    if name not in PRESETS:
        raise ValueError(f"unknown preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]


def sample(folder, name):
    return Path(folder) / "samples" / f"{name}.root"


def hit_errors(hits):
    """Resolution of the generic detector's pixels and strips [mm]: pixels in the four innermost layers, and discs."""
    is_pixel = np.hypot(hits.x, hits.y) < 200
    is_disc = np.isin(np.asarray(hits.volume), (7, 9, 12, 14, 16, 18))
    transverse, along = np.where(is_pixel, 0.02, 0.1), np.where(is_pixel, 0.05, 1.5)
    return HitErrors(transverse, np.where(is_disc, 0.0, along), np.where(is_disc, along, 0.0))


def is_trackable(particles):
    return (np.hypot(particles.px, particles.py) > 0.4) & (particles.n_hits > 4)


def studies(preset, folder):
    """The trainings of a preset: on the graphs that the training events ask for, on true paths, and on the toys."""
    chosen = preset_named(preset)
    network = Study(
        name="interaction_network",
        objects=Objects(files=(sample(folder, "training"),), collection="events", split=SPLIT),
        representation=graph(preset, folder),
        model=partial(InteractionNetwork),
        task=ClassifyEdges(),
        recipe=Recipe(epochs=chosen.epochs["interaction_network"], batch_size=2, learning_rate=3e-3, step_size=20),
    )
    follower = Study(
        name="follower",
        objects=replace(network.objects, files=(sample(folder, "compact"),), collection="particles", mask=is_trackable),
        representation=HitSequence(),
        model=partial(TrackFollower),
        task=Follow(),
        recipe=Recipe(
            epochs=chosen.epochs["follower"], batch_size=256, learning_rate=3e-3, gradient_clip=1.0, step_size=20
        ),
    )
    every = [network, follower]
    for name in chosen.rivals:
        recipe = replace(network.recipe, epochs=chosen.epochs["rivals"])
        every.append(replace(network, name=name, model=partial(NETWORKS[name]), recipe=recipe))
    for kind in chosen.toys:
        toy = Study(
            name=f"toy_{kind}",
            objects=Objects(files=(sample(folder, f"toy_{kind}"),), collection="events", split=SPLIT),
            representation=LayerImage(),
            model=partial(TrkXLSTM, hidden=TOYS[kind][1]),
            task=Locate(),
            recipe=Recipe(
                epochs=chosen.epochs["toy"], batch_size=128, learning_rate=1e-2, gradient_clip=1.0, step_size=2_048
            ),
        )
        every.append(toy)
    return {study.name: study for study in every}


def graph(preset, folder):
    """Layers and windows of the segments, from the first training events; written down, so that they stay."""
    path = Path(folder) / "graph.json"
    if not path.exists():
        events = reading.read(sample(folder, "training"), stop=30)
        path.write_text(json.dumps(asdict(fitted(events, keep=preset_named(preset).keep, min_hits=4, chain=4))))
    numbers = json.loads(path.read_text())
    return HitGraph(**{name: tuples(value) for name, value in numbers.items()})


def tuples(value):
    """JSON's lists as tuples."""
    return tuple(map(tuples, value)) if isinstance(value, list) else value


def run(*, preset, folder, files, executor, workers, scheduler, accelerator):
    """Simulate, train, judge, run the coffea processor, plot; what is there already is kept."""
    if files:
        return process(tuple(map(str, files)), folder, executor, workers, scheduler)
    simulate(preset, folder, workers)
    for name, study in studies(preset, folder).items():
        console.print(f"\n[bold]{name}[/]")
        training.train(study, folder / name, resume=True, accelerator=accelerator)
    judge(preset, folder)
    process((str(sample(folder, "judging")),), folder, executor, workers, scheduler)
    figures = plot(folder, folder / "plots")
    console.print(table(folder))
    console.print(f"wrote {len(figures)} figures to {folder / 'plots'}, histograms to {folder / 'histograms.root'}")
    return None


def simulate(preset, folder, workers):
    """Events of top pairs with pile-up, or of a simple spectrum, in the generic detector."""
    chosen = preset_named(preset)
    wanted = {name: (chosen.mu, number) for name, number in chosen.events.items()}
    wanted |= {f"mu{mu:g}": (mu, 4) for mu in chosen.pile_up}
    for seed, (name, (mu, events)) in enumerate(wanted.items(), start=1):
        path = sample(folder, name)
        if path.exists():
            console.print(f"{path} is there")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        made = {"detector": "generic", "generator": chosen.generator, "mu": mu, "seed": seed}
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task(f"simulating {name}", total=events)
            hits = simulate_hits(path, events=events, **made, workers=workers, progress=partial(bar.advance, task)).hits
        console.print(f"wrote {path}: {hits:,} hits in {events} events")
    if not sample(folder, "compact").exists():  # paths without interactions, for the network that follows them
        simulate_hits(sample(folder, "compact"), events=chosen.events["training"], mu=20, seed=9, workers=workers)
    for kind, number in chosen.toys.items():
        for seed, (name, events) in enumerate({f"toy_{kind}": number, f"toy_{kind}_judging": 10_240}.items(), start=1):
            if not sample(folder, name).exists():
                simulate_toy_hits(sample(folder, name), events=events, seed=seed, **TOYS[kind][0])


def finder(folder, network="interaction_network"):
    return scoring.load(Path(folder) / network / f"{network}.cortado", min_hits=MIN_HITS, threads=1)


def found_tracks(preset, folder, events):
    """Track of each hit by all finders, and the CPU seconds that each took on one thread."""
    some = reading.read(sample(folder, "training"), stop=30)
    wanted = some.particles[metrics.reconstructable(some.particles, **SELECTION)]
    detector = {"layers": detector_layers(some.hits), "triplets": common_triplets(wanted), "magnetic_field": FIELD}
    searched = BeamSearch(**detector, transitions=layer_transitions(wanted))
    follower = bundles.load(folder / "follower" / "follower.cortado")
    networks = ("interaction_network", *preset_named(preset).rivals)
    ours = {name: finder(folder, name) for name in networks} | {
        "follower": lambda some: reconstruction.beam_search(some.hits, searched, partial(predicted, follower)),
        "seed_and_follow": lambda some: reconstruction.seed_and_follow(
            some.hits, SeedAndFollow(**detector), hit_errors
        ),
    }
    labels, seconds = {}, {}
    for name, find in ours.items():
        begin = time.process_time()
        labels[name] = find(events)
        seconds[name] = time.process_time() - begin
    by_filter = acts_tracks(events.hits, settings=CKF)
    return labels | {"ckf": by_filter.label}, seconds | {"ckf": float(by_filter.seconds.sum())}


def predicted(follower, hits, mask):
    return bundles.run(follower.model, (hits, mask)).numpy()


def judge(preset, folder):
    """Tracks of the judging events by all finders: found, fake, and how good the helices are; lines of the toys."""
    events = reading.read(sample(folder, "judging"))
    labels, seconds = found_tracks(preset, folder, events)
    selected = metrics.reconstructable(events.particles, **SELECTION)
    results = {"kept segments": kept_segments(graph(preset, folder), events), "hits": int(ak.sum(ak.num(events.hits)))}
    for name, label in labels.items():
        matches = metrics.match_tracks(label, events.hits.particle_id)
        finding = metrics.track_finding(matches, events.particles, selected)
        results[name] = {
            "efficiency": finding.efficiency,
            "fake rate": finding.fake_rate,
            "duplicate rate": finding.duplicate_rate,
            "seconds": seconds[name] / len(events),
        }
    write_edge_scores(folder, events)
    each = pulls(events, labels["interaction_network"])
    ak.to_parquet(ak.Array(dict(zip(PARAMETERS, np.ascontiguousarray(each.T)))), folder / "pulls.parquet")
    spread = metrics.parameter_residuals(each)._asdict()
    results["pulls"] = {name: {"bias": one.bias, "width": one.resolution} for name, one in spread.items()}
    results["time"] = [times(folder, mu) for mu in preset_named(preset).pile_up]
    results["toys"] = {kind: toy_accuracy(preset, folder, kind) for kind in preset_named(preset).toys}
    ak.to_parquet(ak.zip(labels), folder / "labels.parquet")
    (folder / "results.json").write_text(json.dumps(results, indent=1))


def write_edge_scores(folder, events):
    """Histogram of the scores of true and false edges."""
    edges, number = finder(folder).edges(events), events.hits.particle_id
    ends = [ak.to_numpy(ak.flatten(number[edges[end]])) for end in ("inner", "outer")]
    is_true = (ends[0] == ends[1]) & (ends[0] != 0)
    histogram = histograms.book(histograms.axis_score())
    for name, chosen in (("true", is_true), ("false", ~is_true)):
        score = ak.to_numpy(ak.flatten(edges.score))[chosen]
        histograms.fill_variations(histogram, name, {"score": score}, np.ones(len(score)))
    ntuples.write_histograms(folder / "edge_scores.json", {"score": histogram})


def toy_accuracy(preset, folder, kind):
    """Hit accuracy on toys that no training has seen, with its error."""
    study = studies(preset, folder)[f"toy_{kind}"]
    bundle = bundles.load(folder / study.name / f"{study.name}.cortado")
    judging = (sample(folder, f"toy_{kind}_judging"),)
    evaluation = partial(training.evaluate, bundle, study, files=judging, subset="all")
    return study.task.measured(evaluation).merits


def times(folder, mu):
    """CPU seconds an event of our chain and of the filter at one pile-up, with hits and edges."""
    events, found = reading.read(sample(folder, f"mu{mu:g}")), finder(folder)
    found(events[:1])
    begin = time.process_time()
    edges = int(ak.sum(ak.num(found.edges(events))))
    scored = time.process_time() - begin
    found(events)
    whole = time.process_time() - begin - scored
    by_filter = float(acts_tracks(events.hits, settings=CKF).seconds.sum())
    hits = int(ak.sum(ak.num(events.hits)))
    return {name: value / len(events) for name, value in
            {"hits": hits, "edges": edges, "chain": whole, "ckf": by_filter}.items()} | {"mu": mu}  # fmt: skip


def process(files, folder, executor, workers, scheduler):
    """Run the coffea processor on ROOT files of hits and save its histograms."""
    fileset = {Path(path).stem: {"files": {path: ntuples.find_tree(path)}, "metadata": {}} for path in files}
    fit = {"errors": hit_errors, "magnetic_field": FIELD, "radiation_lengths": MATTER}
    instance = processors.TrackingProcessor(finder(folder), **fit, **SELECTION)
    output = processors.run(fileset, instance, executor=executor, workers=workers, scheduler=scheduler, chunksize=50)
    names = ("track_pt", "track_eta", "track_hits", "multiplicity", "particle_pt", "particle_eta")
    ntuples.write_histograms(folder / "histograms.json", {name: output[name] for name in names})
    ntuples.write_histograms(folder / "histograms.root", {name: output[name] for name in names})
    for name, events in output["events"].items():
        console.print(f"{name}: {output['tracks'].get(name, 'no truth, so no')} tracks judged in {events} events")


def table(folder):
    """The results as a table."""
    results = json.loads((Path(folder) / "results.json").read_text())
    lines = Table("", "efficiency", "fake rate", "duplicates", "s/event, one thread", box=SIMPLE)
    for name, title in TITLES.items():
        if name not in results:
            continue
        figures = results[name]
        numbers = [str(metrics.Estimate(*figures[key])) for key in ("efficiency", "fake rate", "duplicate rate")]
        lines.add_row(title, *numbers, f"{figures['seconds']:.3f}")
    for kind, merits in results["toys"].items():
        accuracy = metrics.Estimate(merits["hit_accuracy"], merits["hit_accuracy_error"])
        console.print(f"toy with {kind}: hit accuracy {accuracy}, published {PUBLISHED_TOYS[kind]}")
    console.print(f"share of true segments in the graph: {results['kept segments']:.4f}")
    if measured := results["time"]:
        console.print(scaling(measured))
    return lines


def scaling(measured):
    """How edges and times grow with the hits of an event, and what an edge costs."""
    hits = np.log([one["hits"] for one in measured])
    names = {"edges": "edges", "chain": "our chain", "ckf": "ACTS CKF"}
    exponents = {title: np.polyfit(hits, np.log([one[key] for one in measured]), 1)[0] for key, title in names.items()}
    costs = ", ".join(f"{1e6 * one['chain'] / one['edges']:.1f} at {one['mu']:g}" for one in measured)
    grown = ", ".join(f"{title} as hits^{exponent:.2f}" for title, exponent in exponents.items())
    return f"time and size grow: {grown}; microseconds an edge by pile-up: {costs}"


def plot(folder, plots):
    """Efficiency against pT and eta, pulls of the helices, and one event."""
    folder = Path(folder)
    events, labels = reading.read(sample(folder, "judging")), ak.from_parquet(folder / "labels.parquet")
    selected = metrics.reconstructable(events.particles, **SELECTION)
    kinematics = metrics.particle_kinematics(events.particles[selected])
    rates = {"pt": {}, "eta": {}}
    for name in COMPARED:
        matches = metrics.match_tracks(labels[name], events.hits.particle_id)
        is_reconstructed = metrics.reconstructed_particles(matches, events.particles)[selected]
        for quantity, edges in EDGES.items():
            rates[quantity][TITLES[name]] = metrics.track_rate(is_reconstructed, getattr(kinematics, quantity), edges)
    label = labels["interaction_network"]
    figures = {
        "efficiency_pt": plotting.track_rates(
            rates["pt"], EDGES["pt"], xlabel=r"True $p_\mathrm{T}$ [GeV]", log=True, low=0.8, right=SHOWN
        ),
        "efficiency_eta": plotting.track_rates(rates["eta"], EDGES["eta"], xlabel=r"True $\eta$", low=0.8, right=SHOWN),
        "event": plotting.track_display(events[0], label[0], selected[0], right="Interaction network"),
    }
    columns = ak.from_parquet(folder / "pulls.parquet")
    pulled = {title: columns[name] for name, title in PARAMETER_TITLES.items()}
    figures["pulls"] = plotting.parameter_pulls(pulled, right="Interaction network, " + SHOWN)
    scores = ntuples.read_histograms(folder / "edge_scores.json")["score"]
    figures["edge_scores"] = plotting.score_distributions(scores, {"true": "True edges", "false": "False edges"})
    if measured := json.loads((folder / "results.json").read_text())["time"]:
        hits = [one["hits"] for one in measured]
        times = {title: (hits, [1e3 * one[key] for one in measured]) for key, title in TIMED.items()}
        figures["time"] = plotting.time_against_size(times, xlabel="Hits of an event", ylabel="CPU time [ms]")
    # Thousands of hits make a large file of the event.
    return [
        plotting.save(figure, plots / f"{name}.png", dpi=100 if name == "event" else 150)
        for name, (figure, _) in figures.items()
    ]


def pulls(events, label):
    """Pulls of the perigee parameters of tracks that match a selected particle, (t, 5)."""
    tracks = ak.flatten(fit_tracks(events.hits, label, hit_errors, magnetic_field=FIELD, radiation_lengths=MATTER))
    matches = metrics.match_tracks(label, events.hits.particle_id)
    selected = metrics.reconstructable(events.particles, **SELECTION)
    matched = metrics.classify_tracks(matches, events.particles, selected).matched & ak.to_numpy(tracks.converged)
    true = true_tracks(events.particles, magnetic_field=FIELD)[metrics.matched_particles(matches, events.particles)]
    names = (PARAMETERS, [f"cov_{name}_{name}" for name in PARAMETERS])
    fitted, variances = (np.stack([ak.to_numpy(tracks[name]) for name in some], axis=1) for some in names)
    return metrics.track_residuals(fitted, true)[matched] / np.sqrt(variances[matched])
