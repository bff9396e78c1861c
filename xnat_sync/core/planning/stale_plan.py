"""What became of a plan while nobody looked: which of its changes still stand, are done, or are overtaken.

A plan that was approved is carried out as it was approved, object by object. What the server has of itself come to say
as the plan wants it needs nothing any more; what has moved in another way is refused, with everything that lies in it,
since nobody has approved to change that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xnat_sync.core.model.changes import Action, Change, Plan
from xnat_sync.core.model.outcome import Failure, Outcome, Report, Status
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import DesiredState, ObjectSpec
from xnat_sync.core.planning.planner import desired_of, make_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from xnat_sync.core.model.state import RemoteState

_PRIVATE = "private"


def asked_of(plan: Plan) -> DesiredState:
    """What has to be read to hold a plan against the server: what it wants, and who may see a project that it makes."""
    desired = desired_of(plan)
    made = [change.ref for change in plan.of(Action.CREATE) if change.ref.level is Level.PROJECT]
    seen = {
        ref: replace(desired.objects[ref], fields={"accessibility": _PRIVATE, **desired.objects[ref].fields})
        for ref in made
    }
    return replace(desired, objects={**desired.objects, **seen})


def settled(plan: Plan, remote: RemoteState) -> Mapping[Ref, Outcome]:
    """The changes of a plan that need not or must not be carried out, since the server moved, with their outcomes."""
    if plan.of(Action.REFRESH):
        # What one file shows of the server's digests, a smaller listing may not.
        remote = replace(remote, keeps_digests=True)
    anew = make_plan(plan.project, desired_of(plan), remote, replace(plan.policy, only=()))
    now = {change.ref: change for change in anew.changes}
    then = {change.ref: change for change in plan.changes}
    moved = {ref for ref in now if now[ref] != then.get(ref)}
    moved |= {ref for ref in then.keys() - now.keys() if not _is_as_meant(then[ref], remote)}
    found: dict[Ref, Outcome] = {}
    for ref, change in then.items():
        overtaken = next((above for above in (ref, *ref.ancestors()) if above in moved), None)
        if overtaken:
            found[ref] = _refused(change, overtaken, now.get(overtaken))
        elif ref not in now:
            found[ref] = Outcome(change=change, status=Status.UNCHANGED, message="was so already")
    return found


def reduced(plan: Plan, without: Container[Ref]) -> Plan:
    """A plan without some of its changes."""
    left = tuple(change for change in plan.changes if change.ref not in without)
    lacks = tuple(replace(lack, refs=tuple(ref for ref in lack.refs if ref not in without)) for lack in plan.lacks)
    return replace(plan, changes=left, lacks=tuple(lack for lack in lacks if lack.refs))


def only(plan: Plan, wanted: Callable[[Ref], bool]) -> Plan:
    """The part of a plan that some refs ask for, with the creation of all that it lies in."""
    asked = {change.ref for change in plan.changes if wanted(change.ref)}
    above = {parent for ref in asked for parent in ref.ancestors()}
    made = {change.ref for change in plan.of(Action.CREATE) if change.ref in above}
    return reduced(plan, {change.ref for change in plan.changes} - asked - made)


def _is_as_meant(change: Change, remote: RemoteState) -> bool:
    """Whether a change that is not needed any more was done by somebody who meant the same.

    A project that somebody else made may let others see what it holds, and nobody has approved that.
    """
    held = remote.objects.get(change.ref)
    if change.action is not Action.CREATE or change.ref.level is not Level.PROJECT or held is None:
        return True
    wanted = change.wanted.fields.get("accessibility") if isinstance(change.wanted, ObjectSpec) else None
    return held.fields.get("accessibility", "") == (wanted or _PRIVATE)


def _refused(change: Change, overtaken: Ref, now: Change | None) -> Outcome:
    subject = "it" if overtaken == change.ref else f"{overtaken.level.noun} {overtaken.short}"
    message = f"since the plan was made {subject} {_news(now)} on the server; plan again"
    return Outcome(change=change, status=Status.REFUSED, message=message, failure=Failure.GUARD)


def _news(now: Change | None) -> str:
    if now is None:
        return "was made by somebody else"
    match now.action:
        case Action.CREATE | Action.UPLOAD:
            return "has gone"
        case Action.CONFLICT:
            return "has come into conflict with it"
        case _:
            return "has become another one"


def joined(plan: Plan, report: Report, known: Mapping[Ref, Outcome]) -> Report:
    """The report on a whole plan of which only a part was carried out, since the rest was settled before."""
    if not known:
        return report
    outcomes = {outcome.change.ref: outcome for outcome in report.outcomes} | dict(known)
    return replace(
        report,
        plan_fingerprint=plan.fingerprint,
        outcomes=tuple(outcomes[change.ref] for change in plan.changes),
    )
