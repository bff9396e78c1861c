"""The other shape of the project list: a display search with lower-case keys (``FilteredProjects``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xnat_sync.server.identity.permissions import Right, accessibility_of, data_rights, project_rights, role_in
from xnat_sync.server.listings.rows import Table, entries
from xnat_sync.server.responses.render import simple_table

if TYPE_CHECKING:
    import sqlite3

    from xnat_sync.server.http.routing import Query
    from xnat_sync.server.identity.permissions import User
    from xnat_sync.server.listings.rows import Entry

_SWITCHES: Final = (
    *("accessible", "owner", "member", "collaborator", "admin", "recent", "favorite", "activeSince", "prearc_code"),
    *("data", "dataAccessibility"),
)
_ROLES: Final = ("owner", "member", "collaborator")


def is_display_search(query: Query) -> bool:
    """Whether the request asks for the display search."""
    return any(name in query for name in _SWITCHES) or ("permissions" in query and "dataType" in query)


def accessible_projects(db: sqlite3.Connection, user: User, query: Query) -> Table:
    """Rows of the display search. The spelling of some keys is inferred; dates of access are not kept."""
    uid = db.execute("SELECT id FROM user WHERE login = ?", (user.login,)).fetchone()
    number = "0" if uid is None else str(uid["id"])
    found = [entry for entry in entries(db, "i.kind = 'project'", ()) if _wanted(db, user, query, entry.row["id"])]
    if "permissions" in query and "dataType" in query:
        rows = [{"id": entry.row["id"], "secondary_id": entry.text("secondary_ID")} for entry in found]
        return simple_table(("id", "secondary_id"), rows)
    keys = (
        *("id", "name", "description", "secondary_id", "pi", "project_invs", "project_access", "project_access_img"),
        *("insert_date", "insert_user", f"user_role_{number}", f"last_accessed_{number}", "quarantine_status"),
    )
    return simple_table(keys, [_row(db, user, entry, number) for entry in found])


def _row(db: sqlite3.Connection, user: User, entry: Entry, number: str) -> dict[str, str]:
    project = entry.row["id"]
    names = [entry.text("PI/lastname"), entry.text("PI/firstname")]
    role = role_in(db, user, project)
    return {
        "id": project,
        "name": entry.text("name"),
        "description": entry.text("description"),
        "secondary_id": entry.text("secondary_ID"),
        "pi": ", ".join(name for name in names if name),
        "project_access": accessibility_of(db, project),
        "insert_date": entry.row["insert_date"],
        "insert_user": entry.row["insert_user"],
        f"user_role_{number}": "" if role is None else role.title() + "s",
        "quarantine_status": entry.row["status"],
    }


def _wanted(db: sqlite3.Connection, user: User, query: Query, project: str) -> bool:
    if Right.READ not in project_rights(db, user, project):
        return False
    role = role_in(db, user, project)
    if query.flag("favorite"):
        return False  # nobody has chosen any: that is done on web pages
    if any(query.flag(name) and role != name for name in _ROLES):
        return False
    data = data_rights(db, user, project)
    if "accessible" in query and (Right.READ in data) != query.flag("accessible"):
        return False
    asked = query.get("data") or query.get("dataAccessibility")
    if asked == "writable" and Right.EDIT not in data:
        return False
    permission = query.get("permissions")
    return permission is None or permission in {right.value for right in data}
