"""From ntuples to a bundle: the typed study, the streaming of objects, the training on Lightning."""

from __future__ import annotations

from cortado.extras import extra

with extra("train", "cortado.training"):
    from cortado.training.evaluation import Evaluation, evaluate
    from cortado.training.run import TrainingResult, train, train_folds
    from cortado.training.samples import scales
    from cortado.training.study import Balance, Objects, Recipe, Study

__all__ = [
    "Balance",
    "Evaluation",
    "Objects",
    "Recipe",
    "Study",
    "TrainingResult",
    "evaluate",
    "scales",
    "train",
    "train_folds",
]
