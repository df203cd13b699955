"""The command line in the tests: what a command prints, and what it says when it cannot."""

from typer.testing import CliRunner

from cortado.cli.app import app


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], terminal_width=200)


def succeed(*arguments):
    result = invoke(*arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout.strip().splitlines()


def fail(*arguments):
    """What is printed of an error."""
    result = invoke(*arguments)
    assert result.exit_code == 1, result.stdout
    assert "Traceback" not in result.stderr
    return result.stderr
