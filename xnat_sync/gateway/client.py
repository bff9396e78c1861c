"""The road to a real XNAT: one login for all threads, and how each request travels. Nobody else imports xnat.

xnatpy makes the login, since it knows XNAT's ways in (passwords, providers, alias tokens, netrc); without its object
model, and without its keep-alive thread, which would not notice that a session is gone. Requests travel on a
`requests.Session` for each thread, as its maintainers advise.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
import time
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import requests
import requests.adapters
import xnat
import xnat.exceptions
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

import xnat_sync
from xnat_sync.core.errors import (
    AlreadyExists,
    GatewayError,
    NotAuthenticated,
    NotFound,
    Rejected,
    ServerFault,
    UnexpectedReply,
    Unreachable,
)
from xnat_sync.gateway import paths
from xnat_sync.gateway.account import clean_url, login_from_netrc
from xnat_sync.gateway.body import CHUNK, Body
from xnat_sync.gateway.pace import Limits, Pace, Paced
from xnat_sync.gateway.replies import Reply, error_of, is_page
from xnat_sync.gateway.rest import Memory, Request, RestGateway
from xnat_sync.gateway.secrecy import scrubbed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xnat_sync.core.refs import Ref

_log = logging.getLogger(__name__)

# Not like a browser: XNAT answers browsers with login pages and asks them for CSRF tokens (`XnatSecureGuard`).
USER_AGENT = f"xnat-sync/{xnat_sync.__version__}"

CONNECT_SECONDS = 10.0
READ_SECONDS = 300.0
_SLOWEST_BYTES_A_SECOND = 2_000_000
"""How fast a server unpacks and hashes at least what it was sent, before it answers."""
_TOKEN = re.compile(r"[\w.!~*-]+", re.ASCII)
_LOGINS_A_REQUEST = 3
_DOUBTED_REFUSALS = 2
"""So often in a row a login may be refused that was accepted before: XNAT locks accounts, but not so soon."""
_USELESS_LOGINS = 5
"""After so many requests in a row for which no session lasted, the login counts as refused."""
_CUT_SECONDS = 2.0

# xnatpy's word on the wire, and requests', as errors of ours; the first class that fits decides.
ERRORS: tuple[tuple[type[BaseException], type[GatewayError]], ...] = (
    (xnat.exceptions.XNATLoginFailedError, NotAuthenticated),
    (xnat.exceptions.XNATExpiredCredentialsError, NotAuthenticated),
    (xnat.exceptions.XNATAuthError, NotAuthenticated),
    (xnat.exceptions.XNATConnectionError, Unreachable),
    (xnat.exceptions.XNATNotConnectedError, Unreachable),
    (xnat.exceptions.XNATSSLError, UnexpectedReply),
    (xnat.exceptions.XNATResponseError, UnexpectedReply),
    (xnat.exceptions.XNATObjectAlreadyExistsError, AlreadyExists),
    (xnat.exceptions.XNATObjectDestroyedError, NotFound),
    (xnat.exceptions.XNATUploadError, UnexpectedReply),
    (xnat.exceptions.XNATIOError, UnexpectedReply),
    (xnat.exceptions.XNATKeyError, UnexpectedReply),
    (xnat.exceptions.XNATValueError, UnexpectedReply),
    (xnat.exceptions.XNATMappingException, UnexpectedReply),
    (xnat.exceptions.XNATError, UnexpectedReply),
    # A certificate does not become valid by trying again.
    (requests.exceptions.SSLError, UnexpectedReply),
    (requests.exceptions.ProxyError, Unreachable),
    (requests.exceptions.ConnectTimeout, Unreachable),
    (requests.exceptions.ReadTimeout, Unreachable),
    (requests.exceptions.Timeout, Unreachable),
    (requests.exceptions.ConnectionError, Unreachable),
    (requests.exceptions.ChunkedEncodingError, Unreachable),
    (requests.exceptions.ContentDecodingError, UnexpectedReply),
    (requests.exceptions.InvalidProxyURL, Rejected),
    (requests.exceptions.InvalidURL, Rejected),
    (requests.exceptions.MissingSchema, Rejected),
    (requests.exceptions.InvalidSchema, Rejected),
    (requests.exceptions.URLRequired, Rejected),
    (requests.exceptions.InvalidHeader, Rejected),
    (requests.exceptions.UnrewindableBodyError, Rejected),
    (requests.exceptions.StreamConsumedError, Rejected),
    (requests.exceptions.TooManyRedirects, UnexpectedReply),
    (requests.exceptions.RetryError, Unreachable),
    (requests.exceptions.HTTPError, UnexpectedReply),
    (requests.exceptions.JSONDecodeError, UnexpectedReply),
    (requests.exceptions.InvalidJSONError, UnexpectedReply),
    (requests.exceptions.RequestException, Unreachable),
)


@contextmanager
def translated(doing: str, ref: Ref | None = None) -> Iterator[None]:
    """Inside, errors of xnatpy and requests become `GatewayError`; errors of the program itself pass."""
    try:
        yield
    except tuple(foreign for foreign, _ in ERRORS) as error:
        status = getattr(error, "status_code", 200)
        if status not in (200, 201):
            raise error_of(Reply(status=status, text=getattr(error, "text", "")), ref) from error
        own = next(own for foreign, own in ERRORS if isinstance(error, foreign))
        raise own(f"{doing}: {_words(error)}", ref=ref) from error


def _words(error: BaseException) -> str:
    """What a foreign error says at its core, without the addresses of objects that urllib3 wraps around it."""
    inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
    if isinstance(inner, BaseException) and inner is not error:
        return _words(inner)
    parts = [str(part) for part in error.args] if len(error.args) == 2 and isinstance(inner, str) else [str(error)]
    text = re.sub(r"<[^<>]*\bobject at 0x[0-9a-f]+>:? ?|\bHTTPS?Connection(?:Pool)?\([^()]*\):? ?", "", " ".join(parts))
    text = text.removeprefix("Failed to establish a new connection: ")
    return " ".join(text.split())[:300] or type(error).__name__


@dataclass(frozen=True, slots=True)
class _Session:
    """One login: its number in this run, the server's session ID, and the cookies that came with it."""

    generation: int
    token: str
    cookies: Any
    user: str
    url: str


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
        self._login = (user, password) if user and password is not None else login_from_netrc(self.url, user)
        self._verify = verify
        self._read_seconds = read_seconds
        self._lock = threading.Lock()
        self._session: _Session | None = None
        self._refused: GatewayError | None = None
        self._doubted = 0
        self._useless = 0
        self._closed = False
        self._cut = False
        # The newest connection of each thread.
        self._opened: dict[int, _Patient] = {}
        self._memory = Memory()
        self._pace = Pace(limits)

    def __repr__(self) -> str:
        return f"XnatConnection({self.url!r}, {self._login[0]!r})"

    def __call__(self) -> RestGateway:
        """A gateway for the calling thread."""
        return RestGateway(Paced(_Wire(self), self._pace), self._memory)

    def gateway(self) -> RestGateway:
        """The same as calling the connection."""
        return self()

    def close(self) -> None:
        """End the login on the server. Safe to repeat; failures are only logged, since nobody can act on them."""
        # After a cut nobody waits for a login that hangs.
        with nullcontext() if self._cut else self._lock:
            session, self._session, self._closed = self._session, None, True
        if session is None:
            return
        seconds = _CUT_SECONDS if self._cut else CONNECT_SECONDS
        try:
            with translated("logout"), self.open_session(session) as http:
                http.delete(session.url + paths.JSESSION, timeout=seconds, allow_redirects=False).close()
        except GatewayError as error:
            _log.debug("logout failed: %s", error)

    def cut(self) -> None:
        """Break off what is under way in any thread and begin nothing new: all calls fail with `Unreachable`.

        Takes no lock, so that a signal handler may call it.
        """
        self._cut = True
        for connection in list(self._opened.values()):
            connection.cut()

    @property
    def is_cut(self) -> bool:
        """Whether `cut` was called."""
        return self._cut

    def session(self, ended: int = 0) -> _Session:
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
                    self._session = self._log_in(ended + 1)
                except NotAuthenticated as error:
                    if ended and self._doubted < _DOUBTED_REFUSALS:
                        self._doubted += 1
                        raise ServerFault(f"{error} (it was accepted before)") from error
                    self._refused = error
                    raise
                self._doubted = 0
            return self._session

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

    def open_session(self, session: _Session) -> requests.Session:
        """A `requests.Session` that is logged in."""
        http = _Http()
        http.headers["User-Agent"] = USER_AGENT
        http.auth = _no_auth  # Or requests would look into netrc, and send a password with every request.
        http.verify = self._verify
        for scheme in ("http://", "https://"):
            http.mount(scheme, _Adapter(self._opened))
        http.cookies.update(session.cookies)
        return http

    def read_seconds(self, size: int) -> float:
        """How long to wait for an answer to so many bytes."""
        return self._read_seconds + size / _SLOWEST_BYTES_A_SECOND

    def _log_in(self, generation: int) -> _Session:
        user, password = self._login
        with self.discreet(), translated(f"login to {self.url} as {user}"), _trusting(self._verify):
            url = self._settled_url()
            # "cli" is xnatpy's word for a session that outlives its object.
            with (
                self._refusal_explained(url, generation),
                xnat.connect(
                    url,
                    user=user,
                    password=password,
                    verify=self._verify is not False,
                    no_parse_model=True,
                    detect_redirect=False,
                    cli=True,
                    logger=_xnatpy_log(),
                    pilot_timeout=(CONNECT_SECONDS, self._read_seconds),
                    default_timeout=self._read_seconds,
                ) as connected,
            ):
                token, cookies, name = connected.jsession, connected.interface.cookies.copy(), connected.logged_in_user
        if not token:
            raise NotAuthenticated(f"{self.url} gave no session to {user}")
        if not _TOKEN.fullmatch(token):
            raise _no_session(self.url, generation)
        _log.debug("logged in to %s as %s", url, name)
        return _Session(generation, token, cookies, name, url)

    def scrub(self, text: str) -> str:
        """A text of the server without the password and the session's ID."""
        user, password = self._login
        return scrubbed(text, user, (password, *([self._session.token] if self._session else [])))

    @contextmanager
    def discreet(self) -> Iterator[None]:
        """Inside, errors do not repeat what the server was sent in confidence."""
        try:
            yield
        except GatewayError as error:
            error.args = tuple(self.scrub(str(argument)) for argument in error.args)
            raise

    @contextmanager
    def _refusal_explained(self, url: str, generation: int) -> Iterator[None]:
        """Xnatpy calls every failure a refused login, also that of a server which is down for a moment."""
        try:
            yield
        except xnat.exceptions.XNATLoginFailedError:
            with _Http() as http:
                http.auth = _no_auth
                http.verify = self._verify
                with http.get(url + paths.AUTH, timeout=CONNECT_SECONDS, allow_redirects=False) as reply:
                    if reply.status_code >= 500:
                        raise error_of(Reply(status=reply.status_code, text=_text(reply)), None) from None
            raise
        except requests.RequestException:
            raise
        except ValueError:
            # It takes whatever comes with status 200 for a session, and cannot send a page as a cookie.
            raise _no_session(url, generation) from None

    def _settled_url(self) -> str:
        """Where the server's address leads: the same host, or the password goes nowhere."""
        with _Http() as http:
            http.headers["User-Agent"] = USER_AGENT
            http.auth = _no_auth
            http.verify = self._verify
            with http.get(self.url, timeout=(CONNECT_SECONDS, self._read_seconds), stream=True) as reply:
                found = re.sub(r"/(app|data)/.*", "", reply.url.partition("?")[0]).rstrip("/")
            self._require_same_host(found)
            # What programs ask for may lead elsewhere than the front page, and a redirected login takes its body along.
            asked = found + paths.BUILD_INFO
            seconds = (CONNECT_SECONDS, self._read_seconds)
            with http.get(asked, timeout=seconds, allow_redirects=False, stream=True) as reply:
                if reply.is_redirect:
                    self._require_same_host(urljoin(asked, reply.headers["location"]))
        return found

    def _require_same_host(self, url: str) -> None:
        old, new = urlsplit(self.url), urlsplit(url)
        if old.hostname != new.hostname or (old.scheme, new.scheme) == ("https", "http"):
            raise NotAuthenticated(f"{self.url} redirects to {new.scheme}://{new.hostname}, which gets no password")


class _Wire:
    """A `Transport` on one `requests.Session`, for one thread."""

    def __init__(self, connection: XnatConnection) -> None:
        self._connection = connection
        self._http: requests.Session | None = None
        self._session: _Session | None = None

    @property
    def url(self) -> str:
        return self._connection.url

    def user(self) -> str:
        return self._connection.session().user

    def send(self, request: Request) -> Reply:
        for reply in self._tries(request):
            with reply:
                with translated(_title(request), request.ref):
                    text = _text(reply)
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
                    text = _text(reply)
                if not self._is_ended(reply, text):
                    self._connection.session_was_good()
                    text = self._connection.scrub(text)
                    raise error_of(Reply(status=reply.status_code, text=text, headers=_headers(reply)), request.ref)
        raise self._connection.no_session_lasts(request.ref)

    def close(self) -> None:
        if self._http is not None:
            self._http.close()
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

    def _ready(self, ended: int) -> tuple[requests.Session, _Session]:
        session = self._connection.session(ended)
        if self._http is None or self._session is not session:
            self.close()
            self._http, self._session = self._connection.open_session(session), session
        return self._http, session

    def _once(self, http: requests.Session, session: _Session, request: Request, *, stream: bool) -> requests.Response:
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

    def _has_ended(self, http: requests.Session, session: _Session) -> bool:
        try:
            reply = self._once(http, session, Request(method="GET", path=paths.AUTH), stream=False)
            with reply, translated(paths.AUTH):
                return self._is_ended(reply, _text(reply))
        except GatewayError:
            return False


class _Patient:
    """Sending may stall for as long as reading: urllib3 gives a new connection's first body its connect timeout."""

    sock: Any

    def connect(self) -> None:
        super().connect()  # type: ignore[misc] # the next class in line is a urllib3 connection
        self.sock.settimeout(READ_SECONDS)

    def cut(self) -> None:
        """Wake the thread that sends or reads here, with an error."""
        if self.sock is not None:
            with suppress(OSError):
                # Not the method of a TLS socket, which would take its state away from under that thread.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class _PatientHTTP(_Patient, HTTPConnection): ...


class _PatientHTTPS(_Patient, HTTPSConnection): ...


class _Noting:
    """A pool that notes the connection that each thread opened last."""

    def __init__(self, *args: Any, opened: dict[int, _Patient], **kwargs: Any) -> None:
        self._opened = opened
        super().__init__(*args, **kwargs)

    def _new_conn(self) -> Any:
        made = super()._new_conn()  # type: ignore[misc] # the next class in line is a urllib3 pool
        self._opened[threading.get_ident()] = made
        return made


class _HTTPPool(_Noting, HTTPConnectionPool):
    ConnectionCls = _PatientHTTP


class _HTTPSPool(_Noting, HTTPSConnectionPool):
    ConnectionCls = _PatientHTTPS


class _Adapter(requests.adapters.HTTPAdapter):
    """Sends bodies in large pieces and with patience."""

    def __init__(self, opened: dict[int, _Patient]) -> None:
        self._opened = opened
        super().__init__(pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, blocksize=CHUNK)
        self.poolmanager.pool_classes_by_scheme = {
            "http": partial(_HTTPPool, opened=self._opened),
            "https": partial(_HTTPSPool, opened=self._opened),
        }


class _Http(requests.Session):
    """Trusts whom it is told to; `requests` puts the environment's ``REQUESTS_CA_BUNDLE`` in the place of that."""

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        told = self.verify if verify is None and isinstance(self.verify, str) else verify
        return super().merge_environment_settings(url, proxies, stream, told, cert)


class _Quiet(logging.Filter):
    """What xnatpy finds worth a warning is a detail to us: what matters arrives as an exception."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        return _log.isEnabledFor(logging.DEBUG)


def _xnatpy_log() -> logging.Logger:
    log = logging.getLogger(f"{__name__}.xnatpy")
    if not log.filters:
        log.addFilter(_Quiet())
    return log


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _no_session(url: str, generation: int) -> GatewayError:
    """The error of a login that was answered with something else: for the first one the address may be wrong."""
    kind = ServerFault if generation > 1 else UnexpectedReply
    return kind(f"{url} answered the login with something that is no session")


def _title(request: Request) -> str:
    return f"{request.method} {request.path}"


def _headers(reply: requests.Response) -> dict[str, str]:
    return {key.lower(): value for key, value in reply.headers.items()}


def _text(reply: requests.Response) -> str:
    """The body as text. XNAT writes in the JVM's charset without saying so: UTF-8 where that fits."""
    content = reply.content
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _chunks(reply: requests.Response, request: Request) -> Iterator[bytes]:
    with translated(_title(request), request.ref):
        yield from reply.iter_content(CHUNK)


@contextmanager
def _trusting(verify: bool | str) -> Iterator[None]:  # noqa: FBT001 - the form of requests' own parameter
    """Inside, xnatpy trusts the certificates of a file, which it takes from the environment only."""
    if not isinstance(verify, str):
        yield
        return
    name = "REQUESTS_CA_BUNDLE"
    before = os.environ.get(name)
    os.environ[name] = verify
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
