"""Ready-made coffea processors, and one function that runs any processor on any of coffea's executors.

The processors hold scorers, not networks: a scorer pickles as a path and a checksum, and each worker process
loads the network once, however many chunks it is given. Nor need a processor be ours: any `ProcessorABC` that
holds scorers runs in the same way.

Example:
    fileset = {"qcd": {"files": {"nano.root": "Events"}}}
    taggers = {"ParticleNet": cortado.load("w_tagger.cortado")}
    output = cortado.processors.run(fileset, cortado.processors.TaggingProcessor(taggers))
    output["mass"][{"tagger": "ParticleNet", "region": "pass"}]
"""

from __future__ import annotations

from cortado.cluster import EXECUTORS, require_executor
from cortado.processors.bookkeeping import generator_weights
from cortado.processors.report import Attempt, Chunk
from cortado.processors.running import NanoAOD, attempt, run
from cortado.processors.search import SearchProcessor
from cortado.processors.showers import ShowerProcessor
from cortado.processors.tagging import TaggingProcessor
from cortado.processors.tracking import TrackingProcessor
from cortado.processors.vertexing import VertexingProcessor

__all__ = [
    "EXECUTORS",
    "Attempt",
    "Chunk",
    "NanoAOD",
    "SearchProcessor",
    "ShowerProcessor",
    "TaggingProcessor",
    "TrackingProcessor",
    "VertexingProcessor",
    "attempt",
    "generator_weights",
    "require_executor",
    "run",
]
