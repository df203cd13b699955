"""A toy bundle."""

import pytest
from toy_taggers import (
    save_toy,
)


@pytest.fixture
def saved(tmp_path):
    return save_toy(tmp_path / "toy.cortado")
