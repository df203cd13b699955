"""Jets whose constituents are links into the candidates of the event: what NanoAOD v15 and PFNano share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.event_keys import event_key
from cortado.readers import columns
from cortado.truth import truth_pdg_id
from cortado.units import MM_PER_CM

KINEMATICS = {"pt": "pt", "eta": "eta", "phi": "phi", "mass": "mass"}
JETS = KINEMATICS | {
    "soft_drop_mass": "msoftdrop",
    "tau1": "tau1",
    "tau2": "tau2",
    "tau3": "tau3",
    "tau4": "tau4",
    "flavour": "hadronFlavour",
    "parton_flavour": "partonFlavour",
}
LABEL = "label"
"""Of the jets, columns of this name, or that begin with it and an underscore, are taken as they are."""
CANDIDATES = KINEMATICS | {
    "charge": "charge",
    "pdg_id": "pdgId",
    "d0": "d0",
    "d0_err": "d0Err",
    "dz": "dz",
    "dz_err": "dzErr",
    "puppi_weight": "puppiWeight",
}
LENGTHS = ("d0", "d0_err", "dz", "dz_err")
GEN_PARTICLES = KINEMATICS | {
    "pdg_id": "pdgId",
    "status": "status",
    "status_flags": "statusFlags",
    "mother": "genPartIdxMother",
}
GEN_JET_KINEMATICS = {f"true_{name}": name for name in KINEMATICS}
EVENT = {"run": "run", "luminosity_block": "luminosityBlock", "event": "event"}
NEUTRAL, SAME_SIGN, OPPOSITE_SIGN = (0, 1, 2, 22, 130, 310, 2112), (211, 321, 2212), (11, 13, 15)


@dataclass(frozen=True, kw_only=True)
class Naming:
    """How a dialect names the links of one kind of jets.

    Args:
        dialect: Name of the dialect, for messages.
        jets: Collection of the jets.
        links: Collection of the links.
        jet_index: Its field that counts in the jets.
        candidate_index: Its field that counts in the candidates.
        candidates: Collection of the candidates.
        gen_jets: Collection of the generated jets.
        gen_jet_index: Field of the jets that counts in them.
        has_decays: Whether the jets are large enough to hold all quarks of a W, Z, Higgs boson or top quark.
    """

    dialect: str
    jets: str = "FatJet"
    links: str
    jet_index: str = "jetIdx"
    candidate_index: str
    candidates: str
    gen_jets: str = "GenJetAK8"
    gen_jet_index: str = "genJetAK8Idx"
    has_decays: bool = True

    @property
    def prefixes(self) -> tuple[str, ...]:
        """What branches of these jets alone begin with."""
        return f"{self.jets}_", f"{self.links}_", f"{self.gen_jets}_"

    def of_small_jets(self, links: str) -> Naming:
        """The same dialect's links of jets of radius 0.4."""
        of_jets = replace(self, jets="Jet", links=links, has_decays=False)
        return replace(of_jets, gen_jets="GenJet", gen_jet_index="genJetIdx")

    @property
    def required(self) -> tuple[str, ...]:
        """Branches without which the dialect cannot be read."""
        return (
            f"{self.links}_{self.jet_index}",
            f"{self.links}_{self.candidate_index}",
            *(f"{self.candidates}_{name}" for name in KINEMATICS),
            *(f"{self.jets}_{name}" for name in KINEMATICS),
            *EVENT.values(),
        )

    def fields(self, available: Iterable[str]) -> dict[str, str]:
        """Fields of the jets in the file, without the collection, by name in the record."""
        of_jets = (name.removeprefix(f"{self.jets}_") for name in available if name.startswith(f"{self.jets}_{LABEL}"))
        return JETS | {name: name for name in sorted(of_jets) if name == LABEL or name.startswith(f"{LABEL}_")}

    def branches(self, available: Iterable[str]) -> list[str]:
        """Branches that `record` will use, as far as they are available; none without all that are required."""
        there = set(available)
        if columns.missing(self.required, there):
            return []
        wanted = [
            *self.required,
            *(f"{self.jets}_{name}" for name in self.fields(there).values()),
            *(f"{self.candidates}_{name}" for name in CANDIDATES.values()),
            *(f"GenPart_{name}" for name in GEN_PARTICLES.values()),
            *(f"{self.gen_jets}_{name}" for name in GEN_JET_KINEMATICS.values()),
            f"{self.jets}_{self.gen_jet_index}",
            "genWeight",
        ]
        return [name for name in dict.fromkeys(wanted) if name in there]


def charge_of(pdg_id: Any) -> npt.NDArray[np.int32]:
    """Electric charge of the particle-flow candidates of CMS, from their PDG code.

    The codes 1 and 2 are energy in the forward calorimeter (hadronic, electromagnetic), not quarks; 0 is
    unknown.

    Args:
        pdg_id: PDG codes, integers, shape (n,).

    Returns:
        Charge -1, 0 or +1, shape (n,).

    Raises:
        ValueError: If a code is not one that particle flow gives.
    """
    pdg_id = np.asarray(pdg_id).astype(np.int32)
    kind, sign = np.abs(pdg_id), np.sign(pdg_id)
    unknown = ~np.isin(kind, NEUTRAL + SAME_SIGN + OPPOSITE_SIGN)
    if unknown.any():
        known = sorted(NEUTRAL + SAME_SIGN + OPPOSITE_SIGN)
        raise ValueError(f"pdgId {pdg_id[unknown][0]} is not of a particle-flow candidate; known: +-{known}")
    of_sign = np.isin(kind, SAME_SIGN).astype(np.int32) - np.isin(kind, OPPOSITE_SIGN)
    return np.asarray(sign * of_sign)


def global_index(index: ak.Array, targets: ak.Array, name: str, target: str) -> npt.NDArray[np.int64]:
    """Turn positions within the event into positions in the flat list of all events.

    Args:
        index: Positions, integers, shape (n_events, var).
        targets: Number of objects that they count in, shape (n_events,).
        name: Branch name of the positions, for the message.
        target: What they count in, for the message.

    Returns:
        Positions in the flattened objects, in the order of `index`, flat.

    Raises:
        ValueError: If a position is negative or beyond the last object.
    """
    numbers, n_targets = columns.flat(index).astype(np.int64), columns.flat(targets)
    event = np.repeat(np.arange(len(index)), columns.flat(ak.num(index)))
    wrong = np.flatnonzero((numbers < 0) | (numbers >= n_targets[event]))
    if len(wrong):
        at, last = event[wrong[0]], n_targets[event[wrong[0]]] - 1
        allowed = f"0 to {last} are allowed" if last >= 0 else f"there is no {target}"
        raise ValueError(f"{name} = {numbers[wrong[0]]} in event {at}: {allowed} ({last + 1} {target})")
    first = np.cumsum(n_targets) - n_targets
    return np.asarray(numbers + first[event])


def grouped(events: ak.Array, naming: Naming) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Group the candidates by the jet that they are linked to, in the order of the links.

    Args:
        events: Events, shape (n_events,).
        naming: Names of the links.

    Returns:
        Positions in the flat candidates, jet after jet, and the number of candidates of each jet, shape
        (n_jets,).

    Raises:
        ValueError: If the two branches of the links differ in length, or a link points nowhere.
    """
    jet_branch, candidate_branch = naming.required[:2]
    jet_index, candidate_index = columns.column(events, jet_branch), columns.column(events, candidate_branch)
    lengths, others = columns.flat(ak.num(jet_index)), columns.flat(ak.num(candidate_index))
    wrong = np.flatnonzero(lengths != others)
    if len(wrong):
        at = wrong[0]
        raise ValueError(
            f"{jet_branch} has {lengths[at]} and {candidate_branch} has {others[at]} links in event {at}; "
            "each link needs both"
        )
    n_jets = ak.num(columns.column(events, f"{naming.jets}_pt"))
    n_candidates = ak.num(columns.column(events, f"{naming.candidates}_pt"))
    jet = global_index(jet_index, n_jets, jet_branch, naming.jets)
    candidate = global_index(candidate_index, n_candidates, candidate_branch, naming.candidates)
    return candidate[np.argsort(jet, kind="stable")], np.bincount(jet, minlength=int(ak.sum(n_jets)))


def taken(jagged: ak.Array, index: npt.NDArray[np.int64]) -> ak.Array:
    """Pick elements of a jagged column by their flat position; a virtual column stays virtual."""
    content = ak.flatten(jagged).layout
    if content.is_all_materialized:
        return ak.Array(content)[index]
    return ak.Array(ak.contents.IndexedArray.simplified(ak.index.Index64(index), content))


def constituents(events: ak.Array, naming: Naming) -> ak.Array:
    """Constituents of each jet, shape (n_jets, var), jets of all events in a row."""
    index, counts = grouped(events, naming)
    branches = columns.chosen(events, CANDIDATES, f"{naming.candidates}_")
    picked = {name: taken(column, index) for name, column in branches.items()}
    picked |= {name: columns.scaled(picked[name], MM_PER_CM) for name in LENGTHS if name in picked}
    if "charge" not in picked and "pdg_id" in picked:
        picked["charge"] = charge_of(picked["pdg_id"])
    return ak.unflatten(columns.momenta(picked), counts)


def event_keys(events: ak.Array) -> npt.NDArray[np.uint64]:
    """Key of each event from run, luminosity block and event number, shape (n_events,)."""
    numbers = [columns.flat(columns.column(events, name)) for name in EVENT.values()]
    return np.asarray(event_key(*numbers))


def gen_particles(events: ak.Array) -> ak.Array | None:
    """Generated particles, shape (n_events, var); None for recorded data."""
    branches = columns.chosen(events, GEN_PARTICLES, "GenPart_")
    if not {*KINEMATICS, "pdg_id", "mother"} <= branches.keys():
        return None
    particles = columns.momenta({name: ak.flatten(column) for name, column in branches.items()})
    return ak.unflatten(particles, ak.num(branches["pt"]))


def true_kinematics(events: ak.Array, naming: Naming) -> dict[str, npt.NDArray[Any]]:
    """Kinematics of the generated jet that each jet is matched to; of virtual events, these columns are read.

    Args:
        events: Events, shape (n_events,).
        naming: Names of the jets and the generated jets.

    Returns:
        true_pt, true_eta, true_phi and true_mass [GeV, rad], shape (n_jets,), NaN for jets without a match (index -1),
        or with one that the file does not keep: NanoAOD drops soft generated jets, and before 2021 left the index.
        Nothing for files without generated jets or the index.
    """
    gen_jets = columns.chosen(events, GEN_JET_KINEMATICS, f"{naming.gen_jets}_")
    index_branch = f"{naming.jets}_{naming.gen_jet_index}"
    if gen_jets.keys() != GEN_JET_KINEMATICS.keys() or index_branch not in columns.names(events):
        return {}
    index = columns.column(events, index_branch)
    counts = ak.num(gen_jets["true_pt"])
    matched = (index >= 0) & (index < counts)
    gen_jet, has_match = global_index(index[matched], counts, index_branch, naming.gen_jets), columns.flat(matched)
    kinematics = {}
    for name, column in gen_jets.items():
        values = columns.flat(column)
        kinematics[name] = np.full(len(has_match), np.nan, values.dtype)
        kinematics[name][has_match] = values[gen_jet]
    return kinematics


def jets(events: ak.Array, naming: Naming) -> ak.Array:
    """Jets with constituents, and truth where there are generated particles, shape (n_events, var)."""
    available = columns.names(events)
    columns.require(naming.required, available, naming.dialect)
    branches = columns.chosen(events, naming.fields(available), f"{naming.jets}_")
    counts = ak.num(branches["pt"])
    keys = np.repeat(event_keys(events), columns.flat(counts))
    flat_columns = {name: ak.flatten(column) for name, column in branches.items()}
    particles = gen_particles(events) if naming.has_decays else None
    if particles is not None:
        flat_columns["truth_pdg_id"] = ak.flatten(truth_pdg_id(ak.zip(branches, depth_limit=1), particles))
    flat_columns |= true_kinematics(events, naming)
    flat_columns |= {"event_key": keys, "constituents": constituents(events, naming)}
    return ak.unflatten(columns.momenta(flat_columns), counts)


def record(events: ak.Array, large: Naming, small: Naming) -> ak.Array:
    """Events in the form of the package, with those of the two kinds of jets that they have, shape (n_events,)."""
    available = columns.names(events)
    kinds = {"jets": large, "ak4_jets": small}
    there = {name: naming for name, naming in kinds.items() if not columns.missing(naming.required, available)}
    # Without either the error is that of the large ones.
    branches: dict[str, Any] = {name: jets(events, naming) for name, naming in (there or {"jets": large}).items()}
    branches["event_key"] = event_keys(events)
    branches |= columns.chosen(events, EVENT) | columns.chosen(events, {"weight": "genWeight"})
    particles = gen_particles(events)
    if particles is not None:
        branches["gen_particles"] = particles
    return columns.records(branches)
