"""Handlers for what a session consists of: scans, assessors and reconstructions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.server.api.object_calls import (
    NO_EXPERIMENT,
    changing,
    created_in_list,
    saved_response,
    session_of,
    show,
    submission,
    type_of,
    url_project,
)
from xnat_sync.server.errors import XnatError
from xnat_sync.server.http.routing import Route, blocking, is_at_least, with_body
from xnat_sync.server.objects.documents import load_node
from xnat_sync.server.objects.experiments import find_assessor, put_assessor
from xnat_sync.server.objects.lookup import by_id, find_part, readable
from xnat_sync.server.objects.removal import delete_experiment, delete_part
from xnat_sync.server.objects.scans import (
    default_scan_type,
    post_scan,
    put_reconstruction,
    put_scan,
    require_session_edit,
)
from xnat_sync.server.objects.sharing import share_scan, target_project
from xnat_sync.server.responses.render import empty_response, object_response
from xnat_sync.server.schema import data_types, short_names

if TYPE_CHECKING:
    import sqlite3

    from starlette.responses import Response

    from xnat_sync.server.http.routing import Call
    from xnat_sync.server.objects.records import Change


def get_scan(call: Call) -> Response:
    """One scan by its exact ID."""
    return _get_part(call, "scan", "SCAN", "Unable to find the specified scan.")


def get_reconstruction(call: Call) -> Response:
    """One reconstruction."""
    return _get_part(call, "reconstruction", "R", "Unable to find the specified reconstruction.")


def _get_part(call: Call, kind: str, segment: str, missing: str) -> Response:
    with call.context.store.read() as db:
        session = session_of(db, call)
        part = _part(db, call, kind, session, call.params[segment])
        if part is None:
            raise XnatError(404, missing)
        return object_response(call, load_node(db, call.user, part))


def _part(db: sqlite3.Connection, call: Call, kind: str, session: sqlite3.Row | None, name: str) -> sqlite3.Row | None:
    """A scan is looked for in its session, a reconstruction in the whole site (``ReconResource``)."""
    if session is None:
        return None
    if kind == "reconstruction":
        return readable(db, call.user, by_id(db, (kind,), name))
    return find_part(db, kind, session, name)


def put_one_scan(call: Call, body: bytes) -> Response:
    """200 and nothing said, created or not; ``projects/P2`` behind it shares session and scan."""
    with changing(call) as change:
        session = session_of(change.db, call)
        if call.tail:
            return _share_scan(change, call, session)
        session = require_session_edit(change, session, "scan")
        existing = find_part(change.db, "scan", session, call.params["SCAN"])
        # Since 1.8.6 the type of an existing scan may be left out.
        known = type_of(existing) if is_at_least(call.context.version, "1.8.6") else None
        draft = submission(call, body).load(short_names.SCAN, default_type=known)
        project = url_project(change.db, call)
        put_scan(change, session, call.params["SCAN"], draft, project=None if project is None else project["id"])
    return empty_response()


def _share_scan(change: Change, call: Call, session: sqlite3.Row | None) -> Response:
    """Answers the scan itself, as sharing a subject does."""
    if not call.tail.startswith("projects/"):
        raise XnatError(400)
    target = target_project(change, call.tail)
    if session is None:
        raise XnatError(417, "Could not load session")
    scan = find_part(change.db, "scan", session, call.params["SCAN"])
    if scan is None:
        raise XnatError(417, "Could not load scan")
    share_scan(change, session, scan, target)
    return object_response(call, load_node(change.db, call.user, scan))


def post_one_scan(call: Call, body: bytes) -> Response:
    """Creates only."""
    with changing(call) as change:
        session = require_session_edit(change, session_of(change.db, call), "scan")
        draft = submission(call, body).load(short_names.SCAN, default_type=default_scan_type(session))
        scan_id = post_scan(change, session, draft)
    return created_in_list(call, scan_id)


def delete_scan(call: Call) -> Response:
    """Needs delete on the session; a tail is 400."""
    return _delete_part(call, "scan", "SCAN", "Unable to find the specified scan.")


def delete_reconstruction(call: Call) -> Response:
    """Like a scan."""
    return _delete_part(call, "reconstruction", "R", "Unable to find the specified reconstruction.")


def _delete_part(call: Call, kind: str, segment: str, missing: str) -> Response:
    if call.tail:
        raise XnatError(400)
    with changing(call) as change:
        session = session_of(change.db, call)
        part = _part(change.db, call, kind, session, call.params[segment])
        if session is None or part is None:
            raise XnatError(404, missing)
        delete_part(change, session, part)
    return empty_response()


def put_one_reconstruction(call: Call, body: bytes) -> Response:
    """200 and nothing said. The type of the object need not be spelled as a type (``xnat:ReconstructedImage``)."""
    with changing(call) as change:
        session = require_session_edit(change, session_of(change.db, call), "reconstruction")
        draft = submission(call, body).load(short_names.RECONSTRUCTION, default_type=data_types.RECONSTRUCTION)
        put_reconstruction(change, session, call.params["R"], draft)
    return empty_response()


def get_assessor(call: Call) -> Response:
    """One assessor by ID or label."""
    with call.context.store.read() as db:
        return show(call, _assessor(db, call), db)


def _assessor(db: sqlite3.Connection, call: Call) -> sqlite3.Row:
    session = session_of(db, call)
    found = None if session is None else find_assessor(db, session, call.params["A"])
    if found is None:
        raise XnatError(404, NO_EXPERIMENT)
    return found


def put_one_assessor(call: Call, body: bytes) -> Response:
    """201 or 200 with the accession ID."""
    with changing(call) as change:
        session = require_session_edit(change, session_of(change.db, call), "assessor")
        existing = find_assessor(change.db, session, call.params["A"])
        draft = submission(call, body).load(short_names.ASSESSOR, existing_type=type_of(existing))
        return saved_response(put_assessor(change, session, call.params["A"], draft))


def delete_assessor(call: Call) -> Response:
    """Deletes an assessor."""
    with changing(call) as change:
        delete_experiment(change, _assessor(change.db, call), None)
    return empty_response()


_SESSIONS = ("/projects/{P}/subjects/{S}/experiments/{E}", "/experiments/{E}")

ROUTES = [
    *(
        route
        for uri in _SESSIONS
        for route in (
            Route("POST", f"{uri}/scans", with_body(post_one_scan), "ScanList; 200 inferred"),
            Route("GET", f"{uri}/scans/{{SCAN}}", blocking(get_scan), "ScanResource"),
            Route("PUT", f"{uri}/scans/{{SCAN}}", with_body(put_one_scan), "ScanResource; TestScans"),
            Route("DELETE", f"{uri}/scans/{{SCAN}}", blocking(delete_scan), "ScanResource"),
            Route("GET", f"{uri}/reconstructions/{{R}}", blocking(get_reconstruction), "ReconResource"),
            Route(
                "PUT", f"{uri}/reconstructions/{{R}}", with_body(put_one_reconstruction), "ReconResource; TestSharing"
            ),
            Route("DELETE", f"{uri}/reconstructions/{{R}}", blocking(delete_reconstruction), "ReconResource"),
            Route("GET", f"{uri}/assessors/{{A}}", blocking(get_assessor), "ImgAssessResource"),
            Route("PUT", f"{uri}/assessors/{{A}}", with_body(put_one_assessor), "ImgAssessResource; TestSharing"),
            Route("DELETE", f"{uri}/assessors/{{A}}", blocking(delete_assessor), "ImgAssessResource"),
        )
    ),
]
