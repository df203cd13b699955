"""Files of the user's own as modules: by their path, in worker processes too, and ahead of no library."""

import pickle
import subprocess
import sys

import pytest

from cortado import own_files


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "my.study"
    folder.mkdir()
    (folder / "networks.py").write_text("WIDTH = 3\n")
    (folder / "study.py").write_text("from .networks import WIDTH\n\ndef width():\n    return WIDTH\n")
    return folder / "study.py"


def test_a_module_has_the_name_of_its_folder_without_dots(study):
    module = own_files.imported(study)
    assert module.__name__.startswith("users_own.my_study")
    assert module.__name__.endswith(".study")
    assert module.__file__ == str(study)
    assert own_files.imported(study) is module


def test_a_new_process_that_imports_cortado_finds_it(study):
    """As those of multiprocessing, loky and dask do before they unpickle what they are given."""
    pickled = pickle.dumps(own_files.imported(study).width)
    code = f"import cortado, pickle; print(pickle.loads({pickled!r})())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "3\n"


def test_the_path_of_modules_stays_as_it_is(study):
    before = list(sys.path)
    own_files.imported(study)
    assert sys.path == before


def test_a_package_of_the_users_own_begins_with_its_init(study):
    (study.parent / "__init__.py").write_text("DEPTH = 2\n")
    (study.parent / "deep.py").write_text("from . import DEPTH\n")
    assert own_files.imported(study.parent / "deep.py").DEPTH == 2


def test_other_names_are_not_found():
    with pytest.raises(ModuleNotFoundError, match=r"users_own\.nobody"):
        __import__("users_own.nobody.study")
