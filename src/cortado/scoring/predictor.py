"""One bundle as a function of objects, whatever it answers."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Iterable
from typing import Any, ClassVar, Literal, get_args

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado import bundle as bundles
from cortado.bundle import Own
from cortado.bundle.cores import Precision
from cortado.bundle.length_units import Unit
from cortado.names import require_one_of
from cortado.refused import RefusedObjects
from cortado.scoring import process
from cortado.scoring.friends import friend
from cortado.scoring.nesting import flatten, restore
from cortado.tasks import Use

Policy = Literal["raise", "nan"]

VERBS = {
    "Classes": "Scorer",
    "Density": "EventSampler",
    "Edges": "TrackFinder",
    "Pairs": "VertexFinder",
    "Showers": "ShowerGenerator",
}
"""What `cortado.load` gives for a bundle of each use; for all others a `Predictor`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Predictor:
    """The answers of the bundle at `path`; made by `load`.

    Objects may be flat (n,), per event (n_events, var), nested deeper, or optional (`ak.firsts(jets)`). The result has
    the same nesting, None where there is no object, and its values depend on the object alone, not on how objects were
    chunked, ordered or batched (within 1e-5).

    Attributes:
        path: Absolute path of the bundle.
        sha256: Its fingerprint; another bundle at the same path is refused.
        use: What the answers are; that of the bundle, or a variant of it.
        device: "cpu", "cuda", "cuda:1" or "mps".
        threads: Batches shown to the network at once, each by one thread of the CPU; all threads for a single batch.
            None: one in worker processes, as many as torch has elsewhere.
        batch_size: Most objects shown to the network at once; fewer where they have more than 32 constituents.
        precision: Of products: "float32", or "bfloat16" by autocast.
        without_constituents: Objects without constituents are an error ("raise") or their numbers NaN ("nan"). Where
            answers are of the constituents, they simply have none.
        invalid: Objects with a number that cannot be shown to the network, such as a constituent of pT 0 whose
            logarithm is a feature, are an error ("raise") or their numbers NaN ("nan"). Where answers are of the
            constituents, they are always an error.
        own: Classes of your own that the bundle uses, and the unit of lengths if it does not say it.
    """

    path: str
    sha256: str
    use: Use
    device: str = "cpu"
    threads: int | None = None
    batch_size: int = 512
    precision: Precision = "float32"
    without_constituents: Policy = "raise"
    invalid: Policy = "raise"
    own: Own = dataclasses.field(default_factory=Own)

    has_folds: ClassVar[bool] = False
    tree: ClassVar[str] = "scores"

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {self.batch_size}")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads must be at least 1 or None, got {self.threads}")
        require_one_of("precision", self.precision, ("float32", "bfloat16"))
        require_one_of("without_constituents", self.without_constituents, get_args(Policy))
        require_one_of("invalid", self.invalid, get_args(Policy))
        self.use.check(self.path)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        representations: Iterable[type] = (),
        models: Iterable[type] = (),
        uses: Iterable[type] = (),
        lengths: Unit | None = None,
        **settings: Any,
    ) -> Predictor:
        """Predictor of the bundle at `path`.

        Args:
            path: The bundle.
            representations: Classes of your own that the bundle may use, see `cortado.bundle.load`.
            models: Likewise.
            uses: Likewise.
            lengths: Unit of the lengths that the network was shown, where the bundle does not say it.
            **settings: The other attributes of this.
        Raises:
            FileNotFoundError: If there is no bundle.
            ValueError: If it cannot be trusted (see `cortado.bundle.load`), or the device is not there.
        """
        content = bundles.read(os.path.abspath(path))
        own = Own(tuple(representations), tuple(models), tuple(uses), lengths)
        use = process.of_content(content, settings.get("device", "cpu"), own).bundle.use
        return cls(path=content.path, sha256=content.sha256, use=use, own=own, **settings)

    def __getstate__(self) -> dict[str, Any]:
        process.note(self.path, self.sha256)
        return dict(self.__dict__)

    def __call__(self, objects: ak.Array) -> ak.Array:
        """Record of the answers, of the nesting of `objects`.

        Raises:
            ValueError: If a field is missing, objects have no constituents, or a number cannot be shown to the network.
            FileNotFoundError: If this process must read the bundle and it is not there.
        """
        return restore(self.flat(flatten(objects)), objects)

    def flat(self, objects: ak.Array) -> ak.Array:
        """The same for objects of shape (n,)."""
        objects, loaded = self.taken(objects), self.loaded()
        try:
            return bundles.answers(
                loaded.bundle,
                objects,
                use=self.use,
                network=loaded.network,
                skip_empty=True,
                skip_refused=self.invalid == "nan" and not self.use.of_constituents,
                batch_size=self.batch_size,
                device=self.device,
                threads=self.threads,
                precision=self.precision,
            )
        except RefusedObjects as error:
            hint = "" if self.use.of_constituents else ", or ask for NaN, invalid='nan'"
            raise RefusedObjects(f"{error}; drop such objects{hint}", error.objects, error.reason) from error

    def taken(self, objects: ak.Array) -> ak.Array:
        """Objects (n,) with the fields that the bundle needs alone.

        Raises:
            ValueError: If a field is missing, or objects have no constituents, or a constituent is None of which there
                would be an answer.
        """
        given, objects = objects, bundles.columns(objects, self.bundle().fields)
        if self.use.of_constituents:
            _require_all_there(given, objects)
        empty = int(np.count_nonzero(bundles.sizes_of(self.bundle(), objects) == 0))
        if empty and self.without_constituents == "raise" and not self.use.of_constituents:
            raise ValueError(
                f"{empty} of {len(objects)} jets have no constituents and cannot be scored by {self.path}: "
                "drop them, jets[ak.num(jets.constituents, axis=-1) > 0], or ask for NaN, without_constituents='nan'"
            )
        return objects

    def each(self, objects: ak.Array) -> tuple[ak.Array, ...]:
        """Answers for objects (n,) by training: of one."""
        return (self.flat(objects),)

    def member(self, objects: ak.Array) -> NDArray[np.int64]:
        """Index of the bundle that answers for each of the objects (n,): 0."""
        return np.zeros(len(objects), np.int64)

    def events(self, record: ak.Array) -> tuple[dict[str, ak.Array], Counter[str]]:
        """What a friend tree holds of events, and what is to be said of it; see `friend`."""
        return friend(self, record)

    def with_use(self, use: Use) -> Predictor:
        """The same with other answers."""
        return dataclasses.replace(self, use=use)

    def bundle(self) -> bundles.Bundle:
        """The bundle, with provenance and all; read from disk unless this process has it."""
        return self.loaded().bundle

    def bundles(self) -> tuple[bundles.Bundle, ...]:
        """The one bundle."""
        return (self.bundle(),)

    def loaded(self) -> process.Loaded:
        """The bundle and its network in this process, made ready on the device."""
        return process.loaded(self.path, self.sha256, self.device, self.own)


def _require_all_there(given: ak.Array, taken: ak.Array) -> None:
    """Whether no member of a list was left out, so that answers are of the members that were given.

    Raises:
        ValueError: If some were.
    """
    for name in (name for name in ak.fields(taken) if ak.fields(taken[name])):
        if missing := int(ak.sum(ak.num(given[name]))) - int(ak.sum(ak.num(taken[name]))):
            raise ValueError(f"{missing} of {name} are None, and answers are of each: drop them, ak.drop_none({name})")


def require_verbs(verbs: str, predictor: Any) -> None:
    """Whether a bundle is one for the class of that name.

    Raises:
        ValueError: If not; names the right class.
    """
    use = type(predictor.use).__name__
    if (right := VERBS.get(use, "Predictor")) != verbs:
        raise ValueError(f"{predictor.path} is not for a {verbs}: it gives {use}, which {right}.load reads")
