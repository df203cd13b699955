"""Strange jets found by networks that have seen ordinary ones alone: read networks.py, then this file.

Autoencoders learn to reproduce QCD jets, from their images, their observables and their particles. What they reproduce
badly is strange: jets of top quarks and W bosons, which they have never seen. An isolation forest and the distance to
the nearest neighbours do it without a network. And the other way round: trained on top jets, do they find QCD jets
strange, although these are simpler?
"""

import awkward as ak
import numpy as np

from cortado import analysis, ntuples, reading, scoring
from cortado import bundle as bundles
from cortado.splits import TEST

from .figures import loss_histograms, members_of, pairs_of, plot, scores_of
from .networks import KINDS, PRESETS, SPLIT, TITLES, in_window, kind_of, manifest, samples, studies

__all__ = ["PRESETS", "plot", "run", "studies"]

EXPLAINED = 100  # jets of each kind whose pixels are explained


def run(*, preset, folder, files, workers, accelerator, **_):
    """Simulate, train, judge the test jets, plot; what is there already is kept."""
    if files and len(files) != 2:
        raise ValueError(f"two files are needed, one to train on and one to judge on; got {len(files)}: {files}")
    trained = studies(preset, folder, files)
    if not files:
        analysis.simulate_samples(manifest(), folder / "samples", most=PRESETS[preset].jets, workers=workers)
    analysis.train(trained, folder, titles=TITLES, accelerator=accelerator)
    jets = judged_jets(files, folder)
    judged = {name: analysis.load(folder, name)(jets).anomaly for name in trained}
    np.savez(folder / "scores.npz", kind=kind_of(jets), mass=jets.mass, codes=codes_of(jets, folder), **judged)
    np.savez(folder / "examples.npz", **examples(jets, folder))
    judged = scores_of(folder)
    for name in ("histograms.json", "histograms.root"):
        ntuples.write_histograms(folder / name, loss_histograms(judged))
    results = {each: analysis.tagging_merits(*pair, (0.3,)) for each, pair in pairs_of(judged).items()}
    analysis.write_results(folder, {", ".join(each): merits for each, merits in results.items()})
    rows = {f"{TITLES[name]}: {KINDS[kind]}": merits for (name, kind), merits in results.items()}
    analysis.console.print(analysis.results_table(rows, title="test jets", first="network: what it finds"))
    analysis.done(folder, plot(folder, folder / "plots"))


def judged_jets(files, folder):
    """Jets that no training has seen: the test jets of the samples, or those of the second file."""
    paths = files[1:] or samples(folder)
    jets = ak.concatenate(list(reading.iterate_objects(paths, "jets")))
    jets = jets[in_window(jets) & (ak.num(jets.constituents) > 0)]
    return jets if files else jets[SPLIT.subset(jets.event_key) == TEST]


def codes_of(jets, folder):
    """The two numbers by which the variational autoencoder describes each jet, their means, shape (n, 2)."""
    bundle = bundles.load(analysis.bundle_path(folder, "variational"))
    return bundles.run(bundle.model.encoder, bundle.prepare(jets))[:, :2].numpy()


def examples(jets, folder):
    """What the network of images makes of a jet of median loss of each kind, and what each pixel adds to the loss."""
    network, judged = analysis.load(folder, "image"), scores_of(folder)
    bundle, members, images = network.bundle(), members_of(judged), {}
    for kind, mine in members.items():
        number = np.flatnonzero(mine)
        median = number[np.argsort(judged["image"][number])[len(number) // 2]]
        prepared, some = bundle.prepare(jets[[median]]), jets[number[:EXPLAINED]]
        explained = scoring.contributions(network, some, baseline=jets[members["qcd"]])
        images |= {
            f"given_{kind}": prepared.image[0, 0],
            f"made_{kind}": bundles.run(bundle.model, prepared)[0, 0].numpy(),
            f"images_{kind}": bundle.prepare(some).image[:, 0],
            f"added_{kind}": np.asarray(explained.contribution)[:, 0],
        }
    return images
