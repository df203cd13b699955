"""Figures of vertices: rates, means and one jet, drawn where the numbers are."""

from itertools import pairwise

import awkward as ak
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.patches import Ellipse
from plotting.figures import legend_of
from reconstruction.helix_toys import flavour_jets, toy_flavour_jets, toy_tracks

from cortado import plotting, reconstruction
from cortado.histograms import axis_category, axis_score, book, fill_variations
from cortado.metrics import vertex_rate
from cortado.perigee import PARAMETERS, point
from cortado.plotting.style import CURVES, GREY
from cortado.statistics import Estimate

EDGES = np.array([0.1, 1.0, 10.0, 100.0])
LABELS = {"xlabel": "Flight distance [mm]", "ylabel": "Vertex efficiency"}


def bars_of(container):
    """Points of one series, shape (bins, 2), and the ends of its horizontal and vertical bars, shape (bins, 2)."""
    line, _, (across, up) = container
    ends = [np.array([segment[:, axis] for segment in bars.get_segments()]) for axis, bars in ((0, across), (1, up))]
    return line.get_xydata(), *ends


def wilson_interval(passed, total):
    """The slow way: the rates of which the observed one is one standard deviation away."""
    rates = np.linspace(0, 1, 2_000_001)
    inside = np.abs(passed / total - rates) <= np.sqrt(rates * (1 - rates) / total)
    return rates[inside][[0, -1]]


def test_rates_have_wilson_intervals_and_bins_as_bars():
    passed, total = [0, 3, 5], [4, 10, 5]
    matched = np.concatenate([np.arange(n) < k for k, n in zip(passed, total)])
    rate = vertex_rate(matched, np.repeat([0.5, 5.0, 50.0], total), EDGES)
    _, ax = plotting.binned_rates({"AVR": rate}, EDGES, **LABELS, log=True, right="b jets")
    points, across, up = bars_of(ax.containers[0])
    np.testing.assert_allclose(points, np.transpose([np.sqrt(EDGES[1:] * EDGES[:-1]), np.divide(passed, total)]))
    np.testing.assert_allclose(across, np.transpose([EDGES[:-1], EDGES[1:]]))
    np.testing.assert_allclose(up, [wilson_interval(k, n) for k, n in zip(passed, total)], atol=2e-6)
    assert (ax.get_xscale(), ax.get_xlim()) == ("log", (0.1, 100.0))
    assert (ax.get_xlabel(), ax.get_ylabel()) == tuple(LABELS.values())
    assert [text.get_text() for text in ax.texts] == ["cortado", "Simulation", "b jets"]


def test_finders_have_their_own_markers_colours_and_places_within_the_bins():
    rng = np.random.default_rng(1)
    distance = rng.uniform(0.1, 100, 500)
    rates = {name: vertex_rate(rng.random(500) < 0.5, distance, EDGES) for name in ("AVR", "RNN", "Set2Graph")}
    _, ax = plotting.binned_rates(rates, EDGES, **LABELS)
    series = [bars_of(container) for container in ax.containers]
    x = np.stack([points[:, 0] for points, _, _ in series])
    assert (np.diff(x, axis=0) > 0).all()
    assert ((x > EDGES[:-1]) & (x < EDGES[1:])).all()
    for _, across, _ in series:
        np.testing.assert_allclose(across, np.transpose([EDGES[:-1], EDGES[1:]]))
    lines = [container[0] for container in ax.containers]
    assert len({line.get_marker() for line in lines}) == len({line.get_color() for line in lines}) == 3
    assert legend_of(ax) == ["AVR", "RNN", "Set2Graph"]


def test_empty_bins_have_no_point():
    rate = vertex_rate([True, False], [0.5, 50.0], EDGES)
    _, ax = plotting.binned_rates({"AVR": rate}, EDGES, **LABELS)
    points, _, _ = bars_of(ax.containers[0])
    assert points[:, 1].tolist() == [1.0, 0.0]


def test_means_have_the_errors_of_means():
    rng = np.random.default_rng(2)
    tracks = rng.integers(0, 12, 300)
    merit = np.where(tracks > 1, rng.normal(0.3, 0.2, 300), np.nan)
    edges = np.array([0.5, 1.5, 4.0, 7.0, 10.0])
    _, ax = plotting.binned_means({"AVR": (merit, tracks)}, edges, xlabel="Number of tracks", ylabel="Mean F1")
    bins = [merit[(tracks >= low) & (tracks < high)] for low, high in pairwise(edges[1:])]
    mean, error = (np.array([f(values) for values in bins]) for f in (np.mean, lambda x: x.std(ddof=1) / len(x) ** 0.5))
    points, _, up = bars_of(ax.containers[0])
    np.testing.assert_allclose(points, np.transpose([(edges[1:-1] + edges[2:]) / 2, mean]))
    np.testing.assert_allclose(up, np.transpose([mean - error, mean + error]))


def test_a_single_jet_has_no_mean():
    means = {"AVR": ([0.2, 0.4, 0.9], [2, 3, 6])}
    _, ax = plotting.binned_means(means, [1, 4, 8], xlabel="Number of tracks", ylabel="Mean F1")
    points, _, _ = bars_of(ax.containers[0])
    np.testing.assert_allclose(points, [[2.5, 0.3]])


def test_negative_means_are_within_the_frame():
    means = {"AVR": ([-0.5, -0.3, 0.2, 0.4], [1, 1, 2, 2])}
    _, ax = plotting.binned_means(means, [1, 2, 3], xlabel="Number of tracks", ylabel="Mean ARI")
    _, _, up = bars_of(ax.containers[0])
    low, high = ax.get_ylim()
    assert low < up.min()
    assert up.max() < high


def test_estimates_are_drawn_with_their_errors():
    estimates = [Estimate(-7.0, 0.5), Estimate(np.nan, np.nan), Estimate(-2.0, 1.0)]
    _, ax = plotting.binned_estimates({"soft drop": estimates}, EDGES, xlabel="True mass [GeV]", ylabel="Bias [%]")
    points, across, up = bars_of(ax.containers[0])
    np.testing.assert_allclose(points[:, 1], [-7, -2])
    np.testing.assert_allclose(across, [EDGES[:2], EDGES[2:]])
    np.testing.assert_allclose(up, [[-7.5, -6.5], [-3, -1]])
    assert ax.get_ylim()[0] < -7.5
    assert ax.get_ylim()[1] >= 0  # all are negative
    assert legend_of(ax) == ["soft drop"]


@pytest.mark.parametrize(
    ("edges", "log", "message"),
    [
        ([0.0, 1.0, 10.0, 100.0], True, "above 0 on a logarithmic axis, the first is 0"),
        ([0.1, 1.0, 1.0, 100.0], False, r"two or more ascending numbers, got \[0.1, 1.0, 1.0, 100.0\]"),
        ([0.1, 1.0], False, r"edges are of 1 bins, but there are other numbers of them: \{'AVR': 3\}"),
    ],
)
def test_edges_that_do_not_fit_are_refused(edges, log, message):
    rate = vertex_rate([True], [0.5], EDGES)
    with pytest.raises(ValueError, match=message):
        plotting.binned_rates({"AVR": rate}, edges, **LABELS, log=log)


def test_nothing_to_draw_is_an_error():
    with pytest.raises(ValueError, match=r"no bin of \[\] is filled"):
        plotting.binned_rates({}, EDGES, **LABELS)
    with pytest.raises(ValueError, match=r"no bin of \['AVR'\] is filled"):
        plotting.binned_rates({"AVR": vertex_rate([], [], EDGES)}, EDGES, **LABELS)
    with pytest.raises(ValueError, match="edges are of 3 bins, but there are other numbers of them"):
        plotting.binned_estimates({"soft drop": [Estimate(1.0, 0.1)]}, EDGES, **LABELS)
    with pytest.raises(ValueError, match=r"values \(2,\) and x \(1,\) of 'AVR' must have one shape"):
        plotting.binned_means({"AVR": ([0.1, 0.2], [3])}, EDGES, **LABELS)


def test_scores_of_three_flavours_are_drawn_by_truth():
    histogram = book(axis_category("truth"), axis_score(4))
    for name, score in (("b", 0.9), ("c", 0.6), ("light", 0.1)):
        fill_variations(histogram, "a", {"truth": name, "score": np.full(5, score)}, np.ones(5))
    names = {"b": "b jets", "c": "c jets", "light": "light jets"}
    _, ax = plotting.score_distributions(histogram[{"dataset": sum}], names, by="truth")
    assert legend_of(ax) == list(names.values())
    heights = [patch.get_data().values for patch in ax.patches]
    np.testing.assert_allclose(heights, [[0, 0, 0, 4], [0, 0, 4, 0], [4, 0, 0, 0]])


def axes_of(jet):
    """Unit vectors along the jet and in the direction of azimuth, shape (2, 3)."""
    along = np.array([np.cos(jet.phi), np.sin(jet.phi), np.sinh(jet.eta)]) / np.cosh(jet.eta)
    return np.stack([along, [-np.sin(jet.phi), np.cos(jet.phi), 0]])


@pytest.fixture(scope="module")
def jets():
    """Jets with the primary and a secondary vertex of three tracks or more, whose positions are in the record."""
    jets = toy_flavour_jets(20, seed=3, mean_prompt=6, mean_secondary=5)
    flights = np.stack([flight * axes_of(jet)[0] for flight, jet in zip(jets.flight, jets)])
    positions = np.stack([np.zeros((20, 3)), flights], axis=1)
    vertices = {axis: positions[..., i] for i, axis in enumerate("xyz")} | {"vertex_index": np.tile([0, 1], (20, 1))}
    jets = ak.with_field(jets, ak.from_regular(ak.zip(vertices)), "true_vertices")
    secondary = ak.sum(jets.tracks.vertex_index, axis=1)
    enough = (secondary > 2) & (ak.num(jets.tracks) - secondary > 2)
    return ak.with_field(jets, np.full(20, 5), "flavour")[enough]


def tracks_of(ax):
    """Drawn helices of each group, from the vertex on: lists of (points, 2), and their colours."""
    drawn = [lines for lines in ax.collections if isinstance(lines, LineCollection) and lines.get_alpha() == 1]
    return [lines.get_segments() for lines in drawn], [to_hex(lines.get_color()[0]) for lines in drawn]


def positions_of(ax, marker):
    """Positions of filled markers, shape (k, 2), and their colours."""
    lines = [line for line in ax.lines if line.get_marker() == marker and line.get_markerfacecolor() != "none"]
    return np.array([line.get_xydata()[0] for line in lines]), [line.get_color() for line in lines]


@pytest.fixture(scope="module")
def shown(jets):
    jet, fitted = jets[0], reconstruction.vertices(jets[:1], jets.tracks.vertex_index[:1])[0]
    return jet, fitted, plotting.vertex_display(jet, jet.tracks.vertex_index, jet.tracks.vertex_index, fitted)


def test_tracks_are_drawn_on_their_helices_from_their_vertex_on(shown):
    jet, _, (_, axes) = shown
    parameters = np.stack([ak.to_numpy(jet.tracks[name]) for name in PARAMETERS], axis=-1)
    groups, _ = tracks_of(axes[0])
    assert [len(lines) for lines in groups] == [np.sum(jet.tracks.vertex_index == index) for index in (0, 1)]
    for index, lines in enumerate(groups):
        for track, line in zip(parameters[jet.tracks.vertex_index == index], lines):
            path = np.linspace(-100, 100, 200_001)
            helix = point(np.broadcast_to(track, (len(path), 5)), path, 2.0) @ axes_of(jet).T
            nearest = [np.abs(helix - place).sum(axis=1).min() for place in line[[0, 10, -1]]]
            assert max(nearest) < 2e-3
            start = [0.0, jet.flight][index]
            assert line[0, 0] == pytest.approx(start, abs=0.1)
            assert line[-1, 0] > axes[0].get_xlim()[1]


def test_the_bending_follows_the_field(jets):
    """Without a field the tracks are straight lines, with one they are not."""
    jet = jets[0]
    for field, straight in ((0.0, True), (4.0, False)):
        index = jet.tracks.vertex_index
        _, (ax, _) = plotting.vertex_display(jet, index, index, magnetic_field=field, reach=100)
        lines = np.concatenate(tracks_of(ax)[0])
        bent = np.abs(lines[:, 1:-1:2] - (lines[:, :-2:2] + lines[:, 2::2]) / 2).max()
        assert (bent < 1e-9) == straight


def test_vertices_and_their_errors_are_drawn_at_their_places(shown):
    jet, fitted, (figure, (left, right)) = shown
    places, colours = positions_of(left, "*")
    np.testing.assert_allclose(places, [[0, 0], [jet.flight, 0]], atol=1e-12)
    assert colours == [CURVES[0], CURVES[1]]
    axes = axes_of(jet)
    places, found_colours = positions_of(right, "o")
    np.testing.assert_allclose(places, np.transpose([fitted[axis].to_numpy() for axis in "xyz"]) @ axes.T)
    assert found_colours == colours
    ellipses = [patch for patch in right.patches if isinstance(patch, Ellipse)]
    for ellipse, fit in zip(ellipses, fitted, strict=True):
        names = [["x_x", "x_y", "x_z"], ["x_y", "y_y", "y_z"], ["x_z", "y_z", "z_z"]]
        covariance = axes @ np.array([[fit[f"cov_{name}"] for name in row] for row in names]) @ axes.T
        tips = np.array([*ellipse.get_vertices(), *ellipse.get_co_vertices()]) - ellipse.get_center()
        chi2 = np.einsum("pi,ij,pj->p", tips, np.linalg.inv(covariance), tips)
        np.testing.assert_allclose(1 - np.exp(-chi2 / 2), 0.68)  # of two dimensions
    (hollow,) = [line for line in right.lines if line.get_marker() == "*"]
    np.testing.assert_allclose(hollow.get_xydata(), positions_of(left, "*")[0])
    assert figure.axes == [left, right]


def test_display_says_what_it_shows(shown):
    jet, fitted, (_, (left, right)) = shown
    counts = [int(np.sum(jet.tracks.vertex_index == index)) for index in (0, 1)]
    assert legend_of(left) == [f"primary, {counts[0]} tracks", f"vertex 1, {counts[1]} tracks"]
    assert legend_of(right) == [
        *(f"{fit.n_tracks} tracks, L = {fit.flight_distance:.1f} mm, m = {fit.mass:.1f} GeV" for fit in fitted),
        "true vertices",
    ]
    assert right.get_title(loc="right") == rf"b jet, $p_\mathrm{{T}}$ = 50 GeV, $\eta$ = {jet.eta:.1f}"
    for ax in (left, right):
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("Along the jet axis [mm]", "Across the jet axis [mm]")
        assert ax.get_aspect() == 1
        assert ax.get_xlim()[1] > jet.flight


def test_legends_overlap_nothing_and_lie_within_the_figure(shown):
    _, _, (figure, axes) = shown
    figure.draw_without_rendering()
    legends = [ax.get_legend().get_window_extent() for ax in axes]
    assert not legends[0].overlaps(legends[1])
    for ax, box in zip(axes, legends):
        assert not box.overlaps(ax.xaxis.label.get_window_extent())
        assert box.y1 < ax.get_window_extent().y0
        assert box.y0 >= 0
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1


def test_stretched_lengths_are_said_to_be(jets):
    index = jets[0].tracks.vertex_index
    _, (ax, _) = plotting.vertex_display(jets[0], index, index, stretch=4)
    assert ax.get_aspect() == 4
    assert ax.get_ylabel() == r"Across the jet axis [mm], $\times$ 4"


def small_jet(vertex_type=None, **fields):
    """Six tracks from the origin."""
    rng = np.random.default_rng(4)
    direction = np.stack([rng.normal(0, 0.2, 6), rng.normal(1.2, 0.2, 6), np.full(6, 0.2)], axis=-1)
    parameters, _ = toy_tracks(rng, np.zeros((6, 3)), direction)
    tracks = {} if vertex_type is None else {"vertex_type": np.array(vertex_type, np.int32)}
    jet = {name: np.array([value]) for name, value in {"pt": 40.0, "eta": 0.4, "phi": 0.0, **fields}.items()}
    return flavour_jets(parameters, None, [6], tracks=tracks, jets=jet)[0]


def test_found_vertices_have_the_colours_of_the_true_ones_they_share_most_tracks_with():
    # Of the primary tracks one is lost to a vertex; two of the secondary ones make one of their own, one is single.
    _, (left, right) = plotting.vertex_display(small_jet(), [0, 0, 0, 1, 1, 1], [7, 7, 7, 3, 3, 5])
    assert tracks_of(left)[1] == [CURVES[0], CURVES[1]]
    assert tracks_of(right)[1] == [CURVES[1], CURVES[0], GREY]
    assert legend_of(right) == ["2 tracks", "3 tracks", "1 single track"]


def test_a_found_vertex_that_is_none_has_a_colour_of_its_own():
    _, (left, right) = plotting.vertex_display(small_jet(), [0, 0, 0, 1, 1, 2], [0, 1, 1, 2, 3, 2])
    assert tracks_of(left)[1] == [CURVES[0], CURVES[1], GREY]
    assert tracks_of(right)[1] == [CURVES[0], CURVES[2], GREY]
    _, (left, right) = plotting.vertex_display(small_jet(), [0, 1, 2, 3, 4, 5], [-1, -1, -1, 0, 1, 2])
    assert legend_of(left) == legend_of(right) == ["6 single tracks"]


def test_kinds_of_vertices_are_named_and_single_decays_of_heavy_hadrons_shown():
    jet = small_jet([0, 0, 1, 2, 2, 6], flavour=4)
    _, (left, right) = plotting.vertex_display(jet, [0, 0, 1, 2, 2, 3], [0, 0, 0, 1, 1, 2])
    assert legend_of(left) == [
        "primary, 2 tracks",
        "b decay, 1 track",
        "c decay (from b), 2 tracks",
        "1 single track",
    ]
    assert right.get_title(loc="right").startswith("c jet, ")


@pytest.mark.parametrize(("options", "outside"), [({"reach": 1.0}, True), ({}, False), ({"reach": 40.0}, False)])
def test_vertices_beyond_the_frame_are_named(jets, options, outside):
    jet = jets[0]
    _, (ax, _) = plotting.vertex_display(jet, jet.tracks.vertex_index, jet.tracks.vertex_index, **options)
    assert legend_of(ax)[1].endswith(", outside") == outside
    assert (ax.get_xlim()[1] < jet.flight) == outside


def test_the_origin_is_the_true_primary_vertex(jets):
    jet, shift = jets[0], np.array([0.2, -0.1, 3.0])
    moved = {name: jet.true_vertices[name] + step for name, step in zip("xyz", shift)}
    moved = ak.zip(moved | {"vertex_index": jet.true_vertices.vertex_index})
    _, (ax, _) = plotting.vertex_display(
        ak.with_field(jets[:1], ak.Array([moved]), "true_vertices")[0], jet.tracks.vertex_index, jet.tracks.vertex_index
    )
    np.testing.assert_allclose(positions_of(ax, "*")[0], [[0, 0], [jet.flight, 0]], atol=1e-12)


def test_the_display_turns_with_the_jet(jets):
    jet, angle = jets[0], 2.0
    index = jet.tracks.vertex_index
    without = ak.without_field(jets[:1], "true_vertices")
    tracks = ak.with_field(without.tracks, without.tracks.phi + angle, "phi")
    turned = ak.with_field(ak.with_field(without, tracks, "tracks"), without.phi + angle, "phi")[0]
    before, after = (tracks_of(plotting.vertex_display(one, index, index)[1][0])[0] for one in (without[0], turned))
    np.testing.assert_allclose(np.concatenate(before), np.concatenate(after), atol=1e-6)


def test_jets_that_cannot_be_displayed_are_refused(shown):
    jet, fitted, _ = shown
    index = ak.to_numpy(jet.tracks.vertex_index)
    with pytest.raises(ValueError, match="the jet has no tracks to display"):
        plotting.vertex_display(flavour_jets(np.empty((0, 5)), None, [0])[0], [], [])
    with pytest.raises(ValueError, match=r"truth must be one vertex index for each of the \d+ tracks, got int32"):
        plotting.vertex_display(jet, index[1:], index)
    with pytest.raises(ValueError, match=r"reconstructed must be one vertex index .* got float64"):
        plotting.vertex_display(jet, index, index.astype(float))
    for options in ({"reach": 0.0}, {"stretch": -1.0}):
        with pytest.raises(ValueError, match=f"{next(iter(options))} must be above 0, got"):
            plotting.vertex_display(jet, index, index, **options)
    with pytest.raises(
        ValueError, match=r"a fitted vertex has the tracks \[.*\], which are not of one vertex in reconstructed"
    ):
        plotting.vertex_display(jet, index, np.arange(len(index)), fitted)
    broken = ak.with_field(jet.tracks, np.where(np.arange(len(index)) == 2, np.nan, jet.tracks.theta), "theta")
    with pytest.raises(ValueError, match=r"perigee parameters of the tracks \[2\] are NaN or infinite"):
        plotting.vertex_display(ak.with_field(ak.Array([jet]), ak.Array([broken]), "tracks")[0], index, index)
