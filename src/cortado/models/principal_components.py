"""Maps as their mean and a few directions in which good ones differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from cortado.models.layers import require_positive


class PrincipalComponents(nn.Module):
    """The linear rival of autoencoders of maps: the projection to the directions of largest variance, by `fitted`.

    Nothing is trained: the numbers are kept as buffers.

    Args:
        size: Rows and columns of a map.
        components: How many directions are kept.

    Raises:
        ValueError: If a size is below 1, or there are more directions than cells.

    References:
        Pearson, On lines and planes of closest fit (1901), doi:10.1080/14786440109462720.
    """

    mean: Tensor
    directions: Tensor

    def __init__(self, *, size: Sequence[int], components: int) -> None:
        super().__init__()
        rows, columns = size
        require_positive("PrincipalComponents", rows=rows, columns=columns, components=components)
        if components > rows * columns:
            raise ValueError(f"PrincipalComponents: {components} components of {rows * columns} cells, at most as many")
        self.shape = (1, rows, columns)
        self.register_buffer("mean", torch.zeros(rows * columns))
        self.register_buffer("directions", torch.zeros(components, rows * columns))

    def fitted(self, images: ArrayLike) -> PrincipalComponents:
        """The same module, after a fit to images (n, 1, h, w) of more maps than components.

        Raises:
            ValueError: If there are too few.
        """
        flat = np.asarray(images, np.float64).reshape(len(np.asarray(images)), -1)
        wanted = len(self.directions)
        if len(flat) <= wanted:
            raise ValueError(f"{len(flat)} maps cannot give {wanted} components, required: more maps than components")
        mean = flat.mean(axis=0)
        _, _, directions = np.linalg.svd(flat - mean, full_matrices=False)
        self.mean.copy_(torch.from_numpy(mean))
        self.directions.copy_(torch.from_numpy(directions[:wanted].copy()))
        return self

    def forward(self, image: Tensor) -> Tensor:
        """Images (n, 1, h, w) as they are reproduced.

        Raises:
            ValueError: If they have another shape than the model was made for.
        """
        if tuple(image.shape[1:]) != self.shape:
            raise ValueError(f"PrincipalComponents was made for images of {self.shape}, got {tuple(image.shape[1:])}")
        apart = image.flatten(1) - self.mean
        made: Tensor = self.mean + (apart @ self.directions.T) @ self.directions
        return made.view_as(image)
