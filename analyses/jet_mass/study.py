"""Mass of simulated jets, learned with an uncertainty of its own for each jet: read it from top to bottom.

A particle flow network sees the constituents of a W or QCD jet and says what its mass was before the detector: that of
the jet of stable particles, `true_mass`. It is compared with the reconstructed and the soft-drop mass on events that no
training has seen.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import awkward as ak
import hist
import numpy as np

from cortado import analysis, metrics, ntuples, plotting, reading
from cortado import manifest as manifests
from cortado.models import PFN
from cortado.representations import ParticleList
from cortado.representations.features import PARTICLENET_FEATURES
from cortado.scaling import DEEP_SETS_SCALING
from cortado.splits import TEST, Split
from cortado.tasks import Regress
from cortado.training import Objects, Recipe, Study

PT_RANGE = (500.0, 700.0)
SPLIT = Split(validation=0.15, test=0.25, seed=1)
MANIFEST = Path(__file__).parents[2] / "data_manifests" / "w_tagging.toml"  # the samples of that study
PRESETS = {"quick": {"most": None, "epochs": 15}, "tiny": {"most": 200, "epochs": 2}}
NETWORKS = {"per_pt": "PFN, over pT", "per_mass": "PFN, over mass"}
TITLES = {"mass": "reconstructed", "soft_drop_mass": "soft drop", **NETWORKS}
JETS = {"w": ("W", 24), "qcd": ("QCD", 0)}  # title and truth_pdg_id
BEST = "per_mass"
LOSS = "Negative log-likelihood"
NONE = metrics.Estimate(np.nan, np.nan)
EDGES = np.array([50.0, 65.0, 75.0, 85.0, 100.0, 130.0, 200.0])  # GeV, of the true mass
SELECTION = r"anti-$k_\mathrm{T}$ R = 0.8, 500 < $p_\mathrm{T}$ < 700 GeV"


def in_window(jets):
    """Jets in the window of the samples, above 40 GeV, with a generated jet of nearly the same pT.

    One jet in a thousand is split otherwise before the detector than behind it, and has a pT of its own.
    """
    inside = (jets.pt >= PT_RANGE[0]) & (jets.pt < PT_RANGE[1]) & (abs(jets.eta) < 2.4) & (jets.mass > 40)
    return inside & np.isfinite(jets.true_mass) & (abs(jets.true_pt / jets.pt - 1) < 0.15)


def studies(preset, folder):
    """Two trainings of one network: it learns the true mass over the pT, or over the reconstructed mass."""
    epochs = analysis.preset_named(PRESETS, preset)["epochs"]
    per_pt = Study(
        name="per_pt",
        objects=Objects(files=tuple(samples(folder)), mask=in_window, split=SPLIT),
        representation=ParticleList(features=PARTICLENET_FEATURES, centre="axis", mirror_eta=True),
        scaling=DEEP_SETS_SCALING,
        model=partial(PFN, features=len(PARTICLENET_FEATURES)),
        task=Regress(targets={"mass": "true_mass"}, loss="gaussian", relative_to="pt"),
        recipe=Recipe(epochs=epochs, batch_size=128, learning_rate=2e-3, gradient_clip=1.0, averaging=0.995),
    )
    per_mass = replace(per_pt, name="per_mass", task=replace(per_pt.task, relative_to="mass"))
    return {study.name: study for study in (per_pt, per_mass)}


def samples(folder):
    return analysis.sample_paths(manifests.load(MANIFEST), Path(folder) / "samples")


def run(*, preset, folder, files, workers, accelerator, **_):
    """Simulate, train, judge the test jets, plot; what is there already is kept."""
    if files:
        raise ValueError("this study judges its own samples; `cortado score` gives the masses of jets in other files")
    trained, most = studies(preset, folder), PRESETS[preset]["most"]
    analysis.simulate_samples(manifests.load(MANIFEST), folder / "samples", most=most, workers=workers)
    analysis.train(trained, folder, titles=NETWORKS, accelerator=accelerator)
    jets = jets_of(samples(folder))
    judged = judge(jets[SPLIT.subset(jets.event_key) == TEST], folder)
    np.savez(folder / "masses.npz", **judged)
    analysis.write_results(folder, results(judged))
    ntuples.write_histograms(folder / "histograms.root", {"mass": mass_histogram(judged)})
    analysis.console.print(analysis.results_table(results(judged), title="test jets"))
    analysis.done(folder, plot(folder, folder / "plots"))


def jets_of(files):
    """Jets of the window, of all files in a row."""
    jets = ak.concatenate(list(reading.iterate_objects(files, "jets")))
    return jets[in_window(jets)]


def judge(jets, folder):
    """Columns of the jets: the truth, the masses to compare and the widths that the networks give."""
    columns = {name: jets[name] for name in ("true_mass", "truth_pdg_id", "mass", "soft_drop_mass")}
    for name in NETWORKS:
        answers = analysis.load(folder, name)(jets)
        columns |= {name: answers.mass, f"{name}_width": answers.mass_width}
    return {name: ak.to_numpy(column) for name, column in columns.items()}


def merits(mass, true_mass):
    """Bias and resolution of the response, mass over true mass [%]; the resolution is that of a mass without bias."""
    median, width = metrics.residuals(mass / true_mass)
    bias = metrics.Estimate(100 * (median.value - 1), 100 * median.error)
    return {"bias": bias, "resolution": metrics.Estimate(*(100 * part / median.value for part in width[:2]))}


def results(judged):
    """By kind of jet and mass: number, bias and resolution [%], and mean and width of the pulls."""
    numbers = {}
    for jets_title, pdg_id in JETS.values():
        jets = {key: column[judged["truth_pdg_id"] == pdg_id] for key, column in judged.items()}
        for name, title in TITLES.items():
            figures = {"jets": len(jets[name]), **merits(jets[name], jets["true_mass"])}
            if name in NETWORKS:
                pulls = metrics.residuals((jets[name] - jets["true_mass"]) / jets[f"{name}_width"])
                figures |= {"mean pull": pulls.bias, "width of pulls": pulls.resolution}
            numbers[f"{jets_title}, {title}"] = figures
    return numbers


def mass_histogram(judged):
    """All masses of the W jets."""
    axis = hist.axis.Regular(40, 50, 130, name="mass", label="Mass of W jets [GeV]")
    is_w = judged["truth_pdg_id"] == 24
    return analysis.histogram_of(axis, {name: judged[name][is_w] for name in ("true_mass", *TITLES)})


def pull_histogram(judged):
    """(mass - true mass) / width of W and of QCD jets."""
    axis = hist.axis.Regular(50, -5, 5, name="pull", label="(Mass - true mass) / width")
    pull = (judged[BEST] - judged["true_mass"]) / judged[f"{BEST}_width"]
    kinds = {kind: judged["truth_pdg_id"] == pdg_id for kind, (_, pdg_id) in JETS.items()}
    return analysis.histogram_of(axis, {kind: pull[members] for kind, members in kinds.items()})


def in_bins(judged, kind, merit):
    """Bias or resolution [%] of a kind of jets in bins of the true mass, by title; bins of ten jets or more."""
    bin_of = np.where(judged["truth_pdg_id"] == JETS[kind][1], np.digitize(judged["true_mass"], EDGES) - 1, -1)
    parts = [{key: column[bin_of == k] for key, column in judged.items()} for k in range(len(EDGES) - 1)]
    return {
        title: [merits(jets[name], jets["true_mass"])[merit] if len(jets[name]) >= 10 else NONE for jets in parts]
        for name, title in TITLES.items()
        if name != "soft_drop_mass"  # another observable, far below
    }


def plot(folder, plots):
    """All figures from what `run` has saved."""
    with np.load(Path(folder) / "masses.npz") as stored:
        judged = dict(stored)
    histogram = mass_histogram(judged)
    compared = {"true_mass": "true", "mass": TITLES["mass"], BEST: TITLES[BEST]}
    figures = {"w_peak": plotting.score_distributions(histogram, compared, by="kind", log=False, right=SELECTION)}
    for kind, (title, _) in JETS.items():
        for merit in ("bias", "resolution"):
            figures[f"{merit}_{kind}"] = plotting.binned_estimates(
                in_bins(judged, kind, merit),
                EDGES,
                xlabel="True jet mass [GeV]",
                ylabel=f"{merit.capitalize()} of mass / true mass [%]",
                right=f"{title} jets, 500 < $p_\\mathrm{{T}}$ < 700 GeV",
            )
    kinds = {kind: f"{title} jets" for kind, (title, _) in JETS.items()}
    pulls = pull_histogram(judged)
    figures["pulls"] = plotting.score_distributions(pulls, kinds, by="kind", log=False, right=TITLES[BEST])
    # The first epoch begins with losses of thousands.
    history = analysis.history(folder, BEST, skip=1)
    figures["learning"] = plotting.learning_curves(history, titles={"loss": LOSS})
    return analysis.save_figures(figures, plots)
