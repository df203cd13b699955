"""Features of the LHC Olympics: both forms, ratios that are computed here, and jets in the order of their masses."""

import awkward as ak
import h5py
import numpy as np
import pytest

import cortado
from cortado import ntuples, readers
from cortado.readers import dijets, lhco_features
from cortado.representations import Columns

WIDER = (*("mjj", "nj"), *(f"{name}_{jet}" for jet in (2, 1) for name in ("pt", "eta", "phi", "mass", "tau1", "tau2")))
RATIOS = tuple(f"{name}_{jet}" for jet in (1, 2) for name in ("tau3", "tau21", "tau32", "eRing0"))


def rows(number=6, seed=1):
    """Columns of two jets by name; the ratios of the file are wrong, as in those that are known."""
    rng = np.random.default_rng(seed)
    columns = {name: rng.uniform(0.1, 1, number) for name in (*WIDER, *RATIOS)}
    columns |= {name: 1000 * columns[name] for name in ("mjj", "pt_1", "pt_2", "mass_1", "mass_2")}
    columns["tau1_1"][0] = 0
    columns["tau21_1"][0] = columns["tau32_1"][0] = np.inf
    return columns


@pytest.fixture
def wider(tmp_path):
    """Two datasets of one file, with the names of the columns in an attribute."""
    path = tmp_path / "features.h5"
    with h5py.File(path, "w") as file:
        file.attrs["columns"] = [name.encode() for name in rows()]
        for name, number in (("bkg", 6), ("sig", 3)):
            file[name] = np.stack(list(rows(number, seed=number).values()), axis=1).astype(np.float32)
            file[f"{name}_index"] = np.arange(number)
    return path


@pytest.fixture
def published(tmp_path):
    """As pandas writes it; the same jets as `rows`, in Cartesian momenta."""
    columns, table = rows(), {}
    for jet in (1, 2):
        pt, eta, phi = (columns[f"{name}_{jet}"] for name in ("pt", "eta", "phi"))
        table |= {f"pxj{jet}": pt * np.cos(phi), f"pyj{jet}": pt * np.sin(phi), f"pzj{jet}": pt * np.sinh(eta)}
        table |= {f"mj{jet}": columns[f"mass_{jet}"]}
        table |= {f"tau{n}j{jet}": columns[f"tau{n}_{jet}"] for n in (1, 2, 3)}
    table["label"] = np.arange(6) % 2
    with h5py.File(tmp_path / "published.h5", "w") as file:
        group = file.create_group("df")
        names = [name.encode() for name in table]
        group["axis0"], group["axis1"], group["block0_items"] = names, np.arange(6), names
        group["block0_values"] = np.stack(list(table.values()), axis=1)
    return tmp_path / "published.h5"


def test_jets_are_in_the_order_of_their_masses(wider):
    """Slow twin: event by event."""
    events, columns = cortado.read(f"{wider}:bkg"), rows(6, seed=6)
    for k, event in enumerate(events):
        first, second = sorted((1, 2), key=lambda jet: -columns[f"mass_{jet}"][k])
        assert event.mj1 == pytest.approx(columns[f"mass_{first}"][k], rel=1e-6)
        assert event.mj2 == pytest.approx(columns[f"mass_{second}"][k], rel=1e-6)
        assert event.delta_mj == pytest.approx(event.mj1 - event.mj2, abs=1e-3)
        for mine, jet in (("1", first), ("2", second)):
            for name in ("pt", "eta", "phi", "tau3", "eRing0"):
                assert event[f"{name}_{mine}"] == pytest.approx(columns[f"{name}_{jet}"][k], rel=1e-6)
            over, under = columns[f"tau2_{jet}"][k], columns[f"tau1_{jet}"][k]
            assert event[f"tau21_{mine}"] == pytest.approx(over / under if under else np.nan, rel=1e-5, nan_ok=True)
    assert "is_signal" not in events.fields


def test_the_published_form_is_the_same_jets(published, tmp_path):
    events = cortado.read(published)
    assert readers.dialect(ntuples.branch_names(published)) is lhco_features
    assert events.is_signal.tolist() == [0, 1, 0, 1, 0, 1]
    other = lhco_features.record(ak.Array({name: column.astype(np.float32) for name, column in rows().items()}))
    for name in set(events.fields) & set(other.fields) - {"mjj", "event_key"}:
        np.testing.assert_allclose(events[name], other[name], rtol=1e-4, atol=1e-5, err_msg=name)
    for event in events:
        sums = np.zeros(4)
        for jet, mass in ((1, event.mj1), (2, event.mj2)):
            pt, eta, phi = (float(event[f"{name}_{jet}"]) for name in ("pt", "eta", "phi"))
            momentum = np.array([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])
            sums += [np.sqrt(momentum @ momentum + mass**2), *momentum]
        assert event.mjj == pytest.approx(np.sqrt(sums[0] ** 2 - sums[1:] @ sums[1:]), rel=1e-4)


def test_an_undefined_ratio_is_kept_and_refused_where_it_is_used(wider):
    events = cortado.read(f"{wider}:sig")
    undefined = np.isnan(events.tau21_1) | np.isnan(events.tau21_2)
    assert ak.sum(undefined) == 1
    with pytest.raises(ValueError, match=r"tau21_\d.* nan|tau21_\d.*finite"):
        Columns(features=("tau21_1", "tau21_2"))(events)
    assert len(Columns(features=("tau21_1", "tau21_2"))(events[~undefined]).features) == 2


def test_columns_of_dijets_come_back(wider):
    events = cortado.read(f"{wider}:bkg")
    back = dijets.record(ak.Array(lhco_features.columns_of(events, run=3, first=10)))
    for name in ("mjj", "mj1", "mj2", "tau21_1", "delta_eta"):
        np.testing.assert_array_equal(back[name], events[name])
    assert back.event.tolist() == list(range(10, 16))
    assert set(back.run.tolist()) == {3}


def test_a_missing_column_is_named(wider):
    events = ak.Array({name: column for name, column in rows().items() if name != "tau3_2"})
    with pytest.raises(KeyError, match=r"LHC Olympics features needs columns that are missing: \['tau3_2'\]"):
        lhco_features.record(events)


def test_the_shared_file_says_what_its_ratios_are(test_data):
    """tau21 of the file is its tau32; six of its ratios are infinite, of three events."""
    path = test_data / "anomaly" / "lhco_features_01-02.h5"
    for tree in ("bkg", "sig"):
        events = cortado.read(f"{path}:{tree}")
        assert not np.isinf(ak.to_numpy(events.tau21_1)).any()
        assert np.nanmedian(events.tau21_1) < np.nanmedian(events.tau32_1)
    with h5py.File(path) as file:
        names = [name.decode() for name in file.attrs["columns"]]
        tables = [file[tree][:] for tree in ("bkg", "sig")]
    assert sum(np.isinf(table).sum() for table in tables) == 6
    for table in tables:
        np.testing.assert_array_equal(table[:, names.index("tau21_1")], table[:, names.index("tau32_1")])
