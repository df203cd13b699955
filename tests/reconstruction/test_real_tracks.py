"""Simulated tracks of real experiments' software: ACTS primary vertices, FCC-ee collisions and decays."""

import csv

import awkward as ak
import numpy as np
import pytest
import uproot
from reconstruction.helix_toys import flavour_jets

import cortado
from cortado.reconstruction import AdaptiveCuts, Prior, find_vertices, fit_vertices, primary_vertices

SYMMETRIC = np.zeros((5, 5), dtype=int)
SYMMETRIC[np.tril_indices(5)] = np.arange(15)
SYMMETRIC = np.maximum(SYMMETRIC, SYMMETRIC.T)


def acts(path):
    """Beam spot, parameters (m, 5), covariance (m, 5, 5), and the vertices that ACTS found: position, covariance.

    A section begins with a line of its name; momenta are in MeV. Perigees are relative to the beam spot, and so are
    the vertices here.
    """
    sections = {}
    for row in csv.reader(path.open()):
        if row[0] in ("beamspot", "tracks", "vertices"):
            sections[row[0]] = []
            rows = sections[row[0]]
        else:
            rows.append([float(entry) for entry in row])
    spot, tracks, found = (np.array(sections[name]) for name in ("beamspot", "tracks", "vertices"))
    beam = Prior((0, 0, 0), np.diag(spot[0, 3:6]))
    unit = np.array([1, 1, 1, 1, 1000.0])
    covariance = tracks[:, 6:].reshape(-1, 6, 6)[:, :5, :5] * unit[:, None] * unit
    return beam, tracks[:, :5] * unit, covariance, found[:, :3] - spot[0, :3], found[:, 3:12].reshape(-1, 3, 3)


def errors(covariance):
    return np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))


def test_primary_vertices_of_acts_are_found_again(test_data):
    beam, parameters, covariance, reference, spread = acts(test_data / "vertexing" / "vertexing_AMVF_data.csv")
    m, g = len(parameters), len(reference)
    every = np.tile(parameters, (g, 1)), np.tile(covariance, (g, 1, 1)), np.repeat(np.arange(g), m)
    # This is a test of the fit, not of finding: it starts near the reference.
    # As in the adaptive multi-vertex fit, each track is shared by all vertices that compete for it.
    start, weights, iterations = reference + np.array([0, 0, 0.05]), np.zeros(m * g), 0
    for _ in range(10):
        fitted = fit_vertices(*every, groups=g, start=start, prior=beam, weights=weights.ravel(), iterations=iterations)
        near = np.exp(-fitted.track_chi2.reshape(g, m) / 2)
        weights, iterations = near / (np.exp(-9 / 2) + near.sum(axis=0)), 10
    assert fitted.converged.all()
    distance = np.abs(fitted.position - reference) / errors(spread)
    assert distance.max() < 0.6
    assert np.median(distance[:, 2]) < 0.15
    assert errors(fitted.covariance) == pytest.approx(errors(spread), rel=0.4)
    assert np.median(errors(fitted.covariance) / errors(spread), axis=0) == pytest.approx(1, abs=0.1)


def test_adaptive_reconstruction_finds_a_primary_vertex_of_acts(test_data):
    beam, parameters, covariance, reference, spread = acts(test_data / "vertexing" / "vertexing_AMVF_data.csv")
    near = np.abs(parameters[:, 1] - reference[0, 2]) < 3
    event = flavour_jets(parameters[near], covariance[near], [near.sum()])
    index = find_vertices(event, primary=beam, cuts=AdaptiveCuts(primary_cutoff=3))[0].to_numpy()
    own = index == 0
    fitted = fit_vertices(parameters[near][own], covariance[near][own], index[own], groups=1, prior=beam)
    distance = np.abs(fitted.position - reference) / errors(spread)
    assert distance.max(axis=1).min() < 1.5
    assert fitted.chi2[0] / fitted.ndf[0] < 1.5


def _linked(link, particle):
    """Matched particle of each reconstructed one: the first of several."""
    order = ak.argsort(link, axis=1, stable=True)
    link, particle = link[order], particle[order]
    first = ak.concatenate([ak.ones_like(link[:, :1]), link[:, 1:] - link[:, :-1]], axis=1) > 0
    return particle[first]


def fcc(path):
    """Parameters, covariance, event, and production point of the tracks of the FCC file."""
    with uproot.open(path) as file:
        tree = file["events"]
        read = {name: tree[f"EFlowTrack_1/EFlowTrack_1.{name}"].array()
                for name in ("D0", "Z0", "phi", "omega", "tanLambda", "covMatrix[15]")}  # fmt: skip
        particle, link = (tree[f"MCRecoAssociations#{i}/MCRecoAssociations#{i}.index"].array() for i in (1, 0))
        begin, end = (tree[f"ReconstructedParticles/ReconstructedParticles.tracks_{side}"].array()
                      for side in ("begin", "end"))  # fmt: skip
        points = [tree[f"Particle/Particle.vertex.{axis}"].array() for axis in "xyz"]
    charged = end > begin
    assert ak.all(begin[charged] == ak.local_index(begin[charged]))
    produced = np.stack([ak.flatten(points[i][_linked(link, particle)[charged]]).to_numpy() for i in range(3)], axis=-1)
    d0, z0, phi, omega, slope = (ak.flatten(read[name]).to_numpy().astype(float)
                                 for name in ("D0", "Z0", "phi", "omega", "tanLambda"))  # fmt: skip
    theta, bending = np.arctan2(1, slope), 0.299792458e-3 * 2.0
    sine = np.sin(theta)
    jacobian = np.zeros((len(d0), 5, 5))  # from d0, phi, omega, z0, tan lambda
    jacobian[:, 0, 0] = jacobian[:, 1, 3] = jacobian[:, 2, 1] = 1
    jacobian[:, 3, 4] = -(sine**2)
    jacobian[:, 4, 2], jacobian[:, 4, 4] = sine / bending, -omega * np.cos(theta) * sine**2 / bending
    packed = np.asarray(ak.flatten(read["covMatrix[15]"]), dtype=float)
    covariance = jacobian @ packed[:, SYMMETRIC] @ np.swapaxes(jacobian, 1, 2)
    event = np.repeat(np.arange(len(begin)), ak.num(read["D0"]))
    return np.stack([d0, z0, phi, theta, omega * sine / bending], axis=-1), covariance, event, produced


def test_decays_of_the_fcc_file_are_fitted_where_they_happened(test_data):
    parameters, covariance, event, produced = fcc(test_data / "vertexing" / "test_FCC_Spring2021.root")
    keys = np.concatenate([event[:, None], np.round(produced, 4)], axis=1)
    _, vertex, size = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    used = (size >= 2)[vertex.ravel()]
    _, first, group = np.unique(vertex.ravel()[used], return_index=True, return_inverse=True)
    truth = produced[used][first]
    arguments = {"groups": len(truth), "start": truth}
    fitted = fit_vertices(parameters[used], covariance[used], group, **arguments)
    assert len(truth) > 400
    assert fitted.converged.mean() > 0.99
    radius = np.hypot(truth[:, 0], truth[:, 1])
    pulls = (fitted.position - truth) / errors(fitted.covariance)
    for low, high in ((0, 0.1), (0.1, 10), (10, 100), (100, 400)):
        ring = (radius >= low) & (radius < high)
        assert ring.sum() > 30
        assert np.median(fitted.chi2[ring] / fitted.ndf[ring]) < 1.2
        below, above = np.quantile(pulls[ring], [0.16, 0.84], axis=0)
        # Four errors of a width of n values. The ring from 1 to 10 cm, of 47 vertices, is 3.3 errors too wide.
        assert (above - below) / 2 == pytest.approx(1, abs=4 * 0.93 / np.sqrt(ring.sum()))
    displaced = radius > 0.1
    below, above = np.quantile(pulls[displaced], [0.16, 0.84], axis=0)
    assert (above - below) / 2 == pytest.approx(1, abs=4 * 0.93 / np.sqrt(displaced.sum()))
    # Bent the wrong way, tracks of far decays do not meet: the curvature has the sign of the charge.
    mirrored = parameters[used] * [1, 1, 1, 1, -1]
    far = radius > 10
    wrong = fit_vertices(mirrored, covariance[used], group, **arguments)
    assert np.median(wrong.chi2[far] / wrong.ndf[far]) > 100


def collisions(path):
    """Tracks of the events of the FCC file, and the true points of their collisions."""
    with uproot.open(path) as file:
        points = [file[f"events/Particle/Particle.vertex.{axis}"].array()[:, 0] for axis in "xyz"]
    return cortado.read(path).tracks, np.stack([ak.to_numpy(point) for point in points], axis=-1)


def test_collisions_of_the_fcc_file_spread_over_the_beam_spot_and_are_found(test_data):
    tracks, truth = collisions(test_data / "vertexing" / "test_FCC_Spring2021.root")
    assert truth.std(axis=0) == pytest.approx([8.8e-3, 26e-6, 0.61], rel=0.02)
    many = ak.to_numpy(ak.num(tracks) >= 15)
    assert many.sum() == 91
    beam_spot = Prior((0.0, 0.0, 0.0), np.diag([9e-3, 26e-6, 0.6]) ** 2)
    for spot, widths in ((None, [1.2, 1.1, 1.3]), (beam_spot, [1.2, 0.9, 1.4])):
        found = primary_vertices(tracks, beam_spot=spot)
        pulls = (found.position - truth) / errors(found.covariance)
        below, middle, above = np.quantile(pulls[many], [0.16, 0.5, 0.84], axis=0)
        assert middle == pytest.approx(0, abs=0.3)
        # Tracks of decays within the resolution widen what is 1.1 with the prompt tracks alone.
        assert (above - below) / 2 == pytest.approx(widths, abs=0.25)
        assert (np.abs(pulls[many]) < 5).all(axis=1).mean() > 0.9
    prompt = tracks[tracks.vertex_type == 0]
    best = primary_vertices(prompt)
    pulls = (best.position - truth)[many] / errors(best.covariance)[many]
    below, above = np.quantile(pulls, [0.16, 0.84], axis=0)
    assert (above - below) / 2 == pytest.approx(1, abs=0.25)
