"""Small invented ROOT files of each dialect, made from the toy jets: same jets, other branch names.

Every writer returns the jets that the file must give back, shape (n_events, var).
"""

import awkward as ak
import h5py
import numpy as np
import uproot
from toys import toy_event_jets, toy_jets

LAST_COPY = 1 << 13


def write_tree(path, columns, tree="Events"):
    """Write columns to one TTree; a jagged record `part` becomes part_px, ... with the counter npart."""
    columns = {name: ak.Array(column) for name, column in columns.items()}
    with uproot.recreate(path) as file:
        types = {name: column.type for name, column in columns.items()}
        file.mktree(tree, types, counter_name=lambda counted: "n" + counted).extend(columns)


def branches(columns):
    """The same columns as plain arrays: what the tree would give back, one field a branch."""
    plain = {}
    for name, column in columns.items():
        column = ak.Array(column)
        fields = {f"{name}_{field}": column[field] for field in column.fields}
        plain |= fields or {name: column}
    return ak.zip(plain, depth_limit=1)


def _renamed(jagged, names):
    """Choose and rename fields, at the depth of the records."""
    return ak.zip({new: jagged[old] for new, old in names.items() if old in jagged.fields}, depth_limit=2)


def _momentum(particles):
    """Cartesian components of massive particles."""
    pt, eta, phi, mass = (ak.values_astype(particles[name], np.float64) for name in ("pt", "eta", "phi", "mass"))
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    return px, py, pz, np.sqrt(px**2 + py**2 + pz**2 + mass**2)


def _float32(array):
    return ak.values_astype(array, np.float32)


# ---------------------------------------------------------------- CMS: constituents by index


def separated_event_jets(n_events, seed):
    """Jets of events, none within 1.6 of another, so that each holds its own quarks only."""
    jets = toy_event_jets(n_events, seed)
    delta_eta = jets.eta[:, :, np.newaxis] - jets.eta[:, np.newaxis]
    delta_phi = (jets.phi[:, :, np.newaxis] - jets.phi[:, np.newaxis] + np.pi) % (2 * np.pi) - np.pi
    return jets[ak.sum(np.hypot(delta_eta, delta_phi) < 1.6, axis=2) == 1]


def generator_particles(jets):
    """A W boson and its two quarks, 0.1 either side of the axis in eta, for each jet that is called a W."""
    bosons = jets[jets.truth_pdg_id == 24]
    n = ak.sum(ak.num(bosons))
    first = 3 * ak.to_numpy(ak.flatten(ak.local_index(bosons.pt)))
    pt, eta, phi = (ak.to_numpy(ak.flatten(bosons[name]))[:, None] for name in ("pt", "eta", "phi"))
    columns = {
        "pt": pt * np.float32([1, 0.5, 0.5]),
        "eta": eta + np.float32([0, 0.1, -0.1]),
        "phi": np.repeat(phi, 3, axis=1),
        "mass": np.tile(np.float32([80.4, 0, 0]), (n, 1)),
        "pdgId": np.tile(np.int32([24, 2, -1]), (n, 1)),
        "status": np.tile(np.int32([22, 23, 23]), (n, 1)),
        "statusFlags": np.full((n, 3), LAST_COPY, np.uint16),
        "genPartIdxMother": np.stack([np.full(n, -1), first, first], axis=1).astype(np.int16),
    }
    counts = 3 * ak.num(bosons)
    return ak.zip({name: ak.unflatten(column.ravel(), counts) for name, column in columns.items()})


def linked_candidates(jets, seed, shuffle_links=False):
    """Constituents as one shuffled list an event, and the links (jet, candidate) in the order of the jets."""
    rng = np.random.default_rng(seed)
    owner, candidates = ak.broadcast_arrays(ak.local_index(jets.pt), jets.constituents, depth_limit=3)
    owner, candidates = ak.flatten(owner, axis=2), ak.flatten(candidates, axis=2)

    def shuffled_index():
        return ak.argsort(ak.unflatten(rng.random(ak.sum(ak.num(owner))), ak.num(owner)))

    order = shuffled_index()
    links = ak.zip(
        {"jet": ak.values_astype(owner, np.int32), "candidate": ak.values_astype(ak.argsort(order), np.int32)}
    )
    return candidates[order], links[shuffled_index()] if shuffle_links else links


def in_cm(candidates):
    """Candidates with their lengths as files of CMS have them."""
    for name in ("d0", "d0_err", "dz", "dz_err"):
        candidates = ak.with_field(candidates, candidates[name] / np.float32(10), name)
    return candidates


def with_ak4_jets(columns, links="JetPFCand", keep_large=True):
    """CMS columns with `Jet`, which are their `FatJet` too, linked to the same candidates, with flavour by mass."""
    fat, (large,) = columns["FatJet"], (name for name in columns if name.startswith("FatJetPFCand"))
    jets = _renamed(fat, {name: name for name in ("pt", "eta", "phi", "mass")})
    flavour = ak.values_astype(ak.where(fat.mass > 60, 5, ak.where(fat.tau1 > 0.2, 4, 0)), np.uint8)
    small = {"Jet": ak.with_field(jets, flavour, "hadronFlavour"), links: columns[large]}
    rest = columns if keep_large else {name: columns[name] for name in columns if name not in ("FatJet", large)}
    return rest | small


def cms_columns(jets, seed=1, *, links="FatJetPFCand", candidate_index="pfCandIdx", candidates="PFCand", **options):
    """Columns of a NanoAOD-like tree; the defaults are the names of version 15."""
    rng = np.random.default_rng(seed)
    n = len(jets)
    listed, linked = linked_candidates(jets, seed, **options)
    kinematics = {name: name for name in ("pt", "eta", "phi", "mass")}
    return {
        "run": np.full(n, 1, np.uint32),
        "luminosityBlock": (1 + np.arange(n) // 50).astype(np.uint32),
        "event": (1 + np.arange(n)).astype(np.uint64),
        "genWeight": rng.uniform(0.5, 1.5, n).astype(np.float32),
        "FatJet": _renamed(
            jets, kinematics | {"msoftdrop": "soft_drop_mass", "tau1": "tau1", "tau2": "tau2", "tau3": "tau3"}
        ),
        links: _renamed(linked, {"jetIdx": "jet", candidate_index: "candidate"}),
        candidates: _renamed(
            in_cm(listed),
            kinematics
            | {
                "charge": "charge",
                "pdgId": "pdg_id",
                "d0": "d0",
                "d0Err": "d0_err",
                "dz": "dz",
                "dzErr": "dz_err",
            },
        ),
        "GenPart": generator_particles(jets),
    }


def write_nanoaod(path, n_events=100, seed=1, **options):
    """A file of CMS NanoAOD v15 form."""
    jets = separated_event_jets(n_events, seed)
    write_tree(path, cms_columns(jets, seed, **options))
    return jets


def write_pfnano(path, n_events=100, seed=1, **options):
    """A file of CMS PFNano form: the same links under other names."""
    names = {"links": "FatJetPFCands", "candidate_index": "pFCandsIdx", "candidates": "PFCands"}
    jets = separated_event_jets(n_events, seed)
    write_tree(path, cms_columns(jets, seed, **names, **options))
    return jets


# ---------------------------------------------------------------- one jet an entry


def write_jetclass(path, n=100, seed=1, numbered=False):
    """A file of JetClass form, or (numbered) of JetClass-II form with one integer label."""
    jets = toy_jets(n, seed)
    px, py, pz, energy = (_float32(component) for component in _momentum(jets.constituents))
    constituents, charge = jets.constituents, jets.constituents.charge
    is_w = ak.to_numpy(jets.truth_pdg_id == 24)
    labels = {"jet_label": is_w.astype(np.int32)} if numbered else {"label_QCD": ~is_w, "label_Wqq": is_w}
    jet_columns = {f"jet_{name}": jets[name] for name in ("pt", "eta", "phi", "tau1", "tau2", "tau3")}
    part = {
        "px": px,
        "py": py,
        "pz": pz,
        "energy": energy,
        "d0val": constituents.d0,
        "d0err": constituents.d0_err,
        "dzval": constituents.dz,
        "dzerr": constituents.dz_err,
        "charge": charge,
        "isElectron": ak.zeros_like(charge, dtype=bool),
        "isMuon": ak.zeros_like(charge, dtype=bool),
        "isPhoton": charge == 0,
        "isChargedHadron": charge != 0,
        "isNeutralHadron": ak.zeros_like(charge, dtype=bool),
    }
    columns = {
        "part": ak.zip(part),
        **jet_columns,
        "jet_energy": _float32(_momentum(jets)[3]),
        "jet_sdmass": jets.soft_drop_mass,
        **labels,
    }
    write_tree(path, columns, tree="tree")
    return ak.unflatten(jets, 1)


def toptagging_momenta(jets):
    """Components px, py, pz, energy of the constituents as the top-tagging files have them: massless."""
    return [_float32(component) for component in _momentum(ak.with_field(jets.constituents, np.float32(0), "mass"))]


def write_toptagging(path, n=100, seed=1):
    """A file of the top-tagging reference data, ROOT form."""
    jets = toy_jets(n, seed)
    momenta = dict(zip(("px", "py", "pz", "energy"), toptagging_momenta(jets)))
    columns = {
        "part": ak.zip(momenta),
        **{f"jet_{name}": _float32(ak.sum(component, axis=1)) for name, component in momenta.items()},
        "is_signal_new": ak.to_numpy(jets.truth_pdg_id == 24).astype(np.int8),
    }
    write_tree(path, columns, tree="tree")
    return ak.unflatten(jets, 1)


def toptagging_table(n=100, seed=1, slots=200):
    """Columns E_0, PX_0, ... of the top-tagging reference data, HDF5 form, zero-padded; and the jets."""
    jets = toy_jets(n, seed)
    momenta = dict(zip(("PX", "PY", "PZ", "E"), toptagging_momenta(jets)))
    padded = {
        name: ak.to_numpy(ak.fill_none(ak.pad_none(component, slots, clip=True), 0)).astype(np.float32)
        for name, component in momenta.items()
    }
    columns = {f"{name}_{slot}": padded[name][:, slot] for slot in range(slots) for name in ("E", "PX", "PY", "PZ")}
    columns["is_signal_new"] = ak.to_numpy(jets.truth_pdg_id == 24).astype(np.int64)
    return columns, ak.unflatten(jets, 1)


def write_toptagging_hdf5(path, n=100, seed=1, slots=60):
    """A file of the top-tagging reference data, HDF5 form: one table with named columns."""
    columns, jets = toptagging_table(n, seed, slots)
    rows = np.empty(n, dtype=[(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        rows[name] = column
    with h5py.File(path, "w") as file:
        file.create_dataset("table", data=rows)
    return jets
