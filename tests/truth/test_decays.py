"""Matching of jets to hadronic decays."""

from functools import cache

import awkward as ak
import numpy as np
import pytest
from real_files import columns_of

from cortado.readers import nanoaod
from cortado.truth import truth_pdg_id

LAST_COPY = 1 << 13
PRIORITY = [6, 25, 23, 24]


class Event(list):
    """Particles of one event, as dictionaries."""

    def add(self, pdg_id, mother=-1, eta=0.0, phi=0.0):
        self.append({"pdg_id": pdg_id, "mother": mother, "eta": eta, "phi": phi})
        return len(self) - 1

    def add_decay(self, mother, products, rng, spread=0.6):
        eta, phi = self[mother]["eta"], self[mother]["phi"]
        offsets = rng.normal(0, spread, (len(products), 2))
        return [
            self.add(pdg_id, mother, eta + a, (phi + b + np.pi) % (2 * np.pi) - np.pi)
            for pdg_id, (a, b) in zip(products, offsets, strict=True)
        ]

    def add_copies(self, particle, rng):
        for _ in range(rng.integers(0, 4)):
            particle = self.add(self[particle]["pdg_id"], particle, self[particle]["eta"], self[particle]["phi"])
        return particle


def decay(event, particle, rng):
    """Let W, Z, H decay to quarks or leptons, and a top to W b; with copies and radiation."""
    first = particle
    particle = event.add_copies(particle, rng)
    if particle != first:
        event.add(3, first)
    pdg_id = event[particle]["pdg_id"]
    if abs(pdg_id) == 6:
        w, _ = event.add_decay(particle, [24 * np.sign(pdg_id), 5 * np.sign(pdg_id)], rng, 0.3)
        return decay(event, w, rng)
    products = [[2, -1], [-11, 12]] if abs(pdg_id) == 24 else [[5, -5], [11, -11]]
    first, _ = event.add_decay(particle, products[rng.random() < 0.3], rng, 0.4)
    gluon = event.add(21, event.add_copies(first, rng))
    return event.add_decay(gluon, [1, -1], rng)  # quarks that come from no heavy particle


def random_event(rng):
    event = Event()
    for _ in range(rng.integers(0, 4)):
        pdg_id = int(rng.choice([6, -6, 24, -24, 23, 25]))
        decay(event, event.add(pdg_id, -1, rng.normal(), rng.uniform(-np.pi, np.pi)), rng)
    return event


def shuffled(event, rng):
    """The same event with its particles in another order."""
    order = rng.permutation(len(event))
    place = np.argsort(order).tolist()
    return [event[k] | {"mother": place[event[k]["mother"]] if event[k]["mother"] >= 0 else -1} for k in order]


def particles(events):
    columns = ("pdg_id", "mother", "eta", "phi")
    types = {"pdg_id": np.int32, "mother": np.int16, "eta": np.float32, "phi": np.float32}
    counts = np.array([len(event) for event in events], dtype=np.int64)
    flat = {name: np.array([p[name] for event in events for p in event], dtype=types[name]) for name in columns}
    return ak.unflatten(ak.zip(flat), counts)


def random_jets(gen_particles, rng):
    """One jet near each third particle, and one anywhere."""
    eta = ak.concatenate([gen_particles.eta[:, ::3], np.zeros((len(gen_particles), 1))], axis=1)
    phi = ak.concatenate([gen_particles.phi[:, ::3], np.full((len(gen_particles), 1), 3.1)], axis=1)
    return ak.zip({"eta": eta, "phi": phi})


def slow_truth(jets, gen_particles, radius):
    """Loops over events, jets, heavy particles and quarks."""
    found = []
    for event_jets, event in zip(jets.tolist(), gen_particles.tolist(), strict=True):
        decays = []
        for heavy in range(len(event)):
            kind = abs(event[heavy]["pdg_id"])
            if last_copy(event, heavy) != heavy:
                continue
            quarks = daughters(event, heavy)
            if kind in (23, 24, 25) and len(quarks) == 2:
                decays.append((kind, quarks))
            if kind == 6 and len(quarks) == 1:
                w = [k for k, p in enumerate(event) if p["mother"] == heavy and abs(p["pdg_id"]) == 24]
                from_w = daughters(event, last_copy(event, w[0]))
                decays += [(6, quarks + from_w)] if len(from_w) == 2 else []
        found.append([best(jet, decays, radius) for jet in event_jets])
    return found


def daughters(event, mother):
    return [p for p in event if p["mother"] == mother and 1 <= abs(p["pdg_id"]) <= 5]


def last_copy(event, particle):
    for k, candidate in enumerate(event):
        if candidate["mother"] == particle and candidate["pdg_id"] == event[particle]["pdg_id"]:
            return last_copy(event, k)
    return particle


def best(jet, decays, radius):
    inside = {kind for kind, quarks in decays if all(distance(jet, quark) < radius for quark in quarks)}
    touched = any(distance(jet, quark) < radius for _, quarks in decays for quark in quarks)
    return next((kind for kind in PRIORITY if kind in inside), -1 if touched else 0)


def distance(a, b):
    delta_phi = (a["phi"] - b["phi"] + np.pi) % (2 * np.pi) - np.pi
    return np.hypot(a["eta"] - b["eta"], delta_phi)


@pytest.mark.parametrize("radius", [0.4, 0.8, 1.5])
def test_slow_twin_agrees(radius):
    rng = np.random.default_rng(5)
    gen_particles = particles([shuffled(random_event(rng), rng) for _ in range(150)])
    jets = random_jets(gen_particles, rng)
    found = truth_pdg_id(jets, gen_particles, radius)
    assert found.tolist() == slow_truth(jets, gen_particles, radius)
    if radius == 1.5:
        assert set(ak.flatten(found).tolist()) == {-1, 0, 6, 23, 24, 25}


def w_event(quark_phi=(0.3, -0.3), pdg_id=24, phi=0.0):
    event = Event()
    heavy = event.add(pdg_id, phi=phi)
    for quark, offset in zip((1, -2), quark_phi, strict=True):
        event.add(quark, heavy, phi=offset)
    return event


def truth_of_one_jet(event, eta=0.0, phi=0.0):
    jets = ak.Array([[{"eta": eta, "phi": phi}]])
    return truth_pdg_id(jets, particles([event]))[0, 0]


@pytest.mark.parametrize("pdg_id", [23, 24, -24, 25])
def test_both_quarks_must_be_inside(pdg_id):
    assert truth_of_one_jet(w_event(pdg_id=pdg_id)) == abs(pdg_id)
    assert truth_of_one_jet(w_event((0.3, -0.9), pdg_id=pdg_id)) == -1
    assert truth_of_one_jet(w_event((1.0, -0.9), pdg_id=pdg_id)) == 0


def test_distance_wraps_around():
    assert truth_of_one_jet(w_event((np.pi - 0.1, -np.pi + 0.3)), phi=np.pi) == 24


def test_merged_top_is_a_top_and_half_merged_is_a_w():
    for b_phi, expected in ((0.5, 6), (1.5, 24)):
        event = Event()
        top = event.add(6)
        w = event.add(24, event.add(24, top))
        event.add(5, top, phi=b_phi)
        for pdg_id, phi in ((2, 0.2), (-1, -0.2)):
            event.add(pdg_id, w, phi=phi)
        assert truth_of_one_jet(event) == expected


def test_other_particles_are_not_heavy():
    assert truth_of_one_jet(w_event(pdg_id=21)) == 0
    leptonic = Event()
    w = leptonic.add(24)
    for pdg_id in (-11, 12):
        leptonic.add(pdg_id, w)
    assert truth_of_one_jet(leptonic) == 0


def test_no_jets_no_particles_no_events():
    no_jets = ak.Array([{"eta": [0.0], "phi": [0.0]}])[:0]
    empty = particles([])
    assert len(truth_pdg_id(ak.zip({"eta": no_jets.eta, "phi": no_jets.phi}), empty)) == 0
    jets = ak.zip({"eta": ak.Array([[0.0], []]), "phi": ak.Array([[0.0], []])})
    assert truth_pdg_id(jets, particles([Event(), w_event()])).tolist() == [[0], []]
    assert truth_pdg_id(jets, particles([w_event(), Event()])).tolist() == [[24], []]


def test_broken_mother_is_an_error():
    event = w_event()
    event[2]["mother"] = 3
    with pytest.raises(ValueError, match="mother = 3 in event 0, which has 3 gen_particles"):
        truth_of_one_jet(event)


def test_events_must_be_the_same():
    jets = ak.zip({"eta": ak.Array([[0.0], []]), "phi": ak.Array([[0.0], []])})
    with pytest.raises(ValueError, match="2 events of jets, but 1 events of gen_particles"):
        truth_pdg_id(jets, particles([w_event()]))


def test_mothers_in_a_circle_do_not_hang():
    event = Event([{"pdg_id": 24, "mother": (k + 1) % 3, "eta": 0.0, "phi": 0.0} for k in range(3)])
    event.add(1, 0)
    event.add(-2, 0)
    assert truth_of_one_jet(event) == 0


@cache
def real_record(folder):
    return nanoaod.record(columns_of(folder / "jets" / "nano_tt_v15.root", nanoaod))


def test_real_top_pairs(test_data):
    record = real_record(test_data)
    found = truth_pdg_id(record.jets, record.gen_particles)
    assert found.tolist() == slow_truth(record.jets, record.gen_particles, 0.8)
    codes, counts = np.unique(ak.flatten(found), return_counts=True)
    assert dict(zip(codes.tolist(), counts.tolist(), strict=True)) == {-1: 40, 0: 12, 6: 3, 24: 9}


def test_last_copies_are_those_that_cms_marks(test_data):
    gen = real_record(test_data).gen_particles
    checked = 0
    for event in gen.tolist():
        for k, particle in enumerate(event):
            if abs(particle["pdg_id"]) in (6, 24):
                assert (last_copy(event, k) == k) == (particle["status_flags"] & LAST_COPY > 0)
                checked += 1
    assert checked > 1000


def test_remnants_on_earlier_copies_are_not_of_the_decay():
    event = Event()
    first = event.add(24)
    last = event.add(24, first)
    event.add(1, first, phi=3.0)
    for pdg_id, phi in ((2, 0.2), (-1, -0.2)):
        event.add(pdg_id, last, phi=phi)
    assert truth_of_one_jet(event) == 24
