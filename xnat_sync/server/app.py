"""The ASGI application: safety checks, login, routing, errors, cookies, log. No rule about objects or files is here."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from xnat_sync.server.errors import XnatError, error_page
from xnat_sync.server.faults import FaultKind
from xnat_sync.server.http.authentication import (
    LOGIN_PAGE,
    Identity,
    identify,
    require_csrf_token,
    require_live_account,
    require_login,
    session_cookie,
)
from xnat_sync.server.http.download import OpenFileResponse
from xnat_sync.server.http.routing import Call, Query, Router
from xnat_sync.server.identity.users import Credentials
from xnat_sync.server.request_log import LoggedRequest
from xnat_sync.server.routes import all_routes
from xnat_sync.server.storage.archive import UnsafeNameError

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from xnat_sync.server.faults import Fault
    from xnat_sync.server.http.routing import Context
    from xnat_sync.server.identity.permissions import User

_log = logging.getLogger(__name__)
_REFUSED = re.compile(r"%25|%2f|%5c|%2e|;|//|\\|%00|/\.\.?(/|$)", re.IGNORECASE)
"""What Spring's StrictHttpFirewall rejects before XNAT sees it; ``.`` and ``..`` segments go with it."""
_TICK = 0.05
"""How often a delayed request looks whether anybody still waits for it, in seconds."""
_NOTICED = 100
"""How many turns of the loop the host may take to notice that a connection is closed."""


class Application:
    """One embedded server as an ASGI callable."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.router = Router(all_routes())
        self._credentials = Credentials(context.store, context.preferences)
        self._stopping = False

    def stop(self) -> None:
        """The server is about to end: nothing is waited for any more."""
        self._stopping = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one HTTP request."""
        if scope["type"] != "http":
            message = f"only http is served, not {scope['type']}"
            raise RuntimeError(message)
        try:
            await self._serve(Request(scope, receive), receive, send)
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            await _drop(send)  # out of patience with a request that never ends: no error of ours

    async def _serve(self, request: Request, receive: Receive, send: Send) -> None:
        fault = self.context.faults.take("request", _raw_path(request), request.method)
        if fault is not None and fault.kind is FaultKind.ASTRAY:
            request.scope["raw_path"] = re.sub(fault.path, fault.to, _raw_path(request)).encode("latin-1")
        if fault is not None and not await self._goes_on(fault, send):
            await _drop(send)
            return
        identity, response = await self._answer(request, fault)
        self._log_request(request, response, identity.user if identity else None)
        await self._deliver(request, response, receive, send)

    async def _answer(self, request: Request, fault: Fault | None) -> tuple[Identity | None, Response]:
        identity: Identity | None = None
        try:
            forged = _forged(fault)
            if forged is not None:
                return None, forged
            if fault is not None and fault.kind is FaultKind.ANONYMOUS:
                self.context.sessions.revoke(request.cookies.get("JSESSIONID", ""))
            _refuse_odd_path(request)
            identity = await self._identify(request)
            response = await self._dispatch(request, identity)
        except XnatError as error:
            response = render_error(error)
        except UnsafeNameError as error:
            response = render_error(XnatError(400, str(error)))  # stricter than XNAT: no label leads out of the archive
        except ClientDisconnect:
            response = render_error(XnatError(500))  # nobody is there to read it
        except Exception:  # noqa: BLE001 - whatever goes wrong in a handler, the client gets XNAT's 500 page and we the trace
            _log.exception("%s %s", request.method, request.url.path)
            response = render_error(XnatError(500))
        self._set_cookies(response, identity)
        return identity, response

    async def _identify(self, request: Request) -> Identity:
        """A cookie is looked up at once; credentials may cost a database query and a slow hash, off the loop."""
        context = self.context
        now = int(context.clock().timestamp() * 1000)
        if "authorization" in request.headers:
            identity = await run_in_threadpool(identify, request, context, self._credentials, now)
        else:
            identity = identify(request, context, self._credentials, now)
        require_login(request, identity, context.preferences)
        require_live_account(request, identity, context, now)
        require_csrf_token(request, identity, context.preferences)
        return identity

    async def _dispatch(self, request: Request, identity: Identity) -> Response:
        match = self.router.match(request.method, _raw_path(request))
        call = Call(
            request=request,
            params=match.params,
            tail=match.tail,
            query=Query(request.scope["query_string"].decode("latin-1")),
            user=identity.user,
            session=identity.session,
            context=self.context,
            credentials=self._credentials,
        )
        return await match.route.handler(call)

    def _set_cookies(self, response: Response, identity: Identity | None) -> None:
        """``SESSION_EXPIRATION_TIME`` on every response, with its quotes (``XnatExpiredPasswordFilter``)."""
        if identity is not None and identity.is_new and identity.session is not None:
            response.headers.append("Set-Cookie", session_cookie(identity.session.id))
        now = int(self.context.clock().timestamp() * 1000)
        timeout = self.context.preferences.seconds("sessionTimeout") * 1000
        response.headers.append("Set-Cookie", f'SESSION_EXPIRATION_TIME="{now},{timeout}"; Version=1; Path=/')

    def _log_request(self, request: Request, response: Response, user: User | None) -> None:
        self.context.log.append(
            LoggedRequest(
                method=request.method,
                path=_raw_path(request),
                query=request.scope["query_string"].decode("latin-1"),
                status=response.status_code,
                user=user.login if user else "",
            )
        )

    async def _goes_on(self, fault: Fault, send: Send) -> bool:
        """Whether the request is worked on after what the fault does before it.

        A delay is over when its client is gone or the server stops, and nothing is done then.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + fault.seconds
        while (left := end - loop.time()) > 0:
            if self._stopping or _is_gone(send):
                return False
            await asyncio.sleep(min(left, _TICK))
        return fault.kind is not FaultKind.DROP_BEFORE

    async def _deliver(self, request: Request, response: Response, receive: Receive, send: Send) -> None:
        fault = self.context.faults.take("response", _raw_path(request), request.method)
        if fault is None:
            await response(request.scope, receive, send)
        elif fault.kind is FaultKind.DROP_AFTER:
            if isinstance(response, OpenFileResponse):
                response.close()
            await _drop(send)
        else:
            await response(request.scope, receive, _cutting(send))


def render_error(error: XnatError) -> Response:
    """The response for a refused request."""
    if error.status == 302:
        return RedirectResponse(error.headers["Location"], status_code=302)
    return HTMLResponse(error_page(error.status, error.message), status_code=error.status, headers=error.headers)


def _raw_path(request: Request) -> str:
    return bytes(request.scope["raw_path"]).decode("latin-1")


def _refuse_odd_path(request: Request) -> None:
    if _REFUSED.search(_raw_path(request)):
        raise XnatError(400)


def _forged(fault: Fault | None) -> Response | None:
    """An answer that a fault puts in the place of the real one."""
    if fault is None:
        return None
    if fault.kind is FaultKind.LOGIN_PAGE:
        return HTMLResponse(LOGIN_PAGE)
    if fault.kind is FaultKind.STATUS:
        return render_error(XnatError(fault.status, fault.message or None, headers=fault.headers))
    return None


async def _drop(send: Send) -> None:
    """Closes the connection without a word. ASGI has no way to say it, so the transport behind ``send`` is used."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        return
    transport.abort()
    # Until the host has noticed it would take the missing answer for a mistake of ours and log it.
    for _ in range(_NOTICED):
        if _is_gone(send):
            return
        await asyncio.sleep(0)


def _is_gone(send: Send) -> bool:
    """Whether the client has closed the connection, as far as the host knows."""
    return bool(getattr(getattr(send, "__self__", None), "disconnected", False))


def _cutting(send: Send) -> Send:
    """Sends the head and half of the first piece of the body, then drops the connection."""

    async def cut(message: Message) -> None:
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            await send({**message, "body": body[: len(body) // 2], "more_body": True})
            await _drop(send)
            return
        await send(message)

    return cut
