"""Where the benchmark works, and the inputs that its sections share."""

import sys
from pathlib import Path
from typing import NamedTuple

import peer
from timing import Run, run

HERE = Path(__file__).resolve().parent
BATCH = 256  # jets


class Workplace(NamedTuple):
    """Folder of all files, Python of weaver's environment, threads that each candidate gets."""

    folder: Path
    weaver: Path
    threads: int

    def ours(self, script: str, *arguments: object) -> Run:
        """Run one of the scripts beside this file in our environment."""
        return self._run(script, [sys.executable, HERE / script, *map(str, arguments)])

    def theirs(self, script: str, *arguments: object) -> Run:
        """Run one of the scripts in `weaver/` in weaver's environment."""
        return self._run(f"weaver-{script}", [self.weaver, peer.SCRIPTS / script, *map(str, arguments)])

    def predict(self, *, weights: Path, jets: Path, output: Path) -> Run:
        """Score a file with weaver's command."""
        return self._run("weaver-predict", peer.predict(self.weaver, weights=weights, jets=jets, output=output))

    def export(self, *, weights: Path, output: Path) -> Run:
        """Write weaver's network as ONNX with its own command."""
        return self._run("weaver-export", peer.export(self.weaver, weights=weights, output=output))

    def python(self, *arguments: str) -> Run:
        """Run Python in our environment."""
        return self._run("python", [sys.executable, *arguments])

    def _run(self, name: str, command: list[str | Path]) -> Run:
        return run(command, threads=self.threads, log=self.folder / f"{name}.log")


def jets(place: Workplace, number: int) -> Path:
    """File of so many simulated jets; kept from an earlier benchmark."""
    path = place.folder / f"jets_{number}.root"
    if not path.exists():
        print(f"simulating {number} jets (once)", flush=True)
        place.ours("simulated_jets.py", path, number)
    return path


def repeated(place: Workplace, number: int, times: int) -> Path:
    """File of the same jets many times."""
    path = place.folder / f"jets_{number}_times_{times}.root"
    if not path.exists():
        place.ours("repeated_jets.py", jets(place, number), times, path)
    return path


def batches(place: Workplace, number: int) -> Path:
    """Training batches of `BATCH` jets, of a file of so many; one smaller batch if it has fewer."""
    path = place.folder / "batches.npz"
    place.ours("prepared_batches.py", jets(place, number), min(BATCH, number), path)
    return path


def weights(place: Workplace, batches_path: Path) -> Path:
    """Weights in weaver's form, which fit these batches."""
    path = place.folder / "weights.pt"
    place.theirs("initial_weights.py", batches_path, path)
    return path


def bundle(place: Workplace, weights_path: Path, jets_path: Path) -> Path:
    """Our bundle of these weights."""
    path = place.folder / "particlenet.cortado"
    place.ours("bundle_of_weights.py", weights_path, jets_path, path)
    return path
