"""The exit status of everything, in one table."""

from __future__ import annotations

import enum

from xnat_sync.core.model import errors
from xnat_sync.core.model.outcome import Failure, Report, Status


class Exit(enum.IntEnum):
    """What the exit status says, for every command alike."""

    DONE = 0
    UNEXPECTED = 1
    DIFFERENCES = 2
    NOT_VALID = 3
    NO_RIGHT = 4
    SERVER = 5
    PARTLY = 6
    REFUSED = 7
    USAGE = 64
    INTERRUPTED = 130


BY_ERROR: dict[type[errors.XnatSyncError], Exit] = {
    errors.UsageError: Exit.USAGE,
    errors.ManifestError: Exit.NOT_VALID,
    errors.LocalFileError: Exit.NOT_VALID,
    errors.PlanError: Exit.REFUSED,
    errors.MissingRight: Exit.NO_RIGHT,
    errors.GatewayError: Exit.SERVER,
    errors.NotAuthenticated: Exit.NO_RIGHT,
    errors.Forbidden: Exit.NO_RIGHT,
    errors.IntegrityError: Exit.PARTLY,
}
"""Error classes and what they mean; the nearest base class counts."""


def exit_of_error(error: errors.XnatSyncError) -> Exit:
    """The exit status that an error ends with."""
    return next((BY_ERROR[kind] for kind in type(error).__mro__ if kind in BY_ERROR), Exit.UNEXPECTED)


def exit_of_report(report: Report) -> Exit:
    """The exit status of a run: why nothing at all was done, or that some of it was not."""
    if report.interrupted:
        return Exit.INTERRUPTED
    if report.ok:
        return Exit.DONE
    if any(outcome.failure is Failure.GONE for outcome in report.outcomes):
        return Exit.SERVER
    if report.counts[Status.APPLIED]:
        return Exit.PARTLY
    reasons = {outcome.failure for outcome in report.outcomes if outcome.failure}
    if reasons and reasons <= {Failure.LOGIN, Failure.RIGHT}:
        return Exit.NO_RIGHT
    if reasons == {Failure.SERVER}:
        return Exit.SERVER
    return Exit.REFUSED if reasons == {Failure.GUARD} else Exit.PARTLY
