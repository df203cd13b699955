"""A study: which jets, which labels, which representation and network, how trained. One typed object."""

import dataclasses
import difflib
import functools
import math
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, get_args

import awkward as ak
import numpy as np

from cortado.bundle import Task
from cortado.scaling import QuantileScaling, Scaling
from cortado.splits import TEST, TRAIN, VALIDATION, Split, fold

__all__ = ["FlatPt", "Recipe", "Study", "describe", "subset_of"]

Schedule = Literal["one-cycle", "cosine", "constant"]
Precision = Literal["float32", "bfloat16"]
Collection = Literal["jets", "showers"]
Mask = Callable[[ak.Array], Any]


def _require(holds: bool, owner: object, field: str, required: str) -> None:
    if not holds:
        value = getattr(owner, field)
        raise ValueError(f"{type(owner).__name__}: {field} = {value!r}, required: {required}")


def require_one_of(owner: str, field: str, value: str, names: Iterable[str]) -> None:
    """Refuse a value that is none of the names, and say which comes nearest.

    Raises:
        ValueError: If so.
    """
    if value in (names := tuple(names)):
        return
    near = difflib.get_close_matches(str(value), names, n=1, cutoff=0.3)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{owner}: {field} = {value!r}, required: {' or '.join(repr(name) for name in names)}{hint}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained: AdamW on a weighted cross-entropy, one learning-rate schedule.

    The defaults are those of ParticleNet (Qu, Gouskos, arXiv:1902.08570, sec. IV), with a batch of 512.

    Attributes:
        epochs: Times that every training jet is seen.
        batch_size: Most jets in a batch; the batches of an epoch are equal within one jet, none is dropped.
        learning_rate: Highest learning rate of the schedule.
        weight_decay: Decoupled decay of matrices; biases and normalisations are left out.
        schedule: "one-cycle" (a tenth to full rate in 40 % of the training, back in 40 %, then down to 5e-7),
            "cosine" (full rate to zero, after a rise in the first 2 %), "constant".
        precision: "float32", or "bfloat16" for products with float32 weights (autocast).
        patience: Epochs without a better validation loss before the training stops; None never stops early.
        seed: Of initial weights, dropout and order of jets. Same seed, same worker count: same training.
        workers: Processes that read and prepare training jets; 0 does it in this process.
        shuffle_pool: Jets that are mixed at a time, in each worker; several times `step_size`, more where
            the files hold one class each. Steps are also read in random order, those of each file spread evenly.
        step_size: Entries read at once.
        cache_bytes: Largest sample that the workers (all together) keep in memory after the first epoch: as the
            network sees it, where that is of the same shape for each jet (images, observables), else as it was read.
            Larger samples are read anew in each epoch.
        bucket: Batches of jets of like length: less padding, but the statistics of a batch (batch
            normalisation) are then those of jets of like multiplicity, which is correlated with the class.
            Off for packed models.
        gradient_clip: Largest norm of the gradient.
        label_smoothing: Part of each target that is spread evenly over the classes.
        averaging: Decay per step of an exponential moving average of the weights, which is then validated
            and saved; at first it averages the last tenth of the steps.
    """

    epochs: int = 20
    batch_size: int = 512
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
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
    label_smoothing: float = 0.0
    averaging: float | None = None

    def __post_init__(self) -> None:
        for field in ("epochs", "batch_size", "shuffle_pool", "step_size"):
            _require(getattr(self, field) >= 1, self, field, "at least 1")
        for field in ("weight_decay", "workers", "cache_bytes", "seed"):
            _require(getattr(self, field) >= 0, self, field, "at least 0")
        _require(0 < self.learning_rate < math.inf, self, "learning_rate", "a positive number")
        _require(self.patience is None or self.patience >= 1, self, "patience", "None or at least 1")
        _require(self.gradient_clip is None or self.gradient_clip > 0, self, "gradient_clip", "None or positive")
        _require(0 <= self.label_smoothing < 1, self, "label_smoothing", "in [0, 1)")
        _require(self.averaging is None or 0 < self.averaging < 1, self, "averaging", "None or in (0, 1)")
        require_one_of("Recipe", "schedule", self.schedule, get_args(Schedule))
        require_one_of("Recipe", "precision", self.precision, get_args(Precision))


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlatPt:
    """Weights that make every class flat in jet pT over the bins, and all classes equal in total.

    Attributes:
        bins: Edges [GeV]. Every selected jet must lie in a bin: the upper edge is outside.
    """

    bins: tuple[float, ...]

    def __post_init__(self) -> None:
        edges = np.asarray(self.bins, dtype=float)
        _require(len(edges) >= 2 and bool(np.all(np.diff(edges) > 0)), self, "bins", "two or more increasing edges")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
    """Binds samples, selection, labels, representation, network and recipe: all that a training depends on.

    With classes it trains a tagger, with a partition a network on pairs, without classes a generator.

    Attributes:
        name: Name of the bundle.
        files: Paths or URLs; their events are shared out by `split`.
        validation_files: Files for validation only. With them, the validation part of `files` is trained on
            too.
        tree: Name of the tree; None finds it.
        collection: What of the record is trained on: "jets" or "showers"; called jets below.
        selection: Jets (n,) -> mask (n,) of the jets to use; None uses all.
        classes: Name -> function of the jets (n,) that gives the mask of its members. A jet may be in one
            class or in none (then it is counted and left out), never in two.
        signal: The class whose probability is the score; empty without classes.
        representation: What the network sees.
        scaling: Of the features: given, None, or from the training jets: "fit" standardises them, "quantiles" maps them
            to normal distributions.
        model: `functools.partial(Network, **arguments)`; the classes are passed as `classes=len(classes)`.
        recipe: How it is trained.
        split: Share of validation and test events, by event key.
        folds: Number of parts for `train_folds`; None without.
        flat_pt: Reweighting in pT and class; None weights every jet by its event only.
        event_weight: Use the weight of the event (generator weight) in loss and metrics.
        working_points: Signal efficiencies at which thresholds are kept in the bundle.
        mistags: Mistag rates at which thresholds are kept in the bundle, too: 0.01 is "1% mistag".
        mistag_class: Class whose jets are mistagged there; None for all but the signal.
        partition: Truth of a network on pairs, such as "tracks.vertex_index": constituents of a jet with the same
            number belong together. The model then gives logits of pairs (n, p, p), and the classes only serve for
            weights and figures of merit. None trains a tagger.
        critic: `functools.partial(Network, **arguments)`: the network against which a generator is trained. None
            trains it by its own `loss`.
        frozen: Part of the model -> bundle of the network whose weights it keeps: "finder" -> "finder.cortado".
    """

    name: str
    files: tuple[str, ...]
    validation_files: tuple[str, ...] = ()
    tree: str | None = None
    collection: Collection = "jets"
    selection: Mask | None = None
    classes: Mapping[str, Mask] = dataclasses.field(default_factory=dict)
    signal: str = ""
    representation: Callable[[ak.Array], Any]
    scaling: Scaling | QuantileScaling | Literal["fit", "quantiles"] | None = None
    model: "functools.partial[Any]"
    recipe: Recipe = Recipe()
    split: Split = dataclasses.field(default_factory=Split)
    folds: int | None = None
    flat_pt: FlatPt | None = None
    event_weight: bool = True
    working_points: tuple[float, ...] = (0.3, 0.5, 0.7)
    mistags: tuple[float, ...] = ()
    mistag_class: str | None = None
    partition: str | None = None
    critic: "functools.partial[Any] | None" = None
    frozen: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for field in ("files", "validation_files"):
            paths = getattr(self, field)
            _require(not isinstance(paths, str), self, field, "a tuple of paths, not one string")
            object.__setattr__(self, field, tuple(os.fspath(path) for path in paths))
        every = (*self.files, *self.validation_files)
        _require(len(self.files) > 0, self, "files", "at least one file")
        _require(len(set(self.files)) == len(self.files), self, "files", "each file once")
        _require(len(set(every)) == len(every), self, "validation_files", "each file once, and none of `files`")
        _require(bool(self.name) and os.path.basename(self.name) == self.name, self, "name", "a file name")
        require_one_of("Study", "collection", self.collection, get_args(Collection))
        _require(len(self.classes) != 1, self, "classes", "two or more classes, or none for a generator")
        if self.classes:
            require_one_of("Study", "signal", self.signal, self.classes)
        _require(isinstance(self.model, functools.partial), self, "model", "functools.partial(Network, ...)")
        _require(not self.model.args, self, "model", "keyword arguments only: a bundle stores them by name")
        _require(self.folds is None or self.folds >= 2, self, "folds", "None or at least 2")
        ordered = all(0 < efficiency < 1 for efficiency in self.working_points)
        _require(ordered, self, "working_points", "signal efficiencies in (0, 1)")
        _require(all(0 < rate < 1 for rate in self.mistags), self, "mistags", "mistag rates in (0, 1)")
        if self.mistag_class is not None:
            others = [name for name in self.classes if name != self.signal]
            require_one_of("Study", "mistag_class", self.mistag_class, others)
        if isinstance(self.scaling, str):
            require_one_of("Study", "scaling", self.scaling, ("fit", "quantiles"))
        nested = self.partition is None or len(self.partition.split(".")) == 2
        _require(nested, self, "partition", 'None or a field of constituents, "tracks.vertex_index"')
        generates = self.task == "generation"
        by_quantiles = self.scaling == "quantiles" or isinstance(self.scaling, QuantileScaling)
        _require(not (generates and by_quantiles), self, "scaling", "one that can be undone, for a generator")
        _require(self.critic is None or generates, self, "critic", "None: only generators have one")
        _require(not (generates and self.partition), self, "partition", "None for a generator")
        _require(self.flat_pt is None or self.collection == "jets", self, "flat_pt", "None: showers have no pT")
        if self.task == "tagging":
            self._check_class_count()

    @property
    def task(self) -> Task:
        """What is trained: "tagging", "pairing" or "generation"."""
        if not self.classes:
            return "generation"
        return "tagging" if self.partition is None else "pairing"

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes; the collection where there are none."""
        return tuple(self.classes) or (self.collection,)

    def _check_class_count(self) -> None:
        given = self.model.keywords.get("classes", len(self.classes))
        _require(given == len(self.classes), self, "model", f"classes={len(self.classes)}, as many as `classes`")


def subset_of(
    study: Study, event_key: np.ndarray, *, validation_only: bool = False, held_out: int | None = None
) -> np.ndarray:
    """TRAIN, VALIDATION or TEST for each event, shape (n,).

    Args:
        study: Gives the split and the folds.
        event_key: Keys of the events, uint64, shape (n,).
        validation_only: Whether the events come from `validation_files`.
        held_out: Fold that is the test sample in place of the split's; no event of it is trained on.
    """
    if validation_only:
        return np.full(len(event_key), VALIDATION)
    subset = np.asarray(study.split.subset(event_key))
    if held_out is not None:
        assert study.folds is not None
        inside = fold(event_key, study.folds, study.split.seed) == held_out
        subset = np.where(inside, TEST, np.where(subset == TEST, TRAIN, subset))
    if study.validation_files:
        subset = np.where(subset == VALIDATION, TRAIN, subset)
    return subset


def describe(study: Study) -> dict[str, Any]:
    """What a training depends on, as it is written into bundles and compared before a training is resumed."""
    return {
        "name": study.name,
        "files": list(study.files),
        "validation_files": list(study.validation_files),
        "tree": study.tree,
        "collection": study.collection,
        "selection": None if study.selection is None else _name(study.selection),
        "classes": {name: _name(mask) for name, mask in study.classes.items()},
        "signal": study.signal,
        "representation": repr(study.representation),
        "scaling": repr(study.scaling),
        "model": {"name": _name(study.model.func), **study.model.keywords},
        "recipe": dataclasses.asdict(study.recipe),
        "split": dataclasses.asdict(study.split),
        "folds": study.folds,
        "flat_pt": None if study.flat_pt is None else list(study.flat_pt.bins),
        "event_weight": study.event_weight,
        "working_points": list(study.working_points),
        "mistags": list(study.mistags),
        "mistag_class": study.mistag_class,
        "partition": study.partition,
        "critic": None if study.critic is None else {"name": _name(study.critic.func), **study.critic.keywords},
        "frozen": {name: os.path.basename(path) for name, path in study.frozen.items()},
    }


def _name(function: Callable[..., Any]) -> str:
    if isinstance(function, functools.partial):
        # Its own repr has addresses, which differ in each process.
        given = [*map(repr, function.args), *(f"{name}={value!r}" for name, value in function.keywords.items())]
        return f"{_name(function.func)}({', '.join(given)})"
    return str(getattr(function, "__qualname__", repr(function)))
