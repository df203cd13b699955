"""Vertices as records: what is measured, against a slow twin, pulls, and jets with little in them."""

import awkward as ak
import numpy as np
import pytest
from reconstruction.helix_toys import flavour_jets, toy_flavour_jets, toy_tracks

from cortado.perigee import cartesian
from cortado.reconstruction import Prior, fit_vertices, typical_resolution, vertices
from cortado.reconstruction.tracks import flat_tracks

AT_ORIGIN = Prior((0.0, 0.0, 0.0), np.diag([0.01, 0.01, 0.02]) ** 2)


@pytest.fixture(scope="module")
def jets():
    return toy_flavour_jets(1000, mean_prompt=3, mean_secondary=4)


@pytest.fixture(scope="module")
def displaced(jets):
    """The vertices of the displaced tracks alone."""
    return vertices(jets, ak.where(jets.tracks.vertex_index == 1, 5, -1))


def test_sets_of_two_or_more_tracks_are_vertices(jets):
    found = vertices(jets, jets.tracks.vertex_index)
    for jet, indices in zip(found.tolist(), jets.tracks.vertex_index.tolist()):
        sets = [[i for i, number in enumerate(indices) if number == wanted] for wanted in (0, 1)]
        assert [vertex["tracks"] for vertex in jet] == [members for members in sets if len(members) > 1]
        assert [vertex["n_tracks"] for vertex in jet] == [len(vertex["tracks"]) for vertex in jet]


def test_a_vertex_against_its_definition_one_at_a_time(jets):
    found = vertices(jets[:20], jets[:20].tracks.vertex_index, primary=AT_ORIGIN)
    tracks = flat_tracks(jets[:20])
    for number, jet in enumerate(found):
        own = np.flatnonzero(tracks.jet == number)
        for vertex in jet:
            members = own[vertex.tracks.to_numpy()]
            fitted = fit_vertices(
                tracks.parameters[members], tracks.covariance[members], np.zeros(len(members), dtype=int), groups=1
            )
            position, covariance = fitted.position[0], fitted.covariance[0]
            assert [vertex.x, vertex.y, vertex.z] == pytest.approx(position, abs=1e-5)
            assert [vertex.cov_x_y, vertex.cov_z_z] == pytest.approx([covariance[0, 1], covariance[2, 2]], rel=1e-3)
            length, flat_length = np.linalg.norm(position), np.linalg.norm(position[:2])
            total = covariance + AT_ORIGIN.covariance
            assert vertex.flight_distance == pytest.approx(length, abs=1e-5)
            assert vertex.flight_distance_2d == pytest.approx(flat_length, abs=1e-5)
            error, flat_error = (np.sqrt(u @ total[: len(u), : len(u)] @ u) / np.linalg.norm(u)
                                 for u in (position, position[:2]))  # fmt: skip
            assert vertex.significance == pytest.approx(length / error, rel=1e-3)
            assert vertex.significance_2d == pytest.approx(flat_length / flat_error, rel=1e-3)
            assert vertex.is_primary == (position @ np.linalg.inv(total) @ position <= 9)
            momentum = fitted.momentum.sum(axis=0)
            energy = np.sqrt((fitted.momentum**2).sum(axis=1) + 0.13957039**2).sum()
            assert vertex.mass == pytest.approx(np.sqrt(energy**2 - momentum @ momentum), rel=1e-4)
            assert vertex.pt == pytest.approx(np.hypot(*momentum[:2]), rel=1e-5)
            assert vertex.pt * np.sinh(vertex.eta) == pytest.approx(momentum[2], rel=1e-5)
            assert vertex.phi == pytest.approx(np.arctan2(momentum[1], momentum[0]), rel=1e-5)
            assert vertex.charge == np.sign(tracks.parameters[members, 4]).sum()
            assert vertex.pointing == pytest.approx(position @ momentum / length / np.linalg.norm(momentum), abs=1e-4)


def test_flight_distance_and_its_error(jets, displaced):
    found = ak.num(displaced) == 1
    vertex, truth = displaced[found][:, 0], jets.flight[found].to_numpy()
    assert ak.all(vertex.converged)
    pulls = (vertex.flight_distance - truth) / (vertex.flight_distance / vertex.significance)
    assert np.std(pulls) == pytest.approx(1, abs=0.08)
    assert np.mean(pulls) == pytest.approx(0, abs=0.1)
    assert ak.mean(vertex.direction == 1) > 0.97
    assert ak.mean(vertex.pointing > 0.9) > 0.9
    assert ak.mean(vertex.is_primary) < 0.1


def test_prompt_vertices_are_primary(jets):
    found = ak.flatten(vertices(jets, ak.where(jets.tracks.vertex_index == 0, 0, -1)))
    assert 0.95 < ak.mean(found.is_primary) < 1
    assert 0.3 < ak.mean(found.direction == 1) < 0.7
    loose = vertices(jets, ak.where(jets.tracks.vertex_index == 0, 0, -1), primary_sigma=1.0)
    assert 0.1 < ak.mean(loose.is_primary) < 0.3  # chi2 of three dimensions below 1: 0.199


def test_the_mass_of_a_decay_is_recovered():
    rng = np.random.default_rng(2)
    n, mass, pion = 500, 0.4976, 0.13957039
    energy = mass / 2
    size = np.sqrt(energy**2 - pion**2)
    cosine, phi = rng.uniform(-1, 1, n), rng.uniform(-np.pi, np.pi, n)
    sine = np.sqrt(1 - cosine**2)
    rest = size * np.stack([sine * np.cos(phi), sine * np.sin(phi), cosine], axis=-1)
    boost = rng.uniform(3, 6, n)  # along x, gamma
    momenta = np.stack([rest, -rest], axis=1)
    momenta[..., 0] = boost[:, None] * momenta[..., 0] + np.sqrt(boost**2 - 1)[:, None] * energy
    flat = momenta.reshape(-1, 3)
    total = np.linalg.norm(flat, axis=-1)
    charge = np.tile([1, -1], n)
    direction = np.stack([np.arctan2(flat[:, 1], flat[:, 0]), np.arccos(flat[:, 2] / total), charge / total], axis=-1)
    assert cartesian(*direction.T) == pytest.approx(flat)
    parameters, covariance = toy_tracks(rng, np.tile([20.0, 0.0, 0.0], (2 * n, 1)), direction)
    jets = flavour_jets(parameters, covariance, [2] * n, jets={"eta": np.zeros(n), "phi": np.zeros(n)})
    found = ak.flatten(vertices(jets, ak.zeros_like(jets.tracks.d0, dtype=int)))
    assert np.median(found.mass) == pytest.approx(mass, abs=0.002)
    assert (found.charge == 0).to_list() == [True] * n


def test_a_vertex_moves_with_its_primary(jets, displaced):
    z = np.linspace(-40, 40, len(jets))
    moved = ak.with_field(jets, jets.tracks.z0 + z, ("tracks", "z0"))
    primary = Prior(np.stack([0 * z, 0 * z, z], axis=-1), np.zeros((3, 3)))
    found = vertices(moved, ak.where(jets.tracks.vertex_index == 1, 5, -1), primary=primary)
    assert ak.flatten(found.flight_distance).to_numpy() == pytest.approx(
        ak.flatten(displaced.flight_distance).to_numpy(), abs=1e-3
    )


def test_few_tracks():
    jets = toy_flavour_jets(200, mean_prompt=0.5, mean_secondary=0.5)
    assert {0, 1} <= set(ak.num(jets.tracks).tolist())
    found = vertices(jets, jets.tracks.vertex_index)
    assert len(found) == 200
    assert ak.all(ak.num(found[ak.num(jets.tracks) < 2]) == 0)
    lone = vertices(jets[ak.num(jets.tracks) < 2], jets.tracks.vertex_index[ak.num(jets.tracks) < 2])
    assert lone.fields == found.fields
    assert ak.num(lone).tolist() == [0] * len(lone)
    assert vertices(jets[:0], jets.tracks.vertex_index[:0]).tolist() == []


def test_tracks_that_cannot_be_fitted_take_no_part(jets):
    few = jets[:40]
    spoilt = ak.with_field(few, ak.where(ak.local_index(few.tracks.d0) == 0, np.nan, few.tracks.d0), ("tracks", "d0"))
    with pytest.raises(ValueError, match=r"vertices: track 0 of jet \d+ cannot be fitted: d0 is nan"):
        vertices(spoilt, few.tracks.vertex_index)
    with pytest.warns(UserWarning, match="tracks cannot be fitted, left out"):
        found = vertices(spoilt, few.tracks.vertex_index, skip_unfit=True)
    rest = ak.where(ak.local_index(few.tracks.d0) == 0, -1, few.tracks.vertex_index)
    assert found.tracks.tolist() == vertices(few, rest).tracks.tolist()


def test_without_covariance_a_function_of_errors_does(jets):
    bare = flavour_jets(
        flat_tracks(jets).parameters, None, ak.num(jets.tracks), jets={"eta": jets.eta, "phi": jets.phi}
    )
    with pytest.raises(KeyError, match=r"vertices needs the covariance.*resolution=typical_resolution"):
        vertices(bare, jets.tracks.vertex_index)
    found = vertices(bare, jets.tracks.vertex_index, resolution=typical_resolution)
    assert ak.num(found).tolist() == ak.num(vertices(jets, jets.tracks.vertex_index)).tolist()
    assert ak.all(found.converged)


def test_unfit_arguments_are_refused(jets):
    few = jets[:5]
    index = few.tracks.vertex_index
    with pytest.raises(ValueError, match="the partition has 4 jets, the record 5"):
        vertices(few, index[:4])
    with pytest.raises(ValueError, match=r"the partition has \d+ entries for jet 0 of \d+ tracks"):
        vertices(few, ak.concatenate([index[:1][:, :-1], index[1:]]))
    with pytest.raises(ValueError, match=r"one integer per track, shape \(n, var\), got 5 \* var \* float64"):
        vertices(few, few.tracks.d0)
    with pytest.raises(ValueError, match="one integer per track"):
        vertices(few, np.zeros(5, dtype=int))
    with pytest.raises(KeyError, match=r"vertices needs the field 'phi', which the jets do not have; they have \["):
        vertices(ak.without_field(few, "phi"), index)
    with pytest.raises(ValueError, match=r"position of the prior has shape \(4, 3\), must be \(3,\) or \(5, 3\)"):
        vertices(few, index, primary=Prior(np.zeros((4, 3)), np.eye(3)))
