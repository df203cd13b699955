"""What a training asks of its task, and a bundle of its use: two protocols, and what passes between them.

Shapes: n objects.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from cortado.names import require_one_of
from cortado.weights import WorkingPoint

Answers = dict[str, Tensor]
"""What a network says of n objects, by name; each of shape (n, ...)."""

Columns = dict[str, ak.Array]
"""The same as columns of the objects, each of length n, nested as their constituents where it speaks of these."""


class Merit(NamedTuple):
    """A figure of merit of the validation objects, as tables and figures show it."""

    title: str  # "AUC"
    form: str  # ".4f"


class Batch(NamedTuple):
    """What a network is given, and what it should say."""

    inputs: Any  # NamedTuple of tensors (n, ...), as the representation names them
    target: Any  # NamedTuple of tensors (n, ...), as the task names them
    weight: Tensor  # (n,) float32


class Move(NamedTuple):
    """One step of an optimiser: the network that moves, and the loss that it lowers."""

    network: str
    loss: Tensor  # scalar


class Rival(NamedTuple):
    """A further network of a training, which is not kept."""

    network: functools.partial[Any]
    rate: float = 1.0  # learning rate, in units of the recipe's


class Evaluation(NamedTuple):
    """Objects of a study, what is true of them, and what a bundle answers; all of length n."""

    answers: ak.Array  # record of the columns of the use
    objects: ak.Array  # with the fields of the task, and what else was asked for
    category: NDArray[np.int64]
    weight: NDArray[np.float64]  # of the event
    categories: tuple[str, ...]

    def members(self, name: str) -> NDArray[np.bool_]:
        """Which objects are of the category of that name, shape (n,).

        Raises:
            ValueError: If there is none; lists them.
        """
        require_one_of("category", name, self.categories)
        mask: NDArray[np.bool_] = self.category == self.categories.index(name)
        return mask


class Measured(NamedTuple):
    """What is kept in a bundle of the validation objects."""

    merits: dict[str, float | None]  # an error that is not defined is None
    working_points: tuple[WorkingPoint, ...] = ()


class Task(Protocol):
    """What is learned; a frozen dataclass, whose functions of the objects have a source."""

    @property
    def gives(self) -> type:
        """Class of its use."""
        ...

    @property
    def merits(self) -> Mapping[str, Merit]:
        """Figures of merit of the validation objects, by the names that `judged` gives them."""
        ...

    @property
    def loss_title(self) -> str:
        """What the loss is called in figures."""
        ...

    @property
    def invertible(self) -> bool:
        """Whether outputs are scaled back: the scaling of the features must then be one that can be undone."""
        ...

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of the objects that `target` reads, "tracks.vertex_index", beside those of the representation."""
        ...

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of the rows of the survey, which `Balance` makes alike; () where all objects are alike."""
        ...

    def target(self, objects: ak.Array, category: NDArray[np.int64], inputs: Any) -> Any:
        """What the network should say: NamedTuple of arrays (n, ...).

        Args:
            objects: With the fields of the task.
            category: Of each, shape (n,).
            inputs: What the network is given, so that padding agrees.
        """
        ...

    def moves(self, networks: Mapping[str, nn.Module], batch: Batch) -> Iterator[Move]:
        """The steps of a batch; each loss is made after the step before it was taken.

        Args:
            networks: "model", and the rivals by their names.
            batch: Of training objects; the weights average to 1 over all of them.
        """
        ...

    def rows(self, networks: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        """What `judged` needs of each validation object, shape (n, k); finite, unless the training has diverged."""
        ...

    def judged(self, rows: Tensor) -> dict[str, float]:
        """ "loss" and the merits of the rows of all validation objects, float64 on the CPU."""
        ...

    def use(self, representation: Any, model: nn.Module) -> Use:
        """What the outputs of the trained network mean."""
        ...

    def measured(self, evaluate: Callable[[], Evaluation]) -> Measured:
        """What the bundle keeps of the validation objects; `evaluate` gives them with the answers of the bundle."""
        ...


class Use(Protocol):
    """What the outputs of a network mean; a frozen dataclass whose fields can be written as JSON.

    Attributes:
        of_constituents: Whether answers are of the constituents of an object: one without any is then no error.
    """

    of_constituents: ClassVar[bool]

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of the objects that `columns` reads, beside those of the representation."""
        ...

    @property
    def meaning(self) -> tuple[Any, ...]:
        """What must be the same in all bundles that answer together, as folds and ensembles do."""
        ...

    def check(self, path: str) -> None:
        """Whether the fields of the use make sense.

        Args:
            path: Of the bundle, for messages.
        Raises:
            ValueError: If not.
        """
        ...

    def inputs(self, prepared: Any, rng: np.random.Generator) -> Any:
        """What the network is given: NamedTuple of arrays, mostly what the representation has prepared."""
        ...

    def shape(self, prepared: Any) -> tuple[int, ...]:
        """Shape of what the network must give for prepared objects (n,)."""
        ...

    def answers(self, outputs: Tensor, inputs: Any) -> Answers:
        """What the network says by name; these are also the outputs of an exported network.

        Args:
            outputs: Of the network, float32.
            inputs: NamedTuple of the tensors that it was given.
        """
        ...

    def columns(self, answers: Answers, objects: ak.Array) -> Columns:
        """The same as columns of the objects.

        Args:
            answers: Of n objects, on the CPU.
            objects: With the fields of representation and use, shape (n,).
        """
        ...

    def combined(self, members: Sequence[ak.Array]) -> ak.Array:
        """What trainings that differ by their seed alone say together.

        Args:
            members: Records of the columns of each, shape (n,).
        Raises:
            ValueError: If such answers cannot be combined.
        """
        ...
