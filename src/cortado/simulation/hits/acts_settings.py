"""Settings of the combinatorial Kalman filter of ACTS."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CkfSettings"]


@dataclass(frozen=True, kw_only=True)
class CkfSettings:
    """What can be tuned; lengths in mm, momenta in GeV.

    Attributes:
        seed_layers: Layers whose hits make seeds of three.
        seed_min_pt: Least transverse momentum of a seed.
        seeds_per_middle: Most seeds with the same middle hit, maxSeedsPerSpM in ACTS.
        impact_max: Largest transverse impact parameter of a seed.
        collision_region: Lowest and highest z at the beam of a seed.
        delta_r: Least and largest difference of the radii of neighbouring hits of a seed.
        middle_radius: Least and largest radius of the middle hit of a seed.
        max_radius: Largest radius of a hit of a seed.
        cot_theta_max: Largest |cot theta| of a seed.
        sigma_scattering: Widths of multiple scattering that a seed may bend by.
        radiation_lengths: Of the material that a seed crosses.
        chi2_measurement: A hit within belongs to the track.
        chi2_outlier: A hit within, but not within `chi2_measurement`, is an outlier.
        branches: Most hits on one surface that a track is followed with.
        min_hits: Least number of hits of a track.
        max_holes: Most surfaces without a hit.
        max_outliers: Most outliers.
        min_pt: Least transverse momentum of a track.
        max_eta: Largest |eta| of a track.
        drop_used_seeds: Whether a seed whose hits lie on one track is not followed.
        stay_on_seed: Whether a track keeps the hits of its seed.
        two_way: Whether a track is followed inwards, too.
        max_shared_hits: Most hits that a track may share with others.
    """

    seed_layers: tuple[int, ...] = (0, 1, 2, 3, 7, 8, 9, 10, 11, 12, 13, 14)
    seed_min_pt: float = 0.5
    seeds_per_middle: int = 1
    impact_max: float = 3.0
    collision_region: tuple[float, float] = (-250.0, 250.0)
    delta_r: tuple[float, float] = (1.0, 300.0)
    middle_radius: tuple[float, float] = (60.0, 120.0)
    max_radius: float = 200.0
    cot_theta_max: float = 10.02  # |eta| = 3
    sigma_scattering: float = 5.0
    radiation_lengths: float = 0.1
    chi2_measurement: float = 15.0
    chi2_outlier: float = 25.0
    branches: int = 10
    min_hits: int = 7
    max_holes: int = 2
    max_outliers: int = 2
    min_pt: float = 0.4
    max_eta: float = 3.0
    drop_used_seeds: bool = True
    stay_on_seed: bool = True
    two_way: bool = True
    max_shared_hits: int = 3
