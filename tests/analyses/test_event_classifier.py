"""Events of open data by columns: classes by file, a TTree and an RNTuple in one training, out-of-fold scores."""

from functools import partial

import awkward as ak
import numpy as np

from cortado import metrics, models, reading, scoring, training
from cortado.readers import Mapping
from cortado.representations import Columns
from cortado.splits import Split
from cortado.tasks import Classify, of_sample
from cortado.training import Objects, Recipe, Study

MUONS = Mapping(collections={"muons": {name: f"Muon_{name}" for name in ("pt", "eta", "phi", "mass", "charge")}})
FEATURES = ("num(muons)", *(f"muons.{name}[{place}]" for place in (0, 1) for name in ("pt", "eta", "charge")))
STREAMS = {
    "single": "Run2012B_SingleMu_1000.root",
    "double": "Run2012BC_DoubleMuParked_Muons_1000evts_rntuple_v1-0-0-0.root",
}


def test_streams_of_open_data_are_told_apart_out_of_fold(test_data, tmp_path):
    paths = {name: test_data / "physics" / file for name, file in STREAMS.items()}
    study = Study(
        name="streams",
        objects=Objects(
            files=tuple(paths.values()),
            dialect=MUONS,
            collection="events",
            samples={name: str(path) for name, path in paths.items()},
            split=Split(validation=0.2, test=0.0, seed=1),
            folds=2,
        ),
        representation=Columns(features=FEATURES, missing=0.0),
        scaling="quantiles",
        model=partial(models.MLP, features=len(FEATURES), hidden=(16,)),
        task=Classify(classes={name: of_sample(name) for name in STREAMS}, signal="double"),
        recipe=Recipe(epochs=4, batch_size=64, learning_rate=1e-2, workers=0),
    )
    training.train_folds(study, tmp_path, accelerator="cpu", progress=False)
    scorer = scoring.folds(sorted(tmp_path.glob("fold*/streams.cortado")))
    events = {name: reading.read(path, dialect=MUONS) for name, path in paths.items()}
    scores = {name: ak.to_numpy(scorer(each)) for name, each in events.items()}
    assert {name: len(each) for name, each in scores.items()} == dict.fromkeys(STREAMS, 1000)
    is_double = np.repeat([False, True], 1000)
    curve = metrics.roc(is_double, np.concatenate([scores["single"], scores["double"]]))
    of_number = metrics.roc(is_double, np.concatenate([ak.to_numpy(ak.num(each.muons)) for each in events.values()]))
    assert curve.auc.value > of_number.auc.value > 0.8  # it has learned more than to count
