"""The follower: its extrapolation is a helix, and its predictions know nothing of what comes after, nor of azimuths."""

import numpy as np
import pytest
import torch

from cortado.models import TrackFollower
from cortado.models.track_follower import extrapolated

RADII = np.array([32.0, 72, 116, 172, 260, 360, 500, 660, 820, 1020])


def helices(number=20, seed=0, kinks=0.0):
    """Hits (n, 10, 3) [mm] of helices from near the beam line, of more than 0.9 GeV in 2 T; kinks of z and azimuth."""
    rng = np.random.default_rng(seed)
    half = rng.uniform(-1, 1, (number, 1)) / 3000  # 1 / (2 R)
    turn = np.arcsin(half * RADII)
    phi = rng.uniform(-np.pi, np.pi, (number, 1)) + turn + kinks * rng.normal(size=(number, 10)) / RADII
    z = (
        rng.normal(0, 50, (number, 1))
        + rng.normal(0, 1, (number, 1)) * turn / half
        + kinks * rng.normal(size=(number, 10))
    )
    hits = np.stack([RADII * np.cos(phi), RADII * np.sin(phi), z], axis=-1)
    return torch.from_numpy(hits), torch.ones(hits.shape[:2], dtype=torch.bool)


def made(seed=0):
    torch.manual_seed(seed)
    return TrackFollower(hidden=8, head=(8,)).double().eval()


def test_a_helix_is_extrapolated_without_error():
    hits, _ = helices()
    for last in range(2, 9):
        found = extrapolated(
            hits[:, :1], hits[:, last // 2 : last // 2 + 1], hits[:, last : last + 1], radius_of(hits, last + 1)
        )
        x, y, z = hits[:, last + 1].unbind(-1)
        torch.testing.assert_close(
            torch.remainder(found.phi[:, 0] - torch.atan2(y, x) + 3, 6.283185307179586), 0 * x + 3
        )
        torch.testing.assert_close(found.z[:, 0], z)


def test_a_straight_line_is_extrapolated_without_error():
    line = torch.tensor([[[30.0, 1, 5], [60, 2, 10], [90, 3, 15], [150, 5, 25]]], dtype=torch.float64)
    found = extrapolated(line[:, :1], line[:, 1:2], line[:, 2:3], radius_of(line, 3))
    assert found.phi.item() == pytest.approx(np.arctan2(5, 150))
    assert found.z.item() == pytest.approx(25)
    assert found.curvature.item() == pytest.approx(0, abs=1e-12)


def radius_of(hits, place):
    return torch.linalg.vector_norm(hits[:, place : place + 1, :2], dim=-1)


def test_later_hits_do_not_matter_but_for_the_radius_of_the_next():
    model, (hits, mask) = made(), helices(kinks=0.1)
    other = hits.clone()
    other[:, 6:] += torch.randn_like(other[:, 6:])
    other[:, 5] = torch.stack([radius_of(hits, 5)[:, 0], *torch.randn(2, len(hits))], dim=-1)
    other[:, 5, 1] = 0
    torch.testing.assert_close(model(other, mask)[:, :5], model(hits, mask)[:, :5])
    assert not torch.allclose(model(other, mask)[:, 5], model(hits, mask)[:, 5])


@pytest.mark.parametrize("angle", [0.7, 3.1])
def test_a_turn_about_the_beam_line_turns_the_predictions(angle):
    model, (hits, mask) = made(), helices(kinks=0.1)
    cosine, sine = np.cos(angle), np.sin(angle)
    x, y, z = hits.unbind(-1)
    turned = torch.stack([cosine * x - sine * y, sine * x + cosine * y, z], dim=-1)
    before, after = model(hits, mask)[:, 2:], model(turned, mask)[:, 2:]
    torch.testing.assert_close(after[..., 1:], before[..., 1:])
    torch.testing.assert_close((after[..., 0] - before[..., 0] - angle).cos(), torch.ones_like(after[..., 0]))


def test_padding_and_what_it_holds_do_not_matter():
    model, (hits, mask) = made(), helices(kinks=0.1)
    mask[::2, 7:] = False
    expected = model(hits, mask)
    rubbish = torch.where(mask.unsqueeze(-1), hits, 1e4)
    torch.testing.assert_close(model(rubbish, mask), expected)
    longer = [torch.cat([each, torch.zeros_like(each[:, :4])], dim=1) for each in (hits, mask)]
    torch.testing.assert_close(model(*longer)[:, :10], expected)
    assert not expected[:, :2].any()
    assert not expected[::2, 7:].any()


def test_coincident_hits_give_finite_numbers_and_gradients():
    model, (hits, mask) = made(), helices()
    hits[:, 1:5] = hits[:, :1]
    outputs = model(hits, mask)
    outputs.square().sum().backward()
    assert outputs.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_sizes_below_one_are_refused():
    with pytest.raises(ValueError, match="TrackFollower: hidden must be an integer of at least 1, got 0"):
        TrackFollower(hidden=0)
