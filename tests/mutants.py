"""Would the tests notice? Single random changes of the code, each judged by the tests of its own room.

    python tests/mutants.py [--since main] [--number 20] [--seed 1] [FILE ...]

Changes a comparison, an operator or a number in FILE, or in the files of `src` that differ from a revision, runs the
tests that mirror the file (`tests/ROOM`), and shows what survives. Many survivors are no fault: defaults, bounds that
no input reaches, changes of nothing. The others are tests that are missing.
"""

import argparse
import ast
import random
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = Path("src/cortado")
SWAPPED = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


def changes(tree: ast.AST) -> list[tuple[ast.AST, str, object]]:
    """All single changes: node, its attribute, the other value."""
    found: list[tuple[ast.AST, str, object]] = []
    for node in ast.walk(tree):
        match node:
            case ast.Compare(ops=[one]) if type(one) in SWAPPED:
                found.append((node, "ops", [SWAPPED[type(one)]()]))
            case ast.BinOp(op=one) | ast.BoolOp(op=one) if type(one) in SWAPPED:
                found.append((node, "op", SWAPPED[type(one)]()))
            case ast.Constant(value=bool(value)):
                found.append((node, "value", not value))
            case ast.Constant(value=int(value) | float(value)):
                found.append((node, "value", value + 1))
    return found


def tests_of(path: Path) -> list[Path]:
    """The tests of a file's room."""
    room, *rest = path.relative_to(SOURCE).parts
    return [Path("tests") / (room if rest else f"test_{path.name}")]


def survives(path: Path, content: str) -> bool:
    """Whether the tests of the room pass with another content of a file, which is then put back."""
    before = (ROOT / path).read_text()
    try:
        (ROOT / path).write_text(content)
        pytest = [sys.executable, "-m", "pytest", "--exitfirst", "--quiet", *tests_of(path)]
        return subprocess.run(pytest, cwd=ROOT, capture_output=True, timeout=600).returncode == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        (ROOT / path).write_text(before)


def main() -> None:
    """Draw the changes, run, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--since", default="HEAD~1", help="revision (default: %(default)s)")
    parser.add_argument("--number", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    listed = ["git", "diff", "--name-only", "--diff-filter=d", options.since, "--", SOURCE]
    changed = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    files = [path for path in options.files or map(Path, changed) if path.suffix == ".py"]
    drawn = random.Random(options.seed)
    places = [(path, i) for path in files for i in range(len(changes(ast.parse((ROOT / path).read_text()))))]
    chosen = drawn.sample(places, min(options.number, len(places)))
    survivors = 0
    for path, index in chosen:
        tree = ast.parse((ROOT / path).read_text())
        node, attribute, value = changes(tree)[index]
        before = ast.unparse(node)
        setattr(node, attribute, value)
        if survives(path, ast.unparse(tree)):
            survivors += 1
            print(f"{path}:{node.lineno}: {before}  ->  {ast.unparse(node)}", flush=True)  # type: ignore[attr-defined]
    print(f"{survivors} of {len(chosen)} changes survived")


if __name__ == "__main__":
    main()
