"""Handlers for accounts: their profiles, groups and roles, creating and changing them (``UsersApi``)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, PlainTextResponse, Response

from xnat_sync.server.errors import XnatError
from xnat_sync.server.http.routing import Route, blocking, with_body
from xnat_sync.server.identity import users
from xnat_sync.server.identity.permissions import GUEST_LOGIN, User
from xnat_sync.server.responses.render import simple_table, table_response

if TYPE_CHECKING:
    import sqlite3

    from xnat_sync.server.http.routing import Call


def require_admin(call: Call) -> None:
    """403 for everybody else."""
    if not call.user.admin:
        raise XnatError(403)


def self_or_admin(call: Call) -> str:
    """The login that the URL names: one's own, or anyone's for an administrator; otherwise 403."""
    login = call.params["LOGIN"]
    if login != call.user.login and not call.user.admin:
        raise XnatError(403)
    return login


def _require_user_list(call: Call) -> None:
    closed = call.context.preferences.is_on("restrictUserListAccessToAdmins")
    if call.user.is_guest or (closed and not call.user.admin):
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


def list_logins(call: Call) -> Response:
    """All logins, for administrators only (``UserSettingsRestlet``)."""
    require_admin(call)
    return list_user_names(call)


def list_profiles(call: Call) -> Response:
    """All accounts."""
    return _profiles(call, "1")


def list_current(call: Call) -> Response:
    """The accounts that are in use."""
    return _profiles(call, "enabled")


def _profiles(call: Call, condition: str) -> Response:
    _require_user_list(call)
    with call.context.store.read() as db:
        rows = db.execute(f"SELECT * FROM user WHERE {condition} ORDER BY id").fetchall()  # noqa: S608 - own words
    return JSONResponse([_profile(row) for row in rows])


def list_users(call: Call) -> Response:
    """The table of accounts; 403 when restricted to administrators (``UserListResource``)."""
    _require_user_list(call)
    with call.context.store.read() as db:
        rows = db.execute("SELECT id AS xdat_user_id, login, firstname, lastname, email FROM user ORDER BY id")
        found = [{key: str(row[key]) for key in _USER_KEYS} for row in rows.fetchall()]
    return table_response(call, simple_table(_USER_KEYS, found))


_USER_KEYS: Final = ("xdat_user_id", "login", "firstname", "lastname", "email")


def get_profile(call: Call) -> Response:
    """One account: one's own, or anyone's for an administrator; 404 when there is none."""
    name = self_or_admin(call)
    with call.context.store.read() as db:
        return JSONResponse(_profile(_account(db, name)))


def get_login(call: Call) -> Response:
    """One account, for administrators only."""
    require_admin(call)
    return get_profile(call)


def _account(db: sqlite3.Connection, login: str) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute("SELECT * FROM user WHERE login = ?", (login,)).fetchone()
    if row is None:
        raise XnatError(404)
    return row


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


def post_user(call: Call, body: bytes) -> Response:
    """Administrators create an account from a JSON object with ``username`` and ``password``."""
    require_admin(call)
    data = _json(body)
    if "username" not in data or "password" not in data:
        raise XnatError(400)
    name = str(data["username"])
    with call.context.store.write() as db:
        if db.execute("SELECT 1 FROM user WHERE login = ?", (name,)).fetchone() is not None:
            raise XnatError(409)
        admin, moment = bool(data.get("admin", False)), call.context.clock().timestamp()
        users.add_user(db, name, str(data["password"]), admin=admin, now=moment)
        _change(db, name, data)
        row = _account(db, name)
    return JSONResponse(_profile(row), status_code=201)


def put_user(call: Call, body: bytes) -> Response:
    """Changes what a JSON object names of one's own account; ``enabled`` is for administrators."""
    name, data = self_or_admin(call), _json(body)
    if "enabled" in data:
        require_admin(call)
    with call.context.store.write() as db:
        row = _account(db, name)
        if data.get("password"):
            admin, moment = bool(row["admin"]), call.context.clock().timestamp()
            users.add_user(db, name, str(data["password"]), admin=admin, now=moment)
            data = {"enabled": row["enabled"], **data}  # a new password alone does not wake an account
        _change(db, name, data)
        row = _account(db, name)
    _tell_sessions(call, row)
    return JSONResponse(_profile(row))


def put_enabled(call: Call) -> Response:
    """Administrators disable an account with ``false`` and enable it with ``true``."""
    require_admin(call)
    with call.context.store.write() as db:
        name = _account(db, call.params["LOGIN"])["login"]
        _change(db, name, {"enabled": call.params["FLAG"].lower() == "true"})
        row = _account(db, name)
    _tell_sessions(call, row)
    return Response(b"")


def _json(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except ValueError:
        raise XnatError(400) from None
    if not isinstance(data, dict):
        raise XnatError(400)
    return data


def _change(db: sqlite3.Connection, login: str, data: dict[str, Any]) -> None:
    for key, column in (("firstName", "firstname"), ("lastName", "lastname"), ("email", "email")):
        if data.get(key):
            db.execute(f"UPDATE user SET {column} = ? WHERE login = ?", (str(data[key]), login))  # noqa: S608 - names from the line above
    if "enabled" in data and login != GUEST_LOGIN:
        db.execute("UPDATE user SET enabled = ? WHERE login = ?", (int(bool(data["enabled"])), login))


def _tell_sessions(call: Call, row: sqlite3.Row) -> None:
    user = User(login=row["login"], admin=bool(row["admin"]), enabled=bool(row["enabled"]))
    call.context.sessions.update(user)


def list_groups(call: Call) -> Response:
    """The groups of an account."""
    login = self_or_admin(call)
    with call.context.store.read() as db:
        rows = db.execute("SELECT project || '_' || role AS id FROM membership WHERE login = ? ORDER BY id", (login,))
        return JSONResponse([row["id"] for row in rows.fetchall()])


_ADMINISTRATOR: Final = "Administrator"


def list_roles(call: Call) -> Response:
    """The roles of an account."""
    login = self_or_admin(call)
    with call.context.store.read() as db:
        admin = _account(db, login)["admin"]
        held = [row["role"] for row in db.execute("SELECT role FROM role WHERE login = ? ORDER BY role", (login,))]
    return JSONResponse([_ADMINISTRATOR, *held] if admin else held)


def put_role(call: Call) -> Response:
    """Administrators give an account a role, such as ``Administrator`` or ``non_expiring``."""
    return _set_role(call, held=True)


def delete_role(call: Call) -> Response:
    """They take it away again."""
    return _set_role(call, held=False)


def _set_role(call: Call, *, held: bool) -> Response:
    require_admin(call)
    role = call.params["ROLE"]
    with call.context.store.write() as db:
        login = _account(db, call.params["LOGIN"])["login"]
        if role == _ADMINISTRATOR:
            db.execute("UPDATE user SET admin = ? WHERE login = ?", (int(held), login))
        elif held:
            db.execute("INSERT OR IGNORE INTO role(login, role) VALUES (?, ?)", (login, role))
        else:
            db.execute("DELETE FROM role WHERE login = ? AND role = ?", (login, role))
        row = _account(db, login)
    _tell_sessions(call, row)
    return Response(b"")


ROUTES = [
    Route("GET", "/xapi/users/username", blocking(user_name), "UsersApi.getUsername"),
    Route("GET", "/xapi/users", blocking(list_user_names), "UsersApi"),
    Route("POST", "/xapi/users", with_body(post_user), "UsersApi"),
    Route("GET", "/xapi/users/profiles", blocking(list_profiles), "UsersApi"),
    Route("GET", "/xapi/users/current", blocking(list_current), "UsersApi; which accounts inferred"),
    Route("GET", "/xapi/users/{LOGIN}", blocking(get_profile), "UsersApi"),
    Route("PUT", "/xapi/users/{LOGIN}", with_body(put_user), "UsersApi; answer inferred"),
    Route("PUT", "/xapi/users/{LOGIN}/enabled/{FLAG}", blocking(put_enabled), "UsersApi; answer inferred"),
    Route("GET", "/xapi/users/{LOGIN}/profile", blocking(get_profile), "UsersApi"),
    Route("GET", "/xapi/users/{LOGIN}/groups", blocking(list_groups), "UsersApi"),
    Route("GET", "/xapi/users/{LOGIN}/roles", blocking(list_roles), "UsersApi"),
    Route("PUT", "/xapi/users/{LOGIN}/roles/{ROLE}", blocking(put_role), "UsersApi; answer inferred"),
    Route("DELETE", "/xapi/users/{LOGIN}/roles/{ROLE}", blocking(delete_role), "UsersApi; answer inferred"),
    Route("GET", "/user", blocking(list_logins), "UserSettingsRestlet", archive=False),
    Route("GET", "/user/{LOGIN}", blocking(get_login), "UserSettingsRestlet", archive=False),
    Route("GET", "/users", blocking(list_users), "UserListResource", archive=False),
]
