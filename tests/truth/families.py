"""A family of particles, made by hand."""

import numpy as np

# index: (PDG code, parent, x of the production point [mm]); B+ -> D*- (-> D0 pi-) pi+, D0 -> K0S, K0S -> pi+
FAMILY = [
    (11, -1, 0.0),
    (5, 0, 0.0),
    (521, 1, 0.0),
    (-413, 2, 2.0),
    (211, 2, 2.0),
    (-421, 3, 2.0 + 1e-8),
    (-211, 3, 2.0 + 1e-8),
    (310, 5, 3.0),
    (211, 7, 90.0),
    (211, 1, 0.0),
    (411, 0, 0.0),
    (-13, 10, 0.5),
    (111, 0, 0.0),
    (11, 12, 1e-4),
]


def family():
    pdg_id, parent, x = (np.array(column) for column in zip(*FAMILY))
    return pdg_id, parent, np.stack([x, np.zeros_like(x), np.zeros_like(x)], axis=-1)
