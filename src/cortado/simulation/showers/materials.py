"""Lead and liquid argon: the constants on which interactions depend."""

from __future__ import annotations

from typing import NamedTuple

from cortado import kinematics

# MeV; rounded, as products are not
ELECTRON_MASS, PION_MASS = (round(1e3 * mass, 8) for mass in (kinematics.ELECTRON_MASS, kinematics.PION_MASS))


class Material(NamedTuple):
    """A pure element.

    Attributes:
        charge: Atomic number.
        mass: Atomic mass [g/mol].
        density: [g/cm3].
        radiation_length: [mm].
        pion_length: Mean free path of charged pions between inelastic collisions [mm].
        excitation: Mean excitation energy [MeV].
        density_effect: Sternheimer's C, x0, x1, a and k.
        photoeffect: Coefficients of 1/E^3 and 1/E^2, E in MeV, of the mass attenuation coefficient [cm2/g] of the
            photoelectric effect; they follow the tables of XCOM within 10 % from 0.1 to 1 MeV.
        electron_cut: Kinetic energy [MeV] with a range of 0.7 mm. Electrons below it stop where they are.
        giant_resonance: Of the nucleus that absorbs a photon: cross section [barn], energy and width [MeV].
        separation: Energy that frees a neutron [MeV].
        breakup: Mean energy that a pion leaves in a nucleus that it hits [MeV], chosen.
        collision_cut: Energy transfer [MeV] above which ionising collisions are simulated one by one.

    References:
        Workman et al. (Particle Data Group), Review of Particle Physics (2022), atomic and nuclear properties.
        Sternheimer, Berger and Seltzer, At. Data Nucl. Data Tables 30 (1984) 261.
        Dietrich and Berman, At. Data Nucl. Data Tables 38 (1988) 199.
        Berger et al., XCOM: photon cross sections database (NIST, 2010).
    """

    charge: int
    mass: float
    density: float
    radiation_length: float
    pion_length: float
    excitation: float
    density_effect: tuple[float, float, float, float, float]
    photoeffect: tuple[float, float]
    electron_cut: float
    giant_resonance: tuple[float, float, float]
    separation: float
    breakup: float
    collision_cut: float


LEAD = Material(
    charge=82,
    mass=207.2,
    density=11.35,
    radiation_length=5.612,
    pion_length=199.3,
    excitation=823e-6,
    density_effect=(6.2018, 0.3776, 3.8073, 0.0936, 3.1608),
    photoeffect=(4.0e-3, 1.23e-2),
    electron_cut=1.0,
    giant_resonance=(0.645, 13.4, 4.1),
    separation=7.4,
    breakup=400.0,
    collision_cut=0.5,
)
LIQUID_ARGON = Material(
    charge=18,
    mass=39.948,
    density=1.390,
    radiation_length=140.7,
    pion_length=1067.0,
    excitation=188e-6,
    density_effect=(5.2146, 0.2000, 3.0000, 0.1956, 3.0000),
    photoeffect=(6.0e-5, 0.0),
    electron_cut=0.35,
    giant_resonance=(0.04, 19.0, 9.0),
    separation=9.9,
    breakup=230.0,
    collision_cut=0.05,
)
