"""Events of straight tracks through layers of pixels, as the toy of HEP.TrkX has them: small ones."""

import awkward as ak
import numpy as np


def toy_layers(number, *, layers=12, pixels=10, seed_layers=3, noise=0.1, tracks=2, seed=0):
    """Record of events with hits; the track to be followed is particle 1, alone in the first layers.

    Args:
        number: Of events.
        layers: Number of layers.
        pixels: Number of pixels of a layer.
        seed_layers: Layers without noise and other tracks.
        noise: Probability that a pixel is hit by itself.
        tracks: Number of tracks.
        seed: Of the random numbers.
    """
    rng = np.random.default_rng(seed)
    particle = -(rng.random((number, layers, pixels)) < noise).astype(np.int64)
    for track in range(tracks, 0, -1):
        start, end = rng.uniform(0, pixels, (2, number, 1))
        place = np.floor(start + (end - start) * np.arange(layers) / layers).astype(np.int64)
        shown = slice(seed_layers if track > 1 else 0, None)
        np.put_along_axis(particle[:, shown], place[:, shown, np.newaxis], track, axis=2)
        if track == 1:
            particle[:, :seed_layers] = np.maximum(particle[:, :seed_layers], 0)
    event, layer, pixel = np.nonzero(particle)
    hits = {
        "x": pixel.astype(np.float32),
        "layer": layer.astype(np.int32),
        "module": pixel.astype(np.int32),
        "particle_id": np.maximum(particle[event, layer, pixel], 0),
    }
    counts = np.bincount(event, minlength=number)
    columns = {"event_key": np.arange(number, dtype=np.uint64), "hits": ak.unflatten(ak.zip(hits), counts)}
    return ak.zip(columns, depth_limit=1)
