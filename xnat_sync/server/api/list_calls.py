"""What all lists share: the plan from the query, paging, swallowed exceptions, and who sees which rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus

from starlette.responses import Response

from xnat_sync.server.api.object_calls import project_for_list
from xnat_sync.server.errors import XnatError
from xnat_sync.server.http.routing import is_at_least
from xnat_sync.server.identity.permissions import Right, can, data_rights
from xnat_sync.server.listings.columns import UnknownColumnError, make_plan
from xnat_sync.server.responses.render import simple_table, table_response

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from xnat_sync.server.http.routing import Call
    from xnat_sync.server.identity.permissions import User
    from xnat_sync.server.listings.columns import ListKind, Plan
    from xnat_sync.server.listings.rows import Entry, Table

_RESERVED: Final = frozenset(
    {"format", "columns", "xsiType", "sortBy", "sortOrder", "limit", "offset", "fields", "allDataOverride", "restrict"}
)


PAGING_SINCE: Final = "1.8.10"
"""The version in whose source ``limit`` and ``offset`` of lists were read; earlier ones ignore them (inferred)."""


def plan_of(call: Call, kind: ListKind, *, filtered: bool = True) -> Plan:
    """Columns, root and filters of the request."""
    known = kind.short.readable
    filters = {
        name: value
        for name, value in reversed(call.query.pairs())
        if filtered and name not in _RESERVED and (name in known or (":" in name and "/" in name))
    }
    columns = unquote_plus(call.query.get("columns") or "")  # decoded twice, as in QueryOrganizerResource
    return make_plan(kind, columns, call.query.get("xsiType"), filters)


def respond(
    call: Call,
    kind: ListKind,
    build: Callable[[], Table],
    *,
    title: str | None = None,
    paged: bool = False,
    quiet: bool = False,
) -> Response:
    """Answers ``fields=1``, pages where the list can, and turns a column that does not exist into XNAT's answer."""
    if call.query.flag("fields"):
        rows = [{"key": key, "xpath": path} for key, path in kind.short.readable.items()]
        return table_response(call, simple_table(("key", "xpath"), rows))
    try:
        table = build()
    except UnknownColumnError:
        if quiet:
            return Response(b"", media_type="text/plain")  # the exception is swallowed: 200, nothing
        raise XnatError(500) from None
    page = _page(call) if paged and is_at_least(call.context.version, PAGING_SINCE) else None
    if page is not None:
        table = replace(table, rows=table.rows[page])
    return table_response(call, table, title=title, total=page is None)


def _page(call: Call) -> slice | None:
    """The part to show; default 100 from 0 if either is given, ``limit=*`` for everything."""
    limit, offset = call.query.get("limit"), call.query.get("offset")
    if (limit is None and offset is None) or limit == "*":
        return None
    try:
        start = int(offset or 0)
        return slice(start, start + int(limit or 100))
    except ValueError:
        raise XnatError(500) from None


def visible(db: sqlite3.Connection, user: User, found: list[Entry]) -> list[Entry]:
    """Without what the user may not read; rights are looked up once per project."""
    if user.admin:
        return found
    open_projects = {entry.row["project"] for entry in found}
    rights = {project: data_rights(db, user, project) for project in open_projects}

    def shows(entry: Entry) -> bool:
        own = rights[entry.row["project"]]
        if Right.READ not in own or entry.row["status"] == "quarantine":
            return can(db, user, entry.row, Right.READ)
        return True

    return [entry for entry in found if shows(entry)]


def readable_project(db: sqlite3.Connection, call: Call, noun: str) -> str:
    """The ID of the project in the URL, whose data the caller must be allowed to read."""
    project = project_for_list(db, call)
    if Right.READ not in data_rights(db, call.user, project["id"]):
        raise XnatError(403, f"Unable to read {noun} for Project: {project['id']}")
    return str(project["id"])


def experiment_uri(entry: Entry) -> str:
    """What the ``URI`` column of an experiment says."""
    return f"/data/experiments/{entry.row['id']}"
