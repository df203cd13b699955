"""Who finds tracks: networks of edges, an LSTM that follows, a plain seed-and-follow, and the Kalman filter of ACTS."""

import time
from functools import partial

import awkward as ak
import numpy as np

from cortado import analysis, metrics, reconstruction
from cortado import bundle as bundles
from cortado.reconstruction import BeamSearch, HitErrors, SeedAndFollow
from cortado.simulation import CkfSettings, acts_tracks

from .networks import RIVALS, first_events

SELECTION = {"min_pt": 0.5, "max_abs_eta": 2.5, "min_hits": 9}
FIELD = 2.0  # T
MIN_HITS = 6  # of a track
CKF = CkfSettings(  # chosen on other events of mean pile-up 20
    seeds_per_middle=3,
    middle_radius=(40.0, 160.0),
    chi2_measurement=30.0,
    chi2_outlier=30.0,
    seed_min_pt=0.4,
    sigma_scattering=3.0,
)


def hit_errors(hits):
    """Resolution of the generic detector's pixels and strips [mm]: pixels in the four innermost layers, and discs."""
    is_pixel = np.hypot(hits.x, hits.y) < 200
    is_disc = np.isin(np.asarray(hits.volume), (7, 9, 12, 14, 16, 18))
    transverse, along = np.where(is_pixel, 0.02, 0.1), np.where(is_pixel, 0.05, 1.5)
    return HitErrors(transverse, np.where(is_disc, 0.0, along), np.where(is_disc, along, 0.0))


def network_finder(folder, name="interaction_network"):
    return analysis.load(folder, name, min_hits=MIN_HITS, threads=1)


def all_tracks(trained, folder, events):
    """Track of each hit by all finders, and the CPU seconds that each took on one thread."""
    some = first_events(folder)
    wanted = some.particles[metrics.reconstructable(some.particles, **SELECTION)]
    detector = {
        "layers": reconstruction.detector_layers(some.hits),
        "triplets": reconstruction.common_triplets(wanted),
        "magnetic_field": FIELD,
    }
    follower = bundles.load(analysis.bundle_path(folder, "follower"))
    follow = {
        "settings": BeamSearch(**detector, transitions=reconstruction.layer_transitions(wanted)),
        "predict": lambda hits, mask: bundles.run(follower.model, (hits, mask)).numpy(),
    }
    networks = [name for name in trained if name in ("interaction_network", *RIVALS)]
    finders = {name: network_finder(folder, name) for name in networks} | {
        "follower": lambda each: reconstruction.beam_search(each.hits, **follow),
        "seed_and_follow": lambda each: reconstruction.seed_and_follow(
            each.hits, SeedAndFollow(**detector), hit_errors
        ),
    }
    by_filter = acts_tracks(events.hits, settings=CKF)
    timed = {name: cpu_time(partial(find, events)) for name, find in finders.items()}
    return timed | {"ckf": (by_filter.label, float(by_filter.seconds.sum()))}


def time_and_size(folder, events):
    """Hits and edges of an event, and CPU seconds of the interaction network with all around it, and of the filter."""
    find = network_finder(folder)
    find(events[:1])  # loads the bundle
    edges, seconds = find.edges(events), cpu_time(partial(find, events))[1]
    n, filtered = len(events), acts_tracks(events.hits, settings=CKF).seconds.sum()
    sizes = {name: round(float(ak.sum(ak.num(each))) / n) for name, each in (("hits", events.hits), ("edges", edges))}
    return sizes | {"network s": round(seconds / n, 4), "CKF s": round(filtered / n, 4)}


def cpu_time(call):
    """What a call gives, and the CPU seconds that it takes."""
    begin = time.process_time()
    return call(), time.process_time() - begin
