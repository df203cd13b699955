"""Figures of autoencoders: what is drawn is what was given."""

import numpy as np
import pytest

from cortado import plotting


def images():
    rng = np.random.default_rng(1)
    given = {name: rng.random((6, 8)) * (rng.random((6, 8)) > 0.5) for name in ("QCD", "Top")}
    return given, {name: image + 0.01 for name, image in given.items()}


def test_rows_are_kinds_and_columns_image_reproduction_and_loss(tmp_path):
    given, made = images()
    figure, axes = plotting.reconstructions(given, made, half_width=(0.5, 0.7))
    assert axes.shape == (2, 3)
    assert axes[1, 2].get_title(loc="right") == "Top: squared difference"
    for line, name in zip(axes, given):
        expected = (given[name], made[name], (given[name] - made[name]) ** 2)
        for ax, values in zip(line, expected):
            drawn = ax.collections[0].get_array()
            np.testing.assert_allclose(drawn.filled(0).reshape(8, 6), np.where(values > 0, values, 0).T)
            assert (ax.get_xlim(), ax.get_ylim()) == ((-0.5, 0.5), (-0.7, 0.7))
    assert plotting.save(figure, tmp_path / "images.png", dpi=30).stat().st_size > 1000


def test_images_that_do_not_fit_are_refused():
    given, made = images()
    with pytest.raises(ValueError, match="needed are the same kinds"):
        plotting.reconstructions(given, {"QCD": made["QCD"]}, half_width=(1, 1))
    with pytest.raises(ValueError, match=r"QCD: image \(6, 8\) and reproduced one \(3, 8\) must have one shape"):
        plotting.reconstructions(given, made | {"QCD": made["QCD"][:3]}, half_width=(1, 1))
    empty = {name: 0 * image for name, image in given.items()}
    with pytest.raises(ValueError, match="all pixels are empty"):
        plotting.reconstructions(empty, empty, half_width=(1, 1))


def test_half_and_nine_tenths_of_the_objects_are_inside_the_contours(tmp_path):
    rng = np.random.default_rng(1)
    codes = {"QCD": rng.normal(0, 1, (3000, 2)), "Top": rng.normal((4, 2), (1, 0.5), (2000, 2))}
    figure, ax = plotting.latent_space(codes, right="Observables")
    contours = [each for each in ax.collections if hasattr(each, "levels")]
    assert len(contours) == 2
    for contour, points in zip(contours, codes.values()):
        assert len(contour.levels) == 2
        for path, share in zip(contour.get_paths(), (0.9, 0.5)):  # the outer one is the lower
            assert np.mean(path.contains_points(points)) == pytest.approx(share, abs=0.02)
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["QCD", "Top", "50% inside", "90% inside"]
    assert plotting.save(figure, tmp_path / "latent.png", dpi=30).stat().st_size > 1000


@pytest.mark.parametrize("codes", [np.zeros((5, 3)), np.zeros((2, 2)), np.ones((9, 2)) * np.arange(9)[:, None]])
def test_codes_without_an_area_are_refused(codes):
    with pytest.raises(ValueError, match=r"QCD: codes of shape .* required: \(n, 2\), n > 2, not all on one line"):
        plotting.latent_space({"QCD": codes})
    with pytest.raises(ValueError, match="no kinds of objects"):
        plotting.latent_space({})
