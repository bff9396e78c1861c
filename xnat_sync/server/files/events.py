"""The event that a write of files or resources belongs to, and its row in the workflow table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xnat_sync.server.errors import XnatError
from xnat_sync.server.objects.records import event_id, event_type
from xnat_sync.server.objects.resolve import escaped
from xnat_sync.server.storage.catalog import Stamp
from xnat_sync.server.storage.database import next_number

if TYPE_CHECKING:
    import sqlite3

    from xnat_sync.server.http.routing import Context, Query
    from xnat_sync.server.identity.permissions import User


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Who does what and why; ``number`` is empty when no workflow is kept."""

    user: str
    time: str
    number: str
    action: str
    reason: str | None
    comment: str | None
    type: str
    is_new: bool

    @property
    def stamp(self) -> Stamp:
        """What catalog entries say about it."""
        return Stamp(user=self.user, time=self.time, event=self.number)


def begin_event(context: Context, user: User, query: Query, action: str, *, kept: bool = True) -> Event:
    """The event of a request; ``kept=False`` (``update-stats=false``) means that no workflow row will be written.

    Raises ``XnatError`` 500 where the site demands a reason or a name and the query gives none
    (``PersistentWorkflowUtils``).
    """
    given = event_id(query)
    reason, name = query.get("event_reason"), query.get("event_action")
    if kept and given is None:
        _demand_justification(context, reason, name)
    number = given or ""
    if kept and given is None:
        with context.store.write() as db:
            number = str(next_number(db, "event"))
    return Event(
        user=user.login,
        time=context.clock().strftime("%Y-%m-%dT%H:%M:%S"),
        number=number,
        action=_stored(name) or action,
        reason=_stored(reason),
        comment=_stored(query.get("event_comment")),
        type=event_type(query),
        is_new=kept and given is None,
    )


def record(db: sqlite3.Connection, event: Event, item: sqlite3.Row) -> None:
    """Writes the completed workflow of a new event; an event that the client brought along is left as it is."""
    if not event.is_new:
        return
    db.execute(
        "INSERT INTO workflow(item, data_type, action, reason, comment, type, user, date) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            item["id"],
            item["xsi_type"],
            event.action,
            event.reason,
            event.comment,
            event.type,
            event.user,
            event.time.replace("T", " "),
        ),
    )


def _stored(value: str | None) -> str | None:
    return None if value is None else escaped(value)


def _demand_justification(context: Context, reason: str | None, name: str | None) -> None:
    is_on = context.preferences.is_on
    if not (reason or "").strip() and is_on("requireChangeJustification") and is_on("showChangeJustification"):
        raise XnatError(500, "Justification required.")
    if not (name or "").strip() and is_on("requireEventName"):
        raise XnatError(500, "Event name required.")
