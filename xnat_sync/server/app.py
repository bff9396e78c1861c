"""The ASGI application: safety checks, login, routing, errors, cookies, log. No rule about objects or files is here."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from xnat_sync.server.authentication import (
    LOGIN_PAGE,
    Identity,
    identify,
    require_csrf_token,
    require_fresh_password,
    require_login,
    session_cookie,
)
from xnat_sync.server.download import OpenFileResponse
from xnat_sync.server.errors import XnatError, error_page
from xnat_sync.server.faults import FaultKind
from xnat_sync.server.requestlog import LoggedRequest
from xnat_sync.server.routetable import all_routes
from xnat_sync.server.routing import Call, Query, Router
from xnat_sync.server.users import Credentials

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from xnat_sync.server.access import User
    from xnat_sync.server.faults import Fault
    from xnat_sync.server.routing import Context

_log = logging.getLogger(__name__)
_REFUSED = re.compile(r"%25|%2f|%5c|%2e|;|//|\\|%00|/\.\.?(/|$)", re.IGNORECASE)
"""What Spring's StrictHttpFirewall rejects before XNAT sees it; ``.`` and ``..`` segments go with it."""


class Application:
    """One embedded server as an ASGI callable."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.router = Router(all_routes())
        self._credentials = Credentials(context.store, context.preferences)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one HTTP request."""
        if scope["type"] != "http":
            message = f"only http is served, not {scope['type']}"
            raise RuntimeError(message)
        request = Request(scope, receive)
        fault = await self._fault_before(request, send)
        if fault is not None and fault.kind is FaultKind.DROP_BEFORE:
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
        require_login(request, identity, lambda: context.preferences.is_on("requireLogin"))
        require_fresh_password(request, identity, context, now)
        require_csrf_token(request, identity, lambda: context.preferences.is_on("enableCsrfToken"))
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

    async def _fault_before(self, request: Request, send: Send) -> Fault | None:
        fault = self.context.faults.take("request", _raw_path(request), request.method)
        if fault is None:
            return None
        if fault.seconds:
            await asyncio.sleep(fault.seconds)
        if fault.kind is FaultKind.DROP_BEFORE:
            _drop(send)
        return fault

    async def _deliver(self, request: Request, response: Response, receive: Receive, send: Send) -> None:
        fault = self.context.faults.take("response", _raw_path(request), request.method)
        if fault is None:
            await response(request.scope, receive, send)
        elif fault.kind is FaultKind.DROP_AFTER:
            if isinstance(response, OpenFileResponse):
                response.close()
            _drop(send)
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


def _drop(send: Send) -> None:
    """Closes the connection without a word. ASGI has no way to say it, so the transport behind ``send`` is used."""
    cycle = getattr(send, "__self__", None)
    transport = getattr(cycle, "transport", None)
    if transport is not None:
        transport.abort()


def _cutting(send: Send) -> Send:
    """Sends the head and half of the first piece of the body, then drops the connection."""

    async def cut(message: Message) -> None:
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            await send({**message, "body": body[: len(body) // 2], "more_body": True})
            _drop(send)
            return
        await send(message)

    return cut
