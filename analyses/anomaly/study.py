"""Strange jets found by networks that have seen ordinary ones alone: read it from top to bottom.

Autoencoders learn to reproduce QCD jets, from their images, their observables and their particles. What they reproduce
badly is strange: jets of top quarks and W bosons, which they have never seen. And the other way round: trained on top
jets, do they find QCD jets strange, although these are simpler?
"""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import awkward as ak
import hist
import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

import cortado
from cortado import bundle as bundles
from cortado import manifest as manifests
from cortado import metrics, ntuples, plotting, reading, training
from cortado.analysis import sample_paths, simulate_samples
from cortado.histograms import axis_category
from cortado.models import (
    DenseAutoencoder,
    DenseImageAutoencoder,
    HeimelAutoencoder,
    ImageAutoencoder,
    SetAutoencoder,
    VariationalAutoencoder,
)
from cortado.representations import HighLevel, ParticleList
from cortado.representations.jet_image import TOP_40
from cortado.splits import TEST, Split
from cortado.tasks import Reconstruct
from cortado.training import Objects, Recipe, Study

SPLIT = Split(validation=0.1, test=0.3, seed=1)
OBSERVABLES = ("mass", "tau21", "tau32", "multiplicity")
LOSS = "Reconstruction loss"
EPOCHS = {  # of images, of observables, of sets
    "quick": (20, 20, 8),
    "full": (30, 40, 20),
}
TITLES = {
    "image": "Images, dense",
    "remapped": "Square roots of pixels, smeared loss",
    "observables": "Observables",
    "particles": "Particles as a set",
    "convolutions": "Images (Heimel et al.)",
    "large_image": "Images (Farina et al.)",
    "variational": "Observables, variational",
    "image_of_top": "Images, trained on top jets",
    "remapped_of_top": "Square roots, trained on top jets",
}
KINDS = {"qcd": "QCD", "top": "Top", "w": "W"}
SELECTION = r"anti-$k_\mathrm{T}$ R = 0.8, 550 < $p_\mathrm{T}$ < 650 GeV"
console = Console(highlight=False)


def kind_of(jets):
    """0 for QCD jets, 1 for top, 2 for W, in the samples of this study and in the top-tagging reference data."""
    if "is_signal" in jets.fields:
        return ak.values_astype(jets.is_signal == 1, np.int64)
    flavour = abs(jets.truth_pdg_id)
    return ak.where(flavour == 6, 1, ak.where(flavour == 24, 2, 0))


def is_qcd(jets):
    return kind_of(jets) == 0


def is_top(jets):
    return kind_of(jets) == 1


def is_w(jets):
    return kind_of(jets) == 2


def studies(preset, folder, files=()):
    """All trainings of a preset; each learns from one kind of jets and is judged on the others."""
    if preset not in EPOCHS:
        raise ValueError(f"unknown preset {preset!r}; there are {', '.join(EPOCHS)}")
    of_images, of_observables, of_sets = EPOCHS[preset]
    split = Split(validation=0.1, test=0.0) if files else SPLIT
    strange = {"top": is_top} if files else {"top": is_top, "w": is_w}
    image = Study(
        name="image",
        objects=Objects(files=training_files(folder, files), split=split),
        representation=TOP_40,
        model=partial(DenseImageAutoencoder),
        task=Reconstruct(normal=is_qcd, anomalies=strange),
        recipe=Recipe(epochs=of_images, batch_size=128, learning_rate=1e-3),
    )
    remapped = replace(
        image,
        name="remapped",
        representation=replace(TOP_40, power=0.5),
        model=partial(HeimelAutoencoder, softmax=False),
        task=replace(image.task, smearing=1.0),
    )
    observables = replace(
        image,
        name="observables",
        representation=HighLevel(features=OBSERVABLES),
        scaling="fit",
        model=partial(DenseAutoencoder, features=len(OBSERVABLES), latent=2),
        recipe=Recipe(epochs=of_observables, batch_size=64, learning_rate=3e-3),
    )
    particles = replace(
        observables,
        name="particles",
        representation=ParticleList(max_constituents=60),
        model=partial(SetAutoencoder, features=3),
        task=replace(image.task, loss="chamfer"),
        recipe=Recipe(epochs=of_sets, batch_size=64, learning_rate=2e-3),
    )
    of_top = Reconstruct(normal=is_top, anomalies={"qcd": is_qcd})
    every = [image, observables, particles, replace(image, name="image_of_top", task=of_top)]
    if preset == "full":
        every.append(replace(image, name="convolutions", model=partial(HeimelAutoencoder)))
        every += [remapped, replace(remapped, name="remapped_of_top", task=replace(of_top, smearing=1.0))]
        large = replace(image.recipe, epochs=5, precision="bfloat16")
        every.append(replace(image, name="large_image", model=partial(ImageAutoencoder), recipe=large))
        draws = partial(VariationalAutoencoder, features=len(OBSERVABLES), latent=2)
        every.append(replace(observables, name="variational", model=draws))
    return {study.name: study for study in every}


def training_files(folder, files):
    return (files[0],) if files else tuple(sample_paths(manifest(), Path(folder) / "samples"))


def manifest():
    return manifests.load(Path(__file__).parents[2] / "data_manifests" / "anomaly.toml")


def run(*, preset, folder, files, workers, accelerator, **_):
    """Simulate, train, judge the test jets, plot; what is there already is kept."""
    files = tuple(files)
    if files and len(files) != 2:
        raise ValueError(f"two files are needed, one to train on and one to judge on; got {len(files)}: {files}")
    if not files:
        simulate_samples(manifest(), folder / "samples", workers=workers)
    trained = studies(preset, folder, files)
    for name, study in trained.items():
        console.print(f"\n[bold]{TITLES[name]}[/]")
        training.train(study, folder / name, resume=True, accelerator=accelerator)
    jets = judged_jets(files, folder)
    judged = {name: ak.to_numpy(cortado.load(folder / name / f"{name}.cortado")(jets).anomaly) for name in trained}
    np.savez(folder / "scores.npz", kind=kind_of(jets), mass=jets.mass, **judged)
    (folder / "results.json").write_text(json.dumps(results(scores_of(folder)), indent=1))
    write_examples(jets, folder)
    ntuples.write_histograms(folder / "histograms.root", loss_histograms(scores_of(folder)))
    console.print(table(folder))
    figures = plot(folder, folder / "plots")
    console.print(f"wrote {len(figures)} figures to {folder / 'plots'}, numbers to {folder / 'results.json'}")


def judged_jets(files, folder):
    """Jets that no training has seen: the test jets of the samples, or those of the second file."""
    paths = files[1:] or sample_paths(manifest(), Path(folder) / "samples")
    jets = ak.concatenate([ak.flatten(record.jets) for path in paths for record in reading.iterate(path)])
    jets = jets[ak.num(jets.constituents) > 0]
    return jets if files else jets[SPLIT.subset(jets.event_key) == TEST]


def scores_of(folder):
    with np.load(Path(folder) / "scores.npz") as stored:
        return dict(stored)


def anomalies_of(name):
    """Kinds of jets that a training should find strange, and the one that it has learned."""
    return ((0,), 1) if name.endswith("_of_top") else ((1, 2), 0)


def results(judged):
    """AUC and rejection of ordinary jets for each network and kind of strange jets; mass of what is kept."""
    numbers = {}
    for name in (title for title in TITLES if title in judged):
        strange, normal = anomalies_of(name)
        for kind in strange:
            chosen = np.isin(judged["kind"], (kind, normal))
            if not np.any(judged["kind"] == kind):
                continue
            curve = metrics.roc(judged["kind"][chosen] == kind, judged[name][chosen])
            figures = {"AUC": curve.auc, "1/mistag at 30 %": metrics.rejection_at(curve, 0.3)}
            numbers[f"{name}, {list(KINDS)[kind]}"] = figures
    return numbers


def table(folder):
    """The results as a table."""
    numbers = json.loads((Path(folder) / "results.json").read_text())
    lines = Table("network", "finds", *next(iter(numbers.values())), title="test jets", box=SIMPLE)
    for key, figures in numbers.items():
        name, kind = key.split(", ")
        lines.add_row(TITLES[name], KINDS[kind], *(str(metrics.Estimate(*figure)) for figure in figures.values()))
    return lines


def loss_histograms(judged):
    """Losses of the kinds of jets, for each network."""
    kinds = [kind for kind, _ in enumerate(KINDS) if np.any(judged["kind"] == kind)]
    booked = {}
    for name in (title for title in TITLES if title in judged):
        low, high = np.quantile(judged[name], (0.002, 0.998))
        axis = hist.axis.Regular(50, low, high, name="anomaly", label=LOSS)
        booked[name] = hist.Hist(axis_category("kind"), axis, storage=hist.storage.Weight())
        for kind in kinds:
            booked[name].fill(kind=list(KINDS)[kind], anomaly=judged[name][judged["kind"] == kind])
    return booked


def mass_histogram(judged, name="image", kept=0.05):
    """Mass of QCD jets, of all and of the strangest."""
    axis = hist.axis.Regular(24, 0, 300, name="mass", label="Jet mass [GeV]")
    histogram = hist.Hist(axis_category("kind"), axis, storage=hist.storage.Weight())
    qcd = judged["kind"] == 0
    cut = np.quantile(judged[name][qcd], 1 - kept)
    histogram.fill(kind="all", mass=judged["mass"][qcd])
    histogram.fill(kind="strange", mass=judged["mass"][qcd & (judged[name] > cut)])
    return histogram


def write_examples(jets, folder):
    """An image of a QCD jet and of a top jet of median loss, and what the network makes of them."""
    bundle, judged = bundles.load(folder / "image" / "image.cortado"), scores_of(folder)
    images = {}
    for kind in (0, 1):
        mine = np.flatnonzero(judged["kind"] == kind)
        chosen = mine[[np.argsort(judged["image"][mine])[len(mine) // 2]]]
        prepared = bundle.prepare(jets[chosen])
        images |= {f"given_{kind}": prepared.image[0, 0]}
        images |= {f"made_{kind}": bundles.run(bundle.model, prepared)[0, 0].numpy()}
    np.savez(folder / "examples.npz", **images)


def plot(folder, plots):
    """ROC curves, losses, masses of what is kept, and examples of images, from what `run` has saved."""
    folder, judged = Path(folder), scores_of(folder)
    curves = {}
    for name in (title for title in TITLES if title in judged):
        strange, normal = anomalies_of(name)
        chosen = np.isin(judged["kind"], (strange[0], normal))
        curves[TITLES[name]] = metrics.roc(judged["kind"][chosen] == strange[0], judged[name][chosen])
    histograms = loss_histograms(judged)
    kinds = {kind: title for index, (kind, title) in enumerate(KINDS.items()) if np.any(judged["kind"] == index)}
    with np.load(folder / "examples.npz") as stored:
        given, made = ({KINDS[name]: stored[f"{side}_{k}"] for k, name in enumerate(("qcd", "top"))}
                       for side in ("given", "made"))  # fmt: skip
    figures = {
        "roc": plotting.roc_curves(curves, right=SELECTION),
        "loss_image": plotting.score_distributions(histograms["image"], kinds, by="kind", right=TITLES["image"]),
        "sculpting": plotting.score_distributions(
            mass_histogram(judged), {"all": "all QCD jets", "strange": "strangest 5 %"}, by="kind", log=False,
            right=TITLES["image"],
        ),
        "reconstructions": plotting.reconstructions(given, made, half_width=TOP_40.half_width),
    }  # fmt: skip
    return [plotting.save(figure, plots / f"{name}.png") for name, (figure, _) in figures.items()]
