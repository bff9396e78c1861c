"""Handlers for accounts, their sessions, and their membership in projects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse, PlainTextResponse, Response

from xnat_sync.server import users
from xnat_sync.server.access import Right, can, project_rights, role_in
from xnat_sync.server.errors import XnatError
from xnat_sync.server.lookup import find_project
from xnat_sync.server.render import simple_table, table_response
from xnat_sync.server.routing import Route, blocking, with_body

if TYPE_CHECKING:
    import sqlite3

    from xnat_sync.server.routing import Call


def require_admin(call: Call) -> None:
    """403 for everybody else."""
    if not call.user.admin:
        raise XnatError(403)


def user_name(call: Call) -> Response:
    """The login as text."""
    return PlainTextResponse(call.user.login)


def list_user_names(call: Call) -> Response:
    """All logins."""
    _require_user_list(call)
    with call.context.store.read() as db:
        names = [row["login"] for row in db.execute("SELECT login FROM user ORDER BY id")]
    return JSONResponse(names)


def list_profiles(call: Call) -> Response:
    """All accounts."""
    _require_user_list(call)
    with call.context.store.read() as db:
        rows = db.execute("SELECT * FROM user ORDER BY id").fetchall()
    return JSONResponse([_profile(row) for row in rows])


def get_profile(call: Call) -> Response:
    """One account: one's own, or anyone's for an administrator; 404 when there is none."""
    name = call.params["LOGIN"]
    if name != call.user.login and not call.user.admin:
        raise XnatError(403)
    with call.context.store.read() as db:
        row = db.execute("SELECT * FROM user WHERE login = ?", (name,)).fetchone()
    if row is None:
        raise XnatError(404)
    return JSONResponse(_profile(row))


def post_user(call: Call, body: bytes) -> Response:
    """Administrators create an account from a JSON object with ``username`` and ``password`` (``UsersApi``)."""
    require_admin(call)
    try:
        data = json.loads(body)
        name, password = str(data["username"]), str(data["password"])
    except (ValueError, KeyError, TypeError):
        raise XnatError(400) from None
    with call.context.store.write() as db:
        if db.execute("SELECT 1 FROM user WHERE login = ?", (name,)).fetchone() is not None:
            raise XnatError(409)
        users.add_user(db, name, password, admin=bool(data.get("admin", False)), now=call.context.clock().timestamp())
        for key, column in (("firstName", "firstname"), ("lastName", "lastname"), ("email", "email")):
            if data.get(key):
                db.execute(f"UPDATE user SET {column} = ? WHERE login = ?", (str(data[key]), name))  # noqa: S608 - names from the line above
        row = db.execute("SELECT * FROM user WHERE login = ?", (name,)).fetchone()
    return JSONResponse(_profile(row), status_code=201)


def _profile(row: sqlite3.Row) -> dict[str, object]:
    return {
        "username": row["login"],
        "id": row["id"],
        "firstName": row["firstname"],
        "lastName": row["lastname"],
        "email": row["email"],
        "enabled": bool(row["enabled"]),
        "admin": bool(row["admin"]),
        "verified": True,
        "secured": True,
    }


def list_groups(call: Call) -> Response:
    """The groups of an account: one's own, or anyone's for an administrator."""
    login = _self_or_admin(call)
    with call.context.store.read() as db:
        rows = db.execute("SELECT project || '_' || role AS id FROM membership WHERE login = ? ORDER BY id", (login,))
        return JSONResponse([row["id"] for row in rows.fetchall()])


def list_roles(call: Call) -> Response:
    """The roles of an account."""
    login = _self_or_admin(call)
    with call.context.store.read() as db:
        row = db.execute("SELECT admin FROM user WHERE login = ?", (login,)).fetchone()
    if row is None:
        raise XnatError(404)
    return JSONResponse(["Administrator"] if row["admin"] else [])


def _require_user_list(call: Call) -> None:
    closed = call.context.preferences.is_on("restrictUserListAccessToAdmins")
    if call.user.is_guest or (closed and not call.user.admin):
        raise XnatError(403)


def list_users(call: Call) -> Response:
    """The table of accounts; 403 when restricted to administrators (``UserListResource``)."""
    _require_user_list(call)
    with call.context.store.read() as db:
        rows = db.execute("SELECT id AS xdat_user_id, login, firstname, lastname, email FROM user ORDER BY id")
        found = [{key: str(row[key]) for key in _USER_KEYS} for row in rows.fetchall()]
    return table_response(call, simple_table(_USER_KEYS, found))


_USER_KEYS: Final = ("xdat_user_id", "login", "firstname", "lastname", "email")
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


def list_logins(call: Call) -> Response:
    """All logins, for administrators only (``UserSettingsRestlet``)."""
    require_admin(call)
    return list_user_names(call)


def get_login(call: Call) -> Response:
    """One account, for administrators only."""
    require_admin(call)
    return get_profile(call)


def sessions_of_user(call: Call) -> Response:
    """``{"NAME": number}`` of live sessions."""
    login = _self_or_admin(call)
    return JSONResponse({login: len(call.context.sessions.of(login))})


def active_sessions(call: Call) -> Response:
    """The ids of a user's sessions."""
    return JSONResponse(call.context.sessions.of(_self_or_admin(call)))


def kill_sessions(call: Call) -> Response:
    """Ends them and says which they were."""
    return JSONResponse(call.context.sessions.revoke_user(_self_or_admin(call)))


def _self_or_admin(call: Call) -> str:
    login = call.params["LOGIN"]
    if login != call.user.login and not call.user.admin:
        raise XnatError(403)
    return login


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
    Route("GET", "/xapi/users/username", blocking(user_name), "UsersApi.getUsername"),
    Route("GET", "/xapi/users", blocking(list_user_names), "UsersApi"),
    Route("POST", "/xapi/users", with_body(post_user), "UsersApi"),
    Route("GET", "/xapi/users/profiles", blocking(list_profiles), "UsersApi"),
    Route("GET", "/xapi/users/{LOGIN}", blocking(get_profile), "UsersApi"),
    Route("GET", "/xapi/users/{LOGIN}/profile", blocking(get_profile), "UsersApi"),
    Route("GET", "/xapi/users/{LOGIN}/groups", blocking(list_groups), "UsersApi"),
    Route("GET", "/xapi/users/{LOGIN}/roles", blocking(list_roles), "UsersApi"),
    Route("GET", "/xapi/users/active/{LOGIN}", blocking(active_sessions), "UsersApi"),
    Route("DELETE", "/xapi/users/active/{LOGIN}", blocking(kill_sessions), "UsersApi"),
    Route("GET", "/user", blocking(list_logins), "UserSettingsRestlet", archive=False),
    Route("GET", "/user/{LOGIN}", blocking(get_login), "UserSettingsRestlet", archive=False),
    Route("GET", "/user/{LOGIN}/sessions", blocking(sessions_of_user), "UserSessionId", archive=False),
    Route("GET", "/users", blocking(list_users), "UserListResource", archive=False),
    Route("PUT", "/projects/{P}/users/{GROUP}/{LOGIN}", blocking(put_project_user), "ProjectMemberResource"),
    Route("DELETE", "/projects/{P}/users/{GROUP}/{LOGIN}", blocking(delete_project_user), "ProjectMemberResource"),
    Route("GET", "/xapi/access/projects", blocking(project_roles), "DataAccessApi.getProjectRoles"),
]
