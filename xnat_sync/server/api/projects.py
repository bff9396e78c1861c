"""Handlers for projects and their settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.server.api.object_calls import NO_EXPERIMENT, changing, created_in_list, project_for_list, submission
from xnat_sync.server.errors import XnatError
from xnat_sync.server.http.routing import Route, blocking, with_body
from xnat_sync.server.identity.permissions import Right, accessibility_of, can
from xnat_sync.server.objects.documents import load_node
from xnat_sync.server.objects.lookup import find_project, visible_project
from xnat_sync.server.objects.projects import (
    SETTINGS,
    post_project,
    put_project,
    set_accessibility,
    set_setting,
    setting,
)
from xnat_sync.server.objects.removal import delete_project
from xnat_sync.server.responses.render import empty_response, object_response, text_response
from xnat_sync.server.schema import data_types, short_names

if TYPE_CHECKING:
    from starlette.responses import Response

    from xnat_sync.server.http.routing import Call
    from xnat_sync.server.objects.submission import Draft


def _draft(call: Call, body: bytes) -> Draft:
    draft = submission(call, body).load(short_names.PROJECT, default_type=data_types.PROJECT)
    if draft is None or draft.xsi_type != data_types.PROJECT:
        raise XnatError(422, "Only xnat:Project documents can be PUT to this address.")  # wording inferred
    return draft


def get_one(call: Call) -> Response:
    """The project; any tail is 400, a missing or hidden one 404 with the experiment's sentence (sic)."""
    if call.tail:
        raise XnatError(400)
    with call.context.store.read() as db:
        project = visible_project(db, call.user, call.params["P"])
        if project is None:
            raise XnatError(404, NO_EXPERIMENT)
        node = load_node(db, call.user, project)
    return object_response(call, node)


def put_one(call: Call, body: bytes) -> Response:
    """Creates or updates: 200 and nothing said, either way."""
    if call.tail:
        raise XnatError(400)
    with changing(call) as change:
        known = find_project(change.db, call.params["P"])
        put_project(change, call.params["P"] if known is None else known["id"], _draft(call, body))
    return empty_response()


def post_one(call: Call, body: bytes) -> Response:
    """Creates a project named in the body or the query."""
    with changing(call) as change:
        name = post_project(change, _draft(call, body))
    return created_in_list(call, name)


def delete_one(call: Call) -> Response:
    """Unknown, hidden or with a tail: 400."""
    with changing(call) as change:
        project = visible_project(change.db, call.user, call.params["P"])
        if project is None or call.tail:
            raise XnatError(400)
        delete_project(change, project)
    return empty_response()


def get_accessibility(call: Call) -> Response:
    """``private``, ``protected`` or ``public``."""
    with call.context.store.read() as db:
        return text_response(accessibility_of(db, project_for_list(db, call)["id"]))


def put_accessibility(call: Call) -> Response:
    """Needs the right to delete the project; answers the new value."""
    with changing(call) as change:
        project = project_for_list(change.db, call)
        if not can(change.db, call.user, project, Right.DELETE):
            raise XnatError(403)
        set_accessibility(change, project, call.params["VALUE"])
    return text_response(call.params["VALUE"])


def _setting_routes(name: str) -> list[Route]:
    def get_setting(call: Call) -> Response:
        """The value as text."""
        with call.context.store.read() as db:
            return text_response(setting(db, project_for_list(db, call)["id"], name))

    def put_setting(call: Call) -> Response:
        """Stores the value."""
        with changing(call) as change:
            value = "/".join(filter(None, (call.params["VALUE"], call.tail)))  # ``arc001/sub`` has a slash
            set_setting(change, project_for_list(change.db, call), name, value)
        return empty_response()

    return [
        Route("GET", f"/projects/{{P}}/{name}", blocking(get_setting), "ProjectResource"),
        Route("PUT", f"/projects/{{P}}/{name}/{{VALUE}}", blocking(put_setting), "TestProjectURIs"),
    ]


ROUTES = [
    Route("POST", "/projects", with_body(post_one), "ProjectListResource; clash of names 500 inferred"),
    Route("GET", "/projects/{P}", blocking(get_one), "ProjectResource; TestProjectResources"),
    Route("PUT", "/projects/{P}", with_body(put_one), "ProjectResource; TestProjectResources.testQueryCRUD"),
    Route("DELETE", "/projects/{P}", blocking(delete_one), "ProjectResource; TestInvalidUserAccess"),
    Route("GET", "/projects/{P}/accessibility", blocking(get_accessibility), "ProjectAccessibilityResource"),
    Route("PUT", "/projects/{P}/accessibility/{VALUE}", blocking(put_accessibility), "ProjectAccessibilityResource"),
    *(route for name in SETTINGS for route in _setting_routes(name)),
]
