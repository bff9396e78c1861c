"""Handlers for subjects, experiments, scans, assessors and reconstructions: parse, call the service, render."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.responses import Response

from xnat_sync.server import datatypes, shortnames
from xnat_sync.server.errors import XnatError
from xnat_sync.server.experiments import (
    Place,
    find_assessor,
    post_experiment,
    put_assessor,
    put_experiment,
    save_embedded,
)
from xnat_sync.server.items import load_node
from xnat_sync.server.lookup import EXPERIMENT_KINDS, by_id, by_label, find_part, for_reading, for_writing, get
from xnat_sync.server.objectcalls import (
    NO_EXPERIMENT,
    changing,
    created_in_list,
    experiment_to_read,
    project_for_list,
    session_of,
    subject_to_read,
    submission,
    url_project,
)
from xnat_sync.server.parts import default_scan_type, post_scan, put_reconstruction, put_scan, require_session_edit
from xnat_sync.server.removal import delete_experiment, delete_part, delete_subject
from xnat_sync.server.render import empty_response, object_response, simple_table, table_response, text_response
from xnat_sync.server.routing import Route, blocking, with_body
from xnat_sync.server.sharing import move, rename, share, shares, target_project, unshare
from xnat_sync.server.subjects import post_subject, put_subject

if TYPE_CHECKING:
    import sqlite3

    from xnat_sync.server.records import Change
    from xnat_sync.server.routing import Call
    from xnat_sync.server.subjects import Saved

_SHARE_COLUMNS = ("label", "ID", "Secondary_ID", "Name")


def _show(call: Call, item: sqlite3.Row, db: sqlite3.Connection) -> Response:
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


def _share_or_move(change: Change, call: Call, item: sqlite3.Row) -> None:
    target = target_project(change, call.tail)
    if call.query.flag("primary"):
        move(change, item, target)
    else:
        share(change, item, target)


def _new_label(call: Call) -> str | None:
    """The label by which a PUT on an existing object means nothing but a rename."""
    return (call.query.get("label") or "").strip() or None


def _type_of(item: sqlite3.Row | None) -> str | None:
    return None if item is None else str(item["xsi_type"])


# --- subjects -----------------------------------------------------------------------------------------------------


def get_subject(call: Call) -> Response:
    """One subject."""
    with call.context.store.read() as db:
        return _show(call, subject_to_read(db, call), db)


def put_one_subject(call: Call, body: bytes) -> Response:
    """201 or 200 with the accession ID; a ``label`` on an existing subject renames it and ends the matter."""
    with changing(call) as change:
        project, name = url_project(change.db, call), call.params["S"]
        if "P" in call.params:
            existing = None if project is None else for_writing(change.db, ("subject",), project["id"], name)
        else:
            existing = by_id(change.db, ("subject",), name)
        if existing is not None and call.tail:
            _share_or_move(change, call, existing)
            node = load_node(change.db, call.user, get(change.db, existing["pk"]))
            return object_response(call, node)
        label = _new_label(call)
        if existing is not None and label is not None:
            rename(change, existing, existing["project"] if project is None else project["id"], label)
            return empty_response()
        draft = submission(call, body).load(
            shortnames.SUBJECT, default_type=datatypes.SUBJECT, existing_type=_type_of(existing)
        )
        if draft is None or draft.xsi_type != datatypes.SUBJECT:
            raise XnatError(422, "Only xnat:Subject documents can be PUT to this address.")
        if existing is not None and "P" not in call.params:
            draft.fields.setdefault("project", existing["project"])
        saved = put_subject(change, project, name, draft)
        save_embedded(change, saved.row, draft)
    return _saved(saved)


def post_one_subject(call: Call, body: bytes) -> Response:
    """Creates only."""
    with changing(call) as change:
        project = project_for_list(change.db, call)
        draft = submission(call, body).load(shortnames.SUBJECT, default_type=datatypes.SUBJECT)
        if draft is None or draft.xsi_type != datatypes.SUBJECT:
            raise XnatError(422, "Only xnat:Subject documents can be PUT to this address.")
        row = post_subject(change, project, draft)
    return created_in_list(call, row["id"])


def delete_one_subject(call: Call) -> Response:
    """Deletes, or unshares where the subject is only shared."""
    with changing(call) as change:
        project, name = url_project(change.db, call), call.params["S"]
        subject = for_reading(change.db, ("subject",), project["id"] if project is not None else None, name)
        if subject is None or ("P" in call.params and project is None):
            raise XnatError(404, "Unable to find the specified subject.")
        subject = subject_to_read(change.db, call)
        if call.tail:
            unshare(change, subject, target_project(change, call.tail)["id"])
        else:
            delete_subject(change, subject, None if project is None else project["id"])
    return empty_response()


# --- experiments --------------------------------------------------------------------------------------------------


def get_experiment(call: Call) -> Response:
    """One experiment; unknown tails (``/scans`` below ``/projects/P/experiments/E``!) show the experiment itself."""
    with call.context.store.read() as db:
        return _show(call, experiment_to_read(db, call), db)


def put_below_subject(call: Call, body: bytes) -> Response:
    """``/projects/P/subjects/S/experiments/E``: short names work, the subject is created if need be."""
    with changing(call) as change:
        project = project_for_list(change.db, call)
        existing = for_writing(change.db, EXPERIMENT_KINDS, project["id"], call.params["E"])
        if existing is not None and existing["kind"] == "assessor":
            raise XnatError(500)  # inferred: the constructor's cast fails
        place = Place(project=project["id"], name=call.params["E"], existing=existing, subject=call.params["S"])
        if place.existing is not None and (done := _share_or_rename(change, call, place)) is not None:
            return done
        draft = submission(call, body).load(shortnames.SESSION, existing_type=_type_of(existing))
        return _saved(put_experiment(change, place, draft, whole=call.query.flag("allowDataDeletion")))


def put_in_project(call: Call, body: bytes) -> Response:
    """``/projects/P/experiments/E``: by label only, and without short names."""
    with changing(call) as change:
        project = project_for_list(change.db, call)
        existing = by_label(change.db, EXPERIMENT_KINDS, project["id"], call.params["E"])
        place = Place(
            project=project["id"],
            name=call.params["E"],
            existing=existing,
            subject=call.query.get("subject_ID"),
        )
        if place.existing is not None and (done := _share_or_rename(change, call, place)) is not None:
            return done
        draft = submission(call, body).load(shortnames.NONE, existing_type=_type_of(existing))
        # Here the template stays for query parameters; only the exact text counts, and only for a document.
        whole = call.query.get("allowDataDeletion") == "true" and draft is not None and draft.from_xml
        return _saved(put_experiment(change, place, draft, whole=whole))


def _share_or_rename(change: Change, call: Call, place: Place) -> Response | None:
    """What a tail or a ``label`` on an existing experiment means; nothing else of the request counts then."""
    existing = place.existing
    assert existing is not None
    if call.tail:
        if not call.tail.startswith("projects/"):
            raise XnatError(400)
        _share_or_move(change, call, existing)
        return empty_response() if call.query.flag("primary") else text_response(existing["id"])
    label = _new_label(call)
    if label is None:
        return None
    rename(change, existing, place.project, label)
    return empty_response()


def _saved(saved: Saved) -> Response:
    """201 or 200 with the accession ID."""
    return text_response(saved.row["id"], 201 if saved.created else 200)


def put_by_id(call: Call, body: bytes) -> Response:
    """``/experiments/ID``: good for sharing; anything else needs the project in the document, or is 422."""
    with changing(call) as change:
        existing = experiment_to_read(change.db, call) if call.tail else None
        if existing is not None:
            _share_or_move(change, call, existing)
            moved = call.query.flag("primary")
            return empty_response() if moved else text_response(existing["id"], 201)
        existing = by_id(change.db, EXPERIMENT_KINDS, call.params["E"])
        draft = submission(call, body).load(shortnames.NONE, existing_type=_type_of(existing))
        if draft is None:
            raise XnatError(417, "Need PUT Contents")
        project = draft.get("project")
        if not project or by_id(change.db, ("project",), project) is None:
            raise XnatError(422, "Submitted experiment record must include the project attribute.")
        place = Place(project=project, name=call.params["E"], existing=existing, subject=None)
        return _saved(put_experiment(change, place, draft))


def post_one_experiment(call: Call, body: bytes) -> Response:
    """Creates only, below a project or one of its subjects."""
    with changing(call) as change:
        project = project_for_list(change.db, call)
        subject = None
        if "S" in call.params:
            subject = for_writing(change.db, ("subject",), project["id"], call.params["S"])
            if subject is None:
                raise XnatError(404, f"Unable to identify subject {call.params['S']}")
        draft = submission(call, body).load(shortnames.SESSION)
        row = post_experiment(change, project["id"], subject, draft)
    return created_in_list(call, row["id"])


def delete_one_experiment(call: Call) -> Response:
    """Deletes, unshares, or (for an object of another project) does nothing, always with 200."""
    with changing(call) as change:
        project = url_project(change.db, call)
        experiment = experiment_to_read(change.db, call)
        if call.tail:
            unshare(change, experiment, target_project(change, call.tail)["id"])
        else:
            delete_experiment(change, experiment, None if project is None else project["id"])
    return empty_response()


# --- scans, reconstructions, assessors ------------------------------------------------------------------------------


def get_scan(call: Call) -> Response:
    """One scan by its exact ID."""
    return _get_part(call, "scan", "SCAN", "Unable to find the specified scan.")


def get_reconstruction(call: Call) -> Response:
    """One reconstruction."""
    return _get_part(call, "reconstruction", "R", "Unable to find the specified reconstruction.")


def _get_part(call: Call, kind: str, segment: str, missing: str) -> Response:
    with call.context.store.read() as db:
        session = session_of(db, call)
        part = None if session is None else find_part(db, kind, session, call.params[segment])
        if part is None:
            raise XnatError(404, missing)
        return object_response(call, load_node(db, call.user, part))


def put_one_scan(call: Call, body: bytes) -> Response:
    """200 and nothing said, created or not; ``projects/P2`` behind it shares session and scan."""
    with changing(call) as change:
        session = session_of(change.db, call)
        if call.tail and session is not None:
            share(change, session, target_project(change, call.tail))
            return empty_response()
        session = require_session_edit(change, session, "scan")
        existing = find_part(change.db, "scan", session, call.params["SCAN"])
        draft = submission(call, body).load(shortnames.SCAN, default_type=_type_of(existing))
        put_scan(change, session, call.params["SCAN"], draft)
    return empty_response()


def post_one_scan(call: Call, body: bytes) -> Response:
    """Creates only."""
    with changing(call) as change:
        session = require_session_edit(change, session_of(change.db, call), "scan")
        draft = submission(call, body).load(shortnames.SCAN, default_type=default_scan_type(session))
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
        part = None if session is None else find_part(change.db, kind, session, call.params[segment])
        if session is None or part is None:
            raise XnatError(404, missing)
        delete_part(change, session, part)
    return empty_response()


def put_one_reconstruction(call: Call, body: bytes) -> Response:
    """200 and nothing said. The type of the object need not be spelled as a type (``xnat:ReconstructedImage``)."""
    with changing(call) as change:
        session = require_session_edit(change, session_of(change.db, call), "reconstruction")
        draft = submission(call, body).load(shortnames.RECONSTRUCTION, default_type=datatypes.RECONSTRUCTION)
        put_reconstruction(change, session, call.params["R"], draft)
    return empty_response()


def get_assessor(call: Call) -> Response:
    """One assessor by ID or label."""
    with call.context.store.read() as db:
        return _show(call, _assessor(db, call), db)


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
        draft = submission(call, body).load(shortnames.ASSESSOR, existing_type=_type_of(existing))
        return _saved(put_assessor(change, session, call.params["A"], draft))


def delete_assessor(call: Call) -> Response:
    """Deletes an assessor."""
    with changing(call) as change:
        delete_experiment(change, _assessor(change.db, call), None)
    return empty_response()


_SESSIONS = ("/projects/{P}/subjects/{S}/experiments/{E}", "/experiments/{E}")

ROUTES = [
    Route("POST", "/projects/{P}/subjects", with_body(post_one_subject), "ProjectSubjectList; 200 inferred"),
    *(
        route
        for uri in ("/projects/{P}/subjects/{S}", "/subjects/{S}")
        for route in (
            Route("GET", uri, blocking(get_subject), "SubjectResource; TestSubjectResources"),
            Route("PUT", uri, with_body(put_one_subject), "SubjectResource; TestSubjectResources"),
            Route("DELETE", uri, blocking(delete_one_subject), "SubjectResource"),
        )
    ),
    *(
        Route("POST", uri, with_body(post_one_experiment), "ProjSubExptList; 200 inferred")
        for uri in ("/projects/{P}/experiments", "/projects/{P}/subjects/{S}/experiments")
    ),
    *(
        route
        for uri in ("/projects/{P}/experiments/{E}", *_SESSIONS)
        for route in (
            Route("GET", uri, blocking(get_experiment), "SubjectAssessmentResource, ExperimentResource"),
            Route("DELETE", uri, blocking(delete_one_experiment), "ExperimentResource; TestContextlessExperiments"),
        )
    ),
    Route("PUT", _SESSIONS[0], with_body(put_below_subject), "SubjectAssessmentResource; cast failure inferred"),
    Route("PUT", "/projects/{P}/experiments/{E}", with_body(put_in_project), "ExperimentResource"),
    Route(
        "PUT", "/experiments/{E}", with_body(put_by_id), "ExperimentResource; TestCustomDataTypeLifecycle (share 201)"
    ),
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
