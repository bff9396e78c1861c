"""Who works on a project: the content of a lock, as a value."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from math import isfinite

STALE_SECONDS = 30 * 60.0
"""A holder that has not been heard of for so long is held to be dead."""
_LONGEST = 200
_PIDS = 1 << 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """One run that holds a lock. ``machine`` says where ``pid`` means anything; times are seconds since 1970."""

    run: str
    user: str
    host: str
    machine: str
    pid: int
    since: float
    seen: float

    def to_text(self) -> str:
        """One JSON object."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Holder | None:
        """The inverse of `to_text`; ``None`` for anything else, since others can write it too."""
        try:
            data = json.loads(text)
            words = {name: str(data[name])[:_LONGEST] for name in ("run", "user", "host", "machine")}
            found = cls(**words, pid=int(data["pid"]), since=float(data["since"]), seen=float(data["seen"]))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None
        sound = isfinite(found.since) and isfinite(found.seen) and 0 < found.pid < _PIDS
        return found if sound else None

    def words(self, now: float) -> str:
        """Who that is, for people: ``alice on pc7, for 12 min (run 2024…)``."""
        minutes = max(0, round((now - self.since) / 60))
        return f"{self.user} on {self.host}, for {minutes} min (run {self.run})"

    def is_stale(self, now: float) -> bool:
        """Whether it has not been heard of for too long. A clock that is ahead of ours is never stale."""
        return now - self.seen > STALE_SECONDS
