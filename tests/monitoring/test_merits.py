"""Three ways of watching the same maps, judged: rates that hold, faults that are found, a report of all."""

import json
from dataclasses import replace

import numpy as np
import pytest
from toy_maps import toy_maps, toy_values

from cortado import bundle as bundles
from cortado import metrics, monitoring
from cortado.tasks import Reconstructed
from cortado.weights import AlarmThreshold, binomial_interval

GOOD = {"lumis": 1}


def test_merits_are_counts_above_the_thresholds():
    rng = np.random.default_rng(1)
    good, faulty = rng.normal(0, 1, 400), {"dead": rng.normal(3, 1, 60), "hot": rng.normal(0, 1, 30)}
    numbers = {"low": 0.01, "high": 0.2, "n_good": 100, "effective": 100.0}
    alarms = [AlarmThreshold(name=f"{at}", rate=0.05, threshold=at, **numbers) for at in (1.5, 5.0)]
    found = monitoring.alarm_merits(alarms, good, faulty)
    seen = sum(1 for score in good if score > 1.5)
    first, second = found["alarms"]["1.5"], found["alarms"]["5.0"]
    assert (first["seen"], first["of"], first["threshold"]) == (seen, 400, 1.5)
    assert first["interval"] == binomial_interval(seen, 400)
    assert first["holds"]
    assert (second["seen"], second["holds"]) == (0, False)
    assert found["kinds"]["dead"]["maps"] == 60
    assert found["kinds"]["dead"]["found"]["1.5"].value == pytest.approx(np.mean(faulty["dead"] > 1.5))
    for kind, scores in faulty.items():
        labels = [0] * 400 + [1] * len(scores)
        assert found["kinds"][kind]["auc"] == metrics.auc(labels, [*good, *scores])
    json.dumps(found)


@pytest.fixture(scope="module")
def ways():
    """Of a network that has learned the mean of good maps."""
    good = toy_maps(300, seed=1)
    trained = replace(monitoring.classical(good), use=Reconstructed())
    return monitoring.three_ways(trained, good, toy_maps(1000, seed=2, **GOOD), iter((0.05, 0.01)), components=3)


def test_three_ways_have_the_same_rates(ways):
    assert list(ways) == ["autoencoder", "linear", "classical"]
    others = toy_maps(400, seed=3, **GOOD)
    for name, watcher in ways.items():
        assert [alarm.rate for alarm in watcher.alarms] == [0.05, 0.01], name
        scores = np.asarray(bundles.answers(watcher, others).anomaly)
        assert monitoring.alarm_merits(watcher.alarms, scores, {})["alarms"]["5% false alarms"]["holds"], name
    assert ways["linear"].arguments["components"] == 3
    assert ways["autoencoder"].alarms == ways["classical"].alarms != ways["linear"].alarms


def test_a_report_of_maps_is_that_of_its_steps(ways, tmp_path):
    values = toy_values(20, seed=5)
    values[10:, 2:4, 5:8] = 0
    maps, watcher = toy_maps(values=values, seed=5, lumis=20), ways["classical"]
    found = monitoring.report_maps(watcher, maps, tmp_path, rate=0.01, most=1, simulation=True)
    alarm = monitoring.alarm_of(watcher, 0.01)
    step = monitoring.report(watcher, monitoring.examine(watcher, maps, alarm), alarm)
    assert found.faults == step.faults
    assert found.counts["fault"] == step.counts["fault"] >= 10
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["alarm"]["rate"] == 0.01
    assert (tmp_path / "report.html").read_text().count("<img ") == 1
    with pytest.raises(ValueError, match=r"no threshold for a rate of false alarms of 0\.5"):
        monitoring.report_maps(watcher, maps, tmp_path, rate=0.5)
