"""What counts as success: judge a change by what the server holds afterwards, not by what it answered.

XNAT answers 200 to an upload that it did not store, and drops attributes that it does not understand without a word.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import Forbidden, GatewayError, NotAuthenticated, ServerGone, XnatSyncError
from xnat_sync.core.model.outcome import Failure, Outcome, Status
from xnat_sync.core.model.policy import SyncPolicy
from xnat_sync.core.model.state import FileSpec, ObjectSpec, RemoteFile, RemoteObject
from xnat_sync.core.planning.planner import ON_DISK, compare_file, compare_object

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xnat_sync.core.model.changes import Change, FieldDiff


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What is known of one file's upload: the digest of the bytes as they were read, and what went wrong."""

    md5: str | None = None
    kept: bool = False
    """The server said that a file of that name existed, and that it left it alone."""
    error: XnatSyncError | None = None
    overwrites: bool = False
    """Whether it may have damaged what an earlier try of the same request had stored and listed."""


def failed(change: Change, error: XnatSyncError) -> Outcome:
    """The outcome of a change that an error ended."""
    return Outcome(change=change, status=Status.FAILED, message=str(error), failure=failure_of(error))


def failure_of(error: XnatSyncError) -> Failure:
    """What an error means for the exit status."""
    if isinstance(error, NotAuthenticated):
        return Failure.LOGIN
    if isinstance(error, Forbidden):
        return Failure.RIGHT
    if isinstance(error, ServerGone):
        return Failure.GONE
    if isinstance(error, GatewayError) and error.retryable:
        return Failure.SERVER
    return Failure.OTHER


def judge_upload(change: Change, attempt: Attempt, held: RemoteFile | None) -> Outcome:
    """How an upload ended, by the listing made after it.

    A reply that got lost is no failure if the file is there; a reply of 200 is no success if it is not. But where only
    the disk was wrong, the listing was right before.
    """
    spec = change.wanted
    if not isinstance(spec, FileSpec):
        raise TypeError("an upload without a file")
    if held is None:
        return failed(change, attempt.error or Forbidden(_NOT_STORED, ref=change.ref))
    if attempt.error and change.diffs and all(diff.name == ON_DISK for diff in change.diffs):
        return failed(change, attempt.error)
    sent = replace(spec, md5=attempt.md5 or spec.md5)
    if held.md5 is not None and sent.md5 is None:
        return failed(change, attempt.error or GatewayError("the upload did not finish", ref=change.ref))
    diffs = compare_file(sent, held, SyncPolicy())
    if not diffs:
        note = "" if held.md5 else _SIZE_ONLY
        if attempt.kept:
            message = note or "the server had it already"
            return Outcome(change=change, status=Status.UNCHANGED, message=message, md5=attempt.md5)
        return Outcome(change=change, status=Status.APPLIED, message=note, bytes_sent=spec.size, md5=attempt.md5)
    if attempt.error:
        return failed(change, attempt.error)
    what = "another file of that name appeared on the server" if attempt.kept else "the server holds something else"
    return Outcome(change=change, status=Status.FAILED, message=f"{what}: {_differences(diffs)}", failure=Failure.OTHER)


def judge_refresh(change: Change, attempt: Attempt, held: RemoteFile | None) -> Outcome:
    """How it ended that the server was to compute a file's digest, by the listing made after it."""
    spec = change.wanted
    if not isinstance(spec, FileSpec):
        raise TypeError("a refresh without a file")
    if held is None:
        return failed(
            change, attempt.error or GatewayError("it has gone from the server; run again to send it", ref=change.ref)
        )
    diffs = compare_file(spec, held, SyncPolicy())
    if diffs:
        message = f"the server holds another file: {_differences(diffs)}; run again to replace it"
        return Outcome(change=change, status=Status.FAILED, message=message, failure=Failure.OTHER)
    if held.md5 is None and attempt.error:
        return failed(change, attempt.error)
    if held.md5 is None:
        return Outcome(change=change, status=Status.UNCHANGED, message=_SIZE_ONLY)
    return Outcome(change=change, status=Status.APPLIED)


_SIZE_ONLY = "size checked only: the server states no digest"
_NOT_STORED = (
    "the server answered success but did not store the file; XNAT does that when the account may not edit"
    " (project resources need an owner)"
)


def judge_object(outcome: Outcome, held: RemoteObject | None) -> Outcome:
    """Correct the outcome of a create or update by what reading the object back shows."""
    spec = outcome.change.wanted
    if outcome.status is not Status.APPLIED or not isinstance(spec, ObjectSpec):
        return outcome
    if held is None:
        message = "the server answered success but the object is not there"
    elif diffs := compare_object(spec, held):
        message = f"the server answered success but holds something else: {_differences(diffs)}"
    else:
        return outcome
    return replace(outcome, status=Status.FAILED, message=message, failure=Failure.OTHER)


def _differences(diffs: Iterable[FieldDiff]) -> str:
    return ", ".join(
        f"{diff.name} {diff.before or '(nothing)'} instead of {diff.after or '(nothing)'}" for diff in diffs
    )
