"""What all object handlers share: the write transaction, the submission of a call, and finding what the URL names."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, Response

from xnat_sync.server.errors import XnatError
from xnat_sync.server.identity.permissions import Right, can
from xnat_sync.server.objects.documents import load_node
from xnat_sync.server.objects.lookup import (
    EXPERIMENT_KINDS,
    by_id,
    by_label,
    for_reading,
    in_project,
    readable,
    visible_project,
)
from xnat_sync.server.objects.records import Change
from xnat_sync.server.objects.sharing import shares
from xnat_sync.server.objects.submission import Submission
from xnat_sync.server.responses.render import object_response, simple_table, table_response, text_response

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from xnat_sync.server.http.routing import Call
    from xnat_sync.server.objects.subjects import Saved

NO_SUBJECT_IN_PROJECT = (
    "Unable to find the specified subject. The project {project} does not contain a subject identifiable by the ID or"
    " label {name}."
)
NO_SUBJECT = (
    "Unable to find the specified subject. When searching by subject ID only, you must specify the accession number"
    " and not the subject label, which is not unique across the XNAT system. {name} is not a known subject accession"
    " ID."
)
NO_EXPERIMENT = "Unable to find the specified experiment."


@contextmanager
def changing(call: Call) -> Iterator[Change]:
    """One transaction in which the caller's request changes things."""
    with call.context.store.write() as db:
        yield Change(db=db, context=call.context, user=call.user, query=call.query)


def submission(call: Call, body: bytes) -> Submission:
    """The parts of the request that describe an object. A chunked body has no length and counts as none."""
    headers = call.request.headers
    return Submission(
        query=call.query,
        content_type=headers.get("content-type", ""),
        body=body,
        has_length="content-length" in headers,
    )


def project_for_list(db: sqlite3.Connection, call: Call) -> sqlite3.Row:
    """The project of a list; 404 when hidden or missing."""
    project = visible_project(db, call.user, call.params["P"])
    if project is None:
        raise XnatError(404, f"Unable to identify project {call.params['P']}")
    return project


def url_project(db: sqlite3.Connection, call: Call) -> sqlite3.Row | None:
    """The project that the URL names, or ``None`` when it names none or one that the caller may not know of."""
    name = call.params.get("P")
    return None if name is None else visible_project(db, call.user, name)


def subject_to_read(db: sqlite3.Connection, call: Call) -> sqlite3.Row:
    """The subject of a GET or DELETE."""
    project, name = url_project(db, call), call.params["S"]
    found = for_reading(db, ("subject",), project["id"] if project is not None else None, name)
    found = readable(db, call.user, found)
    if found is None:
        text = NO_SUBJECT if project is None else NO_SUBJECT_IN_PROJECT
        raise XnatError(404, text.format(project=call.params.get("P"), name=name))
    return found


def experiment_to_read(db: sqlite3.Connection, call: Call) -> sqlite3.Row:
    """The experiment of a GET or DELETE; a subject in the URL is not looked at."""
    project = url_project(db, call)
    name = project["id"] if project is not None else None
    found = readable(db, call.user, for_reading(db, EXPERIMENT_KINDS, name, call.params["E"]))
    if found is None:
        raise XnatError(404, NO_EXPERIMENT)
    return found


def session_of(db: sqlite3.Connection, call: Call) -> sqlite3.Row | None:
    """The session above a scan: by ID if it is in the URL's project, else by label there; without project by ID."""
    name = call.params["E"]
    if "P" not in call.params:
        return readable(db, call.user, by_id(db, EXPERIMENT_KINDS, name))
    project = url_project(db, call)
    if project is None:
        return None
    found = by_id(db, EXPERIMENT_KINDS, name)
    if found is None or not in_project(db, found, project["id"]):
        found = by_label(db, EXPERIMENT_KINDS, project["id"], name)
    return readable(db, call.user, found)


def require_edit(db: sqlite3.Connection, call: Call, item: sqlite3.Row, message: str | None = None) -> None:
    """403 unless the caller may edit the item."""
    if not can(db, call.user, item, Right.EDIT):
        raise XnatError(403, message)


def created_in_list(call: Call, new_id: str) -> Response:
    """After a POST: status 200, the new URI as ``Location`` and as text (``returnSuccessfulCreateFromList``)."""
    base = (call.context.preferences.get("siteUrl") or str(call.request.base_url)).rstrip("/")
    uri = f"{base}{call.path.rstrip('/')}/{new_id}"
    return PlainTextResponse(uri, headers={"Location": uri})


_SHARE_COLUMNS = ("label", "ID", "Secondary_ID", "Name")


def show(call: Call, item: sqlite3.Row, db: sqlite3.Connection) -> Response:
    """The object, or what a known tail asks about it; an unknown tail is ignored."""
    match call.tail.strip("/"):
        case "status":
            return text_response(item["status"])
        case "history" if item["kind"] in EXPERIMENT_KINDS:
            return Response(_history(db, item), media_type="application/json")
        case "projects":
            return table_response(call, simple_table(_SHARE_COLUMNS, shares(db, item)))
        case _:
            return object_response(call, load_node(db, call.user, item))


def _history(db: sqlite3.Connection, item: sqlite3.Row) -> bytes:
    rows = db.execute("SELECT * FROM workflow WHERE item = ? ORDER BY id", (item["id"],)).fetchall()
    return json.dumps([dict(row) for row in rows]).encode()


def type_of(item: sqlite3.Row | None) -> str | None:
    """The xsi type of an item that may not be there."""
    return None if item is None else str(item["xsi_type"])


def saved_response(saved: Saved) -> Response:
    """201 or 200 with the accession ID."""
    return text_response(saved.row["id"], 201 if saved.created else 200)
