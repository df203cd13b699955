"""What a command says of errors of any type: at most five lines that name the file and the cause."""

import numpy as np
import pytest
import uproot
from commands import fail
from samples import write_nanoaod
from toy_showers import toy_showers

from cortado import ntuples
from cortado.cli.told import told
from cortado.readers import calogan


class Odd(Exception):
    pass


def raised(error, note=""):
    """An error as it arrives: with a traceback, and perhaps a note."""
    try:
        if note:
            error.add_note(note)
        raise error
    except Exception as caught:
        return caught


@pytest.mark.parametrize(
    "error",
    [
        Odd("one\ntwo\nthree\nfour\nfive\nsix\nlast"),
        ValueError("\n".join(f"line {k}" for k in range(40))),
        AssertionError(),
        MemoryError(),
        RuntimeError("x" * 10_000),
        TypeError("no\n\n\nlines between"),
        KeyError("a"),
        KeyError(),
        ExceptionGroup("several", [ValueError("one"), OSError("two")]),
        UnicodeDecodeError("utf8", b"\xff", 0, 1, "bad"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("note", ["", "in somewhere.root\nand more"])
def test_any_error_is_a_few_lines_with_the_file(error, note, tmp_path):
    path = tmp_path / "nano.root"
    path.touch()
    lines = told(raised(error, note), ["tagger.cortado", str(path), "--out", "scores.root"])
    assert 1 <= len(lines) <= 5
    assert all(line.strip() and len(line) < 1000 for line in lines)
    assert any("nano.root" in line for line in lines)


def test_the_last_line_of_a_long_message_is_kept_as_it_says_what_to_do():
    lines = told(ValueError("\n".join(["wrong", *"abcdefgh", "do this"])), [])
    assert (lines[0], lines[-2]) == ("wrong", "do this")
    assert "CORTADO_TRACEBACK=1" in lines[-1]


def test_files_that_the_message_names_are_not_named_again(tmp_path):
    (tmp_path / "nano.root").touch()
    assert told(ValueError("nano.root is odd"), [f"{tmp_path}/nano.root:Events"]) == ["nano.root is odd"]
    many = [f"{tmp_path}/{k}.root" for k in range(9)]
    for path in many:
        open(path, "w").close()
    assert told(ValueError("odd"), many)[1] == f"  while at {', '.join(many[:3])} and 6 more"


def test_what_is_written_is_no_file_to_be_read(tmp_path):
    (tmp_path / "out.root").touch()
    assert told(ValueError("odd"), ["--out", f"{tmp_path}/out.root"]) == ["odd"]


def test_a_file_of_another_kind_is_told_by_each_command(tagger, tmp_path):
    """Showers for a jet tagger, jets for studies of showers, histograms for either."""
    showers, jets, histograms = (tmp_path / f"{name}.root" for name in ("showers", "jets", "histograms"))
    ntuples.write(showers, "showers", [calogan.columns_of(toy_showers(5), is_generated=False)])
    write_nanoaod(jets, n_events=5)
    with uproot.recreate(histograms) as file:
        file["a"] = np.histogram([1.0, 2.0])
    for command, file in (
        (("score", tagger, showers, "--out", tmp_path / "s.root"), showers),
        (("score", tagger, histograms, "--out", tmp_path / "s.root"), histograms),
        (("convert", jets, "--out", tmp_path / "hits.root"), jets),
        (("run", "analyses/showers", "--files", jets, "--out", tmp_path / "out"), jets),
        (("run", "analyses/showers", "--files", histograms, "--out", tmp_path / "out"), histograms),
    ):
        text = fail(*command)
        assert str(file) in text
        assert 1 <= len(text.splitlines()) <= 5
