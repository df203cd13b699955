"""`cortado generate` and `cortado simulate` of showers: files that read like each other, and what they refuse."""

import re

import awkward as ak
import numpy as np
import pytest
from commands import fail, succeed
from toy_showers import save_generator, toy_showers

import cortado
from cortado import bundle, calorimeter
from cortado.models import MLP
from cortado.representations import ShowerShapes
from cortado.tasks import Classes


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    return save_generator(tmp_path_factory.mktemp("vae") / "vae.cortado")


def test_generated_files_are_those_of_the_generator(generator, tmp_path):
    lines = succeed("generate", generator, "--n", 300, "--energy", "5:50", "--seed", 4, "--out", tmp_path / "g.root")
    assert lines[-1] == f"wrote {tmp_path / 'g.root'}: 300 showers of 5 to 50 GeV"
    showers = ak.flatten(cortado.read(tmp_path / "g.root").showers)
    (expected,) = cortado.load(generator).sample(300, (5, 50), seed=4)
    np.testing.assert_array_equal(showers.energy, expected.energy)
    found, wanted = (calorimeter.cells(each, calorimeter.CALOGAN) for each in (showers, expected))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-7)
    assert ak.all(showers.is_generated)


def test_hdf5_and_root_hold_the_same(generator, tmp_path):
    for name in ("g.root", "g.h5"):
        succeed("generate", generator, "--n", 40, "--spectrum", "log-uniform", "--out", tmp_path / name)
    root, hdf5 = (ak.flatten(cortado.read(tmp_path / name).showers) for name in ("g.root", "g.h5"))
    np.testing.assert_array_equal(ak.to_numpy(root.layer_1), ak.to_numpy(hdf5.layer_1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--energy", "0.5:50"), "1 of 2 energies, such as 0.5 GeV"),
        (("--energy", "50:5"), "energy = '50:5', required: positive energies in rising order, such as 1:100"),
        (("--energy", "low"), "energy = 'low', required: LOW:HIGH or one energy in GeV, such as 1:100 or 50"),
        (("--spectrum", "flat"), "spectrum = 'flat', required: uniform or log-uniform"),
    ],
)
def test_generate_refuses(generator, tmp_path, options, message):
    assert re.search(message, fail("generate", generator, "--n", 5, *options, "--out", tmp_path / "g.root"))
    assert not (tmp_path / "g.root").exists()


def test_extrapolation_is_an_option(generator, tmp_path):
    text = fail("generate", generator, "--n", 5, "--energy", "200", "--out", tmp_path / "g.root")
    assert "--extrapolate" in text
    succeed("generate", generator, "--n", 5, "--energy", "200", "--extrapolate", "--out", tmp_path / "g.root")
    assert cortado.read(tmp_path / "g.root").showers.energy[0, 0] == 200


def test_showers_are_scored_into_a_friend_tree(generator, tmp_path):
    shapes = ("response", "energy_0")
    tagger = bundle.Bundle(
        representation=ShowerShapes(shapes=shapes),
        model=MLP(features=3, hidden=(4,)),
        arguments={"features": 3, "hidden": (4,)},
        use=Classes(classes=("generated", "simulated"), signal="simulated"),
    )
    path = bundle.save(tagger, tmp_path / "tagger.cortado", canary=toy_showers(4))
    succeed("generate", generator, "--n", 30, "--out", tmp_path / "g.root")
    lines = succeed("score", path, tmp_path / "g.root", "--out", tmp_path / "s.root")
    assert lines[-1].endswith("in 30 entries")
    assert succeed("inspect", generator)[0].endswith("parameters")


def test_simulated_showers_are_told_by_their_particle(tmp_path):
    lines = succeed("simulate", "photon", "--showers", 20, "--energy", "2:4", "--out", tmp_path / "p.root")
    assert lines[-1].startswith(f"wrote {tmp_path / 'p.root'}: 20 showers of photon, 99.")
    showers = ak.flatten(cortado.read(tmp_path / "p.root").showers)
    assert ak.all((showers.energy >= 2) & (showers.energy <= 4) & (showers.pdg_id == 22))
