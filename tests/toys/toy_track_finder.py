"""A small track finder, taught in a second: an interaction network that sees no azimuth but only their differences."""

import tempfile
from functools import cache
from pathlib import Path

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

import cortado
from cortado import bundle
from cortado.models import InteractionNetwork
from cortado.representations.window_fit import fitted
from cortado.simulation.hits import simulate_hits
from cortado.tasks import ClassifyEdges

ARGUMENTS = {"hidden": 12}
ERRORS = cortado.reconstruction.HitErrors(transverse=0.05, longitudinal=0.1, radial=0.1)


def write_hits(path, events, seed, mu=0.0):
    """A file of the compact simulation."""
    return simulate_hits(path, events=events, mu=mu, seed=seed, workers=1).path


@cache
def events_of(events=12, seed=2, mu=0.0):
    """Record of the compact simulation."""
    with tempfile.TemporaryDirectory() as folder:
        return cortado.read(write_hits(Path(folder) / "hits.root", events, seed, mu))


@cache
def network_and_graph():
    """Taught edges that are true in 85 % of all cases."""
    events = events_of(8, seed=1)
    graph = fitted(events, keep=0.97, bends=False)
    inputs = graph(events)
    joined = torch.as_tensor(ClassifyEdges().target(events, None, inputs).joined)
    nodes, edge_index, features = map(torch.as_tensor, inputs)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = InteractionNetwork(**ARGUMENTS)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(60):
        look_away(network)
        optimizer.zero_grad()
        binary_cross_entropy_with_logits(network(nodes, edge_index, features), joined).backward()
        optimizer.step()
    look_away(network)
    return network.eval(), graph


@torch.no_grad()
def look_away(network):
    """Make a network blind to the azimuths of hits."""
    network.interaction.relation[0].weight[:, [1, 4]] = 0
    network.interaction.object[0].weight[:, 1] = 0


def save_track_finder(path, *, bias=0.0):
    """Write the bundle of the finder; by a bias of its logits it accepts more edges, or less."""
    network, graph = network_and_graph()
    changed = InteractionNetwork(**ARGUMENTS)
    changed.load_state_dict(network.state_dict())
    with torch.no_grad():
        changed.last[-1].bias += bias
    chain = bundle.Bundle(
        representation=graph,
        model=changed.eval(),
        arguments=ARGUMENTS,
        use=ClassifyEdges().use(graph, network),
    )
    return bundle.save(chain, path, canary=events_of(8, seed=1)[:2])
