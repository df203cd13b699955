"""What is trained: three or four networks that find vertices, and a flavour tagger on the vertices of each."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from cortado import manifest as manifests
from cortado.analysis import bundle_path, preset_named
from cortado.models import EdgeFlavourTagger, FlavourTagger, SetToGraph, TrackPair, VertexRNN
from cortado.representations import TrackGraph, TrackSet
from cortado.representations.track_set import RICH_FEATURES, SET2GRAPH_FEATURES
from cortado.splits import Split
from cortado.tasks import Classify, Pair
from cortado.training import Objects, Recipe, Study

SPLIT = Split(validation=0.15, test=0.25, seed=1)
FLAVOURS = {5: "b", 4: "c", 0: "light"}
FINDERS = {
    "track_pair": partial(TrackPair),
    "rnn": partial(VertexRNN),  # sorts the tracks by their pT, or its logarithm: feature 4 of both sets
    "set2graph": partial(SetToGraph),
    "set2graph_plus": partial(SetToGraph, plus=True),
}
IN_TAGGERS = ("track_pair", "rnn", "set2graph")  # as in the paper
TITLES = {
    "avr": "AVR",
    "baseline": "none",
    "track_pair": "Track pair",
    "rnn": "RNN",
    "set2graph": "Set2Graph",
    "set2graph_plus": "Set2Graph+",
}
JET_FEATURES = {RICH_FEATURES: 3, SET2GRAPH_FEATURES: 4}  # the last ones


@dataclass(frozen=True, kw_only=True)
class Preset:
    """The sample by its manifest, the most jets of it, what is trained on it, and for how long."""

    manifest: str = "vertexing.toml"
    jets: int | None = None
    features: tuple[str, ...] = RICH_FEATURES
    finders: tuple[str, ...] = ("set2graph", "track_pair", "rnn")
    batch_size: int
    finder_epochs: int
    tagger_epochs: int
    mistags: tuple[float, ...] = (0.1, 0.01, 0.001)


PRESETS = {
    "quick": Preset(batch_size=256, finder_epochs=8, tagger_epochs=4),
    "full": Preset(
        manifest="vertexing_full.toml", finders=tuple(FINDERS), batch_size=128, finder_epochs=20, tagger_epochs=8
    ),
    # What the networks of the paper saw of a track, which has no errors.
    "published_features": Preset(features=SET2GRAPH_FEATURES, batch_size=128, finder_epochs=10, tagger_epochs=10),
    "tiny": Preset(jets=300, finders=("set2graph",), batch_size=32, finder_epochs=1, tagger_epochs=1, mistags=(0.1,)),
}


def in_acceptance(jets):
    return (jets.pt > 20) & (abs(jets.eta) < 2.5)


def has_flavour(code, jets):
    return jets.flavour == code


def manifest_of(preset):
    name = preset_named(PRESETS, preset).manifest
    return manifests.load(Path(__file__).parents[2] / "data_manifests" / name)


def sample(folder):
    """The simulated jets, with the vertices that the adaptive reconstruction finds in them."""
    return Path(folder) / "samples" / "jets.root"


def studies(preset, folder):
    """All trainings of a preset: the vertex finders, then the taggers that use them."""
    chosen = preset_named(PRESETS, preset)
    sizes = {"features": len(chosen.features)}
    tagged = sizes | {"jet_features": JET_FEATURES[chosen.features]}
    models = {name: partial(FINDERS[name], **sizes) for name in chosen.finders}
    classes = {name: partial(has_flavour, code) for code, name in FLAVOURS.items()}
    finder = Study(
        name="set2graph",
        objects=Objects(files=(sample(folder),), mask=in_acceptance, class_weights="given", split=SPLIT),
        representation=TrackSet(features=chosen.features),
        scaling="fit",
        model=models["set2graph"],
        task=Pair(partition="tracks.vertex_index", classes=classes, shown="b"),
        recipe=Recipe(
            epochs=chosen.finder_epochs, batch_size=chosen.batch_size, learning_rate=2e-3, weight_decay=0.0, bucket=True
        ),
    )
    every = [replace(finder, name=name, model=model) for name, model in models.items()]
    tagger = replace(
        finder,
        name="tagger_baseline",
        model=partial(FlavourTagger, **tagged),
        task=Classify(
            classes=classes,
            signal="b",
            working_points=(0.5, 0.7, 0.8),
            mistags=chosen.mistags,
            mistag_class="light",
        ),
        # The taggers have batch norm: its statistics must not be those of jets of one multiplicity.
        recipe=replace(finder.recipe, epochs=chosen.tagger_epochs, batch_size=256, bucket=False),
    )
    by_edges = TrackGraph(features=chosen.features, partition="avr_vertex_index")
    on_edges = partial(EdgeFlavourTagger, **tagged)
    every += [tagger, replace(tagger, name="tagger_avr", representation=by_edges, model=on_edges)]
    for name in (each for each in models if each in IN_TAGGERS):
        arguments = {"finder": models[name].func.__name__, "finder_arguments": models[name].keywords}
        model, frozen = partial(FlavourTagger, **tagged, **arguments), {"finder": str(bundle_path(folder, name))}
        every.append(replace(tagger, name=f"tagger_{name}", model=model, frozen=frozen))
    return {study.name: study for study in every}
