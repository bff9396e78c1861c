"""Logging in and out: ``/data/services/auth``, ``/data/JSESSION``, ``/data/auth``, alias tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from xnat_sync.server.errors import XnatError
from xnat_sync.server.http.authentication import LOGIN_PATH, session_cookie
from xnat_sync.server.http.routing import Route, blocking, with_body
from xnat_sync.server.identity.permissions import GUEST, GUEST_LOGIN
from xnat_sync.server.identity.users import AliasToken, find_user, issue_token, token_owner

if TYPE_CHECKING:
    import sqlite3

    from xnat_sync.server.http.routing import Call
    from xnat_sync.server.identity.login_sessions import Session


def _session_id(call: Call, session: Session, *, is_new: bool) -> Response:
    """The id as text; ``CSRF=true`` appends the token that browsers must send."""
    token = f"; XNAT_CSRF={session.csrf}" if call.query.flag("CSRF") else ""
    response = PlainTextResponse(session.id + token)
    if is_new:
        response.headers.append("Set-Cookie", session_cookie(session.id))
    return response


def log_in(call: Call, body: bytes) -> Response:
    """Authenticates the session that the client carries, or a new one; the answer is the session id."""
    form = dict(reversed(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)))
    name = form.get("username", form.get("j_username", ""))
    secret = form.get("password", form.get("j_password", ""))
    now = int(call.context.clock().timestamp() * 1000)
    user = call.credentials.check(name.rpartition("/")[2], secret, now)
    if user is None:
        raise XnatError(401, "Authentication failed.")
    sessions = call.context.sessions
    if call.session is not None:
        sessions.log_in(call.session.id, user)
        return _session_id(call, call.session, is_new=False)
    return _session_id(call, sessions.open(user), is_new=True)


def get_session(call: Call) -> Response:
    """The session id; without a login that of a fresh anonymous session, with status 200 all the same."""
    if call.session is not None:
        return _session_id(call, call.session, is_new=False)
    return _session_id(call, call.context.sessions.open(GUEST), is_new=True)


def end_session(call: Call) -> Response:
    """Invalidates the session; exactly 200."""
    if call.session is not None:
        call.context.sessions.revoke(call.session.id)
    return PlainTextResponse("")


def who_am_i(call: Call) -> Response:
    """``User 'NAME' is logged in``."""
    return PlainTextResponse(f"User '{call.user.login}' is logged in")


def _token_json(token: AliasToken, number: int) -> dict[str, object]:
    return {
        "alias": token.alias,
        "secret": token.secret,
        "xdatUserId": token.login,
        "singleUse": False,
        "estimatedExpirationTime": token.expires,
        "validIPAddresses": [],
        "id": number,
        "enabled": True,
    }


def _token_user(call: Call) -> str:
    """Whose tokens a request is about: the caller's own, or anyone's for an administrator, and never the guest's."""
    login = call.params.get("USER", call.user.login)
    if GUEST_LOGIN in {login, call.user.login}:
        raise XnatError(403)
    if login != call.user.login and not call.user.admin:
        raise XnatError(403)
    return login


def _require_token(db: sqlite3.Connection, call: Call) -> None:
    """404 when there is no token as the URL names it, 403 when it is somebody else's."""
    found = db.execute("SELECT * FROM alias_token WHERE alias = ?", (call.params["TOKEN"],))
    row: sqlite3.Row | None = found.fetchone()
    if row is None:
        raise XnatError(404)
    if row["login"] != _token_user(call) and not call.user.admin:
        raise XnatError(403)


def issue(call: Call) -> Response:
    """A new pair for the caller, or for another user if an administrator asks; nothing for the guest."""
    login = _token_user(call)
    lifetime = call.context.preferences.seconds("aliasTokenTimeout")
    expires = int((call.context.clock().timestamp() + lifetime) * 1000)
    with call.context.store.write() as db:
        if find_user(db, login) is None:
            raise XnatError(400)
        token = issue_token(db, login, expires)
        number = db.execute("SELECT rowid FROM alias_token WHERE alias = ?", (token.alias,)).fetchone()[0]
    return JSONResponse(_token_json(token, number))


def show_tokens(call: Call) -> Response:
    """The pairs that a user holds."""
    login, now = _token_user(call), int(call.context.clock().timestamp() * 1000)
    with call.context.store.read() as db:
        rows = db.execute(
            "SELECT rowid, * FROM alias_token WHERE login = ? AND expires > ? ORDER BY rowid", (login, now)
        ).fetchall()
    tokens = [AliasToken(alias=row["alias"], secret=row["secret"], login=login, expires=row["expires"]) for row in rows]
    return JSONResponse([_token_json(token, row["rowid"]) for token, row in zip(tokens, rows, strict=True)])


def refuse_operation(call: Call) -> Response:
    """Anything else is no operation on tokens."""
    raise XnatError(400)


def validate(call: Call) -> Response:
    """``{"valid": NAME}``; without the key when the pair is wrong."""
    now = int(call.context.clock().timestamp() * 1000)
    with call.context.store.read() as db:
        _require_token(db, call)
        login = token_owner(db, call.params["TOKEN"], call.params["SECRET"], now)
    return JSONResponse({} if login is None else {"valid": login})


def invalidate(call: Call) -> Response:
    """Deletes a pair of the caller's own."""
    with call.context.store.write() as db:
        _require_token(db, call)
        db.execute("DELETE FROM alias_token WHERE alias = ?", (call.params["TOKEN"],))
    return JSONResponse({"result": "OK"})


def log_in_by_form(call: Call, body: bytes) -> Response:
    """What a browser sends: the answer is a redirect, home or back to the form (``XnatAuthenticationFilter``)."""
    try:
        response = log_in(call, body)
    except XnatError:
        return RedirectResponse(f"{LOGIN_PATH}?failed=true", status_code=302)
    return RedirectResponse("/", status_code=302, headers=_cookies_of(response))


def _cookies_of(response: Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name == "set-cookie"}


def refuse_get(call: Call) -> Response:
    """GET on the login service throws in XNAT."""
    raise XnatError(500)


ROUTES = [
    Route("PUT", "/services/auth", with_body(log_in), "AuthenticationRestlet", archive=False),
    Route("POST", "/services/auth", with_body(log_in), "AuthenticationRestlet", archive=False),
    Route("GET", "/services/auth", blocking(refuse_get), "AuthenticationRestlet (500 inferred)", archive=False),
    Route("GET", "/JSESSION", blocking(get_session), "UserSession; anonymous id inferred", archive=False),
    Route("POST", "/JSESSION", blocking(get_session), "UserSession; anonymous id inferred", archive=False),
    Route("DELETE", "/JSESSION", blocking(end_session), "UserSession; empty body inferred", archive=False),
    Route("POST", "/login", with_body(log_in_by_form), "XnatAuthenticationFilter; addresses inferred"),
    Route("GET", "/auth", blocking(who_am_i), "UserAuth", archive=False),
    Route("GET", "/services/tokens/issue", blocking(issue), "AliasTokenRestlet", archive=False),
    Route("GET", "/services/tokens/issue/user/{USER}", blocking(issue), "AliasTokenRestlet", archive=False),
    Route("GET", "/services/tokens/show", blocking(show_tokens), "AliasTokenRestlet", archive=False),
    Route("GET", "/services/tokens/show/user/{USER}", blocking(show_tokens), "AliasTokenRestlet", archive=False),
    Route("GET", "/services/tokens/{OPERATION}", blocking(refuse_operation), "AliasTokenRestlet", archive=False),
    Route("GET", "/services/tokens/validate/{TOKEN}/{SECRET}", blocking(validate), "AliasTokenRestlet", archive=False),
    Route("GET", "/services/tokens/invalidate/{TOKEN}", blocking(invalidate), "AliasTokenRestlet", archive=False),
    Route(
        "GET", "/services/tokens/invalidate/{TOKEN}/{SECRET}", blocking(invalidate), "AliasTokenRestlet", archive=False
    ),
]
