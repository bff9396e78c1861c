"""Carry a plan out, after a stored one was held against the server as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import StalePlan
from xnat_sync.core.model.outcome import Status
from xnat_sync.core.planning.prune import withheld
from xnat_sync.core.planning.stale_plan import asked_of, joined, reduced, settled
from xnat_sync.engine.execute import Execution
from xnat_sync.engine.pool import open_pool
from xnat_sync.gateway.read_only import ReadOnly
from xnat_sync.guards.backup import back_up
from xnat_sync.guards.plan_checks import check_safe
from xnat_sync.usecases.options import Options, read_server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xnat_sync.core.model.changes import Plan
    from xnat_sync.core.model.outcome import Outcome, Report
    from xnat_sync.core.model.refs import Ref
    from xnat_sync.gateway.port import GatewayFactory


def check_fresh(difference: Plan, connect: GatewayFactory, options: Options | None = None) -> Mapping[Ref, Outcome]:
    """Hold a stored plan against the server as it is now: the changes that are done already, or overtaken.

    They are for `apply`, which leaves them alone and reports them.

    Raises:
        StalePlan: with the refs that moved, if nothing is left to do but what is overtaken.

    """
    remote = read_server(difference.project, asked_of(difference), connect, options or Options(), difference.policy)
    found = settled(difference, remote)
    refused = [ref for ref, outcome in found.items() if outcome.status is Status.REFUSED]
    if refused and len(found) == len(difference.changes):
        raise StalePlan("the server moved since the plan was made; plan again", refs=refused)
    return found


def apply(
    difference: Plan,
    connect: GatewayFactory,
    options: Options | None = None,
    known: Mapping[Ref, Outcome] | None = None,
) -> Report:
    """Carry a plan out, after every file that may be damaged was read whole. What fails is in the report.

    Changes whose outcome is ``known`` (`check_fresh`) are left alone.

    Raises:
        PlanConflict, UnsafePlan, MissingRight: as `check_safe`.
        ManifestError, LocalFileError: as `LocalBytes.sound`; nothing was sent.

    """
    options, known = options or Options(), dict(known or {})
    left = reduced(difference, known)
    check_safe(left, allow_delete=options.allow_delete, max_delete=options.max_delete)
    left = options.bytes.sound(left)
    if options.backup:
        options.listener.reading("keeping what will be replaced or deleted")
        with open_pool(lambda: ReadOnly(connect()), options.jobs) as reading:
            known |= back_up(left, options.backup, reading)
    known |= withheld(reduced(left, known).changes, known.values())
    left = reduced(left, known)
    for outcome in known.values():
        options.listener.finished(outcome)
    watched = options.bytes.watched(left)
    with open_pool(connect, options.jobs) as pool:
        report = Execution(
            plan=left,
            pool=pool,
            width=options.jobs,
            reason=options.reason,
            listener=options.listener,
            stop=options.stop,
        ).run()
    options.bytes.remember(report, watched)
    return joined(difference, report, known)
