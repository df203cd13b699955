"""Autoencoder of sets: particles of a jet, whatever their number and order."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from cortado.models.layers import pack, perceptron, require_positive, require_width, sum_per_jet

_SCALE = 0.1  # of sums over the particles of a jet, of which there are some tens


class SetAutoencoder(nn.Module):
    """Particles are summed in a latent space, as in `PFN`, and some particles are made of a few latent numbers.

    The loss for it is "chamfer", the distance to the nearest: so the number of reproduced particles need not be that
    of the jet. For features that are standardised by a `Scaling`.

    Args:
        features: Number f of features of a particle.
        particles: Number q of reproduced particles.
        phi: Widths of the layers of each particle.
        hidden: Widths of the layers of the decoder.
        latent: How many numbers describe a jet.

    Raises:
        ValueError: If a size is below 1, or `phi` has no layer.

    References:
        Zaheer et al., Deep Sets (2017), arXiv:1703.06114 (encoder).
        Fan, Su, Guibas, A Point Set Generation Network (2016), arXiv:1612.00603 (decoder and distance).
    """

    def __init__(
        self,
        *,
        features: int,
        particles: int = 24,
        phi: Sequence[int] = (64, 64),
        hidden: Sequence[int] = (128, 128),
        latent: int = 8,
    ) -> None:
        super().__init__()
        if not phi:
            raise ValueError("SetAutoencoder: phi must have one layer or more")
        sizes = {f"phi[{i}]": width for i, width in enumerate(phi)}
        sizes |= {f"hidden[{i}]": width for i, width in enumerate(hidden)}
        require_positive("SetAutoencoder", features=features, particles=particles, latent=latent, **sizes)
        self.features, self.particles = features, particles
        self.phi = perceptron(features, phi, activation=nn.GELU)
        self.encoder = perceptron(phi[-1], (phi[-1],), latent, activation=nn.GELU)
        self.decoder = perceptron(latent, hidden, particles * features, activation=nn.GELU)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Particles (n, q, f) reproduced from those of jets (n, p, f), mask (n, p).

        Raises:
            ValueError: If f is not the number that the model was made with.
        """
        require_width("SetAutoencoder", features, self.features)
        summed = sum_per_jet(self.phi(pack(features, mask)), mask)
        made: Tensor = self.decoder(self.encoder(_SCALE * summed))
        return made.view(-1, self.particles, self.features)
