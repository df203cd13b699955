"""Fixtures that several rooms share."""

import os
import signal
from pathlib import Path

import pytest
from samples import write_toptagging

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in `trap '' INT`; processes that tests start inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def test_data():
    """Folder of real files that are never committed: $CORTADO_TEST_DATA or ../shared/data beside the project."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CORTADO_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}; set CORTADO_TEST_DATA to the folder that holds them")
    return folder


@pytest.fixture(scope="session")
def toy_files(tmp_path_factory):
    """Two files of 300 and 200 jets."""
    folder = tmp_path_factory.mktemp("toys")
    paths = tuple(str(folder / f"toys{i}.root") for i in range(2))
    for seed, (path, number) in enumerate(zip(paths, (300, 200)), start=1):
        write_toptagging(path, number, seed)
    return paths
