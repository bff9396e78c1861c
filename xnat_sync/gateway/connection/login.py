"""A login by xnatpy, which knows XNAT's ways in: passwords, providers, alias tokens, netrc.

It is done without xnatpy's object model, and without its keep-alive thread, which would not notice that a session is
gone.
"""

from __future__ import annotations

import logging
import os
import re
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import requests
import xnat
import xnat.exceptions
from xnat.session import BaseXNATSession

from xnat_sync.core.model.errors import GatewayError, NotAuthenticated, ServerFault, UnexpectedReply
from xnat_sync.gateway.connection.credentials import Endpoint
from xnat_sync.gateway.connection.http import CONNECT_SECONDS, Http, text_of
from xnat_sync.gateway.connection.translation import translated
from xnat_sync.gateway.protocol import paths
from xnat_sync.gateway.protocol.replies import Reply, error_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = logging.getLogger(__name__)

_TOKEN = re.compile(r"[\w.!~*-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Session:
    """One login: its number in this run, the server's session ID, and the cookies that came with it."""

    generation: int
    token: str
    cookies: Any
    user: str
    url: str


@dataclass(frozen=True, slots=True)
class Account:
    """A server's address, who logs in there, which certificates are trusted, and how long an answer may take."""

    url: str
    user: str
    password: str
    verify: bool | str
    read_seconds: float

    def __repr__(self) -> str:
        return f"Account({self.url!r}, {self.user!r})"

    def log_in(self, generation: int) -> Session:
        """A new session; ``generation`` is its number in this run.

        Raises:
            NotAuthenticated: the login is refused, or leads to another server.
            GatewayError: the server cannot be reached, or answers with something that is no session.

        """
        with translated(f"login to {self.url} as {self.user}"), _trusting(self.verify):
            url = self._settled_url()
            # "cli" is xnatpy's word for a session that outlives its object.
            with (
                self._refusal_explained(url, generation),
                _no_thread_left(),
                xnat.connect(
                    url,
                    user=self.user,
                    password=self.password,
                    verify=self.verify is not False,
                    no_parse_model=True,
                    detect_redirect=False,
                    cli=True,
                    logger=_xnatpy_log(),
                    pilot_timeout=(CONNECT_SECONDS, self.read_seconds),
                    default_timeout=self.read_seconds,
                ) as connected,
            ):
                token, cookies, name = connected.jsession, connected.interface.cookies.copy(), connected.logged_in_user
        if not token:
            raise NotAuthenticated(f"{self.url} gave no session to {self.user}")
        if not _TOKEN.fullmatch(token):
            raise _no_session(self.url, generation)
        _log.debug("logged in to %s as %s", url, name)
        return Session(generation, token, cookies, name, url)

    @contextmanager
    def _refusal_explained(self, url: str, generation: int) -> Iterator[None]:
        """Xnatpy calls every failure a refused login, also that of a server which is down for a moment."""
        try:
            yield
        except xnat.exceptions.XNATLoginFailedError:
            with (
                Http(self.verify) as http,
                http.get(url + paths.AUTH, timeout=CONNECT_SECONDS, allow_redirects=False) as reply,
            ):
                said = error_of(Reply(status=reply.status_code, text=text_of(reply)), None)
                if reply.status_code == 404:
                    raise NotAuthenticated(f"{url} has no {paths.AUTH}, so it is no XNAT ({said})") from None
                if reply.status_code >= 500:
                    raise said from None
            raise
        except requests.RequestException:
            raise
        except ValueError:
            # It takes whatever comes with status 200 for a session, and cannot send a page as a cookie.
            raise _no_session(url, generation) from None

    def _settled_url(self) -> str:
        """Where the server's address leads: to the same server, or the password goes nowhere."""
        seconds = (CONNECT_SECONDS, self.read_seconds)
        with Http(self.verify) as http:
            with http.get(self.url, timeout=seconds, stream=True) as reply:
                found = re.sub(r"/(app|data)/.*", "", reply.url.partition("?")[0]).rstrip("/")
            self._require_same_server(found)
            # A login may lead elsewhere than the front page does, and when it is redirected it takes its body along.
            asked = found + paths.LOGIN
            with http.get(asked, timeout=seconds, allow_redirects=False, stream=True) as reply:
                if reply.is_redirect:
                    self._require_same_server(urljoin(asked, reply.headers["location"]))
        return found

    def _require_same_server(self, url: str) -> None:
        old, new = Endpoint.of(self.url), Endpoint.of(url)
        if not old.may_become(new):
            raise NotAuthenticated(
                f"{self.url} redirects to {new}, which gets no password; name that one if it is meant"
            )


def _no_session(url: str, generation: int) -> GatewayError:
    """The error of a login that was answered with something else: for the first one the address may be wrong."""
    kind = ServerFault if generation > 1 else UnexpectedReply
    return kind(f"{url} answered the login with something that is no session")


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


@contextmanager
def _no_thread_left() -> Iterator[None]:
    """Xnatpy starts its keep-alive thread before its first heartbeat; where that fails, nobody would ever stop it."""
    try:
        yield
    except BaseException as error:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            half_made = frame.f_locals.get("self")
            if isinstance(half_made, BaseXNATSession):
                half_made.disconnect()
        raise


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
