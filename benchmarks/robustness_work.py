"""Mutants and kills, each in a forked process: python robustness_work.py MUTANTS KILLS SEED OUTPUT.json

A process of its own has imported everything and computed nothing, so that a child starts in a moment and one thread is
all there is. Children run the commands as users type them.
"""

import contextlib
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import awkward as ak
import coffea_processor
import lightning  # noqa: F401  # for the trainings of children
import numpy as np
import samples_of_all_formats as samples
import uproot
from coffea.nanoevents import BaseSchema
from mutations import mutant

from cortado import processors, training
from cortado.cli import app, told

SECONDS, MEMORY, LINES = 40, 1 << 30, 5  # what a command may take; of an error
SHARES = {  # of the mutants: file, command
    ("zstd.root", "score"): 0.15,
    ("lz4.root", "score"): 0.1,
    ("zstd.root", "processor"): 0.15,
    ("rntuple.root", "score"): 0.15,
    ("jets.parquet", "score"): 0.1,
    ("showers.h5", "score"): 0.1,
    ("tagger.cortado", "inspect"): 0.06,
    ("tagger.cortado", "score"): 0.05,
    ("generator.cortado", "generate"): 0.06,
    ("manifest.toml", "score"): 0.04,
    ("fileset.json", "score"): 0.04,
}
CHECKSUMS = ("jets.parquet", "showers.h5", "tagger.cortado", "generator.cortado")
KILLS = {"score": 0.25, "generate": 0.2, "train": 0.2, "processor": 0.25, "worker": 0.1}
SHOWN = 5  # of each kind of fault

Run = Callable[[], None]


class Ended(NamedTuple):
    """What became of a child."""

    status: int  # of the process; negative for a signal
    hung: bool
    peak: int  # bytes
    said: str


def child(work: Run, log: Path, *, seconds: float = SECONDS) -> Ended:
    """Run something in a process of its own, for so many seconds at most; its temporary files beside the log."""
    scratch = log.with_suffix(".tmp")
    scratch.mkdir(exist_ok=True)
    process = os.fork()
    if process == 0:
        _child(work, log, scratch)
    end, hung, usage, status = time.monotonic() + seconds, False, None, 0
    while True:
        done, status, usage = os.wait4(process, os.WNOHANG)
        if done:
            break
        if time.monotonic() > end:
            hung = True
            os.killpg(process, signal.SIGKILL)
            _, status, usage = os.wait4(process, 0)
            break
        time.sleep(0.002)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)  # workers that live on
    return Ended(os.waitstatus_to_exitcode(status), hung, usage.ru_maxrss * 1024, log.read_text(errors="replace"))


def _child(work: Run, log: Path, scratch: Path) -> None:
    os.setpgid(0, 0)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    tempfile.tempdir = os.environ["TMPDIR"] = str(scratch)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    code = 1
    try:
        work()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException as error:
        print(f"{type(error).__name__}: " + "\n".join(told.told(error, sys.argv[1:])), file=sys.stderr)
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def command(*words: object) -> Run:
    """A command of cortado."""

    def run() -> None:
        sys.argv = ["cortado", *map(str, words)]
        app.main()

    return run


def processor(bundle: Path, file: Path, out: Path, checkpoints: Path | None = None) -> Run:
    """Scores of a file by a coffea processor, chunk by chunk."""

    def run() -> None:
        instance = coffea_processor.Scores("scorer", str(bundle))
        done = processors.attempt(
            {"jets": {"files": {str(file): "tree"}}}, instance, executor="iterative", schema=BaseSchema, chunksize=100,
            progress=False, checkpoints=checkpoints, stop_at_failure=checkpoints is None,
        )  # fmt: skip
        parts = done.output["scores"]
        np.savez(out, scores=np.concatenate([parts[start] for start in sorted(parts)]))

    return run


def of_mutant(kind: str, name: str, file: Path, good: Path, out: Path) -> tuple[Run, Callable[[], dict[str, Any]]]:
    """A command on a file that may be damaged, and what it has written."""
    bundle = good / ("judge.cortado" if name.endswith(".h5") else "tagger.cortado")
    if kind == "processor":
        return processor(bundle, file, out / "scores.npz"), lambda: dict(np.load(out / "scores.npz"))
    if kind == "inspect":
        return command("inspect", file), dict
    if kind == "generate":
        target = out / "showers.root"
        words = ("generate", file, "--n", 5, "--energy", "1:100", "--out", target)
        return command(*words), lambda: arrays(target)
    if name == "manifest.toml":
        return command("score", bundle, "--manifest", file, "--data", good, "--out", out / "all"), dict
    if name == "fileset.json":
        return command("score", bundle, "--fileset", file, "--out", out / "all"), dict
    given = (file, good / "zstd.root") if name.endswith(".cortado") else (bundle, file)
    return command("score", *given, "--out", out / "scores.root"), lambda: arrays(out / "scores.root")


def arrays(path: Path) -> dict[str, Any]:
    """All columns of all trees of a file."""
    found = {}
    with uproot.open(path) as file:
        for key, kind in file.classnames(recursive=True).items():
            if kind == "TTree" or kind.endswith("RNTuple"):
                content = file[key].arrays()
                found |= {f"{key}/{name}": ak.to_list(content[name]) for name in content.fields}
    return found


def mutants(good: Path, scratch: Path, number: int, seed: int) -> dict[str, Any]:
    """Count what is wrong, by file and command."""
    counts: dict[str, Counter[str]] = {}
    shown: dict[str, list[str]] = {}
    for (name, kind), share in SHARES.items():
        content, row = (good / name).read_bytes(), counts.setdefault(f"{name}, {kind}", Counter())
        expected, base = None, 0
        for index in range(-1, max(1, round(share * number))):  # the first is not damaged
            damage, damaged = ("nothing", content) if index < 0 else mutant(content, index, seed)
            if index >= 0 and damaged == content:
                continue
            place = scratch / "mutant"
            shutil.rmtree(place, ignore_errors=True)
            (place / "out").mkdir(parents=True)
            file = place / f"damaged_{name}"
            file.write_bytes(damaged)
            run, answer = of_mutant(kind, name, file, good, place / "out")
            ended = child(run, place / "log.txt")
            if index < 0:
                if ended.status != 0:
                    raise RuntimeError(f"{name}, {kind}: the file as it is was refused\n{ended.said}")
                expected, base = answer(), ended.peak
                continue
            row["mutants"] += 1
            row["refused"] += ended.status == 1
            for fault in faults(ended, name, kind, base, answer, expected):
                row[fault] += 1
                shown.setdefault(fault, []).append(f"{name}, {kind}, {damage} {index}: {ended.said[-400:]}")
        print(f"  {name}, {kind}: {dict(row)}", flush=True)
    return {"counts": counts, "shown": {fault: each[:SHOWN] for fault, each in shown.items()}}


def faults(
    ended: Ended, name: str, kind: str, base: int, answer: Callable[[], dict[str, Any]], expected: Any
) -> Iterator[str]:
    """What is wrong with how a command took a damaged file."""
    if ended.hung:
        yield "hangs"
    elif ended.status < 0:
        yield "crashes"
    if ended.peak > base + MEMORY:
        yield "over 1 GB"
    if ended.status == 0:
        found = answer()
        lengths = [{column: len(values) for column, values in each.items()} for each in (found, expected)]
        if lengths[0] != lengths[1]:
            yield "silently different counts"
        elif not same(found, expected):
            checked = name in CHECKSUMS
            yield "silently different values, checksums" if checked else "different values, no checksums"
    elif ended.status > 0:
        if name.endswith((".toml", ".json")):
            named = re.search(r"[\w.]+\.(root|toml|json)\b", ended.said) is not None
        else:
            named = f"damaged_{name}" in ended.said
        if not named:
            yield "errors without file name"
        lines = [line for line in ended.said.splitlines() if line.strip()]
        begins = [number for number, line in enumerate(lines) if re.match(r"\w+: ", line)]  # behind warnings and notes
        if "Traceback" in ended.said or not begins or len(lines) - begins[-1] > LINES:
            yield "long errors"


def same(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether all columns are equal, NaN to NaN."""
    return all(
        ak.array_equal(ak.Array(found[name]), ak.Array(each), equal_nan=True, dtype_exact=False)
        for name, each in expected.items()
    )


def kills(good: Path, scratch: Path, number: int, seed: int) -> dict[str, Any]:
    """Kill at a random moment, go on, and compare with what was never killed."""
    draw, counts = random.Random(seed), Counter[str]()
    problems: list[str] = []
    for kind, share in KILLS.items():
        whole = scratch / f"whole_{kind}"
        whole.mkdir()
        begin = time.monotonic()
        run, answer = of_kill(kind, good, whole)
        ended = child(run, whole / "log.txt", seconds=300)
        if ended.status != 0:
            raise RuntimeError(f"{kind} failed without being killed\n{ended.said}")
        seconds, expected = time.monotonic() - begin, answer()
        for index in range(max(1, round(share * number))):
            place = scratch / f"killed_{kind}_{index}"
            place.mkdir()
            run, answer = of_kill(kind, good, place)
            child(run, place / "log.txt", seconds=draw.uniform(0.05, seconds))
            ended = child(run, place / "again.txt", seconds=300)
            counts["kills"] += 1
            if ended.status != 0:
                problems.append(f"{kind}: does not go on: {ended.said[-600:]}")
            elif not same(answer(), expected):
                problems.append(f"{kind}: other results after a kill")
            elif left := [*place.rglob("*.partial"), *place.glob("*.tmp/*")]:
                problems.append(f"{kind}: left behind {left}")
            else:
                counts["as if nothing had happened"] += 1
            shutil.rmtree(place)
        print(f"  killed {kind}: {dict(counts)}, {len(problems)} problems", flush=True)
    return {"counts": counts, "problems": problems}


def of_kill(kind: str, good: Path, place: Path) -> tuple[Run, Callable[[], dict[str, Any]]]:
    """Something that takes a while, and what it has written."""
    bundle, files = good / "tagger.cortado", [good / f"many_{i}.root" for i in range(3)]
    if kind in ("score", "worker"):
        options = ("--executor", "futures", "--workers", 2) if kind == "worker" else ()
        words = ("score", bundle, *files, "--out", place / "scores", "--part", 200, *options)
        return command(*words), lambda: {
            f"{file.stem}/{name}": each
            for file in files
            for name, each in arrays(next((place / "scores").rglob(file.name))).items()
        }
    if kind == "generate":
        target = place / "showers.root"
        words = ("generate", good / "generator.cortado", "--n", 4000, "--energy", "1:100", "--out", target)
        return command(*words), lambda: arrays(target)
    if kind == "train":

        def train() -> None:
            result = training.train(samples.study(good), place / "t", resume=True, accelerator="cpu", progress=False)
            np.savez(place / "losses.npz", losses=[epoch.validation_loss for epoch in result.epochs])

        return train, lambda: dict(np.load(place / "losses.npz"))
    return (
        processor(bundle, files[0], place / "scores.npz", place / "checkpoints"),
        lambda: dict(np.load(place / "scores.npz")),
    )


def main(mutated: int, killed: int, seed: int, output: Path) -> None:
    """Both, in a scratch folder."""
    with tempfile.TemporaryDirectory() as folder:
        good, scratch = Path(folder) / "good", Path(folder) / "scratch"
        good.mkdir()
        scratch.mkdir()
        if child(lambda: samples.write_all(good), scratch / "samples.txt", seconds=300).status:
            raise RuntimeError((scratch / "samples.txt").read_text())
        results = {"mutants": mutants(good, scratch, mutated, seed), "kills": kills(good, scratch, killed, seed)}
    output.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
