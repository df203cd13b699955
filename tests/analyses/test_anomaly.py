"""`cortado run analyses/anomaly`: on simulated jets, and on two files of the reference data."""

import json
from pathlib import Path

import numpy as np
import pytest
from commands import fail, succeed
from samples import write_toptagging

from cortado import ntuples

FOLDER = Path(__file__).parents[2] / "analyses" / "anomaly"
NETWORKS = ("image", "variational", "forest", "image_of_top")  # of the preset tiny
FIXED = ("--preset", "tiny", "--executor", "iterative", "--accelerator", "cpu")
FIGURES = {"roc", "loss_image", "sculpting", "reconstructions", "contributions", "latent"}

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module", params=["simulated", "files"])
def ran(request, tmp_path_factory):
    """How the study was run, and its folder."""
    pytest.importorskip("captum")
    folder, options = tmp_path_factory.mktemp("anomaly"), []
    if request.param == "simulated":
        pytest.importorskip("pythia8mc")
    else:
        for seed, name in enumerate(("train", "judge"), start=1):
            write_toptagging(folder / f"{name}.root", 200, seed)
            options += ["--files", folder / f"{name}.root"]
    succeed("run", FOLDER, *FIXED, "--out", folder / "out", *options)
    return request.param, folder / "out"


def test_every_network_is_judged_on_what_it_should_find(ran):
    how, out = ran
    results = json.loads((out / "results.json").read_text())
    strange = ("top", "w") if how == "simulated" else ("top",)
    pairs = [f"{name}, {kind}" for name in NETWORKS[:3] for kind in strange]
    assert set(results) == {*pairs, "image_of_top, qcd"}
    for merits in results.values():
        area, error, limit, *_ = merits["AUC"]
        assert 0 <= area <= 1
        assert error > 0
        assert not limit
        assert merits["1/mistag at 30 %"][0] >= 1
    assert {path.stem for path in (out / "plots").iterdir()} == FIGURES


def test_every_judged_jet_is_in_the_histogram_of_each_network(ran):
    how, out = ran
    with np.load(out / "scores.npz") as stored:
        kinds = stored["kind"]
        assert all(stored[name].shape == kinds.shape for name in NETWORKS)
        assert all(np.isfinite(stored[name]).all() for name in NETWORKS)
    judged = dict(zip(("qcd", "top", "w"), np.bincount(kinds[kinds >= 0], minlength=3)))
    assert judged["w"] == 0 if how == "files" else judged["w"] > 0
    histograms = ntuples.read_histograms(out / "histograms.json")
    for name in NETWORKS:
        sums = {kind: histograms[name][{"kind": kind}].sum(flow=True).value for kind in histograms[name].axes["kind"]}
        assert sums == {kind: number for kind, number in judged.items() if number}, name


def test_figures_are_drawn_again(ran, tmp_path):
    succeed("plot", FOLDER, "--preset", "tiny", "--out", ran[1], "--plots", tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == FIGURES


def test_what_cannot_be_run_is_refused(tmp_path):
    message = fail("run", FOLDER, "--preset", "long", "--out", tmp_path)
    assert "unknown preset 'long'; there are quick, full, tiny" in message
    message = fail("run", FOLDER, *FIXED, "--out", tmp_path, "--files", "train.h5")
    assert "two files are needed, one to train on and one to judge on; got 1: ('train.h5',)" in message
