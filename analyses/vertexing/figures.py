"""Figures of a finished run, from what it has saved."""

from pathlib import Path

import awkward as ak
import numpy as np

from cortado import analysis, metrics, plotting, reading, reconstruction
from cortado.splits import TEST

from .networks import FLAVOURS, SPLIT, TITLES, in_acceptance, sample

WORKING_POINT = "70%"
SELECTION = r"$t\bar{t}$ simulation, anti-$k_\mathrm{T}$ R = 0.4"
NAMES = {name: f"{name} jets" for name in FLAVOURS.values()}
TRACKS = np.array([1.5, 3.5, 5.5, 7.5, 9.5, 12.5, 16.5, 22.5])
FLIGHT = np.geomspace(0.3, 60, 8)  # mm


def test_jets(folder):
    """Jets of test events, with at least two tracks, as in the paper."""
    parts = []
    for record in reading.iterate(sample(folder)):
        jets = ak.flatten(record.jets)
        chosen = (SPLIT.subset(jets.event_key) == TEST) & in_acceptance(jets) & (ak.num(jets.tracks) > 1)
        parts.append(jets[chosen])
    return ak.concatenate(parts)


def plot(folder, plots):
    """Merits of the vertices, ROC curves of the taggers, histograms of the processor, one jet."""
    jets, stored = test_jets(folder), ak.from_parquet(Path(folder) / "partitions.parquet")
    partitions = {name: stored[name] for name in stored.fields}
    figures = merit_figures(jets, partitions) | rate_figures(jets, partitions) | roc_figures(folder)
    mass = analysis.at_luminosity(folder, "vertex_mass", 1.0)
    for region in ("pass", "fail"):
        shown = mass[{"region": region, "dataset": sum}]
        figures[f"vertex_mass_{region}"] = plotting.stacked(
            shown, NAMES, by="truth", right=f"Set2Graph, {WORKING_POINT} b: {region}"
        )
    score = analysis.saved_histograms(folder)["score"][{"dataset": sum, "region": sum}]
    figures["score"] = plotting.score_distributions(score, NAMES, by="truth", right="b score, Set2Graph")
    figures["vertices"] = display(jets, partitions["set2graph"])
    return analysis.save_figures(figures, plots)


def merit_figures(jets, partitions):
    """F1 and adjusted Rand index of b jets against their number of tracks."""
    b = jets.flavour == 5
    tracks, truth = ak.to_numpy(ak.num(jets.tracks)[b]), jets.tracks.vertex_index[b]
    merits = {TITLES[name]: metrics.partition_merits(truth, each[b]) for name, each in partitions.items()}
    figures = {}
    for name, field, title in (
        ("f1", "f1", "Pairwise F1"),
        ("ari", "adjusted_rand_index", "Adjusted Rand index"),
    ):
        values = {finder: (getattr(each, field), tracks) for finder, each in merits.items()}
        figures[name] = plotting.binned_means(
            values, TRACKS, xlabel="Tracks in the jet", ylabel=title, right=f"{SELECTION}, b jets"
        )
    return figures


def rate_figures(jets, partitions):
    """Efficiency and purity of secondary vertices against their flight distance."""
    true, efficiency, purity = jets.true_vertices, {}, {}
    for name, partition in partitions.items():
        of_truth, of_partition = metrics.match_vertices(jets.tracks.vertex_index, partition)
        distance = metrics.values_at(of_truth, true.vertex_index, np.sqrt(true.x**2 + true.y**2 + true.z**2))
        kind = metrics.values_at(of_truth, true.vertex_index, true.vertex_type)
        secondary = (kind >= 1) & (kind <= 4)
        efficiency[TITLES[name]] = metrics.vertex_rate((of_truth.partner >= 0)[secondary], distance[secondary], FLIGHT)
        fitted = reconstruction.vertices(jets, partition)
        index = partition[ak.firsts(fitted.tracks, axis=2)]
        flight = metrics.values_at(of_partition, index, fitted.flight_distance)
        far = metrics.values_at(of_partition, index, ak.values_astype(~fitted.is_primary, np.float64)) > 0
        purity[TITLES[name]] = metrics.vertex_rate((of_partition.partner >= 0)[far], flight[far], FLIGHT)
    options = {"xlabel": "Flight distance [mm]", "log": True, "right": SELECTION}
    return {
        "efficiency": plotting.binned_rates(efficiency, FLIGHT, ylabel="Efficiency of true vertices", **options),
        "purity": plotting.binned_rates(purity, FLIGHT, ylabel="Purity of found vertices", **options),
    }


def roc_figures(folder):
    """b against light and against c jets, all taggers in one frame."""
    figures = {}
    with np.load(Path(folder) / "scores.npz") as stored:
        flavour, probabilities = stored["flavour"], {name: stored[name] for name in TITLES if name in stored}
    for column, (code, title) in enumerate(FLAVOURS.items()):
        if title == "b":
            continue
        chosen = (flavour == 5) | (flavour == code)
        curves = {}
        for name, each in probabilities.items():
            b, other = each[chosen, 0], each[chosen, column]
            curves[TITLES[name]] = metrics.roc(flavour[chosen] == 5, b / (b + other))
        figures[f"roc_{title}"] = plotting.roc_curves(curves, right=f"{SELECTION}, b against {title}")
    return figures


def display(jets, partition):
    """A b jet in which the b and the c decay are both seen, if there is one of a handy number of tracks."""
    several = ak.sum((jets.true_vertices.vertex_type == 1) | (jets.true_vertices.vertex_type == 2), axis=1) > 1
    tracks = ak.num(jets.tracks)
    number = int(ak.argmax((jets.flavour == 5) * (1 + (several & (tracks > 7) & (tracks < 13))), axis=0))
    one = slice(number, number + 1)
    fitted = reconstruction.vertices(jets[one], partition[one])[0]
    return plotting.vertex_display(
        jets[number], jets.tracks.vertex_index[number], partition[number], fitted, stretch=4.0, right="Set2Graph"
    )
