"""Showers under the clock: python shower_speed.py OUTPUT BATCH [BATCH ...]

OUTPUT gets as JSON the time of a shower [ms] of networks of published (or default) size with their first weights, by
batch size, and of the compact simulation at 1, 10 and 50 GeV. The networks alone are timed: noise is drawn before.
CaloGAN is folded, as it is when a bundle generates. Where there is a GPU, the networks are timed there too, also at
GPU_BATCH.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from cortado.models import CaloFlowMatching, CaloFlowStudent, CaloGAN, CaloVAE
from cortado.models.calogan import fold_convolutions
from cortado.representations import ShowerLogits
from cortado.simulation import simulate_showers

GENERATORS: dict[str, Callable[[], torch.nn.Module]] = {
    "CaloGAN": lambda: fold_convolutions(CaloGAN()),
    "VAE": CaloVAE,
    "CaloFlow student": CaloFlowStudent,
    "flow matching": lambda: CaloFlowMatching(layer_features=2, groups=ShowerLogits(core=True, hits=True).rings(1)),
}
ENERGIES = {1.0: 2_000, 10.0: 400, 50.0: 100}  # GeV: showers
SECONDS = 2.0  # that a measurement takes, at least
GPU_BATCH = 16_384


def main(output: Path, batches: list[int]) -> None:
    """Time all of them."""
    torch.manual_seed(1)
    simulated = {f"{energy:g} GeV": _simulation(energy, number) for energy, number in ENERGIES.items()}
    found = {"networks": _networks(batches, "cpu"), "simulation": simulated}
    if torch.cuda.is_available():
        found["gpu"] = {torch.cuda.get_device_name(): _networks([*batches, GPU_BATCH], "cuda")}
    output.write_text(json.dumps(found))


def _networks(batches: list[int], device: str) -> dict[str, dict[int, float]]:
    return {name: {batch: _network(make, batch, device) for batch in batches} for name, make in GENERATORS.items()}


def _network(make: Callable[[], torch.nn.Module], batch: int, device: str) -> float:
    model = make().eval().to(device)
    energy = torch.full((batch,), 50.0, device=device)
    noise = torch.randn(batch, int(model.latent), device=device)  # type: ignore[arg-type]

    def generate() -> None:
        model(energy, noise)
        if device == "cuda":
            torch.cuda.synchronize()

    with torch.inference_mode():
        return 1000 * _time(generate) / batch


def _simulation(energy: float, number: int) -> float:
    """Of a shower of this energy [ms], on one core."""
    with tempfile.TemporaryDirectory() as folder:

        def simulate() -> None:
            simulate_showers(
                Path(folder) / "s.root", particle="photon", showers=number, energy=(energy, energy * 1.001), workers=1
            )

        return 1000 * _time(simulate) / number


def _time(run: Callable[[], object]) -> float:
    """Mean time of a run [s], after one that is not counted."""
    run()
    runs, begin = 0, time.perf_counter()
    while (passed := time.perf_counter() - begin) < SECONDS or not runs:
        run()
        runs += 1
    return passed / runs if runs else passed


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(batch) for batch in sys.argv[2:]])
