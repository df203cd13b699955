"""Networks of edges on prepared graphs of hits: efficiency and purity of the edges of five folds.

The graphs are those of arXiv:2103.16701 (events of TrackML, 2 GeV, npz), or any that `cortado convert` reads. The epoch
of each fold is chosen on a part of its own training graphs.
"""

import argparse
import glob
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from cortado import training
from cortado.models import InteractionNetwork, TrkXNetwork
from cortado.representations.hit_graph import GivenGraph
from cortado.splits import Split
from cortado.tasks import ClassifyEdges
from cortado.training import Objects, Recipe, Study

NETWORKS = {"interaction": InteractionNetwork, "trkx": TrkXNetwork}


def study(file, folds, epochs, network):
    """The training, of which each fold is one."""
    return Study(
        name="edges",
        objects=Objects(files=(file,), collection="events", split=Split(validation=0.2, test=0.0, seed=3), folds=folds),
        representation=GivenGraph(),
        model=partial(NETWORKS[network]),
        task=ClassifyEdges(truth="edges.label"),
        recipe=Recipe(epochs=epochs, batch_size=1, learning_rate=5e-3, schedule="cosine", workers=0, step_size=5),
    )


def main(graphs, folds=5, epochs=30, network="interaction"):
    """Efficiency and purity of each fold at a threshold of 0.5, and their mean and spread."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "graphs.root"
        command = [sys.executable, "-m", "cortado.cli", "convert", *sorted(glob.glob(graphs)), "--out", str(file)]
        subprocess.run(command, check=True)
        chosen = study(file, folds, epochs, network)
        rows = []
        for number, result in enumerate(training.train_folds(chosen, Path(folder) / "folds", progress=False)):
            judged = training.evaluate(result.bundle, chosen, subset="test")
            accepted = np.concatenate([np.asarray(each.score) > 0.5 for each in judged.answers.edges])
            true = np.concatenate([np.asarray(each.label) == 1 for each in judged.objects.edges])
            both = np.sum(accepted & true)
            rows.append((both / np.sum(true), both / np.sum(accepted)))
            print(
                f"fold {number}: {len(judged.category)} graphs, efficiency {rows[-1][0]:.4f}, purity {rows[-1][1]:.4f}"
            )
    mean, spread = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1)
    print(
        f"efficiency {mean[0]:.4f} +- {spread[0]:.4f}, purity {mean[1]:.4f} +- {spread[1]:.4f} (mean, spread of folds)"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("graphs", help="glob of the prepared graphs")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--network", choices=NETWORKS, default="interaction")
    main(**vars(parser.parse_args()))
