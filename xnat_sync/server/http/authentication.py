"""Who is calling: cookie, Basic, alias token or nobody (``XnatBasicAuthenticationFilter``, ``XnatSecureGuard``)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xnat_sync.server.errors import XnatError
from xnat_sync.server.identity.lockout import EXPIRED, EXPIRED_PATH, INACTIVE_PATH, password_expired
from xnat_sync.server.identity.permissions import GUEST

if TYPE_CHECKING:
    from starlette.requests import Request

    from xnat_sync.server.http.routing import Context
    from xnat_sync.server.identity.login_sessions import Session
    from xnat_sync.server.identity.permissions import User
    from xnat_sync.server.identity.preferences import Preferences
    from xnat_sync.server.identity.users import Credentials

OPEN_PATHS = frozenset(
    {
        "/",
        "/login",
        "/data/JSESSION",
        "/data/services/auth",
        "/REST/JSESSION",
        "/REST/services/auth",
        "/xapi/siteConfig/buildInfo",
        "/xapi/siteConfig/siteHome",
        "/xapi/siteConfig/siteId",
        "/xapi/siteConfig/siteLogoPath",
        "/xapi/siteConfig/siteUrl",
    }
)
"""Served to everybody (``configured-urls.yaml``). Hence a 200 from ``/data/JSESSION`` proves no login."""

_INTERACTIVE = re.compile(r"MSIE|Mozilla|AppleWebKit|Opera")
LOGIN_PAGE = (
    "<!DOCTYPE html>\n<html>\n<head><title>XNAT</title></head>\n<body>\n"
    "<!-- BEGIN xnat-templates/screens/Login.vm -->\n"
    '<form name="form1" method="post" action="/login"><input name="username"><input name="password" type="password">'
    "</form>\n<!-- END xnat-templates/screens/Login.vm -->\n</body>\n</html>\n"
)
LOGIN_PATH = "/app/template/Login.vm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The caller of one request, and the session that answers to it, if any."""

    user: User
    session: Session | None
    is_new: bool = False


def identify(request: Request, context: Context, credentials: Credentials, now: int) -> Identity:
    """Cookie first, then Basic; wrong Basic credentials are refused even where anybody may read.

    A cookie-less Basic request opens a session each time, as XNAT does; a Basic request whose cookie already belongs
    to that user keeps it (``authenticationIsRequired``). Beyond ``concurrentMaxSessions`` the new login fails; those
    through ``/data/services/auth`` do not count (inferred).
    """
    sessions, preferences = context.sessions, context.preferences
    session = sessions.find(request.cookies.get("JSESSIONID", ""))
    header = request.headers.get("authorization", "")
    if not header.lower().startswith("basic "):
        return Identity(user=session.user if session else GUEST, session=session)
    name, secret = _basic(header)
    if session is not None and session.user.login == name:
        return Identity(user=session.user, session=session)
    user = credentials.check(name, secret, now)
    if user is None:
        raise unauthorized(preferences)
    if session is not None and session.user == user:
        return Identity(user=user, session=session)
    if sessions.counted(user.login) >= int(preferences.get("concurrentMaxSessions")):
        raise unauthorized(preferences, preferences.get("uiLoginFailureMessage"))
    return Identity(user=user, session=sessions.open(user, counted=True), is_new=True)


def _basic(header: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(header[6:].strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise XnatError(500) from error
    name, colon, secret = text.partition(":")
    if not colon:
        raise XnatError(500)  # a ServletException in XNAT
    return name.rpartition("/")[2], secret


def session_cookie(session_id: str) -> str:
    """The cookie of a session: HttpOnly, and never Secure on plain http."""
    return f"JSESSIONID={session_id}; Path=/; HttpOnly"


def unauthorized(preferences: Preferences, message: str | None = None) -> XnatError:
    """401 with the challenge that script agents get; its realm is the site (``XnatAuthenticationEntryPoint``)."""
    return XnatError(401, message, headers={"WWW-Authenticate": f'Basic realm="{preferences.get("siteId")}"'})


def is_interactive(request: Request) -> bool:
    """Whether the User-Agent looks like a browser, which is sent to the login page instead of getting 401."""
    return _INTERACTIVE.search(request.headers.get("user-agent", "")) is not None


def require_live_account(request: Request, identity: Identity, context: Context, now: int) -> None:
    """A session whose account was disabled sees only the page that says so, one with an old password another page.

    An expired password is 403 by Basic (``XnatExpiredPasswordFilter``).
    """
    user = identity.user
    if not user.enabled and request.url.path != INACTIVE_PATH:
        raise XnatError(302, headers={"Location": INACTIVE_PATH})
    if user.is_guest or context.preferences.get("passwordExpirationType") == "Disabled":
        return
    with context.store.read() as db:
        if not password_expired(db, context.preferences, user.login, now):
            return
    if identity.is_new:
        raise XnatError(403, EXPIRED)
    if request.url.path != EXPIRED_PATH:
        raise XnatError(302, headers={"Location": EXPIRED_PATH})


_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def require_csrf_token(request: Request, identity: Identity, preferences: Preferences) -> None:
    """A browser that changes something on a session cookie must send ``XNAT_CSRF`` (``SecureAction.isCsrfTokenOk``).

    Scripts never need it; the status of a refusal is inferred.
    """
    by_cookie = identity.session is not None and not identity.is_new and not identity.user.is_guest
    exempt = request.method in _SAFE_METHODS or not by_cookie or not is_interactive(request)
    if exempt or not preferences.is_on("enableCsrfToken"):
        return
    if identity.session is not None and request.query_params.get("XNAT_CSRF") != identity.session.csrf:
        raise XnatError(403, "Invalid CSRF")


_DATA_PATH = re.compile("/(xapi|data|REST|fs)(/|$)")
"""What ``dataPaths`` says by default."""


def require_login(request: Request, identity: Identity, preferences: Preferences) -> None:
    """Lets through whoever may pass; otherwise 401 to scripts on data paths, a redirect to everybody else.

    ``XnatAuthenticationEntryPoint.commence``.
    """
    path = bytes(request.scope["raw_path"]).decode("latin-1").rstrip("/") or "/"
    if not identity.user.is_guest or path in OPEN_PATHS or path == LOGIN_PATH:
        return
    if not preferences.is_on("requireLogin"):
        return
    if is_interactive(request) or _DATA_PATH.match(path) is None:
        raise XnatError(302, headers={"Location": LOGIN_PATH})
    raise unauthorized(preferences)
