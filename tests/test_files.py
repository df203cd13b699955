import subprocess
import sys

import pytest

from cortado.files import replacing


def write(path, text, **options):
    with replacing(path, **options) as partial:
        partial.write_text(text)


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    for text in ("first", "second"):
        write(tmp_path / "a.csv", text)
        assert (tmp_path / "a.csv").read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_the_earlier_file_stays_when_writing_breaks_off(tmp_path, error):
    write(tmp_path / "a.csv", "whole")

    def broken():
        with replacing(tmp_path / "a.csv") as partial:
            partial.write_text("ha")
            raise error

    with pytest.raises(error):
        broken()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["whole"]


def test_two_writers_do_not_meet(tmp_path):
    with replacing(tmp_path / "a.csv") as one, replacing(tmp_path / "a.csv") as other:
        one.write_text("one")
        other.write_text("other")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["one"]


def test_what_a_killed_writer_left_is_removed_by_the_next_one(tmp_path):
    code = f"""
import os, signal
from cortado.files import replacing
with replacing({str(tmp_path / "a.csv")!r}) as partial:
    partial.write_text("half of it")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    (left,) = tmp_path.iterdir()
    assert left.read_text() == "half of it"
    write(tmp_path / "b.csv", "another name")
    assert left.exists()
    write(tmp_path / "a.csv", "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv"]


def test_what_writers_of_other_machines_are_at_stays(tmp_path):
    other = tmp_path / ".a.csv.elsewhere.999999999.0123abcd.partial"
    other.touch()
    write(tmp_path / "a.csv", "whole")
    assert other.exists()


def test_the_temporary_name_is_in_the_folder_and_ends_as_asked(tmp_path):
    for suffix in (".partial", ".pt2"):
        with replacing(tmp_path / "a.pt2", suffix=suffix) as partial:
            assert (partial.parent, partial.suffix) == (tmp_path, suffix)
            partial.touch()


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"cannot write .*a\.csv: the folder .*none does not exist"):
        write(tmp_path / "none" / "a.csv", "")
