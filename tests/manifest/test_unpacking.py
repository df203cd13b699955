"""What comes out of archives: whole, checked, and of a damaged one nothing unnoticed."""

import hashlib
import io
import subprocess
import tarfile

import numpy as np
import pytest

from cortado.manifest.unpacking import unpack, verify_unpacked

MEMBERS = {f"val/W_{i}.root": np.random.default_rng(i).bytes(20_000) for i in range(3)} | {"val/README": b"text"}


def packed(path, members=MEMBERS, mode="w:gz"):
    with tarfile.open(path, mode=mode) as tar:
        for name, content in members.items():
            information = tarfile.TarInfo(name)
            information.size = len(content)
            tar.addfile(information, io.BytesIO(content))
    return path


@pytest.fixture
def archive(tmp_path):
    return packed(tmp_path / "val.tar.gz")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_checksums_of_all_that_came_out_are_kept_in_the_usual_form(tmp_path, archive):
    unpack(archive, "*.root", tmp_path / "w")
    assert names(tmp_path / "w") == ["W_0.root", "W_1.root", "W_2.root"]
    sums = tmp_path / "val.tar.gz.w.sha256"
    expected = {name[4:]: hashlib.sha256(content).hexdigest() for name, content in MEMBERS.items() if "W" in name}
    assert sums.read_text() == "".join(f"{digest}  {name}\n" for name, digest in expected.items())
    subprocess.run(["sha256sum", "--check", "--quiet", sums], cwd=tmp_path / "w", check=True)
    verify_unpacked(archive, tmp_path / "w")


def test_a_damaged_file_of_the_same_size_is_noticed_and_unpacked_again(tmp_path, archive):
    unpack(archive, "*.root", tmp_path / "w")
    damaged = tmp_path / "w/W_1.root"
    good = damaged.read_bytes()
    damaged.write_bytes(b"x" + good[1:])
    (tmp_path / "w/W_2.root").unlink()
    with pytest.raises(ValueError, match=r"in .*w not as .*val.tar.gz has them: W_1.root, W_2.root; `cortado fetch`"):
        verify_unpacked(archive, tmp_path / "w")
    with pytest.warns(UserWarning, match=r"W_1.root was not as .*val.tar.gz has it: unpacked again"):
        unpack(archive, "*.root", tmp_path / "w")
    assert damaged.read_bytes() == good
    verify_unpacked(archive, tmp_path / "w")


def test_what_is_right_is_not_read_from_the_archive_again(tmp_path, archive):
    unpack(archive, "*.root", tmp_path / "w")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "w").iterdir()}
    archive.write_bytes(b"no archive any more")
    unpack(archive, "*.root", tmp_path / "w")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "w").iterdir()} == before


def test_two_samples_of_one_archive_do_not_share_checksums(tmp_path, archive):
    unpack(archive, "*_0.root", tmp_path / "a")
    unpack(archive, "*_1.root", tmp_path / "b")
    assert (names(tmp_path / "a"), names(tmp_path / "b")) == (["W_0.root"], ["W_1.root"])
    verify_unpacked(archive, tmp_path / "a")
    verify_unpacked(archive, tmp_path / "b")


def test_what_was_not_unpacked_is_told(tmp_path, archive):
    with pytest.raises(ValueError, match=r"val.tar.gz was not unpacked into .*w, or without checksums"):
        verify_unpacked(archive, tmp_path / "w")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("damage", ["empty", "text", "cut", "flipped"])
def test_a_damaged_archive_is_named(tmp_path, mode, damage):
    path = packed(tmp_path / "val.tar", mode=mode)
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        middle = 100 if mode == "w" else len(content) // 2  # a tar file has sums of its headers alone
        content[middle] ^= 0x55
    path.write_bytes({"empty": b"", "text": b"<html>404</html>", "cut": bytes(content[: len(content) // 2])}.get(
        damage, bytes(content)
    ))  # fmt: skip
    with pytest.raises(ValueError, match=r"val.tar is no tar archive or damaged: .*; remove it and download it anew"):
        unpack(path, "*.root", tmp_path / "w")
    assert not (tmp_path / "val.tar.w.sha256").exists()
