import math
from dataclasses import replace

import awkward as ak
import numpy as np
import pytest
from toys import toy_jets

from cortado.representations import JetImage
from cortado.representations.jet_image import CHANNELS, TOP_40, TOP_64, W_PAPER

RAW = JetImage(rotate=None, flip=(), normalise=None)


def jet(points, *, eta=0.5, phi=3.1, pt=None):
    """One jet; points are (pt, delta_eta, delta_phi, charge), the angles from a jet axis close to the seam."""
    pts, delta_eta, delta_phi, charge = zip(*points)
    constituents = {
        "pt": np.array(pts, dtype=float),
        "eta": eta + np.array(delta_eta),
        "phi": (phi + np.array(delta_phi) + np.pi) % (2 * np.pi) - np.pi,
        "mass": np.zeros(len(pts)),
        "charge": np.array(charge),
    }
    return ak.Array(
        [{"pt": float(sum(pts)) if pt is None else pt, "eta": eta, "phi": phi, "constituents": ak.zip(constituents)}]
    )


TWO_PRONGS = [(100.0, 0.0, 0.0, 0), (60.0, 0.36, 0.48, 1)]  # 0.6 apart


def turned_about_the_axis(points, angle):
    cos, sin = math.cos(angle), math.sin(angle)
    return [(pt, cos * x - sin * y, sin * x + cos * y, charge) for pt, x, y, charge in points]


def filled(image):
    """Pixels that are not empty: (eta, phi) -> intensity."""
    return {(int(i), int(j)): float(image[i, j]) for i, j in np.argwhere(image)}


def slow_image(jet, pixels, half_width):
    """Centre on the centroid, turn the principal axis down, flip twice, and fill, constituent by constituent."""
    reference = jet["constituents"][0]["phi"]
    points = [(c["pt"], c["eta"], math.remainder(c["phi"] - reference, 2 * math.pi)) for c in jet["constituents"]]
    total = sum(pt for pt, _, _ in points)
    mean_eta, mean_phi = (sum(p[0] * p[k] for p in points) / total for k in (1, 2))
    points = [(pt, x - mean_eta, y - mean_phi) for pt, x, y in points]
    moments = sum(pt * np.outer([x, y], [x, y]) for pt, x, y in points)
    axis = np.linalg.eigh(moments)[1][:, 1]
    points = [(pt, axis[0] * y - axis[1] * x, axis[0] * x + axis[1] * y) for pt, x, y in points]  # the axis is now phi
    for k in (1, 2):
        if sum(p[0] for p in points if p[k] > 0) < sum(p[0] for p in points if p[k] < 0):
            points = [tuple(-value if index == k else value for index, value in enumerate(p)) for p in points]
    image = np.zeros((pixels, pixels))
    for pt, x, y in points:
        i, j = (math.floor((value + half) / (2 * half) * pixels) for value, half in zip((x, y), half_width))
        if 0 <= i < pixels and 0 <= j < pixels:
            image[i, j] += pt
    return image / image.sum()


def test_slow_twin():
    jets = ak.values_astype(toy_jets(40, seed=6, min_constituents=3), np.float64)
    images = TOP_40(jets).image[:, 0]
    for image, one in zip(images, jets.tolist()):
        np.testing.assert_allclose(image, slow_image(one, 40, (0.58, 0.70)), atol=1e-6)


def test_every_gev_is_in_a_pixel_also_on_the_seam():
    jets = toy_jets(60)
    on_seam = ak.with_field(jets, ak.full_like(jets.phi, np.pi), "phi")
    constituents = ak.with_field(jets.constituents, (jets.constituents.phi - jets.phi) % (2 * np.pi) - np.pi, "phi")
    on_seam = ak.with_field(on_seam, constituents, "constituents")
    for representation in (RAW, replace(RAW, centre="axis"), replace(RAW, rotate="second_subjet", flip=("eta",))):
        for sample in (jets, on_seam):
            sums = representation(sample).image.sum(axis=(1, 2, 3))
            np.testing.assert_allclose(sums, ak.sum(sample.constituents.pt, axis=1), rtol=1e-5)


def test_constituents_that_share_a_pixel_are_summed():
    points = [(10.0, 0.0, 0.0, 0), (5.0, 0.01, 0.01, 0), (1.0, 0.3, 0.0, 0)]
    assert filled(replace(RAW, centre="axis")(jet(points)).image[0, 0]) == {(12, 12): 15.0, (15, 12): 1.0}


def test_axes_are_eta_then_phi_and_grow():
    points = [(10.0, 0.0, 0.0, 0), (1.0, 0.5, 0.0, 0), (2.0, 0.0, -0.3, 0)]
    assert set(filled(replace(RAW, centre="axis")(jet(points)).image[0, 0])) == {(12, 12), (17, 12), (12, 9)}


def test_channels():
    image = replace(RAW, centre="axis", channels=CHANNELS)(jet([*TWO_PRONGS, (3.0, 0.0, 0.0, -1)])).image[0]
    assert [filled(channel) for channel in image] == [
        {(12, 12): 103.0, (16, 17): 60.0},
        {(12, 12): 3.0, (16, 17): 60.0},
        {(12, 12): 100.0},
        {(12, 12): 2.0, (16, 17): 1.0},
    ]


def test_contained_fraction_tells_what_the_frame_leaves_out():
    small = replace(RAW, centre="axis", half_width=0.4)
    jets = jet(TWO_PRONGS)
    assert small.contained_fraction(jets).tolist() == [pytest.approx(100 / 160)]
    assert small(jets).image.sum() == pytest.approx(100)
    assert RAW.contained_fraction(jets).tolist() == [pytest.approx(1)]
    assert RAW.contained_fraction(ak.with_field(jets, jets.constituents[:, :0], "constituents")).tolist() == [1]


def test_the_contained_fraction_agrees_with_the_image():
    jets = toy_jets(50)
    representation = replace(W_PAPER, half_width=0.2, normalise=None)
    sums = representation(jets).image.sum(axis=(1, 2, 3))
    everything = replace(representation, half_width=9.0)(jets).image.sum(axis=(1, 2, 3))
    np.testing.assert_allclose(representation.contained_fraction(jets), sums / everything, rtol=1e-5)


@pytest.mark.parametrize("angle", [0.0, 1.0, 2.5, 4.0])
def test_the_second_subjet_points_down(angle):
    image = replace(W_PAPER, normalise=None)(jet(turned_about_the_axis(TWO_PRONGS, angle))).image[0, 0]
    assert filled(image) == {(12, 12): 100.0, (12, 6): pytest.approx(60)}


def test_with_one_subjet_the_principal_axis_takes_its_place():
    points = [(100.0, 0.0, 0.0, 0), (60.0, 0.15, 0.15, 0)]
    pixels = {"pixels": 101, "half_width": 0.505, "subjet_radius": 0.5, "normalise": None}
    down = filled(replace(W_PAPER, **pixels)(jet(points)).image[0, 0])
    axis = filled(replace(W_PAPER, rotate="principal_axis", **pixels)(jet(points)).image[0, 0])
    # The centre is that of the subjet: 0.212 * 60 / 160 = 0.080 from the harder one, which lies below.
    assert down == axis == {(50, 42): 100.0, (50, 63): pytest.approx(60)}


@pytest.mark.parametrize("representation", [JetImage(), TOP_40, W_PAPER], ids=["default", "top-40", "w-paper"])
@pytest.mark.parametrize("angle", [0.3, 2.0, 5.0])
def test_turning_the_jet_about_its_axis_changes_nothing(representation, angle):
    rng = np.random.default_rng(4)
    points = [(rng.exponential(10), *rng.normal(0, 0.25, 2), 0) for _ in range(40)] + [(90.0, 0.5, 0.1, 0)]
    first, second = (representation(jet(turned_about_the_axis(points, a))).image for a in (0.0, angle))
    np.testing.assert_allclose(first, second, atol=1e-6)


@pytest.mark.parametrize("mirror", [(1, -1), (-1, 1), (-1, -1)])
def test_flipping_makes_mirror_images_equal(mirror):
    rng = np.random.default_rng(5)
    points = [(rng.exponential(10), *rng.normal(0, 0.25, 2), 0) for _ in range(40)]
    mirrored = [(pt, mirror[0] * x, mirror[1] * y, charge) for pt, x, y, charge in points]
    representation = replace(RAW, flip=("eta", "phi"), centre="axis", pixels=24)
    first, second = representation(jet(points)).image, representation(jet(mirrored)).image
    np.testing.assert_allclose(first, second, atol=1e-4)
    assert first[0, 0, 12:].sum() > first[0, 0, :12].sum()
    assert first[0, 0, :, 12:].sum() > first[0, 0, :, :12].sum()


def test_trimming_removes_soft_subjets_and_nothing_else():
    points = [(100.0, 0.0, 0.0, 0), (9.0, 0.8, 0.0, 0), (4.0, 0.0, 0.8, 0), (3.5, 0.05, 0.8, 0), (5.0, -0.8, 0.0, 0)]
    trimmed = replace(RAW, centre="axis", trim_fraction=0.05, channels=("pt", "multiplicity"))(jet(points)).image[0]
    assert trimmed[0].sum() == pytest.approx(100 + 9 + 7.5)  # 5 % of 121.5 is 6.075; 4 and 3.5 are one subjet
    assert trimmed[1].sum() == 4


def test_a_power_lifts_dim_pixels():
    jets = toy_jets(10)
    plain = JetImage()(jets).image
    for power in (0.5, 1 / 3):
        np.testing.assert_allclose(JetImage(power=power)(jets).image, plain.astype(float) ** power, rtol=1e-5)
    with pytest.raises(ValueError, match=r"half_width and power must be positive, got .* 0\.0"):
        JetImage(power=0.0)


def test_norms():
    jets = toy_jets(20)
    channels = {"channels": ("multiplicity", "pt"), "half_width": 0.15}
    raw = replace(RAW, **channels)(jets).image
    for norm, expected in {
        "sum": raw[:, 1].sum(axis=(1, 2)),
        "l2": np.sqrt((raw[:, 1] ** 2).sum(axis=(1, 2))),
        "jet_pt": jets.pt.to_numpy(),
    }.items():
        normed = replace(RAW, normalise=norm, **channels)(jets).image
        np.testing.assert_allclose(
            normed[:, 1], raw[:, 1] / np.where(expected > 0, expected, 1)[:, None, None], rtol=1e-5
        )
        assert (normed[:, 0] == raw[:, 0]).all()


def test_charged_and_neutral_share_the_norm_of_both():
    images = JetImage(channels=("charged_pt", "neutral_pt"))(toy_jets(20)).image
    np.testing.assert_allclose(images.sum(axis=(1, 2, 3)), 1, rtol=1e-5)


def test_a_frame_that_holds_nothing_is_empty():
    points = [(1.0, 0.5, 0.0, 0), (1.0, -0.5, 0.0, 0)]
    assert not replace(JetImage(), half_width=0.1)(jet(points)).image.any()


def test_published_sizes():
    assert W_PAPER(toy_jets(2)).image.shape == (2, 1, 25, 25)
    assert TOP_40(toy_jets(2)).image.shape == (2, 1, 40, 40)
    assert TOP_64(toy_jets(2)).image.shape == (2, 1, 64, 64)
    assert 2 * W_PAPER.half_width / W_PAPER.pixels == pytest.approx(0.1)
    assert [2 * half / 40 for half in TOP_40.half_width] == pytest.approx([0.029, 0.035])


def test_the_64_pixel_image_is_a_share_of_the_jet():
    jets = toy_jets(30)
    sums = TOP_64(jets).image.sum(axis=(1, 2, 3)) * jets.pt.to_numpy()
    np.testing.assert_allclose(sums, TOP_64.contained_fraction(jets) * ak.sum(jets.constituents.pt, axis=1), rtol=1e-5)


@pytest.mark.parametrize("pt", [0.0, -5.0])
def test_a_jet_without_pt_cannot_divide(pt):
    with pytest.raises(ValueError, match=f"JetImage: pt of jet 0 is {pt}, must be positive"):
        TOP_64(jet(TWO_PRONGS, pt=pt))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"channels": ("charge",)}, "JetImage knows no 'charge'; nearest: charged_pt"),
        ({"centre": "middle"}, "centre = 'middle', required: one of axis, centroid, leading_subjet"),
        ({"rotate": "yes"}, "rotate = 'yes', required: one of .*"),
        ({"normalise": "max"}, "normalise = 'max', required: one of .*"),
        ({"flip": ("x",)}, r"flip must hold none, one or both of 'eta' and 'phi', got \('x',\)"),
        ({"pixels": 0}, "pixels, subjet_radius, half_width and power must be positive, got 0"),
        ({"half_width": (0.5, -0.5)}, "must be positive, got 25, 0.3, "),
        ({"trim_fraction": 0.0}, "trim_fraction must lie between 0 and 1, got 0.0"),
    ],
)
def test_impossible_choices(arguments, message):
    with pytest.raises(ValueError, match=message):
        JetImage(**arguments)
