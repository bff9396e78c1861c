"""Which processor cores each end has: half for the server, half for its clients, as if they were two machines.

Where both share all of them, what a client computes is taken from the server, and a client that computes nothing wins.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
SERVER = CORES[: len(CORES) // 2] or CORES
CLIENTS = CORES[len(CORES) // 2 :] or CORES


@contextmanager
def running_on(cores: Sequence[int]) -> Iterator[None]:
    """Inside, what the calling thread starts runs on these cores; where the system cannot do that, anywhere."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
