"""Figures of a finished run, from what it has saved."""

from pathlib import Path

import awkward as ak
import numpy as np

from cortado import analysis, histograms, metrics, plotting, reading
from cortado.perigee import PARAMETERS

from .finders import SELECTION
from .networks import sample

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
TIMED = {"network s": "Graph, network and building", "CKF s": "ACTS CKF"}
PARAMETER_TITLES = dict(zip(PARAMETERS, (r"$d_0$", r"$z_0$", r"$\phi$", r"$\theta$", "q/p")))
SHOWN = r"$p_\mathrm{T}$ > 0.5 GeV, |$\eta$| < 2.5, $\geq$ 9 hits"
PT, ETA = np.geomspace(0.5, 20, 9), np.linspace(-2.5, 2.5, 11)


def plot(folder, plots):
    """Efficiency against pT and eta, one event, pulls of the helices, scores of edges, and times."""
    folder = Path(folder)
    events, labels = reading.read(sample(folder, "judging")), ak.from_parquet(folder / "labels.parquet")
    selected = metrics.reconstructable(events.particles, **SELECTION)
    kinematics = metrics.particle_kinematics(events.particles[selected])
    by_pt, by_eta = {}, {}
    for name in COMPARED:
        matches = metrics.match_tracks(labels[name], events.hits.particle_id)
        is_reconstructed = metrics.reconstructed_particles(matches, events.particles)[selected]
        by_pt[TITLES[name]] = metrics.track_rate(is_reconstructed, kinematics.pt, PT)
        by_eta[TITLES[name]] = metrics.track_rate(is_reconstructed, kinematics.eta, ETA)
    one = plotting.track_display(events[0], labels["interaction_network"][0], selected[0], right="Interaction network")
    with np.load(folder / "pulls.npz") as stored:
        pulls = {title: stored[name] for name, title in PARAMETER_TITLES.items()}
    edges = ak.flatten(ak.from_parquet(folder / "edges.parquet"))
    scores = {"True edges": edges.score[edges.is_true], "False edges": edges.score[~edges.is_true]}
    in_pt, frame = {"xlabel": r"True $p_\mathrm{T}$ [GeV]", "log": True}, {"low": 0.8, "right": SHOWN}
    figures = {
        "efficiency_pt": plotting.track_rates(by_pt, PT, **in_pt, **frame),
        "efficiency_eta": plotting.track_rates(by_eta, ETA, xlabel=r"True $\eta$", **frame),
        "pulls": plotting.parameter_pulls(pulls, right=f"Interaction network, {SHOWN}"),
        "edge_scores": plotting.score_distributions(
            analysis.histogram_of(histograms.axis_score(), scores), {title: title for title in scores}, by="kind"
        ),
    }
    if measured := list(analysis.read_results(folder)["time"].values()):
        hits, times = [each["hits"] for each in measured], {}
        for name, title in TIMED.items():
            seconds = [each[name] for each in measured]
            power = np.polyfit(np.log(hits), np.log(seconds), 1)[0]
            times[rf"{title}: hits$^{{{power:.2f}}}$"] = hits, 1e3 * np.array(seconds)
        figures["time"] = plotting.time_against_size(times, xlabel="Hits of an event", ylabel="CPU time [ms]")
    # Thousands of hits make a large file of the event.
    large = plotting.save(one[0], plots / "event.png", dpi=100)
    return [*analysis.save_figures(figures, plots), large]
