"""What the scripts in weaver's environment share: its data configuration, and prepared batches in its form."""

from pathlib import Path

import numpy as np
import torch
from weaver.utils.data.config import DataConfig

_LENGTH = 128  # of the data configuration


def data_config():
    """What weaver makes of our data configuration."""
    path = Path(__file__).with_name("top_tagging.yaml")
    return DataConfig.load(str(path), load_observers=False, load_reweight_info=False)


def batches(path):
    """Points (n, 2, p), features (n, f, p), mask (n, 1, p) and target (n,) of each batch: channels first, in weaver."""
    with np.load(path) as file:
        points, features, mask, target = (file[name] for name in ("points", "features", "mask", "target"))
    padding = _LENGTH - mask.shape[2]
    clouds = [points, features, mask[..., None].astype(np.float32)]
    clouds = [np.pad(cloud, ((0, 0), (0, 0), (0, padding), (0, 0))).swapaxes(2, 3) for cloud in clouds]
    return list(zip(*(torch.from_numpy(np.ascontiguousarray(array)) for array in (*clouds, target))))
