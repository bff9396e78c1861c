"""Everything that can go wrong, as data.

    XnatSyncError
      ManifestError (problems)        the manifest or the local files are not valid; nothing was sent
      UsageError                      the command line or the settings do not say enough
      LocalFileError (ref, path)      a local file is gone, unreadable or changed while it was read
      PlanError (plan)                a guard refuses
        PlanConflict                  manifest and server contradict each other
        UnsafePlan                    deletes that nobody allowed
          TooManyDeletes              more of them than allowed
        MissingRight                  the account may not do all of it
        StalePlan                     the server moved since the plan was made
        Locked                        another run is working on the project
        Unconfirmed                   nobody said yes
      GatewayError (ref, status)
        Unreachable ServerFault Throttled                  trying again may help
          ServerGone                    it did not, for long, for nobody
        NotAuthenticated Forbidden NotFound AlreadyExists Rejected UnexpectedReply
      IntegrityError (ref)            the server holds something else than what was sent

Exceptions carry data; sentences for people are made from them in one place.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xnat_sync.core.model.refs import Ref


class Severity(enum.Enum):
    """How bad a problem is: an error stops everything, a warning is shown, an info is counted."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Origin(NamedTuple):
    """Where a user wrote something: file, line and column from 1, and the keys and indices that lead there.

    A tuple, because everything in a study has one, and few are ever told.
    """

    file: str
    line: int
    column: int
    path: tuple[str | int, ...] = ()
    excerpt: str = ""

    @property
    def pointer(self) -> str:
        """The path as a JSON pointer (RFC 6901)."""
        return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in self.path)

    def to_data(self) -> dict[str, object]:
        """Plain JSON values."""
        return {"file": self.file, "line": self.line, "column": self.column, "pointer": self.pointer}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong: a rule id, a sentence, what to do about it, and where it was written."""

    rule: str
    summary: str
    hint: str = ""
    severity: Severity = Severity.ERROR
    origin: Origin | None = None
    ref: Ref | None = None

    def to_data(self) -> dict[str, object]:
        """Plain JSON values."""
        return {
            "rule": self.rule,
            "severity": self.severity.value,
            "summary": self.summary,
            "hint": self.hint,
            "origin": self.origin.to_data() if self.origin else None,
            "ref": str(self.ref) if self.ref else None,
        }


class XnatSyncError(Exception):
    """The root of every error that this package raises on purpose."""


class UsageError(XnatSyncError):
    """The command line, or the settings around it, do not say what to do."""


class ManifestError(XnatSyncError):
    """The manifest or the local data are not valid; ``problems`` has all of them."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"{len(self.problems)} problems")


class LocalFileError(XnatSyncError):
    """A local file cannot be sent as planned: gone, unreadable, or not what it was."""

    def __init__(self, message: str, *, path: str) -> None:
        self.path = path
        super().__init__(message)


class PlanError(XnatSyncError):
    """A guard refuses to carry a plan out; ``refs`` are the objects that it is about."""

    def __init__(self, message: str, *, refs: Iterable[Ref] = ()) -> None:
        self.refs = tuple(refs)
        super().__init__(message)


class PlanConflict(PlanError):
    """The manifest and the server contradict each other in a way that no change can mend."""


class UnsafePlan(PlanError):
    """The plan deletes, and deleting was not allowed."""


class TooManyDeletes(UnsafePlan):
    """The plan deletes more than was allowed."""


class MissingRight(PlanError):
    """The account is known to lack a right that the plan needs."""


class StalePlan(PlanError):
    """The server is no longer as it was when the plan was made."""


class Locked(PlanError):
    """Another run is working on the project."""


class Unconfirmed(PlanError):
    """Nobody confirmed the plan."""


class GatewayError(XnatSyncError):
    """The server, or the road to it, did not do what was asked."""

    retryable = False
    retry_after: float | None = None
    """The seconds that the server asks to wait before the next try (`Retry-After`), if it asks."""

    def __init__(self, message: str, *, ref: Ref | None = None, status: int | None = None) -> None:
        self.ref = ref
        self.status = status
        super().__init__(message)


class Unreachable(GatewayError):
    """No answer: connection refused, reset, timed out, or cut off."""

    retryable = True


class ServerGone(Unreachable):
    """The server has not answered anybody for so long that the run gives up."""

    retryable = False


class ServerFault(GatewayError):
    """The server failed: an answer of the 500s."""

    retryable = True


class Throttled(GatewayError):
    """The server asks for patience: 429 or 503."""

    retryable = True


class NotAuthenticated(GatewayError):
    """The login was refused or is no longer valid."""


class Forbidden(GatewayError):
    """The account lacks a right: 403, or a success that stored nothing."""


class NotFound(GatewayError):
    """The object, or a parent of it, does not exist or may not be seen: 404."""


class AlreadyExists(GatewayError):
    """Something of that name is there already: 409."""


class Rejected(GatewayError):
    """The server refuses the content of the request: any other answer of the 400s."""


class UnexpectedReply(GatewayError):
    """An answer that the contract does not know, e.g. a success with an empty body where a listing was asked for."""


class IntegrityError(XnatSyncError):
    """What the server holds after an upload is not what was sent."""

    def __init__(self, message: str, *, ref: Ref) -> None:
        self.ref = ref
        super().__init__(message)
