"""Generators on Lightning that have a loss of their own: likelihoods, their bounds, velocities of a flow."""

from typing import Any, ClassVar

import torch
from lightning.pytorch import LightningModule
from torchmetrics import MeanMetric

from cortado.training.loading import Batch
from cortado.training.optimisation import adamw, begin_epoch, begin_step
from cortado.training.study import Recipe

__all__ = ["Generation"]


class Generation(LightningModule):  # type: ignore[misc]
    """A network that learns to generate what it is shown, by its `loss(energy, features)` of each shower."""

    merits: ClassVar[tuple[str, ...]] = ()

    def __init__(self, model: torch.nn.Module, recipe: Recipe, *, jets: int) -> None:
        """Wrap a network.

        Args:
            model: Its `loss` takes the inputs of a batch by position and gives losses (n,).
            recipe: How it is trained.
            jets: Training showers in an epoch.
        """
        super().__init__()
        self.model: Any = model
        self.recipe, self.jets = recipe, jets
        self.seen = 0
        self.mean = MeanMetric(nan_strategy="disable")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW, see `adamw`."""
        return adamw(self.model, self.recipe)

    def on_train_epoch_start(self) -> None:
        """Give the epoch its order of showers."""
        begin_epoch(self)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed of the epoch and learning rate of the step."""
        begin_step(self, batch)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """Mean weighted loss of a batch; the weights average to 1 over the training showers."""
        loss: torch.Tensor = (batch.weight * self.model.loss(*batch.inputs).float()).mean()
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch.target), sync_dist=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        """The same random numbers in each epoch, where a loss draws some."""
        torch.manual_seed(self.recipe.seed)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add up the losses."""
        self.mean.update(self.model.loss(*batch.inputs).float(), batch.weight)

    def on_validation_epoch_end(self) -> None:
        """Log the mean loss of the validation showers of all devices.

        Raises:
            FloatingPointError: If it is not finite: the training has diverged.
        """
        loss = self.mean.compute()
        self.mean.reset()
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"the loss of the validation showers is {loss:g} after epoch {self.current_epoch + 1}: "
                f"lower learning_rate = {self.recipe.learning_rate:g} or set gradient_clip "
                f"(it is {self.recipe.gradient_clip})"
            )
        self.log("validation_loss", loss)
