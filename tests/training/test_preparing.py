"""Laws of preparation: what is kept between epochs gives the batches that jets read anew would give."""

import functools
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import pytest
import torch

from cortado.models import MLP, JetImageCNN
from cortado.representations import HighLevel, JetImage, ParticleList
from cortado.splits import TRAIN
from cortado.training import Balance
from cortado.training.loading import Stream, loader
from cortado.training.preparing import preparation
from cortado.training.survey import survey

CANARY = 16  # jets that show whether all inputs are of one shape
BINS = Balance(bins=(0.0, 600.0, 2000.0))


class PaddedInputs(NamedTuple):
    momenta: Any


class Padded:
    """A representation that pads to the longest jet it is given, and has no mask."""

    fields = ("constituents.pt",)

    def __call__(self, jets):
        longest = int(ak.max(ak.num(jets.constituents)))
        momenta = ak.fill_none(ak.pad_none(jets.constituents.pt, longest), 0)
        return PaddedInputs(ak.to_numpy(momenta).astype(np.float32))


def images(study, **changes):
    model = functools.partial(JetImageCNN, channels=1, pixels=10)
    return study(representation=JetImage(pixels=10), scaling=None, model=model, **changes)


def observables(study, **changes):
    high_level = HighLevel(features=("pt", "mass", "multiplicity"))
    return study(representation=high_level, scaling="fit", model=functools.partial(MLP, features=3), **changes)


def packed(examples):
    return ak.to_packed(examples.objects)


def prepared(study):
    return preparation(study, survey(study))


def epochs(study, keep, number=2):
    """Batches of the first epochs."""
    known = survey(study)
    stream = Stream(
        study,
        known.parts,
        known.counts[:, TRAIN].tolist(),
        subset=TRAIN,
        finish=preparation(study, known),
        shuffle=True,
        keep=keep,
    )
    batches = loader(stream, 0)
    for epoch in range(number):
        stream.epoch.fill_(epoch)
        yield from batches


@pytest.mark.parametrize("make", [images, observables])
def test_kept_inputs_give_the_batches_of_kept_jets(study, make):
    chosen = make(study, balance=BINS)
    for one, other in zip(epochs(chosen, prepared(chosen).keep), epochs(chosen, packed), strict=True):
        assert type(one.inputs) is type(other.inputs)
        torch.testing.assert_close(tuple(one.inputs), tuple(other.inputs), rtol=1e-6, atol=1e-6)
        torch.testing.assert_close((one.target.label, one.weight), (other.target.label, other.weight), rtol=0, atol=0)


def test_kept_inputs_have_no_length_to_bucket_by(study):
    chosen = images(study, balance=BINS, bucket=True)
    kept, anew = (torch.cat([batch.weight for batch in epochs(chosen, keep)]) for keep in (prepared(chosen).keep, None))
    torch.testing.assert_close(kept.sort().values, anew.sort().values)


def test_inputs_of_one_shape_are_computed_once_a_training(study):
    calls = []

    class Counted(JetImage):
        def __call__(self, jets):
            calls.append(len(jets))
            return super().__call__(jets)

    chosen = study(representation=Counted(pixels=10), scaling=None)
    keep = prepared(chosen).keep
    calls.clear()
    seen = sum(len(batch.weight) for batch in epochs(chosen, keep, number=3))
    assert sum(calls) - CANARY == seen / 3


@pytest.mark.parametrize(
    ("make", "keeps"),
    [
        (images, "inputs"),
        (observables, "inputs"),
        (lambda study, **changes: study(representation=ParticleList(), **changes), "objects"),
        (lambda study, **changes: study(representation=Padded(), scaling=None, **changes), "objects"),
    ],
)
def test_what_is_kept(study, make, keeps):
    assert prepared(make(study)).keeps == keeps
    assert prepared(make(study, cache_bytes=0)).keeps is None


def test_what_is_small_is_kept_where_jets_are_too_large(study):
    """Three observables of 500 jets are 6 kB, their constituents ten times as much."""
    assert prepared(observables(study, cache_bytes=10_000)).keeps == "inputs"
    assert prepared(study(cache_bytes=10_000)).keeps is None
