"""W-boson tagging, from simulated NanoAOD to event weights and histograms: read it from top to bottom.

Signal are jets that contain both quarks of a W (W' -> WZ, Z -> nu nu); background are jets of QCD dijet events; both
flat in pT from 500 to 700 GeV. Four networks on four representations are judged on events that no training has
seen, beside a likelihood ratio of soft-drop mass and tau2/tau1, and then used in a coffea processor. One of them is
trained once more against an adversary, such that a cut on its score leaves the mass spectrum of QCD jets as it is.
"""

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import awkward as ak
import hist
import numpy as np
from rich.console import Console
from rich.table import Table

from cortado import manifest as manifests
from cortado import metrics, ntuples, plotting, processors, reading, scoring, training
from cortado.analysis import sample_paths, simulate_samples
from cortado.histograms import axis_category, scale_to_luminosity
from cortado.models import MLP, PFN, JetImageCNN, ParticleNet
from cortado.models.particlenet import LITE
from cortado.representations import HighLevel, JetImage, ParticleList, PointCloud
from cortado.representations.features import PARTICLENET_FEATURES
from cortado.scaling import DEEP_SETS_SCALING, PARTICLENET_SCALING
from cortado.splits import TEST, TRAIN, Split
from cortado.tasks import Classify, Decorrelate
from cortado.training import Balance, Objects, Recipe, Study

PT_RANGE = (500.0, 700.0)
SPLIT = Split(validation=0.15, test=0.25, seed=1)
IMAGE = JetImage(half_width=0.8, channels=("pt", "charged_pt", "neutral_pt", "multiplicity"))
TITLES = {
    "baseline": "MLP, high-level",
    "decorrelated": "MLP, decorrelated from the mass",
    "cnn": "CNN, jet images",
    "pfn": "PFN",
    "particlenet_lite": "ParticleNet-Lite",
}
SAMPLES = {"qcd": "QCD dijets", "wprime": r"W' $\to$ WZ"}
MASS_BINS = (0.0, 40.0, 55.0, 70.0, 90.0, 120.0, 1000.0)  # GeV, of like numbers of QCD jets
KEPT = 0.1  # of the QCD jets, where the sculpting of their mass is measured
LUMINOSITY = 1.0  # 1/fb
SELECTION = r"anti-$k_\mathrm{T}$ R = 0.8, 500 < $p_\mathrm{T}$ < 700 GeV"
console = Console(highlight=False)


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Size of the samples, by their manifest, and length of the trainings."""

    manifest: str
    epochs: dict[str, int]


PRESETS = {
    "quick": Preset(
        manifest="w_tagging.toml",
        epochs={"baseline": 10, "decorrelated": 20, "cnn": 6, "pfn": 15, "particlenet_lite": 8},
    ),
    "full": Preset(
        manifest="w_tagging_full.toml",
        epochs={"baseline": 20, "decorrelated": 40, "cnn": 12, "pfn": 30, "particlenet_lite": 20},
    ),
}


def in_window(jets):
    return (jets.pt >= PT_RANGE[0]) & (jets.pt < PT_RANGE[1]) & (abs(jets.eta) < 2.4)


def is_w(jets):
    return jets.truth_pdg_id == 24


def is_qcd(jets):
    return jets.truth_pdg_id == 0


def studies(preset, folder):
    """The trainings of a preset on the samples in `folder`."""
    chosen = preset_named(preset)
    baseline = Study(
        name="baseline",
        objects=Objects(
            files=tuple(samples(preset, folder)),
            mask=in_window,
            split=SPLIT,
            balance=Balance(field="pt", bins=tuple(np.linspace(*PT_RANGE, 11).tolist())),
        ),
        representation=HighLevel(max_constituents=50),
        scaling="fit",
        model=partial(MLP, features=8),
        task=Classify(classes={"qcd": is_qcd, "w": is_w}, signal="w"),
        recipe=Recipe(epochs=chosen.epochs["baseline"], batch_size=128, learning_rate=3e-3),
    )

    def variant(name, representation, scaling, model, **recipe):
        recipe = replace(baseline.recipe, epochs=chosen.epochs[name], **recipe)
        return replace(baseline, name=name, representation=representation, scaling=scaling, model=model, recipe=recipe)

    against_mass = Decorrelate(
        task=baseline.task,
        adversary=partial(MLP, hidden=(64, 64)),
        field="mass",
        bins=MASS_BINS,
        only=("qcd",),
        adversary_steps=2,
    )
    decorrelated = variant("decorrelated", baseline.representation, "fit", baseline.model)
    lite = partial(ParticleNet, **LITE)
    particles = ParticleList(features=PARTICLENET_FEATURES, centre="axis", mirror_eta=True)
    every = (
        baseline,
        replace(decorrelated, task=against_mass),
        variant("cnn", IMAGE, None, partial(JetImageCNN, channels=4, pixels=25), learning_rate=2e-3),
        variant("pfn", particles, DEEP_SETS_SCALING, partial(PFN, features=7), learning_rate=4e-3),
        variant("particlenet_lite", PointCloud(), PARTICLENET_SCALING, lite, learning_rate=4e-3),
    )
    return {study.name: study for study in every}


def preset_named(name):
    if name not in PRESETS:
        raise ValueError(f"unknown preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]


def manifest_of(preset):
    return manifests.load(Path(__file__).parents[2] / "data_manifests" / preset_named(preset).manifest)


def samples(preset, folder):
    return sample_paths(manifest_of(preset), Path(folder) / "samples")


def run(*, preset, folder, files, executor, workers, scheduler, accelerator):
    """Simulate, train, evaluate, run the coffea processor, plot; what is there already is kept."""
    if files:
        return run_on(files, folder, executor, workers, scheduler)
    simulate_samples(manifest_of(preset), folder / "samples", workers=workers)
    trained = studies(preset, folder)
    for name, study in trained.items():
        console.print(f"\n[bold]{TITLES[name]}[/]")
        training.train(study, folder / name, resume=True, accelerator=accelerator)
    evaluate(trained, folder)
    fileset = manifests.fileset(manifest_of(preset), folder / "samples")
    for entry in fileset.values():
        entry["metadata"]["trained_on"] = True
    process(fileset, taggers(folder), folder, executor, workers, scheduler)
    figures = plot(folder, folder / "plots")
    console.print(table(folder))
    console.print(f"wrote {len(figures)} figures to {folder / 'plots'}, histograms to {folder / 'histograms.root'}")
    return None


def taggers(folder):
    return {name: scoring.load(folder / name / f"{name}.cortado") for name in TITLES}


def evaluate(trained, folder):
    """Scores of the held-out test jets, and the figures of merit that follow."""
    columns = {}
    for name, study in trained.items():
        result = training.evaluate(folder / name / f"{name}.cortado", study, subset="test", columns=("mass",))
        columns[name] = result.answers.w
        columns[f"{name}_is_signal"] = result.members("w")
        columns[f"{name}_mass"] = result.objects.mass
    columns["likelihood"], columns["likelihood_is_signal"] = likelihood_floor(trained["baseline"])
    np.savez(folder / "scores.npz", **columns)
    figures = {name: figures_of_merit(*judged) for name, judged in scores_of(folder).items()}
    for name in TITLES:
        divergence = metrics.mass_sculpting(*qcd_jets(folder, name), MASS_BINS, efficiency=KEPT)
        figures[name]["sculpting"] = divergence.distance
    (folder / "results.json").write_text(json.dumps(figures, indent=1))


def likelihood_floor(study):
    """Likelihood ratio of soft-drop mass and tau2/tau1 of the test jets: what a network must beat.

    The two-dimensional densities are histograms of the training jets.
    """
    record = [record for path in study.objects.files for record in reading.iterate(path)]
    jets = ak.concatenate([ak.flatten(part.jets) for part in record])
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


def scores_of(folder):
    """By tagger: truth and score of the test jets."""
    with np.load(folder / "scores.npz") as stored:
        return {name: (stored[f"{name}_is_signal"], stored[name]) for name in ("likelihood", *TITLES)}


def qcd_jets(folder, name):
    """Mass and score of the QCD test jets."""
    with np.load(folder / "scores.npz") as stored:
        is_qcd_jet = ~stored[f"{name}_is_signal"]
        return stored[f"{name}_mass"][is_qcd_jet], stored[name][is_qcd_jet]


def mass_spectra(folder):
    """Mass of all QCD test jets, and of those that look most like a W."""
    axis = hist.axis.Regular(25, 0, 250, name="mass", label="Jet mass [GeV]")
    histogram = hist.Hist(axis_category("kept"), axis, storage=hist.storage.Weight())
    for name in ("baseline", "decorrelated"):
        mass, score = qcd_jets(folder, name)
        histogram.fill(kept=name, mass=mass[score > np.quantile(score, 1 - KEPT)])
    return histogram.fill(kept="all", mass=mass)


def figures_of_merit(is_signal, scores):
    curve = metrics.roc(is_signal, scores)
    return {
        "auc": curve.auc,
        "rejection at 50 %": metrics.rejection_at(curve, 0.5),
        "rejection at 30 %": metrics.rejection_at(curve, 0.3),
        "test jets": len(scores),
    }


def process(fileset, chosen, folder, executor, workers, scheduler):
    """Run the coffea processor and save its histograms, as ROOT for others and as JSON without loss."""
    instance = processors.TaggingProcessor(chosen, pt_range=PT_RANGE, held_out=SPLIT)
    output = processors.run(fileset, instance, executor=executor, workers=workers, scheduler=scheduler)
    histograms = {name: output[name] for name in ("mass", "pt", "score", "cutflow")}
    normalisation = {name: output[name] for name in ("events", "sum_of_weights")}
    normalisation["cross_sections"] = {name: entry["metadata"].get("cross_section") for name, entry in fileset.items()}
    (folder / "normalisation.json").write_text(json.dumps(normalisation, indent=1))
    ntuples.write_histograms(folder / "histograms.json", histograms)
    ntuples.write_histograms(folder / "histograms.root", {name: histograms[name] for name in ("mass", "pt", "score")})
    events = sum(output["events"].values())
    console.print(f"wrote {folder / 'histograms.root'}: {events} events, {len(chosen)} taggers")
    return output


def run_on(files, folder, executor, workers, scheduler):
    """The trained taggers on any NanoAOD v15 or PFNano files, one data set a file."""
    fileset = {Path(path).stem: {"files": {path: ntuples.find_tree(path)}, "metadata": {}} for path in map(str, files)}
    out = folder / "files"
    out.mkdir(parents=True, exist_ok=True)
    output = process(fileset, taggers(folder), out, executor, workers, scheduler)
    flow = Table("data set", *output["cutflow"].axes["cut"], title="events after each cut, weighted")
    for name in output["cutflow"].axes["dataset"]:
        counts = output["cutflow"][{"dataset": name}].view()["value"]
        flow.add_row(name, *(f"{count:.6g}" for count in counts))
    console.print(flow)
    console.print(f"wrote histograms to {out / 'histograms.root'}")


def table(folder):
    """The results as a table."""
    results = json.loads((folder / "results.json").read_text())
    lines = Table(
        "model", "AUC", "1/mistag at 50 %", "1/mistag at 30 %", "sculpting", title="test jets that no training has seen"
    )
    for name, figures in results.items():
        keys = ("auc", "rejection at 50 %", "rejection at 30 %", "sculpting")
        numbers = [str(metrics.Estimate(*figures[key])) for key in keys if key in figures]
        lines.add_row({"likelihood": "likelihood floor", **TITLES}[name], *numbers)
    return lines


def plot(folder, plots):
    """All figures from what `run` has saved."""
    judged = scores_of(folder)
    names = {"likelihood": r"$m_\mathrm{SD} \times \tau_{21}$ likelihood", **TITLES}
    curves = {names[name]: metrics.roc(*pair) for name, pair in judged.items()}
    histograms = ntuples.read_histograms(folder / "histograms.json")
    norm = json.loads((folder / "normalisation.json").read_text())
    mass = scale_to_luminosity(histograms["mass"], norm["cross_sections"], norm["sum_of_weights"], LUMINOSITY)
    best = "particlenet_lite"
    is_signal, score = judged[best]
    tagged = {"tagger": best, "truth": sum}
    figures = {
        "roc": plotting.roc_curves(curves, right=SELECTION),
        "score": plotting.score_distributions(
            histograms["score"][{**tagged, "region": sum}], SAMPLES, right=TITLES[best]
        ),
        "cutflow": plotting.cutflow(histograms["cutflow"], SAMPLES),
        "confusion": plotting.confusion_matrix(
            metrics.confusion_counts(is_signal.astype(int), (score > 0.5).astype(int), classes=2),
            ["QCD", "W"],
            right=TITLES[best],
        ),
        "sculpting": plotting.score_distributions(
            mass_spectra(folder),
            {"all": "all QCD jets", "baseline": "10 % kept by MLP", "decorrelated": "10 % kept, decorrelated"},
            by="kept",
            log=False,
            right=SELECTION,
        ),
        "learning": plotting.learning_curves(history(folder / best / "history.csv"), titles={"loss": "Cross entropy"}),
    }
    for region in ("pass", "fail"):
        shown = mass[{**tagged, "region": region}]
        figures[f"mass_{region}"] = plotting.stacked(shown, SAMPLES, right=f"{TITLES[best]}, 50 %: {region}")
    figures |= pictures(folder)
    return [plotting.save(figure, plots / f"{name}.png") for name, (figure, _) in figures.items()]


def pictures(folder):
    """Average images of both classes before and after preprocessing, and one W jet as cloud and as image."""
    jets = {name: ak.flatten(reading.read(folder / "samples" / f"{name}.root").jets) for name in ("wprime", "qcd")}
    chosen = {"W": jets["wprime"][is_w(jets["wprime"])], "QCD": jets["qcd"][is_qcd(jets["qcd"])]}
    chosen = {name: some[in_window(some)] for name, some in chosen.items()}
    raw = JetImage(half_width=0.8, centre="axis", rotate=None, flip=(), normalise=None)
    before = {name: raw(some).image for name, some in chosen.items()}
    after = {name: IMAGE(some).image for name, some in chosen.items()}
    return {
        "average_images": plotting.average_images(before, after, half_width=0.8),
        "jet": plotting.jet_display(chosen["W"][0]),
    }


def history(path):
    columns = np.genfromtxt(path, delimiter=",", names=True)
    wanted = ("epoch", "train_loss", "validation_loss", "validation_auc", "learning_rate")
    return {name: np.atleast_1d(columns[name]) for name in wanted}
