"""Login sessions, kept in memory: a restart logs everybody out, as a restart of Tomcat does."""

from __future__ import annotations

import secrets
import threading
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xnat_sync.server.identity.permissions import GUEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from xnat_sync.server.identity.permissions import User


_MANY = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One JSESSIONID; anonymous while its user is the guest. ``counted`` among those that a user may have at a time."""

    id: str
    user: User
    expires: float
    csrf: str
    counted: bool = False


class Sessions:
    """All live sessions; each use prolongs one (Tomcat's ``maxInactiveInterval``)."""

    def __init__(self, now: Callable[[], float], timeout: Callable[[], int]) -> None:
        self._now = now
        self._timeout = timeout
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}

    def open(self, user: User = GUEST, *, counted: bool = False) -> Session:
        """A new session."""
        self._forget_expired()
        session = Session(
            id=secrets.token_hex(16).upper(),
            user=user,
            expires=self._now() + self._timeout(),
            csrf=str(uuid.uuid4()),
            counted=counted,
        )
        with self._lock:
            self._sessions[session.id] = session
        return session

    def _forget_expired(self) -> None:
        """Keeps the memory small under clients that send Basic without a cookie and open a session each time."""
        now = self._now()
        with self._lock:
            if len(self._sessions) >= _MANY:
                self._sessions = {key: session for key, session in self._sessions.items() if session.expires > now}

    def find(self, session_id: str) -> Session | None:
        """The live session of that id, prolonged; ``None`` when it is unknown or has expired."""
        now, timeout = self._now(), self._timeout()
        with self._lock:
            session = self._sessions.get(session_id)
            if session is None:
                return None
            if session.expires <= now:
                del self._sessions[session_id]
                return None
            prolonged = replace(session, expires=now + timeout)
            self._sessions[session_id] = prolonged
            return prolonged

    def log_in(self, session_id: str, user: User) -> None:
        """Gives a live session to ``user``; its id stays (``AuthenticationRestlet`` does not rotate it)."""
        with self._lock:
            session = self._sessions.get(session_id)
            if session is not None:
                self._sessions[session_id] = replace(session, user=user)

    def update(self, user: User) -> None:
        """Lets the live sessions of a user know what has become of the account."""
        with self._lock:
            for session in [item for item in self._sessions.values() if item.user.login == user.login]:
                self._sessions[session.id] = replace(session, user=user)

    def revoke(self, session_id: str) -> None:
        """Ends one session."""
        with self._lock:
            self._sessions.pop(session_id, None)

    def revoke_all(self) -> None:
        """Ends every session: the next request with an old cookie is nobody's."""
        with self._lock:
            self._sessions.clear()

    def revoke_user(self, login: str) -> list[str]:
        """Ends the sessions of one user and says which they were."""
        with self._lock:
            gone = [session.id for session in self._sessions.values() if session.user.login == login]
            for session_id in gone:
                del self._sessions[session_id]
            return gone

    def counted(self, login: str) -> int:
        """How many live sessions of one user count against the limit."""
        now = self._now()
        with self._lock:
            return sum(
                item.counted and item.user.login == login and item.expires > now for item in self._sessions.values()
            )

    def of(self, login: str) -> list[str]:
        """Ids of the live sessions of one user."""
        now = self._now()
        with self._lock:
            return [item.id for item in self._sessions.values() if item.user.login == login and item.expires > now]
