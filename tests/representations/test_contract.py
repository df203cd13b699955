"""Laws that hold for every representation."""

import dataclasses
import json
import pickle

import awkward as ak
import numpy as np
import pytest
from representations.cases import CASES
from toys import toy_jets

import cortado.representations

pytestmark = pytest.mark.parametrize("representation", CASES.values(), ids=CASES.keys())


def double(jets):
    """Toy jets in float64, in which a turn of phi changes differences by nothing that could cross a pixel's edge."""
    return ak.values_astype(jets, np.float64)


JETS = double(toy_jets(60, seed=5, max_constituents=40))


def with_constituents(jets, constituents):
    return ak.with_field(jets, constituents, "constituents")


def turned(jets, angle):
    def turn(phi):
        return (phi + angle + np.pi) % (2 * np.pi) - np.pi

    constituents = ak.with_field(jets.constituents, turn(jets.constituents.phi), "phi")
    return ak.with_field(with_constituents(jets, constituents), turn(jets.phi), "phi")


def same_length(array, length):
    """Arrays with a constituents' axis, padded to a common length."""
    return np.pad(array, [(0, 0), (0, length - array.shape[1]), *[(0, 0)] * (array.ndim - 2)])


def assert_same(found, expected, **tolerance):
    tolerance = {"rtol": 1e-5, "atol": 1e-6} | tolerance
    for name, first, second in zip(expected._fields, found, expected):
        if name in ("points", "mask") or (name == "features" and first.ndim == 3):
            length = max(first.shape[1], second.shape[1])
            first, second = same_length(first, length), same_length(second, length)
        assert first.dtype == second.dtype
        np.testing.assert_allclose(first, second, err_msg=name, **tolerance)


def test_it_is_in_the_list_of_representations(representation):
    assert type(representation).__name__ in cortado.representations.__all__


def test_arrays_are_float32_or_bool_and_finite(representation):
    for name, array in representation(JETS)._asdict().items():
        assert array.dtype == (np.bool_ if name == "mask" else np.float32)
        assert len(array) == len(JETS)
        assert np.isfinite(array).all()
        assert array.flags.c_contiguous


def test_it_is_not_blind(representation):
    """Different jets give different arrays: without this, all the invariances below would be empty."""
    first = representation(JETS)[0]
    assert len(np.unique(first.reshape(len(JETS), -1), axis=0)) > len(JETS) / 2


def test_order_of_constituents_does_not_matter(representation):
    shuffle = ak.argsort(
        ak.unflatten(np.random.default_rng(3).random(ak.sum(ak.num(JETS.constituents))), ak.num(JETS.constituents))
    )
    assert_same(representation(with_constituents(JETS, JETS.constituents[shuffle])), representation(JETS))


@pytest.mark.parametrize("angle", [0.7, np.pi / 2, 3.1])
def test_a_turn_in_phi_changes_nothing(representation, angle):
    assert_same(representation(turned(JETS, angle)), representation(JETS), atol=1e-5)


def test_a_jet_on_the_seam_is_as_good_as_any(representation):
    jets = turned(JETS[:1], np.pi - JETS.phi[0])
    assert ak.min(jets.constituents.phi) < -2.5 < 2.5 < ak.max(jets.constituents.phi)
    assert_same(representation(jets), representation(turned(JETS[:1], -JETS.phi[0])), atol=1e-5)


@pytest.mark.parametrize("size", [1, 7, 59])
def test_chunks_and_padding_do_not_matter(representation, size):
    whole = representation(JETS)
    for start in range(0, len(JETS), size):
        part = slice(start, start + size)
        assert_same(representation(JETS[part]), type(whole)(*(array[part] for array in whole)))


def test_inputs_are_not_changed(representation):
    jets = toy_jets(20, seed=9)
    before = [buffer.copy() for buffer in ak.to_buffers(jets)[2].values()]
    representation(jets)
    assert all((now == then).all() for now, then in zip(ak.to_buffers(jets)[2].values(), before))


def test_results_are_writable_and_not_shared(representation):
    first, second = representation(JETS), representation(JETS)
    for array in first:
        array[...] = 1
    assert_same(representation(JETS), second)


def test_no_jets(representation):
    for array, full in zip(representation(JETS[:0]), representation(JETS)):
        assert array.shape[0] == 0
        assert array.ndim == full.ndim
        assert array.shape[1:][-1:] == full.shape[1:][-1:] or array.dtype == np.bool_
        assert array.dtype == full.dtype


def test_jets_without_constituents_leave_the_others_alone(representation):
    full = JETS[:6]
    empty = with_constituents(full, full.constituents[:, :0])
    mixed = representation(ak.concatenate([empty[:3], full, empty[3:]]))
    assert_same(type(mixed)(*(array[3:9] for array in mixed)), representation(full))
    alone = representation(empty)
    assert_same(type(mixed)(*(array[:3] for array in mixed)), type(mixed)(*(array[:3] for array in alone)))
    if "mask" in alone._fields:
        assert alone.mask.shape == (6, 1)
        assert not alone.mask.any()
    if "image" in alone._fields:
        assert not alone.image.any()


def test_jets_of_one_constituent(representation):
    for array in representation(with_constituents(JETS, JETS.constituents[:, :1])):
        assert np.isfinite(array).all()


def test_layout_of_the_record_does_not_matter(representation):
    expected = representation(JETS)
    order = np.random.default_rng(0).permutation(len(JETS))
    assert_same(representation(JETS[order][np.argsort(order)]), expected)  # indexed, not packed
    assert_same(representation(ak.concatenate([JETS, JETS])[len(JETS) :]), expected)  # offsets that do not start at 0
    form, length, buffers = ak.to_buffers(JETS)
    virtual = ak.from_buffers(form, length, {key: lambda buffer=buffer: buffer for key, buffer in buffers.items()})
    assert_same(representation(virtual), expected)
    three = with_constituents(JETS, JETS.constituents[:, :3])[ak.num(JETS.constituents) >= 3]
    regular = ak.with_field(three, ak.to_regular(ak.to_packed(three.constituents)), "constituents")
    assert_same(representation(regular), representation(three))


def test_only_the_stated_fields_are_needed(representation):
    outer = {name: JETS[name] for name in representation.fields if "." not in name}
    inner = {name.split(".")[1]: JETS.constituents[name.split(".")[1]] for name in representation.fields if "." in name}
    jets = ak.zip(outer | ({"constituents": ak.zip(inner)} if inner else {}), depth_limit=1)
    assert_same(representation(jets), representation(JETS))


def test_a_missing_field_is_named_with_the_nearest(representation):
    for field in representation.fields:
        outer, _, inner = field.partition(".")
        if inner:
            jets = with_constituents(JETS, ak.without_field(JETS.constituents, inner))
        else:
            jets = ak.without_field(JETS, outer)
        with pytest.raises(
            KeyError, match=f"{type(representation).__name__} needs the field '{field}'.*(nearest:|there are) ."
        ):
            representation(jets)


def test_numbers_that_are_not_finite_are_refused_by_name(representation):
    for field in representation.fields:
        outer, _, inner = field.partition(".")
        at = np.arange(len(JETS)) == 4
        if inner:
            values = ak.where(at, np.nan, JETS.constituents[inner])
            jets = with_constituents(JETS, ak.with_field(JETS.constituents, values, inner))
        else:
            jets = ak.with_field(JETS, ak.where(at, np.nan, JETS[outer]), outer)
        with pytest.raises(ValueError, match=rf"{type(representation).__name__}.*(jet|object) 4 .*nan"):
            representation(jets)


def test_events_must_be_flattened_first(representation):
    with pytest.raises(ValueError, match=r"takes (jets|objects) of shape \(n,\), got 30 \*.*flatten"):
        representation(ak.unflatten(JETS, np.full(30, 2)))


def test_it_pickles_and_survives_json(representation):
    def tuples(value):
        return tuple(map(tuples, value)) if isinstance(value, list) else value

    assert pickle.loads(pickle.dumps(representation)) == representation
    back = json.loads(json.dumps(dataclasses.asdict(representation)))
    assert type(representation)(**{name: tuples(value) for name, value in back.items()}) == representation
