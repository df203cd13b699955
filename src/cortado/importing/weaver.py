"""Taggers of weaver-core as bundles: `cortado.load` and `cortado score` need nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import awkward as ak
import torch

from cortado import bundle as bundles
from cortado import ntuples, reading
from cortado.bundle import Bundle
from cortado.importing.imported import Imported
from cortado.importing.weaver_config import Config, read_config
from cortado.importing.weaver_network import Network, read_network
from cortado.names import choices, nearest
from cortado.readers import Mapping
from cortado.representations import WeaverInputs
from cortado.tasks import Classes

__all__ = ["from_weaver"]

_LOOKED_AT = 20_000  # entries among which jets for the canary are sought


def from_weaver(
    data_config: str | os.PathLike[str],
    weights: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    jets: str | os.PathLike[str],
    network: str | os.PathLike[str] | None = None,
    preprocess: str | os.PathLike[str] | None = None,
    signal: str | None = None,
    neighbours: int | None = None,
    select: bool = True,
    tree: str | None = None,
) -> Imported:
    """Make a bundle of a ParticleNet that weaver-core has trained; no file of weaver's is executed.

    Scores are those of ``weaver --predict``, up to rounding and to the order of coincident constituents.

    Args:
        data_config: Its data configuration, YAML.
        weights: Its weights, `..._best_epoch_state.pt`.
        out: `name.cortado`.
        jets: An ntuple of the kind that weaver reads, an entry a jet: it tells branches with one number of a jet from
            lists, and its first jets are stored as the check of the bundle.
        network: Its network file, of which plain values are read.
        preprocess: `preprocess.json` of its export, for automatic standardisation.
        signal: The class whose probability is the score; of two the second if not given.
        neighbours: Of a constituent, where the network file does not say it.
        select: Whether jets must pass the selection; those that do not are refused.
        tree: Of `jets`; as the configuration says, if not given.
    Raises:
        ImportError: If PyYAML, of the extra `weaver`, is not installed.
        ValueError: If something cannot be imported; names the file and what is missing.
    """
    config = read_config(Path(data_config), None if preprocess is None else Path(preprocess), select=select)
    made = read_network(Path(weights), None if network is None else Path(network), neighbours=neighbours)
    _require_fitting(config, made, Path(weights))
    use = Classes(classes=config.classes, signal=_signal(config, signal))
    dialect, of_jet = _dialect(config, str(jets), tree or config.tree)
    lists = tuple(name for name in config.branches if name not in of_jet)
    representation = WeaverInputs(
        variables=config.variables,
        jets=of_jet,
        constituents=lists,
        points=config.points,  # type: ignore[arg-type]
        features=config.features,
        mask=config.mask,
        max_constituents=config.length,
        selection=config.selection,
    )
    tagger = Bundle(
        representation=representation,
        model=made.model,
        arguments=made.arguments,
        use=use,
        provenance={
            "samples": {"weaver": {"data_config": Path(data_config).name, "weights": Path(weights).name}},
            "dialect": {"jets": dict(dialect.jets), "constituents": dict(dialect.constituents), "name": dialect.name},
            "study": {"objects": {"collection": "jets"}},
        },
    )
    canary = _canary(tagger, str(jets), tree or config.tree, dialect)
    return Imported(bundles.save(tagger, out, canary=canary), use, _notes(config))


def _require_fitting(config: Config, made: Network, weights: Path) -> None:
    """Whether configuration and weights are of one network.

    Raises:
        ValueError: If they have other numbers of features or classes.
    """
    for what, names in (("features", config.features), ("classes", config.classes)):
        if (number := made.arguments[what]) != len(names):
            raise ValueError(f"{config.path} has {len(names)} {what}, the network of {weights} has {number}")


def _signal(config: Config, signal: str | None) -> str:
    if signal is None and len(config.classes) == 2:
        return config.classes[1]
    if signal not in config.classes:
        asked = "--signal is not given" if signal is None else f"--signal {signal}"
        raise ValueError(f"{config.path}: {asked}, required: {choices(signal or '', config.classes)}")
    return signal


def _dialect(config: Config, path: str, tree: str | None) -> tuple[Mapping, tuple[str, ...]]:
    """How the branches are read, and the names of those with one number of a jet.

    Raises:
        ValueError: If one is missing, names the nearest; or nothing is a list, or all are.
    """
    tree = ntuples.find_tree(path, tree)
    there = ntuples.branch_names(path, tree)
    wanted = {**config.branches, **{name: name for name in config.observers if name in there}}
    for branch in config.branches.values():
        if branch not in there:
            raise ValueError(f"{path}: no branch {branch!r}, which {config.path} needs; {nearest(branch, there)}")
    step = next(iter(ntuples.steps(path, tree=tree, size=1)), None)
    if step is None:
        raise ValueError(f"{path}: tree {tree} has no entries, required: jets for the check of the bundle")
    entries = ntuples.arrays(step, list(dict.fromkeys(wanted.values())))
    depths = {name: entries[branch].ndim for name, branch in wanted.items()}
    numbers = {name: branch for name, branch in wanted.items() if depths[name] == 1}
    of_jet = {name: branch for name, branch in numbers.items() if name in config.branches}
    lists = {name: branch for name, branch in config.branches.items() if depths[name] == 2}
    if deep := [name for name in config.branches if depths[name] > 2]:
        raise ValueError(f"{path}: {deep[0]} has lists of lists, required: numbers or lists; an entry is a jet")
    if not numbers or not lists:
        raise ValueError(f"{path}: {', '.join(wanted)} are all {'lists' if lists else 'numbers'}, required: both kinds")
    # A jet needs a field of its own: where formulas use none, an observer.
    dialect = Mapping(jets=of_jet or dict([next(iter(numbers.items()))]), constituents=lists, name="weaver")
    return dialect, tuple(of_jet)


def _canary(tagger: Bundle, path: str, tree: str | None, dialect: Mapping) -> ak.Array:
    """The first jets with constituents that the representation accepts.

    Raises:
        ValueError: If there is none.
    """
    stop = min(_LOOKED_AT, ntuples.num_entries(path, ntuples.find_tree(path, tree)))
    jets = ak.flatten(reading.read(path, tree=tree, dialect=dialect, stop=stop).jets)
    jets = jets[ak.num(jets.constituents, axis=1) > 0]
    with torch.inference_mode():
        accepted = bundles.accepted(tagger.represent, bundles.columns(jets, tagger.fields))
    if not len(accepted.places):
        why = ", ".join(f"{number} have {reason}" for reason, number in accepted.refused.items())
        raise ValueError(f"{path}: none of the first {len(jets)} jets can be scored: {why or 'no constituents'}")
    return jets[accepted.places[:16]]


def _notes(config: Config) -> tuple[str, ...]:
    notes = [f"{name} of {config.path.name} is left out: scores do not depend on it" for name in config.ignored]
    if config.observers:
        notes.append(f"observers are left out: {', '.join(config.observers)}")
    if config.selection:
        notes.append(f"jets that fail the selection {config.selection} score NaN")
    return tuple(notes)
