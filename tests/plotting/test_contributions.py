"""Displays of contributions: what is drawn is what was given, white is zero."""

import awkward as ak
import numpy as np
import pytest
from toys import toy_jets

from cortado import plotting


def jets_and_shares():
    jets = toy_jets(2, seed=3, min_constituents=5, max_constituents=20)
    rng = np.random.default_rng(1)
    named = {"QCD": jets[0], "Top": jets[1]}
    return named, {name: rng.normal(0, 1, len(jet.constituents)) for name, jet in named.items()}


def test_constituents_have_the_colour_of_what_they_add(tmp_path):
    jets, shares = jets_and_shares()
    figure, axes = plotting.constituent_contributions(jets, shares, score="logit")
    assert axes.shape == (2,)
    most = max(np.abs(share).max() for share in shares.values())
    for ax, (name, jet) in zip(axes, jets.items()):
        points = ax.collections[0]
        order = np.argsort(-ak.to_numpy(jet.constituents.pt))
        np.testing.assert_allclose(points.get_array(), shares[name][order])
        eta = ak.to_numpy(jet.constituents.eta)[order] - jet.eta
        np.testing.assert_allclose(points.get_offsets()[:, 0], eta, atol=1e-6)
        assert np.all(np.diff(points.get_sizes()) <= 0)
        assert (points.norm.vmin, points.norm.vmax) == pytest.approx((-most, most))
        texts = [text.get_text() for text in ax.texts]
        assert f"{name}, sum {shares[name].sum():+.2f}" in texts
    assert figure.axes[-1].get_ylabel().startswith("Contribution to the logit")
    assert plotting.save(figure, tmp_path / "jets.png", dpi=30).stat().st_size > 1000


def images_and_shares():
    rng = np.random.default_rng(1)
    images = {name: rng.random((4, 1, 6, 8)) for name in ("QCD", "Top")}
    return images, {name: rng.normal(0, 1, image.shape) for name, image in images.items()}


def test_pixels_are_means_beside_mean_contributions(tmp_path):
    images, shares = images_and_shares()
    figure, axes = plotting.pixel_contributions(images, shares, half_width=(0.5, 0.7), score="loss")
    assert axes.shape == (2, 2)
    for column, name in zip(axes.T, images):
        drawn = [np.ma.filled(ax.collections[0].get_array(), 0).reshape(8, 6) for ax in column]
        np.testing.assert_allclose(drawn[0], images[name].mean(axis=(0, 1)).T)
        np.testing.assert_allclose(drawn[1], shares[name].mean(axis=(0, 1)).T)
        norm = column[1].collections[0].norm
        assert norm.vmin == -norm.vmax < 0
        assert column[1].texts[0].get_text() == f"{name}, sum {shares[name].sum() / 4:+.3g}"
    one = {name: image[:, 0] for name, image in images.items()}, {name: share[:, 0] for name, share in shares.items()}
    again, _ = plotting.pixel_contributions(*one, half_width=(0.5, 0.7), score="loss")
    files = [plotting.save(each, tmp_path / f"{i}.png", dpi=30) for i, each in enumerate((figure, again))]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_what_does_not_fit_is_refused():
    jets, shares = jets_and_shares()
    with pytest.raises(ValueError, match=r"given are \['QCD', 'Top'\], contributions of \['QCD'\]"):
        plotting.constituent_contributions(jets, {"QCD": shares["QCD"]})
    with pytest.raises(
        ValueError, match=r"Top: \d+ constituents and contributions of shape \(3,\); needed is one each"
    ):
        plotting.constituent_contributions(jets, shares | {"Top": shares["Top"][:3]})
    with pytest.raises(ValueError, match="all contributions are 0"):
        plotting.constituent_contributions(jets, {name: 0 * share for name, share in shares.items()})
    images, pixels = images_and_shares()
    with pytest.raises(ValueError, match=r"QCD: images \(4, 1, 6, 8\) and contributions \(2, 1, 6, 8\)"):
        plotting.pixel_contributions(images, pixels | {"QCD": pixels["QCD"][:2]})
    with pytest.raises(ValueError, match="needed are the same kinds"):
        plotting.pixel_contributions({}, {})
    with pytest.raises(ValueError, match="all pixels are empty"):
        plotting.pixel_contributions({name: 0 * image for name, image in images.items()}, pixels)
