"""Look into the records of what is to be deleted: what hangs on it that no listing of the project tells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xnat_sync.core.formats.xnat_record import experiments_in, holds_derived, is_shared, owner_of
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import is_imaging, is_own
from xnat_sync.engine.pool import in_turn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xnat_sync.core.model.state import DesiredState, RemoteObject
    from xnat_sync.engine.pool import Pool
    from xnat_sync.gateway.port import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Hanging:
    """The ``tied``, ``lent`` and ``unseen`` of a `RemoteState`, and objects whose owner no listing tells."""

    tied: frozenset[Ref]
    lent: frozenset[Ref]
    unseen: frozenset[Ref]
    owned: Mapping[Ref, RemoteObject]


def look_into_records(
    desired: DesiredState, objects: Mapping[Ref, RemoteObject], pruned: frozenset[Ref], pool: Pool[Reader]
) -> Hanging:
    """Return what the records of doomed subjects and sessions say; one request for each that needs it."""
    doomed = [ref for ref in desired.absent if ref in objects and is_own(objects[ref])]
    subjects = {ref for ref in doomed if ref.level is Level.SUBJECT}
    # The list of images says who owns a session; an experiment that is none may only be shared.
    scanned = {ref.parent for ref in objects if ref.level is Level.SCAN}
    unclear = {ref for ref in doomed if ref.level is Level.SESSION and not is_imaging(objects[ref], scanned)}
    leftover = {ref for ref in objects if ref.level < Level.SCAN and not pruned.isdisjoint((ref, ref.parent))}
    asked = sorted(leftover | subjects | unclear)
    answers = [pool.submit(lambda gateway, ref: gateway.record(ref), ref) for ref in asked]
    records = dict(zip(asked, in_turn(answers), strict=True))
    listed = frozenset(held.accession_id for ref, held in objects.items() if ref.level is Level.SESSION)
    return Hanging(
        tied=frozenset(ref for ref in leftover if _is_tied(records[ref], ref.project, listed)),
        lent=frozenset(ref for ref in subjects if _holds_others(records[ref], ref.project)),
        unseen=frozenset(ref for ref in subjects if _holds_unlisted(records[ref], ref.project, listed)),
        owned={ref: replace(objects[ref], project=owner_of(records[ref]) or ref.project) for ref in unclear},
    )


def _is_tied(record: bytes, project: str, listed: frozenset[str]) -> bool:
    """Whether more hangs on a leftover than a plan knows of.

    That is what was derived from it, other projects that it is shared with, whose experiments it may hold, and
    experiments that no list shows.
    """
    return (
        holds_derived(record)
        or is_shared(record)
        or _holds_others(record, project)
        or _holds_unlisted(record, project, listed)
    )


def _holds_others(record: bytes, project: str) -> bool:
    return any(found.project != project for found in experiments_in(record))


def _holds_unlisted(record: bytes, project: str, listed: frozenset[str]) -> bool:
    own = (found for found in experiments_in(record) if found.project == project)
    return any(found.accession_id not in listed for found in own)
