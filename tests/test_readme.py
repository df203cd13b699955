"""The first example of the README, as a user copies it into a file."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from samples import write_nanoaod

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.timeout(300)
def test_the_whole_analysis_of_the_readme_runs(tmp_path):
    code = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)[0]
    (tmp_path / "analysis.py").write_text(code.replace("epochs=10", "epochs=3").replace("jets.pt > 500", "jets.pt > 0"))
    for seed, name in enumerate(("wprime.root", "qcd.root"), start=1):
        write_nanoaod(tmp_path / name, n_events=800, seed=seed)
    command = [sys.executable, "analysis.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "output" / "w_tagger.cortado").exists()
    assert done.stdout.count("│") >= 50, done.stdout  # the bins of a histogram that is drawn in the terminal
