"""Classification on Lightning: weighted cross-entropy, AdamW, one learning rate for each step."""

from typing import ClassVar

import torch
from lightning.pytorch import LightningModule
from torch.nn.functional import cross_entropy
from torchmetrics import CatMetric

from cortado import metrics
from cortado.training.loading import Batch
from cortado.training.optimisation import adamw, begin_epoch, begin_step
from cortado.training.study import Recipe

__all__ = ["Tagging"]


class Tagging(LightningModule):  # type: ignore[misc]
    """A network that learns the classes of a study."""

    merits: ClassVar[tuple[str, ...]] = ("auc", "rejection")

    def __init__(self, model: torch.nn.Module, recipe: Recipe, *, signal: int, jets: int) -> None:
        """Wrap a network.

        Args:
            model: Takes the inputs of a batch by position, gives logits (n, classes).
            recipe: How it is trained.
            signal: Index of the class whose probability is the score.
            jets: Training jets in an epoch.
        """
        super().__init__()
        self.model, self.recipe, self.signal, self.jets = model, recipe, signal, jets
        self.seen = 0
        self.logits, self.targets, self.weights = (CatMetric(nan_strategy="disable") for _ in range(3))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW, see `adamw`."""
        return adamw(self.model, self.recipe)

    def on_train_epoch_start(self) -> None:
        """Give the epoch its order of jets."""
        begin_epoch(self)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed of the epoch and learning rate of the step."""
        begin_step(self, batch)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """Mean weighted cross-entropy of a batch; the weights average to 1 over the training jets."""
        logits = self.model(*batch.inputs).float()
        each = cross_entropy(logits, batch.target, reduction="none", label_smoothing=self.recipe.label_smoothing)
        loss = (batch.weight * each).mean()
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch.target), sync_dist=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep logits, targets and weights."""
        self.logits.update(self.model(*batch.inputs).float())
        self.targets.update(batch.target.double())
        self.weights.update(batch.weight)

    def on_validation_epoch_end(self) -> None:
        """Log loss, AUC and rejection at 50 % of the validation jets of all devices.

        Raises:
            FloatingPointError: If logits are not finite: the training has diverged.
        """
        logits, target, weight = self.logits.compute(), self.targets.compute().long(), self.weights.compute()
        for metric in (self.logits, self.targets, self.weights):
            metric.reset()
        if bad := int((~torch.isfinite(logits)).any(dim=1).sum()):
            raise FloatingPointError(
                f"logits of {bad} of {len(logits)} validation jets are not finite after epoch "
                f"{self.current_epoch + 1}: lower learning_rate = {self.recipe.learning_rate:g} or set "
                f"gradient_clip (it is {self.recipe.gradient_clip})"
            )
        loss = (weight * cross_entropy(logits, target, reduction="none")).sum() / weight.sum()
        columns = (target == self.signal, logits.softmax(dim=1)[:, self.signal], weight)
        is_signal, scores, weights = (column.cpu().numpy() for column in columns)
        values = {
            "validation_loss": loss,
            "validation_auc": metrics.auc(is_signal, scores, weights).value,
            "validation_rejection": metrics.rejection(is_signal, scores, 0.5, weights).value,
        }
        self.log_dict({name: torch.as_tensor(x, dtype=torch.float32) for name, x in values.items()})
