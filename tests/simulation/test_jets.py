import awkward as ak
import numpy as np
import pytest

pytest.importorskip("pythia8mc", reason="needs Pythia and FastJet (extra `sim`)", exc_type=ImportError)

from cortado.simulation import jets as jets_room
from cortado.simulation import simulate_jets
from cortado.simulation.events import PROCESSES
from cortado.simulation.gen_particles import holds_decay


def selected(sample):
    """Jets that count towards the quota, flat."""
    jets, process = sample.collection("FatJet"), PROCESSES[sample.summary.process]
    chosen = (jets.pt >= 500) & (jets.pt < 700) & (abs(jets.eta) < 2.4)
    if process.parents:
        chosen = chosen & holds_decay(jets, sample.collection("GenPart"), process.parents, process.quarks)
    return ak.flatten(jets[chosen])


def event_ids(events):
    return {tuple(row) for row in np.stack([events.run, events.luminosityBlock, events.event], axis=1).tolist()}


@pytest.mark.parametrize("process", list(PROCESSES))
def test_quotas_are_flat_in_pt(samples, process):
    sample = samples(process)
    counts, _ = np.histogram(selected(sample).pt, bins=np.linspace(500, 700, 11))
    assert np.all(counts >= 8)
    assert np.sum(counts) == sample.summary.jets >= 80
    assert sample.summary.events == len(sample.events) < sample.summary.generated
    if process == "wprime":
        assert np.all(counts == 8)


@pytest.mark.parametrize("process", list(PROCESSES))
def test_every_event_has_a_selected_jet_and_its_own_number(samples, process):
    sample = samples(process)
    jets = sample.collection("FatJet")
    assert ak.all(ak.any((jets.pt >= 500) & (jets.pt < 700), axis=1))
    assert ak.all(jets.pt[:, :-1] >= jets.pt[:, 1:])
    assert ak.min(jets.pt) > 170
    assert len(event_ids(sample.events)) == len(sample.events)
    assert np.all(sample.events.genWeight == 1)


def test_no_two_samples_share_an_event_number(samples, simulate, tmp_path):
    other_seed = simulate(tmp_path / "other.root", process="wprime", jets=20, seed=2)
    numbers = [event_ids(samples(process).events) for process in PROCESSES] + [event_ids(other_seed.events)]
    assert len(set.union(*numbers)) == sum(map(len, numbers))
    shared = set(ak.flatten(other_seed.events.FatJet_pt)) & set(ak.flatten(samples("wprime").events.FatJet_pt))
    assert not shared


def test_masses_peak_where_they_should(samples):
    w, top = selected(samples("wprime")), selected(samples("top"))
    assert np.median(w.msoftdrop) == pytest.approx(80, abs=3)
    assert np.median(w.mass) == pytest.approx(82, abs=3)
    assert np.mean((w.msoftdrop > 65) & (w.msoftdrop < 95)) > 0.7
    assert np.median(top.mass) == pytest.approx(172, abs=6)


def test_substructure_tells_w_from_qcd(samples):
    w, qcd = selected(samples("wprime")), selected(samples("qcd"))
    assert np.median(w.tau2 / w.tau1) < 0.85 * np.median(qcd.tau2 / qcd.tau1)
    assert np.mean(w.nConstituents) < np.mean(qcd.nConstituents)
    assert np.mean((qcd.msoftdrop > 65) & (qcd.msoftdrop < 95)) < 0.25


def test_same_events_for_any_number_of_workers(simulate, tmp_path, monkeypatch, one_worker):
    monkeypatch.setattr(jets_room, "UNIT", 5)
    ticks = []
    options = {"process": "qcd", "jets": 12, "seed": 4}
    one = simulate(tmp_path / "one.root", **options)
    two = simulate(tmp_path / "two.root", workers=2, progress=ticks.append, **options)
    assert one.events.to_list() == two.events.to_list()
    assert one.summary._replace(path=None) == two.summary._replace(path=None)
    assert sum(ticks) == two.summary.jets
    assert len(ticks) == len(set(two.events.luminosityBlock)) == 3  # 5 + 5 + 2 jets


def test_units_do_not_repeat_each_other(simulate, tmp_path, monkeypatch):
    monkeypatch.setattr(jets_room, "UNIT", 10)
    events = simulate(tmp_path / "nano.root", process="wprime", jets=20).events
    pt = [set(ak.flatten(events.PFCand_pt[events.luminosityBlock == block])) for block in (1, 2)]
    assert not pt[0] & pt[1]


def test_without_flat_pt_only_the_total_counts(simulate, tmp_path):
    sample = simulate(tmp_path / "nano.root", process="qcd", jets=15, flat_pt=False, pt_range=(300, 500))
    jets = sample.collection("FatJet")
    assert 15 <= sample.summary.jets <= 16
    assert ak.sum((jets.pt >= 300) & (jets.pt < 500) & (abs(jets.eta) < 2.4)) == sample.summary.jets


def test_quotas_against_a_loop():
    """Slow twin: look at one event after the other."""
    source = np.random.default_rng(6)
    for _ in range(50):
        missing = source.integers(0, 4, 3)
        pt_bin = ak.unflatten(source.integers(-1, 3, 40), counts := np.tile([1, 0, 3, 1], 8))
        keep, left = jets_room._fill(pt_bin, missing)
        room = missing.copy()
        for event, kept in zip(pt_bin.to_list(), keep, strict=True):
            assert kept == any(b >= 0 and room[b] > event[:i].count(b) for i, b in enumerate(event))
            for b in event:
                if kept and b >= 0:
                    room[b] = max(room[b] - 1, 0)
        assert len(keep) == len(counts)
        assert left.tolist() == room.tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"process": "wprim"}, "process = 'wprim'.*nearest: wprime"),
        ({"pt_range": (700, 500)}, r"pt_range is \(700, 500\)"),
        ({"pt_range": (100, 300)}, "170 <= low < high <= 3000"),
        ({"pt_range": (float("nan"), 300)}, "pt_range is"),
        ({"jets": 0}, "jets is 0; it must be from 1 to 5000000"),
        ({"seed": 0}, "seed is 0; it must be from 1 to 89999"),
        ({"seed": 90_000}, "seed is 90000"),
        ({"workers": 0}, "workers is 0"),
    ],
)
def test_bad_options(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        simulate_jets(tmp_path / "nano.root", **({"process": "qcd", "jets": 10} | options))
    assert not list(tmp_path.iterdir())


def test_a_window_that_nothing_hits(tmp_path, monkeypatch):
    monkeypatch.setattr(jets_room, "_PATIENCE", 3)
    with pytest.raises(
        RuntimeError, match=r"events gave 0 jets for the window \(1500, 1500.001\) GeV, 1 of 1 are missing"
    ):
        simulate_jets(tmp_path / "nano.root", process="wprime", jets=1, pt_range=(1500, 1500.001), mpi=False, workers=1)
    assert not list(tmp_path.iterdir())


def test_ctrl_c_leaves_the_old_file(tmp_path):
    path = tmp_path / "nano.root"
    path.write_text("old")

    def interrupt(jets):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_jets(path, process="wprime", jets=5, mpi=False, workers=1, progress=interrupt)
    assert [entry.name for entry in tmp_path.iterdir()] == ["nano.root"]
    assert path.read_text() == "old"
