"""Generated jets, as CMS NanoAOD's GenJetAK8: what a jet was before the detector, and which one belongs to which."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado import kinematics
from cortado.simulation.clustering import anti_kt
from cortado.simulation.detector import visible_particles
from cortado.simulation.flavour_jets import pairs

MIN_PT = 100.0  # GeV, as in CMS NanoAOD
MAX_DISTANCE = 0.4  # half the radius

Array = npt.NDArray[Any]


def gen_jets(particles: ak.Array) -> ak.Array:
    """Cluster the stable particles of each event, without neutrinos, as `anti_kt` does candidates; hardest first.

    Args:
        particles: Pythia's record, shape (n_events, var).

    Returns:
        ``pt eta phi mass`` of jets with pT > 100 GeV, float32, shape (n_events, var).
    """
    visible = visible_particles(particles)
    pt = np.maximum(np.hypot(visible.px, visible.py), 1e-9)  # along the beam: a large eta, not an infinite one
    momenta = {
        "pt": pt,
        "eta": np.arcsinh(visible.pz / pt),
        "phi": np.arctan2(visible.py, visible.px),
        "mass": kinematics.mass_of(visible.energy, visible.px, visible.py, visible.pz),
    }
    counts = np.bincount(visible.event, minlength=len(particles))
    return anti_kt(ak.unflatten(ak.zip(momenta), counts), min_pt=MIN_PT)[["pt", "eta", "phi", "mass"]]


def matched(jets: ak.Array, gen_jets: ak.Array) -> ak.Array:
    """Position of the generated jet of each jet, -1 for none; int16, shape (n_events, var).

    The two are the nearest to each other, within dR 0.4; so none has two partners.

    Args:
        jets: Shape (n_events, var), with ``eta phi``.
        gen_jets: Likewise.
    """
    counts, gen_counts = ak.to_numpy(ak.num(jets)), ak.to_numpy(ak.num(gen_jets))
    events = np.arange(len(counts))
    jet, gen_jet = pairs(np.repeat(events, counts), np.repeat(events, gen_counts))
    distance = kinematics.delta_r(*_directions(jets, jet), *_directions(gen_jets, gen_jet))
    is_match = (distance == _least(distance, jet)) & (distance == _least(distance, gen_jet))
    is_match &= distance < MAX_DISTANCE
    index = np.full(counts.sum(), -1, np.int16)
    index[jet[is_match]] = ak.to_numpy(ak.flatten(ak.local_index(gen_jets.eta)))[gen_jet[is_match]]
    return ak.unflatten(index, counts)


def _directions(jets: ak.Array, chosen: Array) -> tuple[Array, Array]:
    """Eta and phi of chosen ones of the flat jets."""
    eta, phi = (ak.to_numpy(ak.flatten(jets[name]))[chosen] for name in ("eta", "phi"))
    return eta, phi


def _least(distance: Array, owner: Array) -> Array:
    """Least distance of the pairs with the same owner, for each pair."""
    least = np.full(owner.max(initial=-1) + 1, np.inf)
    np.minimum.at(least, owner, distance)
    nearest: Array = least[owner]
    return nearest
