"""The toy tagger: its bundle, and a scorer of it."""

import pytest
from toy_taggers import (
    load_toy,
    save_toy,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save_toy(tmp_path_factory.mktemp("scoring") / "toy.cortado")


@pytest.fixture(scope="module")
def scorer(path):
    return load_toy(path)
