"""Handlers for the sessions of users and their membership in projects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse, Response

from xnat_sync.server.api.accounts import self_or_admin
from xnat_sync.server.errors import XnatError
from xnat_sync.server.http.routing import Route, blocking
from xnat_sync.server.identity.permissions import Right, can, project_rights, role_in
from xnat_sync.server.objects.lookup import find_project
from xnat_sync.server.responses.render import simple_table, table_response

if TYPE_CHECKING:
    from xnat_sync.server.http.routing import Call


_GROUPS: Final = {
    "owner": "owner",
    "owners": "owner",
    "member": "member",
    "members": "member",
    "collaborator": "collaborator",
    "collaborators": "collaborator",
}


def put_project_user(call: Call) -> Response:
    """Puts a user into one of the project's groups (``ProjectMemberResource``); owners and administrators may."""
    project, login = _member_change(call)
    group = call.params["GROUP"].removeprefix(f"{project}_").lower()
    if group not in _GROUPS:
        raise XnatError(404)
    with call.context.store.write() as db:
        if db.execute("SELECT 1 FROM user WHERE login = ?", (login,)).fetchone() is None:
            raise XnatError(404)
        db.execute(
            "INSERT INTO membership(project, login, role) VALUES (?, ?, ?)"
            " ON CONFLICT(project, login) DO UPDATE SET role = excluded.role",
            (project, login, _GROUPS[group]),
        )
    return list_members(call)


def delete_project_user(call: Call) -> Response:
    """Takes a user out of the project."""
    project, login = _member_change(call)
    with call.context.store.write() as db:
        db.execute("DELETE FROM membership WHERE project = ? AND login = ?", (project, login))
    return list_members(call)


def _member_change(call: Call) -> tuple[str, str]:
    project = call.params["P"]
    with call.context.store.read() as db:
        rights = project_rights(db, call.user, project)
        known = db.execute("SELECT 1 FROM item WHERE kind = 'project' AND id = ?", (project,)).fetchone()
    if known is None:
        raise XnatError(404)
    if Right.EDIT not in rights:
        raise XnatError(403)
    return project, call.params["LOGIN"]


def list_members(call: Call) -> Response:
    """The members of a project, as after a change."""
    with call.context.store.read() as db:
        rows = db.execute(
            "SELECT project || '_' || role AS GROUP_ID, role AS displayname, login, firstname, lastname, email"
            " FROM membership JOIN user USING (login) WHERE project = ? ORDER BY login",
            (call.params["P"],),
        ).fetchall()
    keys = ("GROUP_ID", "displayname", "login", "firstname", "lastname", "email")
    return table_response(call, simple_table(keys, [dict(row) for row in rows]))


def project_roles(call: Call) -> Response:
    """``[{"ID", "name", "role"}]`` for xnatpy's ``access_level`` (``DataAccessApi.getProjectRoles``)."""
    found = []
    with call.context.store.read() as db:
        for row in db.execute("SELECT id, fields FROM item WHERE kind = 'project' ORDER BY id").fetchall():
            rights = project_rights(db, call.user, row["id"])
            if Right.READ not in rights:
                continue
            role = role_in(db, call.user, row["id"]) or ("owner" if call.user.admin else "public")
            found.append({"ID": row["id"], "name": json.loads(row["fields"]).get("name", ""), "role": role})
    return JSONResponse(found)


def sessions_of_user(call: Call) -> Response:
    """``{"NAME": number}`` of live sessions."""
    login = self_or_admin(call)
    return JSONResponse({login: len(call.context.sessions.of(login))})


def active_sessions(call: Call) -> Response:
    """The ids of a user's sessions."""
    return JSONResponse(call.context.sessions.of(self_or_admin(call)))


def kill_sessions(call: Call) -> Response:
    """Ends them and says which they were."""
    return JSONResponse(call.context.sessions.revoke_user(self_or_admin(call)))


def list_project_users(call: Call) -> Response:
    """Members with their groups (``ProjectUserListResource``); 404 for an unknown project."""
    with call.context.store.read() as db:
        project = find_project(db, call.params["P"])
        if project is None or not can(db, call.user, project, Right.READ):
            raise XnatError(404, f"Unable to identify project {call.params['P']}")
        closed = call.context.preferences.is_on("restrictUserListAccessToAdmins")
        if closed and not can(db, call.user, project, Right.EDIT):
            raise XnatError(403)
        rows = db.execute(
            "SELECT membership.project || '_' || role AS GROUP_ID, role, login, firstname, lastname, email"
            " FROM membership JOIN user USING (login) WHERE project = ? ORDER BY role DESC, login",
            (project["id"],),
        ).fetchall()
    keys = ("GROUP_ID", "displayname", "login", "firstname", "lastname", "email")
    shown = [{**dict(row), "displayname": row["role"].title() + "s"} for row in rows]
    return table_response(call, simple_table(keys, shown))


ROUTES = [
    Route("GET", "/projects/{P}/users", blocking(list_project_users), "ProjectUserListResource"),
    Route("GET", "/xapi/users/active/{LOGIN}", blocking(active_sessions), "UsersApi"),
    Route("DELETE", "/xapi/users/active/{LOGIN}", blocking(kill_sessions), "UsersApi"),
    Route("GET", "/user/{LOGIN}/sessions", blocking(sessions_of_user), "UserSessionId", archive=False),
    Route("PUT", "/projects/{P}/users/{GROUP}/{LOGIN}", blocking(put_project_user), "ProjectMemberResource"),
    Route("DELETE", "/projects/{P}/users/{GROUP}/{LOGIN}", blocking(delete_project_user), "ProjectMemberResource"),
    Route("GET", "/xapi/access/projects", blocking(project_roles), "DataAccessApi.getProjectRoles"),
]
