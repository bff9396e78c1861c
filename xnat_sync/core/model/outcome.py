"""What became of a plan."""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xnat_sync.core.model.changes import Change

REPORT_FORMAT = 1


class Status(enum.Enum):
    """How one change ended."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    """It turned out to be done already."""
    FAILED = "failed"
    BLOCKED = "blocked"
    """Not tried, since something that it lies below failed, or with a delete by ``prune`` anything else."""
    REFUSED = "refused"
    """Not tried, since a guard forbids it."""
    CANCELLED = "cancelled"
    """Not tried, or given up, since the run was interrupted."""


class Failure(enum.Enum):
    """Why a change failed, as far as the exit status cares."""

    LOGIN = "login"
    """The login is not, or no longer, valid: nothing further can succeed."""
    RIGHT = "right"
    """The account may not do it."""
    SERVER = "server"
    """Server or network; trying again may help."""
    GONE = "gone"
    """The server does not answer any more: nothing further can succeed."""
    GUARD = "guard"
    """A guard of this program forbids it."""
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one change of a plan ended; ``message`` says why, where it is not plainly done.

    ``md5`` is the digest of a file's bytes as they were read while it was sent.
    """

    change: Change
    status: Status
    message: str = ""
    failure: Failure | None = None
    bytes_sent: int = 0
    md5: str | None = None

    def to_data(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "ref": str(self.change.ref),
            "action": self.change.action.value,
            "status": self.status.value,
            "message": self.message,
            "failure": self.failure.value if self.failure else None,
            "bytes_sent": self.bytes_sent,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a whole plan ended: one outcome for each change, in the plan's order."""

    project: str
    plan_fingerprint: str
    outcomes: tuple[Outcome, ...]
    seconds: float = 0.0
    interrupted: bool = False
    warnings: tuple[str, ...] = ()
    run: str = ""
    """The name of the run's record, if one was kept."""

    @property
    def counts(self) -> Mapping[Status, int]:
        """How many outcomes of each status, every status present."""
        found = Counter(outcome.status for outcome in self.outcomes)
        return {status: found[status] for status in Status}

    @property
    def ok(self) -> bool:
        """Whether every change is done."""
        return all(outcome.status in (Status.APPLIED, Status.UNCHANGED) for outcome in self.outcomes)

    @property
    def bytes_sent(self) -> int:
        """The bytes of all files that were sent."""
        return sum(outcome.bytes_sent for outcome in self.outcomes)

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """The outcomes that failed by themselves, not those that were blocked or cancelled."""
        return tuple(outcome for outcome in self.outcomes if outcome.status is Status.FAILED)

    def to_data(self) -> dict[str, Any]:
        """Plain JSON values, described by ``schemas/report.v1.json``."""
        return {
            "format_version": REPORT_FORMAT,
            "project": self.project,
            "run": self.run,
            "plan_fingerprint": self.plan_fingerprint,
            "ok": self.ok,
            "interrupted": self.interrupted,
            "seconds": round(self.seconds, 3),
            "bytes_sent": self.bytes_sent,
            "counts": {status.value: count for status, count in self.counts.items()},
            "warnings": list(self.warnings),
            "outcomes": [outcome.to_data() for outcome in self.outcomes],
        }
