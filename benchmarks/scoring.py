"""Section "scoring": a ROOT file to scores on disk, ours against `weaver --predict`, same weights, same threads.

Both are timed as whole processes, as a user starts them, quiet and beside as many busy processes as threads. Ours also
fills and writes the histogram; of weaver only the file of scores is asked. The time of a file of a few jets, measured
once a round, is taken as that of starting up.
"""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import uproot
from numpy.typing import NDArray
from timing import BUSY, in_turn, quiet_and_busy, ratio
from workplace import Workplace, batches, bundle, jets, weights

TOLERANCE = 1e-4  # of a probability
TARGET = 5.0  # times weaver's jets per second
_FEW = 32  # jets
_NAMES = ("weaver", "cortado")
_START_UP = ", starting up"


def measure(place: Workplace, *, number: int, rounds: int) -> dict[str, Any]:
    """Times of both, their ratio, and the largest difference of a score."""
    many, few = jets(place, number), jets(place, _FEW)
    weights_path = weights(place, batches(place, number))
    bundle_path = bundle(place, weights_path, many)
    ours, theirs = place.folder / "scores.npy", place.folder / "weaver_scores.root"

    def cortado(file: Path) -> Callable[[], float]:
        histogram = place.folder / "histogram.root"
        return lambda: place.ours("score_to_histogram.py", bundle_path, file, histogram, ours).seconds

    def weaver(file: Path) -> Callable[[], float]:
        return lambda: place.predict(weights=weights_path, jets=file, output=theirs).seconds

    # The whole file comes last, so that its scores are those that are compared.
    candidates = {f"weaver{_START_UP}": weaver(few), f"cortado{_START_UP}": cortado(few)}
    candidates |= quiet_and_busy({"weaver": weaver(many), "cortado": cortado(many)}, place.threads)
    seconds = in_turn(candidates, rounds)
    scores = np.load(ours)
    differences = np.abs(scores - _weaver_scores(theirs, number))
    return {
        "jets": number,
        "seconds": seconds,
        "ratio": ratio(seconds["weaver"], seconds["cortado"]),
        "busy_ratio": ratio(seconds["weaver" + BUSY], seconds["cortado" + BUSY]),
        "jets_per_second": {name: number / statistics.median(seconds[name]) for name in _NAMES},
        "jets_per_second_without_start_up": {name: _net_rate(seconds, name, number) for name in _NAMES},
        "largest_difference": float(differences.max()),
        "jets_beyond_tolerance": int((differences > TOLERANCE).sum()),
        "spread_of_scores": float(scores.std()),
    }


def _net_rate(seconds: dict[str, list[float]], name: str, number: int) -> float | None:
    """Jets per second without the time of starting up; None if that hides the scoring, of few jets or by noise."""
    net = statistics.median(seconds[name]) - statistics.median(seconds[name + _START_UP])
    return (number - _FEW) / net if net > 0 else None


def _weaver_scores(path: Path, number: int) -> NDArray[np.float64]:
    """Signal probability of each jet, in the order of the input.

    Raises:
        ValueError: If there are not as many as jets.
    """
    with uproot.open(path) as file:
        scores = file["Events/score_jet_is_signal"].array(library="np")
    if len(scores) != number:
        raise ValueError(f"{path} has {len(scores)} scores, expected are {number}")
    return scores.astype(np.float64)


def rows(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Lines of the table: what, measured, wanted."""
    rates, net = result["jets_per_second"], result["jets_per_second_without_start_up"]
    medians = {name: statistics.median(times) for name, times in result["seconds"].items()}
    difference = f"{result['largest_difference']:.1e} (spread of scores {result['spread_of_scores']:.2f})"
    known = None not in net.values()
    return [
        *(
            (f"{name}, {result['jets']:,} jets", f"{medians[name]:.1f} s, {rates[name]:.0f} jets/s", "")
            for name in _NAMES
        ),
        ("jets per second, cortado / weaver", f"{result['ratio']:.2f}", f">= {TARGET:g}"),
        *((name + BUSY, f"{medians[name + BUSY]:.1f} s", "") for name in _NAMES),
        ("jets per second, cortado / weaver" + BUSY, f"{result['busy_ratio']:.2f}", ""),
        *((name + _START_UP, f"{medians[name + _START_UP]:.1f} s", "") for name in _NAMES),
        ("the ratio without starting up", f"{net['cortado'] / net['weaver']:.2f}" if known else "not measurable", ""),
        ("largest difference of a score", difference, f"<= {TOLERANCE:g}"),
        ("scores that differ by more", f"{result['jets_beyond_tolerance']} of {result['jets']:,}", "0"),
    ]
