"""Handlers for subjects, experiments, scans, assessors and reconstructions: parse, call the service, render."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.server.api.object_calls import (
    changing,
    created_in_list,
    experiment_to_read,
    project_for_list,
    saved_response,
    show,
    subject_to_read,
    submission,
    url_project,
)
from xnat_sync.server.errors import XnatError
from xnat_sync.server.http.routing import Route, blocking, with_body
from xnat_sync.server.objects.documents import load_node
from xnat_sync.server.objects.experiments import (
    Place,
    post_experiment,
    put_experiment,
    save_embedded,
    stored_scans,
)
from xnat_sync.server.objects.lookup import EXPERIMENT_KINDS, by_id, by_label, for_reading, for_writing, get
from xnat_sync.server.objects.records import apply_status_flags
from xnat_sync.server.objects.removal import delete_experiment, delete_subject
from xnat_sync.server.objects.sharing import move, rename, share, target_project
from xnat_sync.server.objects.subjects import post_subject, put_subject
from xnat_sync.server.responses.render import empty_response, error_response, object_response, text_response
from xnat_sync.server.schema import data_types, short_names

if TYPE_CHECKING:
    import sqlite3

    from starlette.responses import Response

    from xnat_sync.server.http.routing import Call
    from xnat_sync.server.objects.records import Change
    from xnat_sync.server.objects.submission import Draft
    from xnat_sync.server.schema.short_names import ShortNames


def _share_or_move(change: Change, call: Call, item: sqlite3.Row) -> bool:
    """What the tail ``projects/P2`` means; says whether the label was free in a project that it was moved to."""
    target = target_project(change, call.tail)
    if call.query.flag("primary"):
        return move(change, item, target)
    share(change, item, target)
    return True


def _share_or_move_experiment(change: Change, call: Call, existing: sqlite3.Row, status: int) -> Response:
    """Sharing answers the ID, moving nothing, or 409 although it has moved (sic)."""
    if not _share_or_move(change, call, existing):
        return error_response(409, "Specified label is already in use.")
    return empty_response() if call.query.flag("primary") else text_response(existing["id"], status)


def _refuse_assessor(call: Call, found: sqlite3.Row | None) -> None:
    """Below a subject XNAT casts to what an image assessor is not (``SubjectAssessmentResource``; inferred)."""
    if found is not None and found["kind"] == "assessor" and "S" in call.params:
        raise XnatError(500)


def _load(
    call: Call, body: bytes, short: ShortNames, existing: sqlite3.Row | None, default: str | None
) -> Draft | None:
    """The draft, laid over what is stored unless the request says otherwise (``SecureResource.loadItem``).

    Without that template (``populateFromDB=false``, for subjects also ``loadExisting=false``) nothing but the request
    tells the type, and a place such as ``scans/scan[0]`` means a new scan. What is written keeps its stored type.
    """
    switches = ("populateFromDB", "loadExisting") if default == data_types.SUBJECT else ("populateFromDB",)
    bare = not all(call.query.flag(name, blank=True, default=True) for name in switches)
    sent = submission(call, body)
    if bare or existing is None:
        draft = sent.load(short, default_type=default)
    else:
        with call.context.store.read() as db:
            scans = stored_scans(db, existing)
        if call.query.flag("allowDataDeletion") and "S" in call.params:
            scans = {}  # the template is dropped here
        draft = sent.load(short, default_type=default, existing_type=existing["xsi_type"], children=scans)
    if draft is not None:
        draft.bare = bare
        if existing is not None:
            draft.become(existing["xsi_type"])
    return draft


def _new_label(call: Call) -> str | None:
    """The label by which a PUT on an existing object means nothing but a rename."""
    return (call.query.get("label") or "").strip() or None


# --- subjects -----------------------------------------------------------------------------------------------------


def get_subject(call: Call) -> Response:
    """One subject."""
    with call.context.store.read() as db:
        return show(call, subject_to_read(db, call), db)


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
        draft = _load(call, body, short_names.SUBJECT, existing, data_types.SUBJECT)
        if draft is None or draft.xsi_type != data_types.SUBJECT:
            raise XnatError(422, "Only xnat:Subject documents can be PUT to this address.")
        if existing is not None and "P" not in call.params:
            draft.fields.setdefault("project", existing["project"])
        saved = put_subject(change, project, name, draft)
        save_embedded(change, saved.row, draft)
        apply_status_flags(change, saved.row)
    return saved_response(saved)


def post_one_subject(call: Call, body: bytes) -> Response:
    """Creates only."""
    with changing(call) as change:
        project = project_for_list(change.db, call)
        draft = submission(call, body).load(short_names.SUBJECT, default_type=data_types.SUBJECT)
        if draft is None or draft.xsi_type != data_types.SUBJECT:
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
            project = target_project(change, call.tail)
        delete_subject(change, subject, None if project is None else project["id"])
    return empty_response()


# --- experiments --------------------------------------------------------------------------------------------------


def get_experiment(call: Call) -> Response:
    """One experiment; unknown tails (``/scans`` below ``/projects/P/experiments/E``!) show the experiment itself."""
    with call.context.store.read() as db:
        found = experiment_to_read(db, call)
        _refuse_assessor(call, found)
        return show(call, found, db)


def put_below_subject(call: Call, body: bytes) -> Response:
    """``/projects/P/subjects/S/experiments/E``: short names work, the subject is created if need be."""
    with changing(call) as change:
        project = project_for_list(change.db, call)
        existing = for_writing(change.db, EXPERIMENT_KINDS, project["id"], call.params["E"])
        _refuse_assessor(call, existing)
        place = Place(project=project["id"], name=call.params["E"], existing=existing, subject=call.params["S"])
        done = _share_or_rename(change, call, place)
        if done is not None:
            return done
        draft = _load(call, body, short_names.SESSION, existing, None)
        saved = put_experiment(change, place, draft, whole=call.query.flag("allowDataDeletion"))
        apply_status_flags(change, saved.row)
    return saved_response(saved)


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
        done = _share_or_rename(change, call, place)
        if done is not None:
            return done
        draft = _load(call, body, short_names.NONE, existing, None)
        saved = put_experiment(change, place, draft, whole=_is_whole(call, draft))
        apply_status_flags(change, saved.row)
    return saved_response(saved)


def _is_whole(call: Call, draft: Draft | None) -> bool:
    """``ExperimentResource`` keeps the template for query parameters, and here only the exact text counts."""
    return call.query.get("allowDataDeletion") == "true" and draft is not None and (draft.from_xml or draft.bare)


def _share_or_rename(change: Change, call: Call, place: Place) -> Response | None:
    """What a tail or a ``label`` on an existing experiment means; nothing else of the request counts then."""
    existing = place.existing
    if existing is None:
        if call.tail:
            raise XnatError(417, "Need PUT Contents")  # inferred
        return None
    if call.tail:
        if not call.tail.startswith("projects/"):
            raise XnatError(400)
        return _share_or_move_experiment(change, call, existing, 200)
    label = _new_label(call)
    if label is None:
        return None
    rename(change, existing, place.project, label)
    return empty_response()


def put_by_id(call: Call, body: bytes) -> Response:
    """``/experiments/ID``: good for sharing; anything else needs the project in the document, or is 422."""
    with changing(call) as change:
        existing = experiment_to_read(change.db, call) if call.tail else None
        if existing is not None:
            return _share_or_move_experiment(change, call, existing, 201)
        existing = by_id(change.db, EXPERIMENT_KINDS, call.params["E"])
        draft = _load(call, body, short_names.NONE, existing, None)
        if draft is None:
            raise XnatError(417, "Need PUT Contents")
        project = draft.get("project")
        if not project or by_id(change.db, ("project",), project) is None:
            raise XnatError(422, "Submitted experiment record must include the project attribute.")
        place = Place(project=project, name=call.params["E"], existing=existing, subject=None)
        return saved_response(put_experiment(change, place, draft, whole=_is_whole(call, draft)))


def post_one_experiment(call: Call, body: bytes) -> Response:
    """Creates only, below a project or one of its subjects."""
    with changing(call) as change:
        project = project_for_list(change.db, call)
        subject = None
        if "S" in call.params:
            subject = for_writing(change.db, ("subject",), project["id"], call.params["S"])
            if subject is None:
                raise XnatError(404, f"Unable to identify subject {call.params['S']}")
        draft = submission(call, body).load(short_names.SESSION)
        row = post_experiment(change, project["id"], subject, draft)
    return created_in_list(call, row["id"])


def delete_one_experiment(call: Call) -> Response:
    """Deletes, unshares, or (for an object of another project) does nothing, always with 200."""
    with changing(call) as change:
        project = url_project(change.db, call)
        experiment = experiment_to_read(change.db, call)
        _refuse_assessor(call, experiment)
        if call.tail:
            project = target_project(change, call.tail)
        delete_experiment(change, experiment, None if project is None else project["id"])
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
]
