"""weaver-core, against which we are measured: its environment and its command line."""

import subprocess
import sys
from pathlib import Path

VERSION = "0.5.3"
_HERE = Path(__file__).resolve().parent
SCRIPTS = _HERE / "weaver"
DATA_CONFIG, NETWORK_CONFIG = SCRIPTS / "top_tagging.yaml", SCRIPTS / "network.py"


def environment(folder: Path) -> Path:
    """Python of an environment with weaver-core and our version of torch, made in `folder` unless it is there."""
    python, complete = folder / "bin" / "python", folder / ".installed_with_onnx"
    if not complete.exists():
        print(f"installing weaver-core {VERSION} (once)", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        constraints = _HERE.parent / "constraints.txt"
        install = [python, "-m", "pip", "install", "--quiet", "--constraint", constraints, "onnx", "onnxruntime"]
        subprocess.run([*install, "torch", f"weaver-core=={VERSION}"], check=True)
        complete.touch()
    return python


def require(python: Path) -> None:
    """Check that an environment has the version that is measured.

    Raises:
        ValueError: If it has none or another one.
    """
    code = "from importlib.metadata import version; print(version('weaver-core'))"
    found = subprocess.run([python, "-c", code], capture_output=True, text=True)
    if found.stdout.strip() != VERSION:
        problem = found.stdout.strip() or (found.stderr.strip().splitlines() or ["nothing"])[-1]
        raise ValueError(f"{python}: weaver-core {VERSION} is needed there, found: {problem}")


def predict(python: Path, *, weights: Path, jets: Path, output: Path) -> list[str | Path]:
    """Command that scores a file on the CPU, as a user of weaver does."""
    return [
        *(python, "-m", "weaver.train", "--predict", "--gpus", "", "--num-workers", "1", "--batch-size", "512"),
        *("--data-config", DATA_CONFIG, "--network-config", NETWORK_CONFIG),
        *("--model-prefix", weights, "--data-test", jets, "--predict-output", output),
    ]


def export(python: Path, *, weights: Path, output: Path) -> list[str | Path]:
    """Command that writes the network as ONNX."""
    return [
        *(python, "-m", "weaver.train", "--gpus", "", "--export-onnx", output, "--model-prefix", weights),
        *("--data-config", DATA_CONFIG, "--network-config", NETWORK_CONFIG),
    ]
