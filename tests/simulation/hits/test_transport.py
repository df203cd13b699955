"""Helices in the compact detector: the circle, the layers, the angle of scattering; each against a slow twin."""

from dataclasses import replace

import numpy as np
import pytest

from cortado.kinematics import PION_MASS
from cortado.perigee import BENDING, cartesian, point
from cortado.simulation.hits.detector import COMPACT, Detector, Volume, layers
from cortado.simulation.hits.particles import Particles, simple_particles
from cortado.simulation.hits.transport import crossings, highland, path_to_cylinder

NOTHING = 1e-12  # radiation lengths


def detector(*, field=2.0, thickness=NOTHING):
    volumes = tuple(replace(volume, thickness=thickness) for volume in COMPACT.volumes)
    return replace(COMPACT, volumes=volumes, field=field)


def gun(pt, eta, phi=0.0, charge=1, origin=(0.0, 0.0, 0.0)):
    pt, eta, phi, charge = np.broadcast_arrays(np.atleast_1d(pt), eta, phi, charge)
    n = len(pt)
    theta = 2 * np.arctan(np.exp(-eta))
    momentum = cartesian(phi, theta, charge * np.sin(theta) / pt)
    number = np.arange(n)
    return Particles(
        0 * number, 1 + number, 211 * charge, charge, np.full(n, PION_MASS), momentum, np.tile(origin, (n, 1)) * 1.0
    )


def by_distance(made, particle):
    chosen = made.particle == particle
    order = np.argsort(np.linalg.norm(made.position[chosen], axis=1))
    return made.layer[chosen][order], made.position[chosen][order]


@pytest.mark.parametrize("pt", [0.3, 1.0, 10.0, 1000.0])
@pytest.mark.parametrize("field", [0.5, -2.0, 4.0])
def test_hits_lie_on_a_circle_of_the_radius_of_pt_and_field(pt, field):
    made = crossings(gun(pt, 0.3, phi=0.7), detector(field=field), np.random.default_rng(1))
    radius = pt / (BENDING * field)  # a positive charge in a field along +z has its centre on the right
    centre = radius * np.array([np.sin(0.7), -np.cos(0.7)])
    distance = np.hypot(*(made.position[:, :2] - centre).T)
    assert len(distance) > 2
    assert distance == pytest.approx(abs(radius), rel=1e-6)


def test_z_grows_with_the_path():
    made = crossings(gun(0.5, 1.0), detector(), np.random.default_rng(1))
    _, position = by_distance(made, 0)
    radius = 0.5 / (BENDING * 2)
    path = 2 * radius * np.arcsin(np.hypot(position[:, 0], position[:, 1]) / (2 * radius))
    assert position[:, 2] == pytest.approx(path * np.sinh(1.0), rel=1e-6)


def test_without_field_hits_lie_on_a_line():
    made = crossings(gun(1.0, 0.8, phi=-2.0, origin=(1.0, -2.0, 30.0)), detector(field=0.0), np.random.default_rng(1))
    direction = np.array([np.cos(-2.0), np.sin(-2.0), np.sinh(0.8)])
    away = made.position - [1.0, -2.0, 30.0]
    assert np.cross(away, direction) == pytest.approx(0, abs=1e-6)
    assert np.all(away @ direction > 0)


def test_a_fast_central_particle_crosses_the_ten_cylinders_once():
    made = crossings(gun(20.0, 0.05), detector(), np.random.default_rng(1))
    layer, _ = by_distance(made, 0)
    table = layers(COMPACT)
    assert table.place[layer].tolist() == [32, 72, 116, 172, 260, 360, 500, 660, 820, 1020]


def test_crossed_layers_equal_those_of_a_slow_twin():
    rng = np.random.default_rng(3)
    particles = gun(rng.uniform(0.5, 5, 200), rng.uniform(-3.2, 3.2, 200), rng.uniform(-3, 3, 200))
    z = rng.normal(0, 55, 200)
    particles = particles._replace(origin=np.stack([0 * z, 0 * z, z], axis=-1))
    made, table = crossings(particles, detector(field=0.0), rng), layers(COMPACT)
    for particle in range(200):
        x, y, pz = particles.momentum[particle]
        slope = pz / np.hypot(x, y)
        height = np.where(table.cylinder, z[particle] + slope * table.place, table.place)
        radius = np.where(table.cylinder, table.place, (table.place - z[particle]) / slope)
        along = np.where(table.cylinder, height, radius)
        expected = np.flatnonzero((radius > 0) & (table.low <= along) & (along <= table.high))
        assert sorted(made.layer[made.particle == particle].tolist()) == expected.tolist()


def test_hits_lie_on_their_layers():
    particles = simple_particles(2, 5.0, np.random.default_rng(1))
    made, table = crossings(particles, COMPACT, np.random.default_rng(1)), layers(COMPACT)
    radius, z = np.hypot(made.position[:, 0], made.position[:, 1]), made.position[:, 2]
    cylinder = table.cylinder[made.layer]
    place, along = np.where(cylinder, radius, z), np.where(cylinder, z, radius)
    assert place == pytest.approx(table.place[made.layer], abs=1e-6)
    assert np.all((table.low[made.layer] <= along) & (along <= table.high[made.layer]))


def test_a_looper_crosses_each_cylinder_once_and_stops_at_its_far_side():
    made = crossings(gun(0.1, 0.02), detector(), np.random.default_rng(1))
    assert np.bincount(made.layer).max() == 1
    farthest = 2 * 0.1 / (BENDING * 2)
    expected = [radius for radius in layers(COMPACT).place[layers(COMPACT).cylinder] if radius < farthest]
    assert sorted(layers(COMPACT).place[made.layer]) == sorted(expected)


def test_path_to_a_cylinder_equals_that_of_a_slow_twin():
    rng = np.random.default_rng(5)
    n = 100
    phi, omega = rng.uniform(-np.pi, np.pi, n), rng.normal(0, 3e-3, n)
    position, radius = rng.normal(0, 150, (n, 3)), rng.uniform(20, 500, n)
    position[:, 2] = 0
    path = path_to_cylinder(position, phi, omega, radius)
    steps = np.linspace(0.0, 1.0, 20_001)
    for i in range(n):
        s = steps * np.pi / abs(omega[i])
        parameters = np.array([0.0, 0.0, phi[i], np.pi / 2, omega[i] / BENDING])
        away = np.hypot(*(position[i] + point(np.tile(parameters, (len(s), 1)), s, 1.0))[:, :2].T) - radius[i]
        changes = np.flatnonzero(np.diff(np.sign(away)))
        if len(changes):
            assert path[i] == pytest.approx(s[changes[0]], abs=1.01 * s[1])
        else:
            assert path[i] == np.inf or abs(away).min() < 1e-3  # touched between two steps


def test_no_cylinder_no_crossing():
    path = path_to_cylinder(np.array([[1.0, 0.0, 0.0]]), np.array([0.0]), np.array([1e-3]), np.array([np.nan]))
    assert path.tolist() == [np.inf]


@pytest.mark.parametrize("momentum", [0.3, 1.0, 5.0])
@pytest.mark.parametrize("barrel", [True, False])
def test_scattering_has_the_width_of_highland(momentum, barrel):
    thickness, n = 0.03, 20_000
    places = {"radii": (100.0, 1100.0)} if barrel else {"positions": (100.0, 1100.0)}
    extent = (-3000.0, 3000.0) if barrel else (0.0, 3000.0)
    volume = Volume(number=1, extent=extent, resolution=(0.01, 0.01), thickness=thickness, **places)
    one = Detector(volumes=(volume,), field=0.0)
    eta = 0.0 if barrel else 5.0
    made = crossings(gun(np.full(n, momentum / np.cosh(eta)), eta), one, np.random.default_rng(2))
    first, last = (
        made.position[made.layer == layer][np.argsort(made.particle[made.layer == layer])] for layer in (0, 1)
    )
    away = last - first
    straight = away[:, 0] if barrel else away[:, 2]
    across, along = away[:, 1] / straight, (away[:, 2] if barrel else away[:, 0]) / straight
    expected = highland(np.array(momentum), np.array(PION_MASS), np.array(thickness))
    beta = momentum / np.hypot(momentum, PION_MASS)
    assert expected == pytest.approx(
        0.0136 / (beta * momentum) * np.sqrt(thickness) * (1 + 0.038 * np.log(thickness)), rel=1e-12
    )
    for angle in (across, along):  # in two planes, independent
        assert np.std(np.arctan(angle)) == pytest.approx(expected, rel=0.03)
    assert np.corrcoef(across, along)[0, 1] == pytest.approx(0, abs=0.03)


def test_more_material_is_seen_at_an_angle():
    volume = Volume(number=1, radii=(100.0, 300.0), extent=(-9e3, 9e3), resolution=(0.1, 0.1), thickness=0.03)
    made = crossings(gun(np.full(20_000, 1.0), 2.0), Detector(volumes=(volume,), field=0.0), np.random.default_rng(2))
    first, last = (
        made.position[made.layer == layer][np.argsort(made.particle[made.layer == layer])] for layer in (0, 1)
    )
    theta = np.arctan2(np.hypot(*(last - first)[:, :2].T), (last - first)[:, 2])
    expected = highland(np.array(np.cosh(2.0)), np.array(PION_MASS), np.array(0.03 * np.cosh(2.0)))
    assert np.std(theta) == pytest.approx(expected, rel=0.04)


def test_no_particles_make_no_crossings():
    nobody = Particles(*(column[:0] for column in gun(1.0, 0.0)))
    made = crossings(nobody, COMPACT, np.random.default_rng(1))
    assert made.particle.shape == made.layer.shape == (0,)
    assert made.position.shape == (0, 3)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"volumes": ()}, "volumes hold no layer"),
        ({"efficiency": 1.1}, r"efficiency is 1.1; it must be from 0 to 1"),
        ({"noise": -1.0}, r"noise is -1.0; it must be from 0"),
        ({"field": np.inf}, r"field is inf; it must be a finite number"),
    ],
)
def test_no_such_detector(options, message):
    with pytest.raises(ValueError, match=message):
        replace(COMPACT, **options)
