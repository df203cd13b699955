"""Branches of a user's own as a dialect: the same record as a dialect of ours, units, shapes, and what is refused."""

import json
from dataclasses import asdict

import awkward as ak
import numpy as np
import pytest
from samples import separated_event_jets, write_nanoaod, write_tree

import cortado
from cortado import reading
from cortado.event_keys import event_key
from cortado.readers import Mapping, nanoaod_mapping
from cortado.readers import columns as columns_of_vector
from cortado.representations import Columns

JETS = {"pt": "fj_pt", "eta": "fj_eta", "phi": "fj_phi", "mass": ("fj_m_mev", 1e-3), "label": "fj_label"}
PARTS = {"pt": "pf_pt", "eta": "pf_eta", "phi": "pf_phi", "mass": "pf_m", "charge": "pf_q"}
OWN = Mapping(jets=JETS, constituents=PARTS, event={"event": "evt", "met": "MET_et"}, weight="w", name="mine")


def momenta(rng, n):
    return {
        "pt": rng.uniform(10, 500, n),
        "eta": rng.normal(0, 1, n),
        "phi": rng.uniform(-3, 3, n),
        "m": rng.uniform(1, 90, n),
    }


def entries(n=20, seed=1, *, nested=True):
    """Events of lists of jets, with lists of lists of constituents; or one jet an entry."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 4, n) if nested else np.ones(n, int)
    jets = momenta(rng, counts.sum()) | {"label": rng.integers(0, 3, counts.sum())}
    jets["m_mev"] = 1000 * jets.pop("m")
    sizes = rng.integers(0, 5, counts.sum())
    parts = momenta(rng, sizes.sum()) | {"q": rng.integers(-1, 2, sizes.sum())}
    columns = {f"fj_{name}": ak.unflatten(values, counts) if nested else values for name, values in jets.items()}
    inner = {f"pf_{name}": ak.unflatten(values, sizes) for name, values in parts.items()}
    columns |= {name: ak.unflatten(each, counts) if nested else each for name, each in inner.items()}
    columns |= {"evt": np.arange(n, dtype=np.uint64), "MET_et": rng.random(n), "w": rng.normal(1, 1, n)}
    return ak.zip(columns, depth_limit=1)


@pytest.mark.parametrize("nested", [True, False])
def test_fields_are_the_branches(nested):
    events = entries(nested=nested)
    record = OWN.record(events)
    jets = ak.flatten(record.jets)
    flat = ak.flatten(events.fj_pt) if nested else events.fj_pt
    assert jets.pt.tolist() == flat.tolist()
    np.testing.assert_allclose(jets.mass, ak.flatten(events.fj_m_mev, axis=None) / 1000)
    assert jets.constituents.charge.tolist() == (ak.flatten(events.pf_q) if nested else events.pf_q).tolist()
    assert record.met.tolist() == events.MET_et.tolist()
    assert record.weight.tolist() == events.w.tolist()
    np.testing.assert_array_equal(record.event_key, event_key(np.zeros(20, int), np.zeros(20, int), np.arange(20)))
    assert ak.all(record.jets.event_key == record.event_key)
    np.testing.assert_allclose(jets.energy, np.sqrt(jets.mass**2 + jets.p**2))  # a vector


def test_nanoaod_by_a_mapping_is_nanoaod(tmp_path):
    """A dialect that is known, written down by hand."""
    path = tmp_path / "nano.root"
    write_nanoaod(path, 30)
    own = Mapping(
        jets={name: f"FatJet_{name}" for name in ("pt", "eta", "phi", "mass")},
        event={"run": "run", "luminosity_block": "luminosityBlock", "event": "event"},
    )
    mine, known = reading.read(path, dialect=own), reading.read(path)
    for name in ("pt", "eta", "phi", "mass", "event_key"):
        assert mine.jets[name].tolist() == known.jets[name].tolist(), name
    assert mine.event_key.tolist() == known.event_key.tolist()


def test_lengths_of_nanoaod_columns_come_in_mm():
    events = {"run": [1], "luminosityBlock": [1], "event": [7], "PV_z": [0.5], "MET_pt": [3.0], "HTXS_Higgs_y": [1.5]}
    events |= {"Muon_pt": [[9.0]], "Muon_dxy": [[0.02]], "Muon_dzErr": [[0.25]], "Muon_sip3d": [[4.0]]}
    wanted = {"muons": ("Muon", ("pt", "dxy", "dzErr", "sip3d"))}
    mapping = nanoaod_mapping(wanted, event=("PV_z", "MET_pt", "HTXS_Higgs_y"), weight=None)
    record = mapping.record(ak.Array(events))
    assert record.muons.tolist() == [[{"pt": 9.0, "dxy": pytest.approx(0.2), "dzErr": 2.5, "sip3d": 4.0}]]
    assert record[["PV_z", "MET_pt", "HTXS_Higgs_y"]].tolist() == [{"PV_z": 5.0, "MET_pt": 3.0, "HTXS_Higgs_y": 1.5}]


def test_constituents_by_the_index_of_their_jet():
    """Linked to a jet, in its order; those of no jet are in none."""
    events = ak.zip(
        {
            "pt": [[500.0, 400.0], [], [300.0]],
            "c": [[1.0, 2.0, 3.0, 4.0], [9.0], [7.0, 8.0]],
            "j": [[1, 0, 1, -1], [-1], [0, 0]],
        },
        depth_limit=1,
    )
    own = Mapping(jets={"pt": "pt"}, constituents={"x": "c", "jet_index": "j"}, event={"event": "n"})
    record = own.record(ak.with_field(events, np.arange(3), "n"))
    assert record.jets.constituents.x.tolist() == [[[2.0], [1.0, 3.0]], [], [[7.0, 8.0]]]
    assert record.jets.constituents.fields == ["x"]
    wrong = ak.with_field(ak.with_field(events, np.arange(3), "n"), ak.Array([[2, 0, 1, -1], [0], [0, 0]]), "j")
    with pytest.raises(ValueError, match=r"constituents\.jet_index: j names 2 times a jet beyond the last"):
        own.record(wrong)


def test_momenta_in_any_coordinates_give_the_mass():
    rng = np.random.default_rng(3)
    p = rng.normal(0, 50, (3, 8))
    mass = rng.uniform(1, 90, 8)
    energy = np.sqrt((p**2).sum(axis=0) + mass**2)
    cartesian = ak.zip({"px": p[0], "py": p[1], "pz": p[2], "e": energy})
    one = Mapping(jets={"px": "px", "py": "py", "pz": "pz", "energy": "e"}).record(cartesian)
    np.testing.assert_allclose(ak.flatten(one.jets.mass), mass, rtol=1e-3)
    pt, eta, phi = (ak.flatten(one.jets[name]) for name in ("pt", "eta", "phi"))
    other = Mapping(jets={name: name for name in ("pt", "eta", "phi", "energy")})
    back = other.record(ak.zip({"pt": pt, "eta": eta, "phi": phi, "energy": energy}))
    np.testing.assert_allclose(ak.flatten(back.jets.mass), mass, rtol=1e-2)


def test_events_of_lists_without_numbers_are_named_by_what_they_hold():
    own = Mapping(collections={"muons": {"pt": "pt"}}, event={"met": "met"})
    events = ak.zip({"pt": [[3.0, 2.0], [], [2.0, 3.0], [3.0, 2.0], []], "met": [1.0, 1, 1, 1, 2]}, depth_limit=1)
    keys = own.record(events).event_key.tolist()
    assert keys[0] == keys[3]
    assert len(set(keys)) == 4
    assert own.record(events[2:]).event_key.tolist() == keys[2:]


def test_entries_without_numbers_are_named_by_what_they_hold():
    own = Mapping(event={"met": "met", "ht": "ht"})
    record = own.record(ak.zip({"met": [1.0, 2.0, 1.0], "ht": [5.0, 5.0, 5.0]}))
    first, second, third = record.event_key.tolist()
    assert first == third != second
    jets = Mapping(jets={"pt": "fj_pt"}).record(ak.zip({"fj_pt": [500.0, 400.0]}))
    assert len(set(jets.event_key.tolist())) == 2


@pytest.mark.parametrize("kind", ["u8", "i4", "f8"])
def test_event_numbers_may_be_whole_floats(kind):
    own = Mapping(event={"event": "n"})
    record = own.record(ak.zip({"n": np.array([3, 5], kind)}))
    np.testing.assert_array_equal(record.event_key, event_key(np.zeros(2, int), np.zeros(2, int), [3, 5]))


def test_collections_of_lists_and_of_plain_numbers():
    own = Mapping(collections={"muons": {"pt": "mu_pt"}, "lead": {"pt": "l_pt"}}, event={"event": "n"})
    record = own.record(ak.zip({"mu_pt": [[1.0], []], "l_pt": [3.0, 4.0], "n": [1, 2]}, depth_limit=1))
    assert record.muons.pt.tolist() == [[1.0], []]
    assert record.lead.pt.tolist() == [[3.0], [4.0]]


def test_fixed_lengths_are_lists():
    events = ak.Array({"a": ak.from_numpy(np.arange(6.0).reshape(3, 2)), "n": np.arange(3)})
    assert Mapping(jets={"pt": "a"}, event={"event": "n"}).record(events).jets.pt.tolist() == events.a.tolist()


def test_files_are_read_and_a_mistyped_branch_named(tmp_path):
    path = tmp_path / "own.root"
    jets = separated_event_jets(10, 1)
    write_tree(path, {"fj_pt": jets.pt, "evt": np.arange(10, dtype=np.int64)}, tree="t")
    own = Mapping(jets={"pt": "fj_pt"}, event={"event": "evt"})
    assert cortado.read(path, dialect=own).jets.pt.tolist() == jets.pt.tolist()
    parts = ak.concatenate(list(reading.iterate([path, path], dialect=own, size=3)))
    assert len(parts) == 20
    wrong = Mapping(jets={"pt": "fjpt"}, event={"event": "evt"})
    with pytest.raises(ValueError, match=r"own.root: own branches: no branch fjpt \(nearest: fj_pt, nfj_pt\)"):
        cortado.read(path, dialect=wrong)
    with pytest.raises(ValueError, match=r"for branches of your own: dialect=cortado.readers.Mapping"):
        cortado.read(path)


def test_a_mapping_comes_back_from_json():
    again = Mapping(**json.loads(json.dumps(asdict(OWN))))
    events = entries()
    assert again.record(events).tolist() == OWN.record(events).tolist()


def test_only_what_a_bundle_asks_for_is_needed():
    """Files without truth and weights are scored by the same mapping."""
    events = entries()
    few = OWN.needed(("mass", "constituents.charge"))
    assert set(few.FORMS[0]) == {
        "fj_pt",
        "fj_eta",
        "fj_phi",
        "fj_m_mev",
        "pf_pt",
        "pf_eta",
        "pf_phi",
        "pf_m",
        "pf_q",
        "evt",
    }
    data = events[[name for name in events.fields if name not in ("fj_label", "w", "MET_et")]]
    record, whole = few.record(data), OWN.record(events)
    assert record.jets.mass.tolist() == whole.jets.mass.tolist()
    assert record.jets.constituents.charge.tolist() == whole.jets.constituents.charge.tolist()
    assert record.event_key.tolist() == whole.event_key.tolist()
    of_events = OWN.needed(("met", "jets.label"), "events").record(events)
    assert of_events.met.tolist() == whole.met.tolist()
    assert of_events.jets.label.tolist() == whole.jets.label.tolist()
    unnamed = Mapping(event={"met": "MET_et", "ht": "w"})
    assert unnamed.needed(("met",), "events") == unnamed


@pytest.mark.parametrize(
    ("mapped", "message"),
    [
        ({}, "nothing is mapped"),
        ({"constituents": {"pt": "x"}, "event": {"event": "n"}}, "constituents without jets"),
        ({"jets": {"pt": 3}}, r"jets.pt = 3, required: a branch, or \(branch, factor\)"),
        ({"jets": {"pt": ("a", "b")}}, "required: a branch"),
        (
            {"jets": {name: name for name in ("pt", "eta", "phi", "mass", "tau")}},
            "jets.tau would be a second component",
        ),
        ({"jets": JETS | {"energy": "E"}}, r"which pt, eta, phi, mass give already; required: .* such as energy_"),
        ({"jets": JETS, "constituents": PARTS | {"z": "pf_z"}}, r"constituents.z would be"),
        ({"collections": {"mu": {name: name for name in ("px", "py", "pz", "energy", "t")}}}, r"mu.t .* px, py, pz"),
    ],
)
def test_what_is_no_mapping_is_refused(mapped, message):
    with pytest.raises(ValueError, match=message):
        Mapping(**mapped)


def test_every_name_that_is_no_second_component_may_be_a_field():
    """The rule is that of vector: what it accepts is accepted, a plain record takes any name."""
    jets = {"pt": 1.0, "eta": 0.5, "phi": 0.1, "mass": 2.0}
    others = ("x", "px", "y", "py", "rho", "z", "pz", "theta", "t", "E", "e", "energy", "tau", "M", "m")
    for name in (*others, "width", "p", "rapidity", "label"):
        columns = ak.Array([jets | {name: 3.0}])
        try:
            columns_of_vector.momenta({field: columns[field] for field in columns.fields})
        except TypeError:
            with pytest.raises(ValueError, match=f"jets.{name} would be"):
                Mapping(jets={field: field for field in columns.fields})
        else:
            assert Mapping(jets={field: field for field in columns.fields}).record(columns).jets[name].tolist() == [
                [3.0]
            ]
        plain = Mapping(jets={"pt": "pt", name: name}).record(columns)
        assert plain.jets[name].tolist() == [[3.0]]


@pytest.mark.parametrize(
    ("mapped", "columns", "message"),
    [
        (
            {"jets": {"pt": "a", "eta": "b"}},
            {"a": [[1.0], []], "b": [[1.0], [2.0]]},
            "jets: a has 0 and b has 1 values in entry 1",
        ),
        ({"jets": {"pt": "a", "eta": "b"}}, {"a": [[1.0], []], "b": [1.0, 2.0]}, "all plain numbers or all lists"),
        ({"event": {"event": "a"}}, {"a": [[1], []]}, "event.event: a is .*, required: one number an event"),
        ({"event": {"event": "a"}}, {"a": [1.5, 2.0]}, "a has numbers that are not whole, such as 1.5"),
        ({"event": {"event": "a"}}, {"a": np.array([3e8, 1], "f4")}, "a is float32, which cannot tell"),
        (
            {"jets": {"pt": "a"}, "constituents": {"pt": "b"}},
            {"a": [[1.0, 2.0], [3.0]], "b": [[1.0], [2.0]]},
            "constituents.pt: b has 2 lists of depth 1 for 3 jets",
        ),
        ({"jets": {"pt": "c"}}, {"a": [1.0, 2.0]}, "own branches needs columns that are missing: .'c'."),
    ],
)
def test_branches_that_do_not_fit_are_named(mapped, columns, message):
    events = ak.zip({name: ak.Array(values) for name, values in columns.items()}, depth_limit=1)
    with pytest.raises((ValueError, KeyError), match=message):
        Mapping(**mapped).record(events)


def test_recorded_data_count_as_one_and_simulation_needs_its_weight():
    mapping = nanoaod_mapping({"jets": ("Jet", ("pt",))})
    data = {"Jet_pt": [[40.0], []], "run": [1, 1], "luminosityBlock": [1, 1], "event": [1, 2]}
    simulation = {**data, "GenPart_pt": [[1.0], []]}
    assert mapping.record(ak.Array(data)).weight.tolist() == [1, 1]
    assert mapping.record(ak.Array({**simulation, "genWeight": [2.0, -1.0]})).weight.tolist() == [2, -1]
    assert mapping.branches(data) == list(data)
    assert "GenPart_pt" in mapping.branches(simulation)  # to tell them apart
    with pytest.raises(KeyError, match="genWeight"):
        mapping.record(ak.Array(simulation))


def test_muons_of_open_data_are_events_of_columns(test_data):
    """Run 2012 data, which have no generator weight."""
    path = test_data / "physics" / "Run2012B_SingleMu_1000.root"
    mapping = nanoaod_mapping({"muons": ("Muon", ("pt", "eta", "dxy"))}, event=("MET_pt",))
    events = reading.read(path, dialect=mapping)
    assert len(events) == 1000
    assert ak.all(events.weight == 1)
    features = Columns(features=("num(muons)", "muons.pt[0]", "MET_pt"), missing=0.0)(events).features
    first = [float(event.pt[0]) if len(event) else 0.0 for event in events.muons[:50]]
    assert features[:50, 0].tolist() == ak.num(events.muons)[:50].tolist()
    np.testing.assert_allclose(features[:50, 1], first)
