"""What is trained: networks of edges, a network that follows hits, and one that finds the line of a toy."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from cortado import reading
from cortado.analysis import preset_named
from cortado.models import GraphAttention, GraphConvolution, InteractionNetwork, TrackFollower, TrkXLSTM, TrkXNetwork
from cortado.representations import HitSequence, LayerImage
from cortado.representations.window_fit import fitted
from cortado.splits import Split
from cortado.tasks import ClassifyEdges, Follow, Locate
from cortado.training import Objects, Recipe, Study

SPLIT = Split(validation=0.15, test=0.0, seed=1)
RIVALS = {"trkx_network": TrkXNetwork, "graph_convolution": GraphConvolution, "graph_attention": GraphAttention}
TOYS = {"noise": ({"noise": 0.2}, 50), "tracks": ({"tracks": 6}, 100)}  # sample, and width of the LSTM
SEEN = 30  # training events from which the graph and the layers are learned


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Size of the samples, and length of the training."""

    generator: str = "simple"
    mu: float
    events: dict[str, int]
    followed: int  # events of the compact detector, for the network that follows hits
    epochs: dict[str, int]
    toys: dict[str, int]  # events for each kind of toy
    keep: float = 0.993  # of the true segments, in the graph
    rivals: tuple[str, ...] = ()  # further networks of edges
    pile_up: tuple[float, ...] = ()  # where time is measured


PRESETS = {
    "quick": Preset(
        mu=10,
        events={"training": 150, "judging": 30},
        followed=150,
        epochs={"interaction_network": 10, "rivals": 5, "follower": 4, "toy": 8},
        toys={"noise": 20_480},
    ),
    "full": Preset(
        generator="pythia",
        mu=20,
        events={"training": 240, "judging": 100},
        followed=240,
        epochs={"interaction_network": 10, "rivals": 5, "follower": 8, "toy": 14},
        toys={"noise": 40_960, "tracks": 61_440},
        rivals=tuple(RIVALS),
        pile_up=(20, 60, 120, 200),
    ),
    "tiny": Preset(
        mu=1,
        events={"training": SEEN, "judging": 4},
        followed=3,
        epochs={"interaction_network": 1, "rivals": 1, "follower": 1, "toy": 1},
        toys={"noise": 512},
        keep=0.98,
        rivals=("graph_convolution",),
        pile_up=(1, 4),
    ),
}


def sample(folder, name):
    return Path(folder) / "samples" / f"{name}.root"


def first_events(folder):
    """The training events that say what the detector and its tracks are like."""
    return reading.read(sample(folder, "training"), stop=SEEN)


def is_trackable(particles):
    return (np.hypot(particles.px, particles.py) > 0.4) & (particles.n_hits > 4)


def studies(preset, folder):
    """The trainings of a preset: on the graphs that the first events ask for, on true paths, and on the toys."""
    chosen = preset_named(PRESETS, preset)
    network = Study(
        name="interaction_network",
        objects=Objects(files=(sample(folder, "training"),), collection="events", split=SPLIT),
        representation=fitted(first_events(folder), keep=chosen.keep, min_hits=4, chain=4),
        model=partial(InteractionNetwork),
        task=ClassifyEdges(),
        recipe=Recipe(epochs=chosen.epochs["interaction_network"], batch_size=2, learning_rate=3e-3, step_size=20),
    )
    rival = replace(network.recipe, epochs=chosen.epochs["rivals"])
    every = [
        network,
        *(replace(network, name=name, model=partial(RIVALS[name]), recipe=rival) for name in chosen.rivals),
    ]
    clipped = Recipe(epochs=chosen.epochs["follower"], learning_rate=3e-3, gradient_clip=1.0)
    follower = replace(
        network,
        name="follower",
        objects=replace(network.objects, files=(sample(folder, "compact"),), collection="particles", mask=is_trackable),
        representation=HitSequence(),
        model=partial(TrackFollower),
        task=Follow(),
        recipe=replace(clipped, batch_size=256, step_size=20),
    )
    every.append(follower)
    for kind in chosen.toys:
        toy = replace(
            network,
            name=f"toy_{kind}",
            objects=replace(network.objects, files=(sample(folder, f"toy_{kind}"),)),
            representation=LayerImage(),
            model=partial(TrkXLSTM, hidden=TOYS[kind][1]),
            task=Locate(),
            recipe=replace(clipped, epochs=chosen.epochs["toy"], batch_size=128, learning_rate=1e-2, step_size=2_048),
        )
        every.append(toy)
    return {study.name: study for study in every}
