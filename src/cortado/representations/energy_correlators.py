"""Energy correlators of jets and the two-prong observables C2, D2 and N2 made of them.

With shares z_i of transverse momentum and distances R_ij = delta_r(i, j)^beta in eta and phi,

    e2  = sum_(i<j)   z_i z_j R_ij
    e3  = sum_(i<j<k) z_i z_j z_k R_ij R_ik R_jk
    2e3 = sum_(i<j<k) z_i z_j z_k min(R_ij R_ik, R_ij R_jk, R_ik R_jk)

    C2 = e3 / e2^2      D2 = e3 / e2^3      N2 = 2e3 / e2^2

All three are 0 where e3 is: for jets of two constituents, and by convention for those of one or none.

References:
    Larkoski, Salam, Thaler, Energy Correlation Functions for Jet Substructure (2013), arXiv:1305.0007.
    Larkoski, Moult, Neill, Power Counting to Better Jet Observables (2014), arXiv:1409.6298.
    Moult, Necib, Thaler, New Angles on Energy Correlation Functions (2016), arXiv:1609.07483.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from cortado.kinematics import delta_r
from cortado.representations.constituents import Constituents, blocks, longest, padded

__all__ = ["RATIOS", "correlator_ratios", "e2", "e3", "e3_smallest_two"]

Floats = NDArray[np.float64]

RATIOS = ("c2", "d2", "n2")


def e2(z: Floats, distance: Floats) -> Floats:
    """Sum over pairs of z_i z_j R_ij, shape (n,).

    Args:
        z: Shares of transverse momentum, shape (n, p); 0 where there is no constituent.
        distance: R_ij, symmetric and 0 on the diagonal, shape (n, p, p).
    """
    weighted = np.matmul(distance, z[..., np.newaxis])[..., 0]
    total: Floats = np.sum(z * weighted, axis=1)
    return total / 2


def e3(z: Floats, distance: Floats) -> Floats:
    """Sum over triplets of z_i z_j z_k R_ij R_ik R_jk, shape (n,).

    A triplet is a closed path of three steps, so that the sum is made of matrix products.

    Args:
        z: As for `e2`.
        distance: As for `e2`.
    """
    two_steps = np.matmul(distance * z[:, np.newaxis], distance)  # (n, i, j): sum over k of R_ik z_k R_kj
    return e2(z, distance * two_steps) / 3


def e3_smallest_two(z: Floats, distance: Floats) -> Floats:
    """Sum over triplets of z_i z_j z_k times the product of the two smallest of R_ij, R_ik, R_jk, shape (n,).

    Args:
        z: As for `e2`.
        distance: As for `e2`.
    """
    total = np.zeros(len(z))
    for i in range(z.shape[1] - 2):
        beyond = distance[:, i + 1 :, i + 1 :]  # (n, j, k)
        first, second = distance[:, i, i + 1 :, np.newaxis], distance[:, i, np.newaxis, i + 1 :]
        product = np.minimum(first, second)
        product *= beyond
        np.minimum(product, first * second, out=product)
        # The diagonal j = k holds no triplet; there R_jk = 0 makes the product 0.
        total += z[:, i] * e2(z[:, i + 1 :], product)
    return total


def correlator_ratios(
    constituents: Constituents,
    names: Collection[str],
    *,
    beta: float = 1.0,
    max_constituents: int | None = None,
) -> dict[str, Floats]:
    """C2, D2 and N2 of jets, as far as they are asked for, computed in groups of jets of similar length.

    Args:
        constituents: With pt, eta, phi.
        names: Some of `RATIOS`.
        beta: Exponent of the distances.
        max_constituents: Use only so many of the hardest constituents of each jet; None for all.

    Returns:
        By name, shape (n,).
    """
    ratios = {name: np.zeros(len(constituents.counts)) for name in names}
    if not ratios:
        return ratios
    length = longest(constituents.counts, max_constituents)
    counts = np.minimum(constituents.counts, length)
    columns = np.stack([constituents.own(name) for name in ("pt", "eta", "phi")], axis=-1)
    columns = padded(columns, constituents.counts, length)
    for jets in blocks(counts):
        pt, eta, phi = np.moveaxis(columns[jets, : counts[jets].max()], -1, 0)
        z = pt / pt.sum(axis=1, keepdims=True)
        distance = delta_r(eta[:, :, None], phi[:, :, None], eta[:, None], phi[:, None]) ** beta
        pairs = e2(z, distance)
        if "c2" in ratios or "d2" in ratios:
            triplets = e3(z, distance)
            _set(ratios, "c2", jets, triplets, pairs**2)
            _set(ratios, "d2", jets, triplets, pairs**3)
        if "n2" in ratios:
            _set(ratios, "n2", jets, e3_smallest_two(z, distance), pairs**2)
    return ratios


def _set(ratios: dict[str, Floats], name: str, jets: NDArray[np.int64], above: Floats, below: Floats) -> None:
    if name in ratios:
        ratios[name][jets] = np.divide(above, below, out=np.zeros_like(above), where=above != 0)
