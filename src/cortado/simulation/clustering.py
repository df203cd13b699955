"""Anti-kT jets, soft drop and N-subjettiness, by FastJet on whole batches of events."""

from __future__ import annotations

from typing import NamedTuple

import awkward as ak
import fastjet
import numpy as np
import numpy.typing as npt

from cortado import kinematics

RADIUS = 0.8
MIN_PT = 170.0  # GeV, of jets that are kept at all, as in CMS NanoAOD

# FastJet prints its citation on stdout at first use, once per process; it is in the docstrings here instead.
fastjet._swig.ClusterSequence.set_fastjet_banner_stream(None)


class Substructure(NamedTuple):
    """Groomed mass [GeV], shape (n,), and N-subjettiness for N = 1 to 4, shape (n, 4), of n jets."""

    soft_drop_mass: npt.NDArray[np.float64]
    tau: npt.NDArray[np.float64]


def anti_kt(candidates: ak.Array, *, radius: float = RADIUS, min_pt: float = MIN_PT) -> ak.Array:
    """Cluster the candidates of each event with anti-kT into jets, hardest first.

    Args:
        candidates: Shape (n_events, var), with ``pt eta phi mass``.
        radius: R of the jets.
        min_pt: Least pT of jets that are kept [GeV].

    Returns:
        Jets, shape (n_events, var): ``pt eta phi mass`` (sum of four-momenta) and ``candidate``, the positions of the
        constituents among the candidates of the event, shape (n_events, var, var).

    References:
        Cacciari, Salam, Soyez, The anti-kt jet clustering algorithm (2008), arXiv:0802.1189; FastJet user manual
        (2011), arXiv:1111.6097.
    """
    sequence = fastjet.ClusterSequence(_momenta(candidates), fastjet.JetDefinition(fastjet.antikt_algorithm, radius))
    momenta, index = sequence.inclusive_jets(min_pt), sequence.constituent_index(min_pt)
    pt = np.hypot(momenta.px, momenta.py)
    jets = ak.zip(
        {
            "pt": _float32(pt),
            "eta": _float32(np.arcsinh(momenta.pz / pt)),
            "phi": _float32(np.arctan2(momenta.py, momenta.px)),
            "mass": _float32(kinematics.mass_of(momenta.E, momenta.px, momenta.py, momenta.pz)),
            "candidate": index,
        },
        depth_limit=2,
    )
    return jets[ak.argsort(pt, ascending=False)]


def substructure(constituents: ak.Array, *, radius: float = RADIUS) -> Substructure:
    """Groom jets with soft drop (beta = 0, z_cut = 0.1) and measure how many-pronged they are.

    N-subjettiness as CMS stores it: beta = 1, normalised to R, axes from exclusive kT followed by one pass of
    minimisation. It is 0 for jets with no more than N constituents.

    Args:
        constituents: Of n jets, shape (n, var), with ``pt eta phi mass``; each jet has at least one.
        radius: R of the jets.

    References:
        Larkoski et al., Soft drop (2014), arXiv:1402.2657; Thaler, Van Tilburg, Maximizing boosted top identification
        by minimizing N-subjettiness (2011), arXiv:1108.2701.
    """
    sequence = fastjet.ClusterSequence(_momenta(constituents), fastjet.JetDefinition(fastjet.kt_algorithm, 10 * radius))
    groomed = sequence.exclusive_jets_softdrop_grooming(njets=1, beta=0.0, symmetry_cut=0.1, R0=radius)
    tau = sequence.njettiness(axes_definition="OnePass_KT_Axes", njets=[1, 2, 3, 4], beta=1.0, R0=radius)
    return Substructure(ak.to_numpy(groomed.msoftdrop), np.asarray(tau))


def _momenta(particles: ak.Array) -> ak.Array:
    """Cartesian four-momenta, in double precision, as FastJet wants them."""
    pt, eta, phi, mass = (ak.values_astype(particles[name], np.float64) for name in ("pt", "eta", "phi", "mass"))
    px, py, pz = kinematics.momentum(pt, eta, phi)
    return ak.zip({"px": px, "py": py, "pz": pz, "E": kinematics.energy(pt, eta, mass)})


def _float32(column: ak.Array) -> ak.Array:
    return ak.values_astype(column, np.float32)
