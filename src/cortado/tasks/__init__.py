"""What is learned: one task, one file.

A **task** stands in the study of a training and owns its target, its loss and its figures of merit. Its **use** is
what of it travels in the bundle: what the outputs of the network mean.

=====================  =====================================  ======================================================
task                   use                                    learns
=====================  =====================================  ======================================================
`Classify`             `Classes`                              which class an object is of
`ClassifyEdges`        `Edges`                                which edges of a graph of hits are pieces of a track
`Embed`                `Embedded`                             to place hits such that those of a track are near
`Follow`               `Followed`                             where the next hit of a particle will be
`Locate`               `Located`                              in which pixel of each layer of a detector a track is
`Pair`                 `Pairs`                                which constituents of an object belong together
`Reconstruct`          `Reconstructed`                        to reproduce normal objects: anomalies come out worse
`Regress`              `Numbers`                              numbers of an object, with or without their uncertainty
`EstimateDensity`      `Density`                              the density of numbers given others, to sample it
`Generate`             `Showers`                              to make objects, by a loss of the network's own
`GenerateAgainst`      `Showers`                              to make objects that a critic takes for real
`Fit`                  that of its inner task                 `Classify` or `FindAnomalies`, by an estimator of
                                                              scikit-learn
`Decorrelate`          that of its inner task                 another task, such that an adversary cannot tell bins of
                                                              a field, or simulation from data
`FindAnomalies`        `Anomaly`                              what is unlike the other objects; in `Fit` alone
=====================  =====================================  ======================================================

A bundle that monitors maps has the use `Watched`, which `monitoring.watching` puts in the place of `Reconstructed`.

A task of your own is a frozen dataclass with the attributes and methods of `Task`, and so is its use (`Use`).
"""

from __future__ import annotations

from cortado.tasks.anomaly import Anomaly, FindAnomalies
from cortado.tasks.classify import Classes, Classify, of_sample
from cortado.tasks.decorrelate import Decorrelate
from cortado.tasks.edges import ClassifyEdges, Edges
from cortado.tasks.embed import Embed, Embedded
from cortado.tasks.estimate_density import Density, EstimateDensity
from cortado.tasks.fit import Fit
from cortado.tasks.follow import Follow, Followed
from cortado.tasks.generate import Generate, GenerateAgainst, Showers
from cortado.tasks.locate import Locate, Located
from cortado.tasks.pair import Pair, Pairs
from cortado.tasks.reconstruct import Reconstruct, Reconstructed
from cortado.tasks.regress import Numbers, Regress
from cortado.tasks.task import Answers, Batch, Evaluation, Measured, Merit, Move, Rival, Task, Use
from cortado.tasks.watch import Watched

USES = (Anomaly, Classes, Density, Edges, Embedded, Followed, Located, Numbers, Pairs, Reconstructed, Showers, Watched)
"""What a bundle may name as its use."""

__all__ = [
    "USES",
    "Anomaly",
    "Answers",
    "Batch",
    "Classes",
    "Classify",
    "ClassifyEdges",
    "Decorrelate",
    "Density",
    "Edges",
    "Embed",
    "Embedded",
    "EstimateDensity",
    "Evaluation",
    "FindAnomalies",
    "Fit",
    "Follow",
    "Followed",
    "Generate",
    "GenerateAgainst",
    "Locate",
    "Located",
    "Measured",
    "Merit",
    "Move",
    "Numbers",
    "Pair",
    "Pairs",
    "Reconstruct",
    "Reconstructed",
    "Regress",
    "Rival",
    "Showers",
    "Task",
    "Use",
    "Watched",
    "of_sample",
]
