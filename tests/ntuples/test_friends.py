"""Friend trees: columns come back beside their entries, and a friend of other entries is refused."""

import awkward as ak
import numpy as np
import pytest

from cortado import ntuples
from cortado.ntuples import ENTRY_KEY

ENTRIES = 20


def keys(start=0, stop=ENTRIES):
    event = np.arange(start, stop)
    return {"run": np.full(len(event), 3), "luminosityBlock": event // 5, "event": 1000 + event}


@pytest.fixture
def main_file(tmp_path):
    ntuples.write(tmp_path / "main.root", "Events", [keys(0, 8), keys(8)])
    return tmp_path / "main.root"


def scores(start=0, stop=ENTRIES):
    return {"FatJet_score": ak.unflatten(np.arange(start, stop) * 0.5, np.ones(stop - start, int))}


def test_columns_are_read_beside_the_main_tree(main_file, tmp_path):
    ntuples.write_friend(tmp_path / "friend.root", "Friends", [keys() | scores()])
    for step in ntuples.steps(main_file, size=7):
        beside = ntuples.friend(step, tmp_path / "friend.root", ["FatJet_score"])
        assert beside.fields == ["FatJet_score"]
        assert beside.FatJet_score[:, 0].tolist() == [0.5 * entry for entry in range(step.start, step.stop)]


def test_trees_without_event_numbers_are_aligned_by_the_entry(main_file, tmp_path):
    chunks = [{"entry": np.arange(ENTRIES)} | scores()]
    ntuples.write_friend(tmp_path / "friend.root", "Friends", chunks, keys=ENTRY_KEY)
    step = ntuples.Step(str(main_file), "Events", 4, 9)
    for keys_or_none in (ENTRY_KEY, None):  # a tree of entries says so itself
        beside = ntuples.friend(step, tmp_path / "friend.root", ["FatJet_score"], keys=keys_or_none)
        assert beside.FatJet_score[:, 0].tolist() == [2, 2.5, 3, 3.5, 4]
    ntuples.write_friend(tmp_path / "both.root", "Friends", [keys(1, ENTRIES + 1) | chunks[0]])
    with pytest.raises(ValueError, match=r"entry 4 is run 3, .*event 1004 in"):  # numbers of events tell more
        ntuples.friend(step, tmp_path / "both.root", ["FatJet_score"])


def test_a_shifted_friend_names_the_first_entry(main_file, tmp_path):
    shuffled = {name: column[np.r_[0:9, 10, 9, 11:ENTRIES]] for name, column in keys().items()}
    ntuples.write_friend(tmp_path / "friend.root", "Friends", [shuffled | scores()])
    message = (
        "entry 9 is run 3, luminosityBlock 1, event 1009 in .*main.root, but "
        "run 3, luminosityBlock 2, event 1010 in .*friend.root; 2 of 12 entries differ"
    )
    with pytest.raises(ValueError, match=message):
        ntuples.friend(ntuples.Step(str(main_file), "Events", 8, 20), tmp_path / "friend.root", ["FatJet_score"])


@pytest.mark.parametrize("step", [(0, 20), (0, 5), (12, 16), (16, 20)])
def test_a_friend_that_lacks_the_last_entries(main_file, tmp_path, step):
    ntuples.write_friend(tmp_path / "friend.root", "Friends", [keys(0, 15) | scores(0, 15)])
    with pytest.raises(ValueError, match=r"friend.root has 15 entries, .*main.root has 20"):
        ntuples.friend(ntuples.Step(str(main_file), "Events", *step), tmp_path / "friend.root", ["FatJet_score"])


def test_a_friend_that_lacks_an_entry_in_the_middle(main_file, tmp_path):
    present = np.delete(np.arange(ENTRIES), 6)
    chunk = {name: column[present] for name, column in (keys() | scores()).items()}
    ntuples.write_friend(tmp_path / "friend.root", "Friends", [chunk])
    with pytest.raises(ValueError, match=r"entry 6 is .*event 1006 in .*, but .*event 1007"):
        ntuples.friend(ntuples.steps(main_file)[0], tmp_path / "friend.root", ["FatJet_score"])


def test_a_friend_without_its_keys_is_not_written(tmp_path):
    with pytest.raises(KeyError, match="chunk 0 lacks the key 'luminosityBlock'; nearest: lumiBlock"):
        ntuples.write_friend(tmp_path / "f.root", "Friends", [{"run": [1], "lumiBlock": [1], "event": [1]}])
    assert list(tmp_path.iterdir()) == []


def test_missing_column(main_file, tmp_path):
    ntuples.write_friend(tmp_path / "friend.root", "Friends", [keys() | scores()])
    with pytest.raises(KeyError, match=r"no branch 'FatJet_scores' in tree 'Friends' of .*; nearest: FatJet_score"):
        ntuples.friend(ntuples.steps(main_file)[0], tmp_path / "friend.root", ["FatJet_scores"])


def test_check_aligned_of_arrays():
    main = ak.Array({"event": [1, 2, 3]})
    ntuples.check_aligned(main, main, ["event"])
    with pytest.raises(ValueError, match="entry 12 is event 3 in main, but event 4 in friend; 1 of 3 entries differ"):
        ntuples.check_aligned(main, ak.Array({"event": [1, 2, 4]}), ["event"], start=10)
    with pytest.raises(ValueError, match="3 entries in main, 2 in friend"):
        ntuples.check_aligned(main, main[:2], ["event"])
