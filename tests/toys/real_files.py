"""Real files of CMS, each opened once in a process: the header of a wide one takes a second or two."""

from functools import cache

import uproot


@cache
def tree_of(path):
    """The tree `Events` of a file."""
    return uproot.open(path)["Events"]


def columns_of(path, dialect, *more):
    """Branches that a dialect uses, and more of them, as plain arrays."""
    tree = tree_of(path)
    return tree.arrays([*dialect.branches(tree.keys()), *more])
