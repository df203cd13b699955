"""Trainings end to end: they learn, repeat, go on after a kill, and leave bundles that others can use."""

import csv
import functools
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from cortado import bundle as bundles
from cortado import reading, scoring
from cortado.models import PFN
from cortado.splits import TEST, Split, fold
from cortado.training import Recipe, evaluate, train, train_folds


@pytest.fixture(scope="module")
def trained(tmp_path_factory, toy_files):
    """One training that others look at: its study, its folder and its result."""
    from conftest_study import toy_study

    study = toy_study(toy_files, epochs=6)
    folder = tmp_path_factory.mktemp("trained")
    return study, folder, train(study, folder, progress=False)
