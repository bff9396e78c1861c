"""Handlers for the lists of what a session consists of, and of the distinct words in scans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xnat_sync.server.api.list_calls import experiment_uri, plan_of, readable_project, respond, visible
from xnat_sync.server.api.object_calls import project_for_list, session_of
from xnat_sync.server.errors import XnatError
from xnat_sync.server.http.routing import Route, blocking
from xnat_sync.server.identity.permissions import Right, data_rights
from xnat_sync.server.listings.columns import ListKind
from xnat_sync.server.listings.rows import build_table, entries
from xnat_sync.server.objects.lookup import for_writing
from xnat_sync.server.responses.render import simple_table, table_response
from xnat_sync.server.schema import data_types, short_names

if TYPE_CHECKING:
    import sqlite3

    from starlette.responses import Response

    from xnat_sync.server.http.routing import Call
    from xnat_sync.server.listings.rows import Entry, Table

SCANS: Final = ListKind(
    root=data_types.IMAGE_SCAN,
    short=short_names.SCAN,
    defaults=("xnat_imagescandata_id", "ID", "type", "quality", "xsiType", "note", "series_description"),
)
ASSESSORS: Final = ListKind(
    root=data_types.IMAGE_ASSESSOR,
    short=short_names.ASSESSOR,
    defaults=("ID", "project", "label", "date", "xsiType", "insert_date", "session_ID", "session_label"),
)
RECONSTRUCTIONS: Final = ListKind(
    root=data_types.RECONSTRUCTION, short=short_names.RECONSTRUCTION, defaults=("ID", "type", "baseScanType")
)


def _session_for_list(db: sqlite3.Connection, call: Call) -> sqlite3.Row:
    """404 for a session missing in its project; by accession ID alone XNAT dies instead (500)."""
    if "P" in call.params:
        project = project_for_list(db, call)
        if for_writing(db, ("subject",), project["id"], call.params["S"]) is None:
            raise XnatError(404, f"Unable to identify subject {call.params['S']}")
    session = session_of(db, call)
    if session is None:
        raise XnatError(404, "Specified image session doesn't exist.") if "P" in call.params else XnatError(500)
    return session


def _list_parts(call: Call, kind: ListKind, item_kind: str, *, filtered: bool) -> Response:
    with call.context.store.read() as db:
        session = _session_for_list(db, call)
        folder = {"scan": "scans", "reconstruction": "reconstructions"}.get(item_kind)

        def uri(entry: Entry) -> str:
            if folder is None:
                return experiment_uri(entry)
            return f"/data/experiments/{session['id']}/{folder}/{entry.row['id']}"

        def build() -> Table:
            found = entries(db, "i.kind = ? AND i.parent = ?", (item_kind, session["pk"]))
            return build_table(db, plan_of(call, kind, filtered=filtered), visible(db, call.user, found), uri)

        return respond(call, kind, build)


def list_scans(call: Call) -> Response:
    """The scans of a session; filters are ignored (``ScanList`` overwrites the condition)."""
    return _list_parts(call, SCANS, "scan", filtered=False)


def list_assessors(call: Call) -> Response:
    """The assessors of a session."""
    return _list_parts(call, ASSESSORS, "assessor", filtered=True)


def list_reconstructions(call: Call) -> Response:
    """The reconstructions of a session."""
    return _list_parts(call, RECONSTRUCTIONS, "reconstruction", filtered=True)


def list_scan_types(call: Call) -> Response:
    """The distinct types of all scans, of one project or of the site (``ScanTypeListing``)."""
    return _distinct(call, "type", "$.type")


def list_scanners(call: Call) -> Response:
    """The distinct scanners."""
    return _distinct(call, "scanner", "$.scanner")


def _distinct(call: Call, key: str, path: str) -> Response:
    with call.context.store.read() as db:
        condition, values = "", [path]
        if "P" in call.params:
            condition, values = " AND project = ?", [path, readable_project(db, call, "experiments")]
        found = db.execute(
            f"SELECT DISTINCT json_extract(fields, ?) AS value, project FROM item WHERE kind = 'scan'{condition}",  # noqa: S608 - a fixed condition
            values,
        ).fetchall()
        names = {
            row["value"]
            for row in found
            if row["value"] and (call.user.admin or Right.READ in data_rights(db, call.user, row["project"]))
        }
    return table_response(call, simple_table((key,), [{key: name} for name in sorted(names)]))


_SESSIONS = ("/projects/{P}/subjects/{S}/experiments/{E}", "/experiments/{E}")

ROUTES = [
    *(
        route
        for uri in _SESSIONS
        for route in (
            Route("GET", f"{uri}/scans", blocking(list_scans), "ScanList; TestDynamicSearchScans"),
            Route("GET", f"{uri}/assessors", blocking(list_assessors), "ExptAssessmentList"),
            Route("GET", f"{uri}/reconstructions", blocking(list_reconstructions), "ReconList"),
        )
    ),
    Route("GET", "/projects/{P}/scan_types", blocking(list_scan_types), "ScanTypeListing (shape inferred)"),
    Route("GET", "/scan_types", blocking(list_scan_types), "ScanTypeListing (shape inferred)"),
    Route("GET", "/scanners", blocking(list_scanners), "ScannerListing (shape inferred)"),
]
