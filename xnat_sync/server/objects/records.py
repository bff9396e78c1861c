"""Writing items: inserting, merging a draft into what is stored, IDs, labels, and the workflow row of each change."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from xnat_sync.server.errors import XnatError
from xnat_sync.server.identity.permissions import Right, rights
from xnat_sync.server.objects.lookup import get
from xnat_sync.server.schema.values import is_integer
from xnat_sync.server.storage.database import next_number
from xnat_sync.server.xml_tree import escape

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from xnat_sync.server.http.routing import Context, Query
    from xnat_sync.server.identity.permissions import User

ID_ALPHABET: Final = re.compile(r"[A-Za-z0-9_-]+")
"""``Patterns``/``XftStringUtils.isValidId``."""


UNMODIFIABLE: Final = frozenset({"locked", "obsolete"})
"""Statuses in which an object refuses changes."""

_STATUS_FLAGS: Final = {
    "activate": "active",
    "quarantine": "quarantine",
    "_lock": "locked",
    "_unlock": "active",
    "_obsolete": "obsolete",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Who changes something, when, and with what words for the workflow."""

    db: sqlite3.Connection
    context: Context
    user: User
    query: Query

    @property
    def now(self) -> str:
        """The moment as ``java.sql.Timestamp`` prints it."""
        moment = self.context.clock()
        millis = f"{moment.microsecond // 1000:03}".rstrip("0") or "0"
        return f"{moment:%Y-%m-%d %H:%M:%S}.{millis}"

    def record(self, item_id: str, data_type: str, action: str) -> None:
        """Adds the workflow row of a change (``PersistentWorkflowUtils``) unless ``event_id`` names one that exists."""
        event = event_id(self.query)
        if event and self.db.execute("SELECT 1 FROM workflow WHERE id = ?", (int(event),)).fetchone() is not None:
            return
        self.db.execute(
            "INSERT INTO workflow(item, data_type, action, reason, comment, type, user, date)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                item_id,
                data_type,
                self._said("event_action") or action,
                self._said("event_reason"),
                self._said("event_comment"),
                event_type(self.query),
                self.user.login,
                self.now,
            ),
        )

    def _said(self, name: str) -> str | None:
        value = self.query.get(name)
        return escape(value) if value else None

    def require_justification(self, data_type: str, *, deleting: bool = False) -> None:
        """On strict sites a change without reason fails: 403 with words when deleting, else 500 without."""
        preferences = self.context.preferences
        strict = preferences.is_on("showChangeJustification") and preferences.is_on("requireChangeJustification")
        if strict and data_type != "xnat:projectData" and not (self.query.get("event_reason") or "").strip():
            raise XnatError(403, "Justification required.") if deleting else XnatError(500)
        if preferences.is_on("requireEventName") and not (self.query.get("event_action") or "").strip():
            raise XnatError(403, "Event name required.") if deleting else XnatError(500)


def event_id(query: Query) -> str | None:
    """The number of the workflow that a request belongs to; any other text is 500 (``SecureResource.getEventId``)."""
    given = query.get("event_id")
    if given is not None and not is_integer(given):
        raise XnatError(500)
    return given


_EVENT_TYPES: Final = {"PROCESS": "PROCESS", "WEB_FORM": "WEB_SERVICE", "WEB_SERVICE": "WEB_FORM"}


def event_type(query: Query) -> str:
    """What ``event_type`` becomes: two of its three words are swapped (``EventUtils.getType``), all else is ignored."""
    return _EVENT_TYPES.get(query.get("event_type") or "", "WEB_SERVICE")


def require_id(text: str | None, message: str, status: int = 417) -> None:
    """Refuses an ID outside XNAT's alphabet."""
    if text and not ID_ALPHABET.fullmatch(text):
        raise XnatError(status, message)


def fields_of(item: sqlite3.Row) -> dict[str, str]:
    """The stored values of an item by canonical path."""
    fields: dict[str, str] = json.loads(item["fields"])
    return fields


def insert(change: Change, **columns: Any) -> sqlite3.Row:
    """A new item; ``fields`` may be a mapping, dates and user are filled in."""
    fields = {path: value for path, value in columns.pop("fields", {}).items() if value is not None}
    row = {
        **columns,
        "fields": json.dumps(fields, ensure_ascii=False),
        "insert_date": change.now,
        "insert_user": change.user.login,
        "last_modified": change.now,
    }
    names, marks = ", ".join(row), ", ".join("?" for _ in row)
    cursor = change.db.execute(f"INSERT INTO item({names}) VALUES ({marks})", tuple(row.values()))  # noqa: S608 - own names
    assert cursor.lastrowid is not None
    return get(change.db, cursor.lastrowid)


def merge(change: Change, item: sqlite3.Row, fields: Mapping[str, str | None], **columns: Any) -> bool:
    """Applies values (``None`` clears) and columns; says whether anything changed. No change leaves no trace."""
    after = fields_of(item)
    for path, value in fields.items():
        if value is not None:
            after[path] = value
        elif path.endswith("/field") and path in after:
            after[path] = ""  # a blanked custom field keeps its row (inferred)
        else:
            after.pop(path, None)
    return _save(change, item, after, columns)


def replace_fields(change: Change, item: sqlite3.Row, fields: Mapping[str, str | None]) -> bool:
    """Like :func:`merge`, but what is not sent is gone (``allowDataDeletion``)."""
    return _save(change, item, {path: value for path, value in fields.items() if value is not None}, {})


def _save(change: Change, item: sqlite3.Row, after: dict[str, str], columns: Mapping[str, object]) -> bool:
    moved = {name: value for name, value in columns.items() if item[name] != value}
    if after == fields_of(item) and not moved:
        return False
    if item["status"] in UNMODIFIABLE and set(moved) != {"status"}:
        raise XnatError(500)  # UnmodifiableStatusException
    moved["fields"] = json.dumps(after, ensure_ascii=False)
    moved["last_modified"] = change.now
    assignments = ", ".join(f"{name} = ?" for name in moved)
    change.db.execute(f"UPDATE item SET {assignments} WHERE pk = ?", (*moved.values(), item["pk"]))  # noqa: S608 - own names
    return True


def apply_status_flags(change: Change, item: sqlite3.Row) -> None:
    """``activate``, ``quarantine``, ``_lock``, ``_unlock``, ``_obsolete`` on a PUT.

    Without the right the first two are silently nothing (PUT overwrites their 403), the others are 403.
    """
    for name, status in _STATUS_FLAGS.items():
        if not change.query.flag(name):
            continue
        if Right.ACTIVATE in rights(change.db, change.user, item):
            merge(change, get(change.db, item["pk"]), {}, status=status)
        elif name.startswith("_"):
            raise XnatError(403)


def new_accession_id(change: Change, letter: str) -> str:
    """``XNAT_S00001``: never reused once handed out, also not after the object is deleted."""
    site = re.sub("[ \"'^]", "", change.context.preferences.get("siteId")).replace("-", "_")
    while True:
        candidate = f"{site}_{letter}{next_number(change.db, 'accession_' + letter):05}"
        if change.db.execute("SELECT 1 FROM item WHERE id = ?", (candidate,)).fetchone() is None:
            return candidate
