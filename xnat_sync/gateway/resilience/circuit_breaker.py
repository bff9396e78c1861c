"""What the workers of one run know together of the server: how often it may be asked again, and whether it is there."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import GatewayError, ServerGone, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

_NOBODY_BEHIND = (502, 503, 504)
"""What a proxy answers whose XNAT is down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endurance:
    """How much trouble a run stands.

    It may ask again ``tries`` times in a row; each good answer earns a part of a try back, so that a long run over a
    bad line goes on, and ten thousand failures do not wait each. After ``alarm`` failures in a row without any answer,
    over all workers, the server is suspected to be gone: then everybody waits for it, up to ``patience`` seconds.
    """

    tries: int = 100
    earned: float = 0.2
    alarm: int = 10
    patience: float = 180.0


def is_silence(error: GatewayError) -> bool:
    """Whether an error says nothing of the request, but that no XNAT answered it."""
    return isinstance(error, Unreachable) or error.status in _NOBODY_BEHIND


class Health:
    """The state of one run's server, fed by all its workers.

    Until the first answer nobody waits for the server: its address may be wrong.
    """

    def __init__(self, endurance: Endurance | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._endurance = endurance or Endurance()
        self._clock = clock
        self._lock = threading.Lock()
        self._tries = float(self._endurance.tries)
        self._was_there = False
        self._silences = 0
        self._silent_since = 0.0
        self._gone: str = ""

    def answered(self) -> None:
        """A call got its answer."""
        with self._lock:
            self._tries = min(self._endurance.tries, self._tries + self._endurance.earned)
            self._was_there = True
            self._silences = 0

    def failed(self, error: GatewayError) -> None:
        """A call failed."""
        with self._lock:
            if not is_silence(error):
                self._was_there = True
                self._silences = 0
                return
            if not self._silences:
                self._silent_since = self._clock()
            self._silences += 1

    def may_try_again(self) -> bool:
        """Take one try from the run's budget; false if none is left."""
        with self._lock:
            if self._tries < 1:
                return False
            self._tries -= 1
            return True

    @property
    def is_suspect(self) -> bool:
        """Whether so many calls in a row got no answer that it is the server, not the call."""
        return self._was_there and self._silences >= self._endurance.alarm

    def check(self) -> None:
        """Do not bother a server that is gone.

        Raises:
            ServerGone: it did not answer anybody for as long as the run is patient; it stays so to the end of the run.

        """
        with self._lock:
            silent = self._clock() - self._silent_since
            if self.is_suspect and silent > self._endurance.patience and not self._gone:
                self._gone = f"the server has not answered for {silent:.0f} s"
            if self._gone:
                raise ServerGone(self._gone)
