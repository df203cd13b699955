import subprocess
import sys


def test_without_the_extra_the_error_says_how_to_install_it():
    code = "import sys; sys.modules['pythia8mc'] = None; from cortado.simulation import simulate_jets"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "ImportError: cannot simulate without" in result.stderr
    assert 'pip install "cortado[sim]"' in result.stderr
