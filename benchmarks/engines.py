"""Section "engines": the same ParticleNet on the same jets, by others that analysts use, and what no program can beat.

Whole processes in turn, with the same threads: `weaver --predict` with onnxruntime on weaver's own export; a coffea
processor with `coffea.ml_tools.torch_wrapper` as its documentation uses it (jets padded to 128 constituents) against
the same processor with our scorer; our scoring with products in float32 and bfloat16. The floor is bare reading of the
branches and bare matrix products, the same number of the same shapes and precision as our network computes.
"""

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import uproot
from numpy.typing import NDArray
from timing import in_turn, ratio
from workplace import Workplace, batches, bundle, jets, weights

TARGETS = {"onnxruntime": 1.7, "onnxruntime, bfloat16": 3.0, "torch_wrapper": 5.0}
START_UP = 0.5  # seconds above the imports
_FEW = 32  # jets
_IMPORTS = "import awkward, hist, numpy, torch, uproot, vector"


def measure(place: Workplace, *, number: int, rounds: int) -> dict[str, Any]:
    """Times of all, and the largest differences of scores."""
    many, few = jets(place, number), jets(place, _FEW)
    weights_path = weights(place, batches(place, number))
    bundle_path = bundle(place, weights_path, many)
    exported, script = place.folder / "particlenet.onnx", place.folder / "particlenet.torchscript"
    place.export(weights=weights_path, output=exported)
    place.theirs("torchscript.py", weights_path, script)
    scores = {name: place.folder / f"scores_{name}.npy" for name in ("float32", "bfloat16", "scorer", "wrapper")}
    onnx_scores = place.folder / "onnx_scores.root"

    def ours(file: Path, precision: str) -> Callable[[], float]:
        arguments = (bundle_path, file, place.folder / "histogram.root", scores[precision], precision)
        return lambda: place.ours("score_to_histogram.py", *arguments).seconds

    def processor(kind: str, network: Path) -> Callable[[], float]:
        return lambda: place.ours("coffea_processor.py", kind, network, many, scores[kind]).seconds

    def floor(precision: str) -> Callable[[], float]:
        output = place.folder / f"floor_{precision}.json"

        def seconds() -> float:
            place.ours("floor.py", bundle_path, many, precision, output)
            return float(json.loads(output.read_text())["seconds"])

        return seconds

    candidates = {
        "imports": lambda: place.python("-c", _IMPORTS).seconds,
        "starting up": ours(few, "float32"),
        "onnxruntime": lambda: place.predict(weights=exported, jets=many, output=onnx_scores).seconds,
        "cortado": ours(many, "float32"),
        "cortado, bfloat16": ours(many, "bfloat16"),
        "torch_wrapper": processor("wrapper", script),
        "the same with our scorer": processor("scorer", bundle_path),
        "floor": floor("float32"),
        "floor, bfloat16": floor("bfloat16"),
    }
    seconds = in_turn(candidates, rounds)
    known = {name: np.load(path) for name, path in scores.items()}
    with uproot.open(onnx_scores) as file:
        known["onnxruntime"] = file["Events/score_jet_is_signal"].array(library="np")
    return {
        "jets": number,
        "seconds": seconds,
        "ratios": {
            "onnxruntime": ratio(seconds["onnxruntime"], seconds["cortado"]),
            "onnxruntime, bfloat16": ratio(seconds["onnxruntime"], seconds["cortado, bfloat16"]),
            "torch_wrapper": ratio(seconds["torch_wrapper"], seconds["the same with our scorer"]),
        },
        "over_floor": {
            name: _net(seconds, f"cortado{name}") / statistics.median(seconds[f"floor{name}"])
            for name in ("", ", bfloat16")
        },
        "start_up": statistics.median(seconds["starting up"]) - statistics.median(seconds["imports"]),
        "differences": {name: _difference(known["float32"], each) for name, each in known.items() if name != "float32"},
        "spread_of_scores": float(known["float32"].std()),
    }


def _net(seconds: dict[str, list[float]], name: str) -> float:
    """Median time without that of starting up."""
    return statistics.median(seconds[name]) - statistics.median(seconds["starting up"])


def _difference(ours: NDArray[Any], theirs: NDArray[Any]) -> dict[str, float]:
    """Largest and typical difference of scores, in the order of the file.

    Raises:
        ValueError: If there are not as many.
    """
    if len(ours) != len(theirs):
        raise ValueError(f"{len(theirs)} scores, expected are {len(ours)}")
    difference = np.abs(ours.astype(np.float64) - theirs)
    return {"largest": float(difference.max()), "99 %": float(np.quantile(difference, 0.99))}


def rows(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Lines of the table: what, measured, wanted."""
    medians = {name: statistics.median(times) for name, times in result["seconds"].items()}
    return [
        *((f"{name}, {result['jets']:,} jets", f"{seconds:.1f} s", "") for name, seconds in medians.items()),
        *((f"{name} / cortado", f"{each:.2f}", f">= {TARGETS[name]:g}") for name, each in result["ratios"].items()),
        *(
            (f"cortado{name} without starting up / floor", f"{each:.2f}", "")
            for name, each in result["over_floor"].items()
        ),
        ("starting up, above imports", f"{result['start_up']:.2f} s", f"<= {START_UP:g} s"),
        *(
            (f"scores of {name}", f"99 % within {each['99 %']:.1e}, largest {each['largest']:.1e}", "")
            for name, each in result["differences"].items()
        ),
    ]
