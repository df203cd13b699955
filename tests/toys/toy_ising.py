"""The two-dimensional Ising model, whose critical temperature is known: 2 / log(1 + sqrt(2)) (Onsager 1944)."""

import numpy as np

CRITICAL = 2 / np.log(1 + np.sqrt(2))  # 2.269, in units of the coupling


def ising(temperatures, *, size=16, sweeps=1000, seed=1):
    """Configurations of spins +1 and -1, shape (n, size, size), int8: one Metropolis chain for each temperature (n,).

    Chains begin with all spins alike, half of them up; the two colours of a checkerboard are updated in turn.
    """
    rng = np.random.default_rng(seed)
    beta = 1 / np.asarray(temperatures, np.float32)
    spins = np.broadcast_to(rng.choice([-1, 1], (len(beta), 1, 1)), (len(beta), size, size)).astype(np.int8)
    colour = np.indices((size, size)).sum(0) % 2 == 0
    # Flipping a spin with h = spin * sum of its neighbours costs 2 h.
    accepted = np.exp(-2 * beta[:, None] * np.arange(-4, 5, 2, dtype=np.float32))  # (n, 5)
    chain = np.arange(len(beta))[:, None, None]
    for _ in range(sweeps):
        drawn = rng.random(spins.shape, np.float32)  # a spin needs one number in a sweep
        for black in (colour, ~colour):
            neighbours = sum(np.roll(spins, shift, axis) for shift in (1, -1) for axis in (1, 2))
            flip = drawn < accepted[chain, (spins * neighbours + 4) // 2]
            spins = np.where(black & flip, -spins, spins)
    return spins
