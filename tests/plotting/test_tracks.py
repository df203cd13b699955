"""Figures of tracks: what is drawn is what the metrics count."""

import awkward as ak
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from reconstruction.track_toys import toy_events

from cortado import plotting
from cortado.metrics import lhc_match, match_tracks, reconstructable, residuals, track_finding, track_rate


def toy():
    """An event, labels with two tracks lost and three mixed, and the selection."""
    event = toy_events(events=1, tracks=30, min_pt=0.5)
    truth = ak.to_numpy(event.hits.particle_id[0])
    label = np.where(truth > 0, truth, -1)
    label[np.isin(label, [3, 4])] = -1
    for track in (5, 6, 7):
        label[np.flatnonzero(label == track)[1::2]] = 60
    return event, label, reconstructable(event.particles, min_pt=0.7, max_abs_eta=2.5, min_hits=5)


def lines_of(ax):
    return [part for part in ax.collections if isinstance(part, LineCollection)]


@pytest.mark.parametrize("options", [{}, {"match": lhc_match}])
def test_display_shows_what_the_metrics_count(options):
    event, label, selected = toy()
    figure, axes = plotting.track_display(event[0], label, selected[0], **options)
    tracks = match_tracks(label[np.newaxis], event.hits.particle_id)
    finding = track_finding(tracks, event.particles, selected, *options.values())
    expected = [
        finding.outside,
        finding.matched + finding.duplicates,
        finding.particles - finding.reconstructed,
        finding.fakes,
    ]
    assert min(expected) > 0
    for ax in axes:
        assert [len(part.get_segments()) for part in lines_of(ax)] == expected
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["Hits", f"Found: {expected[1]}", f"Missed: {expected[2]}", f"Fake: {expected[3]}",
                     f"Outside of the selection: {expected[0]}"]  # fmt: skip


def test_lines_go_through_hits_from_inside_out():
    event, label, selected = toy()
    _, (transverse, along) = plotting.track_display(event[0], label, selected[0])
    hits = event.hits[0]
    places = set(zip(*(np.asarray(hits[name], dtype=float).tolist() for name in "xy")))
    for line, in_r_z in zip(*(lines_of(ax)[1].get_segments() for ax in (transverse, along))):
        assert all(tuple(place) in places for place in line.tolist())
        np.testing.assert_allclose(np.hypot(*line.T), in_r_z[:, 1])
        distance = np.hypot(in_r_z[:, 0], in_r_z[:, 1])
        assert (np.diff(distance) >= 0).all()
    assert len(transverse.lines[0].get_xdata()) == len(hits)


def test_frames_hold_all_hits_or_what_is_asked_for():
    event, label, selected = toy()
    _, (transverse, along) = plotting.track_display(event[0], label, selected[0])
    farthest = ak.max(np.hypot(event.hits.x, event.hits.y))
    assert transverse.get_xlim()[1] > farthest
    assert along.get_ylim()[1] > farthest
    _, (transverse, along) = plotting.track_display(event[0], label, selected[0], reach=(200, 300), right="close")
    assert (transverse.get_ylim(), along.get_xlim(), along.get_ylim()) == ((-200, 200), (-300, 300), (0, 200))
    assert along.get_title(loc="right") == "close"


def test_an_event_without_tracks_is_displayed(tmp_path):
    event, label, selected = toy()
    figure, axes = plotting.track_display(event[0], label * 0 - 1, selected[0])
    assert [len(part.get_segments()) for part in lines_of(axes[0])] == [0, 0, int(ak.sum(selected)), 0]
    assert plotting.save(figure, tmp_path / "event.png", dpi=30).stat().st_size > 1000


def test_unfit_events_are_refused():
    event, label, selected = toy()
    empty = ak.zip({"hits": event.hits[:, :0], "particles": event.particles}, depth_limit=1)
    with pytest.raises(ValueError, match="the event has no hits to display"):
        plotting.track_display(empty[0], label[:0], selected[0])
    with pytest.raises(ValueError, match=r"track has shape \(1,\), needed is"):
        plotting.track_display(event[0], label[:1], selected[0])
    with pytest.raises(ValueError, match="selected must be one boolean for each particle"):
        plotting.track_display(event[0], label, selected[0][:1])
    with pytest.raises(ValueError, match=r"reach must be above 0, got \(0, 5\)"):
        plotting.track_display(event[0], label, selected[0], reach=(0, 5))
    spoilt = ak.with_field(event, ak.with_field(event.hits, event.hits.z * np.nan, "z"), "hits")
    with pytest.raises(ValueError, match=r"the position of hit 0 is .*nan.*, must be finite"):
        plotting.track_display(spoilt[0], label, selected[0])


def test_rates_begin_where_they_are_told():
    edges = np.array([0.5, 1, 2, 5])
    rate = track_rate(np.arange(300) % 20 > 0, np.repeat([0.7, 1.5, 3], 100), edges)
    _, ax = plotting.track_rates({"GNN": rate, "CKF": rate}, edges, xlabel="True pT [GeV]", low=0.8, log=True)
    assert ax.get_ylim()[0] == 0.8
    assert 1 < ax.get_ylim()[1] < 1.1
    assert (ax.get_ylabel(), ax.get_xscale()) == ("Track efficiency", "log")
    _, ax = plotting.track_rates({"GNN": rate}, edges, xlabel="True pT [GeV]", ylabel="Fake rate")
    assert ax.get_ylim()[0] == 0
    with pytest.raises(ValueError, match=r"low must be in \[0, 1\), got 1"):
        plotting.track_rates({"GNN": rate}, edges, xlabel="True pT [GeV]", low=1)


def test_pulls_are_drawn_with_their_widths(tmp_path):
    normal = np.random.default_rng(1).normal(0.2, 1.5, 20_000)
    figure, axes = plotting.parameter_pulls({"q/p": normal, "$d_0$": normal / 1.5}, right="muons")
    texts = [next(each.get_text() for each in ax.texts if "width" in each.get_text()) for ax in axes]
    for text, scale in zip(texts, (1.0, 1.5)):
        measured = residuals(normal / scale)
        assert text == f"bias {measured.bias.value:.2f}\nwidth {measured.resolution.value:.2f}"
    assert [ax.get_xlabel() for ax in axes] == ["Pull of q/p", "Pull of $d_0$"]
    points = axes[0].containers[0].lines[0]
    assert np.sum(points.get_ydata()) * 0.2 == pytest.approx(np.mean(np.abs(normal) < 5))
    assert plotting.save(figure, tmp_path / "pulls.png", dpi=30).stat().st_size > 1000


def test_pulls_that_cannot_be_drawn():
    with pytest.raises(ValueError, match="parameter_pulls needs the pulls of one parameter or more"):
        plotting.parameter_pulls({})
    with pytest.raises(ValueError, match="differences"):
        plotting.parameter_pulls({"q/p": [0.1, np.nan]})
