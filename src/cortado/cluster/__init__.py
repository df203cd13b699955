"""Work spread over processes of this machine or of a cluster: any pool of Python's `concurrent.futures`.

A pool is opened by name (`iterative`, `futures`, `dask`, `parsl`), or it is one that you have. Results come as they
complete, so that whoever asked for them can keep each one before the next is there.
"""

from __future__ import annotations

from cortado.cluster.pools import EXECUTORS, opened, require_executor
from cortado.cluster.spreading import Done, spread

__all__ = ["EXECUTORS", "Done", "opened", "require_executor", "spread"]
