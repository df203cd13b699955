"""Classification on Lightning: weighted cross-entropy, AdamW, one learning rate for each step."""

import math

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch.nn.functional import cross_entropy
from torchmetrics import CatMetric

from cortado import metrics
from cortado.training.loading import Batch
from cortado.training.study import Recipe

__all__ = ["Tagging", "learning_rate"]

_ONE_CYCLE = ((0.0, 0.1), (0.4, 1.0), (0.8, 0.1))  # part of the training, part of the full learning rate
_LOWEST = 5e-7


def learning_rate(recipe: Recipe, progress: float) -> float:
    """Learning rate after a part of the training.

    Args:
        recipe: Names the schedule and its highest rate.
        progress: Jets seen over jets to be seen in all epochs, in [0, 1].
    References:
        Qu, Gouskos, ParticleNet (2019), arXiv:1902.08570, sec. IV A: 8 epochs up, 8 down, 4 to 5e-7.
    """
    full = recipe.learning_rate
    if recipe.schedule == "constant":
        return full
    if recipe.schedule == "cosine":
        rise = min(1.0, (progress + 1e-3) / 0.02)
        return full * rise * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    places, factors = zip(*_ONE_CYCLE)
    return float(np.interp(progress, (*places, 1.0), (*(full * factor for factor in factors), min(full, _LOWEST))))


class Tagging(LightningModule):  # type: ignore[misc]
    """A network that learns the classes of a study.

    The learning rate follows the number of jets seen, so that it does not depend on how they are cut into
    batches. Each epoch begins with a seed of its own: a training that is resumed repeats the one that was
    not interrupted.
    """

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
        """AdamW; one-dimensional parameters (biases, normalisations) do not decay."""
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": self.recipe.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW([g for g in groups if g["params"]], lr=self.recipe.learning_rate)

    def on_train_epoch_start(self) -> None:
        """Give the epoch its seed and its order of jets."""
        # The stream of the first epoch is open by now, at this same number: see _Jets.
        self.trainer.train_dataloader.dataset.epoch.fill_(self.current_epoch)
        self.seen = 0
        seed = np.random.SeedSequence((self.recipe.seed, self.current_epoch, self.global_rank))
        torch.manual_seed(int(seed.generate_state(1)[0]))

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set the learning rate of the step."""
        progress = (self.current_epoch + min(1.0, self.seen / self.jets)) / self.recipe.epochs
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = learning_rate(self.recipe, progress)
        self.seen += len(batch.target) * self.trainer.world_size

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
