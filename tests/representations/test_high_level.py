import itertools
import math

import awkward as ak
import numpy as np
import pytest
from toys import toy_jets

from cortado.representations import HighLevel
from cortado.representations.high_level import subjettiness_ratio

RATIOS = ("c2", "d2", "n2")


def slow_ratios(constituents, beta):
    """C2, D2, N2 from their definitions, triplet by triplet."""
    total = sum(c["pt"] for c in constituents)
    z = [c["pt"] / total for c in constituents]

    def distance(i, j):
        one, two = constituents[i], constituents[j]
        delta_phi = math.remainder(one["phi"] - two["phi"], 2 * math.pi)
        return math.hypot(one["eta"] - two["eta"], delta_phi) ** beta

    indices = range(len(z))
    e2 = sum(z[i] * z[j] * distance(i, j) for i, j in itertools.combinations(indices, 2))
    e3 = smallest = 0.0
    for i, j, k in itertools.combinations(indices, 3):
        sides = sorted([distance(i, j), distance(i, k), distance(j, k)])
        e3 += z[i] * z[j] * z[k] * math.prod(sides)
        smallest += z[i] * z[j] * z[k] * sides[0] * sides[1]
    return [e3 / e2**2, e3 / e2**3, smallest / e2**2] if e3 else [0.0, 0.0, 0.0]


@pytest.mark.parametrize("beta", [1.0, 2.0, 0.5])
def test_slow_twin(beta):
    jets = toy_jets(25, seed=4, max_constituents=25)
    ratios = HighLevel(features=RATIOS, beta=beta)(jets).features
    np.testing.assert_allclose(ratios, [slow_ratios(c, beta) for c in jets.constituents.tolist()], rtol=2e-5)


def test_capped_correlators_are_those_of_the_hardest():
    jets = toy_jets(20, min_constituents=8)
    order = ak.argsort(jets.constituents.pt, axis=1, ascending=False)
    cut = ak.with_field(jets, jets.constituents[order][:, :8], "constituents")
    ratios = HighLevel(features=RATIOS, max_constituents=8)(jets).features
    np.testing.assert_allclose(ratios, HighLevel(features=RATIOS)(cut).features, rtol=1e-6)


def test_equilateral_triangle():
    """Three equal shares at equal distances R: e2 = R/3, e3 = R^3/27, 2e3 = R^2/27."""
    side = 0.4
    corners = [(0.0, 3.1), (side, 3.1), (side / 2, 3.1 + side * math.sqrt(3) / 2)]
    constituents = [{"pt": 5.0, "eta": eta, "phi": phi} for eta, phi in corners]
    ratios = HighLevel(features=RATIOS)(ak.Array([{"constituents": constituents}])).features[0]
    assert ratios.tolist() == pytest.approx([side / 3, 1.0, 1 / 3], rel=1e-6)


def test_fewer_than_three_constituents_have_no_correlation_of_three():
    jets = toy_jets(4, min_constituents=5)
    few = ak.concatenate(
        [ak.with_field(jets[i : i + 1], jets.constituents[i : i + 1, :i], "constituents") for i in range(4)]
    )
    ratios = HighLevel(features=RATIOS)(few).features
    assert not ratios[:3].any()
    assert (ratios[3] > 0).all()


def test_many_jets_of_any_length_go_through_in_blocks():
    jets = toy_jets(700, max_constituents=60)
    ratios = HighLevel(features=("d2",))(jets).features
    for index in (0, 350, 699):
        assert ratios[index, 0] == pytest.approx(slow_ratios(jets.constituents[index].tolist(), 1.0)[1], rel=1e-5)


def test_observables_of_the_record():
    jets = toy_jets(30)
    inputs = HighLevel(features=("mass", "soft_drop_mass", "tau21", "tau32", "multiplicity", "pt", "eta", "tau3"))(jets)
    columns = [jets.mass, jets.soft_drop_mass, jets.tau2 / jets.tau1, jets.tau3 / jets.tau2, ak.num(jets.constituents)]
    columns += [jets.pt, jets.eta, jets.tau3]
    np.testing.assert_allclose(inputs.features, np.stack([ak.to_numpy(c) for c in columns], axis=1), rtol=1e-6)


def test_jets_without_constituents_in_the_file_still_have_a_mass():
    assert HighLevel(features=("mass",))(ak.Array([{"mass": 80.4}])).features.tolist() == [[pytest.approx(80.4)]]


def test_nothing_to_gain_from_a_further_axis_is_one():
    zero = np.zeros(1)
    assert subjettiness_ratio(zero, zero).tolist() == [1.0]
    assert subjettiness_ratio(zero, zero + 0.3).tolist() == [0.0]


@pytest.mark.parametrize("above, below", [(0.1, 0.0), (-1.0, -1.0), (0.1, -1.0)])
def test_a_ratio_that_is_none_is_refused(above, below):
    jets = ak.Array([{"tau1": 0.3, "tau2": 0.2}, {"tau1": below, "tau2": above}])
    with pytest.raises(ValueError, match="HighLevel: tau21 of jet 1 is nan, must be finite"):
        HighLevel(features=("tau21",))(jets)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"features": ("tau_21",)}, "HighLevel knows no 'tau_21'; nearest: tau21"),
        ({"beta": 0.0}, "beta must be positive, got 0.0"),
        ({"max_constituents": 0}, "max_constituents must be at least 1 or None, got 0"),
    ],
)
def test_impossible_choices(arguments, message):
    with pytest.raises(ValueError, match=message):
        HighLevel(**arguments)
