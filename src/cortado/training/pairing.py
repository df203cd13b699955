"""Networks on pairs, on Lightning: which constituents of a jet belong together, such as tracks of one vertex."""

from typing import ClassVar

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch.nn.functional import binary_cross_entropy_with_logits
from torchmetrics import CatMetric

from cortado import metrics
from cortado.reconstruction.partition import components
from cortado.training.loading import NO_PARTITION, Batch
from cortado.training.optimisation import adamw, begin_epoch, begin_step
from cortado.training.study import Recipe

__all__ = ["Pairing", "jet_merits", "pair_loss", "total_loss"]


def pair_loss(logits: torch.Tensor, partition: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums over the pairs of each jet, of which `total_loss` makes the loss of a batch.

    Args:
        logits: Of ordered pairs of constituents, shape (n, p, p); the diagonal is not used.
        partition: Constituents with the same number belong together, shape (n, p); -1 where there is none.
        weight: Of the jets, shape (n,).
    Returns:
        Weighted number of pairs and their binary cross-entropy, shape (n, 2); weighted true positives, and predicted
        plus true pairs, both by probability, shape (n, 2).
    References:
        Shlomi et al., Secondary vertex finding in jets with neural networks (2020), arXiv:2008.02831.
    """
    there = partition != NO_PARTITION
    pairs = there.unsqueeze(1) & there.unsqueeze(2)
    pairs &= ~torch.eye(partition.shape[1], dtype=torch.bool, device=partition.device)
    of_pair = pairs * weight[:, None, None]
    same = (partition.unsqueeze(1) == partition.unsqueeze(2)).to(logits.dtype)
    # Logits of padded pairs may be any number: they must not reach the sums.
    logits = torch.where(pairs, logits, 0.0)
    entropy = of_pair * binary_cross_entropy_with_logits(logits, same, reduction="none")
    probability = logits.sigmoid()
    overlap, size = of_pair * probability * same, of_pair * (probability + same)
    sums = [term.sum((1, 2)) for term in (of_pair, entropy, overlap, size)]
    return torch.stack(sums[:2], dim=1), torch.stack(sums[2:], dim=1)


def total_loss(entropies: torch.Tensor, overlaps: torch.Tensor) -> torch.Tensor:
    """Mean binary cross-entropy minus soft F1 of all pairs, of the sums of `pair_loss`."""
    pairs, entropy = entropies.sum(0)
    overlap, size = overlaps.sum(0)
    loss: torch.Tensor = entropy / pairs.clamp(min=1e-9) - 2 * overlap / size.clamp(min=1e-9)
    return loss


class Pairing(LightningModule):  # type: ignore[misc]
    """A network that learns which constituents belong together.

    The loss is the mean binary cross-entropy of ordered pairs minus their soft F1, over a batch.
    """

    merits: ClassVar[tuple[str, ...]] = ("f1", "ari")

    def __init__(self, model: torch.nn.Module, recipe: Recipe, *, signal: int, jets: int) -> None:
        """Wrap a network.

        Args:
            model: Takes the inputs of a batch by position, gives logits of pairs (n, p, p).
            recipe: How it is trained.
            signal: Index of the class of jets whose figures of merit are shown.
            jets: Training jets in an epoch.
        """
        super().__init__()
        self.model, self.recipe, self.signal, self.jets = model, recipe, signal, jets
        self.seen = 0
        self.rows = CatMetric(nan_strategy="disable")

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
        """Loss of a batch."""
        loss = total_loss(*pair_loss(self.model(*batch.inputs).float(), batch.partition, batch.weight))
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch.target), sync_dist=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the sums of each jet, and how well its constituents were put together."""
        logits = self.model(*batch.inputs).float()
        sums = pair_loss(logits, batch.partition, batch.weight)
        # Of logits that are not finite the sums tell, at the end of the epoch.
        found = jet_merits(logits.nan_to_num(0.0, 0.0, 0.0), batch.partition.cpu().numpy())
        merits = torch.from_numpy(found).to(logits)
        self.rows.update(torch.cat([*sums, merits, batch.target.to(logits)[:, None]], dim=1).double())

    def on_validation_epoch_end(self) -> None:
        """Log loss, and mean F1 and adjusted Rand index of the signal jets with two constituents or more.

        Raises:
            FloatingPointError: If logits are not finite: the training has diverged.
        """
        rows = self.rows.compute()
        self.rows.reset()
        if bad := int((~torch.isfinite(rows[:, :4])).any(dim=1).sum()):
            raise FloatingPointError(
                f"logits of {bad} of {len(rows)} validation jets are not finite after epoch "
                f"{self.current_epoch + 1}: lower learning_rate = {self.recipe.learning_rate:g} or set "
                f"gradient_clip (it is {self.recipe.gradient_clip})"
            )
        f1, ari = rows[rows[:, 6] == self.signal, 4:6].nanmean(0)
        values = {"validation_loss": total_loss(rows[:, :2], rows[:, 2:4]), "validation_f1": f1, "validation_ari": ari}
        self.log_dict({name: x.float() for name, x in values.items()})


def jet_merits(logits: torch.Tensor, truth: np.ndarray) -> np.ndarray:
    """F1 and adjusted Rand index of each jet, shape (n, 2); NaN with less than two constituents.

    Args:
        logits: Of pairs, shape (n, p, p).
        truth: Partition, shape (n, p); NO_PARTITION where there is no constituent.
    """
    found = components(logits.cpu().numpy(), truth != NO_PARTITION, threshold=0.0)
    return np.stack(metrics.partition_merits(truth, found), axis=1)
