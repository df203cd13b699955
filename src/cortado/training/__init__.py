"""From labelled ntuples to a bundle: the typed study, the streaming of jets, the training on Lightning."""

from cortado.training.evaluation import Evaluation, evaluate
from cortado.training.run import TrainingResult, train, train_folds
from cortado.training.study import FlatPt, Recipe, Study

__all__ = ["Evaluation", "FlatPt", "Recipe", "Study", "TrainingResult", "evaluate", "train", "train_folds"]
