"""A generator and its critic on Lightning: what passes for real is what the critic cannot tell from it.

References:
    Goodfellow et al., Generative Adversarial Networks (2014), arXiv:1406.2661.
    Paganini et al., CaloGAN (2017), arXiv:1712.10321, section 4: rates and momenta of the optimisers.
"""

from typing import Any, ClassVar

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torchmetrics import CatMetric, MeanMetric

from cortado import metrics
from cortado.models.calogan import adversarial_loss
from cortado.training.loading import Batch
from cortado.training.optimisation import begin_epoch, begin_step
from cortado.training.study import Recipe

__all__ = ["Adversarial"]

_BETAS = (0.5, 0.999)
_CRITIC_RATE = 0.1  # of the generator's learning rate
_GENERATOR_STEPS = 2


class Adversarial(LightningModule):  # type: ignore[misc]
    """A generator that learns from a critic: for each batch two steps of the critic, then two of the generator.

    As in the code of CaloGAN the critic sees simulated and generated showers in turn, never mixed, and those of the
    generator as it is in evaluation. Deviation: incident energies are those of the simulated showers.

    Neither loss tells how good the showers are. The validation loss is the mean distance (Wasserstein, in widths of
    the simulated distribution) of three numbers of a shower: the sum of its features over the incident energy, the
    largest one, and how many are above zero.
    """

    merits: ClassVar[tuple[str, ...]] = ("critic",)

    def __init__(self, model: torch.nn.Module, critic: torch.nn.Module, recipe: Recipe, *, jets: int) -> None:
        """Wrap both networks.

        Args:
            model: The generator: energy (n,), noise (n, latent) -> features (n, f).
            critic: Judges showers (energy, features), see `cortado.models.calogan.adversarial_loss`.
            recipe: How they are trained; the critic's learning rate is a tenth of the generator's.
            jets: Training showers in an epoch.
        """
        super().__init__()
        self.automatic_optimization = False
        self.model: Any = model
        self.critic: Any = critic
        self.recipe, self.jets = recipe, jets
        self.seen = 0
        self.simulated, self.generated = (CatMetric(nan_strategy="disable") for _ in range(2))
        self.critic_loss = MeanMetric(nan_strategy="disable")

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam for each of them."""
        rates = (self.recipe.learning_rate, _CRITIC_RATE * self.recipe.learning_rate)
        networks = (self.model, self.critic)
        return [torch.optim.Adam(net.parameters(), lr=rate, betas=_BETAS) for net, rate in zip(networks, rates)]

    def on_train_epoch_start(self) -> None:
        """Give the epoch its order of showers."""
        begin_epoch(self)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed of the epoch and learning rates of the step."""
        begin_step(self, batch, factors=(1.0, _CRITIC_RATE))

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Two steps of the critic and two of the generator."""
        energy, features = batch.inputs
        of_generator, of_critic = self.optimizers()
        self.model.eval()
        with torch.no_grad():
            shown = self._generate(energy)
        self.model.train()
        self._step(of_critic, (batch.weight * adversarial_loss(self.critic, energy, features, real=True)).mean())
        self._step(of_critic, adversarial_loss(self.critic, energy, shown, real=False).mean())
        for _ in range(_GENERATOR_STEPS):
            loss = adversarial_loss(self.critic, energy, self._generate(energy), real=True).mean()
            self._step(of_generator, loss)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(energy), sync_dist=True)

    def on_validation_epoch_start(self) -> None:
        """The same random numbers in each epoch."""
        torch.manual_seed(self.recipe.seed)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep three numbers of each simulated and each generated shower."""
        energy, features = batch.inputs
        shown = self._generate(energy)
        self.critic_loss.update(self._loss_of_critic(batch, shown))
        for kept, showers in ((self.simulated, features), (self.generated, shown)):
            kept.update(_summary(energy, showers.float()))

    def on_validation_epoch_end(self) -> None:
        """Log the distance of generated and simulated showers.

        Raises:
            FloatingPointError: If generated features are not finite: the training has diverged.
        """
        simulated, generated = (kept.compute().cpu().numpy() for kept in (self.simulated, self.generated))
        critic = self.critic_loss.compute()
        for metric in (self.simulated, self.generated, self.critic_loss):
            metric.reset()
        if not torch.isfinite(torch.from_numpy(generated)).all():
            raise FloatingPointError(
                f"generated showers are not finite after epoch {self.current_epoch + 1}: "
                f"lower learning_rate = {self.recipe.learning_rate:g}"
            )
        pairs = zip(simulated.T, generated.T)
        distance = sum(metrics.wasserstein_distance(*pair).distance.value for pair in pairs) / simulated.shape[1]
        self.log_dict({"validation_loss": torch.tensor(distance, dtype=torch.float32), "validation_critic": critic})

    def _step(self, optimiser: Any, loss: Tensor) -> None:
        optimiser.zero_grad()
        self.manual_backward(loss)
        optimiser.step()

    def _loss_of_critic(self, batch: Batch, shown: Tensor) -> Tensor:
        energy, features = batch.inputs
        simulated = batch.weight * adversarial_loss(self.critic, energy, features, real=True)
        return (simulated + adversarial_loss(self.critic, energy, shown, real=False)).mean() / 2

    def _generate(self, energy: Tensor) -> Tensor:
        noise = torch.randn(len(energy), self.model.latent, device=energy.device)
        shown: Tensor = self.model(energy, noise)
        return shown


def _summary(energy: Tensor, features: Tensor) -> Tensor:
    """Three numbers of each shower, shape (n, 3)."""
    columns = (features.sum(1) / energy, features.amax(1), (features > 0).sum(1).float())
    return torch.stack(columns, dim=1)
