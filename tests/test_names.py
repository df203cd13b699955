import pytest
from hypothesis import given
from hypothesis import strategies as st

from cortado.names import choices, nearest, require_one_of


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("jet_Pt", ["event", "jet_eta", "jet_pt"], "nearest: jet_pt, jet_eta"),
        ("MASS", ["mass", "Mass", "run"], "nearest: mass, Mass"),
        ("mass", ["event", "run"], "there are event, run"),
        ("mass", [], "there are none"),
        ("z", [f"x{i}" for i in range(12)], "there are x0, x1, x2, x3, x4, x5, x6, x7, x8, x9 and 2 more"),
    ],
)
def test_hints(name, known, hint):
    assert nearest(name, known) == hint


def test_a_prefix_stands_before_each_name():
    assert nearest("carge", ["charge", "pt"], prefix="tracks.") == "nearest: tracks.charge"
    assert nearest("z", ["charge", "pt"], prefix="tracks.") == "there are tracks.charge, tracks.pt"


@given(st.lists(st.text("abcAB_", min_size=3, max_size=8), min_size=1, unique=True), st.data())
def test_a_name_in_other_case_is_found_first(known, data):
    name = data.draw(st.sampled_from(known))
    assert name in nearest(name.swapcase(), known).split(", ", 1)[0] or any(
        other != name and other.lower() == name.lower() for other in known
    )


def test_choices_are_all_named_and_the_nearest_once_more():
    assert choices("cosin", ("one-cycle", "cosine")) == "one of one-cycle, cosine; nearest: cosine"
    assert choices(3, (None, "max")) == "one of None, max"
    assert choices("a", ()) == "one of none"


def test_what_is_allowed_passes():
    require_one_of("rotate", None, (None, "axis"))
    with pytest.raises(ValueError, match=r"^rotate = 'axes', required: one of None, axis; nearest: axis$"):
        require_one_of("rotate", "axes", (None, "axis"))
