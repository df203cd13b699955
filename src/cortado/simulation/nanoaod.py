"""Events with jets, candidates and truth, in the branches of CMS NanoAOD v15."""

from __future__ import annotations

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.simulation.clustering import substructure
from cortado.simulation.gen_jets import matched


def collections(
    jets: ak.Array, candidates: ak.Array, gen_particles: ak.Array, gen_jets: ak.Array
) -> dict[str, ak.Array]:
    """Assemble ``FatJet``, ``PFCand``, ``FatJetPFCand``, ``GenPart``, ``GenJetAK8`` and ``genWeight`` of events.

    As in CMS only candidates that belong to a jet are kept, and ``FatJetPFCand`` links the two by index. ``genWeight``
    is 1: samples are flat in pT by construction, not by weight.

    Args:
        jets: From ``anti_kt``, shape (n_events, var).
        candidates: Those that the jets were made of, shape (n_events, var).
        gen_particles: From ``hard_process``, shape (n_events, var).
        gen_jets: From ``gen_jets``, shape (n_events, var).
    """
    in_event = ak.to_numpy(ak.num(candidates))
    links_in_event = ak.to_numpy(ak.sum(ak.num(jets.candidate, axis=2), axis=1))
    chosen = ak.to_numpy(ak.flatten(jets.candidate, axis=None)) + np.repeat(_starts(in_event), links_in_event)
    linked = np.zeros(in_event.sum(), bool)
    linked[chosen] = True
    kept_in_event = ak.to_numpy(ak.sum(ak.unflatten(linked, in_event), axis=1))
    position = (np.cumsum(linked) - 1)[chosen] - np.repeat(_starts(kept_in_event), links_in_event)
    jet_index = ak.broadcast_arrays(ak.local_index(jets.candidate, axis=1), jets.candidate)[0]
    links = {
        "jetIdx": ak.to_numpy(ak.flatten(jet_index, axis=None)).astype(np.int32),
        "pfCandIdx": position.astype(np.int32),
    }
    flat = ak.flatten(candidates)
    constituents = ak.unflatten(flat[chosen], ak.flatten(ak.num(jets.candidate, axis=2)))
    fat_jets = ak.unflatten(_fat_jets(ak.flatten(jets), constituents), ak.num(jets))
    return {
        "FatJet": ak.with_field(fat_jets, matched(jets, gen_jets), "genJetAK8Idx"),
        "PFCand": ak.unflatten(flat[linked], kept_in_event),
        "FatJetPFCand": ak.unflatten(ak.zip(links), links_in_event),
        "GenPart": gen_particles,
        "GenJetAK8": gen_jets,
        "genWeight": ak.Array(np.ones(len(jets), np.float32)),
    }


def _fat_jets(jets: ak.Array, constituents: ak.Array) -> ak.Array:
    """Flat jets with their substructure, under the names and types of CMS."""
    shape = substructure(constituents)
    columns = {
        **{name: jets[name] for name in ("pt", "eta", "phi", "mass")},
        "msoftdrop": shape.soft_drop_mass,
        **{f"tau{n}": shape.tau[:, n - 1] for n in (1, 2, 3, 4)},
    }
    counts = np.minimum(ak.to_numpy(ak.num(constituents)), 255)  # a byte in CMS: saturates
    return ak.zip(
        {name: ak.values_astype(column, np.float32) for name, column in columns.items()}
        | {"nConstituents": counts.astype(np.uint8)}
    )


def _starts(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Index of the first element of every list."""
    return np.cumsum(counts) - counts
