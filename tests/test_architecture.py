"""Who may import whom: the arrows of the package, read from the sources themselves; and tests lie as they do."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
SOURCE = TESTS.parent / "src" / "cortado"

# room -> rooms that it may import, besides itself
ARROWS = {
    "extras": set(),  # all may
    "kinematics": set(),
    "refused": set(),
    "calorimeter": {"refused"},
    "perigee": set(),
    "splitmix": set(),
    "event_keys": {"splitmix"},
    "files": set(),
    "masks": set(),
    "names": set(),
    "splits": {"event_keys", "splitmix"},
    "statistics": set(),
    "units": set(),
    "counts": set(),
    "ntuples": {"names", "files"},
    "manifest": {"names", "files"},
    "truth": {"kinematics"},
    "readers": {"names", "calorimeter", "event_keys", "kinematics", "perigee", "truth", "units"},
    "reading": {"names", "ntuples", "readers"},
    "representations": {"names", "calorimeter", "counts", "kinematics", "refused", "splitmix"},
    "scaling": {"representations"},
    "models": set(),
    "metrics": {"masks", "statistics"},
    "reconstruction": {"names", "kinematics", "perigee"},
    "weights": {"files", "masks", "names", "statistics"},
    "histograms": {"masks", "names"},
    "searches": {"histograms", "names", "statistics"},
    "workers": set(),
    "cluster": {"names", "own_files", "workers"},
    "batch": {"cluster", "files", "names", "ntuples", "readers", "reading", "scoring"},
    "own_files": set(),
    "tasks": {"names", "counts", "metrics", "weights", "reconstruction"},
    "bundle": {"names", "files", "refused", "representations", "scaling", "models", "tasks", "units", "weights"},
    "export": {"bundle", "files", "models", "scaling", "tasks", "weights"},
    "importing": {"names", "weights", "bundle", "models", "ntuples", "readers", "reading", "representations", "tasks"},
    "scoring": {
        "names",
        "bundle",
        "models",
        "representations",
        "tasks",
        "weights",
        "splits",
        "perigee",
        "reconstruction",
        "refused",
    },
    "training": {"names", "files", "reading", "ntuples", "splits", "representations", "scaling", "bundle", "tasks"},
    "plotting": {"calorimeter", "files", "metrics", "kinematics", "histograms", "perigee", "searches", "statistics"},
    "monitoring": {
        "names",
        "bundle",
        "metrics",
        "models",
        "plotting",
        "readers",
        "reconstruction",
        "representations",
        "tasks",
        "weights",
    },
    "processors": {
        "names",
        "cluster",
        "files",
        "ntuples",
        "calorimeter",
        "metrics",
        "reconstruction",
        "scoring",
        "weights",
        "histograms",
        "readers",
        "splits",
    },
    "simulation": {"names", "calorimeter", "kinematics", "ntuples", "perigee", "workers"},
    "analysis": {
        "calorimeter",
        "histograms",
        "manifest",
        "metrics",
        "ntuples",
        "plotting",
        "processors",
        "readers",
        "reading",
        "scoring",
        "simulation",
        "training",
    },
}
# library -> the only rooms that may import it
QUARANTINE = {
    "uproot": {"ntuples"},
    "h5py": {"ntuples"},
    "coffea": {"processors"},
    "distributed": {"cluster"},
    "matplotlib": {"plotting"},
    "mplhep": {"plotting"},
    "pythia8mc": {"simulation"},
    "fastjet": {"simulation"},
    "numba": {"simulation"},
    "correctionlib": {"weights", "export"},
    "pyhf": {"searches"},
    "zuko": {"models"},
    "onnxruntime": {"models", "export"},
    "torch": {"models", "tasks", "bundle", "export", "importing", "scoring", "training"},
    "lightning": {"training"},
    "torch_geometric": {"models"},
    "captum": {"scoring"},
    "awkward": set(ARROWS)
    - {
        "models",
        "histograms",
        "perigee",
        "scaling",
        "searches",
        "splitmix",
        "statistics",
        "cluster",
        "counts",
        "files",
        "names",
        "own_files",
        "refused",
        "workers",
    }
    | {"cli"},
    "typer": {"cli"},
}


def room_of(path):
    relative = path.relative_to(SOURCE)
    return relative.parts[0].removesuffix(".py")


def imported_modules(path):
    """Absolute names of everything a file imports, at top level or inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


FILES = sorted(path for path in SOURCE.rglob("*.py") if path.parent != SOURCE or path.stem != "__init__")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_follow_the_arrows(path):
    room = room_of(path)
    for name in imported_modules(path):
        library, _, rest = name.partition(".")
        if library == "cortado" and room != "cli":
            target = rest.split(".")[0]
            assert target in ARROWS[room] | {room, "extras", "__version__"}, f"{room} must not import {target}"
        elif library in QUARANTINE:
            assert room in QUARANTINE[library], f"{room} must not import {library}"


def test_the_arrows_have_no_circle():
    assert len(list(TopologicalSorter(ARROWS).static_order())) == len(ARROWS)


def test_every_room_is_named_in_the_arrows():
    assert {room_of(path) for path in FILES} - {"cli"} <= set(ARROWS)


def folders(root):
    """Folders below a root that hold Python files, by their names from there."""
    return {path.parent.relative_to(root).as_posix() for path in root.rglob("*.py")} - {"."}


def test_tests_mirror_the_rooms():
    """Besides: `toys`, what tests share, and `analyses`, the studies."""
    assert folders(TESTS) - {"toys", "analyses"} == folders(SOURCE)


def test_tests_outside_of_a_folder_are_of_a_single_module_or_of_all():
    modules = {path.stem for path in SOURCE.glob("*.py")} - {"__init__"}
    of_all = {"architecture", "docs", "readme", "signatures"}
    assert {path.stem.removeprefix("test_") for path in TESTS.glob("test_*.py")} <= modules | of_all


@pytest.mark.parametrize(
    "imported, heavy",
    [
        ("cortado", {"torch", "awkward", "matplotlib", "coffea", "numpy"}),
        ("cortado.scoring", {"scipy.stats", "scipy.spatial", "scipy.optimize", "scipy.sparse", "coffea", "lightning"}),
    ],
)
def test_import_is_light(imported, heavy):
    code = f"import {imported}, sys; print(sorted({heavy} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_unknown_attribute_names_the_known_ones():
    import cortado

    with pytest.raises(AttributeError, match=r"no attribute 'lod'.*load"):
        _ = cortado.lod
