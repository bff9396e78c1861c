"""The road to a real XNAT: one login for all threads, and how each request travels.

Requests travel on a `requests.Session` for each thread, as its maintainers advise; who has no more use for one gives it
back with its open connection.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import GatewayError, NotAuthenticated, ServerFault, Unreachable
from xnat_sync.gateway.bodies.body import CHUNK, Body
from xnat_sync.gateway.connection.abandonable import awaited
from xnat_sync.gateway.connection.credentials import clean_url, login_from_netrc
from xnat_sync.gateway.connection.http import CONNECT_SECONDS, READ_SECONDS, Http, Opened, text_of
from xnat_sync.gateway.connection.login import Account, Session
from xnat_sync.gateway.connection.redaction import scrubbed
from xnat_sync.gateway.connection.translation import translated
from xnat_sync.gateway.protocol import paths
from xnat_sync.gateway.protocol.memory import Memory
from xnat_sync.gateway.protocol.replies import Reply, error_of, is_page
from xnat_sync.gateway.protocol.rest import RestGateway
from xnat_sync.gateway.protocol.transport import Request
from xnat_sync.gateway.resilience.throttle import Limits, Pace, Paced

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

    from xnat_sync.core.model.refs import Ref

_log = logging.getLogger(__name__)

_SLOWEST_BYTES_A_SECOND = 2_000_000
"""How fast a server unpacks and hashes at least what it was sent, before it answers."""
_LOGINS_A_REQUEST = 3
_DOUBTED_REFUSALS = 2
"""So often in a row a login may be refused that was accepted before: XNAT locks accounts, but not so soon."""
_USELESS_LOGINS = 5
"""After so many requests in a row for which no session lasted, the login counts as refused."""
_CUT_SECONDS = 2.0


class XnatConnection:
    """One account on one server, for any number of threads: a `GatewayFactory`.

    Nothing is sent before the first call of a gateway. When the server ends the session, the first thread that notices
    makes a new one for all; after a refused login nobody tries again, since XNAT locks accounts.
    """

    def __init__(
        self,
        url: str,
        user: str | None = None,
        password: str | None = None,
        *,
        verify: bool | str = True,
        read_seconds: float = READ_SECONDS,
        limits: Limits | None = None,
    ) -> None:
        """Take note of the address and the account.

        Without ``user`` the account is that of netrc (``$NETRC``, else ``~/.netrc``) for the server's host with port.
        ``verify`` may be the path of a file with certificates to trust. ``limits`` hold for all threads together.

        Raises:
            UsageError: the address is none, or carries a login; or there is no login for it.

        """
        self.url = clean_url(url)
        login = (user, password) if user and password is not None else login_from_netrc(self.url, user)
        self._account = Account(self.url, *login, verify, read_seconds)
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._refused: GatewayError | None = None
        self._doubted = 0
        self._useless = 0
        self._closed = False
        self._opened = Opened()
        self._idle: list[tuple[Session, requests.Session]] = []
        self._memory = Memory()
        self._pace = Pace(limits)

    def __repr__(self) -> str:
        return f"XnatConnection({self.url!r}, {self._account.user!r})"

    def __call__(self) -> RestGateway:
        """A gateway for the calling thread."""
        return RestGateway(Paced(_Wire(self), self._pace), self._memory)

    def gateway(self) -> RestGateway:
        """The same as calling the connection."""
        return self()

    def close(self) -> None:
        """End the login on the server. Safe to repeat; failures are only logged, since nobody can act on them."""
        # After a cut nobody waits for a login that hangs.
        with nullcontext() if self.is_cut else self._lock:
            session, self._session, self._closed = self._session, None, True
        if session is not None:
            self._log_out(session)
        for _, http in self._taken():
            http.close()

    def _log_out(self, session: Session) -> None:
        seconds = _CUT_SECONDS if self.is_cut else CONNECT_SECONDS
        # After a cut not one of the connections that it ended.
        http = self._logged_in(Http(self._account.verify), session) if self.is_cut else self.open_session(session)
        try:
            with translated("logout"), http:
                http.delete(session.url + paths.JSESSION, timeout=seconds, allow_redirects=False).close()
        except GatewayError as error:
            _log.debug("logout failed: %s", error)

    def cut(self) -> None:
        """Break off what is under way in any thread and begin nothing new: all calls fail with `Unreachable`.

        Takes no lock, so that a signal handler may call it.
        """
        self._opened.cut()

    @property
    def is_cut(self) -> bool:
        """Whether `cut` was called."""
        return self._opened.is_cut

    def session(self, ended: int = 0) -> Session:
        """The login to use now: a new one if there is none, or if the one of this generation has ``ended``.

        Raises:
            NotAuthenticated: the login was refused, now or before.

        """
        with self._lock:
            if self._closed:
                raise NotAuthenticated("the connection is closed")
            if self._refused is not None:
                raise self._refused
            if self._session is None or self._session.generation == ended:
                try:
                    with self.discreet():
                        self._session = self._log_in(ended + 1)
                except NotAuthenticated as error:
                    if ended and self._doubted < _DOUBTED_REFUSALS:
                        self._doubted += 1
                        raise ServerFault(f"{error} (it was accepted before)") from error
                    self._refused = error
                    raise
                self._doubted = 0
            return self._session

    def _log_in(self, generation: int) -> Session:
        """A new login. Xnatpy's connections are its own, so a cut leaves it to itself instead of breaking it off."""
        if self.is_cut:
            raise Unreachable("given up")
        return awaited(lambda: self._account.log_in(generation), lambda: self.is_cut)

    def session_was_good(self) -> None:
        """A request got an answer that was meant for the account."""
        self._useless = 0

    def no_session_lasts(self, ref: Ref | None) -> GatewayError:
        """The error of a request for which every session ended at once.

        That may be bad luck on a server that ends sessions all the time. Where it goes on, as for an account whose
        password has to be changed first, no further request has a chance.
        """
        self._useless += 1
        hopeless = self._useless > _USELESS_LOGINS
        kind = NotAuthenticated if hopeless else ServerFault
        return kind("the server ends every session at once", ref=ref)

    def open_session(self, session: Session) -> requests.Session:
        """A `requests.Session` that is logged in, for one thread at a time; one that was given back if there is any."""
        for kept, http in self._taken():
            if kept is session:
                return http
            http.close()
        return self._logged_in(Http(self._account.verify, self._opened), session)

    def give_back(self, http: requests.Session, session: Session) -> None:
        """Keep a `requests.Session` with its open connection for whoever needs one next."""
        self._idle.append((session, http))
        if self._closed:
            http.close()

    def _taken(self) -> Iterator[tuple[Session, requests.Session]]:
        """What was given back, one after another; each is then the caller's."""
        with suppress(IndexError):
            while True:
                yield self._idle.pop()

    @staticmethod
    def _logged_in(http: requests.Session, session: Session) -> requests.Session:
        http.cookies.update(session.cookies)
        return http

    def read_seconds(self, size: int) -> float:
        """How long to wait for an answer to so many bytes."""
        return self._account.read_seconds + size / _SLOWEST_BYTES_A_SECOND

    def scrub(self, text: str) -> str:
        """A text of the server without the password and the session's ID."""
        account = self._account
        return scrubbed(text, account.user, (account.password, *([self._session.token] if self._session else [])))

    @contextmanager
    def discreet(self) -> Iterator[None]:
        """Inside, errors do not repeat what the server was sent in confidence."""
        try:
            yield
        except GatewayError as error:
            error.args = tuple(self.scrub(str(argument)) for argument in error.args)
            raise


class _Wire:
    """A `Transport` on one `requests.Session`, for one thread."""

    def __init__(self, connection: XnatConnection) -> None:
        self._connection = connection
        self._http: requests.Session | None = None
        self._session: Session | None = None

    @property
    def url(self) -> str:
        return self._connection.url

    def user(self) -> str:
        return self._connection.session().user

    def send(self, request: Request) -> Reply:
        for reply in self._tries(request):
            with reply:
                with translated(_title(request), request.ref):
                    text = text_of(reply)
                if not self._is_ended(reply, text):
                    self._connection.session_was_good()
                    text = text if reply.ok else self._connection.scrub(text)
                    return Reply(status=reply.status_code, text=text, headers=_headers(reply))
        raise self._connection.no_session_lasts(request.ref)

    @contextmanager
    def stream(self, request: Request) -> Iterator[Iterator[bytes]]:
        for reply in self._tries(request, stream=True):
            with reply:
                attached = "content-disposition" in reply.headers
                if reply.status_code == 200 and (attached or "html" not in reply.headers.get("content-type", "")):
                    yield _chunks(reply, request)
                    return
                with translated(_title(request), request.ref):
                    text = text_of(reply)
                if not self._is_ended(reply, text):
                    self._connection.session_was_good()
                    text = self._connection.scrub(text)
                    raise error_of(Reply(status=reply.status_code, text=text, headers=_headers(reply)), request.ref)
        raise self._connection.no_session_lasts(request.ref)

    def close(self) -> None:
        if self._http is not None and self._session is not None:
            self._connection.give_back(self._http, self._session)
            self._http = None

    def _tries(self, request: Request, *, stream: bool = False) -> Iterator[requests.Response]:
        """Answers to the request, each with a newer login than the last."""
        ended = 0
        for _ in range(_LOGINS_A_REQUEST):
            http, session = self._ready(ended)
            try:
                reply = self._once(http, session, request, stream=stream)
            except Unreachable:
                # A server may refuse a body half-way by hanging up: then the answer was never read.
                if request.size == 0 or not self._has_ended(http, session):
                    raise
            else:
                yield reply
            ended = session.generation

    def _ready(self, ended: int) -> tuple[requests.Session, Session]:
        session = self._connection.session(ended)
        if self._http is None or self._session is not session:
            self.close()
            self._http, self._session = self._connection.open_session(session), session
        return self._http, session

    def _once(self, http: requests.Session, session: Session, request: Request, *, stream: bool) -> requests.Response:
        if self._connection.is_cut:
            raise Unreachable("given up", ref=request.ref)
        headers = {"Content-Type": request.content_type} if request.content_type else {}
        if stream:
            headers["Accept-Encoding"] = "identity"
        url = session.url + request.path + (f"?{request.query}" if request.query else "")
        body = request.open_body() if request.open_body else None
        began = time.monotonic()
        status: object = "no answer"
        try:
            with translated(_title(request), request.ref):
                reply = http.request(
                    request.method,
                    url,
                    data=body,
                    headers=headers,
                    timeout=(CONNECT_SECONDS, self._connection.read_seconds(request.size)),
                    allow_redirects=False,
                    stream=True,
                )
            status = reply.status_code
            return reply
        finally:
            if isinstance(body, Body):
                body.close()
            milliseconds = (time.monotonic() - began) * 1000
            _log.debug("%s %s -> %s in %.0f ms", request.method, request.path, status, milliseconds)

    def _is_ended(self, reply: requests.Response, text: str) -> bool:
        """Whether an answer says that the session is over, in one of XNAT's many ways."""
        given = reply.cookies.get("JSESSIONID")
        return (
            reply.status_code == 401
            or (reply.is_redirect and "login" in reply.headers.get("location", "").lower())
            or (reply.status_code == 200 and is_page(text))
            # An unknown session ID is answered with a new, anonymous session.
            or (given is not None and self._session is not None and given != self._session.token)
        )

    def _has_ended(self, http: requests.Session, session: Session) -> bool:
        try:
            reply = self._once(http, session, Request(method="GET", path=paths.AUTH), stream=False)
            with reply, translated(paths.AUTH):
                return self._is_ended(reply, text_of(reply))
        except GatewayError:
            return False


def _title(request: Request) -> str:
    return f"{request.method} {request.path}"


def _headers(reply: requests.Response) -> dict[str, str]:
    return {key.lower(): value for key, value in reply.headers.items()}


def _chunks(reply: requests.Response, request: Request) -> Iterator[bytes]:
    with translated(_title(request), request.ref):
        yield from reply.iter_content(CHUNK)
