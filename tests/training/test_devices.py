"""Several devices train one network: two real processes, which talk by gloo."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from toy_showers import toy_showers

from cortado import ntuples
from cortado.readers import calogan

SCRIPT = Path(__file__).with_name("two_devices.py")


@pytest.fixture(scope="module")
def told(toy_files, tmp_path_factory):
    """What both processes say of their trainings."""
    folder = tmp_path_factory.mktemp("devices")
    showers = folder / "showers.root"
    ntuples.write(showers, "showers", [calogan.columns_of(toy_showers(150, seed=3), is_generated=False)])
    environment = {name: value for name, value in os.environ.items() if name not in ("LOCAL_RANK", "WORLD_SIZE")}
    run = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder), toy_files[0], str(showers)],
        capture_output=True,
        text=True,
        timeout=250,
        env=environment | {"OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stderr[:3000]
    return [json.loads((folder / f"rank{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.parametrize("kind", ["cloud", "gan"])  # batch norms; two networks
def test_replicas_have_the_same_weights_after_each_step(told, kind):
    one, other = (each[kind]["digests"] for each in told)
    assert len(one) == len(set(one)) > 2
    assert one == other


def test_metrics_of_the_bundle_are_those_of_the_table(told):
    table, kept = told[0]["cloud"], told[0]["cloud"]["metrics"]
    for name in ("loss", "auc", "rejection"):
        assert kept[name] == pytest.approx(table[name], rel=1e-5)
    assert told[0]["gan"]["metrics"]["loss"] == pytest.approx(told[0]["gan"]["loss"])
    assert all(told[0][kind]["metrics"] == told[1][kind]["metrics"] for kind in ("cloud", "gan"))
