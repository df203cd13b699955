"""Normalising flows of a few observables, given others: densities that can be evaluated and sampled (extra `flows`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from cortado.extras import extra
from cortado.models.layers import require_positive, require_width

Kind = Literal["affine", "spline"]


class ConditionalFlow(nn.Module):
    """Masked autoregressive flow of zuko: with affine steps or with rational-quadratic splines.

    Features are standardised, by a `Scaling` that can be undone. The defaults are those of CATHODE: 15 affine steps
    with one hidden layer of 128 units. Deviation: no batch normalisation between the steps.

    Args:
        features: Number f of features.
        conditions: Number c of what they are given.
        kind: "affine" (MAF) or "spline" (neural spline flow), which takes fewer steps.
        transforms: Number of steps, each in another order of the features.
        hidden: Widths of the hidden layers of a step.
        bins: Of a spline, from -5 to 5.

    Raises:
        ImportError: If the extra `flows` is not installed.
        ValueError: If a size is below 1, or the kind is unknown.

    References:
        Papamakarios, Pavlakou, Murray, Masked Autoregressive Flow (2017), arXiv:1705.07057; Durkan et al., Neural
        Spline Flows (2019), arXiv:1906.04032; Hallin et al. (2021), arXiv:2109.00546, section 3.1; Rozet et al.,
        Zuko (2022), doi:10.5281/zenodo.7625672.
    """

    def __init__(
        self,
        *,
        features: int,
        conditions: int = 1,
        kind: Kind = "affine",
        transforms: int = 15,
        hidden: Sequence[int] = (128,),
        bins: int = 8,
    ) -> None:
        super().__init__()
        sizes = {f"hidden[{i}]": width for i, width in enumerate(hidden)}
        require_positive("ConditionalFlow", features=features, conditions=conditions, transforms=transforms, **sizes)
        require_positive("ConditionalFlow", bins=bins)
        if kind not in get_args(Kind):
            raise ValueError(f"ConditionalFlow: kind = {kind!r}, required: {' or '.join(map(repr, get_args(Kind)))}")
        self.features, self.latent = features, features
        common: dict[str, Any] = {"transforms": transforms, "hidden_features": tuple(hidden)}
        flows = _flows()
        self.flow = (
            flows.MAF(features, conditions, **common)
            if kind == "affine"
            else flows.NSF(features, conditions, bins=bins, **common)
        )

    def forward(self, features: Tensor, condition: Tensor, log_jacobian: Tensor) -> Tensor:
        """Logarithm of the density (n,) of features (n, f) given conditions (n, c), plus `log_jacobian` (n,).

        Raises:
            ValueError: If there are not f features.
        """
        require_width("ConditionalFlow", features, self.features)
        transform = self.flow.transform(condition)
        noise, stretched = transform.call_and_ladj(features)
        density: Tensor = (-(noise.square() + _LOG_TWO_PI) / 2).sum(dim=1) + stretched + log_jacobian
        return density

    @torch.no_grad()
    def sample(self, condition: Tensor, noise: Tensor) -> Tensor:
        """Features (n, f) given conditions (n, c), from standard normal noise (n, f).

        Raises:
            ValueError: If the noise has another width.
        """
        require_width("ConditionalFlow", noise, self.features)
        made: Tensor = self.flow.transform(condition).inv(noise)
        return made


_LOG_TWO_PI = 1.8378770664093453


def _flows() -> Any:
    """The module `zuko.flows`, imported when a flow is made: importing `cortado.models` stays light.

    Raises:
        ImportError: If the extra `flows` is not installed.
    """
    with extra("flows", "ConditionalFlow"):
        import zuko
    return zuko.flows
