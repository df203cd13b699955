"""Numbers of jets by correctionlib: what is asked of which jet, and what is said of inputs that nobody gives."""

import gzip
import json
import pickle

import awkward as ak
import correctionlib
import numpy as np
import pytest

from cortado.weights import Correction

EDGES = {"pt": (200.0, 500.0, "inf"), "abseta": (0.0, 1.2, 2.4)}
VALUES = {"nominal": [0.9, 0.8, 1.1, 1.0], "up": [1.0, 0.9, 1.2, 1.05], "down": [0.85, 0.7, 1.0, 0.9]}
JETS = ak.Array({"pt": [300.0, 300.0, 800.0, 800.0], "eta": [-0.5, 2.0, 0.3, -1.9], "n_tracks": [1, 2, 3, 2]})


def category(name, contents):
    content = [{"key": key, "value": value} for key, value in contents.items()]
    return {"nodetype": "category", "input": name, "content": content}


def scale_factor(variations=("nominal", "up", "down")):
    """Bins of pT and |eta|, for one working point; as experiments publish them."""
    bins = {
        name: {
            "nodetype": "multibinning",
            "inputs": list(EDGES),
            "edges": list(map(list, EDGES.values())),
            "content": values,
            "flow": "error",
        }
        for name, values in zip(variations, VALUES.values())
    }
    return {
        "name": "w_tag",
        "version": 1,
        "inputs": [
            {"name": "systematic", "type": "string"},
            {"name": "wp", "type": "string"},
            {"name": "abseta", "type": "real"},
            {"name": "pt", "type": "real"},
        ],
        "output": {"name": "scale_factor", "type": "real"},
        "data": category("systematic", {name: category("wp", {"T": content}) for name, content in bins.items()}),
    }


TRACKS = {
    "name": "tracks",
    "version": 1,
    "inputs": [{"name": "n_tracks", "type": "int"}],
    "output": {"name": "weight", "type": "real"},
    "data": category("n_tracks", {1: 0.5, 2: 1.5, 3: 1.0}),
}
LINEAR = {
    "name": "linear",
    "version": 1,
    "inputs": [{"name": "pt", "type": "real"}, {"name": "slope", "type": "real"}],
    "output": {"name": "weight", "type": "real"},
    "data": {"nodetype": "formula", "expression": "1+y*x", "parser": "TFormula", "variables": ["pt", "slope"]},
}


def text(*corrections, **more):
    return json.dumps({"schema_version": 2, "corrections": list(corrections), **more})


@pytest.fixture
def path(tmp_path):
    (tmp_path / "sf.json").write_text(text(scale_factor(), TRACKS, LINEAR))
    return tmp_path / "sf.json"


def absolute_eta(jets):
    return abs(jets.eta)


SETTINGS = {"fields": {"abseta": absolute_eta}, "values": {"wp": "T"}, "systematic": "systematic"}


def test_each_jet_gets_the_number_of_its_bin(path):
    found = Correction.read(path, "w_tag", **SETTINGS)(JETS)
    for side, values in found._asdict().items():
        np.testing.assert_array_equal(values, VALUES[side])
        assert values.dtype == np.float64


def test_variations_have_the_names_that_the_file_gives_them(tmp_path):
    with gzip.open(tmp_path / "sf.json.gz", "wt") as file:
        file.write(text(scale_factor(("sf", "sfup", "sfdown"))))
    read = Correction.read(tmp_path / "sf.json.gz", "w_tag", **SETTINGS, variations=("sf", "sfup", "sfdown"))
    np.testing.assert_array_equal(np.array(read(JETS)), list(VALUES.values()))


def test_objects_of_correctionlib_do_as_files(path):
    of_set = correctionlib.CorrectionSet.from_file(str(path))["w_tag"]
    found, read = Correction(correction=of_set, **SETTINGS), Correction.read(path, "w_tag", **SETTINGS)
    np.testing.assert_array_equal(np.array(found(JETS)), np.array(read(JETS)))


def test_a_correction_travels_to_workers_without_the_others_of_its_file(path):
    sent = Correction.read(path, "w_tag", **SETTINGS)
    path.unlink()
    packed = pickle.dumps(sent)
    assert b"linear" not in packed
    np.testing.assert_array_equal(np.array(pickle.loads(packed)(JETS)), np.array(sent(JETS)))


def test_without_a_systematic_all_three_are_the_same(path):
    found = Correction.read(path, "tracks")(JETS)
    for values in found:
        assert values.tolist() == [0.5, 1.5, 1.0, 1.5]


def test_integers_do_for_numbers_and_one_value_does_for_all(path):
    whole = ak.Array({"pt": [1, 2], "slope": [2, 2]})
    assert Correction.read(path, "linear")(whole).nominal.tolist() == [3.0, 5.0]
    assert Correction.read(path, "linear", values={"slope": 2})(whole).nominal.tolist() == [3.0, 5.0]
    assert Correction.read(path, "linear", values={"slope": 2, "pt": 1})(whole).nominal.tolist() == [3.0, 3.0]
    assert Correction.read(path, "linear")(whole[:0]).nominal.shape == (0,)


def test_compound_corrections_do_as_well(tmp_path):
    both = {
        "name": "both",
        "inputs": [
            {"name": "n_tracks", "type": "int"},
            {"name": "pt", "type": "real"},
            {"name": "slope", "type": "real"},
        ],
        "output": {"name": "weight", "type": "real"},
        "inputs_update": [],
        "input_op": "*",
        "output_op": "*",
        "stack": ["tracks", "linear"],
    }
    (tmp_path / "sf.json").write_text(text(TRACKS, LINEAR, compound_corrections=[both]))
    found = Correction.read(tmp_path / "sf.json", "both", values={"slope": 0.01})(JETS)
    np.testing.assert_allclose(found.nominal, [0.5 * 4, 1.5 * 4, 9, 1.5 * 9])


@pytest.mark.parametrize(
    "name, settings, message",
    [
        ("w_tagg", {}, r"sf.json has no correction 'w_tagg'; nearest: w_tag"),
        ("w_tag", {"values": {"wpp": "T"}}, r"input of correction 'w_tag' = 'wpp', required: .*; nearest: wp"),
        ("w_tag", {**SETTINGS, "values": {"wp": "Tight"}}, r"input 'wp' of correction 'w_tag' = 'Tight', .*one of T"),
        (
            "w_tag",
            {**SETTINGS, "variations": ("nominal", "Up", "down")},
            r"input 'systematic' of correction 'w_tag' = 'Up', required: one of nominal, up, down; nearest: up",
        ),
        (
            "w_tag",
            {**SETTINGS, "variations": ("nominal", "up")},
            "variations = .*, required: what is nominal, up and d",
        ),
        (
            "w_tag",
            {**SETTINGS, "values": {"wp": "T", "abseta": 1.0}},
            r"input 'abseta' of correction 'w_tag': required: in one of fields, values and systematic, got in 2",
        ),
    ],
)
def test_wrong_names_are_told_before_any_jet_comes(path, name, settings, message):
    with pytest.raises(ValueError, match=message):
        Correction.read(path, name, **settings)


@pytest.mark.parametrize(
    "settings, jets, message",
    [
        (
            {"fields": {}},
            JETS,
            r"input 'abseta' of correction 'w_tag' is no field; nearest: eta; fields=\{'abseta': \.\.\.\}",
        ),
        (
            {"fields": {"abseta": "absEta"}},
            JETS,
            r"'abseta' .* is to be field 'absEta', which the jets lack; nearest: eta",
        ),
        (
            {"fields": {"abseta": absolute_eta}},
            JETS[["eta"]],
            r"input 'pt' of correction 'w_tag' is no field; there are",
        ),
        (
            {"fields": {"abseta": absolute_eta, "pt": lambda jets: jets.pt - 200}},
            JETS,
            r"'w_tag' is not defined for all jets: Index below bounds in MultiBinning for input 'pt' value: 100",
        ),
        (
            {"fields": {"abseta": lambda jets: ["a"] * len(jets)}},
            JETS,
            r"input 'abseta' of correction 'w_tag' is of type <U1 and shape \(4,\), required: a number of each jet",
        ),
        ({"fields": {"abseta": lambda jets: [1.0]}}, JETS, r"float64 and shape \(1,\), required: a number of each jet"),
    ],
)
def test_inputs_that_nobody_gives_are_named(path, settings, jets, message):
    correction = Correction.read(path, "w_tag", **{**SETTINGS, **settings})
    with pytest.raises(ValueError, match=message):
        correction(jets)


def test_a_text_cannot_come_from_the_jets(path):
    correction = Correction.read(path, "w_tag", fields={"abseta": absolute_eta}, systematic="systematic")
    with pytest.raises(ValueError, match=r"input 'wp' .* required: one text for all \(values=\) of each jet"):
        correction(ak.with_field(JETS, ["T"] * 4, "wp"))


def test_numbers_that_are_no_integers_are_refused(path):
    with pytest.raises(ValueError, match=r"input 'n_tracks' .* float64 .*, required: an integer of each jet"):
        Correction.read(path, "tracks", fields={"n_tracks": "pt"})(JETS)


def test_a_value_that_no_category_has_is_told(path):
    with pytest.raises(ValueError, match=r"'tracks' is not defined for all jets: .* input 'n_tracks' val: 9"):
        Correction.read(path, "tracks")(ak.Array({"n_tracks": [1, 9]}))


@pytest.mark.parametrize("content", ["{}", "{", "[]", '{"corrections": 1}', '{"corrections": [], "schema_version": 2'])
def test_files_that_are_none(tmp_path, content):
    (tmp_path / "sf.json").write_text(content)
    with pytest.raises(ValueError, match=r"sf.json is no file of corrections \(schema version 2\): \w+Error"):
        Correction.read(tmp_path / "sf.json", "w_tag")
    (tmp_path / "sf.json.gz").write_text(content)
    with pytest.raises(ValueError, match=r"sf.json.gz is no file of corrections .*BadGzipFile"):
        Correction.read(tmp_path / "sf.json.gz", "w_tag")


def test_corrections_that_are_none(tmp_path):
    (tmp_path / "sf.json").write_text(text(TRACKS | {"data": {"nodetype": "none"}}))
    with pytest.raises(ValueError, match=r"sf.json: correctionlib does not take correction 'tracks': "):
        Correction.read(tmp_path / "sf.json", "tracks")
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        Correction.read(tmp_path / "none.json", "w_tag")
    with pytest.raises(ValueError, match=r"required: one of a correctionlib.CorrectionSet"):
        Correction(correction="sf.json")
