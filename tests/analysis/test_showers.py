"""Files of showers: read in parts as at once, and generated twins that share energies and parts of a split."""

import awkward as ak
import numpy as np
import pytest
from toy_showers import save_generator, toy_showers

import cortado
from cortado import ntuples, reading
from cortado.analysis import read_shower_sample, write_twins
from cortado.calorimeter import CALOGAN, cells, shower_shapes
from cortado.readers import calogan
from cortado.splits import Split


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    path = tmp_path_factory.mktemp("simulated") / "simulated.root"
    ntuples.write(path, "showers", [calogan.columns_of(toy_showers(1_500), is_generated=False)])
    return path


def test_a_file_in_parts_is_the_file_at_once(simulated):
    sample, showers = read_shower_sample(simulated, threshold=1e-3), ak.flatten(reading.read(simulated).showers)
    assert sample.geometry == CALOGAN
    expected = shower_shapes(showers, CALOGAN, threshold=1e-3)
    assert list(sample.shapes) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(sample.shapes[name], values, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(sample.average, cells(showers, CALOGAN).mean(axis=0), rtol=1e-9)


def test_twins_have_the_energies_and_the_parts_of_the_simulated(simulated, tmp_path, capsys):
    generator = cortado.load(save_generator(tmp_path / "vae.cortado"))
    path = write_twins(tmp_path / "made" / "twins.root", generator, simulated, seed=3)
    assert "1,500 showers" in " ".join(capsys.readouterr().out.split())
    twins, showers = (ak.flatten(reading.read(each).showers) for each in (path, simulated))
    np.testing.assert_array_equal(twins.energy, showers.energy)
    split = Split(validation=0.2, test=0.3, seed=4)
    np.testing.assert_array_equal(split.subset(twins.event_key), split.subset(showers.event_key))
    assert ak.all(twins.is_generated)
    expected = generator(showers.energy, seed=3)
    np.testing.assert_allclose(cells(twins, CALOGAN), cells(expected, CALOGAN), rtol=1e-5, atol=1e-7)
    before = path.stat().st_mtime_ns
    write_twins(path, generator, simulated, seed=4)
    assert "is there" in " ".join(capsys.readouterr().out.split())
    assert path.stat().st_mtime_ns == before
