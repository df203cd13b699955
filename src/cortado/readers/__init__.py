"""Ntuple dialects: events as a file has them -> records as the rest of the package wants them.

A record is an awkward array of events with the fields

- `jets` (n_events, var): pt, eta, phi, mass (GeV, rad), event_key, constituents; where the file has them
  soft_drop_mass, tau1 to tau4, and the truth: truth_pdg_id (CMS dialects and Delphes, see `truth`), label_QCD, ... or
  label (JetClass, CMS dialects), label_b, ... (PHYSLITE), flavour (5, 4, 0), is_signal (top tagging);
- in the CMS dialects and Delphes `ak4_jets`, those of radius 0.4, of the same form, beside the `jets` of radius 0.8, or
  alone;
- their `constituents` (var): pt, eta, phi, mass; where the file has them charge, pdg_id, d0, d0_err, dz, dz_err
  (mm), puppi_weight; in the order of the file;
- their `tracks` (var), in the dialects made for vertices: perigee parameters d0, z0 (mm), phi, theta, q_over_p (1/GeV),
  with pt, eta, charge, mass, where the file has it the covariance cov_d0_d0, cov_d0_z0, ... (see `perigee`), and the
  truth: vertex_index (equal in a jet for tracks of one vertex, 0 for the primary one; each fake is alone) and
  vertex_type (0 primary, 1 decay of a b hadron, 2 of a c hadron from one, 3 of another c hadron, 4 of another
  particle, 5 pile-up, 6 fake); other partitions of the tracks are <name>_vertex_index. The jets then have the truth
  flavour (5, 4, 0) and true_vertices (var): x, y, z (mm), vertex_index, vertex_type;
- `tracks` (n_events, var), all of an event, and their true_vertices, where the file has more than those of jets
  (EDM4hep);
- instead of constituents `charged`, `neutral` and `vertices` (var) of the jets, which then have neither phi nor mass
  (DeepNTuple, see there);
- in the dialects of calorimeters, instead of jets, `showers` (n_events, var): the incident `energy` and the cells of
  each layer, `layer_0` (rows, columns), `layer_1`, ... (GeV), event_key; where the file has them `overflow` (GeV),
  pdg_id and is_generated (made by a network);
- in the dialects of trackers, instead of jets, `hits` (n_events, var): x, y, z (mm), layer (counted over the whole
  detector), and where the file has them volume, module, cells (how many), charge, and the truth: particle_id (0 for
  noise), weight; with it the true `particles` (n_events, var): particle_id, n_hits, their `hits` (var) in the order in
  which they were left, and where they are known px, py, pz (GeV), vx, vy, vz (mm), charge, pdg_id; and in prepared
  graphs the `edges` (n_events, var): inner, outer (positions of hits in the event), label. See `hit_records`;
- in the dialect of monitoring, instead of jets, `maps` (n_events, 1): run, lumi, name, entries, `values` (counts, bins
  or rows and columns), event_key (of the run), and the truth of simulated ones: fault, fault_cells. See `occupancy`;
- in the LHC Olympics, instead of jets, the `candidates` (n_events, var) to be clustered: pt, eta, phi, mass; in tables
  of dijets only numbers of the event: mjj, mj1, mj2, delta_mj (GeV), tau21_1, tau21_2, more in `lhco_features`. All
  have is_signal;
- `event_key`: 64 bits that name the event (see `event_keys`), for `splits`;
- in Delphes and PHYSLITE `primary_vertices`: x, y, z (mm);
- where the file has them `run`, `luminosity_block`, `event`, `weight` (of the generator), `gen_particles`: pt, eta,
  phi, mass, pdg_id, status, status_flags, mother (position in the event, -1: none), vx, vy, vz (mm, of Delphes), and
  `secondary_vertices` (NanoAOD v15, see `nanoaod.secondary_vertices`).

All lengths are in mm, whatever unit the file has. Jets, constituents and gen_particles are vectors of scikit-hep's
*vector* (`jets.energy`). What a file lacks is not in the record, and no other number is changed: a NaN in the file is a
NaN in the record.

Each dialect is a module: its `NAME`, its `FORMS` (sets of branches by which it is recognised), and the pure
functions `branches(available)`, `jets(events)` or `showers(events)`, `record(events)`. A `Mapping` is a dialect of your
own branches, without code; a module of your own with these names is one too.
"""

from __future__ import annotations

from collections.abc import Collection
from types import ModuleType
from typing import Any

import awkward as ak

from cortado.names import nearest, require_one_of
from cortado.readers import (
    acts_csv,
    calochallenge,
    calogan,
    columns,
    deepntuple,
    delphes,
    dijets,
    edm4hep,
    hit_graphs,
    hits,
    jetclass,
    lhc_olympics,
    lhco_features,
    nanoaod,
    occupancy,
    pfnano,
    physlite,
    ramp,
    set2graph,
    toptagging,
    trackml,
    velo,
)
from cortado.readers.mapping import Mapping
from cortado.readers.nanoaod_columns import nanoaod_mapping

__all__ = [
    "DIALECTS",
    "Dialect",
    "Mapping",
    "acts_csv",
    "ak4_jets",
    "calochallenge",
    "calogan",
    "deepntuple",
    "delphes",
    "dialect",
    "dijets",
    "edm4hep",
    "hit_graphs",
    "hits",
    "jetclass",
    "jets",
    "lhc_olympics",
    "lhco_features",
    "nanoaod",
    "nanoaod_mapping",
    "occupancy",
    "pfnano",
    "physlite",
    "ramp",
    "record",
    "set2graph",
    "showers",
    "toptagging",
    "trackml",
    "tracks",
    "velo",
]

Dialect = ModuleType | Mapping
"""What makes records of events: a module of this room or of your own, or a `Mapping`."""

DIALECTS: tuple[ModuleType, ...] = (
    nanoaod,
    pfnano,
    jetclass,
    toptagging,
    edm4hep,
    deepntuple,
    delphes,
    physlite,
    set2graph,
    calogan,
    calochallenge,
    hits,
    trackml,
    acts_csv,
    velo,
    hit_graphs,
    ramp,
    occupancy,
    dijets,
    lhc_olympics,
    lhco_features,
)
"""The dialects that are recognised, in the order in which they are tried."""


_OF_ANY = {"run", "luminosityBlock", "event"}  # branches that tell nothing of the dialect


def dialect(available: Collection[str], path: str = "", *, name: str | Dialect | None = None) -> Dialect:
    """Recognise the dialect by the names of the branches.

    Args:
        available: Names of all branches.
        path: Where they come from, for the message.
        name: NAME of the only dialect to try, or the dialect itself.

    Returns:
        The dialect.

    Raises:
        ValueError: If they are of no dialect (says what each lacks, nearest first), or the name is unknown.
    """
    forms = [(reader, form) for reader in _candidates(name) for form in reader.FORMS]
    tried = [(reader, columns.missing(form, available), max(len(set(form) - _OF_ANY), 1)) for reader, form in forms]
    nearest_first = sorted(tried, key=lambda one: len(one[1]) / one[2])
    reader: Dialect = nearest_first[0][0]
    absent = nearest_first[0][1]
    if not absent:
        return reader
    if isinstance(reader, Mapping):
        said = "; ".join(f"{branch} ({nearest(branch, available)})" for branch in absent)
        raise ValueError(f"{path or 'these events'}: {reader.NAME}: no branch {said}")
    lacking: dict[str, list[str]] = {}
    for other, absent, _ in nearest_first:
        lacking.setdefault(other.NAME, absent)
    needs = "".join(f"\n  {name} also needs {', '.join(absent)}" for name, absent in lacking.items())
    own = "" if name else f"\n{_own(available)}"
    raise ValueError(f"{path or 'these events'}: not of a known dialect{_guess(available)}{needs}{own}")


def _candidates(name: str | Dialect | None) -> list[Any]:
    known = {module.NAME: module for module in DIALECTS}
    if name is None:
        return list(DIALECTS)
    if not isinstance(name, str):
        return [name]
    require_one_of("dialect", name, known)
    return [known[name]]


def _own(available: Collection[str]) -> str:
    """How a file of no dialect is read: columns of NanoAOD by their names, others by a mapping."""
    if "luminosityBlock" in available and not {"Jet_pt", "FatJet_pt", "Muon_pt"}.isdisjoint(available):
        return "for its columns alone: dialect=cortado.readers.nanoaod_mapping({'jets': ('Jet', ('pt', ...))})"
    return "for branches of your own: dialect=cortado.readers.Mapping(jets={'pt': BRANCH, ...})"


def _guess(available: Collection[str]) -> str:
    """What a file that cannot be used probably is."""
    is_nano = "luminosityBlock" in available and not {"Jet_pt", "FatJet_pt"}.isdisjoint(available)
    if is_nano and not any(name.startswith("PFCand") for name in available):
        return (
            " (NanoAOD without particle-flow candidates; version 15 and PFNano have them; "
            "readers.nanoaod_mapping reads the columns of any)"
        )
    return ""


def record(events: ak.Array) -> ak.Array:
    """Events of any dialect, plain arrays or coffea NanoEvents, in the form of the package.

    Args:
        events: Events, shape (n_events,).

    Returns:
        Record, shape (n_events,), see above.

    Raises:
        ValueError: If the events are of no known dialect, or a link in them points nowhere.
    """
    events_in_form: ak.Array = dialect(columns.names(events)).record(events)
    return events_in_form


def jets(events: ak.Array) -> ak.Array:
    """Jets of events of any dialect, plain arrays or coffea NanoEvents.

    Args:
        events: Events, shape (n_events,).

    Returns:
        Jets with constituents, shape (n_events, var); see `nanoaod.jets`.

    Raises:
        ValueError: If the events are of no known dialect, or of one without jets, or a link in them points nowhere.
    """
    return _objects(events, "jets", instead="showers")


def ak4_jets(events: ak.Array) -> ak.Array:
    """Jets of radius 0.4 of CMS or Delphes events with candidates, plain arrays or coffea NanoEvents.

    Args:
        events: Events, shape (n_events,).

    Returns:
        Jets with constituents, shape (n_events, var), aligned with `Jet`; see `nanoaod.ak4_jets`.

    Raises:
        ValueError: If the events are of no known dialect, or of one without such jets, or a link in them points
            nowhere.
        KeyError: If they have the other jets alone.
    """
    return _objects(events, "ak4_jets", instead="jets")


def tracks(events: ak.Array) -> ak.Array | None:
    """All tracks of events of any dialect, from which their primary vertices can be fitted.

    Args:
        events: Events, shape (n_events,).

    Returns:
        Tracks, shape (n_events, var), see `edm4hep.tracks`; None if the dialect has those of jets alone, or none.

    Raises:
        ValueError: If the events are of no known dialect, or a link in them points nowhere.
    """
    module: Any = dialect(columns.names(events))
    every: ak.Array | None = module.tracks(events) if "tracks" in module.__all__ else None
    return every


def showers(events: ak.Array) -> ak.Array:
    """Showers of events of any dialect, plain arrays or coffea NanoEvents.

    Args:
        events: Events, shape (n_events,).

    Returns:
        Showers with the cells of each layer, shape (n_events, var); see `calogan.showers`.

    Raises:
        ValueError: If the events are of no known dialect, or of one without showers, or a layer has not the same
            cells in all showers.
    """
    return _objects(events, "showers", instead="jets")


def _objects(events: ak.Array, kind: str, instead: str) -> ak.Array:
    module: Any = dialect(columns.names(events))
    if kind not in module.__all__:
        raise ValueError(f"{module.NAME} events have no {kind}, they have {instead}: use readers.{instead}")
    objects: ak.Array = getattr(module, kind)(events)
    return objects
