"""A study: which objects, which representation and network, what is learned and how. One typed object."""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import math
import os
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import awkward as ak
import numpy as np

from cortado.names import require_one_of
from cortado.reading import Dialect
from cortado.scaling import QuantileScaling, Scaling
from cortado.splits import TEST, TRAIN, VALIDATION, Split, fold
from cortado.tasks import Fit, Task, Use, optional
from cortado.tasks.checks import require

__all__ = ["Balance", "Objects", "Recipe", "Study", "subset_of"]

Schedule = Literal["one-cycle", "cosine", "constant"]
Precision = Literal["float32", "bfloat16"]
ClassWeights = Literal["equal", "given"]
Invalid = Literal["raise", "drop"]
Mask = Callable[[ak.Array], Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained: AdamW, one learning-rate schedule.

    The defaults are those of ParticleNet (Qu, Gouskos, arXiv:1902.08570, sec. IV), with a batch of 512.

    Attributes:
        epochs: Times that every training object is seen.
        batch_size: Most objects in a batch; the batches of an epoch are equal within one jet, none is dropped.
        learning_rate: Highest learning rate of the schedule.
        weight_decay: Decoupled decay of matrices; biases and normalisations are left out.
        betas: Decay of the averages of the gradient and of its square.
        schedule: "one-cycle" (a tenth to full rate in 40 % of the training, back in 40 %, then down to 5e-7),
            "cosine" (full rate to zero, after a rise in the first 2 %), "constant".
        precision: "float32", or "bfloat16" for products with float32 weights (autocast).
        patience: Epochs without a better validation loss before the training stops; None never stops early.
        seed: Of initial weights, dropout and order of objects. Same seed, same worker count: same training.
        workers: Processes that read and prepare training objects; 0 does it in this process.
        shuffle_pool: Objects that are mixed at a time, in each worker; several times `step_size`, more where
            the files hold one class each. Steps are also read in random order, those of each file spread evenly.
        step_size: Entries read at once.
        cache_bytes: Largest sample that the workers (all together) keep in memory after the first epoch: as the
            network sees it, where that is of the same shape for each object (images, observables), else as it was read.
            Larger samples are read anew in each epoch.
        bucket: Batches of objects of like length: less padding, but the statistics of a batch (batch
            normalisation) are then those of objects of like multiplicity, which is correlated with the class.
            Off for packed models.
        gradient_clip: Largest norm of the gradient.
        averaging: Decay per step of an exponential moving average of the weights, which is then validated
            and saved; at first it averages the last tenth of the steps.
    """

    epochs: int = 20
    batch_size: int = 512
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: Schedule = "one-cycle"
    precision: Precision = "float32"
    patience: int | None = None
    seed: int = 1
    workers: int = 1
    shuffle_pool: int = 50_000
    step_size: int = 5_000
    cache_bytes: int = 1_000_000_000
    bucket: bool = False
    gradient_clip: float | None = None
    averaging: float | None = None

    def __post_init__(self) -> None:
        for field in ("epochs", "batch_size", "shuffle_pool", "step_size"):
            require(getattr(self, field) >= 1, self, field, "at least 1")
        for field in ("weight_decay", "workers", "cache_bytes", "seed"):
            require(getattr(self, field) >= 0, self, field, "at least 0")
        require(0 < self.learning_rate < math.inf, self, "learning_rate", "a positive number")
        require(self.patience is None or self.patience >= 1, self, "patience", "None or at least 1")
        require(self.gradient_clip is None or self.gradient_clip > 0, self, "gradient_clip", "None or positive")
        require(all(0 <= beta < 1 for beta in self.betas), self, "betas", "in [0, 1)")
        require(self.averaging is None or 0 < self.averaging < 1, self, "averaging", "None or in (0, 1)")
        require_one_of("Recipe: schedule", self.schedule, get_args(Schedule))
        require_one_of("Recipe: precision", self.precision, get_args(Precision))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Balance:
    """Weights that make every category flat in a field over the bins, and all categories equal in total.

    Attributes:
        field: Of the objects, such as "pt" [GeV].
        bins: Edges. Every selected object must lie in a bin: the upper edge is outside.
    """

    field: str = "pt"
    bins: tuple[float, ...]

    def __post_init__(self) -> None:
        edges = np.asarray(self.bins, dtype=float)
        require(len(edges) >= 2 and bool(np.all(np.diff(edges) > 0)), self, "bins", "two or more increasing edges")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Objects:
    """What is learned from: files, the objects in them, and what each event is used for.

    Attributes:
        files: Paths or URLs; their events are shared out by `split`.
        validation_files: Files for validation only. With them, the validation part of `files` is trained on
            too.
        tree: Name of the tree; None finds it.
        dialect: Name of the dialect; None recognises it by the branches; or a `readers.Mapping` of your own branches,
            or a module of your own.
        collection: What of the record is learned: "jets", "showers", "particles", "maps", any collection of a
            `readers.Mapping`, or "events" as a whole.
        mask: Objects (n,) -> mask (n,) of those to use; None uses all.
        invalid: Objects with a number that the network cannot take, not finite or a constituent of pT 0 whose logarithm
            is a feature, stop the training ("raise"), or are left out of all subsets and counted ("drop").
        event_weight: Use the weight of the event (generator weight) in loss and metrics; single ones may be negative.
        class_weights: "equal" gives the training objects of all categories the same sum of weights, whatever the scale
            of their generators; "given" takes the weights as they are.
        samples: Name of a sample -> pattern of the paths of its files, as in a shell: ``{"ttbar": "*/tt_*.root"}``. The
            objects then have the field `sample`, the name, for classes: see `tasks.of_sample`.
        scales: Name of a sample -> factor of its weights, such as cross section over sum of weights; see `scales`.
        split: Share of validation and test events, by event key.
        folds: Number of parts for `train_folds`; None without.
        balance: Reweighting by category and field; None weights every object by its event only.
    """

    files: tuple[str, ...]
    validation_files: tuple[str, ...] = ()
    tree: str | None = None
    dialect: str | Dialect | None = None
    collection: str = "jets"
    mask: Mask | None = None
    invalid: Invalid = "raise"
    event_weight: bool = True
    class_weights: ClassWeights = "equal"
    samples: Mapping[str, str] = dataclasses.field(default_factory=dict)
    scales: Mapping[str, float] = dataclasses.field(default_factory=dict)
    split: Split = dataclasses.field(default_factory=Split)
    folds: int | None = None
    balance: Balance | None = None

    def __post_init__(self) -> None:
        for field in ("files", "validation_files"):
            paths = getattr(self, field)
            require(not isinstance(paths, str), self, field, "a tuple of paths, not one string")
            object.__setattr__(self, field, tuple(os.fspath(path) for path in paths))
        every = (*self.files, *self.validation_files)
        require(len(self.files) > 0, self, "files", "at least one file")
        require(len(set(self.files)) == len(self.files), self, "files", "each file once")
        require(len(set(every)) == len(every), self, "validation_files", "each file once, and none of `files`")
        require_one_of("Objects: class_weights", self.class_weights, get_args(ClassWeights))
        require_one_of("Objects: invalid", self.invalid, get_args(Invalid))
        for path in every if self.samples else ():
            self.sample(path)
        for name in self.scales:
            require_one_of("Objects: scales", name, tuple(self.samples))
        require(self.folds is None or self.folds >= 2, self, "folds", "None or at least 2")

    def sample(self, path: str) -> str | None:
        """Name of the sample that a file belongs to; None without samples.

        Raises:
            ValueError: If it belongs to none, or to several.
        """
        names = [name for name, pattern in self.samples.items() if _matches(path, pattern)]
        if self.samples and len(names) != 1:
            patterns = ", ".join(f"{name}: {pattern}" for name, pattern in self.samples.items())
            raise ValueError(f"Objects: {path} belongs to {' and '.join(names) or 'none'} of the samples {patterns}")
        return names[0] if names else None


def _matches(path: str, pattern: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for name in (path, os.path.basename(path)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
    """Binds objects, representation, network, task and recipe: all that a training depends on.

    Attributes:
        name: Name of the bundle.
        objects: What is learned from.
        representation: What the network sees of an object.
        scaling: Of the features: given, None, or from the training objects that the task learns from, the normal ones
            for `Reconstruct` and `FindAnomalies`: "fit" standardises them, "quantiles" maps them to normal
            distributions.
        model: `functools.partial(Network, **arguments)`; those that follow from the task are added. For `Fit` that of
            its estimator, without arguments: `functools.partial(BoostedTrees)`.
        task: What is learned, see `cortado.tasks`.
        recipe: How it is trained.
        frozen: Part of the model -> bundle of the network whose weights it keeps: "finder" -> "finder.cortado".
    """

    name: str
    objects: Objects
    representation: Callable[[ak.Array], Any]
    scaling: Scaling | QuantileScaling | Literal["fit", "quantiles"] | None = None
    model: functools.partial[Any]
    task: Task
    recipe: Recipe = dataclasses.field(default_factory=Recipe)
    frozen: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        require(bool(self.name) and os.path.basename(self.name) == self.name, self, "name", "a file name")
        is_partial = isinstance(self.model, functools.partial)
        require(is_partial, self, "model", "functools.partial(Network, ...)")
        require(not self.model.args, self, "model", "keyword arguments only: a bundle stores them by name")
        _require_protocol(self)
        _require_model_of_estimator(self)
        if isinstance(self.scaling, str):
            require_one_of("Study: scaling", self.scaling, ("fit", "quantiles"))
        by_quantiles = self.scaling == "quantiles" or isinstance(self.scaling, QuantileScaling)
        can_be_undone = not by_quantiles and getattr(self.scaling, "clip", None) is None
        task = type(self.task).__name__
        require(can_be_undone or not self.task.invertible, self, "scaling", f"one that can be undone, for {task}")
        for name, value in optional.arguments(self.task).items():
            given = self.model.keywords.get(name, value)
            require(given == value, self, "model", f"{name}={value}, as {task} needs it")

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the categories; the collection where all objects are alike."""
        return self.task.categories or (self.objects.collection,)


def _require_protocol(study: Study) -> None:
    """Whether the task is one, and its use too: better now than after the last epoch.

    Raises:
        ValueError: If not; names what is missing.
    """
    for what, given, protocol in (("task", study.task, Task), ("task", getattr(study.task, "gives", None), Use)):
        names = [name for name in (*vars(protocol), *protocol.__annotations__) if not name.startswith("_")]
        lacking = [name for name in dict.fromkeys(names) if not hasattr(given, name)]
        is_instance = protocol is Use or not isinstance(given, type)
        required = (
            f"an instance of a task with {', '.join(lacking)}"
            if protocol is Task
            else f"a use with {', '.join(lacking)}"
        )
        require(is_instance and not lacking, study, what, required if lacking else "an instance, such as Classify(...)")


def _require_model_of_estimator(study: Study) -> None:
    """Whether the task is `Fit` where the model is made of an estimator, and of that one.

    Raises:
        ValueError: If not.
    """
    task, model = study.task, study.model
    known = getattr(model.func, "estimators", ())
    if not isinstance(task, Fit):
        require(not known, study, "task", f"Fit(estimator=partial({' or '.join(known)}, ...), ...), for this model")
        return
    estimator = task.estimator.func.__name__
    makes = hasattr(model.func, "of") and not model.keywords and (not known or estimator in known)
    required = f"functools.partial of the class that is made of {estimator}, such as BoostedTrees of a "
    require(makes, study, "model", required + "HistGradientBoostingClassifier, without arguments")
    require(not study.frozen, study, "frozen", "{} for Fit: all of its model comes from the estimator")


def subset_of(
    objects: Objects, event_key: np.ndarray, *, validation_only: bool = False, held_out: int | None = None
) -> np.ndarray:
    """TRAIN, VALIDATION or TEST for each event, shape (n,).

    Args:
        objects: Give the split and the folds.
        event_key: Keys of the events, uint64, shape (n,).
        validation_only: Whether the events come from `validation_files`.
        held_out: Fold that is the test sample in place of the split's; no event of it is trained on.
    """
    if validation_only:
        return np.full(len(event_key), VALIDATION)
    subset = np.asarray(objects.split.subset(event_key))
    if held_out is not None and objects.folds is None:
        raise ValueError(f"a bundle of fold {held_out} is asked about objects with folds = None; give them its folds")
    if held_out is not None:
        assert objects.folds is not None
        inside = fold(event_key, objects.folds, objects.split.seed) == held_out
        subset = np.where(inside, TEST, np.where(subset == TEST, TRAIN, subset))
    if objects.validation_files:
        subset = np.where(subset == VALIDATION, TRAIN, subset)
    return subset
