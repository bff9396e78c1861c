"""How a run is told to stop: once to finish what is running, twice to give it up."""

from __future__ import annotations

import time

_SLICE_SECONDS = 0.1


class Cancelled(Exception):
    """Raised inside a transfer that is given up."""


class Stop:
    """A request to stop, made from a signal handler and looked at by everything that runs."""

    def __init__(self) -> None:
        self._requests = 0

    def request(self) -> None:
        """Ask once more."""
        self._requests += 1

    @property
    def draining(self) -> bool:
        """Whether no new work may begin."""
        return self._requests > 0

    @property
    def now(self) -> bool:
        """Whether running work must be given up too."""
        return self._requests > 1

    def check(self) -> None:
        """Raise `Cancelled` if running work must be given up."""
        if self.now:
            raise Cancelled

    def pause(self, seconds: float) -> bool:
        """Sleep so long, but no longer than until the run is asked to stop; whether it is."""
        # In slices, since a signal handler must not touch the lock of a `threading.Event`.
        end = time.monotonic() + seconds
        while not self.draining and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _SLICE_SECONDS))
        return self.draining
