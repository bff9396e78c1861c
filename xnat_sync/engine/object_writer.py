"""Create and update objects: one by one, or a new session together with its scans where the server takes that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.core.model.changes import Action, Change
from xnat_sync.core.model.errors import GatewayError, NotAuthenticated, ServerFault, XnatSyncError
from xnat_sync.core.model.outcome import Outcome, Status
from xnat_sync.core.model.refs import Level
from xnat_sync.core.model.state import ObjectSpec
from xnat_sync.core.planning.confirm import failed
from xnat_sync.core.planning.planner import compare_object
from xnat_sync.engine.identity import strayed_alone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xnat_sync.core.model.refs import Ref
    from xnat_sync.core.model.state import RemoteObject
    from xnat_sync.core.planning.schedule import Group
    from xnat_sync.gateway.port import Gateway


class ObjectWriter:
    """Writes the groups of a plan's waves; ``reason`` goes into XNAT's history. Any number of threads may use one."""

    def __init__(self, reason: str) -> None:
        self._reason = reason
        self._takes_sessions_whole = True

    def write(self, gateway: Gateway, group: Group) -> Sequence[Outcome]:
        """Create or update what belongs together.

        A session with scans goes as one request. If the server refuses that, each goes by itself, so that only what it
        does not take fails; if it then takes all of them, further sessions are not tried whole.
        """
        if len(group) == 1 or not self._takes_sessions_whole:
            return self._one_by_one(gateway, group)
        session, *scans = (_spec(change) for change in group)
        try:
            gateway.put_session(session, scans, reason=self._reason)
        except GatewayError as error:
            if isinstance(error, NotAuthenticated) or (error.retryable and not isinstance(error, ServerFault)):
                return _ended(group, failed(group[0], error))
            outcomes = self._one_by_one(gateway, group)
            if all(outcome.status is Status.APPLIED for outcome in outcomes):
                self._takes_sessions_whole = False
            return outcomes
        return [Outcome(change=change, status=Status.APPLIED) for change in group]

    def mend(self, gateway: Gateway, lacking: Group, held: Mapping[Ref, RemoteObject]) -> Sequence[Outcome]:
        """Write one by one what a session that was written whole turned out to lack."""
        first = lacking[0].ref
        if first.level is Level.SESSION and first not in held:
            return self._one_by_one(gateway, lacking)
        return [self._put(gateway, change, held.get(change.ref)) for change in lacking]

    def _one_by_one(self, gateway: Gateway, group: Group) -> Sequence[Outcome]:
        first = self._put(gateway, group[0])
        if first.status is Status.APPLIED and len(group) > 1:
            first = strayed_alone(gateway, group[0]) or first
        if first.status is not Status.APPLIED:
            return _ended(group, first)
        return [first, *(self._put(gateway, change) for change in group[1:])]

    def _put(self, gateway: Gateway, change: Change, held: RemoteObject | None = None) -> Outcome:
        spec = _spec(change)
        match change.action:
            case Action.CREATE if held:
                fields: dict[str, str | None] = {diff.name: diff.after for diff in compare_object(spec, held)}
            case Action.CREATE:
                fields = {key: value for key, value in spec.fields.items() if value is not None}
            case Action.UPDATE:
                fields = {diff.name: diff.after for diff in change.diffs}
            case _:
                raise TypeError(f"{change.action.value} is no change of an object")
        exists = change.action is Action.UPDATE or held is not None
        try:
            gateway.put_object(spec, exists=exists, fields=fields, reason=self._reason)
        except XnatSyncError as error:
            return failed(change, error)
        return Outcome(change=change, status=Status.APPLIED)


def lacks(change: Change, held: RemoteObject | None) -> bool:
    """Whether an object that was created is not there, or not as it was wanted."""
    return held is None or bool(compare_object(_spec(change), held))


def _ended(group: Group, first: Outcome) -> Sequence[Outcome]:
    """The outcomes of a group whose first member, on which the others hang, failed."""
    message = f"{group[0].ref.short} could not be created"
    return [first, *(Outcome(change=change, status=Status.BLOCKED, message=message) for change in group[1:])]


def _spec(change: Change) -> ObjectSpec:
    if not isinstance(change.wanted, ObjectSpec):
        raise TypeError("a change of an object without the object")
    return change.wanted
