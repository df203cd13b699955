"""Worker processes that do not outlive the process that started them.

A pool ends its workers, but who is killed ends nothing, and an interrupt may miss a worker that is just starting.
"""

from __future__ import annotations

import os
import threading
import time

_SECONDS = 1.0  # between looks at the parent


def end_with(parent: int) -> None:
    """In a worker: end this process soon after its parent, whatever it is doing. Does nothing on Windows.

    Args:
        parent: Process id of the parent, `os.getpid()` where the workers are started.
    """
    if os.name == "posix":
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS)
    os._exit(1)
