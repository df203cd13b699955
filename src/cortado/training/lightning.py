"""Every task on Lightning: its networks, the steps that it asks for, and its merits of the validation objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torchmetrics import CatMetric

from cortado.tasks import Batch, Task, optional
from cortado.training.optimisation import adamw, learning_rate
from cortado.training.study import Recipe

__all__ = ["Training"]


class Training(LightningModule):  # type: ignore[misc]
    """Networks that learn a task, by manual optimisation: one step for each of its moves.

    On several devices all replicas take the same steps: the learning rate follows from the objects that all devices
    have seen, and the statistics of batch norms are averaged over them.
    """

    def __init__(self, networks: Mapping[str, nn.Module], task: Task, recipe: Recipe, *, objects: int) -> None:
        """Hold the networks.

        Args:
            networks: "model", and the rivals of the task by their names.
            task: What is learned.
            recipe: How.
            objects: Training objects in an epoch.
        """
        super().__init__()
        self.automatic_optimization = False
        self.networks = nn.ModuleDict(networks)
        self.task, self.recipe, self.objects = task, recipe, objects
        self.rates = {"model": 1.0} | {name: rival.rate for name, rival in optional.rivals(task).items()}
        self.seen = 0  # objects of this epoch, on all devices
        self.rows = CatMetric(nan_strategy="disable").set_dtype(torch.float64)

    @property
    def model(self) -> nn.Module:
        """The network that is kept."""
        return self.networks["model"]

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """AdamW for each network, see `adamw`."""
        return [adamw(self.networks[name], self.recipe) for name in self.rates]

    def on_train_epoch_start(self) -> None:
        """Give the epoch its order of objects: a training that is resumed repeats the one that was not stopped."""
        # The stream of the first epoch is open by now, at this same number: see _Streams.
        self.trainer.train_dataloader.dataset.epoch.fill_(self.current_epoch)
        self.seen = 0

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed the first step of an epoch, and set the learning rate by the objects that all devices have seen."""
        if self.seen == 0:  # not when the epoch begins: a loader draws its own seed after that, unless it was resumed
            seed = np.random.SeedSequence((self.recipe.seed, self.current_epoch, self.global_rank))
            torch.manual_seed(int(seed.generate_state(1)[0]))
        progress = (self.current_epoch + min(1.0, self.seen / self.objects)) / self.recipe.epochs
        for optimiser, factor in zip(self.trainer.optimizers, self.rates.values()):
            for group in optimiser.param_groups:
                group["lr"] = factor * learning_rate(self.recipe, progress)
        self.seen += int(self._over_devices(torch.tensor(len(batch.weight), device=self.device), "sum"))

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Take the steps of the task."""
        optimisers = self.optimizers()
        named = dict(zip(self.rates, optimisers if isinstance(optimisers, list) else [optimisers]))
        for move in self.task.moves(self._named(), batch):
            self._step(named[move.network], move.loss)
            if move.network == "model":
                loss = move.loss.detach()
        self._average_statistics()
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch.weight), sync_dist=True)

    def on_validation_epoch_start(self) -> None:
        """The same random numbers in each epoch, where a task draws some."""
        torch.manual_seed(self.recipe.seed)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep what the merits need of each object."""
        self.rows.update(self.task.rows(self._named(), batch))

    def on_validation_epoch_end(self) -> None:
        """Log loss and merits of the validation objects of all devices.

        Raises:
            FloatingPointError: If what the network says is not finite: the training has diverged.
        """
        rows = self.rows.compute().cpu()
        self.rows.reset()
        if bad := int((~torch.isfinite(rows)).any(dim=1).sum()):
            raise FloatingPointError(
                f"the outputs for {bad} of {len(rows)} validation objects are not finite after epoch "
                f"{self.current_epoch + 1}: lower learning_rate = {self.recipe.learning_rate:g} or set "
                f"gradient_clip (it is {self.recipe.gradient_clip}); a network of your own must answer objects "
                "without constituents too, whose mask is False throughout"
            )
        judged = self.task.judged(rows).items()
        self.log_dict({f"validation_{name}": torch.tensor(value, dtype=torch.float32) for name, value in judged})

    def _named(self) -> dict[str, nn.Module]:
        return dict(self.networks.items())

    def _step(self, optimiser: Any, loss: Tensor) -> None:
        with torch.autocast(self.device.type, enabled=False):  # gradients have the precision of what they belong to
            optimiser.zero_grad()
            self.manual_backward(loss)
            if self.recipe.gradient_clip is not None:
                self.clip_gradients(optimiser, self.recipe.gradient_clip, "norm")
            optimiser.step()
        torch.clear_autocast_cache()

    def _average_statistics(self) -> None:
        """Give all devices the same buffers: each has updated its own by its own batch."""
        if self.trainer.world_size > 1:
            for buffer in self.networks.buffers():
                if buffer.is_floating_point():
                    buffer.copy_(self._over_devices(buffer, "mean"))

    def _over_devices(self, values: Tensor, operation: str) -> Tensor:
        reduced: Tensor = self.trainer.strategy.reduce(values, reduce_op=operation)
        return reduced
