"""From a study to a bundle: survey, fit, best epoch, working points."""

from __future__ import annotations

import contextlib
import logging
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping, WeightAveraging
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console
from rich.progress import Progress
from torch.utils.data import DataLoader

from cortado import bundle as bundles
from cortado.bundle.cores import sleep_when_idle
from cortado.splits import TRAIN, VALIDATION
from cortado.tasks import Batch, Fit, optional
from cortado.training import checkpoints
from cortado.training.claiming import claim, is_other_rank, mark
from cortado.training.fitting import fit
from cortado.training.identity import describe
from cortado.training.lightning import Training
from cortado.training.loading import loader
from cortado.training.optimisation import averaged
from cortado.training.outcome import TrainingResult, measured_bundle, model_arguments, result_of, trained_bundle
from cortado.training.preparing import stream
from cortado.training.progress import EpochTable
from cortado.training.study import Study
from cortado.training.survey import Survey, survey

__all__ = ["TrainingResult", "train", "train_folds"]


def train(
    study: Study,
    output: str | os.PathLike[str],
    *,
    fold: int | None = None,
    resume: bool = False,
    accelerator: str = "auto",
    devices: int = 1,
    strategy: str = "auto",
    tensorboard: bool = False,
    progress: bool = True,
) -> TrainingResult:
    """Train the network of a study; write its best epoch as a bundle.

    The folder gets `<name>.cortado`, `history.csv` (a row for each epoch), `study.json` and `checkpoints/`. An
    estimator (task `Fit`) is fitted in one pass, on the CPU: one row and no checkpoints.
    A training that was killed or interrupted goes on from its last complete epoch with `resume=True`, and
    ends with the weights that it would have had; on a GPU, which adds in no fixed order, within rounding. Its files may
    be named by other paths, and `recipe.workers` may change, and with it the order of the objects. Where the last
    checkpoint is damaged, it goes on from the epoch before, and says so.

    Args:
        study: What to train.
        output: Folder of this training; made if there is none.
        fold: Hold this fold out, of `study.objects.folds`.
        resume: Go on with the training in the folder, if there is one.
        accelerator: Lightning's name of the hardware: "cpu", "gpu", "auto".
        devices: Number of devices.
        strategy: Lightning's strategy for several devices: "ddp".
        tensorboard: Write TensorBoard logs too.
        progress: Print the survey and a table of the epochs.
    Returns:
        Path of the bundle, metrics, epochs and time [s] of this call.
    Raises:
        FileExistsError: If the folder holds a training and `resume` is not set.
        ValueError: If the folder holds a training of another study, or only damaged checkpoints; or an estimator shall
            be fitted on several devices.
        KeyboardInterrupt: If interrupted, by Ctrl-C or SIGTERM; says how to go on.
    """
    begin = time.perf_counter()
    if isinstance(study.task, Fit) and devices > 1:
        raise ValueError(f"devices = {devices}, required: 1 for Fit, whose estimator sees all objects at once")
    folder, console = (
        Path(output),
        Console(quiet=not progress or is_other_rank(), highlight=False, markup=False, soft_wrap=True),
    )
    description = describe(study)  # now: its files may be edited while it is trained
    claim(folder, study, {**description, "fold": fold}, resume, console.print)
    path = folder / f"{study.name}.cortado"
    if resume and path.exists():
        console.print(f"{path} is there: nothing is left to do")
        return result_of(path, study, 0.0)
    known = _survey(study, fold, console)
    console.print(str(known))
    mark(folder, {**description, "fold": fold})
    table = EpochTable(
        folder / "history.csv",
        console,
        study.task.merits,
        epochs=1 if isinstance(study.task, Fit) else study.recipe.epochs,
        objects=int(known.objects[TRAIN].sum()),
        what=study.objects.collection,
    )
    if isinstance(study.task, Fit):
        model = fit(study, known, fold, table)
        bundle = trained_bundle(study, known, model, model.arguments, table.rows, description, fold)
        bundles.save(measured_bundle(bundle, study, "cpu"), path, canary=known.canary.objects)
        return _done(path, study, begin, console)
    hardware = {"accelerator": accelerator, "devices": devices, "strategy": _strategy(study, strategy, devices)}
    logger = TensorBoardLogger(folder, name="tensorboard", version="") if tensorboard else False
    module = _module(study, known, dict(description["frozen"]))
    trainer = _trained(study, known, fold, module, table, folder / "checkpoints", logger=logger, **hardware)
    if trainer.is_global_zero:
        bundle = trained_bundle(study, known, module.model, model_arguments(study), table.rows, description, fold)
        bundle = measured_bundle(bundle, study, str(trainer.strategy.root_device))
        bundles.save(bundle, path, canary=known.canary.objects)
    trainer.strategy.barrier("bundle")
    return _done(path, study, begin, console)


def _trained(
    study: Study, known: Survey, fold: int | None, module: Training, table: EpochTable, folder: Path, **options: Any
) -> Trainer:
    """Give the networks the weights of their best epoch; Lightning's trainer.

    Args:
        study: What to train.
        known: Survey of its files.
        fold: That is held out.
        module: The networks.
        table: Gets the epochs.
        folder: Of the checkpoints.
        **options: Logger and hardware of the trainer.
    """
    begun = checkpoints.kept(folder, table.console.print)
    table.rows = list(begun.rows) if begun else []
    sleep_when_idle()
    with _quiet_lightning():
        trainer = _trainer(study, [table, checkpoints.Checkpoints(folder, table)], **options)
        if not checkpoints.is_complete(table.rows, study.recipe):
            _fit(trainer, module, _Streams(study, known, fold), folder, begun)
    module.load_state_dict(checkpoints.best_weights(folder, table.rows))
    return trainer


def _done(path: Path, study: Study, begin: float, console: Console) -> TrainingResult:
    console.print(str(done := result_of(path, study, time.perf_counter() - begin)))
    return done


def train_folds(study: Study, output: str | os.PathLike[str], **options: Any) -> list[TrainingResult]:
    """Train one network for each fold, which never sees the events of its fold; in `output/fold0`, `fold1`...

    Args:
        study: Its objects have `folds`.
        output: Folder of the folders.
        **options: Passed to `train`.
    Raises:
        ValueError: If the study has no folds.
    """
    number = study.objects.folds
    if number is None:
        raise ValueError(f"study {study.name!r}: folds = None, required: at least 2 to train folds")
    return [train(study, Path(output) / f"fold{i}", fold=i, **options) for i in range(number)]


def _survey(study: Study, fold: int | None, console: Console) -> Survey:
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        row = bar.add_task("reading")
        return survey(study, held_out=fold, advance=lambda done, of: bar.update(row, completed=done, total=of))


def _module(study: Study, known: Survey, frozen: Mapping[str, str]) -> Training:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(study.recipe.seed)
        model = study.model(**model_arguments(study))
        rivals = {name: rival.network() for name, rival in optional.rivals(study.task).items()}
    for part, path in study.frozen.items():
        _freeze(model, part, path, frozen[part])
    objects = int(known.objects[TRAIN].sum())
    return Training({"model": model, **rivals}, known.task, study.recipe, objects=objects)


def _strategy(study: Study, strategy: str, devices: int) -> str:
    """Lightning's strategy: with rivals, a step leaves the parameters of the other networks without gradients."""
    return (
        "ddp_find_unused_parameters_true"
        if strategy == "auto" and devices > 1 and optional.rivals(study.task)
        else strategy
    )


def _freeze(model: torch.nn.Module, part: str, path: str, fingerprint: str) -> None:
    """Give a part of the model the weights of a bundle, which then do not change.

    Raises:
        ValueError: If there is no such part, the bundle's network is another one, or it is not the bundle that the
            description of the study names by the beginning of its fingerprint.
    """
    content = bundles.read(path)
    if not content.sha256.startswith(fingerprint):
        raise ValueError(f"frozen = {{{part!r}: {path!r}}}: the bundle was exchanged since the training began")
    bundle = content.bundle()
    if bundle.lengths != "mm":
        raise ValueError(
            f"frozen = {{{part!r}: {path!r}}}: it was shown lengths in cm, now they are in mm: train it again"
        )
    frozen = bundle.model
    parts = {name: module for name, module in model.named_children() if type(module) is type(frozen)}
    if part not in parts:
        raise ValueError(
            f"frozen = {{{part!r}: {path!r}}}: {type(model).__name__} has no part {part!r} that is a "
            f"{type(frozen).__name__}; it has {', '.join(parts) or 'none'}"
        )
    try:
        parts[part].load_state_dict(frozen.state_dict())
    except RuntimeError as error:
        raise ValueError(f"frozen = {{{part!r}: {path!r}}}: the weights do not fit: {error}") from error
    parts[part].requires_grad_(False)


def _trainer(study: Study, callbacks: list[Callback], **hardware: Any) -> Trainer:
    """Lightning's trainer, with the settings of the recipe and none of its own output."""
    return Trainer(
        **hardware,
        max_epochs=study.recipe.epochs,
        precision="bf16-mixed" if study.recipe.precision == "bfloat16" else "32-true",
        callbacks=[*callbacks, *_optional_callbacks(study)],
        plugins=[checkpoints.WholeFiles()],
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


def _optional_callbacks(study: Study) -> list[Callback]:
    recipe, callbacks = study.recipe, list[Callback]()
    if recipe.patience is not None:
        callbacks.append(EarlyStopping("validation_loss", patience=recipe.patience, check_on_train_epoch_end=True))
    if recipe.averaging is not None:
        callbacks.append(WeightAveraging(avg_fn=partial(averaged, recipe.averaging)))
    return callbacks


class _Streams(LightningDataModule):  # type: ignore[misc]
    """The two streams of a training, made when Lightning knows device and epoch."""

    def __init__(self, study: Study, known: Survey, held_out: int | None) -> None:
        super().__init__()
        self.study, self.known, self.held_out = study, known, held_out

    def train_dataloader(self) -> DataLoader[Batch]:
        return self._loader(TRAIN, self.study.recipe.workers)

    def val_dataloader(self) -> DataLoader[Batch]:
        return self._loader(VALIDATION, min(self.study.recipe.workers, 1))

    def _loader(self, subset: int, workers: int) -> DataLoader[Batch]:
        trainer = self.trainer
        device = {"rank": trainer.global_rank, "world_size": trainer.world_size}
        batches = stream(self.study, self.known, subset, held_out=self.held_out, **device)
        # Not trainer.current_epoch: while a training is resumed, that is still the epoch before.
        batches.epoch.fill_(trainer.fit_loop.epoch_progress.current.processed)
        return loader(batches, workers, pin_memory=trainer.strategy.root_device.type == "cuda")


@contextlib.contextmanager
def _quiet_lightning() -> Iterator[None]:
    """No hints and adverts; what matters is in the table."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "lightning")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        for message in (
            ".*does not have many workers",
            ".*Checkpoint directory",
            ".*isinstance.treespec",
            ".*module.s. in eval mode",
            ".*sync_dist=True",
        ):
            warnings.filterwarnings("ignore", message)
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels):
                logger.setLevel(level)


def _fit(trainer: Trainer, module: Training, streams: _Streams, folder: Path, begun: checkpoints.Kept | None) -> None:
    """Fit, from a checkpoint if there is one.

    Lightning ends by SystemExit on Ctrl-C and SIGTERM, but only notes a SIGTERM that comes in the last epoch; where
    that goes to all processes, as from a batch system, workers that it ended may be noticed first.
    """
    stop: BaseException | None = None
    try:
        trainer.fit(module, datamodule=streams, ckpt_path=begun.path if begun else None, weights_only=True)
    except (SystemExit, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not trainer.received_sigterm:
            raise
        stop = error
    if stop is not None or trainer.received_sigterm:
        last = checkpoints.kept(folder, lambda said: None)
        raise KeyboardInterrupt(
            f"training interrupted: {len(last.rows) if last else 0} of {trainer.max_epochs} epochs are kept in "
            f"{folder}; resume=True goes on from there"
        ) from stop
