"""Jets and their average images."""

import awkward as ak
import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from plotting.figures import legend_of
from toys import toy_jets

from cortado import plotting


def test_average_images_are_means_on_one_scale():
    rng = np.random.default_rng(0)
    before = {"W": rng.random((20, 5, 5)), "QCD": rng.random((30, 5, 5)) * 10}
    after = {name: images[:, None] for name, images in before.items()}
    figure, axes = plotting.average_images(before, after, half_width=1.0)
    assert axes.shape == (2, 2)
    meshes = [next(c for c in ax.collections if isinstance(c, QuadMesh)) for ax in axes.ravel()]
    np.testing.assert_allclose(meshes[0].get_array().reshape(5, 5), before["W"].mean(axis=0).T)
    np.testing.assert_allclose(meshes[1].get_array(), meshes[0].get_array())
    assert meshes[0].norm is meshes[2].norm
    assert isinstance(meshes[0].norm, mpl.colors.LogNorm)
    assert meshes[2].norm.vmax == pytest.approx(before["QCD"].mean(axis=0).max())
    assert figure.axes[4].get_ylabel().endswith("[GeV]")
    assert axes[0, 0].get_ylabel() == r"$\Delta\phi$ [rad]"
    assert axes[1, 1].get_title(loc="right") == "QCD, preprocessed"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ({"W": np.ones((2, 3, 3))}, {"QCD": np.ones((2, 3, 3))}, r"of \['W'\], after of \['QCD'\]"),
        ({}, {}, "needed are the same classes"),
        ({"W": np.ones((0, 3, 3))}, {"W": np.ones((2, 3, 3))}, r"images of 'W' have shape \(0, 3, 3\)"),
        ({"W": np.zeros((2, 3, 3))}, {"W": np.ones((2, 3, 3))}, "all pixels are empty"),
    ],
)
def test_images_that_cannot_be_compared_are_refused(before, after, message):
    with pytest.raises(ValueError, match=message):
        plotting.average_images(before, after)


@pytest.mark.parametrize("charged", [True, False])
def test_jet_display_shows_every_constituent_across_the_seam(charged):
    jets = toy_jets(20, min_constituents=5)
    jet = jets[int(np.argmax(np.abs(jets.phi)))]
    assert abs(jet.phi) > 2.9
    if not charged:
        fields = [name for name in jet.constituents.fields if name != "charge"]
        jet = {name: jet[name] for name in ("pt", "eta", "phi", "mass")} | {"constituents": jet.constituents[fields]}
    figure, (cloud, picture) = plotting.jet_display(jet)
    drawn = np.concatenate([points.get_offsets() for points in cloud.collections if len(points.get_offsets())])
    assert len(drawn) == len(jet["constituents"])
    assert np.abs(drawn).max() < cloud.get_xlim()[1]
    mesh = next(c for c in picture.collections if isinstance(c, QuadMesh))
    assert mesh.get_array().sum() == pytest.approx(ak.sum(jet["constituents"]["pt"]), rel=1e-5)
    assert legend_of(cloud) == (["positive", "negative", "neutral"] if charged else ["constituent"])
    assert figure.axes[2].get_ylabel().endswith("[GeV]")


def test_a_jet_without_constituents_cannot_be_displayed():
    jet = toy_jets(3, min_constituents=0, max_constituents=0)[0]
    with pytest.raises(ValueError, match="no constituents to display"):
        plotting.jet_display(jet)
