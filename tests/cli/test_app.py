"""The command itself: its help, its version, and how it prints errors."""

import re
import subprocess
import sys

import pytest
from commands import fail, invoke, succeed

import cortado

COMMANDS = ("simulate", "fetch", "train", "score", "run", "plot", "inspect")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command):
    text = " ".join(succeed(command, "--help"))
    assert re.search(rf"Example:.*cortado {command} ", text)


def test_help_lists_all_commands_and_imports_nothing_heavy():
    code = (
        "import sys; from cortado import cli; sys.argv = ['cortado', '--help']\n"
        "try: cli.main()\n"
        "finally: print('HEAVY', sorted({'torch', 'numpy', 'awkward', 'coffea', 'matplotlib'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "HEAVY []" in printed
    assert all(command in printed for command in COMMANDS)


def test_version():
    assert succeed("--version") == [f"cortado {cortado.__version__}"]


def test_an_error_in_a_real_process_is_one_line_and_exit_code_1(tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "cortado.cli", "inspect", str(tmp_path / "no.root")], capture_output=True, text=True
    )
    assert run.returncode == 1
    assert run.stdout == ""
    (line,) = run.stderr.splitlines()
    assert line.startswith(f"FileNotFoundError: {tmp_path / 'no.root'} does not exist")


def test_the_traceback_is_there_for_those_who_ask(tmp_path, monkeypatch):
    monkeypatch.setenv("CORTADO_TRACEBACK", "1")
    assert isinstance(invoke("inspect", tmp_path / "no.root").exception, FileNotFoundError)


def test_an_error_with_brackets_is_printed_as_it_is(tmp_path):
    assert "[red]no.root does not exist" in fail("inspect", tmp_path / "[red]no.root")
