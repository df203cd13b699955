"""Tracks of charged particles from the hits of a tracker: read networks.py and finders.py, then this file.

Events of the generic detector of ACTS become graphs of hits, an interaction network says which segments are pieces of
tracks, and chains of the best segments are the tracks; an LSTM follows seeds from hit to hit. Both are judged on events
that no training has seen, beside a plain seed-and-follow and the combinatorial Kalman filter of ACTS on the same ones.
The graph network finds them once more in a coffea processor. Another LSTM finds the line of a toy with 50 layers.
"""

from functools import partial

import awkward as ak
import numpy as np

from cortado import analysis, metrics, processors, reading, training
from cortado.perigee import PARAMETERS
from cortado.reconstruction import fit_tracks, true_tracks
from cortado.representations.hit_graph import kept_segments
from cortado.simulation import simulate_hits, simulate_toy_hits

from .figures import TITLES, plot
from .finders import FIELD, SELECTION, all_tracks, hit_errors, network_finder, time_and_size
from .networks import PRESETS, TOYS, sample, studies

__all__ = ["PRESETS", "plot", "run", "studies"]

HISTOGRAMS = ("track_pt", "track_eta", "track_hits", "multiplicity", "particle_pt", "particle_eta")
FIT = {"magnetic_field": FIELD, "radiation_lengths": 0.012}  # at each hit
TOY_JUDGING = 10_240  # events at most
PUBLISHED_TOYS = {"noise": 0.925, "tracks": 0.897}  # hit accuracy, Farrell et al. (2017), EPJ Web Conf. 150, 00003


def run(*, preset, folder, files, accelerator, **options):
    """Simulate, train, judge, run the coffea processor, plot; what is there already is kept."""
    if files:
        output = analysis.process_files(files, processor(folder), folder, HISTOGRAMS, chunksize=50, **options)
        for name, particles in output.get("particles", {}).items():
            analysis.console.print(f"{name}: {output['reconstructed'][name]:,} of {particles:,} particles found")
        return
    simulate(analysis.preset_named(PRESETS, preset), folder, options["workers"])
    trained = studies(preset, folder)
    analysis.train(trained, folder, accelerator=accelerator)
    judge(trained, PRESETS[preset], folder)
    fileset = analysis.fileset_of({"judging": sample(folder, "judging")})
    analysis.process(fileset, processor(folder), folder, HISTOGRAMS, chunksize=50, **options)
    figures = plot(folder, folder / "plots")
    for table in tables(analysis.read_results(folder)):
        analysis.console.print(table)
    analysis.done(folder, figures)


def simulate(chosen, folder, workers):
    """Events of top pairs with pile-up, or of a simple spectrum, in the generic detector; lines in the toy."""
    wanted = {name: (chosen.mu, events) for name, events in chosen.events.items()}
    wanted |= {f"mu{mu:g}": (mu, 4) for mu in chosen.pile_up}
    generic = {"detector": "generic", "generator": chosen.generator, "workers": workers}
    for seed, (name, (mu, events)) in enumerate(wanted.items(), start=1):
        analysis.simulate_once(sample(folder, name), simulate_hits, events=events, mu=mu, seed=seed, **generic)
    # Paths without interactions, for the network that follows them.
    analysis.simulate_once(
        sample(folder, "compact"), simulate_hits, events=chosen.followed, mu=20, seed=9, workers=workers
    )
    for kind, number in chosen.toys.items():
        sizes = {f"toy_{kind}": number, f"toy_{kind}_judging": min(number, TOY_JUDGING)}
        for seed, (name, events) in enumerate(sizes.items(), start=1):
            recipe = {"events": events, "seed": seed, **TOYS[kind][0]}
            analysis.simulate_once(sample(folder, name), simulate_toy_hits, **recipe)


def judge(trained, chosen, folder):
    """Tracks of the judging events by all finders: found, fake, and how good the helices are; lines of the toys."""
    events = reading.read(sample(folder, "judging"))
    timed = all_tracks(trained, folder, events)
    ak.to_parquet(ak.zip({name: label for name, (label, _) in timed.items()}), folder / "labels.parquet")
    selected = metrics.reconstructable(events.particles, **SELECTION)
    tracks = {}
    for name, (label, seconds) in timed.items():
        matches = metrics.match_tracks(label, events.hits.particle_id)
        finding = metrics.track_finding(matches, events.particles, selected)
        tracks[name] = {
            "efficiency": finding.efficiency,
            "fakes": finding.fake_rate,
            "duplicates": finding.duplicate_rate,
            "CPU s": round(seconds / len(events), 3),
        }
    edges = network_finder(folder).edges(events)
    is_true = metrics.true_edges(edges, events.hits.particle_id)
    ak.to_parquet(ak.zip({"score": edges.score, "is_true": is_true}), folder / "edges.parquet")
    pulls = pulls_of(events, timed["interaction_network"][0], selected)
    np.savez(folder / "pulls.npz", **dict(zip(PARAMETERS, pulls.T)))
    results = {
        "tracks": tracks,
        "kept segments": kept_segments(trained["interaction_network"].representation, events),
        "pulls": {name: each._asdict() for name, each in metrics.parameter_residuals(pulls)._asdict().items()},
        "time": {f"{mu:g}": time_and_size(folder, reading.read(sample(folder, f"mu{mu:g}"))) for mu in chosen.pile_up},
        "toys": {kind: toy_accuracy(trained[f"toy_{kind}"], folder) for kind in chosen.toys},
    }
    analysis.write_results(folder, results)


def pulls_of(events, label, selected):
    """Pulls of the perigee parameters of tracks that match a selected particle, (t, 5)."""
    tracks = fit_tracks(events.hits, label, hit_errors, **FIT)
    true = true_tracks(events.particles, magnetic_field=FIELD)
    matches = metrics.match_tracks(label, events.hits.particle_id)
    return metrics.matched_pulls(tracks, true, matches, events.particles, selected)


def toy_accuracy(study, folder):
    """Hit accuracy on toys that no training has seen, with its error, beside the published one."""
    bundle, judging = analysis.bundle_path(folder, study.name), (sample(folder, f"{study.name}_judging"),)
    merits = study.task.measured(partial(training.evaluate, bundle, study, files=judging, subset="all")).merits
    accuracy = metrics.Estimate(merits["hit_accuracy"], merits["hit_accuracy_error"])
    return {"hit accuracy": accuracy, "published": PUBLISHED_TOYS[study.name.removeprefix("toy_")]}


def processor(folder):
    """Tracks of the interaction network with their helices, and efficiencies where there is truth."""
    return processors.TrackingProcessor(network_finder(folder), errors=hit_errors, **FIT, **SELECTION)


def tables(results):
    """All numbers; times and sizes are those of an event."""
    rates = ("efficiency", "fakes", "duplicates")
    rows = {
        name: {f"{rate} [%]": [100 * number for number in each[rate][:2]] for rate in rates} | {"CPU s": each["CPU s"]}
        for name, each in results["tracks"].items()
    }
    yield analysis.results_table(rows, title="tracks of selected particles; CPU time on one thread", titles=TITLES)
    yield analysis.results_table(results["toys"], title="lines of the toy")
    if results["time"]:
        yield analysis.results_table(results["time"], title="an event by pile-up")
