"""Strange jets found by networks that have seen ordinary ones alone: read it from top to bottom.

Autoencoders learn to reproduce QCD jets, from their images, their observables and their particles. What they reproduce
badly is strange: jets of top quarks and W bosons, which they have never seen. An isolation forest and the distance to
the nearest neighbours do it without a network. And the other way round: trained on top jets, do they find QCD jets
strange, although these are simpler?
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
from sklearn import ensemble, neighbors

import cortado
from cortado import bundle as bundles
from cortado import manifest as manifests
from cortado import metrics, models, ntuples, plotting, reading, scoring, training
from cortado.analysis import sample_paths, simulate_samples
from cortado.histograms import axis_category
from cortado.representations import HighLevel, ParticleList
from cortado.representations.jet_image import TOP_40
from cortado.splits import TEST, Split
from cortado.tasks import FindAnomalies, Fit, Reconstruct
from cortado.training import Objects, Recipe, Study

SPLIT = Split(validation=0.1, test=0.3, seed=1)
PT_RANGE = (550.0, 650.0)  # GeV
OBSERVABLES = HighLevel(features=("mass", "tau21", "tau32", "multiplicity"))
OF_PARTICLES = HighLevel(features=("mass", "c2", "d2", "multiplicity"), max_constituents=30)  # no tau in given files
LOSS = r"$\log_{10}$ of the reconstruction loss"
EXPLAINED = 100  # jets of each kind whose pixels are explained
EPOCHS = {  # of images, of observables, of sets
    "quick": (20, 20, 8),
    "full": (30, 40, 20),
}
RIVALS = (
    ("forest", models.IsolationForest, partial(ensemble.IsolationForest, n_estimators=200)),
    ("neighbours", models.NearestNeighbours, partial(neighbors.NearestNeighbors)),
)
TITLES = {
    "image": "Images, dense",
    "remapped": "Roots of pixels, smeared loss",
    "observables": "Observables",
    "variational": "Observables, variational",
    "forest": "Observables, isolation forest",
    "neighbours": "Observables, nearest neighbours",
    "particles": "Particles as a set",
    "convolutions": "Images (Heimel et al.)",
    "large_image": "Images (Farina et al.)",
    "image_of_top": "Images, trained on top jets",
    "remapped_of_top": "Roots of pixels, trained on top jets",
}
KINDS = {"qcd": "QCD", "top": "Top", "w": "W"}
SELECTION = r"anti-$k_\mathrm{T}$ R = 0.8, 550 < $p_\mathrm{T}$ < 650 GeV"
console = Console(highlight=False)


def kind_of(jets):
    """0 for QCD jets, 1 for top, 2 for W, -1 for others, in the samples of this study and in the reference data."""
    if "is_signal" in jets.fields:
        return ak.values_astype(jets.is_signal == 1, np.int64)
    flavour = abs(jets.truth_pdg_id)
    return ak.where(flavour == 6, 1, ak.where(flavour == 24, 2, ak.where(flavour == 0, 0, -1)))


def in_window(jets):
    """The jets that the samples are made for; in their events are others. The reference data have these alone."""
    inside = (jets.pt >= PT_RANGE[0]) & (jets.pt < PT_RANGE[1]) & (abs(jets.eta) < 2.4)
    return inside | ("is_signal" in jets.fields)


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
        objects=Objects(files=training_files(folder, files), mask=in_window, split=split),
        representation=TOP_40,
        model=partial(models.DenseImageAutoencoder),
        task=Reconstruct(normal=is_qcd, anomalies=strange),
        recipe=Recipe(epochs=of_images, batch_size=128, learning_rate=1e-3),
    )
    remapped = replace(
        image,
        name="remapped",
        representation=replace(TOP_40, power=0.5),
        model=partial(models.DenseImageAutoencoder, softmax=False),
        task=replace(image.task, smearing=1.0),
    )
    observables = replace(
        image,
        name="observables",
        representation=OF_PARTICLES if files else OBSERVABLES,
        scaling="fit",
        model=partial(models.DenseAutoencoder, features=4, latent=2),
        recipe=Recipe(epochs=of_observables, batch_size=64, learning_rate=3e-3),
    )
    particles = replace(
        observables,
        name="particles",
        representation=ParticleList(max_constituents=60),
        model=partial(models.SetAutoencoder, features=3),
        task=replace(image.task, loss="chamfer"),
        recipe=Recipe(epochs=of_sets, batch_size=64, learning_rate=2e-3),
    )
    draws = partial(models.VariationalAutoencoder, features=4, latent=2)
    variational = replace(observables, name="variational", model=draws)
    of_top = Reconstruct(normal=is_top, anomalies={"qcd": is_qcd})
    every = [image, remapped, observables, variational, particles]
    every += [
        replace(image, name="image_of_top", task=of_top),
        replace(remapped, name="remapped_of_top", task=replace(of_top, smearing=1.0)),
    ]
    for name, model, estimator in RIVALS:
        rival = Fit(estimator=estimator, task=FindAnomalies(normal=is_qcd, anomalies=strange))
        every.append(replace(observables, name=name, model=partial(model), task=rival))
    if preset == "full":
        every.append(replace(image, name="convolutions", model=partial(models.HeimelAutoencoder)))
        large = replace(image.recipe, epochs=5, precision="bfloat16")
        every.append(replace(image, name="large_image", model=partial(models.ImageAutoencoder), recipe=large))
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
    np.savez(folder / "scores.npz", kind=kind_of(jets), mass=jets.mass, codes=codes_of(jets, folder), **judged)
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
    jets = jets[in_window(jets) & (ak.num(jets.constituents) > 0)]
    return jets if files else jets[SPLIT.subset(jets.event_key) == TEST]


def codes_of(jets, folder):
    """The two numbers by which the variational autoencoder describes each jet, their means, shape (n, 2)."""
    bundle = bundles.load(folder / "variational" / "variational.cortado")
    return bundles.run(bundle.model.encoder, bundle.prepare(jets))[:, :2].numpy()


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
    """Logarithms of the losses of the kinds of jets, for each network."""
    kinds = [kind for kind, _ in enumerate(KINDS) if np.any(judged["kind"] == kind)]
    booked = {}
    for name in (title for title in TITLES if title in judged):
        losses = np.log10(np.maximum(judged[name], np.finfo(np.float32).tiny))
        low, high = np.quantile(losses, (0.002, 0.998))
        axis = hist.axis.Regular(40, low, high, name="anomaly", label=LOSS)
        booked[name] = hist.Hist(axis_category("kind"), axis, storage=hist.storage.Weight())
        for kind in kinds:
            booked[name].fill(kind=list(KINDS)[kind], anomaly=losses[judged["kind"] == kind])
    return booked


def mass_histogram(judged, name="image", kept=0.05):
    """Mass of QCD jets, of all and of the strangest."""
    axis = hist.axis.Regular(15, 0, 300, name="mass", label="Jet mass [GeV]")
    histogram = hist.Hist(axis_category("kind"), axis, storage=hist.storage.Weight())
    qcd = judged["kind"] == 0
    cut = np.quantile(judged[name][qcd], 1 - kept)
    histogram.fill(kind="all", mass=judged["mass"][qcd])
    histogram.fill(kind="strange", mass=judged["mass"][qcd & (judged[name] > cut)])
    return histogram


def write_examples(jets, folder):
    """What the network of images makes of a jet of median loss of each kind, and what each pixel adds to the loss."""
    network, judged = cortado.load(folder / "image" / "image.cortado"), scores_of(folder)
    bundle, images = network.bundle(), {}
    for index, kind in enumerate(KINDS):
        if not len(mine := np.flatnonzero(judged["kind"] == index)):
            continue
        prepared = bundle.prepare(jets[mine[[np.argsort(judged["image"][mine])[len(mine) // 2]]]])
        some = jets[mine[:EXPLAINED]]
        explained = scoring.contributions(network, some, baseline=jets[judged["kind"] == 0])
        images |= {
            f"given_{kind}": prepared.image[0, 0],
            f"made_{kind}": bundles.run(bundle.model, prepared)[0, 0].numpy(),
            f"images_{kind}": bundle.prepare(some).image[:, 0],
            f"added_{kind}": np.asarray(explained.contribution)[:, 0],
        }
    np.savez(folder / "examples.npz", **images)


def plot(folder, plots):
    """ROC curves, losses, masses of what is kept, images and their pixels, latent space, from what `run` has saved."""
    folder, judged = Path(folder), scores_of(folder)
    curves = {}
    for name in (title for title in TITLES if title in judged):
        strange, normal = anomalies_of(name)
        chosen = np.isin(judged["kind"], (strange[0], normal))
        curves[TITLES[name]] = metrics.roc(judged["kind"][chosen] == strange[0], judged[name][chosen])
    members = {kind: judged["kind"] == index for index, kind in enumerate(KINDS)}
    kinds = {kind: KINDS[kind] for kind, mine in members.items() if mine.any()}
    with np.load(folder / "examples.npz") as stored:
        images = {
            side: {title: stored[f"{side}_{kind}"] for kind, title in kinds.items()}
            for side in ("given", "made", "images", "added")
        }
    shape = partial(plotting.score_distributions, by="kind", log=False, right=TITLES["image"])
    half_width = TOP_40.half_width
    figures = {
        "roc": plotting.roc_curves(curves, right=SELECTION),
        "loss_image": shape(loss_histograms(judged)["image"], kinds),
        "sculpting": shape(mass_histogram(judged), {"all": "all QCD jets", "strange": "strangest 5 %"}),
        "reconstructions": plotting.reconstructions(images["given"], images["made"], half_width=half_width),
        "contributions": plotting.pixel_contributions(
            images["images"], images["added"], half_width=half_width, score="loss"
        ),
        "latent": plotting.latent_space(
            {title: judged["codes"][members[kind]] for kind, title in kinds.items()}, right=TITLES["variational"]
        ),
    }
    return [plotting.save(figure, plots / f"{name}.png") for name, (figure, _) in figures.items()]
