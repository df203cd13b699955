"""Hadrons with heavy quarks, and the flavour of jets."""

import awkward as ak
import numpy as np
from truth.families import family

from cortado.truth import flavour, heaviest_quark, last_hadrons


def test_heaviest_quark_of_pdg_codes():
    codes = {521: 5, -511: 5, 5122: 5, 10523: 5, 553: 5, 541: 5, 411: 4, -4122: 4, 20433: 4, 310: 3, -3122: 3, 211: 2}
    none = {5: 0, 5503: 0, -11: 0, 22: 0, 1000050110: 0, 1000022: 0, 21: 0, 0: 0}
    for code, quark in (codes | none).items():
        assert heaviest_quark(np.array([code]))[0] == quark, code


def test_last_hadrons_are_those_that_decay_weakly():
    pdg_id, parent, _ = family()
    assert np.flatnonzero(last_hadrons(pdg_id, parent, 5)).tolist() == [2]
    assert np.flatnonzero(last_hadrons(pdg_id, parent, 4)).tolist() == [5, 10]


def test_flavour_is_that_of_the_heaviest_hadron_nearby():
    jets = ak.Array([[{"eta": 0.0, "phi": 3.1}, {"eta": 1.0, "phi": 0.0}, {"eta": -2.0, "phi": 0.0}], []])
    hadrons = ak.Array(
        [
            [
                {"eta": 0.1, "phi": -3.1, "quark": 4},
                {"eta": 0.0, "phi": 3.0, "quark": 5},
                {"eta": 1.2, "phi": 0.1, "quark": 4},
                {"eta": -2.0, "phi": 0.31, "quark": 5},
            ],
            [{"eta": 0.0, "phi": 0.0, "quark": 5}],
        ]
    )
    found = flavour(jets, hadrons)
    assert found.tolist() == [[5, 4, 0], []]
    assert found.type.content.content.primitive == "int32"
    assert flavour(jets, hadrons[:, :0]).tolist() == [[0, 0, 0], []]
