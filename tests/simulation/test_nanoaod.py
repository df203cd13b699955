import awkward as ak
import numpy as np
import pytest
import uproot
from real_files import tree_of

pytest.importorskip("pythia8mc", reason="needs Pythia and FastJet (extra `sim`)", exc_type=ImportError)

from cortado import kinematics
from cortado.simulation.clustering import anti_kt
from cortado.simulation.detector import particle_flow
from cortado.simulation.gen_jets import gen_jets
from cortado.simulation.gen_particles import hard_process
from cortado.simulation.nanoaod import collections


def test_links_against_loops(pythia_events):
    """Slow twin: the candidates that a link reaches are those that the jet was made of."""
    particles = pythia_events("qcd")
    candidates = particle_flow(particles, np.random.default_rng(5))
    jets = anti_kt(candidates)
    stored = collections(jets, candidates, hard_process(particles), gen_jets(particles))
    for i in range(len(particles)):
        assert sorted(stored["FatJetPFCand"][i].pfCandIdx) == list(range(len(stored["PFCand"][i])))
        for k, jet in enumerate(jets[i]):
            links = stored["FatJetPFCand"][i]
            linked = stored["PFCand"][i][links.pfCandIdx[links.jetIdx == k]]
            assert linked.to_list() == candidates[i][jet.candidate].to_list()
            assert stored["FatJet"][i].nConstituents[k] == len(linked)


def test_a_byte_saturates():
    n = 300
    eta = np.linspace(-0.3, 0.3, n)
    zeros = np.zeros(n, np.float32)
    columns = {"pt": zeros + 1, "eta": eta, "phi": 0.3 * np.sin(50 * eta), "mass": zeros}
    candidates = ak.unflatten(ak.zip(columns), [n])
    jets = anti_kt(candidates)
    stored = collections(jets, candidates, ak.Array([[]]), jets[:, :0])
    assert stored["FatJet"].nConstituents.to_list() == [[255]]
    assert ak.num(stored["PFCand"]).to_list() == [n]


@pytest.mark.parametrize("process", ["wprime", "qcd"])
def test_stored_constituents_sum_to_the_stored_jets(samples, process):
    sample = samples(process)
    jets, candidates = sample.collection("FatJet"), sample.collection("PFCand")
    links = sample.collection("FatJetPFCand")
    linked = candidates[links.pfCandIdx]
    px, py, _ = kinematics.momentum(linked.pt, linked.eta, linked.phi)
    own = links.jetIdx[:, None, :] == ak.local_index(jets.pt)[:, :, None]
    px, py = (ak.sum(ak.where(own, ak.values_astype(p[:, None, :], float), 0), axis=-1) for p in (px, py))
    assert ak.max(abs(np.hypot(px, py) / jets.pt - 1)) < 1e-6
    assert ak.all(ak.sum(own, axis=-1) == jets.nConstituents)


def test_branches_have_the_types_of_cms(samples, test_data):
    cms = {name: branch.typename for name, branch in tree_of(test_data / "jets" / "nano_tt_v15.root").items()}
    with uproot.open(samples("wprime").summary.path) as file:
        ours = {name: branch.typename for name, branch in file["Events"].items()}
    added = {"PFCand_charge", "PFCand_d0", "PFCand_d0Err", "PFCand_dz", "PFCand_dzErr"}  # as in PFNano
    assert set(ours) - set(cms) == added
    assert {name: ours[name] for name in set(ours) - added} == {name: cms[name] for name in set(ours) - added}
