"""Which object a URL segment names; each kind of request has its own order of trying (``ResourceURI`` of objects).

Segments are XML-escaped and not URL-decoded, as ``SecureResource.getParameter`` leaves them; comparison is
case-sensitive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.server.identity.permissions import Right, can, rights
from xnat_sync.server.xml_tree import escape

if TYPE_CHECKING:
    import sqlite3

    from xnat_sync.server.identity.permissions import User

EXPERIMENT_KINDS = ("experiment", "assessor")


def find_project(db: sqlite3.Connection, text: str) -> sqlite3.Row | None:
    """By ID, else by alias (``DefaultUserProjectCache``)."""
    name = escape(text)
    row: sqlite3.Row | None = db.execute("SELECT * FROM item WHERE kind = 'project' AND id = ?", (name,)).fetchone()
    if row is None:
        row = db.execute(
            "SELECT item.* FROM project_alias JOIN item ON item.kind = 'project' AND item.id = project_alias.project"
            " WHERE alias = ?",
            (name,),
        ).fetchone()
    return row


def visible_project(db: sqlite3.Connection, user: User, text: str) -> sqlite3.Row | None:
    """The project if this user may know of it."""
    row = find_project(db, text)
    return row if row is not None and can(db, user, row, Right.READ) else None


def by_id(db: sqlite3.Connection, kinds: tuple[str, ...], text: str) -> sqlite3.Row | None:
    """By accession ID, in whatever project."""
    marks = ",".join("?" for _ in kinds)
    row: sqlite3.Row | None = db.execute(
        f"SELECT * FROM item WHERE kind IN ({marks}) AND id = ?",  # noqa: S608 - only placeholders are inserted
        (*kinds, escape(text)),
    ).fetchone()
    return row


def by_label(db: sqlite3.Connection, kinds: tuple[str, ...], project: str, text: str) -> sqlite3.Row | None:
    """By label in a project: the label of an object that it owns, or that under which one is shared into it."""
    marks = ",".join("?" for _ in kinds)
    label = escape(text)
    row: sqlite3.Row | None = db.execute(
        f"SELECT * FROM item WHERE kind IN ({marks}) AND project = ? AND label = ?",  # noqa: S608
        (*kinds, project, label),
    ).fetchone()
    if row is None:
        row = db.execute(
            f"SELECT item.* FROM share JOIN item ON item.pk = share.item"  # noqa: S608
            f" WHERE item.kind IN ({marks}) AND share.project = ? AND coalesce(share.label, item.label) = ?",
            (*kinds, project, label),
        ).fetchone()
    return row


def in_project(db: sqlite3.Connection, item: sqlite3.Row, project: str) -> bool:
    """Whether a project owns the object or has it shared in."""
    if item["project"] == project:
        return True
    share = db.execute("SELECT 1 FROM share WHERE item = ? AND project = ?", (item["pk"], project)).fetchone()
    return share is not None


def for_writing(db: sqlite3.Connection, kinds: tuple[str, ...], project: str, text: str) -> sqlite3.Row | None:
    """PUT: label first, then accession ID if it belongs to the project (``SubjectResource``)."""
    row = by_label(db, kinds, project, text)
    if row is None:
        row = by_id(db, kinds, text)
        if row is not None and not in_project(db, row, project):
            row = None
    return row


def for_reading(db: sqlite3.Connection, kinds: tuple[str, ...], project: str | None, text: str) -> sqlite3.Row | None:
    """GET and DELETE: accession ID first *without* checking the project, then label in it."""
    row = by_id(db, kinds, text)
    if row is None and project is not None:
        row = by_label(db, kinds, project, text)
    return row


def find_part(db: sqlite3.Connection, kind: str, session: sqlite3.Row, text: str) -> sqlite3.Row | None:
    """A scan or assessor or reconstruction of a session by its exact ID."""
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM item WHERE parent = ? AND kind = ? AND id = ?", (session["pk"], kind, escape(text))
    ).fetchone()
    return row


def get(db: sqlite3.Connection, pk: int) -> sqlite3.Row:
    """The row with that primary key, which must exist."""
    row: sqlite3.Row = db.execute("SELECT * FROM item WHERE pk = ?", (pk,)).fetchone()
    return row


def readable(db: sqlite3.Connection, user: User, row: sqlite3.Row | None) -> sqlite3.Row | None:
    """The row if this user may read it: what is hidden is missing."""
    return row if row is not None and Right.READ in rights(db, user, row) else None
