"""Checkpoints: every epoch is kept, whole; a damaged one costs an epoch, not a training."""

import os
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cortado import bundle as bundles
from cortado.training import train
from cortado.training.checkpoints import Checkpoints, WholeFiles, best_epoch
from cortado.training.lightning import Training
from cortado.training.progress import Epoch

SHORT = {"epochs": 4, "learning_rate": 0.01}


class Stop(Exception):
    """As a kill between two epochs."""


@pytest.fixture(scope="module")
def whole(study, tmp_path_factory):
    """A training that nothing has stopped."""
    return train(study(**SHORT), tmp_path_factory.mktemp("whole"), progress=False)


@pytest.fixture
def stopped(monkeypatch):
    """`stopped(study, folder)`: train three of four epochs."""

    def run(chosen, folder):
        start = Training.on_train_epoch_start

        def stops(module):
            if module.current_epoch == 3:
                raise Stop
            start(module)

        with monkeypatch.context() as patch:
            patch.setattr(Training, "on_train_epoch_start", stops)
            with pytest.raises(Stop):
                train(chosen, folder, progress=False)
        return Path(folder) / "checkpoints"

    return run


@pytest.fixture
def epochs_trained(monkeypatch):
    """Numbers of the epochs that are trained from now on."""
    start, numbers = Training.on_train_epoch_start, []
    monkeypatch.setattr(
        Training, "on_train_epoch_start", lambda module: numbers.append(module.current_epoch + 1) or start(module)
    )
    return numbers


def assert_same(first, second):
    for one, other in zip(*(bundles.load(each.bundle).model.state_dict().values() for each in (first, second))):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    assert [row.validation_loss for row in first.epochs] == [row.validation_loss for row in second.epochs]


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1000]),
    "flipped": flip,
    "foreign": lambda path: torch.save({"weights": torch.zeros(3)}, path),
    "text": lambda path: path.write_text("checkpoint"),
}


def test_every_epoch_is_kept_whether_or_not_it_is_better(tmp_path):
    table, written = SimpleNamespace(rows=[]), []

    def save(path):
        written.append(path.name)
        path.write_text(str(len(table.rows)))

    trainer, callback = SimpleNamespace(save_checkpoint=save, is_global_zero=True), Checkpoints(tmp_path, table)
    for number, loss in enumerate((3.0, 2.0, 2.0, 4.0, 1.0, 1.5), start=1):
        table.rows.append(Epoch(number, 0.0, loss, {}, 0.0, 0.0, 0.0))
        callback.on_train_epoch_end(trainer, None)
        assert (tmp_path / "last.ckpt").read_text() == str(number)
        for rows in (table.rows, table.rows[:-1]):  # of the last epoch, and of the one before
            assert not rows or (tmp_path / f"best-{best_epoch(rows)}.ckpt").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"last.ckpt", "best-5.ckpt"}
    best = [name for name in written if name != "last.ckpt"]
    assert best == ["best-1.ckpt", "best-2.ckpt", "best-5.ckpt"]
    assert written.index("best-5.ckpt") == len(written) - 3  # before the last of its epoch


def test_the_last_two_epochs_are_there(study, stopped, tmp_path):
    folder = stopped(study(**SHORT), tmp_path)
    last, previous = (torch.load(folder / f"{name}.ckpt", weights_only=True) for name in ("last", "previous"))
    assert (last["epoch"], previous["epoch"]) == (2, 1)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_last_checkpoint_costs_one_epoch(study, whole, stopped, epochs_trained, tmp_path, capsys, damage):
    folder = stopped(study(**SHORT), tmp_path)
    DAMAGES[damage](folder / "last.ckpt")
    epochs_trained.clear()
    result = train(study(**SHORT), tmp_path, resume=True)
    assert epochs_trained == [3, 4]
    assert f"{folder / 'last.ckpt'} is damaged" in (said := capsys.readouterr().out)
    assert "going on from the epoch before, 2" in said
    assert_same(result, whole)


def test_a_kill_between_the_two_moves_costs_one_epoch(study, whole, stopped, epochs_trained, tmp_path):
    (stopped(study(**SHORT), tmp_path) / "last.ckpt").unlink()
    epochs_trained.clear()
    assert_same(train(study(**SHORT), tmp_path, resume=True, progress=False), whole)
    assert epochs_trained == [3, 4]


def test_a_damaged_one_does_not_take_the_place_of_the_one_before(study, stopped, tmp_path, monkeypatch):
    """A second kill, while the next epoch is written, still leaves one."""
    folder = stopped(study(**SHORT), tmp_path)
    flip(folder / "last.ckpt")
    monkeypatch.setattr(os, "replace", lambda *paths: (_ for _ in ()).throw(OSError("killed")))
    with pytest.raises(OSError, match="killed"):
        train(study(**SHORT), tmp_path, resume=True, progress=False)
    monkeypatch.undo()
    assert torch.load(folder / "previous.ckpt", weights_only=True)["epoch"] == 1


def test_without_any_whole_checkpoint_the_files_are_named(study, stopped, tmp_path):
    folder = stopped(study(**SHORT), tmp_path)
    for path in (folder / "last.ckpt", folder / "previous.ckpt"):
        flip(path)
    with pytest.raises(ValueError, match=r"last.ckpt is damaged .*; .*previous.ckpt is damaged .*: nothing to go on"):
        train(study(**SHORT), tmp_path, resume=True, progress=False)


def test_a_damaged_best_checkpoint_is_named(study, stopped, tmp_path):
    folder = stopped(study(**SHORT), tmp_path)
    for best in folder.glob("best-*.ckpt"):
        flip(best)
    with pytest.raises(ValueError, match=r"best-\d.ckpt is damaged .*nothing to go on from, delete .* to begin anew"):
        train(study(**SHORT), tmp_path, resume=True, progress=False)


@pytest.mark.parametrize("change", [{}, {"epochs": 20, "patience": 2, "learning_rate": 1e-12, "schedule": "constant"}])
def test_a_kill_before_the_bundle_is_written_costs_no_epoch(study, tmp_path, monkeypatch, epochs_trained, change):
    chosen = study(**SHORT | change)
    with monkeypatch.context() as patch:
        patch.setattr(bundles, "save", lambda *_, **__: (_ for _ in ()).throw(Stop))
        with pytest.raises(Stop):
            train(chosen, tmp_path / "killed", progress=False)
    trained = list(epochs_trained)
    result = train(chosen, tmp_path / "killed", resume=True, progress=False)
    assert epochs_trained == trained
    assert_same(result, train(chosen, tmp_path / "whole", progress=False))


def test_files_may_be_named_by_other_paths(study, whole, stopped, tmp_path, monkeypatch):
    """Relative to one folder, absolute from another, and through a link."""
    files = [Path(path) for path in study().objects.files]
    monkeypatch.chdir(files[0].parent)
    stopped(study(**SHORT, files=tuple(path.name for path in files)), tmp_path / "out")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "linked").symlink_to(files[0].parent)
    linked = tuple(str(tmp_path / "linked" / path.name) for path in files)
    assert_same(train(study(**SHORT, files=linked), "out", resume=True, progress=False), whole)


def test_the_number_of_workers_may_change(study, stopped, tmp_path, capsys):
    stopped(study(**SHORT), tmp_path)
    result = train(study(**SHORT, workers=1), tmp_path, resume=True)
    assert len(result.epochs) == 4
    assert "begun with workers = 0, goes on with 1: the objects come in another order" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "{", "[]", '{"objects": 1}'])
def test_a_damaged_description_is_named(study, stopped, tmp_path, text):
    stopped(study(**SHORT), tmp_path)
    (tmp_path / "study.json").write_text(text)
    with pytest.raises(ValueError, match=r"study.json is damaged .*: delete .* to begin anew"):
        train(study(**SHORT), tmp_path, resume=True, progress=False)


def test_a_full_disk_keeps_the_checkpoints_that_are_there(tmp_path, monkeypatch):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))  # nothing is written to TMPDIR
    io, path = WholeFiles(), tmp_path / "checkpoints" / "last.ckpt"
    for number in range(2):
        io.save_checkpoint({"epoch": number}, path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(OSError, match=r"cannot write .*last.ckpt: .*; the epochs before it are kept"):
            io.save_checkpoint({"epoch": 2, "state_dict": torch.zeros(1_000_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(each.name for each in path.parent.iterdir()) == ["last.ckpt", "previous.ckpt"]
    assert [torch.load(each)["epoch"] for each in (path, path.with_name("previous.ckpt"))] == [1, 0]
