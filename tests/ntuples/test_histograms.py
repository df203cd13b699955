"""Histograms in ROOT and JSON: nothing of their content is lost, or it is an error."""

import importlib.resources
import json

import hist
import numpy as np
import pytest
import uproot

from cortado import ntuples


def jet_mass(storage=hist.storage.Weight, growth=True):
    axes = [
        hist.axis.StrCategory(["w", "qcd"], name="dataset", growth=growth),
        hist.axis.StrCategory(["nominal", "tagUp"], name="variation", growth=growth),
        hist.axis.Regular(8, 40, 120, name="mass", label="Jet mass [GeV]"),
    ]
    histogram = hist.Hist(*axes, storage=storage())
    rng = np.random.default_rng(1)
    for dataset in ("w", "qcd"):
        for variation in ("nominal", "tagUp"):
            more = {"weight": rng.normal(1, 0.5, 200)} if storage is hist.storage.Weight else {}
            histogram.fill(dataset=dataset, variation=variation, mass=rng.normal(80, 30, 200), **more)
    return histogram


def test_root_has_one_histogram_per_category_with_its_variances(tmp_path):
    histogram = jet_mass()
    ntuples.write_histograms(tmp_path / "a.root", {"jet_mass": histogram})
    read = ntuples.read_histograms(tmp_path / "a.root")
    assert set(read) == {f"{d}/{v}/jet_mass" for d in ("w", "qcd") for v in ("nominal", "tagUp")}
    for name, one in read.items():
        dataset, variation, _ = name.split("/")
        expected = histogram[{"dataset": dataset, "variation": variation}]
        assert one.axes[0].label == "Jet mass [GeV]"
        assert np.array_equal(one.axes[0].edges, expected.axes[0].edges)
        np.testing.assert_array_equal(one.values(flow=True), expected.values(flow=True))
        np.testing.assert_array_equal(one.variances(flow=True), expected.variances(flow=True))


def test_json_has_the_form_that_uhi_publishes(tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    ntuples.write_histograms(tmp_path / "a.json", {"jet_mass": jet_mass(), "counts": jet_mass(hist.storage.Int64)})
    schema = json.loads((importlib.resources.files("uhi") / "resources" / "histogram.schema.json").read_text())
    for histogram in json.loads((tmp_path / "a.json").read_text()).values():
        jsonschema.validate(histogram, schema)


def test_sum_of_weights_is_conserved(tmp_path):
    histogram = jet_mass()
    ntuples.write_histograms(tmp_path / "a.root", {"jet_mass": histogram})
    parts = ntuples.read_histograms(tmp_path / "a.root").values()
    assert sum(part.sum(flow=True).value for part in parts) == pytest.approx(histogram.sum(flow=True).value)


def test_root_of_unweighted_and_two_dimensional_histograms(tmp_path):
    plane = hist.Hist.new.Reg(3, 0, 1, name="x").Var([0, 1, 4], name="y").Int64()
    plane.fill(x=[0.1, 0.5, 2], y=[3, 0.5, 9])
    ntuples.write_histograms(tmp_path / "a.root", {"plane": plane})
    read = ntuples.read_histograms(tmp_path / "a.root")["plane"]
    np.testing.assert_array_equal(read.values(flow=True), plane.values(flow=True))
    with uproot.open(tmp_path / "a.root") as file:
        assert file["plane"].classname.startswith("TH2")


def test_integer_categories_are_folders_too(tmp_path):
    histogram = hist.Hist.new.IntCat([5, 21], name="flavour").Reg(2, 0, 1, name="score").Double()
    histogram.fill(flavour=[5, 5, 21], score=[0.1, 0.7, 0.2])
    ntuples.write_histograms(tmp_path / "a.root", {"score": histogram})
    read = ntuples.read_histograms(tmp_path / "a.root")
    assert {name: one.values().tolist() for name, one in read.items()} == {"5/score": [1, 1], "21/score": [1, 0]}


@pytest.mark.parametrize("storage", [hist.storage.Weight, hist.storage.Double, hist.storage.Int64])
def test_json_loses_nothing(tmp_path, storage):
    histograms = {"jet_mass": jet_mass(storage), "other": jet_mass(storage)[:, "nominal", :]}
    ntuples.write_histograms(tmp_path / "a.json", histograms)
    read = ntuples.read_histograms(tmp_path / "a.json")
    assert read == histograms
    assert [axis.name for axis in read["jet_mass"].axes] == ["dataset", "variation", "mass"]


# ---- bad input


def test_entries_outside_the_categories_are_not_lost_silently(tmp_path):
    histogram = jet_mass(growth=False)
    histogram.fill(dataset="top", variation="nominal", mass=80.0, weight=2.5)
    with pytest.raises(ValueError, match=r"'jet_mass' has a sum of weights of 2.5 outside the names \['w', 'qcd'\] of"):
        ntuples.write_histograms(tmp_path / "a.root", {"jet_mass": histogram})
    assert list(tmp_path.iterdir()) == []


def test_storage_of_means(tmp_path):
    profile = hist.Hist.new.Reg(2, 0, 1, name="x").Mean()
    with pytest.raises(ValueError, match="'profile' has the storage Mean; ROOT has no such"):
        ntuples.write_histograms(tmp_path / "a.root", {"profile": profile})


def test_histogram_without_numbers(tmp_path):
    with pytest.raises(ValueError, match="'cutflow' has 0 axes of numbers; ROOT has 1, 2 or 3"):
        ntuples.write_histograms(tmp_path / "a.root", {"cutflow": hist.Hist.new.StrCat(["a"], name="cut").Double()})


def test_two_histograms_of_one_name(tmp_path):
    one = hist.Hist.new.StrCat(["w"], name="dataset").Reg(2, 0, 1, name="x").Double()
    with pytest.raises(ValueError, match="several histograms would be called w/x"):
        ntuples.write_histograms(tmp_path / "a.root", {"x": one, "w/x": one["w", :]})


@pytest.mark.parametrize("name", ["a.root", "a.json"])
def test_no_histograms(tmp_path, name):
    with pytest.raises(ValueError, match=f"no histograms to write to .*{name}"):
        ntuples.write_histograms(tmp_path / name, {})


def test_other_suffix(tmp_path):
    with pytest.raises(ValueError, match=r"histograms are kept in .root or .json files, not in '.pkl'"):
        ntuples.write_histograms(tmp_path / "a.pkl", {"jet_mass": jet_mass()})


def test_a_failure_keeps_the_old_file(tmp_path, monkeypatch):
    ntuples.write_histograms(tmp_path / "a.root", {"jet_mass": jet_mass()})
    content = (tmp_path / "a.root").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    for name in ("a.root", "a.json"):
        with pytest.raises(OSError, match="No space left"):
            ntuples.write_histograms(tmp_path / name, {"jet_mass": jet_mass()})
    assert (tmp_path / "a.root").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["a.root"]


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"jet_mass": {"axes": 3}}', json.dumps({"x": 1})])
def test_file_that_holds_something_else(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(OSError, match=r"a.json is (empty|not a file of histograms)"):
        ntuples.read_histograms(tmp_path / "a.json")


def test_root_file_without_histograms(tmp_path):
    ntuples.write(tmp_path / "a.root", "Events", [{"x": np.arange(3)}])
    with pytest.raises(ValueError, match=r"a.root holds no histograms"):
        ntuples.read_histograms(tmp_path / "a.root")


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a.json does not exist"):
        ntuples.read_histograms(tmp_path / "a.json")


@pytest.mark.parametrize(
    "axis",
    [
        hist.axis.Boolean(name="x"),
        hist.axis.Integer(0, 2, growth=True, name="x"),
        hist.axis.Regular(2, 0, 2, underflow=False, name="x"),
        hist.axis.Regular(2, 0, 2, overflow=False, name="x"),
        hist.axis.Variable([0.0, 0.5, 2.0], name="x", label="X"),
        hist.axis.Regular(2, 0, 2, circular=True, name="x"),
    ],
)
def test_no_weight_is_lost_in_root_whatever_flow_an_axis_has(axis, tmp_path):
    """uproot drops the flow of all axes where one has none."""
    mass = hist.axis.Regular(4, 0, 200, name="mass", label="Mass [GeV]")
    histogram = hist.Hist(axis, mass, storage=hist.storage.Weight())
    histogram.fill([0, 1, 1, 0], [10.0, 60.0, 250.0, -5.0], weight=[1.0, 2.0, 3.0, 4.0])
    ntuples.write_histograms(tmp_path / "h.root", {"mass": histogram})
    (back,) = ntuples.read_histograms(tmp_path / "h.root").values()
    assert back.sum(flow=True).value == histogram.sum(flow=True).value == 10
    assert back.sum(flow=True).variance == histogram.sum(flow=True).variance
    np.testing.assert_allclose(back.project(1).values(flow=True), histogram.project("mass").values(flow=True))
    assert back.axes[1].label == "Mass [GeV]"
