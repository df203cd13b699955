"""Write simulated jets with tracks: python simulated_flavour.py OUTPUT JETS"""

import sys
from pathlib import Path

from cortado.simulation import simulate_flavour_jets

if __name__ == "__main__":
    simulate_flavour_jets(Path(sys.argv[1]), jets=int(sys.argv[2]), seed=1)
