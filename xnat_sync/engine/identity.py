"""Look whether what was created is what was meant, before anything goes below it.

XNAT may take a label for the accession ID of another object, write to that one and answer success (recorded on 1.8.11).
What follows then would go to the wrong place: one listing for all that a wave created comes first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.core.model.changes import Action, Change
from xnat_sync.core.model.errors import GatewayError
from xnat_sync.core.model.outcome import Failure, Outcome, Status
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.planning.confirm import failed
from xnat_sync.engine.pool import result_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xnat_sync.core.planning.schedule import Group
    from xnat_sync.engine.pool import Pool
    from xnat_sync.gateway.port import Gateway

_LISTED = (Level.SUBJECT, Level.SESSION)
_NOTHING: frozenset[str] = frozenset()


def created_for_more(wave: Sequence[Group], later: Iterable[Sequence[Group]]) -> list[Change]:
    """Return the subjects or sessions that a wave creates and below which a later wave writes."""
    made = {change.ref: change for group in wave for change in group if _is_made(change)}
    parents = {group[0].ref.parent for following in later for group in following} if made else set()
    return [change for ref, change in made.items() if ref in parents]


def _is_made(change: Change) -> bool:
    return change.action is Action.CREATE and change.ref.level in _LISTED


def strayed(project: str, created: Sequence[Change], pool: Pool[Gateway]) -> list[Outcome]:
    """Return the outcomes of those changes whose object one listing does not have where it was to be made."""
    level = created[0].ref.level
    try:
        held = result_of(pool.submit(lambda gateway: _listed(gateway, project, level)))
    except GatewayError as error:
        return [failed(change, error) for change in created]
    return [_astray(change) for change in created if change.ref not in held]


def strayed_alone(gateway: Gateway, change: Change) -> Outcome | None:
    """Return the outcome of a create whose object is not where it was to be made, ``None`` if it is. One request."""
    if not _is_made(change):
        return None
    try:
        return None if change.ref in _listed(gateway, change.ref.project, change.ref.level) else _astray(change)
    except GatewayError as error:
        return failed(change, error)


def _listed(gateway: Gateway, project: str, level: Level) -> set[Ref]:
    read = gateway.subjects if level is Level.SUBJECT else gateway.sessions
    return {held.ref for held in read(project, _NOTHING)}


def _astray(change: Change) -> Outcome:
    noun = change.ref.level.noun
    message = (
        f"the server answered success and has no {noun} of that label there; it may have written to another {noun},"
        " whose accession ID the label is: look at that one. Nothing was sent below it"
    )
    return Outcome(change=change, status=Status.FAILED, message=message, failure=Failure.OTHER)
